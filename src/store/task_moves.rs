//! Tasks moved from outside: by the planner, which has a newer wish, and by people. Workers move
//! theirs in `store::leases`. Every move names the statuses it may start from, so that two who decide
//! at the same time cannot both win.

use std::collections::HashSet;

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::tasks;
use super::tasks::{is_open, words};
use super::tx::Tx;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, WorkspaceId};
use crate::domain::task::{TaskKind, TaskStatus};

/// Nothing of it can be at the app: between attempts with no call open, or waiting for somebody.
#[diesel::dsl::auto_type(no_type_alias)]
fn nothing_sent() -> _ {
    let due: Vec<&'static str> = words(&[TaskStatus::Queued, TaskStatus::Retrying]);
    let idle: Vec<&'static str> = words(&[TaskStatus::Held, TaskStatus::Waiting, TaskStatus::Manual]);
    tasks::status.eq_any(due).and(tasks::verify_first.eq(false)).or(tasks::status.eq_any(idle))
}

/// Replace `old` by a newer wish. Call it before inserting `new`: one task is open per subject.
///
/// Answers whether it was replaced; `false` when a worker took it meanwhile, and then the wish
/// must stay a mark (DESIGN.md section 2.7). A task between two attempts is replaceable while
/// nothing of it can be at the app (`verify_first` is not set).
///
/// # Errors
/// A failed statement.
pub fn supersede(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    old: TaskId,
    new: Option<TaskId>,
    now: Micros,
) -> Result<bool, StoreError> {
    let changed = diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq(old.bytes()))
        .filter(nothing_sent())
        .set((
            tasks::status.eq(TaskStatus::Superseded.as_str()),
            tasks::superseded_by.eq(new.map(TaskId::bytes)),
            tasks::modified_at.eq(now.0),
            tasks::finished_at.eq(Some(now.0)),
            tasks::finished_by.eq(Some("planner")),
        ))
        .kept()
        .execute(tx)?;
    Ok(changed == 1)
}

/// Those of these tasks that are open, and stay so until this transaction has ended. One that somebody is
/// just writing, such as the end of its attempt, is not among them; nobody is waited for.
///
/// # Errors
/// A failed statement.
pub fn stay_open(tx: &mut Tx<'_>, workspace: WorkspaceId, these: &[TaskId]) -> Result<HashSet<TaskId>, StoreError> {
    let DbConn::Postgres(conn) = &mut **tx else {
        // SQLite has one writer: what this transaction read is so until it ends.
        return Ok(these.iter().copied().collect());
    };
    if these.is_empty() {
        return Ok(HashSet::new());
    }
    let found: Vec<Vec<u8>> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq_any(these.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .filter(is_open())
        .select(tasks::id)
        .for_share()
        .skip_locked()
        .load(conn)?;
    found.iter().map(|id| TaskId::from_bytes(id).map_err(|_| StoreError::Corrupt("a task's id".into()))).collect()
}

/// Put a task that has not started further to the front, for a new cause.
///
/// # Errors
/// A failed statement.
pub fn hurry(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: TaskId,
    priority: i32,
    cause: &str,
    now: Micros,
) -> Result<(), StoreError> {
    let waits = [TaskStatus::Queued, TaskStatus::Retrying, TaskStatus::Held, TaskStatus::Waiting, TaskStatus::Manual];
    diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq(id.bytes()))
        .filter(tasks::status.eq_any(words(&waits)))
        .set((tasks::priority.eq(priority), tasks::cause.eq(cause), tasks::modified_at.eq(now.0)))
        .execute(&mut **tx)?;
    Ok(())
}

/// A hub stops pushing: what has not started is withdrawn, unless something of it may be at the app,
/// which must be looked at first. What is wanted is planned anew when it pushes again. Answers how
/// many.
///
/// # Errors
/// A failed statement.
pub fn withdraw_of_hub(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    by: &str,
    now: Micros,
) -> Result<usize, StoreError> {
    Ok(diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::kind.ne(TaskKind::Sync.as_str()))
        .filter(nothing_sent())
        .set((
            tasks::status.eq(TaskStatus::Superseded.as_str()),
            tasks::modified_at.eq(now.0),
            tasks::finished_at.eq(Some(now.0)),
            tasks::finished_by.eq(Some(by)),
        ))
        .execute(&mut **tx)?)
}

/// Withdraw these, as far as nothing of them may be at the app; what is wanted is planned anew. Answers
/// how many.
///
/// # Errors
/// A failed statement.
pub fn withdraw_these(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    these: &[TaskId],
    by: &str,
    now: Micros,
) -> Result<usize, StoreError> {
    if these.is_empty() {
        return Ok(0);
    }
    Ok(diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq_any(these.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .filter(nothing_sent())
        .set((
            tasks::status.eq(TaskStatus::Superseded.as_str()),
            tasks::modified_at.eq(now.0),
            tasks::finished_at.eq(Some(now.0)),
            tasks::finished_by.eq(Some(by)),
        ))
        .execute(&mut **tx)?)
}

/// Who finished a task was a person, and what they said.
#[derive(Clone, Copy, Debug)]
pub struct ByHand<'a> {
    /// `token:<id>` or `cli`.
    pub actor: &'a str,
    /// What they said.
    pub note: Option<&'a str>,
    /// When.
    pub now: Micros,
}

/// A person says "again, now": attempts and crashes start from zero. Answers whether it applied:
/// only tasks that wait (`queued`, `retrying`, `waiting`, `manual`) can be tried again.
///
/// # Errors
/// A failed statement.
pub fn retry(tx: &mut Tx<'_>, workspace: WorkspaceId, id: TaskId, by: &ByHand<'_>) -> Result<bool, StoreError> {
    let waits = [TaskStatus::Queued, TaskStatus::Retrying, TaskStatus::Waiting, TaskStatus::Manual];
    let changed = diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq(id.bytes()))
        .filter(tasks::status.eq_any(words(&waits)))
        .set((
            tasks::status.eq(TaskStatus::Queued.as_str()),
            tasks::not_before.eq(not_while_sending(by.now)),
            tasks::attempts.eq(0),
            tasks::crashes.eq(0),
            tasks::instructions.eq(None::<String>),
            tasks::modified_at.eq(by.now.0),
        ))
        .kept()
        .execute(tx)?;
    Ok(changed == 1)
}

/// Now; but what a dead process had begun waits until its request must have ended, whoever wants it sooner:
/// looking in the app before that may miss it and send it twice (DESIGN.md section 2.8).
fn not_while_sending(now: Micros) -> SqlLiteral<BigInt> {
    sql(&format!(
        "CASE WHEN status IN ('retrying', 'queued') AND error_class = 'crashed' AND not_before > {now} THEN not_before ELSE {now} END",
        now = now.0
    ))
}

/// As [`retry`], of several tasks that failed: `retrying` and `manual` ones. Answers how many.
///
/// # Errors
/// A failed statement.
pub fn retry_these(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    these: &[TaskId],
    by: &ByHand<'_>,
) -> Result<usize, StoreError> {
    if these.is_empty() {
        return Ok(0);
    }
    Ok(diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq_any(these.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .filter(tasks::status.eq_any(words(&[TaskStatus::Retrying, TaskStatus::Manual])))
        .set((
            tasks::status.eq(TaskStatus::Queued.as_str()),
            tasks::not_before.eq(not_while_sending(by.now)),
            tasks::attempts.eq(0),
            tasks::crashes.eq(0),
            tasks::instructions.eq(None::<String>),
            tasks::modified_at.eq(by.now.0),
        ))
        .kept_if(these.len() == 1)
        .execute(tx)?)
}

/// A person did it in the app. Only a `manual` task can be closed so; what it means for the
/// member is recorded by `store::landed`.
///
/// # Errors
/// A failed statement.
pub fn done(tx: &mut Tx<'_>, workspace: WorkspaceId, id: TaskId, by: &ByHand<'_>) -> Result<bool, StoreError> {
    close(tx, workspace, id, &[TaskStatus::Manual], TaskStatus::Completed, by)
}

/// A person withdraws it. Not while an attempt runs: the app may have been called.
///
/// # Errors
/// A failed statement.
pub fn cancel(tx: &mut Tx<'_>, workspace: WorkspaceId, id: TaskId, by: &ByHand<'_>) -> Result<bool, StoreError> {
    let idle = [TaskStatus::Queued, TaskStatus::Retrying, TaskStatus::Held, TaskStatus::Waiting, TaskStatus::Manual];
    close(tx, workspace, id, &idle, TaskStatus::Cancelled, by)
}

fn close(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: TaskId,
    from: &[TaskStatus],
    to: TaskStatus,
    by: &ByHand<'_>,
) -> Result<bool, StoreError> {
    let finished_by = match by.note {
        Some(note) => serde_json::json!({ "actor": by.actor, "note": note }).to_string(),
        None => by.actor.to_owned(),
    };
    let changed = diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq(id.bytes()))
        .filter(tasks::status.eq_any(words(from)))
        .set((
            tasks::status.eq(to.as_str()),
            tasks::modified_at.eq(by.now.0),
            tasks::finished_at.eq(Some(by.now.0)),
            tasks::finished_by.eq(Some(finished_by)),
        ))
        .kept()
        .execute(tx)?;
    Ok(changed == 1)
}
