//! What tests stand on: databases that start by themselves, the real binary as a process, a plain
//! HTTP client, and waiting for a condition instead of sleeping.

#![allow(dead_code, unused_imports, reason = "a toolbox: not every test folder uses every tool")]

pub mod canary;
pub mod database;
pub mod http;
pub mod postgres;
pub mod raw;
mod refusal;
pub mod server;
pub mod tls;
mod wait;

pub use canary::Canaries;
pub use database::{Database, databases};
pub use refusal::Refusal;
pub use wait::{eventually, until};
