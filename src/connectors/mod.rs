//! Kinds of connected apps: each speaks one wire format and classifies what comes back. Retry
//! policy never lives here; the worker decides by the class.

pub mod classify;
mod echo;
mod manual;
pub mod registry;
pub mod scim;

pub use registry::Registry;
