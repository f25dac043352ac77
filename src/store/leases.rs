//! Leases on tasks: taken with an epoch that grows by one (a fencing token), ended only under
//! that epoch, taken back when they run out. Lease time is the database's clock on PostgreSQL
//! and the process's monotonic clock, with its boot id, on SQLite (DESIGN.md section 3).

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::lanes;
use super::schema::tasks;
use super::tasks::TaskRow;
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{BootId, TaskId, WorkspaceId};
use crate::domain::task::{Effect, Task, TaskStatus};
use crate::domain::task_states::TaskEvent;

/// The right to run one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The task's tenant.
    pub workspace: WorkspaceId,
    /// The task.
    pub task: TaskId,
    /// The fencing token.
    pub epoch: i64,
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    /// This run of the process.
    pub boot: BootId,
    /// Wall-clock time, for `not_before` and what people read.
    pub now: Micros,
    /// Now on the clock that leases are measured by: [`super::Store::lease_now`].
    pub lease_now: Micros,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = BigInt)]
    workspace: i64,
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

/// How a leased task goes on.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub event: TaskEvent,
    /// When.
    pub now: Micros,
    /// Not claimed again before this; `None` leaves it.
    pub not_before: Option<Micros>,
    /// Attempts this one adds.
    pub spent: i32,
    /// Crashes this one adds.
    pub crashed: i32,
    /// Whether something may be at the app.
    pub verify_first: bool,
    /// The class of the failure.
    pub error_class: Option<&'static str>,
    /// What went wrong, for people.
    pub error_detail: Option<String>,
    /// What a person must do.
    pub instructions: Option<String>,
    /// A payload that learned something (part is done under this id).
    pub effect: Option<Effect>,
}

impl Change {
    /// `event` and nothing else.
    pub const fn new(event: TaskEvent, now: Micros) -> Self {
        Self {
            event,
            now,
            not_before: None,
            spent: 0,
            crashed: 0,
            verify_first: false,
            error_class: None,
            error_detail: None,
            instructions: None,
            effect: None,
        }
    }
}

/// End a lease: the one way a running task changes its status.
///
/// The epoch is the fencing token: a worker that was paused past its lease matches no row here
/// and learns that its result no longer counts.
///
/// # Errors
/// [`StoreError::LeaseLost`] when somebody else has the task now, or it is closed.
pub fn end(tx: &mut Tx<'_>, lease: &Lease, change: &Change) -> Result<(), StoreError> {
    let mut status = change.event.leads_to();
    if status == TaskStatus::Queued && change.verify_first {
        status = TaskStatus::Retrying;
    }
    let finished = (!status.is_open()).then_some(change.now.0);
    let updated = diesel::update(tasks::table)
        .filter(tasks::workspace.eq(lease.workspace.0))
        .filter(tasks::id.eq(lease.task.bytes()))
        .filter(tasks::lease_epoch.eq(lease.epoch))
        .filter(lanes::is_leased())
        .set((
            tasks::status.eq(status.as_str()),
            tasks::lease_boot.eq(None::<Vec<u8>>),
            tasks::lease_until.eq(None::<i64>),
            tasks::attempts.eq(tasks::attempts + change.spent),
            tasks::crashes.eq(tasks::crashes + change.crashed),
            tasks::verify_first.eq(change.verify_first),
            tasks::error_class.eq(change.error_class),
            tasks::error_detail.eq(change.error_detail.as_deref()),
            tasks::instructions.eq(change.instructions.as_deref()),
            tasks::modified_at.eq(change.now.0),
            tasks::finished_at.eq(finished),
            tasks::finished_by.eq(finished.map(|_| "worker")),
        ))
        .kept()
        .execute(tx)?;
    if updated == 0 {
        return Err(StoreError::LeaseLost(lease.task));
    }
    let row = tasks::table.find((lease.workspace.0, lease.task.bytes()));
    if let Some(at) = change.not_before {
        diesel::update(row).set(tasks::not_before.eq(at.0)).kept().execute(tx)?;
    }
    if let Some(effect) = &change.effect {
        let payload = serde_json::to_string(effect).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        diesel::update(tasks::table.find((lease.workspace.0, lease.task.bytes())))
            .set(tasks::payload.eq(payload))
            .kept()
            .execute(tx)?;
    }
    Ok(())
}

/// End leases whose tasks landed, as [`end`] does one, in one statement. Answers those that still
/// counted; the others' results do not.
///
/// # Errors
/// A failed statement.
pub fn landed_all(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    leases: &[Lease],
    now: Micros,
) -> Result<HashSet<TaskId>, StoreError> {
    let DbConn::Postgres(conn) = &mut **tx else {
        let mut ended = HashSet::new();
        for lease in leases {
            let change = Change { spent: 1, ..Change::new(TaskEvent::Landed, now) };
            match end(tx, lease, &change) {
                Ok(()) => drop(ended.insert(lease.task)),
                Err(StoreError::LeaseLost(_)) => {}
                Err(other) => return Err(other),
            }
        }
        return Ok(ended);
    };
    // Not kept: planned with the table as it is, never with a plan from when the queue was short.
    let rows: Vec<Id> = diesel::sql_query(
        "UPDATE tasks t SET status = $5, lease_boot = NULL, lease_until = NULL, attempts = t.attempts + 1, \
         verify_first = FALSE, error_class = NULL, error_detail = NULL, instructions = NULL, \
         modified_at = $4, finished_at = $4, finished_by = 'worker' \
         FROM unnest($1, $2) AS e (id, epoch) WHERE t.workspace = $3 AND t.id = e.id AND t.lease_epoch = e.epoch \
         AND t.status IN ('started', 'running') RETURNING t.id",
    )
    .bind::<Array<Binary>, _>(leases.iter().map(|lease| lease.task.bytes()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(leases.iter().map(|lease| lease.epoch).collect::<Vec<_>>())
    .bind::<BigInt, _>(workspace.0)
    .bind::<BigInt, _>(now.0)
    .bind::<Text, _>(TaskEvent::Landed.leads_to().as_str())
    .load(conn)?;
    rows.iter().map(|row| TaskId::from_bytes(&row.id).map_err(|_| StoreError::Corrupt("a task's id".into()))).collect()
}

/// Recording showed that somebody must look after all: change a task that this transaction just
/// ended under the lease.
///
/// # Errors
/// A failed statement.
pub fn correct(tx: &mut Tx<'_>, lease: &Lease, change: &Change) -> Result<(), StoreError> {
    diesel::update(tasks::table.find((lease.workspace.0, lease.task.bytes())))
        .filter(tasks::lease_epoch.eq(lease.epoch))
        .set((
            tasks::status.eq(change.event.leads_to().as_str()),
            tasks::error_class.eq(change.error_class),
            tasks::error_detail.eq(change.error_detail.as_deref()),
            tasks::instructions.eq(change.instructions.as_deref()),
            tasks::finished_at.eq(None::<i64>),
            tasks::finished_by.eq(None::<String>),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Show an attempt that takes longer as `running`. Losing the lease is no error here.
///
/// # Errors
/// A failed statement.
pub fn show_running(tx: &mut Tx<'_>, lease: &Lease, now: Micros) -> Result<(), StoreError> {
    diesel::update(tasks::table)
        .filter(tasks::workspace.eq(lease.workspace.0))
        .filter(tasks::id.eq(lease.task.bytes()))
        .filter(tasks::lease_epoch.eq(lease.epoch))
        .filter(tasks::status.eq(TaskStatus::Started.as_str()))
        .set((tasks::status.eq(TaskEvent::Shown.leads_to().as_str()), tasks::modified_at.eq(now.0)))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// A lease that ran out.
#[derive(Clone, Debug)]
pub struct Expired {
    /// Under which it ran.
    pub lease: Lease,
    /// The task as it was.
    pub task: Task,
    /// When it ended, on the lease clock; with the task's id the place to go on from.
    pub until: Micros,
}

/// Leases that ran out, in the order they did, after the given place. On SQLite that includes
/// every lease of another boot: its process is gone, or it would hold the file.
///
/// # Errors
/// A failed statement.
pub fn expired_across_workspaces(
    tx: &mut Tx<'_>,
    holder: &Holder,
    after: Option<(Micros, TaskId)>,
    limit: i64,
) -> Result<Vec<Expired>, StoreError> {
    let (over, lock) = match &**tx {
        DbConn::Sqlite(_) => ("(t.lease_until < $1 OR t.lease_boot IS NULL OR t.lease_boot <> $2)", ""),
        // The database's clock decides alone; $2 must be used all the same.
        DbConn::Postgres(_) => ("(t.lease_until < $1 AND $2::BYTEA IS NOT NULL)", "FOR UPDATE OF t SKIP LOCKED"),
    };
    let sql = format!(
        "SELECT t.workspace, t.id FROM tasks t WHERE t.lease_until IS NOT NULL AND {over} \
         AND (t.lease_until > $3 OR (t.lease_until = $3 AND t.id > $4) OR $3 IS NULL) \
         ORDER BY t.lease_until, t.id LIMIT $5 {lock}"
    );
    let rows: Vec<Key> = diesel::sql_query(sql)
        .bind::<BigInt, _>(holder.lease_now.0)
        .bind::<Binary, _>(holder.boot.bytes())
        .bind::<Nullable<BigInt>, _>(after.map(|(until, _)| until.0))
        .bind::<Nullable<Binary>, _>(after.map(|(_, task)| task.bytes()))
        .bind::<BigInt, _>(limit)
        .kept()
        .load(tx)?;
    let mut found = Vec::new();
    for key in rows {
        let row: TaskRow = tasks::table.find((key.workspace, key.id)).kept().get_result(tx)?;
        let task = row.shown()?;
        let lease = Lease { workspace: task.workspace, task: task.id, epoch: task.lease_epoch };
        found.push(Expired { lease, task, until: row.lease_until() });
    }
    Ok(found)
}

/// Tasks whose time came (`waiting`) become ready. Answers how many.
///
/// # Errors
/// A failed statement.
pub fn release_waiting_across_workspaces(tx: &mut Tx<'_>, now: Micros) -> Result<usize, StoreError> {
    // The status is written out, so that the index of waiting tasks answers.
    Ok(diesel::sql_query(
        // What nothing automates goes to the person who must do it.
        "UPDATE tasks SET status = CASE WHEN instructions IS NULL THEN 'queued' ELSE 'manual' END, \
         error_class = NULL, error_detail = NULL, modified_at = $1 WHERE status = 'waiting' AND not_before <= $2",
    )
    .bind::<BigInt, _>(now.0)
    .bind::<BigInt, _>(now.0)
    .kept()
    .execute(tx)?)
}

#[derive(QueryableByName)]
struct Queue {
    #[diesel(sql_type = BigInt)]
    ready: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    oldest: Option<i64>,
}

/// How many tasks are ready and how long the oldest of them has been, for the metrics.
///
/// # Errors
/// A failed statement.
pub fn queue_across_workspaces(conn: &mut DbConn, now: Micros) -> Result<(i64, Option<Micros>), StoreError> {
    let queue: Queue = diesel::sql_query(
        "SELECT COUNT(*) AS ready, MIN(not_before) AS oldest FROM tasks \
         WHERE status IN ('queued', 'retrying') AND not_before <= $1",
    )
    .bind::<BigInt, _>(now.0)
    .kept()
    .get_result(conn)?;
    Ok((queue.ready, queue.oldest.map(Micros)))
}
