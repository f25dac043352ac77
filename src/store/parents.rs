//! Parent tasks as rows, and what is counted of their children. A parent's row never changes: whoever
//! finishes a child writes the child alone, so that thousands of them make no worker wait for another.
//! Counting reads the index of a parent's children.

use std::collections::HashMap;

use diesel::dsl::{count, count_star};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{parent_tasks, tasks};
use super::tasks::TaskRow;
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, WorkspaceId};
use crate::domain::parent::Children;
use crate::domain::task::{Task, TaskStatus};

/// What stands for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its id, among those of tasks.
    pub id: TaskId,
    /// Where.
    pub hub: HubId,
    /// Why: the word that its children have.
    pub cause: String,
    /// The request that led here.
    pub request_id: String,
    /// When its first child was planned.
    pub created_at: Micros,
}

type Row = (Vec<u8>, Vec<u8>, String, String, i64);

const COLUMNS: (
    parent_tasks::id,
    parent_tasks::hub_id,
    parent_tasks::cause,
    parent_tasks::request_id,
    parent_tasks::created_at,
) = (parent_tasks::id, parent_tasks::hub_id, parent_tasks::cause, parent_tasks::request_id, parent_tasks::created_at);

fn task_id(bytes: &[u8]) -> Result<TaskId, StoreError> {
    TaskId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a parent's id".into()))
}

fn read(row: Row) -> Result<Parent, StoreError> {
    let (id, hub, cause, request_id, created_at) = row;
    Ok(Parent {
        id: task_id(&id)?,
        hub: HubId::from_bytes(&hub).map_err(|_| StoreError::Corrupt("a parent's hub".into()))?,
        cause,
        request_id,
        created_at: Micros(created_at),
    })
}

/// Write one.
///
/// # Errors
/// A failed statement.
pub fn insert(tx: &mut Tx<'_>, workspace: WorkspaceId, parent: &Parent) -> Result<(), StoreError> {
    diesel::insert_into(parent_tasks::table)
        .values((
            parent_tasks::workspace.eq(workspace.0),
            parent_tasks::id.eq(parent.id.bytes()),
            parent_tasks::hub_id.eq(parent.hub.bytes()),
            parent_tasks::cause.eq(&parent.cause),
            parent_tasks::request_id.eq(&parent.request_id),
            parent_tasks::created_at.eq(parent.created_at.0),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// The parents of a hub that one of these requests led to since then, the oldest first. The planner
/// holds the hub's row, so that none is made twice.
///
/// # Errors
/// A failed statement.
pub fn of_requests(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    requests: &[&str],
    since: Micros,
) -> Result<Vec<Parent>, StoreError> {
    let rows: Vec<Row> = parent_tasks::table
        .filter(parent_tasks::workspace.eq(workspace.0))
        .filter(parent_tasks::hub_id.eq(hub.bytes()))
        .filter(parent_tasks::request_id.eq_any(requests))
        .filter(parent_tasks::created_at.ge(since.0))
        .order(parent_tasks::id)
        .select(COLUMNS)
        .kept_if(requests.len() == 1)
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// One parent.
///
/// # Errors
/// [`StoreError::NotFound`] when the workspace has no such parent.
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, id: TaskId) -> Result<Parent, StoreError> {
    read(parent_tasks::table.find((workspace.0, id.bytes())).select(COLUMNS).kept().get_result(conn)?)
}

/// One page, newest first, of one hub or of these.
///
/// # Errors
/// A failed statement.
pub fn page(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: Option<HubId>,
    within: Option<&[HubId]>,
    cursor: Option<TaskId>,
    limit: i64,
) -> Result<Vec<Parent>, StoreError> {
    let mut query = parent_tasks::table.filter(parent_tasks::workspace.eq(workspace.0)).select(COLUMNS).into_boxed();
    if let Some(hub) = hub {
        query = query.filter(parent_tasks::hub_id.eq(hub.bytes()));
    }
    if let Some(within) = within {
        query = query.filter(parent_tasks::hub_id.eq_any(within.iter().map(|hub| hub.bytes()).collect::<Vec<_>>()));
    }
    if let Some(cursor) = cursor {
        query = query.filter(parent_tasks::id.lt(cursor.bytes()));
    }
    let rows: Vec<Row> = query.order(parent_tasks::id.desc()).limit(limit).load(conn)?;
    rows.into_iter().map(read).collect()
}

/// Parent, status, how many, and how many of them something took the place of.
type Counted = (Option<Vec<u8>>, String, i64, i64);

/// How many children of each of these parents stand where. Costs the number of their children, read
/// from an index.
///
/// # Errors
/// A failed statement.
pub fn children(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    parents: &[TaskId],
) -> Result<HashMap<TaskId, Children>, StoreError> {
    if parents.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Vec<u8>> = parents.iter().map(|id| id.bytes()).collect();
    let rows: Vec<Counted> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::parent_id.eq_any(ids))
        .group_by((tasks::parent_id, tasks::status))
        .select((tasks::parent_id, tasks::status, count_star(), count(tasks::superseded_by)))
        .load(conn)?;
    let of = |parent: &TaskId| {
        let id = Some(parent.bytes());
        let mine = || rows.iter().filter(|(one, ..)| *one == id);
        let counts = mine().filter_map(|(_, word, count, _)| Some((TaskStatus::from_word(word)?, *count)));
        let again = mine().filter(|(_, word, ..)| word == TaskStatus::NotCompleted.as_str());
        (*parent, Children::of(counts, again.map(|(.., replaced)| replaced).sum()))
    };
    Ok(parents.iter().map(of).collect())
}

/// Children of a parent that are still to be retried, or to be withdrawn, the oldest first, from
/// behind `after`.
///
/// # Errors
/// A failed statement.
pub fn of_statuses(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    parent: TaskId,
    statuses: &[TaskStatus],
    after: Option<TaskId>,
    limit: i64,
) -> Result<Vec<Task>, StoreError> {
    let mut query = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::parent_id.eq(parent.bytes()))
        .filter(tasks::status.eq_any(super::tasks::words(statuses)))
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(tasks::id.gt(after.bytes()));
    }
    let rows: Vec<TaskRow> = query.order(tasks::id).limit(limit).load(conn)?;
    rows.iter().map(TaskRow::shown).collect()
}

/// What failed in a parent before and has an open child of the same person now gives way to it: it was
/// tried again.
///
/// # Errors
/// A failed statement.
pub fn tried_again(tx: &mut Tx<'_>, workspace: WorkspaceId, parent: TaskId) -> Result<usize, StoreError> {
    const OPEN: &str = "FROM tasks n WHERE n.workspace = tasks.workspace AND n.hub_id = tasks.hub_id \
         AND n.subject = tasks.subject \
         AND n.status IN ('queued', 'started', 'running', 'retrying', 'held', 'waiting', 'manual')";
    let sql = format!(
        "UPDATE tasks SET superseded_by = (SELECT n.id {OPEN}) WHERE workspace = $1 AND parent_id = $2 \
         AND status = 'not_completed' AND superseded_by IS NULL AND EXISTS (SELECT 1 {OPEN} AND n.parent_id = $2)"
    );
    Ok(diesel::sql_query(sql).bind::<BigInt, _>(workspace.0).bind::<Binary, _>(parent.bytes()).kept().execute(tx)?)
}
