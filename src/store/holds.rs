//! Held batches: one open hold for each hub and reason; the tasks in it carry its id. Releasing
//! and rejecting are a person's act, in `service::held`.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{holds, tasks};
use super::tasks::TaskRow;
use super::{Tx, marks, outbox};
use crate::base::clock::Micros;
use crate::base::ids::{HoldId, HubId, TaskId, UserId, WorkspaceId};
use crate::domain::guard::HoldReason;
use crate::domain::plan::PRIORITY_LEAVER;
use crate::domain::task::{Task, TaskKind, TaskStatus};

/// A held batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// Where.
    pub hub: HubId,
    /// A word of [`crate::domain::guard::HoldReason`].
    pub reason: String,
    /// `open`, `released` or `rejected`.
    pub status: String,
    /// When its first task was held.
    pub created_at: Micros,
    /// When a person decided.
    pub decided_at: Option<Micros>,
    /// Who.
    pub decided_by: Option<String>,
    /// Why, in their words.
    pub note: Option<String>,
}

type Row = (Vec<u8>, Vec<u8>, String, String, i64, Option<i64>, Option<String>, Option<String>);

fn read(row: Row) -> Result<Hold, StoreError> {
    let (id, hub, reason, status, created_at, decided_at, decided_by, note) = row;
    Ok(Hold {
        id: HoldId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a hold's id".into()))?,
        hub: HubId::from_bytes(&hub).map_err(|_| StoreError::Corrupt("a hold's hub".into()))?,
        reason,
        status,
        created_at: Micros(created_at),
        decided_at: decided_at.map(Micros),
        decided_by,
        note,
    })
}

const COLUMNS: (
    holds::id,
    holds::hub_id,
    holds::reason,
    holds::status,
    holds::created_at,
    holds::decided_at,
    holds::decided_by,
    holds::note,
) = (
    holds::id,
    holds::hub_id,
    holds::reason,
    holds::status,
    holds::created_at,
    holds::decided_at,
    holds::decided_by,
    holds::note,
);

/// The open hold of a hub for a reason; opened under `id` when there is none.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn open(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    reason: &str,
    id: HoldId,
    now: Micros,
) -> Result<HoldId, StoreError> {
    let opened = diesel::sql_query(
        "INSERT INTO holds (workspace, id, hub_id, reason, status, created_at) \
         VALUES ($1, $2, $3, $4, 'open', $5) \
         ON CONFLICT (workspace, hub_id, reason) WHERE status = 'open' DO NOTHING",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(id.bytes())
    .bind::<Binary, _>(hub.bytes())
    .bind::<Text, _>(reason)
    .bind::<BigInt, _>(now.0)
    .kept()
    .execute(tx)?;
    if opened > 0 {
        outbox::hold_opened(tx, workspace, hub, id, reason, now)?;
    }
    let found: Vec<u8> = holds::table
        .filter(holds::workspace.eq(workspace.0))
        .filter(holds::hub_id.eq(hub.bytes()))
        .filter(holds::reason.eq(reason))
        .filter(holds::status.eq("open"))
        .select(holds::id)
        .first(tx)?;
    HoldId::from_bytes(&found).map_err(|_| StoreError::Corrupt("a hold's id".into()))
}

/// One hold.
///
/// # Errors
/// [`StoreError::NotFound`], or that of the statement.
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, id: HoldId) -> Result<Hold, StoreError> {
    read(holds::table.find((workspace.0, id.bytes())).select(COLUMNS).first(conn)?)
}

/// One hold, kept from being decided by somebody else until the transaction ends.
///
/// # Errors
/// [`StoreError::NotFound`], or that of the statement.
pub fn lock(tx: &mut Tx<'_>, workspace: WorkspaceId, id: HoldId) -> Result<Hold, StoreError> {
    let query = holds::table.find((workspace.0, id.bytes())).select(COLUMNS);
    read(match &mut **tx {
        DbConn::Sqlite(conn) => query.first(conn)?,
        DbConn::Postgres(conn) => query.for_update().first(conn)?,
    })
}

/// The open holds of a workspace, newest last.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn all_open(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Vec<Hold>, StoreError> {
    let rows: Vec<Row> = holds::table
        .filter(holds::workspace.eq(workspace.0))
        .filter(holds::status.eq("open"))
        .order(holds::id)
        .select(COLUMNS)
        .kept()
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// Batches that were decided at or after a moment, the newest first.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn decided_since(conn: &mut DbConn, workspace: WorkspaceId, since: Micros) -> Result<Vec<Hold>, StoreError> {
    let rows: Vec<Row> = holds::table
        .filter(holds::workspace.eq(workspace.0))
        .filter(holds::status.ne("open"))
        .filter(holds::decided_at.ge(since.0))
        .order((holds::decided_at.desc(), holds::id.desc()))
        .select(COLUMNS)
        .kept()
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// How many tasks of each kind and status carry these holds.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn tasks_by_status(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    these: &[HoldId],
) -> Result<Vec<(HoldId, TaskKind, TaskStatus, i64)>, StoreError> {
    type Counted = (Option<Vec<u8>>, String, String, i64);
    if these.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Counted> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hold_id.eq_any(these.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .group_by((tasks::hold_id, tasks::kind, tasks::status))
        .select((tasks::hold_id, tasks::kind, tasks::status, diesel::dsl::count_star()))
        .load(conn)?;
    let corrupt = || StoreError::Corrupt("a held task".into());
    rows.into_iter()
        .map(|(hold, kind, status, count)| {
            let hold = HoldId::from_bytes(&hold.unwrap_or_default()).map_err(|_| corrupt())?;
            let kind = TaskKind::from_word(&kind).ok_or_else(corrupt)?;
            Ok((hold, kind, TaskStatus::from_word(&status).ok_or_else(corrupt)?, count))
        })
        .collect()
}

/// Close a hold: `released` or `rejected`.
///
/// # Errors
/// [`StoreError::NotFound`] when it is not open any more.
pub fn close(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    id: HoldId,
    status: &str,
    decided_by: &str,
    note: Option<&str>,
    now: Micros,
) -> Result<(), StoreError> {
    let closed = diesel::update(holds::table.find((workspace.0, id.bytes())))
        .filter(holds::status.eq("open"))
        .set((
            holds::status.eq(status),
            holds::decided_at.eq(Some(now.0)),
            holds::decided_by.eq(Some(decided_by)),
            holds::note.eq(note),
        ))
        .kept()
        .execute(tx)?;
    if closed == 0 {
        return Err(StoreError::NotFound);
    }
    Ok(())
}

/// The held tasks of a batch, people who left first, at most `limit`.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn tasks(conn: &mut DbConn, workspace: WorkspaceId, hold: HoldId, limit: i64) -> Result<Vec<Task>, StoreError> {
    let rows: Vec<TaskRow> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hold_id.eq(hold.bytes()))
        .filter(tasks::status.eq(TaskStatus::Held.as_str()))
        .order((tasks::priority, tasks::id))
        .limit(limit)
        .kept()
        .load(conn)?;
    rows.iter().map(TaskRow::shown).collect()
}

/// Those of these tasks that are still held in the batch.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn these(conn: &mut DbConn, workspace: WorkspaceId, hold: HoldId, ids: &[TaskId]) -> Result<Vec<Task>, StoreError> {
    let rows: Vec<TaskRow> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq_any(ids.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .filter(tasks::hold_id.eq(hold.bytes()))
        .filter(tasks::status.eq(TaskStatus::Held.as_str()))
        .order((tasks::priority, tasks::id))
        .kept_if(ids.len() == 1)
        .load(conn)?;
    rows.iter().map(TaskRow::shown).collect()
}

/// The ids of all held tasks of a batch, people who left first.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn task_ids(conn: &mut DbConn, workspace: WorkspaceId, hold: HoldId) -> Result<Vec<TaskId>, StoreError> {
    let rows: Vec<Vec<u8>> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hold_id.eq(hold.bytes()))
        .filter(tasks::status.eq(TaskStatus::Held.as_str()))
        .order((tasks::priority, tasks::id))
        .select(tasks::id)
        .kept()
        .load(conn)?;
    rows.iter().map(|id| TaskId::from_bytes(id).map_err(|_| StoreError::Corrupt("a task's id".into()))).collect()
}

/// How many tasks a batch still holds, and how many of them are of people who left.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn counts(conn: &mut DbConn, workspace: WorkspaceId, hold: HoldId) -> Result<(i64, i64), StoreError> {
    let rows: Vec<(i32, i64)> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hold_id.eq(hold.bytes()))
        .filter(tasks::status.eq(TaskStatus::Held.as_str()))
        .group_by(tasks::priority)
        .select((tasks::priority, diesel::dsl::count_star()))
        .kept()
        .load(conn)?;
    let all = rows.iter().map(|(_, count)| count).sum();
    let leavers = rows.iter().filter(|(priority, _)| *priority == PRIORITY_LEAVER).map(|(_, count)| count).sum();
    Ok((all, leavers))
}

/// Held tasks by reason and the moment the oldest of each was held, over all workspaces; for the
/// metrics.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn waiting_across_workspaces(conn: &mut DbConn) -> Result<Vec<(String, i64, Micros)>, StoreError> {
    #[derive(QueryableByName)]
    struct Waiting {
        #[diesel(sql_type = Text)]
        reason: String,
        #[diesel(sql_type = BigInt)]
        tasks: i64,
        #[diesel(sql_type = BigInt)]
        oldest: i64,
    }
    let rows: Vec<Waiting> = diesel::sql_query(
        "SELECT h.reason AS reason, COUNT(*) AS tasks, MIN(h.created_at) AS oldest \
         FROM holds h JOIN tasks t ON t.workspace = h.workspace AND t.status = 'held' AND t.hold_id = h.id \
         WHERE h.status = 'open' GROUP BY h.reason ORDER BY h.reason",
    )
    .kept()
    .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.reason, row.tasks, Micros(row.oldest))).collect())
}

/// A seat of the hub became free: the people whose additions wait longest for one are looked at
/// again. Answers how many.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn seat_freed(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId, now: Micros) -> Result<usize, StoreError> {
    // More than the one seat: several may become free before the planner looks.
    const LOOKED_AT: i64 = 20;
    let waiting: Vec<Option<Vec<u8>>> = tasks::table
        .inner_join(holds::table.on(holds::workspace.eq(tasks::workspace).and(tasks::hold_id.eq(holds::id.nullable()))))
        .filter(holds::workspace.eq(workspace.0))
        .filter(holds::hub_id.eq(hub.bytes()))
        .filter(holds::reason.eq(HoldReason::MaxSeats.as_str()))
        .filter(holds::status.eq("open"))
        .filter(tasks::status.eq(TaskStatus::Held.as_str()))
        .order(tasks::id)
        .limit(LOOKED_AT)
        .select(tasks::user_id)
        .kept()
        .load(tx)?;
    let mut looked_at = 0;
    for id in waiting.into_iter().flatten() {
        let user = UserId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a task's user".into()))?;
        marks::touch(tx, workspace, hub, user, now)?;
        looked_at += 1;
    }
    Ok(looked_at)
}
