//! `netra-check`: a conformance checker for deployed Netra Apex environments.
pub mod model;
pub mod profile;
pub mod reference;
pub mod target;
pub mod wire;
