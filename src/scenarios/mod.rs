//! The ten scenarios: one folder each, one file a check.

use crate::check::Check;

/// Lists a scenario's files: each is a module and declares one `CHECK`.
macro_rules! checks {
    ($($file:ident,)*) => {
        $(mod $file;)*
        /// The scenario's checks, in the order of every table and report.
        pub(super) static CHECKS: &[&$crate::check::Check] = &[$(&$file::CHECK,)*];
    };
}

mod auth_sync;
mod format;
mod handshake;
mod independence;
mod lifecycle;
mod reconnection;
mod recovery;
mod streaming;

/// All checks, in the plan's order: the order of every table and report.
pub fn registry() -> Vec<&'static Check> {
    [
        handshake::CHECKS,
        lifecycle::CHECKS,
        auth_sync::CHECKS,
        reconnection::CHECKS,
        recovery::CHECKS,
        format::CHECKS,
        independence::CHECKS,
        streaming::CHECKS,
    ]
    .concat()
}
