//! Exchanges that did not come about.

use std::error::Error;
use std::fmt;
use std::io;

use rustix::io::Errno;

use super::transcript::Line;
use crate::model::{Blame, Evidence, Inconclusive, NotVerified, Origin, Stop};

/// Where an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The name has no address.
    Dns,
    /// No listener, or no way to it.
    Refused,
    /// No trust, no common version, or no TLS at all.
    Tls,
    /// No connection within `limits.connect_s`.
    ConnectTimeout,
    /// Connected and asked, and no answer within the deadline.
    NoAnswer,
    /// The connection ended before the answer was whole.
    Reset,
    /// An answer that is no HTTP.
    Protocol,
    /// The target or a gateway asked us to slow down.
    Throttled,
    /// A gateway answered in place of the service.
    Gateway,
    /// The checker could not ask: no turn within the check's limit, no file left for a connection, or a request that
    /// cannot be written.
    Harness,
    /// The origin was given up after several failures.
    Unreachable,
    /// The contract in use has no such call.
    NotInContract,
}

/// An exchange that did not come about: nothing was learnt about what the target would have said.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Where it ended.
    pub kind: FaultKind,
    /// The service that was asked.
    pub origin: Origin,
    /// What was tried and what happened, in one redacted line.
    pub what: String,
    /// The transcript up to it.
    pub evidence: Evidence,
}

impl Fault {
    /// The same; where the target asked us to slow down the check is not judged, whatever it makes of the fault.
    pub(super) fn noted(self, line: &Line) -> Self {
        if self.kind == FaultKind::Throttled {
            line.recorder().manners().disturb(self.blame(), self.what.clone(), self.evidence.clone());
        }
        self
    }

    /// Whose doing it was, as far as can be told.
    pub const fn blame(&self) -> Blame {
        match self.kind {
            FaultKind::NoAnswer | FaultKind::Protocol => Blame::Target,
            FaultKind::Dns
            | FaultKind::Refused
            | FaultKind::Tls
            | FaultKind::ConnectTimeout
            | FaultKind::Unreachable
            | FaultKind::Gateway
            | FaultKind::Reset => Blame::Environment,
            FaultKind::Throttled => Blame::Throttled,
            FaultKind::Harness | FaultKind::NotInContract => Blame::Harness,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        if fault.kind == FaultKind::NotInContract {
            return NotVerified::Unpromised(fault.what).into();
        }
        Inconclusive::new(fault.blame(), fault.what.clone()).with(fault.evidence).into()
    }
}

/// A name without an address, so that it can be told from other failures to connect.
#[derive(Debug, thiserror::Error)]
#[error("no address for {host}: {source}")]
pub(super) struct NoAddress {
    pub(super) host: String,
    pub(super) source: io::Error,
}

/// What kind of fault an error is, by the first of its causes that tells.
pub(super) fn kind_of(error: &(dyn Error + 'static)) -> Option<FaultKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<NoAddress>() {
            return Some(FaultKind::Dns);
        }
        if error.is::<rustls::Error>() {
            return Some(FaultKind::Tls);
        }
        if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
            if hyper.is_parse() {
                return Some(FaultKind::Protocol);
            }
            // Cancelled: it ended before anything could be asked.
            if hyper.is_incomplete_message() || hyper.is_canceled() {
                return Some(FaultKind::Reset);
            }
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            // `source` of an `io::Error` steps over the error that it wraps.
            if let Some(kind) = io.get_ref().and_then(|inner| kind_of(inner)) {
                return Some(kind);
            }
            if matches!(Errno::from_io_error(io), Some(Errno::MFILE | Errno::NFILE)) {
                return Some(FaultKind::Harness);
            }
            match io.kind() {
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable => return Some(FaultKind::Refused),
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => return Some(FaultKind::Reset),
                _ => {}
            }
        }
        next = error.source();
    }
    None
}

/// Between the cause of a fault and the next step.
const ARROW: &str = " → ";

/// A cause and the next step in one line.
pub(super) fn joined(cause: &str, next: &str) -> String {
    format!("{cause}{ARROW}{next}")
}

/// The cause and, where it is told, the next step of what a fault or an inconclusive login says.
pub fn split(what: &str) -> (&str, Option<&str>) {
    what.split_once(ARROW).map_or((what, None), |(cause, next)| (cause, Some(next)))
}

/// The first cause of this type.
pub(super) fn cause_of<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // `source` of an `io::Error` steps over the error that it wraps.
        let wrapped = error.downcast_ref::<io::Error>().and_then(|io| io.get_ref());
        if let Some(found) = wrapped.and_then(|inner| cause_of::<T>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The last cause: what a person needs to know ("connection refused", not "client error (Connect)").
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_cause_tells_its_kind() {
        let inside = |kind, inner: Box<dyn Error + Send + Sync>| io::Error::new(kind, inner);
        let no_address = NoAddress { host: "x".into(), source: io::Error::other("y") };
        let cases = [
            (inside(io::ErrorKind::Other, Box::new(no_address)), Some(FaultKind::Dns)),
            (inside(io::ErrorKind::InvalidData, Box::new(rustls::Error::DecryptError)), Some(FaultKind::Tls)),
            (io::ErrorKind::ConnectionRefused.into(), Some(FaultKind::Refused)),
            (io::ErrorKind::BrokenPipe.into(), Some(FaultKind::Reset)),
            (io::Error::other("z"), None),
        ];
        for (error, kind) in cases {
            assert_eq!(kind_of(&error), kind, "{error}");
        }
    }
}
