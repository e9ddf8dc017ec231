//! Profiles: what is known about an environment before it is asked.
//!
//! A profile is a stack of layers: the embedded `default.yaml`, the files that it `inherits`, the
//! profile's own file, what the program knows, and `--set`. Each value keeps the place where it was
//! written, so that every complaint points there.

mod derive;
mod diagnostic;
mod hide;
mod interpolate;
mod layers;
mod load;
mod marked;
mod places;
mod raw;
mod resolve;
mod resolved;
mod secrets;
mod shape;
mod show;
mod starter;
mod tree;

pub use diagnostic::Diagnostics;
pub use layers::{Overrides, known};
pub use load::{LoadRequest, Loaded, load};
pub use places::Places;
pub use resolved::*;
pub use shape::{schema, threshold_problems};
pub use starter::{StarterError, Whereabouts, write_starter};

/// The profile of the reference environment inside this executable. No file can take its name.
pub const LOCAL: &str = "local";
