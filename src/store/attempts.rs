//! Attempts as rows: one try of a task at the app, numbered by the lease's epoch.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text};

use super::StoreError;
use super::conn::DbConn;
use super::dialect::{Cell, insert_rows};
use super::kept::Keep as _;
use super::keyed;
use super::schema::attempts;
use crate::base::clock::Micros;
use crate::base::ids::{TaskId, WorkspaceId};

/// One try. The row appears when the task is claimed, so that an attempt that killed its process
/// is seen as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Grows by one with every claim of the task.
    pub number: i32,
    /// The lease under which it ran.
    pub epoch: i64,
    /// When it was claimed.
    pub started_at: Micros,
    /// When its end was recorded; `None` while it runs.
    pub finished_at: Option<Micros>,
    /// `applied`, `already_in_state`, `pending`, `failed`, `lease_lost` …
    pub outcome: Option<String>,
    /// The class of a failure.
    pub error_class: Option<String>,
    /// What happened, for people.
    pub detail: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// As in [`Attempt::outcome`].
    pub outcome: &'static str,
    /// The class of a failure.
    pub error_class: Option<&'static str>,
    /// One sentence for people.
    pub detail: Option<String>,
}

pub(super) fn number(epoch: i64) -> i32 {
    i32::try_from(epoch).unwrap_or(i32::MAX)
}

/// Note that these attempts begin, each a task and its lease's epoch: on PostgreSQL in one round
/// trip, on SQLite by a statement that stays prepared.
///
/// # Errors
/// A failed statement.
pub fn begin(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    begun: &[(TaskId, i64)],
    now: Micros,
) -> Result<(), StoreError> {
    if matches!(conn, DbConn::Postgres(_)) && begun.len() > 1 {
        let row = |(task, epoch): &(TaskId, i64)| {
            let number = i64::from(number(*epoch));
            vec![workspace.0.into(), Cell::Bytes(task.bytes()), number.into(), (*epoch).into(), now.0.into()]
        };
        let rows: Vec<_> = begun.iter().map(row).collect();
        let columns = ["workspace", "task_id", "number", "epoch", "started_at"];
        return insert_rows(conn, "attempts", &columns, &rows, "").map(|_| ());
    }
    for (task, epoch) in begun {
        diesel::insert_into(attempts::table)
            .values((
                attempts::workspace.eq(workspace.0),
                attempts::task_id.eq(task.bytes()),
                attempts::number.eq(number(*epoch)),
                attempts::epoch.eq(epoch),
                attempts::started_at.eq(now.0),
            ))
            .kept()
            .execute(conn)?;
    }
    Ok(())
}

/// Note how it ended.
///
/// # Errors
/// A failed statement.
pub fn end(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    task: TaskId,
    epoch: i64,
    ended: &Ended,
    now: Micros,
) -> Result<(), StoreError> {
    diesel::update(attempts::table.find((workspace.0, task.bytes(), number(epoch))))
        .set((
            attempts::finished_at.eq(Some(now.0)),
            attempts::outcome.eq(Some(ended.outcome)),
            attempts::error_class.eq(ended.error_class),
            attempts::detail.eq(ended.detail.as_deref()),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// Note how many ended well, each a task, its lease's epoch, and how: on PostgreSQL in one statement.
///
/// # Errors
/// A failed statement.
pub fn end_all(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    ends: &[(TaskId, i64, &Ended)],
    now: Micros,
) -> Result<(), StoreError> {
    let DbConn::Postgres(conn) = conn else {
        return ends.iter().try_for_each(|(task, epoch, ended)| end(conn, workspace, *task, *epoch, ended, now));
    };
    diesel::sql_query(format!(
        "UPDATE attempts a SET finished_at = $7, outcome = k.outcome, error_class = k.class, detail = k.detail \
         FROM {} WHERE a.workspace = k.workspace AND a.task_id = k.task AND a.number = k.number",
        keyed::keys(&[("task", 2), ("number", 3), ("outcome", 4), ("class", 5), ("detail", 6)])
    ))
    .bind::<BigInt, _>(workspace.0)
    .bind::<Array<Binary>, _>(ends.iter().map(|(task, ..)| task.bytes()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(ends.iter().map(|(_, epoch, _)| number(*epoch)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(ends.iter().map(|(.., ended)| ended.outcome).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(ends.iter().map(|(.., ended)| ended.error_class).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(ends.iter().map(|(.., ended)| ended.detail.as_deref()).collect::<Vec<_>>())
    .bind::<BigInt, _>(now.0)
    .execute(conn)?;
    Ok(())
}

/// All attempts of a task, first one first.
///
/// # Errors
/// A failed statement.
pub fn list(conn: &mut DbConn, workspace: WorkspaceId, task: TaskId) -> Result<Vec<Attempt>, StoreError> {
    type Row = (i32, i64, i64, Option<i64>, Option<String>, Option<String>, Option<String>);
    let rows: Vec<Row> = attempts::table
        .filter(attempts::workspace.eq(workspace.0))
        .filter(attempts::task_id.eq(task.bytes()))
        .order(attempts::number)
        .select((
            attempts::number,
            attempts::epoch,
            attempts::started_at,
            attempts::finished_at,
            attempts::outcome,
            attempts::error_class,
            attempts::detail,
        ))
        .kept()
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(number, epoch, started, finished, outcome, error_class, detail)| Attempt {
            number,
            epoch,
            started_at: Micros(started),
            finished_at: finished.map(Micros),
            outcome,
            error_class,
            detail,
        })
        .collect())
}
