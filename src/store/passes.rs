//! What a person lets pass the guard until a time: one pass for each hub and reason. What goes out
//! under it carries the batch the person released, and is not counted again.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::guard_passes;
use crate::base::clock::Micros;
use crate::base::ids::{HoldId, HubId, WorkspaceId};
use crate::domain::guard::HoldReason;

/// A pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Where.
    pub hub: HubId,
    /// What it lets through.
    pub reason: HoldReason,
    /// The batch it was given with.
    pub hold: HoldId,
    /// It counts before this.
    pub until: Micros,
    /// Who gave it.
    pub given_by: String,
    /// Why, in their words.
    pub note: Option<String>,
}

type Row = (Vec<u8>, String, Vec<u8>, i64, String, Option<String>);

const COLUMNS: (
    guard_passes::hub_id,
    guard_passes::reason,
    guard_passes::hold_id,
    guard_passes::until_at,
    guard_passes::given_by,
    guard_passes::note,
) = (
    guard_passes::hub_id,
    guard_passes::reason,
    guard_passes::hold_id,
    guard_passes::until_at,
    guard_passes::given_by,
    guard_passes::note,
);

fn read(row: Row) -> Result<Pass, StoreError> {
    let (hub, reason, hold, until, given_by, note) = row;
    let bad = |what: &str| StoreError::Corrupt(format!("a pass's {what}"));
    Ok(Pass {
        hub: HubId::from_bytes(&hub).map_err(|_| bad("hub"))?,
        reason: HoldReason::from_word(&reason).ok_or_else(|| bad("reason"))?,
        hold: HoldId::from_bytes(&hold).map_err(|_| bad("hold"))?,
        until: Micros(until),
        given_by,
        note,
    })
}

/// Give a pass, or move the end of one.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn give(tx: &mut DbConn, workspace: WorkspaceId, pass: &Pass, now: Micros) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO guard_passes (workspace, hub_id, reason, hold_id, until_at, given_by, note, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (workspace, hub_id, reason) DO UPDATE SET \
         hold_id = excluded.hold_id, until_at = excluded.until_at, given_by = excluded.given_by, \
         note = excluded.note, created_at = excluded.created_at",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(pass.hub.bytes())
    .bind::<Text, _>(pass.reason.as_str())
    .bind::<Binary, _>(pass.hold.bytes())
    .bind::<BigInt, _>(pass.until.0)
    .bind::<Text, _>(&pass.given_by)
    .bind::<Nullable<Text>, _>(pass.note.as_deref())
    .bind::<BigInt, _>(now.0)
    .kept()
    .execute(tx)?;
    Ok(())
}

/// End the pass that was given with this batch; answers whether there was one.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn end(tx: &mut DbConn, workspace: WorkspaceId, hold: HoldId, now: Micros) -> Result<bool, StoreError> {
    let ended = diesel::delete(guard_passes::table)
        .filter(guard_passes::workspace.eq(workspace.0))
        .filter(guard_passes::hold_id.eq(hold.bytes()))
        .filter(guard_passes::until_at.gt(now.0))
        .kept()
        .execute(tx)?;
    Ok(ended > 0)
}

/// The passes of a hub that count now.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_hub(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, now: Micros) -> Result<Vec<Pass>, StoreError> {
    let rows: Vec<Row> = guard_passes::table
        .filter(guard_passes::workspace.eq(workspace.0))
        .filter(guard_passes::hub_id.eq(hub.bytes()))
        .filter(guard_passes::until_at.gt(now.0))
        .select(COLUMNS)
        .kept()
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// The passes of a workspace that count now, the first to end first.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn all(conn: &mut DbConn, workspace: WorkspaceId, now: Micros) -> Result<Vec<Pass>, StoreError> {
    let rows: Vec<Row> = guard_passes::table
        .filter(guard_passes::workspace.eq(workspace.0))
        .filter(guard_passes::until_at.gt(now.0))
        .order((guard_passes::until_at, guard_passes::hub_id, guard_passes::reason))
        .select(COLUMNS)
        .kept()
        .load(conn)?;
    rows.into_iter().map(read).collect()
}
