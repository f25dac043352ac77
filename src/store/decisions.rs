//! Decisions as rows: one for each subject of a hub, kept while the wish and the known state are
//! what they were when it was made (DESIGN.md section 2.6).

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::StoreError;
use super::conn::DbConn;
use super::hub_members;
use super::kept::Keep as _;
use super::schema::decisions;
use super::users;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, WorkspaceId};
use crate::domain::decision::{Decision, DecisionKind, digest};
use crate::domain::plan::Standing;
use crate::domain::task::Task;

type Row = (String, Vec<u8>, String, String, Option<String>);

fn read(row: Row) -> Result<(String, Decision), StoreError> {
    let (subject, digest, kind, decided_by, note) = row;
    Ok((subject, decision(digest, &kind, decided_by, note)?))
}

/// A decision by what its row has.
pub(super) fn decision(
    digest: Vec<u8>,
    kind: &str,
    decided_by: String,
    note: Option<String>,
) -> Result<Decision, StoreError> {
    let kind = DecisionKind::from_word(kind).ok_or_else(|| StoreError::Corrupt("a decision's kind".into()))?;
    Ok(Decision { digest, kind, decided_by, note })
}

/// The decisions about these subjects.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_subjects(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    subjects: &[String],
) -> Result<Vec<(String, Decision)>, StoreError> {
    let rows: Vec<Row> = decisions::table
        .filter(decisions::workspace.eq(workspace.0))
        .filter(decisions::hub_id.eq(hub.bytes()))
        .filter(decisions::subject.eq_any(subjects))
        .select((decisions::subject, decisions::digest, decisions::kind, decisions::decided_by, decisions::note))
        .kept_if(subjects.len() == 1)
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// Keep what was decided about a task's wish, on the member's state as it is now. Call it after
/// the member's row was written; an older decision about the subject gives way.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn record(
    tx: &mut DbConn,
    task: &Task,
    kind: DecisionKind,
    decided_by: &str,
    note: Option<&str>,
    now: Micros,
) -> Result<(), StoreError> {
    let member = match task.user {
        Some(user) => hub_members::by_user(tx, task.workspace, task.hub, user)?,
        None => None,
    };
    let standing = match task.user {
        Some(user) if users::is_active(tx, task.workspace, user)? => Standing::Stays,
        Some(_) => Standing::Left,
        None => Standing::Stays,
    };
    diesel::sql_query(
        "INSERT INTO decisions (workspace, hub_id, subject, digest, kind, task_id, decided_by, note, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (workspace, hub_id, subject) DO UPDATE SET \
         digest = excluded.digest, kind = excluded.kind, task_id = excluded.task_id, \
         decided_by = excluded.decided_by, note = excluded.note, created_at = excluded.created_at",
    )
    .bind::<BigInt, _>(task.workspace.0)
    .bind::<Binary, _>(task.hub.bytes())
    .bind::<Text, _>(task.subject.as_str())
    .bind::<Binary, _>(digest(&task.effect, &task.reasons, member.as_ref(), standing))
    .bind::<Text, _>(kind.as_str())
    .bind::<Binary, _>(TaskId::bytes(task.id))
    .bind::<Text, _>(decided_by)
    .bind::<Nullable<Text>, _>(note)
    .bind::<BigInt, _>(now.0)
    .kept()
    .execute(tx)?;
    Ok(())
}

/// End all decisions of a hub: they were made on another connection.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn end_all(tx: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<usize, StoreError> {
    Ok(diesel::delete(decisions::table)
        .filter(decisions::workspace.eq(workspace.0))
        .filter(decisions::hub_id.eq(hub.bytes()))
        .kept()
        .execute(tx)?)
}

/// End the decisions about these subjects of a hub.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn end_these(tx: &mut DbConn, workspace: WorkspaceId, hub: HubId, subjects: &[&str]) -> Result<(), StoreError> {
    if subjects.is_empty() {
        return Ok(());
    }
    diesel::delete(decisions::table)
        .filter(decisions::workspace.eq(workspace.0))
        .filter(decisions::hub_id.eq(hub.bytes()))
        .filter(decisions::subject.eq_any(subjects))
        .kept_if(subjects.len() == 1)
        .execute(tx)?;
    Ok(())
}

/// End a decision: the wish changed, or a person said `retry`. Nothing happens without one.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn end(tx: &mut DbConn, workspace: WorkspaceId, hub: HubId, subject: &str) -> Result<(), StoreError> {
    diesel::delete(decisions::table.find((workspace.0, hub.bytes(), subject))).kept().execute(tx)?;
    Ok(())
}
