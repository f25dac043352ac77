//! Turns due marks into tasks and pushes tasks to apps. Knows nothing about HTTP in either
//! direction, and no app or connector by name.

pub mod circuit;
pub mod claim;
pub mod connector;
pub mod error;
mod finish;
mod finish_many;
pub mod lease;
mod leavers;
pub mod outcome;
pub mod planner;
mod protecting;
pub mod recording;
pub mod run;
pub mod sealing;
mod starting;
pub mod steps;
mod stride;
mod sweep;
mod sync;
pub mod worker;

pub use error::EngineError;
