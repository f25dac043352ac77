//! Admins and owners of a hub, of whom the last must not go unnamed: how many there are, and what is
//! about to take that from them.

use std::collections::HashMap;

use diesel::prelude::*;

use super::around::{count, pushing};
use super::conn::DbConn;
use super::schema::{hub_members, tasks};
use super::tasks::{is_open, words};
use super::{StoreError, Tx};
use crate::base::ids::{HoldId, HubId, TaskId, WorkspaceId};
use crate::domain::guard::Loss;
use crate::domain::plan::PRIORITY_REDUCE;
use crate::domain::task::{TaskKind, TaskStatus};

/// Which tasks count as taking from somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// All that are open.
    Open,
    /// Those on their way out: not what is held.
    Out,
}

/// How many tasks take an admin role, and how many the hub role owner.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Goers {
    pub(super) admins: i64,
    pub(super) owners: i64,
}

/// An admin's or owner's task: its id, kind and priority, and what its account is known to be.
type Taking = (Vec<u8>, String, i32, String, Option<String>, Option<String>);

fn loss(admin_roles: &[String], (_, kind, priority, state, role, hub_role): &Taking) -> Loss {
    let removes = kind == TaskKind::Remove.as_str();
    let reduces = kind == TaskKind::UpdateRole.as_str() && *priority == PRIORITY_REDUCE;
    // Who is only invited is no admin yet.
    let is_admin = matches!(state.as_str(), "active" | "suspended")
        && role.as_ref().is_some_and(|role| admin_roles.contains(role));
    Loss { admin: is_admin && (removes || reduces), owner: removes && hub_role.as_deref() == Some("owner") }
}

/// Tasks of a hub that take from its admins and owners.
#[diesel::dsl::auto_type(no_type_alias)]
fn taking<'a>(workspace: WorkspaceId, admin_roles: &'a [String]) -> _ {
    let number: i64 = workspace.0;
    tasks::table
        .inner_join(
            hub_members::table
                .on(hub_members::workspace.eq(tasks::workspace).and(tasks::member_id.eq(hub_members::id.nullable()))),
        )
        .filter(tasks::workspace.eq(number))
        .filter(hub_members::known_state.ne("absent"))
        .filter(hub_members::known_role.eq_any(admin_roles).or(hub_members::hub_role.eq("owner")))
        .select((
            tasks::id,
            tasks::kind,
            tasks::priority,
            hub_members::known_state,
            hub_members::known_role,
            hub_members::hub_role,
        ))
}

/// Admins and owners whom a task is about to take that from.
pub(super) fn going(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    admin_roles: &[String],
    which: Going,
) -> Result<Goers, StoreError> {
    let mut query = taking(workspace, admin_roles).filter(tasks::hub_id.eq(hub.bytes())).into_boxed();
    query = match which {
        Going::Open => query.filter(is_open()),
        Going::Out => query.filter(tasks::status.eq_any(words(&pushing()))),
    };
    let rows: Vec<Taking> = query.load(conn)?;
    let mut goers = Goers::default();
    for row in &rows {
        let loss = loss(admin_roles, row);
        goers.admins += i64::from(loss.admin);
        goers.owners += i64::from(loss.owner);
    }
    Ok(goers)
}

/// Admins and owners of the hub whom nothing on its way out takes that from; what is held takes
/// nothing yet.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn staying(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    admin_roles: &[String],
) -> Result<(u32, u32), StoreError> {
    let (_, admins) = super::hub_members::managed_now(conn, workspace, hub, admin_roles)?;
    let owners: i64 = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::known_state.ne("absent"))
        .filter(hub_members::hub_role.eq("owner"))
        .count()
        .get_result(conn)?;
    let going = going(conn, workspace, hub, admin_roles, Going::Out)?;
    Ok((count(admins.saturating_sub(going.admins)), count(owners.saturating_sub(going.owners))))
}

/// What each of these tasks takes from an admin or owner, in the order given; nothing where it is not
/// held in this batch any more.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn losses(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    admin_roles: &[String],
    hold: HoldId,
    these: &[TaskId],
) -> Result<Vec<Loss>, StoreError> {
    let ids: Vec<Vec<u8>> = these.iter().map(|id| id.bytes()).collect();
    let rows: Vec<Taking> = taking(workspace, admin_roles)
        .filter(tasks::id.eq_any(&ids))
        .filter(tasks::hold_id.eq(hold.bytes()))
        .filter(tasks::status.eq(TaskStatus::Held.as_str()))
        .load(&mut **tx)?;
    let found: HashMap<&[u8], Loss> = rows.iter().map(|row| (row.0.as_slice(), loss(admin_roles, row))).collect();
    Ok(ids.iter().map(|id| found.get(id.as_slice()).copied().unwrap_or_default()).collect())
}
