//! What handlers take from a request. A handler without a caller extractor in the first place of
//! its signature cannot be put into the table of routes.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

pub mod body;
pub mod caller;
pub mod expect;
pub mod query;
pub mod request_id;

pub use body::{ApiJson, LargeApiJson, LargeScimJson, ScimJson};
pub use caller::{ApiAdmin, ApiReader, ScimCaller, ScimReader};
pub use expect::Expect;
pub use query::{ApiQuery, QueryPairs};
pub use request_id::RequestId;
