//! Reports: what a run says to a person, to a CI server and to a later run.
//!
//! [`terminal::Terminal`] listens while the run goes on; the others are pure functions from a
//! [`RunResult`](crate::model::RunResult) to text, and [`files`] writes them.

pub mod ci;
pub mod files;
pub mod group;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod terminal;
pub mod text;

#[cfg(test)]
mod formats;
