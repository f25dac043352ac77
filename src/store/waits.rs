//! Until when the app of a hub refuses changes: a manifest's waiting rule, started by connecting
//! (DESIGN.md section 2.12). One row per hub; tasks planned meanwhile wait with it.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{hub_waits, tasks};
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HoldId, HubId, WorkspaceId};
use crate::domain::task::{Task, TaskKind, TaskStatus};

/// The class that marks a task as waiting for this, and for nothing else.
pub const WAITING_RULE: &str = "waiting_rule";

/// A wait that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When it began.
    pub since: Micros,
    /// When it ends by itself.
    pub until: Micros,
    /// Why, for people.
    pub reason: String,
    /// What waits.
    pub kinds: BTreeSet<TaskKind>,
}

/// Whether a task waits for such a wait to end.
pub fn is_waiting(task: &Task) -> bool {
    task.status == TaskStatus::Waiting && task.error_class.as_deref() == Some(WAITING_RULE)
}

/// A wait begins; one that was there before is forgotten.
///
/// # Errors
/// A failed statement.
pub fn begin(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId, wait: &Wait) -> Result<(), StoreError> {
    delete(tx, workspace, hub)?;
    let kinds: Vec<&str> = wait.kinds.iter().map(|kind| kind.as_str()).collect();
    diesel::insert_into(hub_waits::table)
        .values((
            hub_waits::workspace.eq(workspace.0),
            hub_waits::hub_id.eq(hub.bytes()),
            hub_waits::since_at.eq(wait.since.0),
            hub_waits::until_at.eq(wait.until.0),
            hub_waits::reason.eq(&wait.reason),
            hub_waits::kinds.eq(kinds.join(",")),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// The wait of a hub that is not over now.
///
/// # Errors
/// A failed statement.
pub fn current(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, now: Micros) -> Result<Option<Wait>, StoreError> {
    let row: Option<(i64, i64, String, String)> = hub_waits::table
        .filter(hub_waits::workspace.eq(workspace.0))
        .filter(hub_waits::hub_id.eq(hub.bytes()))
        .filter(hub_waits::ended_at.is_null())
        .filter(hub_waits::until_at.gt(now.0))
        .select((hub_waits::since_at, hub_waits::until_at, hub_waits::reason, hub_waits::kinds))
        .kept()
        .get_result(conn)
        .optional()?;
    Ok(row.map(|(since, until, reason, kinds)| Wait {
        since: Micros(since),
        until: Micros(until),
        reason,
        kinds: kinds.split(',').filter_map(TaskKind::from_word).collect(),
    }))
}

/// A person ends it; answers how many tasks went on, `None` where nothing waits. A task that nothing
/// automates goes to the person who must do it, the others to the workers.
///
/// # Errors
/// A failed statement.
pub fn end(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    by: &str,
    now: Micros,
) -> Result<Option<usize>, StoreError> {
    let ended = diesel::update(hub_waits::table.find((workspace.0, hub.bytes())))
        .filter(hub_waits::ended_at.is_null())
        .filter(hub_waits::until_at.gt(now.0))
        .set((hub_waits::ended_at.eq(Some(now.0)), hub_waits::ended_by.eq(Some(by))))
        .kept()
        .execute(tx)?;
    if ended == 0 {
        return Ok(None);
    }
    let mut released = 0;
    for by_hand in [true, false] {
        let mut query = diesel::update(tasks::table)
            .filter(tasks::workspace.eq(workspace.0))
            .filter(tasks::hub_id.eq(hub.bytes()))
            .filter(tasks::status.eq(TaskStatus::Waiting.as_str()))
            .filter(tasks::error_class.eq(WAITING_RULE))
            .into_boxed();
        query = if by_hand {
            query.filter(tasks::instructions.is_not_null())
        } else {
            query.filter(tasks::instructions.is_null())
        };
        let status = if by_hand { TaskStatus::Manual } else { TaskStatus::Queued };
        released += query
            .set((
                tasks::status.eq(status.as_str()),
                tasks::not_before.eq(now.0),
                tasks::error_class.eq(None::<String>),
                tasks::error_detail.eq(None::<String>),
                tasks::modified_at.eq(now.0),
            ))
            .execute(&mut **tx)?;
    }
    Ok(Some(released))
}

/// What could go out waits from now on: everything queued that nothing was sent of, or what a person
/// just let out of one batch of the guard.
///
/// # Errors
/// A failed statement.
pub fn hold_back(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    wait: &Wait,
    only: Option<HoldId>,
    now: Micros,
) -> Result<(), StoreError> {
    let kinds: Vec<&str> = wait.kinds.iter().map(|kind| kind.as_str()).collect();
    let mut query = diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::kind.eq_any(kinds))
        .filter(tasks::verify_first.eq(false))
        .into_boxed();
    query = match only {
        Some(hold) => query
            .filter(tasks::hold_id.eq(hold.bytes()))
            .filter(tasks::status.eq_any([TaskStatus::Queued.as_str(), TaskStatus::Manual.as_str()])),
        None => query.filter(tasks::status.eq(TaskStatus::Queued.as_str())),
    };
    query
        .set((
            tasks::status.eq(TaskStatus::Waiting.as_str()),
            tasks::not_before.eq(wait.until.0),
            tasks::error_class.eq(Some(WAITING_RULE)),
            tasks::error_detail.eq(Some(&wait.reason)),
            tasks::modified_at.eq(now.0),
        ))
        .execute(&mut **tx)?;
    Ok(())
}

/// The hub is forgotten.
///
/// # Errors
/// A failed statement.
pub fn delete(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId) -> Result<(), StoreError> {
    diesel::delete(hub_waits::table.find((workspace.0, hub.bytes()))).kept().execute(tx)?;
    Ok(())
}
