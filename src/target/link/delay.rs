//! Delay: every octet comes later.

use std::time::Duration;

/// By how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delay(pub(super) Duration);
