//! Typed configuration. Every setting is a flag, an environment variable `SCIMHUB_…` and a key of
//! `scimhub.toml`; a flag goes before the environment, that before the file, that before the
//! default. Unknown keys are refused: a misspelt safety switch must not be silently off.

pub mod file;
pub mod serve;

pub use file::{ConfigError, File};
pub use serve::{Given, Serve, TlsFiles};
