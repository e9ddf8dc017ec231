//! Profiles: what is known about an environment before it is asked.

mod resolved;

pub use resolved::*;
