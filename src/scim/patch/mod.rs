//! PATCH (RFC 7644 section 3.5.2): reading the request, and its effect on a document. A group's
//! members never pass through a document: they become steps that touch only the rows they name.

mod apply;
mod lists;
mod members;
mod path;
#[cfg(test)]
mod properties;
mod request;
#[cfg(test)]
mod tests;

pub use apply::{Patched, apply_group_attributes, apply_user};
pub use members::{GroupStep, group_steps};
pub use request::{Kind, Operation, PATCH_URN, PatchRequest};
