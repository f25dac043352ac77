//! What of a hub must not run out when a held batch is released: its admins and owners, of whom the last
//! must not go unnamed, and its seats; and what is about to take of them.

use std::collections::HashMap;

use diesel::prelude::*;

use super::conn::DbConn;
use super::schema::{hub_members, tasks};
use super::tasks::{is_open, words};
use super::{StoreError, Tx};
use crate::base::ids::{HoldId, HubId, TaskId, WorkspaceId};
use crate::domain::guard::{Left, Loss};
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
    // Who is only invited is no admin yet, and who is suspended no admin any more.
    let is_admin = state == "active" && role.as_ref().is_some_and(|role| admin_roles.contains(role));
    let is_owner = hub_role.as_deref() == Some("owner");
    Loss { admin: is_admin && (removes || reduces), owner: removes && is_owner, seat: false }
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

/// Admins, owners and, under `max_seats`, seats of the hub that nothing on its way out takes; what is held
/// takes nothing yet.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn left(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    admin_roles: &[String],
    max_seats: Option<u32>,
) -> Result<Left, StoreError> {
    let (_, admins) = super::hub_members::managed_now(conn, workspace, hub, admin_roles)?;
    let (present, owners) = present(conn, workspace, hub)?;
    let going = going(conn, workspace, hub, admin_roles, Going::Out)?;
    let seats = match max_seats {
        Some(most) => Some(most.saturating_sub(count(present.saturating_add(adding(conn, workspace, hub)?)))),
        None => None,
    };
    Ok(Left {
        admins: count(admins.saturating_sub(going.admins)),
        owners: count(owners.saturating_sub(going.owners)),
        seats,
    })
}

/// What each of these tasks takes, in the order given; nothing where it is not held in this batch any
/// more.
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
    let adds: Vec<Vec<u8>> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq_any(&ids))
        .filter(tasks::hold_id.eq(hold.bytes()))
        .filter(tasks::status.eq(TaskStatus::Held.as_str()))
        .filter(tasks::kind.eq(TaskKind::Add.as_str()))
        .select(tasks::id)
        .load(&mut **tx)?;
    let mut found: HashMap<&[u8], Loss> = rows.iter().map(|row| (row.0.as_slice(), loss(admin_roles, row))).collect();
    found.extend(adds.iter().map(|id| (id.as_slice(), Loss { seat: true, ..Loss::default() })));
    Ok(ids.iter().map(|id| found.get(id.as_slice()).copied().unwrap_or_default()).collect())
}

/// Accounts that are in the app, and those of them that own the hub.
pub(super) fn present(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<(i64, i64), StoreError> {
    let present: Vec<(Option<String>, i64)> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::known_state.ne("absent"))
        .group_by(hub_members::hub_role)
        .select((hub_members::hub_role, diesel::dsl::count_star()))
        .load(conn)?;
    let owners = present.iter().filter(|(role, _)| role.as_deref() == Some("owner")).map(|(_, count)| count).sum();
    Ok((present.iter().map(|(_, count)| count).sum(), owners))
}

/// Additions on their way out.
pub(super) fn adding(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<i64, StoreError> {
    Ok(tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::kind.eq(TaskKind::Add.as_str()))
        .filter(tasks::status.eq_any(words(&pushing())))
        .count()
        .get_result(conn)?)
}

pub(super) fn count(rows: i64) -> u32 {
    u32::try_from(rows).unwrap_or(if rows < 0 { 0 } else { u32::MAX })
}

/// Open statuses that are on their way out: everything but held.
fn pushing() -> Vec<TaskStatus> {
    TaskStatus::ALL.into_iter().filter(|status| status.is_open() && *status != TaskStatus::Held).collect()
}
