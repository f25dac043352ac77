//! The role mappings of files against those there are: the steps, and who gains or loses which role.

use std::collections::{BTreeMap, BTreeSet};

use super::diff::Ground;
use crate::base::ids::GroupId;
use crate::base::limits::ROLE_EFFECTS;
use crate::domain::hub_file::{RoleDecl, RoleSection, subject_text};
use crate::domain::mapping::SubjectName;
use crate::domain::rights::{Action as Right, Given, Role, Verdict, may};
use crate::service::ServiceError;
use crate::service::mappings::source_id;
use crate::service::whatif::steps::{Diff, RoleStep, Step};
use crate::service::whatif::{Action, RoleChange, RoleDiff};
use crate::store::role_files::{self, RoleRow};
use crate::store::{DbConn, roles, users};

/// The steps of the section.
///
/// # Errors
/// [`ServiceError::Invalid`] with the place of a group that is none, or several; [`ServiceError::Conflict`] for
/// what another owner manages.
pub(super) fn steps(
    conn: &mut DbConn,
    ground: &Ground<'_>,
    diff: &mut Diff,
    section: &RoleSection,
) -> Result<(), ServiceError> {
    let workspace = ground.scribe.workspace;
    let mut left: BTreeMap<GroupId, RoleRow> =
        role_files::all(conn, workspace)?.into_iter().map(|row| (row.group, row)).collect();
    if left.is_empty() && section.declared.is_empty() {
        return Ok(());
    }
    let mut named = BTreeMap::new();
    let mut found = Vec::new();
    for decl in &section.declared {
        let (group, name) = group(conn, ground, decl, &left)?;
        if let Some(first) = named.insert(group, &decl.place) {
            return Err(ServiceError::Invalid(format!(
                "{}: {} is the group of {first}; name it once",
                decl.place,
                subject_text(&decl.subject)
            )));
        }
        let before = left.remove(&group);
        let owner = ground.owner(before.as_ref().and_then(|before| before.owner.as_ref()));
        let after = RoleRow {
            group,
            called: before.as_ref().and_then(|before| before.called.clone()),
            role: decl.role,
            owner,
            file_ref: ground.wanted.file_ref.clone(),
        };
        if before.as_ref().is_some_and(|before| (before.role, &before.owner) == (after.role, &after.owner)) {
            continue;
        }
        if let Some(before) = &before {
            ground.may_change(&decl.place, &format!("the role of group {name}"), before.owner.as_deref())?;
            if before.owner.is_none()
                && let Some(owner) = &ground.wanted.owner
            {
                diff.plan
                    .notes
                    .push(format!("the role of group {name} belonged to nobody and is taken over by '{owner}'"));
            }
        }
        found.push(RoleStep { name, before, after: Some(after) });
    }
    let mine = left.into_values().filter(|row| row.owner == ground.wanted.owner);
    found.extend(leftovers(ground, diff, section, mine.collect()));
    if !found.is_empty() {
        effects(conn, ground, diff, &found)?;
    }
    diff.plan.roles.extend(found.iter().map(shown));
    diff.steps.extend(found.into_iter().map(Step::Role));
    Ok(())
}

/// The group that a declaration means. It must be there: a name that waited would give the role to whoever makes a
/// group of that name first. One that is gone may still be named as what it is.
fn group(
    conn: &mut DbConn,
    ground: &Ground<'_>,
    decl: &RoleDecl,
    present: &BTreeMap<GroupId, RoleRow>,
) -> Result<(GroupId, String), ServiceError> {
    let workspace = ground.scribe.workspace;
    let wrong = |text: String| ServiceError::Invalid(format!("{}: {text}", decl.place));
    let source = source_id(conn, workspace, decl.source.as_deref()).map_err(|error| wrong(error.to_string()))?;
    let what = subject_text(&decl.subject);
    match (role_files::meant(conn, workspace, &decl.subject, source)?.as_slice(), &decl.subject) {
        ([(id, name)], _) => Ok((*id, name.clone())),
        ([], SubjectName::GroupId(id)) if present.get(id).is_some_and(|row| row.called.is_none()) => {
            Ok((*id, id.to_string()))
        }
        ([], _) => Err(wrong(format!(
            "{what} is no group of an identity provider here; a role is given to a group that has arrived, so that \
             nobody takes its name first (teams managed here give none)"
        ))),
        (_, _) => Err(wrong(format!("{what} is more than one group; say which with source, external_id or group_id"))),
    }
}

/// What the files' owner has and they do not name. What belongs to nobody may have been made through the API: it is
/// the files' business only where they have the section.
fn leftovers(ground: &Ground<'_>, diff: &mut Diff, section: &RoleSection, mine: Vec<RoleRow>) -> Vec<RoleStep> {
    let theirs = section.present || ground.wanted.owner.is_some();
    let reads = may(ground.scribe.caller.rights, Right::ReadPeople, None) == Verdict::Yes;
    if mine.is_empty() || !theirs || !reads {
        return Vec::new();
    }
    if !ground.wanted.prune {
        let count = mine.len();
        diff.plan.notes.push(format!("{count} role mapping(s) are there and not in the file; --prune removes them"));
        return Vec::new();
    }
    let name = |row: &RoleRow| row.called.as_ref().map_or_else(|| row.group.to_string(), |(name, _)| name.clone());
    mine.into_iter().map(|row| RoleStep { name: name(&row), before: Some(row), after: None }).collect()
}

fn shown(step: &RoleStep) -> RoleDiff {
    let action = match (&step.before, &step.after) {
        (None, _) => Action::Add,
        (Some(_), Some(_)) => Action::Change,
        (Some(_), None) => Action::Remove,
    };
    let gives = |row: &RoleRow| match &row.owner {
        Some(owner) => format!("{} (of {owner})", row.role),
        None => row.role.to_string(),
    };
    RoleDiff {
        group: step.name.clone(),
        action,
        before: step.before.as_ref().map(gives),
        after: step.after.as_ref().map(gives),
    }
}

/// Who is of another role afterwards, by name; all steps together, since the highest of all wins.
fn effects(conn: &mut DbConn, ground: &Ground<'_>, diff: &mut Diff, steps: &[RoleStep]) -> Result<(), ServiceError> {
    let workspace = ground.scribe.workspace;
    let wanted: BTreeMap<GroupId, Option<Role>> = steps
        .iter()
        .filter_map(|step| Some((step.row()?.group, step.after.as_ref().map(|after| after.role))))
        .collect();
    let groups: Vec<GroupId> = wanted.keys().copied().collect();
    let members = role_files::members(conn, workspace, &groups, ROLE_EFFECTS)?;
    if i64::try_from(members.values().map(Vec::len).sum::<usize>()).unwrap_or(i64::MAX) >= ROLE_EFFECTS {
        diff.plan.notes.push(format!("only the first {ROLE_EFFECTS} members of these groups were looked at"));
    }
    let people: Vec<_> = members.keys().copied().collect();
    let mut changes = BTreeMap::new();
    for part in people.chunks(500) {
        for (user, mut claims) in roles::claims(conn, workspace, part)? {
            let before = claims.role();
            claims.given.retain(|given| given.group.is_none_or(|group| !wanted.contains_key(&group)));
            for (group, at) in members.get(&user).into_iter().flatten() {
                let role = wanted.get(group).copied().flatten();
                claims.given.extend(role.map(|role| Given { role, at: *at, group: Some(*group) }));
            }
            let after = claims.role();
            if claims.active && before != after {
                changes.insert(user, (before, after));
            }
        }
    }
    let ids: BTreeSet<_> = changes.keys().copied().collect();
    let ids: Vec<_> = ids.into_iter().collect();
    for row in users::load_many(conn, workspace, &ids)? {
        if let Some((from, to)) = changes.get(&row.id) {
            diff.plan.role_changes.push(RoleChange {
                user: row.id.to_string(),
                name: row.user_name,
                from: from.to_string(),
                to: to.to_string(),
            });
        }
    }
    diff.plan.role_changes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(())
}
