//! Words every layer shares. Depends on nothing of ours and does no I/O but reading the clock
//! and the system's random source, each in the one file named after it.

pub mod clock;
pub mod duration;
pub mod ids;
pub mod limits;
pub mod nearest;
pub mod network;
pub mod nudge;
pub mod random;
pub mod secret;
pub mod steps;
pub mod visible;
