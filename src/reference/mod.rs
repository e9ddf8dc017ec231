//! The reference environment: one complete, correct implementation of the contract, with
//! switchable defects and permitted variations, all off by default.
//!
//! Its callers own the listeners and the shutdown. It shares wire types with the checker and
//! nothing else: a bug of one must not hide in the other.

mod filter;
mod policy;

pub use filter::Filter;
pub use policy::{DEFECTS, Defect, Permitted, Policy, Setting, Switch, VARIATIONS, Variation};
