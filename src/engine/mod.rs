//! Turns due marks into tasks and pushes tasks to apps. Knows nothing about HTTP in either
//! direction, and no app or connector by name.

pub mod connector;
pub mod planner;
