//! Letting held tasks go, on a person's word. They keep the id of their hold, by which the guard
//! knows not to count them again.

use diesel::prelude::*;

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::tasks;
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HoldId, TaskId, WorkspaceId};
use crate::domain::task::TaskStatus;

/// Release these tasks of a batch, as far as they are still held. Answers how many went.
///
/// A task that nothing automates goes to the person who must do it, the others to the workers.
///
/// # Errors
/// A failed statement.
pub fn release(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hold: HoldId,
    these: &[TaskId],
    now: Micros,
) -> Result<usize, StoreError> {
    let mut released = 0;
    let ids: Vec<Vec<u8>> = these.iter().map(|id| id.bytes()).collect();
    for by_hand in [true, false] {
        let mut query = diesel::update(tasks::table)
            .filter(tasks::workspace.eq(workspace.0))
            .filter(tasks::id.eq_any(&ids))
            .filter(tasks::hold_id.eq(hold.bytes()))
            .filter(tasks::status.eq(TaskStatus::Held.as_str()))
            .into_boxed();
        query = if by_hand {
            query.filter(tasks::instructions.is_not_null())
        } else {
            query.filter(tasks::instructions.is_null())
        };
        let status = if by_hand { TaskStatus::Manual } else { TaskStatus::Queued };
        released += query
            .set((tasks::status.eq(status.as_str()), tasks::not_before.eq(now.0), tasks::modified_at.eq(now.0)))
            .execute(&mut **tx)?;
    }
    Ok(released)
}

/// How many tasks of a batch are still held.
///
/// # Errors
/// A failed statement.
pub fn left(conn: &mut DbConn, workspace: WorkspaceId, hold: HoldId) -> Result<i64, StoreError> {
    Ok(tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hold_id.eq(hold.bytes()))
        .filter(tasks::status.eq(TaskStatus::Held.as_str()))
        .count()
        .kept()
        .get_result(conn)?)
}

/// Move these tasks, as far as they are still held in the one batch, into the other.
///
/// # Errors
/// A failed statement.
pub fn hold_elsewhere(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    (from, to): (HoldId, HoldId),
    these: &[TaskId],
    now: Micros,
) -> Result<(), StoreError> {
    diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq_any(these.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .filter(tasks::hold_id.eq(from.bytes()))
        .filter(tasks::status.eq(TaskStatus::Held.as_str()))
        .set((tasks::hold_id.eq(to.bytes()), tasks::modified_at.eq(now.0)))
        .execute(&mut **tx)?;
    Ok(())
}
