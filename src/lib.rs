//! `netra-check`: a conformance checker for deployed Netra Apex environments.
pub mod cli;
pub mod model;
pub mod profile;
pub mod reference;
pub mod report;
pub mod wire;
