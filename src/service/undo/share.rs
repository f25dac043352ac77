//! The individual share that gives one person back what a task took from them.

use std::collections::HashMap;

use crate::base::ids::{MappingId, TaskId};
use crate::domain::app::App;
use crate::domain::assets;
use crate::domain::hub::Hub;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use crate::domain::permissions::Permissions;
use crate::domain::task::{Before, Task, TaskKind};
use crate::service::scribe::Scribe;
use crate::service::whatif::steps::Step;
use crate::store::mappings as rows;
use crate::store::users::UserRow;

/// By what a share is found: its subject, where it has no `where`.
pub(super) fn keyed(mapping: &Mapping) -> Option<(String, &Mapping)> {
    mapping.scope.is_none().then(|| (rows::subject_key(&mapping.subject, mapping.source), mapping))
}

/// What such a share is found by, of a person of this name.
pub(super) fn key(user_name: &str) -> String {
    rows::subject_key(&SubjectName::User(user_name.to_owned()), None)
}

/// The task that a share grants again what it took, as its `ref` says.
pub(super) fn undone(step: &Step) -> Option<TaskId> {
    let (wanted, _) = super::many::wish(step)?;
    wanted.file_ref.as_deref()?.rsplit(' ').next()?.parse().ok()
}

/// The share that gives back what the task took, or why there is none.
pub(super) fn of(
    scribe: &Scribe,
    app: &App,
    hub: &Hub,
    shares: &HashMap<String, &Mapping>,
    task: &Task,
    user: Option<&UserRow>,
) -> Result<Step, String> {
    let user = user.ok_or("the person is not here any more")?;
    if !user.active {
        return Err(String::from("the person left (deactivated at the identity provider)"));
    }
    let before = match (&task.effect.before, task.effect.kind) {
        (Some(before), _) => before.as_ref().clone(),
        // Planned by an earlier version: a removal names the role held.
        (None, TaskKind::Remove) => Before {
            role: task.effect.role.clone(),
            assets: task.effect.assets.clone(),
            hub_role: task.effect.hub_role,
        },
        (None, TaskKind::UpdateRole | TaskKind::Add | TaskKind::Sync) => {
            return Err(String::from("what was held before was not recorded"));
        }
    };
    let app_role = before.role.unwrap_or_default();
    if !app.roles.is_empty() || !app_role.is_empty() {
        rules::role(app, &app_role)?;
    }
    let subject = SubjectName::User(user.user_name.clone());
    let key = rows::subject_key(&subject, None);
    let found = shares.get(&key).copied();
    if let Some(owner) = found.and_then(|found| found.owner.as_deref()) {
        return Err(format!("the individual share belongs to '{owner}'; change it there"));
    }
    let mut wanted = Mapping {
        id: found.map_or_else(|| MappingId::from_uuid(scribe.id()), |found| found.id),
        hub: hub.id,
        subject,
        source: None,
        binding: Binding::User(user.id),
        scope: None,
        hub_role: before.hub_role.unwrap_or(HubRole::Collaborator),
        app_role,
        seat: true,
        assets: before.assets,
        owner: None,
        file_ref: Some(format!("granted again by {}, undo of task {}", scribe.actor, task.id)),
        confirmed_at: scribe.now,
    };
    if let Some(found) = found.filter(|found| found.seat) {
        never_lower(app, found, &mut wanted);
    }
    Ok(match found {
        Some(found) if gives_alike(found, &wanted) => {
            return Err(String::from("an individual share gives it already, or more"));
        }
        Some(found) => {
            Step::ChangeMapping { hub: hub.clone(), before: Box::new(found.clone()), after: Box::new(wanted) }
        }
        None => Step::AddMapping(hub.clone(), wanted),
    })
}

/// Somebody may have been given more since: an undo takes nothing of that.
fn never_lower(app: &App, found: &Mapping, wanted: &mut Mapping) {
    wanted.hub_role = wanted.hub_role.max(found.hub_role);
    wanted.assets = assets::united(wanted.assets.iter().chain(&found.assets));
    if app.ranked && app.rank(&found.app_role) > app.rank(&wanted.app_role) {
        wanted.app_role.clone_from(&found.app_role);
    } else if !app.ranked {
        let (before, since) = (Permissions::read(&wanted.app_role), Permissions::read(&found.app_role));
        let all: Permissions = before.ids().chain(since.ids()).map(str::to_owned).collect();
        wanted.app_role = all.settle(app, &since).0.to_string();
    }
}

/// Whether two mappings give the same to whom they name.
fn gives_alike(one: &Mapping, other: &Mapping) -> bool {
    let but_assets = |mapping: &Mapping| (mapping.hub_role, mapping.app_role.clone(), mapping.seat);
    but_assets(one) == but_assets(other) && assets::diff(&one.assets, &other.assets).is_empty()
}
