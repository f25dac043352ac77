//! Reading a PATCH request: its envelope, not yet what the paths name.

use serde_json::Value;

use crate::scim::dialect::Dialect;
use crate::scim::error::ScimError;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the RFC")]
pub enum Kind {
    Add,
    Remove,
    Replace,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What it does.
    pub kind: Kind,
    /// Where, as sent.
    pub path: Option<String>,
    /// The value; `Some(Null)` when it was sent as null.
    pub value: Option<Value>,
}

/// A PATCH request within its bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchRequest {
    /// In the order they apply.
    pub operations: Vec<Operation>,
}

impl PatchRequest {
    /// Read the body.
    ///
    /// # Errors
    /// 400 `invalidSyntax` for a wrong envelope, 400 `tooMany`-like refusals for its bounds.
    pub fn read(body: Value, dialect: Dialect) -> Result<Self, ScimError> {
        let _ = (body, dialect);
        Err(ScimError::invalid_syntax("PATCH cannot be read yet."))
    }
}
