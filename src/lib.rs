//! scimhub: group assignments at an identity provider become seats in connected apps.
//!
//! The folders are layers; `ARCHITECTURE.md` has the picture and the walk of one request, and
//! a test holds the imports against it. In short: `scim` and `domain` are values and pure
//! functions, `store` is the only folder that knows SQL, `service` is one transaction per use
//! case, `engine` turns due marks into tasks and pushes them through `connectors`, `tell` tells
//! people and their systems, `http` is the way in, `net` the way out, and `cli` wires everything
//! together.

pub mod auth;
pub mod base;
pub mod cli;
pub mod config;
pub mod connectors;
pub mod domain;
pub mod engine;
pub mod http;
pub mod net;
pub mod sandbox;
pub mod scim;
pub mod service;
pub mod simulate;
pub mod store;
pub mod telemetry;
pub mod tell;
