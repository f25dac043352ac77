//! The append-only activity record: rows commit with the change they tell of. Sequence and hash
//! come later, from a sealer, so that no writer waits for a chain head (DESIGN.md section 3).

use diesel::prelude::*;
use uuid::Uuid;

use super::StoreError;
use super::conn::DbConn;
use super::dialect::{Cell, insert_rows};
use super::kept::Keep as _;
use super::schema::activity;
use super::{outbox, webhooks};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, UserId, WorkspaceId};

/// Something that happened. Holds no secret and no whole body.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its id, from [`crate::base::random::Ids`].
    pub id: Uuid,
    /// When.
    pub at: Micros,
    /// What: `user.created`, `group.members_added`, `task.completed`, `hub.connected` …
    pub kind: &'a str,
    /// Who: `token:<id>`, `planner`, `worker`, `cli`.
    pub actor: &'a str,
    /// What it happened to: `user:<id>`, `group:<id>`, `hub:<slug>`, `task:<id>`.
    pub target: &'a str,
    /// The hub, for filtering.
    pub hub: Option<HubId>,
    /// The person, for filtering.
    pub user: Option<UserId>,
    /// The task, for filtering.
    pub task: Option<TaskId>,
    /// The request that led here.
    pub request_id: Option<&'a str>,
    /// The facts, without personal data.
    pub detail: serde_json::Value,
    /// Personal data, kept beside the record so that it can be erased.
    pub personal: Option<serde_json::Value>,
}

/// Append one record, and tell the endpoints that want to hear of it.
///
/// # Errors
/// [`StoreError::Database`] when the insert fails.
pub fn record(conn: &mut DbConn, workspace: WorkspaceId, entry: &Entry<'_>) -> Result<(), StoreError> {
    diesel::insert_into(activity::table)
        .values((
            activity::workspace.eq(workspace.0),
            activity::id.eq(entry.id.as_bytes().to_vec()),
            activity::at.eq(entry.at.0),
            activity::kind.eq(entry.kind),
            activity::actor.eq(entry.actor),
            activity::target.eq(entry.target),
            activity::hub_id.eq(entry.hub.map(HubId::bytes)),
            activity::user_id.eq(entry.user.map(UserId::bytes)),
            activity::task_id.eq(entry.task.map(TaskId::bytes)),
            activity::request_id.eq(entry.request_id),
            activity::detail.eq(entry.detail.to_string()),
            activity::personal.eq(entry.personal.as_ref().map(ToString::to_string)),
        ))
        .kept()
        .execute(conn)?;
    outbox::of_activity(conn, workspace, entry)
}

/// [`record`] for many: in few statements, and one look for endpoints where there are none.
///
/// # Errors
/// [`StoreError::Database`] when an insert fails.
pub fn record_all(conn: &mut DbConn, workspace: WorkspaceId, entries: &[Entry<'_>]) -> Result<(), StoreError> {
    const COLUMNS: [&str; 12] = [
        "workspace",
        "id",
        "at",
        "kind",
        "actor",
        "target",
        "hub_id",
        "user_id",
        "task_id",
        "request_id",
        "detail",
        "personal",
    ];
    let rows: Vec<Vec<Cell>> = entries
        .iter()
        .map(|entry| {
            vec![
                workspace.0.into(),
                entry.id.into(),
                entry.at.0.into(),
                entry.kind.into(),
                entry.actor.into(),
                entry.target.into(),
                entry.hub.map(HubId::uuid).into(),
                entry.user.map(UserId::uuid).into(),
                entry.task.map(TaskId::uuid).into(),
                entry.request_id.into(),
                Cell::Text(entry.detail.to_string()),
                entry.personal.as_ref().map_or(Cell::Null, |personal| Cell::Text(personal.to_string())),
            ]
        })
        .collect();
    insert_rows(conn, "activity", &COLUMNS, &rows, "")?;
    if webhooks::any(conn, workspace)? {
        return entries.iter().try_for_each(|entry| outbox::of_activity(conn, workspace, entry));
    }
    Ok(())
}
