//! The engine on both databases, with an app in memory that records every call.

pub mod bench;
mod claims;
mod clocks;
mod cuts;
mod fairness;
mod leavers;
mod outages;
pub mod outcomes;
mod poison;
mod repeats;
mod together;
mod verdicts;
