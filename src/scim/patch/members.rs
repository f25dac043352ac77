//! A PATCH of a group as ordered steps over membership rows, made without looking at the group:
//! one member in or out must cost the same in a group of ten and of twenty thousand.

use std::collections::HashSet;

use serde_json::Value;

use super::path::{self, Elements, Place};
use super::request::{Kind, Operation, PatchRequest};
use crate::scim::attr_path::{self, Named};
use crate::scim::dialect::Dialect;
use crate::scim::error::ScimError;
use crate::scim::filter::{Expr, Literal, Op, Resolved};
use crate::scim::member::{MemberValue, read_members};
use crate::scim::schema::ResourceKind;

/// One step; the service takes them in order inside one transaction.
#[derive(Debug, Clone)]
pub enum GroupStep {
    /// Change the group's own attributes with [`super::apply_group_attributes`].
    Attributes(Operation),
    /// These become members; who is one already stays. Never empty.
    AddMembers(Vec<MemberValue>),
    /// These leave; who is no member is passed over. Never empty, never "all".
    RemoveMembers(Vec<String>),
    /// The members (as rendered: `value`, `$ref`, `type`, `display`) that match leave.
    RemoveMembersWhere(Resolved),
    /// Everybody leaves: a bare remove of `members`, or a replace by nothing.
    RemoveAllMembers,
    /// Exactly these are members afterwards. Never empty.
    ReplaceMembers(Vec<MemberValue>),
}

/// Turn a request into steps without looking at the group. Neighbouring adds become one step, and
/// neighbouring removes: authentik sends one operation for each member.
///
/// # Errors
/// The refusal of the first operation that cannot be applied to any group.
pub fn group_steps(request: &PatchRequest, dialect: Dialect) -> Result<Vec<GroupStep>, ScimError> {
    let mut steps = Vec::new();
    for operation in &request.operations {
        one(operation, dialect, &mut steps)?;
    }
    for step in &mut steps {
        match step {
            GroupStep::AddMembers(members) => once(members, |member| member.value.clone()),
            GroupStep::RemoveMembers(ids) => once(ids, Clone::clone),
            GroupStep::Attributes(_)
            | GroupStep::RemoveMembersWhere(_)
            | GroupStep::RemoveAllMembers
            | GroupStep::ReplaceMembers(_) => {}
        }
    }
    Ok(steps)
}

fn one(operation: &Operation, dialect: Dialect, steps: &mut Vec<GroupStep>) -> Result<(), ScimError> {
    let Some(path) = &operation.path else { return whole(operation, dialect, steps) };
    match path::read(ResourceKind::Group, path)? {
        Place::Resource => whole(operation, dialect, steps),
        Place::Attribute(target) if target.attribute.name == "members" => match target.sub {
            None => list(operation.kind, operation.value.as_ref(), dialect, steps),
            Some(_) => Err(never_edited()),
        },
        Place::Elements(elements) if elements.list.attribute.name == "members" => {
            selected(operation.kind, &elements, dialect, steps)
        }
        Place::Attribute(_) | Place::Elements(_) | Place::Extension(_) | Place::Foreign => {
            steps.push(GroupStep::Attributes(operation.clone()));
            Ok(())
        }
    }
}

fn never_edited() -> ScimError {
    ScimError::mutability("A member is added or removed, never edited.")
}

/// A value without a path: `members` apart, the rest is for the document. What it does not name
/// stays as it is, members above all (Okta renames a group this way).
fn whole(operation: &Operation, dialect: Dialect, steps: &mut Vec<GroupStep>) -> Result<(), ScimError> {
    let Some(Value::Object(value)) = &operation.value else {
        steps.push(GroupStep::Attributes(operation.clone()));
        return Ok(());
    };
    let mut rest = value.clone();
    let mut members = None;
    for (name, value) in value {
        if name.contains('[') {
            let apart = Operation { kind: operation.kind, path: Some(name.clone()), value: Some(value.clone()) };
            one(&apart, dialect, steps)?;
            rest.shift_remove(name);
            continue;
        }
        let Some(Named::Target(target)) = attr_path::find(ResourceKind::Group, name) else { continue };
        if target.attribute.name != "members" {
            continue;
        }
        if target.sub.is_some() {
            return Err(never_edited());
        }
        if value.is_null() && !dialect.strict {
            return Err(ScimError::invalid_value("members is null; send [] to empty the group, or leave it out."));
        }
        if members.replace(value).is_some() {
            return Err(ScimError::invalid_syntax("members is given twice."));
        }
        rest.shift_remove(name);
    }
    if !rest.is_empty() {
        steps.push(GroupStep::Attributes(Operation { value: Some(Value::Object(rest)), ..operation.clone() }));
    }
    match members {
        Some(value) => list(operation.kind, Some(value), dialect, steps),
        None => Ok(()),
    }
}

/// The whole list: `path: "members"`.
fn list(kind: Kind, value: Option<&Value>, dialect: Dialect, steps: &mut Vec<GroupStep>) -> Result<(), ScimError> {
    let read = |value: Option<&Value>| read_members(value.cloned().unwrap_or(Value::Null), dialect);
    match (kind, value) {
        (Kind::Remove, None) => steps.push(GroupStep::RemoveAllMembers),
        (Kind::Remove, Some(Value::Null)) => {
            return Err(ScimError::invalid_value("value is null; list the members to remove, or leave value out."));
        }
        (Kind::Remove, Some(_)) if dialect.strict => {
            return Err(ScimError::invalid_value("A remove takes no value."));
        }
        (Kind::Remove, value) => leave(read(value)?.into_iter().map(|m| m.value).collect(), steps),
        (Kind::Add, value) => join(read(value)?, steps),
        (Kind::Replace, value) => {
            let members = read(value)?;
            steps.push(if members.is_empty() {
                GroupStep::RemoveAllMembers
            } else {
                GroupStep::ReplaceMembers(members)
            });
        }
    }
    Ok(())
}

/// Members chosen by a filter: `members[value eq "x"]`.
fn selected(kind: Kind, elements: &Elements, dialect: Dialect, steps: &mut Vec<GroupStep>) -> Result<(), ScimError> {
    if elements.part.is_some() {
        return Err(never_edited());
    }
    match kind {
        Kind::Remove => {
            let mut ids = Vec::new();
            if names_ids(&elements.expr, &mut ids) {
                leave(ids, steps);
            } else {
                steps.push(GroupStep::RemoveMembersWhere(elements.filter.clone()));
            }
            Ok(())
        }
        Kind::Replace => Err(never_edited()),
        Kind::Add => match elements.stamps() {
            Some(stamps) if !dialect.strict && stamps.contains_key("value") => {
                join(read_members(Value::Object(stamps), dialect)?, steps);
                Ok(())
            }
            _ => Err(ScimError::no_target("The path names no member that could be added.")),
        },
    }
}

/// Whether the filter is `value eq "…"`, or several of them joined by `or`.
fn names_ids(expr: &Expr, ids: &mut Vec<String>) -> bool {
    match expr {
        Expr::Compare(path, Op::Eq, Literal::String(id)) if path.eq_ignore_ascii_case("value") => {
            ids.push(id.clone());
            true
        }
        Expr::Or(parts) => parts.iter().all(|part| names_ids(part, ids)),
        Expr::Compare(..) | Expr::And(_) | Expr::Not(_) | Expr::Present(_) | Expr::Element(..) => false,
    }
}

fn join(members: Vec<MemberValue>, steps: &mut Vec<GroupStep>) {
    if members.is_empty() {
        return;
    }
    match steps.last_mut() {
        Some(GroupStep::AddMembers(there)) => there.extend(members),
        _ => steps.push(GroupStep::AddMembers(members)),
    }
}

fn leave(ids: Vec<String>, steps: &mut Vec<GroupStep>) {
    if ids.is_empty() {
        return;
    }
    match steps.last_mut() {
        Some(GroupStep::RemoveMembers(there)) => there.extend(ids),
        _ => steps.push(GroupStep::RemoveMembers(ids)),
    }
}

fn once<T>(items: &mut Vec<T>, key: impl Fn(&T) -> String) {
    let mut seen = HashSet::with_capacity(items.len());
    items.retain(|item| seen.insert(key(item)));
}
