//! Held batches: one open hold for each hub and reason; the tasks in it carry its id. Releasing
//! and rejecting are a person's act, in `service::held`.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::conn::DbConn;
use super::schema::holds;
use crate::base::clock::Micros;
use crate::base::ids::{HoldId, HubId, WorkspaceId};

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
    diesel::sql_query(
        "INSERT INTO holds (workspace, id, hub_id, reason, status, created_at) \
         VALUES ($1, $2, $3, $4, 'open', $5) \
         ON CONFLICT (workspace, hub_id, reason) WHERE status = 'open' DO NOTHING",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(id.bytes())
    .bind::<Binary, _>(hub.bytes())
    .bind::<Text, _>(reason)
    .bind::<BigInt, _>(now.0)
    .execute(tx)?;
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
        .load(conn)?;
    rows.into_iter().map(read).collect()
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
        .execute(tx)?;
    if closed == 0 {
        return Err(StoreError::NotFound);
    }
    Ok(())
}
