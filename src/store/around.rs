//! What the removal guard counts, from rows: the tasks of the window, the members, the seats.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::schema::{hub_members, tasks};
use super::tasks::words;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::limits::GUARD_WINDOW;
use crate::domain::guard::Around;
use crate::domain::plan::PRIORITY_REDUCE;
use crate::domain::task::{TaskKind, TaskStatus};

/// The cause of a task that a person made; the guard does not count it.
pub const BY_HAND: &str = "by_hand";

/// Count what the guard needs to judge a batch of this hub.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn of_hub(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    admin_roles: &[String],
    now: Micros,
) -> Result<Around, StoreError> {
    let (managed, admins) = super::hub_members::managed_now(conn, workspace, hub, admin_roles)?;
    let taken = window(conn, workspace, hub, now, None)?;
    let gone = window(conn, workspace, hub, now, Some(TaskStatus::Completed))?;
    let present: Vec<(Option<String>, i64)> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::known_state.ne("absent"))
        .group_by(hub_members::hub_role)
        .select((hub_members::hub_role, diesel::dsl::count_star()))
        .load(conn)?;
    let seats: i64 = present.iter().map(|(_, count)| count).sum();
    let owners: i64 = present.iter().filter(|(role, _)| role.as_deref() == Some("owner")).map(|(_, count)| count).sum();
    let (admins_going, owners_going) = going(conn, workspace, hub, admin_roles)?;
    let adding: i64 = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::kind.eq(TaskKind::Add.as_str()))
        .filter(tasks::status.eq_any(words(&pushing())))
        .count()
        .get_result(conn)?;
    Ok(Around {
        managed: count(managed),
        gone_in_window: count(gone),
        taken_in_window: count(taken),
        admins: count(admins.saturating_sub(admins_going)),
        owners: count(owners.saturating_sub(owners_going)),
        seats: count(seats.saturating_add(adding)),
    })
}

fn count(rows: i64) -> u32 {
    u32::try_from(rows).unwrap_or(if rows < 0 { 0 } else { u32::MAX })
}

/// Open statuses that are on their way out: everything but held.
fn pushing() -> Vec<TaskStatus> {
    TaskStatus::ALL.into_iter().filter(|status| status.is_open() && *status != TaskStatus::Held).collect()
}

/// Removals and downgrades planned in the window that take effect: not held or released, not
/// replaced or withdrawn, not made by a person. With a status: only removals that ended so.
fn window(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    now: Micros,
    ended: Option<TaskStatus>,
) -> Result<i64, StoreError> {
    let mut query = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::id.ge(earliest_id(now.minus(GUARD_WINDOW))))
        .filter(tasks::created_at.gt(now.minus(GUARD_WINDOW).0))
        .filter(tasks::hold_id.is_null())
        .filter(tasks::cause.ne(BY_HAND))
        .filter(tasks::status.ne_all(words(&[TaskStatus::Superseded, TaskStatus::Cancelled, TaskStatus::Held])))
        .into_boxed();
    query = match ended {
        Some(status) => {
            query.filter(tasks::kind.eq(TaskKind::Remove.as_str())).filter(tasks::status.eq(status.as_str()))
        }
        None => query.filter(
            tasks::kind
                .eq(TaskKind::Remove.as_str())
                .or(tasks::kind.eq(TaskKind::UpdateRole.as_str()).and(tasks::priority.eq(PRIORITY_REDUCE))),
        ),
    };
    Ok(query.count().get_result(conn)?)
}

/// The smallest UUIDv7 of a moment: ids sort by time, so the window is a range of the hub's index.
fn earliest_id(at: Micros) -> Vec<u8> {
    let millis = u64::try_from(at.0 / 1000).unwrap_or(0);
    let mut bytes = millis.to_be_bytes().get(2..).unwrap_or_default().to_vec();
    bytes.resize(16, 0);
    bytes
}

/// Admins and owners whom an open task is about to take that from.
fn going(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    admin_roles: &[String],
) -> Result<(i64, i64), StoreError> {
    let rows: Vec<(String, Option<String>, Option<String>)> = tasks::table
        .inner_join(
            hub_members::table
                .on(hub_members::workspace.eq(tasks::workspace).and(tasks::member_id.eq(hub_members::id.nullable()))),
        )
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::status.eq_any(words(&pushing())))
        .filter(
            tasks::kind
                .eq(TaskKind::Remove.as_str())
                .or(tasks::kind.eq(TaskKind::UpdateRole.as_str()).and(tasks::priority.eq(PRIORITY_REDUCE))),
        )
        .filter(hub_members::known_state.ne("absent"))
        .filter(hub_members::known_role.eq_any(admin_roles).or(hub_members::hub_role.eq("owner")))
        .select((tasks::kind, hub_members::known_role, hub_members::hub_role))
        .load(conn)?;
    let mut admins = 0;
    let mut owners = 0;
    for (kind, role, hub_role) in rows {
        admins += i64::from(role.is_some_and(|role| admin_roles.contains(&role)));
        owners += i64::from(kind == TaskKind::Remove.as_str() && hub_role.as_deref() == Some("owner"));
    }
    Ok((admins, owners))
}
