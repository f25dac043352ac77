//! What of a hub must not run out when a held batch is released: its admins and owners, of whom the last
//! must not go unnamed, and its seats; and what is about to take of them.

use std::collections::HashMap;

use diesel::prelude::*;

use super::conn::DbConn;
use super::head_count::{self, Going};
use super::schema::{hub_members, tasks};
use super::{StoreError, Tx};
use crate::base::ids::{HoldId, HubId, TaskId, WorkspaceId};
use crate::domain::guard::{Left, Loss};
use crate::domain::plan::PRIORITY_REDUCE;
use crate::domain::task::{TaskKind, TaskStatus};

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
    let heads = head_count::of_hub(conn, workspace, hub, admin_roles, Going::Out)?;
    Ok(Left {
        admins: heads.admins_left(),
        owners: heads.owners_left(),
        seats: max_seats.map(|most| most.saturating_sub(heads.seats())),
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
