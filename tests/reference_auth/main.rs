//! The reference's auth service, provider, frontend and control, over real HTTP.

mod conduct;
mod harness;
mod misconduct;
