//! People who left, and where they are still present (DESIGN.md section 2.13). Rows are written with
//! the change that made somebody leave or come back.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::hubs::read_mode;
use super::kept::Keep as _;
use super::reading::corrupt;
use super::schema::leavers;
use super::{DbConn, StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, MemberId, UserId, WorkspaceId};
use crate::domain::hub::HubMode;

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

/// The accounts of leavers that are in an app: invited or active. A suspended account opens nothing,
/// and an exempted one stays on a person's word (R4.5).
const ACCOUNTS: &str = "FROM leavers l JOIN hub_members m ON m.workspace = l.workspace AND m.user_id = l.user_id";
const THERE: &str = "m.known_state IN ('active', 'pending') AND m.bucket <> 'exempted'";

/// Those of hubs that are there and whose person left before `$1`. Where a hub only observes, nothing
/// is on its way that would take a managed account away: it is present from the first moment.
fn present() -> String {
    format!(
        "{ACCOUNTS} JOIN hubs h ON h.workspace = m.workspace AND h.id = m.hub_id \
         WHERE (l.left_at <= $1 OR (h.mode = 'observe' AND m.managed = TRUE)) AND {THERE}"
    )
}

/// A hub in which people who left are present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Where.
    pub hub: HubId,
    /// Whether it pushes.
    pub mode: HubMode,
    /// How many.
    pub people: i64,
}

/// Hubs in which people who left before `since` are still present, and how many.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn present_across_workspaces(conn: &mut DbConn, since: Micros) -> Result<Vec<Present>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        workspace: i64,
        #[diesel(sql_type = Binary)]
        hub_id: Vec<u8>,
        #[diesel(sql_type = Text)]
        mode: String,
        #[diesel(sql_type = BigInt)]
        people: i64,
    }
    let sql = format!(
        "SELECT m.workspace AS workspace, m.hub_id AS hub_id, h.mode AS mode, COUNT(*) AS people {} \
         GROUP BY m.workspace, m.hub_id, h.mode ORDER BY m.workspace, m.hub_id",
        present()
    );
    let rows: Vec<Row> = diesel::sql_query(sql).bind::<BigInt, _>(since.0).kept().load(conn)?;
    rows.into_iter()
        .map(|row| {
            let hub = HubId::from_bytes(&row.hub_id).map_err(|_| StoreError::Corrupt("a member's hub".into()))?;
            let mode = read_mode(&row.mode)?;
            Ok(Present { workspace: WorkspaceId(row.workspace), hub, mode, people: row.people })
        })
        .collect()
}

/// Somebody who left and has an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Somebody {
    /// Who.
    pub user: UserId,
    /// The account.
    pub member: MemberId,
    /// The name people read.
    pub name: String,
    /// Since when it should be gone.
    pub left_at: Micros,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Binary)]
    user_id: Vec<u8>,
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = Text)]
    display: String,
    #[diesel(sql_type = BigInt)]
    left_at: i64,
}

/// Who they are in one hub, the longest gone first.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn present_in(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    since: Micros,
    limit: i64,
) -> Result<Vec<Somebody>, StoreError> {
    somebody(conn, &present(), workspace, hub, since, limit)
}

/// The same of a hub that was removed: who had left until then, and whose account nobody has said to
/// be gone since. Rows of its accounts stay, because auditors ask for them.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn left_behind_in(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    removed_at: Micros,
    limit: i64,
) -> Result<Vec<Somebody>, StoreError> {
    let from = format!("{ACCOUNTS} WHERE l.left_at <= $1 AND {THERE}");
    somebody(conn, &from, workspace, hub, removed_at, limit)
}

fn somebody(
    conn: &mut DbConn,
    from: &str,
    workspace: WorkspaceId,
    hub: HubId,
    since: Micros,
    limit: i64,
) -> Result<Vec<Somebody>, StoreError> {
    let sql = format!(
        "SELECT m.user_id AS user_id, m.id AS id, m.display AS display, l.left_at AS left_at {from} \
         AND l.workspace = $2 AND m.hub_id = $3 ORDER BY l.left_at, m.user_id LIMIT $4"
    );
    let rows: Vec<Row> = diesel::sql_query(sql)
        .bind::<BigInt, _>(since.0)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(hub.bytes())
        .bind::<BigInt, _>(limit)
        .kept()
        .load(conn)?;
    rows.into_iter()
        .map(|row| {
            Ok(Somebody {
                user: UserId::from_bytes(&row.user_id).map_err(corrupt("a member's user"))?,
                member: MemberId::from_bytes(&row.id).map_err(corrupt("a member's id"))?,
                name: row.display,
                left_at: Micros(row.left_at),
            })
        })
        .collect()
}
