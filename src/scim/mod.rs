//! The SCIM protocol (RFC 7643, RFC 7644) as values: no I/O, no async, no clock, no web framework.
//! Everything a client sends is read here with explicit bounds, before anything is stored.

pub mod attr_path;
pub mod dialect;
pub mod discovery;
pub mod error;
pub mod etag;
pub mod filter;
pub mod fold;
pub mod group;
pub mod json;
pub mod list;
mod member;
pub mod patch;
pub mod query;
pub mod render;
pub mod resource;
pub mod schema;
pub mod user;
mod value;
