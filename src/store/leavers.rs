//! People who left, and where they are still present (DESIGN.md section 2.13). Rows are written with
//! the change that made somebody leave or come back.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::kept::Keep as _;
use super::schema::leavers;
use super::{DbConn, StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, UserId, WorkspaceId};

/// Somebody left; the first time counts.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn left(tx: &mut Tx<'_>, workspace: WorkspaceId, user: UserId, now: Micros) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO leavers (workspace, user_id, left_at) VALUES ($1, $2, $3) \
         ON CONFLICT (workspace, user_id) DO NOTHING",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(user.bytes())
    .bind::<BigInt, _>(now.0)
    .kept()
    .execute(tx)?;
    Ok(())
}

/// Somebody came back.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn returned(tx: &mut Tx<'_>, workspace: WorkspaceId, user: UserId) -> Result<(), StoreError> {
    diesel::delete(leavers::table.find((workspace.0, user.bytes()))).kept().execute(tx)?;
    Ok(())
}

/// The leavers of a hub that are in its app: invited or active. A suspended account opens nothing,
/// an exempted one stays on a person's word (R4.5), and of a removed hub nobody knows.
const PRESENT: &str = "FROM leavers l JOIN hub_members m ON m.workspace = l.workspace AND m.user_id = l.user_id \
     JOIN hubs h ON h.workspace = m.workspace AND h.id = m.hub_id WHERE l.left_at <= $1 AND m.known_state IN ('active', 'pending') AND m.bucket <> 'exempted'";

/// Hubs in which people who left before `since` are still present, and how many.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn present_across_workspaces(
    conn: &mut DbConn,
    since: Micros,
) -> Result<Vec<(WorkspaceId, HubId, i64)>, StoreError> {
    #[derive(QueryableByName)]
    struct Present {
        #[diesel(sql_type = BigInt)]
        workspace: i64,
        #[diesel(sql_type = Binary)]
        hub_id: Vec<u8>,
        #[diesel(sql_type = BigInt)]
        people: i64,
    }
    let sql = format!(
        "SELECT m.workspace AS workspace, m.hub_id AS hub_id, COUNT(*) AS people {PRESENT} \
         GROUP BY m.workspace, m.hub_id ORDER BY m.workspace, m.hub_id"
    );
    let rows: Vec<Present> = diesel::sql_query(sql).bind::<BigInt, _>(since.0).kept().load(conn)?;
    rows.into_iter()
        .map(|row| {
            let hub = HubId::from_bytes(&row.hub_id).map_err(|_| StoreError::Corrupt("a member's hub".into()))?;
            Ok((WorkspaceId(row.workspace), hub, row.people))
        })
        .collect()
}

/// Who they are in one hub, by the name people read, and since when they should be gone.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn present_in(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    since: Micros,
    limit: i64,
) -> Result<Vec<(UserId, String, Micros)>, StoreError> {
    #[derive(QueryableByName)]
    struct Somebody {
        #[diesel(sql_type = Binary)]
        user_id: Vec<u8>,
        #[diesel(sql_type = Text)]
        display: String,
        #[diesel(sql_type = BigInt)]
        left_at: i64,
    }
    let sql = format!(
        "SELECT m.user_id AS user_id, m.display AS display, l.left_at AS left_at {PRESENT} \
         AND l.workspace = $2 AND m.hub_id = $3 ORDER BY l.left_at, m.user_id LIMIT $4"
    );
    let rows: Vec<Somebody> = diesel::sql_query(sql)
        .bind::<BigInt, _>(since.0)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(hub.bytes())
        .bind::<BigInt, _>(limit)
        .kept()
        .load(conn)?;
    rows.into_iter()
        .map(|row| {
            let user = UserId::from_bytes(&row.user_id).map_err(|_| StoreError::Corrupt("a member's user".into()))?;
            Ok((user, row.display, Micros(row.left_at)))
        })
        .collect()
}
