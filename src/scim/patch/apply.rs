//! The effect of operations on a document. They work on a copy, so a refused request changes
//! nothing; lists are changed by what their elements are, never by their position (T-12).

use serde_json::Value;

use super::lists;
use super::path::{self, Place};
use super::request::{Kind, Operation, PatchRequest};
use crate::scim::attr_path::{self, Named, Target};
use crate::scim::dialect::Dialect;
use crate::scim::error::ScimError;
use crate::scim::resource::{self, Object};
use crate::scim::schema::{Attribute, Mutability, ResourceKind, Returned, Schema};
use crate::scim::value::Reader;

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
    run(ResourceKind::User, document, &request.operations, dialect)
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
    run(ResourceKind::Group, document, std::slice::from_ref(operation), dialect)
}

fn run(kind: ResourceKind, before: &Object, operations: &[Operation], dialect: Dialect) -> Result<Patched, ScimError> {
    let mut work = Work { kind, document: before.clone(), reader: Reader::new(dialect) };
    for operation in operations {
        work.operation(operation)?;
    }
    let document = resource::finish(kind, work.document)?;
    let changed = document != *before;
    Ok(Patched { document, changed, ignored: work.reader.ignored })
}

/// How an attribute was named: a path to a read-only one is refused, a key of a path-less value
/// is passed over, because Okta and authentik send back what they read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Path,
    Key,
}

struct Work {
    kind: ResourceKind,
    document: Object,
    reader: Reader,
}

impl Work {
    fn operation(&mut self, operation: &Operation) -> Result<(), ScimError> {
        let Some(path) = &operation.path else {
            return self.whole(operation.kind, operation.value.as_ref());
        };
        match path::read(self.kind, path)? {
            Place::Resource => self.whole(operation.kind, operation.value.as_ref()),
            Place::Extension(extension) => self.extension(operation.kind, extension, operation.value.as_ref()),
            Place::Attribute(target) => self.attribute(operation.kind, target, operation.value.as_ref(), By::Path),
            Place::Elements(elements) => {
                let attribute = elements.list.attribute;
                if attribute.name == "schemas" || hidden(attribute) {
                    return Ok(());
                }
                not_members(elements.list)?;
                writable(elements.list, By::Path)?;
                writable(Target { sub: elements.part, ..elements.list }, By::Path)?;
                let holder = holder(&mut self.document, elements.list.extension)?;
                lists::elements(holder, &elements, operation, &mut self.reader)
            }
            Place::Foreign => self.reader.unknown(path),
        }
    }

    /// A value without a path: every key is an attribute of its own (RFC 7644 section 3.5.2.1);
    /// keys may be dotted or URNs (R-COMPAT-03).
    fn whole(&mut self, kind: Kind, value: Option<&Value>) -> Result<(), ScimError> {
        if kind == Kind::Remove {
            return Err(ScimError::no_target("A remove must name an attribute."));
        }
        let Some(Value::Object(members)) = value else {
            return Err(ScimError::invalid_value("Without a path the value must be an object."));
        };
        for (name, value) in members {
            match attr_path::find(self.kind, name) {
                Some(Named::Core) => self.whole(kind, Some(value))?,
                Some(Named::Extension(extension)) => self.extension(kind, extension, Some(value))?,
                Some(Named::Target(target)) => self.attribute(kind, target, Some(value), By::Key)?,
                None if name.contains('[') => {
                    let operation = Operation { kind, path: Some(name.clone()), value: Some(value.clone()) };
                    self.operation(&operation)?;
                }
                None => self.reader.unknown(name)?,
            }
        }
        Ok(())
    }

    /// A whole extension object: its attributes one by one; remove or null takes it away (R-PATCH-55).
    fn extension(&mut self, kind: Kind, extension: &'static Schema, value: Option<&Value>) -> Result<(), ScimError> {
        match (kind, value) {
            (Kind::Remove, _) | (Kind::Replace, Some(Value::Null)) => {
                self.document.remove(&extension.id);
                Ok(())
            }
            (Kind::Add, Some(Value::Null)) => Ok(()),
            (Kind::Add | Kind::Replace, Some(Value::Object(members))) => {
                for (name, value) in members {
                    match extension.attribute(name) {
                        Some(attribute) => {
                            let target = Target { extension: Some(extension), attribute, sub: None };
                            self.attribute(kind, target, Some(value), By::Key)?;
                        }
                        None => self.reader.unknown(&format!("{}:{name}", extension.id))?,
                    }
                }
                Ok(())
            }
            (Kind::Add | Kind::Replace, _) => {
                Err(ScimError::invalid_value(format!("{} must be an object.", extension.id)))
            }
        }
    }

    fn attribute(&mut self, kind: Kind, target: Target, value: Option<&Value>, by: By) -> Result<(), ScimError> {
        // `schemas` follows from the content; a password is accepted and dropped.
        if target.is("schemas", None) || hidden(target.attribute) {
            return Ok(());
        }
        if !writable(target, by)? {
            return Ok(());
        }
        not_members(target)?;
        let holder = holder(&mut self.document, target.extension)?;
        match (kind, value) {
            (Kind::Remove, value) => remove(holder, target, value, self.reader.dialect),
            (Kind::Add | Kind::Replace, None) => Err(ScimError::invalid_value("An add or replace needs a value.")),
            (Kind::Add | Kind::Replace, Some(value)) => set(holder, kind, target, value.clone(), by, &mut self.reader),
        }
    }
}

/// Members are rows, not part of the document: [`super::group_steps`] takes them out before.
fn not_members(target: Target) -> Result<(), ScimError> {
    if target.extension.is_none() && target.attribute.name == "members" {
        return Err(ScimError::invalid_path("members cannot be changed here."));
    }
    Ok(())
}

fn hidden(attribute: &Attribute) -> bool {
    attribute.returned == Returned::Never
}

/// Whether the target may be written; a path to what may not is refused.
fn writable(target: Target, by: By) -> Result<bool, ScimError> {
    let read_only = |a: &Attribute| a.mutability == Mutability::ReadOnly;
    if !read_only(target.attribute) && !target.sub.is_some_and(read_only) {
        return Ok(true);
    }
    match by {
        By::Path => Err(ScimError::mutability(format!("{} is read-only.", target.name()))),
        By::Key => Ok(false),
    }
}

/// The object an attribute is in: the document, or an extension's object.
fn holder<'a>(document: &'a mut Object, extension: Option<&Schema>) -> Result<&'a mut Object, ScimError> {
    let Some(extension) = extension else { return Ok(document) };
    resource::inner_object(document, &extension.id)
        .ok_or_else(|| ScimError::invalid_value(format!("{} must be an object.", extension.id)))
}

/// Take a value away. What must have a value keeps it; so does `active`, because taking it from a
/// deactivated user would quietly make the default, active, true again.
pub(super) fn clear(holder: &mut Object, attribute: &Attribute) -> Result<(), ScimError> {
    if attribute.required || attribute.name == "active" {
        return Err(ScimError::mutability(format!("{} cannot be removed.", attribute.name)));
    }
    holder.shift_remove(&attribute.name);
    Ok(())
}

fn remove(holder: &mut Object, target: Target, value: Option<&Value>, dialect: Dialect) -> Result<(), ScimError> {
    let attribute = target.attribute;
    match target.sub {
        None if attribute.multi_valued => lists::remove(holder, attribute, value, dialect),
        None => clear(holder, attribute),
        Some(sub) => {
            match holder.get_mut(&attribute.name) {
                Some(Value::Array(items)) => {
                    items.iter_mut().for_each(|item| lists::remove_part(item, sub));
                    items.retain(|item| !lists::hollow(item));
                }
                Some(Value::Object(parts)) => remove_part(parts, sub),
                _ => {}
            }
            prune(holder, attribute)
        }
    }
}

/// Without the value a reference points with, its `$ref` and name say nothing.
fn remove_part(parts: &mut Object, sub: &Attribute) {
    parts.shift_remove(&sub.name);
    if sub.name == "value" {
        parts.shift_remove("$ref");
        parts.shift_remove("displayName");
    }
}

/// An object or list that became empty is unassigned (R-PATCH-37).
fn prune(holder: &mut Object, attribute: &Attribute) -> Result<(), ScimError> {
    let empty = match holder.get(&attribute.name) {
        Some(Value::Object(parts)) => parts.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        _ => false,
    };
    if empty { clear(holder, attribute) } else { Ok(()) }
}

/// Add or replace; `""` and null unassign (rule 6 of idp-behaviour.md).
fn set(
    holder: &mut Object,
    kind: Kind,
    target: Target,
    value: Value,
    by: By,
    reader: &mut Reader,
) -> Result<(), ScimError> {
    let attribute = target.attribute;
    if let Some(sub) = target.sub {
        if attribute.multi_valued {
            return lists::set_only(holder, attribute, sub, value, reader);
        }
        return set_part(holder, attribute, sub, value, reader);
    }
    if attribute.multi_valued {
        return lists::set(holder, kind, attribute, value, reader);
    }
    if !attribute.is_complex() {
        return match reader.single(attribute, value)? {
            Some(value) => {
                holder.insert(attribute.name.clone(), value);
                Ok(())
            }
            None => clear(holder, attribute),
        };
    }
    // A singular complex attribute keeps the parts that are not named (R-PATCH-25, R-PATCH-46).
    let Some(parts) = reader.members(attribute, value)? else { return clear(holder, attribute) };
    // The value first: a `$ref` sent along with it describes the new one.
    let (first, others): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(name, _)| name.eq_ignore_ascii_case("value"));
    for (name, value) in first.into_iter().chain(others) {
        match attribute.sub(&name) {
            Some(sub) if sub.mutability == Mutability::ReadOnly => {
                writable(Target { sub: Some(sub), ..target }, By::Key)?;
            }
            Some(sub) => set_part(holder, attribute, sub, value, reader)?,
            None if by == By::Path && reader.dialect.strict => {
                return Err(ScimError::invalid_path(format!("{}.{name} is not defined.", attribute.name)));
            }
            None => reader.unknown(&format!("{}.{name}", attribute.name))?,
        }
    }
    Ok(())
}

fn set_part(
    holder: &mut Object,
    attribute: &Attribute,
    sub: &Attribute,
    value: Value,
    reader: &mut Reader,
) -> Result<(), ScimError> {
    let value = reader.value(sub, value)?;
    let Some(value) = value else {
        if let Some(Value::Object(parts)) = holder.get_mut(&attribute.name) {
            remove_part(parts, sub);
        }
        return prune(holder, attribute);
    };
    let parts = resource::inner_object(holder, &attribute.name)
        .ok_or_else(|| ScimError::invalid_value(format!("{} must be an object.", attribute.name)))?;
    // A reference that points elsewhere loses what described the old one.
    if sub.name == "value" && parts.get("value").is_some_and(|old| *old != value) {
        parts.shift_remove("$ref");
        parts.shift_remove("displayName");
    }
    parts.insert(sub.name.clone(), value);
    Ok(())
}
