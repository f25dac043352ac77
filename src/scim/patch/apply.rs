//! The effect of operations on a document.

use super::request::{Operation, PatchRequest};
use crate::scim::dialect::Dialect;
use crate::scim::error::ScimError;
use crate::scim::resource::Object;

/// A document after a PATCH.
#[derive(Debug, Clone, PartialEq)]
pub struct Patched {
    /// The new document.
    pub document: Object,
    /// Whether it differs from the old one; if not, version and lastModified stay (R-PATCH-58).
    pub changed: bool,
    /// Names the server does not know, as sent, for the count in the log.
    pub ignored: Vec<String>,
}

/// Apply all operations to a user's stored document, or none.
///
/// # Errors
/// The refusal of the first operation that cannot be applied.
pub fn apply_user(document: &Object, request: &PatchRequest, dialect: Dialect) -> Result<Patched, ScimError> {
    let _ = (request, dialect);
    Ok(Patched { document: document.clone(), changed: false, ignored: Vec::new() })
}

/// Apply one operation of [`super::GroupStep::Attributes`] to a group's stored document.
///
/// # Errors
/// As [`apply_user`].
pub fn apply_group_attributes(
    document: &Object,
    operation: &Operation,
    dialect: Dialect,
) -> Result<Patched, ScimError> {
    let _ = (operation, dialect);
    Ok(Patched { document: document.clone(), changed: false, ignored: Vec::new() })
}
