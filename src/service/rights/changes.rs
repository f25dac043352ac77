//! Whether whoever makes a change may make each part of it, asked in the moment of the database that
//! it is made in: a file may reach several hubs, and a mapping may make Owners.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use std::collections::{BTreeMap, BTreeSet};

use super::standing::right_in;
use super::{Missing, missing};
use crate::base::ids::{GroupId, HubId};
use crate::domain::catalog::Catalog;
use crate::domain::hub::Hub;
use crate::domain::mapping::{Binding, HubRole, Mapping};
use crate::domain::rights::{Action, Kind, Verdict, may};
use crate::service::scribe::Scribe;
use crate::service::whatif::steps::{Diff, Step};
use crate::service::{ServiceError, owners, role_mappings};
use crate::store::managers::{self, Awaited};
use crate::store::{DbConn, StoreError, hubs as hub_rows};

/// Hold every step of a change against the rights of whoever makes it.
///
/// # Errors
/// [`ServiceError::Missing`] for the first step that is not allowed.
pub(in crate::service) fn check_steps(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    diff: &Diff,
) -> Result<(), ServiceError> {
    if scribe.caller.rights.kind == Kind::Operator {
        return Ok(());
    }
    for step in &diff.steps {
        if let Step::Role(step) = step {
            match may(scribe.caller.rights, Action::ChangeRoles, None) {
                Verdict::Yes => role_mappings::check(scribe, step)?,
                verdict @ (Verdict::Own | Verdict::No) => {
                    return Err(ServiceError::Missing(Box::new(missing(&scribe.caller, Action::ChangeRoles, verdict))));
                }
            }
        }
    }
    // What is connected with the same change belongs to whoever connects it.
    let made: BTreeSet<HubId> = diff
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::AddHub(hub) => Some(hub.id),
            Step::ChangeHub { .. }
            | Step::RemoveHub(_)
            | Step::AddMapping(..)
            | Step::ChangeMapping { .. }
            | Step::RemoveMapping(..)
            | Step::BindMapping { .. }
            | Step::Seal(..)
            | Step::Role(_) => None,
        })
        .collect();
    let others =
        |step: &&Step| asks(step).is_some_and(|(action, hub)| action == Action::ConnectHub || !made.contains(&hub.id));
    diff.steps.iter().filter(others).try_for_each(|step| check_step(conn, scribe, catalog, step))
}

/// Whether whoever only looks at a change may read every hub that it touches.
///
/// # Errors
/// [`ServiceError::Missing`] for the first hub that they may not.
pub(in crate::service) fn check_look(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    diff: &Diff,
) -> Result<(), ServiceError> {
    match scribe.caller.rights.kind {
        Kind::Operator => return Ok(()),
        Kind::Service | Kind::Person => {}
    }
    let hubs: BTreeMap<HubId, &Hub> = diff.touched.iter().map(|one| (one.hub.id, &one.hub)).collect();
    hubs.into_values().try_for_each(|hub| check_in(conn, scribe, catalog, Action::ReadHub, hub))
}

/// The same for one step in a hub that is there.
///
/// # Errors
/// [`ServiceError::Missing`].
pub(in crate::service) fn check_step(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    step: &Step,
) -> Result<(), ServiceError> {
    let Some((action, hub)) = asks(step) else { return Ok(()) };
    check_in(conn, scribe, catalog, action, hub)?;
    check_own(conn, scribe, catalog, step)
}

fn check_in(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    action: Action,
    hub: &Hub,
) -> Result<(), ServiceError> {
    let mut caller = scribe.caller.clone();
    if let Some(user) = caller.person {
        caller.hub = right_in(conn, caller.workspace, catalog, hub, user, scribe.now)?;
    }
    match may(caller.rights, action, caller.hub) {
        Verdict::Yes => Ok(()),
        verdict @ (Verdict::Own | Verdict::No) => {
            let mut missing = missing(&caller, action, verdict);
            missing.detail = format!("hub '{}': {}", hub.slug, missing.detail);
            Err(ServiceError::Missing(Box::new(missing)))
        }
    }
}

/// Whether the caller may say who is in a group: where it makes Owners or Managers of a hub, only who
/// assigns them there may (3.2).
///
/// # Errors
/// [`ServiceError::Missing`] naming the hub.
pub(in crate::service) fn check_group(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    group: GroupId,
) -> Result<(), ServiceError> {
    let hubs = managers::hubs_run_by(conn, scribe.workspace, group)?;
    check_hubs(conn, scribe, catalog, &hubs)
}

/// Whether the caller may make Owners and Managers of all these hubs.
///
/// # Errors
/// [`ServiceError::Missing`] naming the hub.
fn check_hubs(conn: &mut DbConn, scribe: &Scribe, catalog: &Catalog, hubs: &[HubId]) -> Result<(), ServiceError> {
    match scribe.caller.rights.kind {
        Kind::Operator => return Ok(()),
        Kind::Service | Kind::Person => {}
    }
    for id in hubs {
        let hub = match hub_rows::load(conn, scribe.workspace, *id) {
            Err(StoreError::NotFound) => continue,
            other => other?,
        };
        check_in(conn, scribe, catalog, Action::AssignManagers, &hub)?;
    }
    Ok(())
}

/// Whether the caller may let whoever they make here, a team or a guest, take up every share that waits
/// for somebody of this name: it gives them what the hubs' people wanted for somebody of the identity
/// provider. Every entrance that makes a team or a person asks this before the rows are written.
///
/// # Errors
/// [`ServiceError::Missing`] naming all hubs whose members the caller does not manage.
pub(in crate::service) fn check_arrival(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    awaited: Awaited<'_>,
) -> Result<(), ServiceError> {
    if scribe.caller.rights.kind == Kind::Operator {
        return Ok(());
    }
    let mut given: BTreeMap<HubId, HubRole> = BTreeMap::new();
    for (id, role) in managers::hubs_waiting_for(conn, scribe.workspace, awaited)? {
        given.entry(id).and_modify(|most| *most = role.max(*most)).or_insert(role);
    }
    let mut refused = Vec::new();
    for (id, role) in given {
        let hub = match hub_rows::load(conn, scribe.workspace, id) {
            Err(StoreError::NotFound) => continue,
            other => other?,
        };
        let action = if role > HubRole::Collaborator { Action::AssignManagers } else { Action::ManageMembers };
        match check_in(conn, scribe, catalog, action, &hub) {
            Err(ServiceError::Missing(missing)) => refused.push(*missing),
            other => other?,
        }
    }
    all_refused(refused)
}

/// One refusal for several hubs: it names them all, and needs what the strictest of them needs.
fn all_refused(refused: Vec<Missing>) -> Result<(), ServiceError> {
    let detail = refused.iter().map(|missing| missing.detail.as_str()).collect::<Vec<_>>().join("; ");
    match refused.into_iter().max_by_key(|missing| missing.action == Action::AssignManagers) {
        None => Ok(()),
        Some(strictest) => Err(ServiceError::Missing(Box::new(Missing { detail, ..strictest }))),
    }
}

/// Nobody takes their own role as Owner or Manager away, and no hub loses its last Owner, by a share of
/// one person as little as by name (3.2).
fn check_own(conn: &mut DbConn, scribe: &Scribe, catalog: &Catalog, step: &Step) -> Result<(), ServiceError> {
    let (hub, before, left) = match step {
        Step::RemoveMapping(hub, before) => (hub, before, HubRole::Collaborator),
        Step::ChangeMapping { hub, before, after } | Step::BindMapping { hub, before, after } => {
            (hub, before.as_ref(), after.hub_role)
        }
        Step::AddHub(_)
        | Step::ChangeHub { .. }
        | Step::RemoveHub(_)
        | Step::AddMapping(..)
        | Step::Seal(..)
        | Step::Role(_) => {
            return Ok(());
        }
    };
    let Binding::User(user) = before.binding else { return Ok(()) };
    if left >= before.hub_role {
        return Ok(());
    }
    if scribe.caller.person == Some(user) {
        return Err(ServiceError::Conflict(format!(
            "hub '{}': nobody takes their own role as Owner or Manager away; another Owner does",
            hub.slug
        )));
    }
    if before.hub_role == HubRole::Owner
        && !owners::another(conn, scribe.workspace, catalog, hub, Some(user), scribe.now)?
    {
        return Err(ServiceError::Conflict(format!(
            "hub '{}': this share makes its last Owner; make somebody else Owner first",
            hub.slug
        )));
    }
    Ok(())
}

/// What one step asks for, and in which hub; nothing of any hub where it is about roles of the workspace.
fn asks(step: &Step) -> Option<(Action, &Hub)> {
    let manages = |mapping: &Mapping| mapping.hub_role > HubRole::Collaborator;
    let about = |any: bool| if any { Action::AssignManagers } else { Action::ManageMembers };
    Some(match step {
        Step::AddHub(hub) => (Action::ConnectHub, hub),
        Step::ChangeHub { after, .. } => (Action::EditHub, after),
        Step::RemoveHub(hub) => (Action::DeleteHub, hub),
        Step::Seal(hub, ..) => (Action::EditHub, hub),
        Step::AddMapping(hub, mapping) | Step::RemoveMapping(hub, mapping) => (about(manages(mapping)), hub),
        Step::ChangeMapping { hub, before, after } | Step::BindMapping { hub, before, after } => {
            (about(manages(before) || manages(after)), hub)
        }
        Step::Role(_) => return None,
    })
}
