//! Exact evaluation of a resolved filter over a resource, without copying it.
use serde_json::Value;

use super::resolve::Test;
use crate::scim::resource::Object;

/// Whether a value counts as present: not null, "", [], {} (R-FILT-08).
pub fn present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(present),
        Value::Object(members) => members.values().any(present),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

pub(super) fn matches(_test: &Test, _object: &Object, _element: bool) -> bool {
    false
}
