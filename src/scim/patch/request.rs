//! Reading a PATCH request: its envelope and its bounds, not yet what the paths name.

use serde_json::{Map, Value};

use crate::base::limits::{FILTER_BYTES, PATCH_OPERATIONS, PATCH_VALUES};
use crate::scim::dialect::Dialect;
use crate::scim::error::ScimError;

/// URN of the request.
pub const PATCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

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
    /// Where, as sent; never empty.
    pub path: Option<String>,
    /// The value; `Some(Null)` when it was sent as null. An add or replace always has one.
    pub value: Option<Value>,
}

/// A PATCH request within its bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchRequest {
    /// In the order they apply; at least one.
    pub operations: Vec<Operation>,
}

impl PatchRequest {
    /// Read the body. Members of an operation that the RFC does not know (`name`) are ignored.
    ///
    /// # Errors
    /// 400 `invalidSyntax` for a wrong envelope, `invalidValue` where a value is missing, `noTarget`
    /// for a remove without path, `tooMany` beyond the limits.
    pub fn read(body: Value, dialect: Dialect) -> Result<Self, ScimError> {
        let Value::Object(mut body) = body else {
            return Err(ScimError::invalid_syntax("The body must be a JSON object."));
        };
        let named = match take(&mut body, "schemas")? {
            Some(Value::Array(urns)) => {
                urns.iter().any(|urn| urn.as_str().is_some_and(|u| u.eq_ignore_ascii_case(PATCH_URN)))
            }
            _ => false,
        };
        if !named {
            return Err(ScimError::invalid_syntax(format!("schemas must hold {PATCH_URN}.")));
        }
        let given = match take(&mut body, "Operations")? {
            Some(Value::Array(given)) if !given.is_empty() => given,
            _ => return Err(ScimError::invalid_syntax("Operations must be a list of at least one operation.")),
        };
        if given.len() > PATCH_OPERATIONS {
            return Err(ScimError::too_many(format!("A PATCH may hold {PATCH_OPERATIONS} operations.")));
        }
        let operations = given.into_iter().map(|op| operation(op, dialect)).collect::<Result<Vec<_>, _>>()?;
        let values: usize = operations.iter().filter_map(|op| op.value.as_ref()).map(count).sum();
        if values > PATCH_VALUES {
            return Err(ScimError::too_many(format!("A PATCH may hold {PATCH_VALUES} values.")));
        }
        Ok(Self { operations })
    }

    /// Refuse a path-less value whose `id` is not that of the resource: Okta and authentik send the
    /// id along with a rename, and it must not look like a change of it (R-PATCH-13).
    ///
    /// # Errors
    /// 400 `mutability`.
    pub fn check_id(&self, id: &str) -> Result<(), ScimError> {
        for operation in self.operations.iter().filter(|op| op.path.is_none()) {
            let Some(Value::Object(value)) = &operation.value else { continue };
            for (_, other) in value.iter().filter(|(name, _)| name.eq_ignore_ascii_case("id")) {
                if other.as_str().is_some_and(|other| other != id) {
                    return Err(ScimError::mutability("id cannot be changed."));
                }
            }
        }
        Ok(())
    }
}

/// Take a member whatever its case; the same name twice is refused.
fn take(object: &mut Map<String, Value>, name: &str) -> Result<Option<Value>, ScimError> {
    let keys: Vec<String> = object.keys().filter(|key| key.eq_ignore_ascii_case(name)).cloned().collect();
    match keys.as_slice() {
        [] => Ok(None),
        [key] => Ok(object.remove(key)),
        _ => Err(ScimError::invalid_syntax(format!("{name} is given twice."))),
    }
}

fn operation(given: Value, dialect: Dialect) -> Result<Operation, ScimError> {
    let Value::Object(mut given) = given else {
        return Err(ScimError::invalid_syntax("Each operation must be an object."));
    };
    let Some(Value::String(word)) = take(&mut given, "op")? else {
        return Err(ScimError::invalid_syntax("Each operation needs op: add, remove or replace."));
    };
    // Entra capitalises: Add, Replace, Remove.
    let word = if dialect.strict { word } else { word.to_ascii_lowercase() };
    let kind = match word.as_str() {
        "add" => Kind::Add,
        "remove" => Kind::Remove,
        "replace" => Kind::Replace,
        _ => return Err(ScimError::invalid_syntax("op must be add, remove or replace.")),
    };
    let path = match take(&mut given, "path")? {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) if path.trim().is_empty() => None,
        Some(Value::String(path)) if path.len() > FILTER_BYTES => {
            return Err(ScimError::invalid_path(format!("The path is longer than {FILTER_BYTES} bytes.")));
        }
        Some(Value::String(path)) => Some(path.trim().to_owned()),
        Some(_) => return Err(ScimError::invalid_path("path must be a string.")),
    };
    let value = take(&mut given, "value")?;
    match (kind, &path, &value) {
        (Kind::Remove, None, _) => Err(ScimError::no_target("A remove needs a path.")),
        (Kind::Add | Kind::Replace, _, None) => Err(ScimError::invalid_value("An add or replace needs a value.")),
        (Kind::Add | Kind::Replace | Kind::Remove, _, _) => Ok(Operation { kind, path, value }),
    }
}

/// How many values an operation brings: the entries of its lists, at least one.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len().max(1),
        Value::Object(members) => members.values().map(count).sum::<usize>().max(1),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::error::ScimType;
    use serde_json::json;

    #[expect(clippy::needless_pass_by_value, reason = "tables of cases read better with values")]
    fn read(operations: Value) -> Result<PatchRequest, ScimError> {
        PatchRequest::read(json!({"schemas": [PATCH_URN], "Operations": operations}), Dialect::tolerant())
    }

    #[test]
    fn envelopes() {
        use ScimType::{InvalidPath, InvalidSyntax, InvalidValue, NoTarget, TooMany};
        for (operations, kind) in [
            (json!([]), InvalidSyntax),
            (json!({}), InvalidSyntax),
            (json!(null), InvalidSyntax),
            (json!([1]), InvalidSyntax),
            (json!([{"op": "move", "path": "title"}]), InvalidSyntax),
            (json!([{"path": "title"}]), InvalidSyntax),
            (json!([{"op": 1, "path": "title"}]), InvalidSyntax),
            (json!([{"op": "add", "OP": "add", "path": "title", "value": 1}]), InvalidSyntax),
            (json!([{"op": "add", "path": "title"}]), InvalidValue),
            (json!([{"op": "replace", "path": "title"}]), InvalidValue),
            (json!([{"op": "remove"}]), NoTarget),
            (json!([{"op": "add", "path": 1, "value": 1}]), InvalidPath),
            (json!(vec![json!({"op": "remove", "path": "title"}); PATCH_OPERATIONS + 1]), TooMany),
            (
                json!([{"op": "add", "path": "members", "value": vec![json!({"value": "a"}); PATCH_VALUES + 1]}]),
                TooMany,
            ),
        ] {
            assert_eq!(read(operations.clone()).unwrap_err().scim_type, Some(kind), "{operations:.80}");
        }
        assert!(
            PatchRequest::read(json!({"Operations": [{"op": "remove", "path": "title"}]}), Dialect::tolerant())
                .is_err()
        );
        assert!(read(json!(vec![json!({"op": "remove", "path": "title"}); PATCH_OPERATIONS])).is_ok());
        assert!(
            read(json!([{"op": "add", "path": "members", "value": vec![json!({"value": "a"}); PATCH_VALUES]}])).is_ok()
        );
        let read = PatchRequest::read(
            json!({"SCHEMAS": [PATCH_URN.to_uppercase()], "operations": [{"Op": "REPLACE", "path": "", "name": "x", "value": null}]}),
            Dialect::tolerant(),
        );
        assert_eq!(read.unwrap().operations, [Operation { kind: Kind::Replace, path: None, value: Some(Value::Null) }]);
    }

    #[test]
    fn the_id_may_come_along_unchanged() {
        let request = read(json!([{"op": "replace", "value": {"ID": "a", "displayName": "x"}}])).unwrap();
        assert!(request.check_id("a").is_ok());
        assert_eq!(request.check_id("b").unwrap_err().scim_type, Some(ScimType::Mutability));
    }
}
