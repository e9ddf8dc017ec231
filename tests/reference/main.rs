//! The reference environment over real connections.

mod backend;
mod defects;
mod support;
