//! Who is calling. Everything is refused that does not carry exactly one living token; nothing
//! here reads a body, a query or a path.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

pub mod authenticator;
pub mod bearer;
pub mod error;
pub mod sessions;

pub use authenticator::Authenticator;
pub use error::AuthError;
pub use sessions::Sessions;

pub use crate::domain::caller::{Caller, Preset, Scope};
pub use crate::domain::credential::TokenKey;
pub use crate::domain::session::Opened;
