//! PATCH of the practice app (RFC 7644 section 3.5.2), the strict reading: lower-case `op`, real
//! types, known paths only.

use serde_json::Value;

use super::seats::Object;
use super::users::{Reply, error};

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// The document after all operations, or the refusal of the first bad one.
pub(super) fn apply(document: &Object, request: &Object) -> Result<Object, Reply> {
    let syntax = |detail: &str| error(400, Some("invalidSyntax"), detail);
    let declared = request.get("schemas").and_then(Value::as_array);
    if !declared.is_some_and(|schemas| schemas.iter().any(|s| s.as_str() == Some(PATCH))) {
        return Err(syntax("schemas must name PatchOp"));
    }
    let Some(operations) = request.get("Operations").and_then(Value::as_array).filter(|list| !list.is_empty()) else {
        return Err(syntax("Operations must be a list that is not empty"));
    };
    let mut changed = document.clone();
    for operation in operations {
        let path = match operation.get("path") {
            None => None,
            Some(Value::String(path)) => Some(path.as_str()),
            Some(_) => return Err(syntax("path must be a string")),
        };
        let value = operation.get("value");
        match (operation.get("op").and_then(Value::as_str), path, value) {
            (Some("add" | "replace"), Some(path), Some(value)) => set(&mut changed, path, value)?,
            (Some("add" | "replace"), None, Some(Value::Object(values))) => {
                for (name, value) in values {
                    set(&mut changed, name, value)?;
                }
            }
            (Some("remove"), Some(path), None) => unset(&mut changed, path)?,
            (Some("add" | "replace"), _, _) => return Err(error(400, Some("invalidValue"), "value is missing")),
            (Some("remove"), _, _) => return Err(error(400, Some("noTarget"), "remove needs a path and no value")),
            _ => return Err(syntax("op must be add, replace or remove, in lower case")),
        }
    }
    Ok(changed)
}

fn set(document: &mut Object, path: &str, value: &Value) -> Result<(), Reply> {
    if value.is_null() {
        return Err(error(400, Some("invalidValue"), "null is not a value"));
    }
    if let Some((urn, name)) = extension(path) {
        let extension = document.entry(urn).or_insert_with(|| Value::Object(Object::new()));
        let Some(parts) = extension.as_object_mut() else {
            return Err(error(400, Some("invalidPath"), "this path is not supported"));
        };
        parts.insert(name.to_owned(), value.clone());
        return Ok(());
    }
    match path.split_once('.') {
        Some(("name", part)) => {
            let name = document.entry("name").or_insert_with(|| Value::Object(Object::new()));
            if let Some(parts) = name.as_object_mut() {
                parts.insert(part.to_owned(), value.clone());
            }
            Ok(())
        }
        None if !path.contains(['[', ':']) && !matches!(path, "id" | "meta" | "schemas" | "groups") => {
            document.insert(path.to_owned(), value.clone());
            Ok(())
        }
        Some(_) | None => Err(error(400, Some("invalidPath"), "this path is not supported")),
    }
}

/// An attribute of an extension, `urn:…:name`, whose URN may hold dots.
fn extension(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once(':').filter(|(urn, name)| {
        urn.starts_with("urn:") && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn unset(document: &mut Object, path: &str) -> Result<(), Reply> {
    // Only `roles[value eq "x"]` of all value paths: a seat has one role, and taking it away is a change of it.
    if let Some(wanted) = path.strip_prefix("roles[value eq ").and_then(|tail| tail.strip_suffix(']')) {
        let wanted: Value =
            serde_json::from_str(wanted).map_err(|_| error(400, Some("invalidPath"), "not a value filter"))?;
        if let Some(Value::Array(roles)) = document.get_mut("roles") {
            roles.retain(|role| role.get("value") != Some(&wanted));
        }
        return Ok(());
    }
    if let Some((urn, name)) = extension(path) {
        if let Some(Value::Object(parts)) = document.get_mut(urn) {
            parts.shift_remove(name);
        }
        return Ok(());
    }
    match path.split_once('.') {
        Some(("name", part)) => {
            if let Some(Value::Object(parts)) = document.get_mut("name") {
                parts.shift_remove(part);
            }
            Ok(())
        }
        None if !path.contains(['[', ':']) => {
            document.shift_remove(path);
            Ok(())
        }
        Some(_) | None => Err(error(400, Some("invalidPath"), "this path is not supported")),
    }
}
