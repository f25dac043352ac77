//! The one integration-test binary: real databases, real HTTP, real servers on the other side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions, missing_docs)]

mod architecture;
mod connectors;
mod engine;
mod exposure;
mod fault;
mod http;
pub mod hub_rules;
mod hubs;
mod idp;
mod page;
mod planner;
mod record;
mod rules;
mod security;
mod simulation;
mod store;
mod support;
mod telling;
mod whatif;
