//! Adding, changing and removing a hub or a mapping inside a write transaction: the row, its
//! marks and its activity record together. The API and the files both go through here.

use serde_json::json;

use super::scribe::{About, Scribe};
use super::{ServiceError, hub_leavers, hub_moves, waiting};
use crate::base::ids::HubId;
use crate::domain::app::{App, Field};
use crate::domain::hub::{ConnectionValue, Hub, HubMode, Removal};
use crate::domain::hub_file::subject_text;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use crate::domain::problem::Cause;
use crate::domain::protection::moves_protected_role;
use crate::domain::task::{Task, TaskStatus};
use crate::store::hubs::{login_word, mode_word};
use crate::store::managers::{self, Manager};
use crate::store::task_list::{self, TaskFilter};
use crate::store::task_moves::{self, ByHand};
use crate::store::{
    DbConn, StoreError, Tx, decisions, given_fields, hub_secrets, hubs, lanes, mappings, marks, problems, protections,
    set_aside,
};

/// Add a hub.
///
/// # Errors
/// [`ServiceError::Conflict`] when the id is taken.
pub(super) fn add_hub(tx: &mut Tx<'_>, scribe: &Scribe, app: &App, hub: &Hub) -> Result<(), ServiceError> {
    match hubs::insert(tx, scribe.workspace, hub, scribe.now) {
        Err(StoreError::Conflict { .. }) => {
            return Err(ServiceError::Conflict(format!("the hub '{}' exists already", hub.slug)));
        }
        other => other?,
    }
    hubs::set_created_by(tx, scribe.workspace, hub.id, &scribe.actor)?;
    waiting::begin(tx, scribe, app, None, hub)?;
    if let Some(user) = scribe.caller.person {
        // The connecting person becomes Owner, and has the account that they connected it with.
        let manager = Manager {
            user,
            role: HubRole::Owner,
            service_account: true,
            given_by: scribe.actor.clone(),
            given_at: scribe.now,
        };
        managers::put(tx, scribe.workspace, hub.id, &manager)?;
    }
    let target = format!("hub:{}", hub.slug);
    let detail = json!({"app": hub.app, "mode": mode_word(hub.mode), "owner": hub.owner, "ref": hub.file_ref});
    scribe.record(tx, "hub.connected", About { target: &target, hub: Some(hub.id), detail, ..About::default() })?;
    Ok(())
}

/// What changing a hub led to.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Names of the secrets that were forgotten because an address of the connection changed (T-21).
    pub cleared: Vec<String>,
    /// What a person should know now.
    pub told: Vec<String>,
}

/// Change a hub in place; `given` are the names of secrets that are sealed with the change.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn change_hub(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    app: &App,
    before: &Hub,
    after: &Hub,
    given: &[String],
) -> Result<Changed, ServiceError> {
    hubs::update(tx, scribe.workspace, after, scribe.now)?;
    let moved = hub_moves::moved_addresses(app, before, after);
    let cleared = if moved.is_empty() { Vec::new() } else { hub_secrets::clear(tx, scribe.workspace, before.id)? };
    let target = format!("hub:{}", after.slug);
    let mut told = Vec::new();
    // In observe no task waits to be sent: the plan it shows is all that its activation does.
    let withdrawn = match (before.mode, after.mode) {
        (HubMode::Active, HubMode::Observe) => {
            let withdrawn = task_moves::withdraw_of_hub(tx, scribe.workspace, after.id, &scribe.actor, scribe.now)?;
            told.extend(hub_leavers::observed(tx, scribe, after)?);
            withdrawn
        }
        (HubMode::Active, HubMode::Active) | (HubMode::Observe, HubMode::Active | HubMode::Observe) => 0,
    };
    let names = changed(before, after);
    let kind = what_happened(before, after, &names);
    let detail = json!({
        "changed": names, "mode": mode_word(after.mode), "login": login_word(after.login),
        "paused": after.paused, "withdrawn": withdrawn,
        "secrets_cleared": cleared, "owner": after.owner, "ref": after.file_ref,
    });
    scribe.record(tx, kind, About { target: &target, hub: Some(after.id), detail, ..About::default() })?;
    if before.policy.protected_roles != after.policy.protected_roles {
        roles_protected(tx, scribe, app, before, after)?;
    }
    if before.connection != after.connection {
        waiting::begin(tx, scribe, app, Some(before), after)?;
        mended(tx, scribe, after.id, Mended::Hub)?;
        // It may be another app now: what was decided about the old one says nothing (DESIGN.md 2.6).
        decisions::end_all(tx, scribe.workspace, after.id)?;
    }
    let lost = cleared.iter().filter(|name| !given.contains(name)).cloned().collect();
    told.extend(hub_moves::stands_still(tx, scribe, app, after, &moved, lost)?);
    if matters(before, after) {
        let cause = if kind == "hub.activated" { "hub_activated" } else { "hub_changed" };
        marks::hub_changed(tx, scribe.workspace, after.id, &scribe.change(cause))?;
    }
    Ok(Changed { cleared, told })
}

/// Which roles are protected changed: what is open and gives or takes one of those that are, or were, is
/// planned anew, also what sits in another batch of the guard.
fn roles_protected(tx: &mut Tx<'_>, scribe: &Scribe, app: &App, before: &Hub, after: &Hub) -> Result<(), ServiceError> {
    let moves = |task: &Task| {
        let (has, gets) = task.effect.from_and_to();
        let moved = |hub: &Hub| moves_protected_role(app, &hub.policy, has, gets);
        moved(before) != moved(after)
    };
    protections::roles_changed(tx, scribe.workspace, after.id, moves, &scribe.actor, scribe.now)?;
    Ok(())
}

/// No other hub of the app has its identifier, its space or its account. Call it with the rules of the
/// workspace locked, so that two at once see each other.
///
/// # Errors
/// [`ServiceError::TakenFields`] naming the hub that has it.
pub(super) fn alone(conn: &mut DbConn, scribe: &Scribe, app: &App, hub: &Hub) -> Result<(), ServiceError> {
    if !app.fields.iter().any(Field::is_unique) {
        return Ok(());
    }
    let shared = rules::shared(app, hub, hubs::list(conn, scribe.workspace)?.iter());
    if shared.is_empty() { Ok(()) } else { Err(ServiceError::TakenFields(shared)) }
}

/// The record's word for a change, so that stopping and starting a hub can be looked for.
fn what_happened(before: &Hub, after: &Hub, changed: &[String]) -> &'static str {
    match (before.mode, after.mode) {
        (HubMode::Observe, HubMode::Active) => return "hub.activated",
        (HubMode::Active, HubMode::Observe) => return "hub.observes",
        (HubMode::Active, HubMode::Active) | (HubMode::Observe, HubMode::Observe) => {}
    }
    if changed == ["paused"] {
        return if after.paused { "hub.paused" } else { "hub.resumed" };
    }
    "hub.changed"
}

/// How much a person's act says to be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mended {
    /// The hub: its connection, its credential, or everything on a person's word. What was set aside
    /// for the whole hub's causes is tried again.
    Hub,
    /// Perhaps: one task is to be tried. The lane goes on; if it succeeds, the others follow.
    Perhaps,
}

/// A person did something about a hub that stands still: its lane goes on, with the tasks as they
/// stand, and the problem is closed; a cause that is still there opens it again. Answers whether
/// the lane stood still.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn mended(tx: &mut Tx<'_>, scribe: &Scribe, hub: HubId, what: Mended) -> Result<bool, ServiceError> {
    let stood = lanes::load(tx, scribe.workspace, hub)?.is_some_and(|lane| lane.blocked_reason.is_some());
    lanes::unblock(tx, scribe.workspace, hub)?;
    for cause in Cause::ALL.into_iter().filter(|cause| cause.ends_by_word()) {
        // Nobody's word sets a secret.
        if !problems::secrets_missing(tx, scribe.workspace, hub, cause)?.is_empty() {
            continue;
        }
        match what {
            Mended::Hub => {
                set_aside::mended(tx, scribe.workspace, hub, cause, scribe.now)?;
            }
            Mended::Perhaps if cause.sets_aside().is_empty() => {
                problems::close(tx, scribe.workspace, hub, Some(cause), scribe.now)?;
            }
            Mended::Perhaps => {}
        }
    }
    Ok(stood)
}

/// The same on nothing but a person's word (`resume`), which is all the record there is of it.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn let_go_on(tx: &mut Tx<'_>, scribe: &Scribe, hub: &Hub) -> Result<(), ServiceError> {
    if mended(tx, scribe, hub.id, Mended::Hub)? {
        let target = format!("hub:{}", hub.slug);
        let detail = json!({"app": hub.app});
        scribe.record(tx, "hub.unblocked", About { target: &target, hub: Some(hub.id), detail, ..About::default() })?;
    }
    Ok(())
}

/// Forget a hub. Nothing changes in the app; tasks that have not begun are cancelled.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn remove_hub(tx: &mut Tx<'_>, scribe: &Scribe, hub: &Hub, removal: &Removal) -> Result<(), ServiceError> {
    let by = ByHand { actor: &scribe.actor, note: Some("the hub was removed"), now: scribe.now };
    let filter = TaskFilter {
        hub: Some(hub.id),
        statuses: TaskStatus::ALL.into_iter().filter(|status| status.is_open()).collect(),
        ..TaskFilter::default()
    };
    let mut cursor = None;
    loop {
        let page = task_list::page(tx, scribe.workspace, &filter, cursor, 500)?;
        let Some(last) = page.last() else { break };
        cursor = Some(last.id);
        for task in &page {
            task_moves::cancel(tx, scribe.workspace, task.id, &by)?;
        }
    }
    problems::close(tx, scribe.workspace, hub.id, None, scribe.now)?;
    hub_leavers::left_behind(tx, scribe, hub)?;
    hubs::delete(tx, scribe.workspace, hub.id)?;
    managers::forget_hub(tx, scribe.workspace, hub.id)?;
    given_fields::forget_hub(tx, scribe.workspace, hub.id)?;
    protections::forget_hub(tx, scribe.workspace, hub.id)?;
    let target = format!("hub:{}", hub.slug);
    let detail = json!({"app": hub.app, "reason": removal.reason});
    let personal = removal.note.as_ref().map(|note| json!({ "note": note }));
    let about = About { target: &target, hub: Some(hub.id), detail, personal, ..About::default() };
    scribe.record(tx, "hub.removed", about)?;
    Ok(())
}

/// What follows from another login method (R10.5).
pub(super) fn other_login(hub: &Hub) -> String {
    format!("{0}: people sign in another way now; sync the hub: POST /api/v1/hubs/{0}/sync", hub.slug)
}

/// The names of what differs, for people and the activity record; never the values.
pub(super) fn changed(before: &Hub, after: &Hub) -> Vec<String> {
    let mut names = Vec::new();
    let mut note = |name: &str, differs: bool| {
        if differs {
            names.push(name.to_owned());
        }
    };
    note("label", before.label != after.label);
    note("login", before.login != after.login);
    note("mode", before.mode != after.mode);
    note("paused", before.paused != after.paused);
    note("settle", before.settle != after.settle);
    note("policy", before.policy != after.policy);
    note("owner", before.owner != after.owner);
    for name in before.connection.keys().chain(after.connection.keys()) {
        let differs = before.connection.get(name) != after.connection.get(name);
        let shown = format!("connection.{name}");
        if differs && !names.contains(&shown) {
            names.push(shown);
        }
    }
    names
}

/// Whether a change may alter what should be pushed.
fn matters(before: &Hub, after: &Hub) -> bool {
    matters_to_people(before, after) || before.connection != after.connection
}

/// Whether a change may alter what becomes of people; a new connection only reaches them otherwise.
pub(super) fn matters_to_people(before: &Hub, after: &Hub) -> bool {
    before.mode != after.mode || before.policy != after.policy || before.login != after.login
}

/// Whether the files and the API would say the same hub; the commit alone does not matter.
pub(super) fn same(before: &Hub, after: &Hub) -> bool {
    changed(before, after).is_empty()
}

/// Add a mapping: binds its subject where it is there already.
///
/// # Errors
/// [`ServiceError::Conflict`] when the hub has it already.
pub(super) fn add_mapping(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    hub: &Hub,
    mut mapping: Mapping,
) -> Result<Mapping, ServiceError> {
    mapping.binding = mappings::find_subject(tx, scribe.workspace, &mapping.subject, mapping.source)?;
    match mappings::insert(tx, scribe.workspace, &mapping, scribe.now) {
        Err(StoreError::Conflict { .. }) => {
            let what = subject_text(&mapping.subject);
            return Err(ServiceError::Conflict(format!("{what} with this where is mapped in this hub already")));
        }
        other => other?,
    }
    note_mapping(tx, scribe, hub, &mapping, "mapping.added")?;
    Ok(mapping)
}

/// Change everything but the identity of a mapping.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn change_mapping(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    hub: &Hub,
    mapping: &Mapping,
) -> Result<(), ServiceError> {
    mappings::update(tx, scribe.workspace, mapping, scribe.now)?;
    note_mapping(tx, scribe, hub, mapping, "mapping.changed")
}

/// Remove a mapping; what it gave is taken away by the planner, settled and guarded.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn remove_mapping(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    hub: &Hub,
    mapping: &Mapping,
) -> Result<(), ServiceError> {
    mappings::delete(tx, scribe.workspace, mapping.id)?;
    note_mapping(tx, scribe, hub, mapping, "mapping.removed")
}

/// Bind anew, on a person's word: the old group is gone and another bears its name.
///
/// # Errors
/// [`ServiceError::Conflict`] when nothing is there to bind to.
pub(super) fn bind_again(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    hub: &Hub,
    mut mapping: Mapping,
) -> Result<Mapping, ServiceError> {
    mapping.binding = mappings::find_subject(tx, scribe.workspace, &mapping.subject, mapping.source)?;
    if mapping.binding == Binding::Waiting {
        let what = subject_text(&mapping.subject);
        return Err(ServiceError::Conflict(format!(
            "there is no {what} to bind to, or more than one; name its source, or map the group by group_id"
        )));
    }
    mapping.confirmed_at = scribe.now;
    mappings::update(tx, scribe.workspace, &mapping, scribe.now)?;
    note_mapping(tx, scribe, hub, &mapping, "mapping.bound")?;
    Ok(mapping)
}

/// One of many individual shares: stored and recorded, whose person the caller marks; nobody else of the
/// hub is reached by it.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn share_again(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    hub: &Hub,
    wanted: &Mapping,
    before: Option<&Mapping>,
) -> Result<(), ServiceError> {
    if before.is_some() {
        mappings::update(tx, scribe.workspace, wanted, scribe.now)?;
        return tell_mapping(tx, scribe, hub, wanted, "mapping.changed");
    }
    mappings::insert(tx, scribe.workspace, wanted, scribe.now)?;
    tell_mapping(tx, scribe, hub, wanted, "mapping.added")
}

fn note_mapping(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    hub: &Hub,
    mapping: &Mapping,
    kind: &str,
) -> Result<(), ServiceError> {
    tell_mapping(tx, scribe, hub, mapping, kind)?;
    Ok(marks::hub_changed(tx, scribe.workspace, hub.id, &scribe.change("mapping_changed"))?)
}

/// Its activity record.
fn tell_mapping(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    hub: &Hub,
    mapping: &Mapping,
    kind: &str,
) -> Result<(), ServiceError> {
    let target = format!("mapping:{}", mapping.id);
    let mut detail = json!({
        "hub": hub.slug, "app_role": mapping.app_role, "hub_role": mapping.hub_role, "seat": mapping.seat,
        "assets": mapping.assets,
        "where": mapping.scope, "owner": mapping.owner, "ref": mapping.file_ref,
    });
    // A userName is personal data; a group's name is not.
    let mut personal = None;
    match &mapping.subject {
        SubjectName::User(name) => personal = Some(json!({ "user": name })),
        SubjectName::Group(_) | SubjectName::GroupId(_) | SubjectName::GroupExternalId(_) => {
            if let Some(detail) = detail.as_object_mut() {
                detail.insert(String::from("subject"), json!(subject_text(&mapping.subject)));
            }
        }
    }
    let user = match mapping.binding {
        Binding::User(user) => Some(user),
        Binding::Group(group) => {
            // Who was in it at a moment is found by its id, also after the mapping is gone.
            if let Some(detail) = detail.as_object_mut() {
                detail.insert(String::from("group"), json!(group));
            }
            None
        }
        Binding::Waiting | Binding::Gone => None,
    };
    Ok(scribe.record(tx, kind, About { target: &target, hub: Some(hub.id), user, task: None, detail, personal })?)
}

/// The connection without anything that only a local command may hold.
///
/// # Errors
/// [`ServiceError::Forbidden`] for `{ env = … }`: an administrator's token must not be able to
/// send the server's environment anywhere.
pub(super) fn connection_value(
    name: &str,
    given: &crate::domain::hub_rules::Given,
) -> Result<ConnectionValue, ServiceError> {
    use crate::domain::hub_rules::Given;
    match given {
        Given::Plain(value) => Ok(ConnectionValue::Plain(value.clone())),
        Given::Secret(secret) => Ok(ConnectionValue::Secret { secret: secret.clone() }),
        Given::Env(_) => Err(ServiceError::Forbidden(format!(
            "{name} = {{ env = … }} is read only by a local command that opens the database itself; \
             use {{ secret = \"NAME\" }} here and `scimhub secret set`"
        ))),
    }
}
