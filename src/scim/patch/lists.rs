//! Operations on lists (`emails`, `roles` …). Elements are found by their content; `primary` is
//! true on one element at most, and setting it on one takes it from the others (R-PATCH-19).

use serde_json::Value;

use super::apply::clear;
use super::path::Elements;
use super::request::{Kind, Operation};
use crate::scim::dialect::Dialect;
use crate::scim::error::ScimError;
use crate::scim::fold;
use crate::scim::resource::Object;
use crate::scim::schema::Attribute;
use crate::scim::value::{Reader, bounded, is_primary};

/// Add to the list, or replace it. Adding nothing changes nothing; replacing by nothing clears.
pub(super) fn set(
    holder: &mut Object,
    kind: Kind,
    attribute: &Attribute,
    value: Value,
    reader: &mut Reader,
) -> Result<(), ScimError> {
    // One object is a list of one, in strict mode too (R-PATCH-26).
    let value = if value.is_object() { Value::Array(vec![value]) } else { value };
    let Some(Value::Array(new)) = reader.value(attribute, value)? else {
        return if kind == Kind::Replace { clear(holder, attribute) } else { Ok(()) };
    };
    if kind == Kind::Replace {
        holder.insert(attribute.name.clone(), Value::Array(new));
        return Ok(());
    }
    let Some(items) = list(holder, attribute) else { return Ok(()) };
    bounded(attribute, items.len() + new.len())?;
    let mut touched = Vec::new();
    for item in new {
        match items.iter().position(|old| same(attribute, old, &item)) {
            Some(at) => {
                if let (Some(Value::Object(old)), Value::Object(new)) = (items.get_mut(at), item) {
                    old.extend(new);
                }
                touched.push(at);
            }
            None => {
                touched.push(items.len());
                items.push(item);
            }
        }
    }
    settle_primary(attribute, items, &touched)
}

/// Remove the whole list, or with a value exactly the listed elements, never all (R-PATCH-40).
pub(super) fn remove(
    holder: &mut Object,
    attribute: &Attribute,
    value: Option<&Value>,
    dialect: Dialect,
) -> Result<(), ScimError> {
    let listed = match value {
        None | Some(Value::Null) => return clear(holder, attribute),
        Some(_) if dialect.strict => return Err(ScimError::invalid_value("A remove takes no value.")),
        Some(Value::String(text)) if text.is_empty() => return clear(holder, attribute),
        Some(Value::Array(listed)) => listed.as_slice(),
        Some(one @ (Value::Object(_) | Value::String(_))) => std::slice::from_ref(one),
        Some(Value::Bool(_) | Value::Number(_)) => {
            return Err(ScimError::invalid_value(format!("{} must be a list.", attribute.name)));
        }
    };
    bounded(attribute, listed.len())?;
    if let Some(Value::Array(items)) = holder.get_mut(&attribute.name) {
        items.retain(|item| !listed.iter().any(|wanted| is_listed(attribute, item, wanted)));
        if items.is_empty() {
            clear(holder, attribute)?;
        }
    }
    Ok(())
}

/// A part of the list's only element, as `emails.value` names it. With several elements it would
/// be a guess which one is meant.
pub(super) fn set_only(
    holder: &mut Object,
    attribute: &Attribute,
    sub: &Attribute,
    value: Value,
    reader: &mut Reader,
) -> Result<(), ScimError> {
    let value = reader.value(sub, value)?;
    let count = holder.get(&attribute.name).and_then(Value::as_array).map_or(0, Vec::len);
    if count > 1 || reader.dialect.strict {
        return Err(ScimError::invalid_path(format!(
            "{0} is a list; name the value that is meant, as in {0}[type eq \"work\"].{1}.",
            attribute.name, sub.name
        )));
    }
    let Some(items) = list(holder, attribute) else { return Ok(()) };
    match (items.first_mut(), value) {
        (Some(Value::Object(parts)), Some(value)) => {
            parts.insert(sub.name.clone(), value);
        }
        (Some(item), None) => remove_part(item, sub),
        (None, Some(value)) => {
            let mut parts = Object::new();
            parts.insert(sub.name.clone(), value);
            items.push(Value::Object(parts));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    tidy(holder, attribute)
}

/// An operation on the elements a value path selects.
pub(super) fn elements(
    holder: &mut Object,
    elements: &Elements,
    operation: &Operation,
    reader: &mut Reader,
) -> Result<(), ScimError> {
    let attribute = elements.list.attribute;
    let Some(items) = list(holder, attribute) else { return Ok(()) };
    let selected: Vec<usize> =
        items.iter().enumerate().filter(|(_, item)| elements.selects(item)).map(|(at, _)| at).collect();
    match operation.kind {
        Kind::Remove => match elements.part {
            None => items.retain(|item| !elements.selects(item)),
            Some(part) => each(items, &selected, |item| remove_part(item, part)),
        },
        Kind::Add | Kind::Replace => {
            let value = operation.value.clone().unwrap_or(Value::Null);
            match elements.part {
                Some(part) => match reader.value(part, value)? {
                    None => each(items, &selected, |item| remove_part(item, part)),
                    Some(value) => {
                        let mut parts = Object::new();
                        parts.insert(part.name.clone(), value);
                        write(items, &selected, elements, parts, Kind::Add, reader.dialect)?;
                    }
                },
                None => match reader.single(attribute, value)? {
                    None if operation.kind == Kind::Replace => items.retain(|item| !elements.selects(item)),
                    None => {}
                    Some(Value::Object(parts)) => {
                        write(items, &selected, elements, parts, operation.kind, reader.dialect)?;
                    }
                    Some(_) => return Err(ScimError::invalid_value(format!("{} must be objects.", attribute.name))),
                },
            }
        }
    }
    tidy(holder, attribute)
}

/// Merge parts into the selected elements, or replace them; without any, make one that the filter
/// selects, so that the next operation of the request finds it (rule 4 of idp-behaviour.md).
fn write(
    items: &mut Vec<Value>,
    selected: &[usize],
    elements: &Elements,
    parts: Object,
    kind: Kind,
    dialect: Dialect,
) -> Result<(), ScimError> {
    let attribute = elements.list.attribute;
    // What identifies the element stays with it when only its other parts are sent.
    let stamps = if dialect.strict { None } else { elements.stamps() };
    if selected.is_empty() {
        let Some(mut element) = stamps else {
            return Err(ScimError::no_target(format!("No value of {} matches the path.", attribute.name)));
        };
        element.extend(parts);
        bounded(attribute, items.len() + 1)?;
        let at = items.len();
        items.push(Value::Object(element));
        return settle_primary(attribute, items, &[at]);
    }
    each(items, selected, |item| {
        if let Value::Object(old) = item {
            if kind == Kind::Replace {
                *old = stamps.clone().unwrap_or_default();
            }
            old.extend(parts.clone());
        }
    });
    settle_primary(attribute, items, selected)
}

fn each(items: &mut [Value], selected: &[usize], mut change: impl FnMut(&mut Value)) {
    for at in selected {
        if let Some(item) = items.get_mut(*at) {
            change(item);
        }
    }
}

/// If an element this operation touched is primary, no other one is.
fn settle_primary(attribute: &Attribute, items: &mut [Value], touched: &[usize]) -> Result<(), ScimError> {
    let primary = |items: &[Value]| items.iter().enumerate().filter(|(_, item)| is_primary(item)).count();
    if primary(items) < 2 {
        return Ok(());
    }
    let set: Vec<usize> = touched.iter().copied().filter(|at| items.get(*at).is_some_and(is_primary)).collect();
    let Some(keep) = set.first().copied().filter(|first| set.iter().all(|at| at == first)) else {
        return Err(ScimError::invalid_value(format!("{} can have one primary value only.", attribute.name)));
    };
    for (at, item) in items.iter_mut().enumerate() {
        if at != keep
            && is_primary(item)
            && let Value::Object(parts) = item
        {
            parts.insert("primary".into(), Value::Bool(false));
        }
    }
    Ok(())
}

/// The list, made if there is none; [`tidy`] takes an empty one away again.
fn list<'a>(holder: &'a mut Object, attribute: &Attribute) -> Option<&'a mut Vec<Value>> {
    holder.entry(attribute.name.as_str()).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()
}

fn tidy(holder: &mut Object, attribute: &Attribute) -> Result<(), ScimError> {
    if let Some(Value::Array(items)) = holder.get_mut(&attribute.name) {
        items.retain(|item| !hollow(item));
        if items.is_empty() {
            clear(holder, attribute)?;
        }
    }
    Ok(())
}

/// Take one part from an element.
pub(super) fn remove_part(item: &mut Value, sub: &Attribute) {
    if let Value::Object(parts) = item {
        parts.shift_remove(&sub.name);
    }
}

/// An element that says nothing but what kind it is: what is left when Entra clears
/// `phoneNumbers[type eq "mobile"].value`.
pub(super) fn hollow(item: &Value) -> bool {
    item.as_object().is_some_and(|parts| parts.keys().all(|name| name == "type" || name == "primary"))
}

/// Equal under the attribute's case rule.
fn equal(sub: Option<&Attribute>, a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) if sub.is_some_and(|s| s.case_exact) => fold::exact(a) == fold::exact(b),
        (Value::String(a), Value::String(b)) => fold::text_cow(a) == fold::text_cow(b),
        _ => a == b,
    }
}

/// Whether two elements are the same (type, value) pair (R-RES-27), or equal where there is no value.
fn same(attribute: &Attribute, a: &Value, b: &Value) -> bool {
    match (a.get("value"), b.get("value")) {
        (Some(x), Some(y)) => {
            equal(attribute.sub("value"), x, y)
                && match (a.get("type"), b.get("type")) {
                    (Some(x), Some(y)) => equal(attribute.sub("type"), x, y),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                }
        }
        _ => a == b,
    }
}

/// Whether an element is meant by an entry of a value list: by its value, and type if given; by
/// all its parts where it has no value.
fn is_listed(attribute: &Attribute, item: &Value, wanted: &Value) -> bool {
    let wanted = match wanted {
        Value::String(_) => return item.get("value").is_some_and(|v| equal(attribute.sub("value"), v, wanted)),
        Value::Object(wanted) => wanted,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return false,
    };
    let mut given: Vec<(&Attribute, &Value)> =
        wanted.iter().filter(|(_, v)| !v.is_null()).filter_map(|(k, v)| Some((attribute.sub(k)?, v))).collect();
    if given.iter().any(|(sub, _)| sub.name == "value") {
        given.retain(|(sub, _)| sub.name == "value" || sub.name == "type");
    }
    !given.is_empty() && given.iter().all(|(sub, v)| item.get(&sub.name).is_some_and(|own| equal(Some(sub), own, v)))
}
