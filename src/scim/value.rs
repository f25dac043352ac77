//! One attribute's value as a client sends it, made into the value that is stored: types checked,
//! names in the schema's spelling, known habits of identity providers understood, null gone.

use serde_json::{Map, Value};

use super::dialect::Dialect;
use super::error::ScimError;
use super::json;
use super::schema::{Attribute, Mutability, Type};
use crate::base::clock::Micros;
use crate::base::limits::{ATTRIBUTE_VALUES, IDENTIFIER_BYTES};

/// Reads values and collects the names nobody knows.
pub(super) struct Reader {
    pub(super) dialect: Dialect,
    pub(super) ignored: Vec<String>,
}

impl Reader {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, ignored: Vec::new() }
    }

    /// A name no schema defines: counted, in strict mode refused (R-RES-28).
    pub(super) fn unknown(&mut self, name: &str) -> Result<(), ScimError> {
        let name: String = name.chars().take(120).collect();
        if self.dialect.strict {
            return Err(ScimError::invalid_syntax(format!("No schema of this resource type defines \"{name}\".")));
        }
        if !self.ignored.contains(&name) {
            self.ignored.push(name);
        }
        Ok(())
    }

    /// A value of the attribute; `None` when it leaves the attribute unassigned.
    pub(super) fn value(&mut self, attribute: &Attribute, value: Value) -> Result<Option<Value>, ScimError> {
        if attribute.multi_valued { self.list(attribute, value) } else { self.single(attribute, value) }
    }

    /// The values of a list; a lone value stands for a list of one (OneLogin sends `emails` so).
    fn list(&mut self, attribute: &Attribute, value: Value) -> Result<Option<Value>, ScimError> {
        let items = match value {
            Value::Null => return Ok(None),
            Value::String(text) if text.is_empty() && !self.dialect.strict => return Ok(None),
            Value::String(text) if attribute.is_complex() && !self.dialect.strict => match embedded(&text) {
                Some(Value::Array(items)) => items,
                Some(object) => vec![object],
                None => return Err(wrong(attribute, "a list")),
            },
            Value::Array(items) => items,
            Value::Object(_) | Value::String(_) | Value::Bool(_) | Value::Number(_) if self.dialect.strict => {
                return Err(wrong(attribute, "a list"));
            }
            Value::Object(object) => vec![Value::Object(object)],
            simple if !attribute.is_complex() => vec![simple],
            _ => return Err(wrong(attribute, "a list")),
        };
        bounded(attribute, items.len())?;
        let mut kept: Vec<Value> = Vec::with_capacity(items.len());
        for item in items {
            if let Some(item) = self.single(attribute, item)?
                && !kept.contains(&item)
            {
                kept.push(item);
            }
        }
        if kept.iter().filter(|item| is_primary(item)).count() > 1 {
            return Err(ScimError::invalid_value(format!("{} has more than one primary value.", attribute.name)));
        }
        Ok((!kept.is_empty()).then_some(Value::Array(kept)))
    }

    /// One value, or one element of a list.
    pub(super) fn single(&mut self, attribute: &Attribute, value: Value) -> Result<Option<Value>, ScimError> {
        if value.is_null() {
            return Ok(None);
        }
        match attribute.kind {
            Type::Complex => self.complex(attribute, value),
            Type::String | Type::Reference => match value {
                Value::String(text) if text.is_empty() => Ok(None),
                Value::String(text) => Ok(Some(Value::String(text))),
                _ => Err(wrong(attribute, "a string")),
            },
            Type::Boolean => self.boolean(attribute, &value),
            Type::Integer => match value {
                Value::Number(number) if number.is_i64() => Ok(Some(Value::Number(number))),
                _ => Err(wrong(attribute, "a whole number")),
            },
            Type::Decimal => match value {
                Value::Number(number) => Ok(Some(Value::Number(number))),
                _ => Err(wrong(attribute, "a number")),
            },
            Type::DateTime => match value {
                Value::String(text) if text.is_empty() => Ok(None),
                Value::String(text) if Micros::parse_rfc3339(&text).is_some() => Ok(Some(Value::String(text))),
                _ => Err(wrong(attribute, "a date and time with its zone")),
            },
            Type::Binary => match value {
                Value::String(text) if text.is_empty() => Ok(None),
                Value::String(text) if is_base64(&text) => Ok(Some(Value::String(text))),
                _ => Err(wrong(attribute, "base64 text")),
            },
        }
    }

    /// `true`, `false`, or as Entra and OneLogin write them: "True", "false".
    fn boolean(&self, attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
        match value {
            Value::Bool(value) => Ok(Some(Value::Bool(*value))),
            Value::String(text) if !self.dialect.strict => {
                if text.is_empty() {
                    Ok(None)
                } else if text.eq_ignore_ascii_case("true") {
                    Ok(Some(Value::Bool(true)))
                } else if text.eq_ignore_ascii_case("false") {
                    Ok(Some(Value::Bool(false)))
                } else {
                    Err(wrong(attribute, "true or false"))
                }
            }
            _ => Err(wrong(attribute, "true or false")),
        }
    }

    fn complex(&mut self, attribute: &Attribute, value: Value) -> Result<Option<Value>, ScimError> {
        let Some(members) = self.members(attribute, value)? else { return Ok(None) };
        let mut kept = Map::new();
        for (name, value) in members {
            let Some(sub) = attribute.sub(&name) else {
                self.unknown(&format!("{}.{name}", attribute.name))?;
                continue;
            };
            if sub.mutability == Mutability::ReadOnly {
                continue;
            }
            let value = self.value(sub, value)?;
            if kept.contains_key(&sub.name) {
                return Err(ScimError::invalid_syntax(format!("{}.{} is given twice.", attribute.name, sub.name)));
            }
            if let Some(value) = value {
                kept.insert(sub.name.clone(), value);
            }
        }
        Ok((!kept.is_empty()).then_some(Value::Object(kept)))
    }

    /// The members of a complex value in whatever shape it comes: an object; a list of one object
    /// or a bare text where the attribute is a reference (`manager`); JSON inside a text (`roles`).
    pub(super) fn members(&self, attribute: &Attribute, value: Value) -> Result<Option<Map<String, Value>>, ScimError> {
        let points = attribute.sub("value").is_some();
        match value {
            Value::Null => Ok(None),
            Value::Object(members) => Ok(Some(opened(attribute, members, self.dialect))),
            Value::String(text) if text.is_empty() && !self.dialect.strict => Ok(None),
            Value::String(text) if points && !self.dialect.strict => {
                let mut members = Map::new();
                members.insert("value".into(), Value::String(text));
                Ok(Some(opened(attribute, members, self.dialect)))
            }
            Value::Array(mut items)
                if !attribute.multi_valued && points && items.len() <= 1 && !self.dialect.strict =>
            {
                match items.pop() {
                    Some(Value::Array(_)) => Err(wrong(attribute, "an object")),
                    Some(item) => self.members(attribute, item),
                    None => Ok(None),
                }
            }
            _ => Err(wrong(attribute, "an object")),
        }
    }
}

/// Entra's `AppRoleAssignmentsComplex` puts a JSON object into the text of a role's `value`:
/// `{"id":…,"value":"Writer","displayName":"Writer"}`. The role is what that object says.
fn opened(attribute: &Attribute, members: Map<String, Value>, dialect: Dialect) -> Map<String, Value> {
    if dialect.strict || attribute.name != "roles" {
        return members;
    }
    let Some(Value::Object(inner)) = members.get("value").and_then(Value::as_str).and_then(embedded) else {
        return members;
    };
    let text = |name: &str| inner.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let Some(value) = text("value").or_else(|| text("id")) else { return members };
    let mut opened = members;
    opened.insert("value".into(), value.into());
    if let Some(display) = text("displayName").or_else(|| text("display")) {
        opened.entry("display").or_insert_with(|| display.into());
    }
    opened
}

/// The object or list a text holds as JSON.
fn embedded(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    json::decode_any(text.as_bytes()).ok()
}

/// Refuse a list that is longer than any real one.
pub(super) fn bounded(attribute: &Attribute, values: usize) -> Result<(), ScimError> {
    if values > ATTRIBUTE_VALUES {
        return Err(ScimError::invalid_value(format!("{} may hold {ATTRIBUTE_VALUES} values.", attribute.name)));
    }
    Ok(())
}

/// Whether an element says it is the primary one.
pub(super) fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

/// A refusal that names the attribute and what it takes; never the value.
fn wrong(attribute: &Attribute, wanted: &str) -> ScimError {
    ScimError::invalid_value(format!("{} must be {wanted}.", attribute.name))
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len() - body.len() <= 2
        && body.len() % 4 != 1
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'))
}

/// Client identifiers are kept as keys, so their length is bounded.
pub(super) fn identifier(name: &str, text: &str) -> Result<(), ScimError> {
    if text.len() > IDENTIFIER_BYTES {
        return Err(ScimError::invalid_value(format!("{name} is longer than {IDENTIFIER_BYTES} bytes.")));
    }
    Ok(())
}
