//! The way out: HTTP to apps with the address policy built in, so that nobody can reach a
//! private network through a connector's URL (threat T-23). Knows no SCIM and no app.

pub mod addresses;
pub mod client;
pub mod error;
pub mod mail;
pub mod url;
pub mod wait;

pub use addresses::{AddressPolicy, Network};
pub use client::{Answer, Client, Method, Request};
pub use error::NetError;
pub use url::Target;
