//! From what is there to what the files declare: the steps, and the outline people read. Decides
//! nothing about people and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::outline::{Action, BindingShown, HubDiff, MappingDiff, Plan};
use super::{EnvValues, Wanted};
use crate::base::ids::{HubId, MappingId, SourceId, WorkspaceId};
use crate::base::secret::SecretString;
use crate::domain::catalog::Catalog;
use crate::domain::hub::{ConnectionValue, Hub, HubMode};
use crate::domain::hub_file::{HubDecl, MappingDecl, Place, subject_text};
use crate::domain::hub_rules::{self as rules, Given};
use crate::domain::mapping::{Binding, Mapping};
use crate::service::hub_changes::{self, connection_value};
use crate::service::mappings::{BindingView, binding_view, source_id};
use crate::service::scribe::Scribe;
use crate::service::{ServiceError, preview, secrets};
use crate::store::{DbConn, StoreError, hub_secrets, hubs as hub_rows, mappings as rows};

/// One step of an application, in the order of carrying out.
pub(super) enum Step {
    AddHub(Hub),
    ChangeHub { before: Box<Hub>, after: Box<Hub> },
    RemoveHub(Hub),
    AddMapping(Hub, Mapping),
    ChangeMapping(Hub, Mapping),
    RemoveMapping(Hub, Mapping),
    Seal(Hub, String, SecretString),
}

pub(super) struct Diff {
    pub(super) steps: Vec<Step>,
    pub(super) plan: Plan,
    /// For the preview: hub, its mappings before, and after.
    pub(super) touched: Vec<preview::Touched>,
}

/// The steps from what is there to what the files declare.
///
/// # Errors
/// [`ServiceError::Conflict`] for what another owner manages, [`ServiceError::Invalid`] with the
/// place of the mistake.
pub(super) fn diff(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    keyring: &crate::store::Keyring,
    declared: &[HubDecl],
    wanted: &Wanted,
    env: &EnvValues,
) -> Result<Diff, ServiceError> {
    let workspace = scribe.workspace;
    let present: BTreeMap<String, Hub> =
        hub_rows::list(conn, workspace)?.into_iter().map(|hub| (hub.slug.to_string(), hub)).collect();
    let mut diff = Diff { steps: Vec::new(), plan: Plan::default(), touched: Vec::new() };
    for decl in declared {
        let before = present.get(decl.slug.as_str());
        if let Some(before) = before {
            owned(&decl.place, &format!("the hub '{}'", decl.slug), before.owner.as_deref(), wanted)?;
        }
        let after = wanted_hub(decl, before, wanted, scribe)?;
        hub_steps(conn, workspace, catalog, &mut diff, before, &after)?;
        let moved = match before {
            Some(before) => {
                let app = rules::app(catalog, &after.app).map_err(ServiceError::Invalid)?;
                !hub_changes::moved_addresses(app, before, &after).is_empty()
            }
            None => false,
        };
        seal_steps(conn, &Sealing { keyring, env, moved }, workspace, &mut diff, decl, &after)?;
        mapping_steps(conn, scribe, &mut diff, decl, before, &after, wanted)?;
        missing_secrets(conn, workspace, &mut diff, before, &after)?;
    }
    let named: BTreeSet<&str> = declared.iter().map(|decl| decl.slug.as_str()).collect();
    for hub in present.values().filter(|hub| !named.contains(hub.slug.as_str())) {
        // Only what this owner has; what belongs to nobody only where no owner is given.
        if hub.owner == wanted.owner {
            remove_hub(conn, workspace, &mut diff, hub, wanted.prune)?;
        }
    }
    Ok(diff)
}

/// Refuse what another owner manages.
fn owned(place: &Place, what: &str, owner: Option<&str>, wanted: &Wanted) -> Result<(), ServiceError> {
    match owner {
        Some(owner) if wanted.owner.as_deref() != Some(owner) => Err(ServiceError::Conflict(format!(
            "{place}: {what} is managed by '{owner}'; apply it with --owner {owner}, or take it out of this file"
        ))),
        _ => Ok(()),
    }
}

fn wanted_hub(decl: &HubDecl, before: Option<&Hub>, wanted: &Wanted, scribe: &Scribe) -> Result<Hub, ServiceError> {
    if let Some(before) = before.filter(|before| before.app != decl.app) {
        return Err(ServiceError::Conflict(format!(
            "{}: the hub '{}' is of the app '{}'; its app cannot change: declare a new hub with another id",
            decl.place, decl.slug, before.app
        )));
    }
    let mut connection = BTreeMap::new();
    for (name, given) in &decl.connection {
        let value = match given {
            Given::Env(_) => ConnectionValue::Secret { secret: name.clone() },
            other @ (Given::Plain(_) | Given::Secret(_)) => connection_value(name, other)?,
        };
        connection.insert(name.clone(), value);
    }
    Ok(Hub {
        id: before.map_or_else(|| HubId::from_uuid(scribe.id()), |before| before.id),
        slug: decl.slug.clone(),
        app: decl.app.clone(),
        label: decl.label.clone(),
        login: decl.login,
        mode: decl.mode.or_else(|| before.map(|before| before.mode)).unwrap_or(HubMode::Observe),
        paused: before.is_some_and(|before| before.paused),
        settle: decl.settle,
        connection,
        policy: decl.policy.clone(),
        owner: wanted.owner.clone(),
        file_ref: wanted.file_ref.clone(),
        revision: before.map_or(1, |before| before.revision),
    })
}

fn hub_steps(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    diff: &mut Diff,
    before: Option<&Hub>,
    after: &Hub,
) -> Result<(), ServiceError> {
    let hub = after.slug.to_string();
    match before {
        None => {
            diff.plan.hubs.push(HubDiff { hub, action: Action::Add, changed: Vec::new() });
            diff.steps.push(Step::AddHub(after.clone()));
        }
        Some(before) if hub_changes::same(before, after) => {}
        Some(before) => {
            let app = rules::app(catalog, &after.app).map_err(ServiceError::Invalid)?;
            let moved = hub_changes::moved_addresses(app, before, after);
            let set = hub_secrets::names(conn, workspace, after.id)?;
            if !moved.is_empty() && !set.is_empty() {
                diff.plan.notes.push(format!(
                    "{hub}: {} changes, so these secrets must be given again with `scimhub secret set {hub} NAME`: {}",
                    moved.join(", "),
                    set.join(", "),
                ));
            }
            let changed = hub_changes::changed(before, after);
            diff.plan.hubs.push(HubDiff { hub, action: Action::Change, changed });
            diff.steps.push(Step::ChangeHub { before: Box::new(before.clone()), after: Box::new(after.clone()) });
        }
    }
    Ok(())
}

/// What sealing values of the environment takes.
struct Sealing<'a> {
    keyring: &'a crate::store::Keyring,
    env: &'a EnvValues,
    /// Whether an address of the connection changes, which forgets what was sealed for the old one.
    moved: bool,
}

fn seal_steps(
    conn: &mut DbConn,
    sealing: &Sealing<'_>,
    workspace: WorkspaceId,
    diff: &mut Diff,
    decl: &HubDecl,
    after: &Hub,
) -> Result<(), ServiceError> {
    for (name, given) in &decl.connection {
        let Given::Env(variable) = given else { continue };
        let key = (decl.slug.to_string(), name.clone());
        let Some(value) = sealing.env.get(&key) else {
            return Err(ServiceError::Invalid(format!(
                "{}: {name}: the environment has no variable {variable}; set it for this command",
                decl.place
            )));
        };
        // A changed address forgets what was sealed, so the value is given again with it.
        if sealing.moved || !secrets::holds(conn, sealing.keyring, workspace, after.id, name, value)? {
            diff.plan.secrets.push(format!("{}/{name}", decl.slug));
            diff.steps.push(Step::Seal(after.clone(), name.clone(), value.clone()));
        }
    }
    Ok(())
}

fn missing_secrets(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    diff: &mut Diff,
    before: Option<&Hub>,
    after: &Hub,
) -> Result<(), ServiceError> {
    let set: BTreeSet<String> = match before {
        Some(before) => hub_secrets::names(conn, workspace, before.id)?.into_iter().collect(),
        None => BTreeSet::new(),
    };
    let sealed = |name: &String| diff.plan.secrets.contains(&format!("{}/{name}", after.slug));
    let missing: Vec<String> =
        secrets::referenced(after).into_iter().filter(|name| !set.contains(name) && !sealed(name)).collect();
    for name in missing {
        diff.plan
            .notes
            .push(format!("{}: the secret {name} is not set; `scimhub secret set {} {name}`", after.slug, after.slug));
    }
    Ok(())
}

/// What a mapping gives, in one line for people.
fn gives(mapping: &Mapping) -> String {
    let mut text = if mapping.app_role.is_empty() { String::from("no role") } else { mapping.app_role.clone() };
    match mapping.hub_role {
        crate::domain::mapping::HubRole::Owner => text.push_str(", owner of the hub"),
        crate::domain::mapping::HubRole::Collaborator => {}
    }
    if !mapping.seat {
        text.push_str(", no seat");
    }
    if !mapping.assets.is_empty() {
        text.push_str(&format!(", {} assets", mapping.assets.len()));
    }
    text
}

fn mapping_diff(hub: &Hub, before: Option<&Mapping>, after: Option<&Mapping>) -> Option<MappingDiff> {
    let one = after.or(before)?;
    let action = match (before, after) {
        (None, _) => Action::Add,
        (Some(_), Some(_)) => Action::Change,
        (Some(_), None) => Action::Remove,
    };
    Some(MappingDiff {
        hub: hub.slug.to_string(),
        subject: subject_text(&one.subject),
        scope: one.scope.clone(),
        action,
        before: before.map(gives),
        after: after.map(gives),
    })
}

fn mapping_steps(
    conn: &mut DbConn,
    scribe: &Scribe,
    diff: &mut Diff,
    decl: &HubDecl,
    before: Option<&Hub>,
    after: &Hub,
    wanted: &Wanted,
) -> Result<(), ServiceError> {
    let workspace = scribe.workspace;
    let present = match before {
        Some(before) => rows::of_hub(conn, workspace, before.id)?,
        None => Vec::new(),
    };
    let mut left = present.clone();
    let mut then = Vec::new();
    let mut moves = before.is_none_or(|before| !hub_changes::same(before, after));
    for declared in &decl.mappings {
        let source = source_id(conn, workspace, declared.source.as_deref())
            .map_err(|error| ServiceError::Invalid(format!("{}: {error}", declared.place)))?;
        let key = rows::subject_key(&declared.subject, source);
        let same = |m: &Mapping| rows::subject_key(&m.subject, m.source) == key && m.scope == declared.scope;
        let found = left.iter().position(same).map(|at| left.swap_remove(at));
        if let Some(found) = &found {
            owned(&declared.place, &subject_text(&found.subject), found.owner.as_deref(), wanted)?;
        }
        let mapping = wanted_mapping(declared, source, found.as_ref(), after, wanted, scribe);
        let binding = match &found {
            Some(found) => found.binding,
            None => rows::find_subject(conn, workspace, &mapping.subject, source)?,
        };
        shown(conn, workspace, diff, after, &mapping, binding)?;
        match &found {
            Some(found) if agrees(found, &mapping) => {}
            Some(found) => {
                moves = true;
                diff.plan.mappings.extend(mapping_diff(after, Some(found), Some(&mapping)));
                diff.steps.push(Step::ChangeMapping(after.clone(), mapping.clone()));
            }
            None => {
                moves = true;
                diff.plan.mappings.extend(mapping_diff(after, None, Some(&mapping)));
                diff.steps.push(Step::AddMapping(after.clone(), mapping.clone()));
            }
        }
        then.push(Mapping { binding, ..mapping });
    }
    let (mine, others): (Vec<Mapping>, Vec<Mapping>) = left.into_iter().partition(|m| m.owner == wanted.owner);
    then.extend(others);
    if wanted.prune {
        for mapping in &mine {
            moves = true;
            diff.plan.mappings.extend(mapping_diff(after, Some(mapping), None));
            diff.steps.push(Step::RemoveMapping(after.clone(), mapping.clone()));
        }
    } else {
        if !mine.is_empty() {
            diff.plan.notes.push(format!(
                "{}: {} mapping(s) are there and not in the file; --prune removes them",
                after.slug,
                mine.len()
            ));
        }
        then.extend(mine);
    }
    if moves {
        diff.touched.push(preview::Touched { hub: after.clone(), was: before.cloned(), before: present, after: then });
    }
    Ok(())
}

fn wanted_mapping(
    declared: &MappingDecl,
    source: Option<SourceId>,
    found: Option<&Mapping>,
    hub: &Hub,
    wanted: &Wanted,
    scribe: &Scribe,
) -> Mapping {
    Mapping {
        id: found.map_or_else(|| MappingId::from_uuid(scribe.id()), |found| found.id),
        hub: hub.id,
        subject: declared.subject.clone(),
        source,
        binding: found.map_or(Binding::Waiting, |found| found.binding),
        scope: declared.scope.clone(),
        hub_role: declared.hub_role,
        app_role: declared.app_role.clone(),
        seat: declared.seat,
        assets: declared.assets.clone(),
        owner: wanted.owner.clone(),
        file_ref: wanted.file_ref.clone(),
        confirmed_at: scribe.now,
    }
}

/// Whether a mapping already is what a file says; the commit alone does not matter.
fn agrees(found: &Mapping, wanted: &Mapping) -> bool {
    found.hub_role == wanted.hub_role
        && found.app_role == wanted.app_role
        && found.seat == wanted.seat
        && found.assets == wanted.assets
        && found.owner == wanted.owner
}

fn shown(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    diff: &mut Diff,
    hub: &Hub,
    mapping: &Mapping,
    binding: Binding,
) -> Result<(), StoreError> {
    let (state, to) = match binding_view(conn, workspace, binding)? {
        BindingView::Waiting => ("waiting", None),
        BindingView::Gone => ("gone", None),
        BindingView::Bound { id, name } => {
            ("bound", Some(name.map_or_else(|| id.clone(), |name| format!("{name} ({id})"))))
        }
    };
    let subject = subject_text(&mapping.subject);
    diff.plan.bindings.push(BindingShown { hub: hub.slug.to_string(), subject, state: state.to_owned(), to });
    Ok(())
}

fn remove_hub(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    diff: &mut Diff,
    hub: &Hub,
    prune: bool,
) -> Result<(), ServiceError> {
    if !prune {
        diff.plan.notes.push(format!("the hub '{}' is there and not in the file; --prune removes it", hub.slug));
        return Ok(());
    }
    diff.plan.hubs.push(HubDiff { hub: hub.slug.to_string(), action: Action::Remove, changed: Vec::new() });
    for mapping in rows::of_hub(conn, workspace, hub.id)? {
        diff.plan.mappings.extend(mapping_diff(hub, Some(&mapping), None));
    }
    diff.plan.notes.push(format!("{}: nothing changes in the app when its hub is removed", hub.slug));
    diff.steps.push(Step::RemoveHub(hub.clone()));
    Ok(())
}
