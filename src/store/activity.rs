//! The append-only activity record: rows commit with the change they tell of. Sequence and hash
//! come later, from a sealer, so that no writer waits for a chain head (DESIGN.md section 3).

use diesel::prelude::*;
use uuid::Uuid;

use super::conn::DbConn;
use super::dialect::{Cell, insert_rows};
use super::kept::Keep as _;
use super::schema::activity;
use super::{StoreError, Tx, outbox, webhooks};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, UserId, WorkspaceId};
use crate::domain::event::EventType;
use crate::domain::seal::{Digest, Parts, Sealer};

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

/// A record as it goes into its row: the texts that are kept, and what marks it as ours.
struct Written {
    detail: String,
    personal: Option<String>,
    personal_digest: Option<Digest>,
    mark: Digest,
}

fn written(sealer: &Sealer, workspace: WorkspaceId, entry: &Entry<'_>) -> Written {
    let detail = entry.detail.to_string();
    let personal = entry.personal.as_ref().map(ToString::to_string);
    let id = entry.id.as_bytes();
    let personal_digest = personal.as_deref().map(|text| sealer.personal(id, text));
    let (hub, user, task) = (entry.hub.map(HubId::bytes), entry.user.map(UserId::bytes), entry.task.map(TaskId::bytes));
    let mark = sealer.mark(&Parts {
        workspace: workspace.0,
        id,
        at: entry.at.0,
        kind: entry.kind,
        actor: entry.actor,
        target: entry.target,
        hub: hub.as_deref(),
        user: user.as_deref(),
        task: task.as_deref(),
        request_id: entry.request_id,
        detail: &detail,
        personal_digest: personal_digest.as_ref().map(<[u8; 32]>::as_slice),
    });
    Written { detail, personal, personal_digest, mark }
}

/// Append one record, and tell the endpoints that want to hear of it. Only inside a write transaction:
/// that is where the key for its mark comes from.
///
/// # Errors
/// [`StoreError::Database`] when the insert fails.
pub fn record(tx: &mut Tx<'_>, workspace: WorkspaceId, entry: &Entry<'_>) -> Result<(), StoreError> {
    insert(tx, workspace, entry)?;
    outbox::of_activity(tx, workspace, entry)
}

fn insert(tx: &mut Tx<'_>, workspace: WorkspaceId, entry: &Entry<'_>) -> Result<(), StoreError> {
    let Written { detail, personal, personal_digest, mark } = written(tx.sealer(), workspace, entry);
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
            activity::detail.eq(detail),
            activity::personal.eq(personal),
            activity::personal_digest.eq(personal_digest.map(|digest| digest.to_vec())),
            activity::mark.eq(mark.to_vec()),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// [`record`] for many: on PostgreSQL in few statements, and at most one look for endpoints where there are none.
///
/// # Errors
/// [`StoreError::Database`] when an insert fails.
pub fn record_all(tx: &mut Tx<'_>, workspace: WorkspaceId, entries: &[Entry<'_>]) -> Result<(), StoreError> {
    match &**tx {
        // A statement that stays prepared costs less than one text for so many rows.
        DbConn::Sqlite(_) => entries.iter().try_for_each(|entry| insert(tx, workspace, entry))?,
        DbConn::Postgres(_) => insert_all(tx, workspace, entries)?,
    }
    let told = |entry: &Entry<'_>| EventType::of_activity(entry.kind, &entry.detail).is_some();
    if entries.iter().any(told) && webhooks::any(tx, workspace)? {
        return entries.iter().try_for_each(|entry| outbox::of_activity(tx, workspace, entry));
    }
    Ok(())
}

fn insert_all(tx: &mut Tx<'_>, workspace: WorkspaceId, entries: &[Entry<'_>]) -> Result<(), StoreError> {
    const COLUMNS: [&str; 14] = [
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
        "personal_digest",
        "mark",
    ];
    if let [entry] = entries {
        return insert(tx, workspace, entry);
    }
    let sealer = tx.sealer();
    let rows: Vec<Vec<Cell>> = entries
        .iter()
        .map(|entry| {
            let Written { detail, personal, personal_digest, mark } = written(sealer, workspace, entry);
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
                Cell::Text(detail),
                personal.map_or(Cell::Null, Cell::Text),
                personal_digest.map_or(Cell::Null, |digest| Cell::Bytes(digest.to_vec())),
                Cell::Bytes(mark.to_vec()),
            ]
        })
        .collect();
    insert_rows(tx, "activity", &COLUMNS, &rows, "")?;
    Ok(())
}
