//! Lists of tasks and their numbers.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::reading::ID_SLACK;
use super::schema::tasks;
use super::status::first_id;
use super::tasks::{TaskRow, words};
use crate::base::clock::Micros;
use crate::base::ids::{HoldId, HubId, TaskId, UserId, WorkspaceId};
use crate::domain::task::{Task, TaskKind, TaskStatus};

/// What a list of tasks is narrowed to; everything that is `None` or empty does not narrow.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Any of these statuses.
    pub statuses: Vec<TaskStatus>,
    /// This hub.
    pub hub: Option<HubId>,
    /// One of these hubs; `None` for whichever.
    pub within: Option<Vec<HubId>>,
    /// This kind.
    pub kind: Option<TaskKind>,
    /// This person.
    pub user: Option<UserId>,
    /// This batch of the guard.
    pub hold: Option<HoldId>,
    /// Nested in this parent.
    pub parent: Option<TaskId>,
    /// Items that should have been done by hand before this.
    pub overdue: Option<Micros>,
    /// Made at this moment or later.
    pub from: Option<Micros>,
    /// Made before this.
    pub to: Option<Micros>,
}

/// One page, newest first. `cursor` is the last id of the page before; `limit` counts rows.
///
/// # Errors
/// A failed statement.
pub fn page(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    filter: &TaskFilter,
    cursor: Option<TaskId>,
    limit: i64,
) -> Result<Vec<Task>, StoreError> {
    let mut query = tasks::table.filter(tasks::workspace.eq(workspace.0)).into_boxed();
    if !filter.statuses.is_empty() {
        query = query.filter(tasks::status.eq_any(words(&filter.statuses)));
    }
    if let Some(hub) = filter.hub {
        query = query.filter(tasks::hub_id.eq(hub.bytes()));
    }
    if let Some(within) = &filter.within {
        query = query.filter(tasks::hub_id.eq_any(within.iter().map(|hub| hub.bytes()).collect::<Vec<_>>()));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(tasks::kind.eq(kind.as_str()));
    }
    if let Some(user) = filter.user {
        query = query.filter(tasks::user_id.eq(user.bytes()));
    }
    if let Some(hold) = filter.hold {
        query = query.filter(tasks::hold_id.eq(hold.bytes()));
    }
    if let Some(parent) = filter.parent {
        query = query.filter(tasks::parent_id.eq(parent.bytes()));
    }
    if let Some(now) = filter.overdue {
        // Written out, so that the index of items by their time answers.
        query = query.filter(diesel::dsl::sql::<diesel::sql_types::Bool>("tasks.status = 'manual'"));
        query = query.filter(tasks::due_at.le(now.0));
    }
    // Ids sort by time: the range in the key keeps the rest unread.
    if let Some(from) = filter.from {
        let first = first_id(from.minus(ID_SLACK)).bytes();
        query = query.filter(tasks::created_at.ge(from.0)).filter(tasks::id.ge(first));
    }
    if let Some(to) = filter.to {
        query = query.filter(tasks::created_at.lt(to.0)).filter(tasks::id.lt(first_id(to.plus(ID_SLACK)).bytes()));
    }
    if let Some(cursor) = cursor {
        query = query.filter(tasks::id.lt(cursor.bytes()));
    }
    let rows: Vec<TaskRow> = query.order(tasks::id.desc()).limit(limit).load(conn)?;
    rows.iter().map(TaskRow::shown).collect()
}

/// What tasks that took something have in common.
#[derive(Clone, Copy, Debug)]
pub enum Common<'a> {
    /// The request they came of.
    Request(&'a str),
    /// The batch that the guard held them in.
    Hold(HoldId),
    /// The parent they are nested in.
    Parent(TaskId),
}

/// The completed removals and changes of role among them, the oldest first, at most `limit`.
///
/// # Errors
/// A failed statement.
pub fn taken(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    common: Common<'_>,
    limit: i64,
) -> Result<Vec<Task>, StoreError> {
    let mut query = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::status.eq(TaskStatus::Completed.as_str()))
        .filter(tasks::kind.eq_any([TaskKind::Remove.as_str(), TaskKind::UpdateRole.as_str()]))
        .into_boxed();
    query = match common {
        Common::Request(request) => query.filter(tasks::request_id.eq(request.to_owned())),
        Common::Hold(hold) => query.filter(tasks::hold_id.eq(hold.bytes())),
        Common::Parent(parent) => query.filter(tasks::parent_id.eq(parent.bytes())),
    };
    let rows: Vec<TaskRow> = query.order(tasks::id).limit(limit).load(conn)?;
    rows.iter().map(TaskRow::shown).collect()
}

/// These tasks, the oldest first; few, by id.
///
/// # Errors
/// A failed statement.
pub fn these(conn: &mut DbConn, workspace: WorkspaceId, ids: &[TaskId]) -> Result<Vec<Task>, StoreError> {
    let rows: Vec<TaskRow> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq_any(ids.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .order(tasks::id)
        .load(conn)?;
    rows.iter().map(TaskRow::shown).collect()
}

/// How many tasks stand in each status, in one hub or in all.
///
/// # Errors
/// A failed statement.
pub fn counts(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: Option<HubId>,
) -> Result<Vec<(TaskStatus, i64)>, StoreError> {
    let mut query = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .group_by(tasks::status)
        .select((tasks::status, diesel::dsl::count_star()))
        .into_boxed();
    if let Some(hub) = hub {
        query = query.filter(tasks::hub_id.eq(hub.bytes()));
    }
    let rows: Vec<(String, i64)> = query.load(conn)?;
    Ok(rows.into_iter().filter_map(|(word, count)| Some((TaskStatus::from_word(&word)?, count))).collect())
}
