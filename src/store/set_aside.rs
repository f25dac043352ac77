//! Tasks that were set aside for a person because of one cause that many share. Mending the cause
//! tries them again (DESIGN.md section 2.13).

use std::time::Duration;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::kept::Keep as _;
use super::schema::tasks;
use super::{DbConn, StoreError, Tx, given_fields, hub_members, problems};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::limits::ATTEMPTS;
use crate::domain::problem::Cause;
use crate::domain::task::TaskStatus;

/// Tasks tried again at once. Each that succeeds says anew that the cause is mended and brings the
/// next ones, so that ten thousand don't stand in one transaction, nor run into the same wall.
const AT_ONCE: i64 = 200;

/// A cause is mended: its problem is closed, and the oldest tasks set aside for it are queued again.
/// Answers how many.
///
/// # Errors
/// A failed statement.
pub fn mended(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    cause: Cause,
    now: Micros,
) -> Result<usize, StoreError> {
    problems::close(tx, workspace, hub, Some(cause), now)?;
    if cause.sets_aside().is_empty() {
        return Ok(0);
    }
    let ids: Vec<Vec<u8>> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::status.eq(TaskStatus::Manual.as_str()))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::error_class.eq_any(cause.sets_aside()))
        .order(tasks::id)
        .limit(AT_ONCE)
        .select(tasks::id)
        .kept()
        .load(tx)?;
    if ids.is_empty() {
        return Ok(0);
    }
    hub_members::under_way_again(tx, workspace, &ids, now)?;
    Ok(diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq_any(&ids))
        .filter(tasks::status.eq(TaskStatus::Manual.as_str()))
        .set((
            tasks::status.eq(TaskStatus::Queued.as_str()),
            tasks::not_before.eq(now.0),
            tasks::attempts.eq(0),
            tasks::instructions.eq(None::<String>),
            tasks::modified_at.eq(now.0),
        ))
        .kept_if(ids.len() == 1)
        .execute(tx)?)
}

/// Where tasks were set aside because an app did not answer, and none is left that would find out
/// that it answers again, give the oldest of them one more attempt: once per hub and `pause`.
/// Answers how many hubs are asked.
///
/// # Errors
/// A failed statement.
pub fn probe_across_workspaces(tx: &mut Tx<'_>, pause: Duration, now: Micros) -> Result<usize, StoreError> {
    let cause = Cause::Unavailable;
    let mut asked = 0;
    for (workspace, hub) in problems::hubs_with_across_workspaces(tx, cause)? {
        let of_hub = || tasks::table.filter(tasks::workspace.eq(workspace.0)).filter(tasks::hub_id.eq(hub.bytes()));
        let others = "tasks.status IN ('queued', 'retrying', 'started', 'running')";
        let others: Option<Vec<u8>> =
            of_hub().filter(sql::<Bool>(others)).select(tasks::id).first(&mut **tx).optional()?;
        if others.is_some() {
            continue;
        }
        let oldest: Option<Vec<u8>> = of_hub()
            .filter(tasks::status.eq(TaskStatus::Manual.as_str()))
            .filter(tasks::error_class.eq_any(cause.sets_aside()))
            .order((tasks::modified_at, tasks::id))
            .select(tasks::id)
            .first(&mut **tx)
            .optional()?;
        let Some(oldest) = oldest else { continue };
        if !problems::seen_again(tx, workspace, hub, cause, now.minus(pause), now)? {
            continue;
        }
        asked += diesel::update(tasks::table.find((workspace.0, oldest)))
            .filter(tasks::status.eq(TaskStatus::Manual.as_str()))
            .set((
                tasks::status.eq(TaskStatus::Queued.as_str()),
                tasks::not_before.eq(now.0),
                tasks::attempts.eq(ATTEMPTS - 1),
                tasks::modified_at.eq(now.0),
            ))
            .execute(&mut **tx)?;
    }
    Ok(asked)
}

/// How many open tasks of a hub wait for this cause to be mended: those set aside for it, and, where
/// it stops the lane, all that could run.
///
/// # Errors
/// A failed statement.
pub fn waiting_for(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, cause: Cause) -> Result<i64, StoreError> {
    let (in_line, aside) = match cause {
        Cause::Unavailable => (true, true),
        Cause::Forbidden | Cause::SeatLimit => (false, true),
        Cause::AuthBroken | Cause::AddressRefused | Cause::ConnectionIncomplete | Cause::RateLimited => (true, false),
        Cause::LeaverPresent | Cause::LeaverLeftBehind | Cause::SyncHalted => (false, false),
        Cause::NeedsData => return given_fields::waiting(conn, workspace, hub),
    };
    let of_hub = || tasks::table.filter(tasks::workspace.eq(workspace.0)).filter(tasks::hub_id.eq(hub.bytes()));
    let mut found = 0;
    if in_line {
        found += of_hub()
            .filter(tasks::status.eq_any([TaskStatus::Queued.as_str(), TaskStatus::Retrying.as_str()]))
            .count()
            .get_result::<i64>(conn)?;
    }
    if aside {
        found += of_hub()
            .filter(tasks::status.eq(TaskStatus::Manual.as_str()))
            .filter(tasks::error_class.eq_any(cause.sets_aside()))
            .count()
            .get_result::<i64>(conn)?;
    }
    Ok(found)
}
