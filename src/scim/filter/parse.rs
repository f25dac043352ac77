//! Words to tree.
use super::ast::Expr;
use crate::scim::error::ScimError;

pub(super) fn filter(_text: &str) -> Result<Expr, ScimError> {
    Err(ScimError::invalid_filter("Filters cannot be read yet."))
}
