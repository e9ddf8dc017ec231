//! `netra-check`: a conformance checker for deployed Netra Apex environments.
//!
//! The modules, from the words that all share to the command line that knows everything. Imports
//! go one way (`tests/architecture.rs` prints the forbidden edge):
//!
//! - [`model`] – checks, judgements, findings, events: pure data, imports nothing of the others
//! - [`wire`] → model – the contract as data: how logical things stand on the wire
//! - [`profile`] → wire, model – what is known about an environment before it is asked
//! - [`target`] → wire, profile, model – the environment under test: HTTP, frames, sockets, tokens, transcript
//! - [`check`] → target, wire, profile, model – how checks are written: context and verifiers
//! - [`scenarios`] → check, target, wire, model – the checks themselves
//! - [`engine`] → check, target, wire, profile, model – runs checks; does not know which there are
//! - [`report`] → model, check – sinks over a run's events; does not know the engine
//! - [`reference`] → wire – the reference environment; knows no check and no verifier, so that one
//!   bug cannot hide the other
//! - [`local`] → reference, profile, wire – the reference inside this process
//! - [`prove`] → engine, reference, local, scenarios and what they stand on
//! - [`cli`] → everything
pub mod check;
pub mod cli;
pub mod engine;
pub mod local;
pub mod model;
pub mod profile;
pub mod prove;
pub mod reference;
pub mod report;
pub mod scenarios;
pub mod target;
pub mod wire;
