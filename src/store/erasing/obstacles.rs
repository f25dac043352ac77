//! What must be done before a person can be forgotten: as long as anything could write them down again,
//! or they have access anywhere, erasing is refused, and all of it is said at once.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::super::conn::DbConn;
use super::super::mappings::hub_role_word;
use super::super::schema::{
    hub_managers, hub_members, hubs, mappings, notifications, sync_seen, tasks, users, webhook_deliveries,
};
use super::super::{StoreError, managers, roles};
use super::{BATCH, Traces};
use crate::base::ids::{SELF_MANAGED, UserId, WorkspaceId};
use crate::domain::mapping::HubRole;
use crate::domain::redaction::Names;
use crate::domain::task::TaskStatus;
use crate::scim::fold;

/// What stands in the way. Hubs by their ids in files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obstacles {
    /// The identity provider says that they are active.
    pub active: bool,
    /// They are a guest, whom an identity provider does not know.
    pub guest: bool,
    /// They are the workspace's Owner.
    pub owner: bool,
    /// Hubs that nobody else was made Owner of: without their row nobody would be told that it has none.
    pub alone: BTreeSet<String>,
    /// Hubs in whose app they have an account.
    pub seats: BTreeSet<String>,
    /// Hubs with a rule that names them.
    pub named: BTreeSet<String>,
    /// Hubs with tasks about them that are not closed.
    pub tasks: BTreeSet<String>,
    /// Hubs that are being read, where the app showed an account of theirs.
    pub listed: BTreeSet<String>,
    /// Events about them that endpoints have not got yet.
    pub deliveries: usize,
    /// Notifications go to their address.
    pub notified: bool,
}

impl Obstacles {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What stands in the way now.
///
/// # Errors
/// A failed statement.
pub fn obstacles(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    user: UserId,
    traces: &Traces,
) -> Result<Obstacles, StoreError> {
    let slugs: HashMap<Vec<u8>, String> = hubs::table
        .filter(hubs::workspace.eq(workspace.0))
        .select((hubs::id, hubs::slug))
        .load::<(Vec<u8>, String)>(conn)?
        .into_iter()
        .collect();
    let names = |ids: Vec<Vec<u8>>| ids.iter().filter_map(|id| slugs.get(id).cloned()).collect::<BTreeSet<_>>();
    let here: Option<(bool, i64)> =
        users::table.find((workspace.0, user.bytes())).select((users::active, users::source)).first(conn).optional()?;
    Ok(Obstacles {
        active: here.is_some_and(|(active, _)| active),
        guest: here.is_some_and(|(_, source)| source == SELF_MANAGED.0),
        owner: roles::owner(conn, workspace)? == Some(user),
        alone: names(alone(conn, workspace, user)?),
        seats: names(seats(conn, workspace, user, &traces.names)?),
        named: names(named(conn, workspace, user, &traces.names)?),
        tasks: names(open_tasks(conn, workspace, user, traces)?),
        listed: names(listed(conn, workspace, &traces.names)?),
        deliveries: waiting(conn, workspace, traces)?,
        notified: notified(conn, workspace, &traces.names)?,
    })
}

fn alone(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<Vec<Vec<u8>>, StoreError> {
    let left: Vec<Vec<u8>> = managers::hubs_left_alone(conn, workspace)?.into_iter().map(|hub| hub.bytes()).collect();
    Ok(hub_managers::table
        .filter(hub_managers::workspace.eq(workspace.0))
        .filter(hub_managers::user_id.eq(user.bytes()))
        .filter(hub_managers::role.eq(hub_role_word(HubRole::Owner)))
        .filter(hub_managers::hub_id.eq_any(left))
        .select(hub_managers::hub_id)
        .load(conn)?)
}

fn keys(names: &Names) -> Vec<String> {
    names.called.iter().map(|name| fold::email(name)).collect()
}

fn seats(conn: &mut DbConn, workspace: WorkspaceId, user: UserId, names: &Names) -> Result<Vec<Vec<u8>>, StoreError> {
    let nobodys = hub_members::user_id.is_null().and(hub_members::email_key.eq_any(keys(names)));
    Ok(hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::known_state.ne("absent"))
        .filter(hub_members::user_id.eq(user.bytes()).or(nobodys))
        .select(hub_members::hub_id)
        .load(conn)?)
}

/// By their id, by name, or in a `where`.
fn named(conn: &mut DbConn, workspace: WorkspaceId, user: UserId, names: &Names) -> Result<Vec<Vec<u8>>, StoreError> {
    let keys: Vec<String> = names.called.iter().map(|name| format!("user:{}", fold::user_name(name))).collect();
    let mut found: Vec<Vec<u8>> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::subject_kind.eq("user"))
        .filter(mappings::bound_id.eq(user.bytes()).or(mappings::subject_key.eq_any(&keys)))
        .select(mappings::hub_id)
        .load(conn)?;
    let scoped: Vec<(Vec<u8>, String)> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::scope.ne(""))
        .select((mappings::hub_id, mappings::scope))
        .load(conn)?;
    found.extend(scoped.into_iter().filter(|(_, scope)| names.are_in(scope)).map(|(hub, _)| hub));
    Ok(found)
}

fn open_tasks(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    user: UserId,
    traces: &Traces,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let open: Vec<&str> = TaskStatus::ALL.iter().filter(|one| one.is_open()).map(|one| one.as_str()).collect();
    let mut found: Vec<Vec<u8>> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::user_id.eq(user.bytes()))
        .filter(tasks::status.eq_any(&open))
        .select(tasks::hub_id)
        .load(conn)?;
    for batch in traces.tasks.chunks(BATCH) {
        let others: Vec<Vec<u8>> = tasks::table
            .filter(tasks::workspace.eq(workspace.0))
            .filter(tasks::id.eq_any(batch))
            .filter(tasks::status.eq_any(&open))
            .select(tasks::hub_id)
            .load(conn)?;
        found.extend(others);
    }
    Ok(found)
}

/// Accounts that a sync has seen and not taken over yet.
fn listed(conn: &mut DbConn, workspace: WorkspaceId, names: &Names) -> Result<Vec<Vec<u8>>, StoreError> {
    let open: Vec<&str> = TaskStatus::ALL.iter().filter(|one| one.is_open()).map(|one| one.as_str()).collect();
    let same = tasks::workspace.eq(sync_seen::workspace).and(tasks::id.eq(sync_seen::task_id));
    Ok(sync_seen::table
        .inner_join(tasks::table.on(same))
        .filter(sync_seen::workspace.eq(workspace.0))
        .filter(sync_seen::address.eq_any(keys(names)))
        .filter(tasks::status.eq_any(open))
        .select(tasks::hub_id)
        .load(conn)?)
}

fn waiting(conn: &mut DbConn, workspace: WorkspaceId, traces: &Traces) -> Result<usize, StoreError> {
    let mut found = 0;
    for batch in traces.events.chunks(BATCH) {
        found += webhook_deliveries::table
            .filter(webhook_deliveries::workspace.eq(workspace.0))
            .filter(webhook_deliveries::event_id.eq_any(batch))
            .filter(webhook_deliveries::state.eq("pending"))
            .select(webhook_deliveries::event_id)
            .load::<Vec<u8>>(conn)?
            .len();
    }
    Ok(found)
}

fn notified(conn: &mut DbConn, workspace: WorkspaceId, names: &Names) -> Result<bool, StoreError> {
    let list: Option<String> =
        notifications::table.find(workspace.0).select(notifications::mail).first(conn).optional()?;
    Ok(list.is_some_and(|list| list.split(' ').any(|address| !address.is_empty() && names.is_one(address))))
}
