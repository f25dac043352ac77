//! Marks as the planner has them: those that are due are read with their revision, and taken away
//! or put off only where they are still at it, so that what came meanwhile is looked at again.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary};

use super::USERS_PER_STATEMENT;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, UserId, WorkspaceId};
use crate::store::StoreError;
use crate::store::conn::DbConn;
use crate::store::id_list::numbered;
use crate::store::kept::Keep as _;
use crate::store::keyed;
use crate::store::schema::{reconcile_marks, wide_marks};

/// A mark as the planner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whom to look at.
    pub user: UserId,
    /// Not before.
    pub due_at: Micros,
    /// A removal or downgrade of an active user waits until then.
    pub settle_until: Micros,
    /// Counts upserts; a mark is deleted only at the revision that was seen.
    pub rev: i64,
    /// The newest cause.
    pub cause: String,
    /// The newest request.
    pub request_id: Option<String>,
    /// When the first event came.
    pub created_at: Micros,
}

type MarkRow = (Vec<u8>, i64, i64, i64, String, Option<String>, i64);

/// What a [`MarkRow`] holds, in its order.
const COLUMNS: (
    reconcile_marks::user_id,
    reconcile_marks::due_at,
    reconcile_marks::settle_until,
    reconcile_marks::rev,
    reconcile_marks::cause,
    reconcile_marks::request_id,
    reconcile_marks::created_at,
) = (
    reconcile_marks::user_id,
    reconcile_marks::due_at,
    reconcile_marks::settle_until,
    reconcile_marks::rev,
    reconcile_marks::cause,
    reconcile_marks::request_id,
    reconcile_marks::created_at,
);

/// Due marks of one hub, longest due first, at most `limit`.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn due(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    now: Micros,
    limit: i64,
) -> Result<Vec<Mark>, StoreError> {
    let rows: Vec<MarkRow> = reconcile_marks::table
        .filter(reconcile_marks::workspace.eq(workspace.0))
        .filter(reconcile_marks::hub_id.eq(hub.bytes()))
        .filter(reconcile_marks::due_at.le(now.0))
        .order((reconcile_marks::due_at, reconcile_marks::user_id))
        .limit(limit)
        .select(COLUMNS)
        .kept()
        .load(conn)?;
    rows.into_iter().map(mark).collect()
}

/// The mark of one pair, when there is one.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_pair(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
) -> Result<Option<Mark>, StoreError> {
    let row: Option<MarkRow> = reconcile_marks::table
        .find((workspace.0, hub.bytes(), user.bytes()))
        .select(COLUMNS)
        .kept()
        .get_result(conn)
        .optional()?;
    row.map(mark).transpose()
}

/// Those of these people at whom the planner will look without anything else happening: they have a mark,
/// due or not, or one about the whole hub waits to be spread.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn awaited(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    people: &[UserId],
) -> Result<HashSet<UserId>, StoreError> {
    let wide: i64 = wide_marks::table
        .filter(wide_marks::workspace.eq(workspace.0))
        .filter(wide_marks::hub_id.eq(hub.bytes()))
        .filter(wide_marks::group_id.is_null())
        .count()
        .get_result(conn)?;
    if wide > 0 {
        return Ok(people.iter().copied().collect());
    }
    let ids: Vec<Vec<u8>> = people.iter().map(|user| user.bytes()).collect();
    let marked: Vec<Vec<u8>> = reconcile_marks::table
        .filter(reconcile_marks::workspace.eq(workspace.0))
        .filter(reconcile_marks::hub_id.eq(hub.bytes()))
        .filter(reconcile_marks::user_id.eq_any(ids))
        .select(reconcile_marks::user_id)
        .load(conn)?;
    marked.iter().map(|id| UserId::from_bytes(id).map_err(|_| StoreError::Corrupt("a mark's user".into()))).collect()
}

fn mark(row: MarkRow) -> Result<Mark, StoreError> {
    let (user, due_at, settle_until, rev, cause, request_id, created_at) = row;
    Ok(Mark {
        user: UserId::from_bytes(&user).map_err(|_| StoreError::Corrupt("a mark's user".into()))?,
        due_at: Micros(due_at),
        settle_until: Micros(settle_until),
        rev,
        cause,
        request_id,
        created_at: Micros(created_at),
    })
}

/// Delete marks that are still at the revision seen; one that moved meanwhile stays.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn delete_seen(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    seen: &[(UserId, i64)],
) -> Result<usize, StoreError> {
    if let [(user, rev)] = seen {
        let key = reconcile_marks::table.find((workspace.0, hub.bytes(), user.bytes()));
        return Ok(diesel::delete(key.filter(reconcile_marks::rev.eq(*rev))).kept().execute(tx)?);
    }
    if let DbConn::Postgres(conn) = tx {
        let text = format!(
            "DELETE FROM reconcile_marks m USING {} WHERE m.workspace = k.workspace AND m.hub_id = k.hub \
             AND m.user_id = k.id AND m.rev = k.rev",
            keyed::keys(&[("hub", 2), ("id", 3), ("rev", 4)])
        );
        return Ok(diesel::sql_query(text)
            .bind::<BigInt, _>(workspace.0)
            .bind::<Array<Binary>, _>(vec![hub.bytes(); seen.len()])
            .bind::<Array<Binary>, _>(seen.iter().map(|(user, _)| user.bytes()).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(seen.iter().map(|(_, rev)| *rev).collect::<Vec<_>>())
            .execute(conn)?);
    }
    let mut deleted = 0;
    for chunk in seen.chunks(USERS_PER_STATEMENT) {
        let rows: Vec<String> = (0..chunk.len()).map(|n| format!("(${}, ${})", 2 * n + 1, 2 * n + 2)).collect();
        let sql = format!(
            "WITH seen (id, rev) AS (VALUES {}) DELETE FROM reconcile_marks \
             WHERE workspace = ${} AND hub_id = ${} AND EXISTS (SELECT 1 FROM seen \
             WHERE seen.id = reconcile_marks.user_id AND seen.rev = reconcile_marks.rev)",
            rows.join(", "),
            2 * chunk.len() + 1,
            2 * chunk.len() + 2,
        );
        let mut query = diesel::sql_query(numbered(tx, &sql)).into_boxed::<<DbConn as Connection>::Backend>();
        for (user, rev) in chunk {
            query = query.bind::<Binary, _>(user.bytes()).bind::<BigInt, _>(*rev);
        }
        deleted += query.bind::<BigInt, _>(workspace.0).bind::<Binary, _>(hub.bytes()).execute(tx)?;
    }
    Ok(deleted)
}

/// Look at this pair later, unless the mark moved since it was seen.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn postpone(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    seen: (UserId, i64),
    due_at: Micros,
) -> Result<(), StoreError> {
    diesel::update(reconcile_marks::table.find((workspace.0, hub.bytes(), seen.0.bytes())))
        .filter(reconcile_marks::rev.eq(seen.1))
        .set(reconcile_marks::due_at.eq(due_at.0))
        .kept()
        .execute(tx)?;
    Ok(())
}
