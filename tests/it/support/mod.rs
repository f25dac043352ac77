//! What tests stand on: databases that start by themselves, the real binary as a process, a plain
//! HTTP client, and waiting for a condition instead of sleeping.

#![allow(dead_code, unused_imports, reason = "a toolbox: not every test folder uses every tool")]

pub mod browser;
pub mod canary;
pub mod database;
mod door;
pub mod dump;
pub mod http;
pub mod postgres;
mod proxy;
pub mod raw;
mod refusal;
pub mod server;
pub mod tls;
mod wait;

pub use canary::Canaries;
pub use database::{Database, databases};
pub use door::Door;
pub use dump::dump;
pub use proxy::{Cut, Proxy};
pub use refusal::Refusal;
pub use wait::{eventually, until, until_clear};

/// Whether the long form of the fault tests is wanted: `SCIMHUB_FAULT_LONG=1`.
pub fn is_long() -> bool {
    std::env::var_os("SCIMHUB_FAULT_LONG").is_some_and(|value| value == "1")
}
