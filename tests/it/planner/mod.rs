//! The planner on real databases, stepped under a clock that moves only when told.

mod binding;
mod deciding;
mod ends;
pub mod guarding;
mod heads;
pub mod marking;
mod repeats;
mod trips;
pub mod world;
