//! The assets of listed accounts: how they are stored, and which of those that were known a list shows no more.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::kept::Keep as _;
use super::{DbConn, StoreError};
use crate::base::ids::{HubId, TaskId, WorkspaceId};
use crate::domain::mapping::AssetGrant;
use crate::domain::sync::Both;

/// As they are stored beside a listed account.
pub(super) fn assets_json(assets: &[AssetGrant]) -> Result<String, StoreError> {
    serde_json::to_string(assets).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// As they were stored.
pub(super) fn assets(json: &str) -> Result<Vec<AssetGrant>, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::Corrupt("a listed account's assets".into()))
}

/// Some accounts, in id order.
pub struct Stretch {
    /// The last one's id.
    pub last: Vec<u8>,
    /// What each was known to have, and what the app shows now.
    pub accounts: Vec<Both>,
}

/// The next accounts that are known and listed, as far as they had assets and the app shows some (R7.6); `None`
/// after the last.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn known_assets(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    task: TaskId,
    after: &[u8],
    limit: i64,
) -> Result<Option<Stretch>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Binary)]
        id: Vec<u8>,
        #[diesel(sql_type = Text)]
        held: String,
        #[diesel(sql_type = Text)]
        shown: String,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT m.id, m.known_assets AS held, s.assets AS shown FROM hub_members m \
         JOIN sync_seen s ON s.workspace = m.workspace AND s.task_id = $1 AND s.remote_id = m.remote_id \
         WHERE m.workspace = $2 AND m.id > $3 AND m.hub_id = $4 AND m.known_state = 'active' \
             AND m.known_assets <> '[]' AND m.known_at < s.seen_at AND s.assets IS NOT NULL \
         ORDER BY m.id LIMIT $5",
    )
    .bind::<Binary, _>(task.bytes())
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(after)
    .bind::<Binary, _>(hub.bytes())
    .bind::<BigInt, _>(limit)
    .kept()
    .load(conn)?;
    let Some(last) = rows.last().map(|row| row.id.clone()) else { return Ok(None) };
    let both =
        rows.iter().map(|row| Ok((assets(&row.held)?, assets(&row.shown)?))).collect::<Result<_, StoreError>>()?;
    Ok(Some(Stretch { last, accounts: both }))
}
