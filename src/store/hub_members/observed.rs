//! What the last sync saw of an account, beside what is known of it.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::super::conn::DbConn;
use super::super::kept::Keep as _;
use super::super::schema::hub_members;
use super::super::{StoreError, Tx, keyed};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, MemberId, TaskId, WorkspaceId};
use crate::domain::mapping::AssetGrant;
use crate::domain::member::Presence;

/// What the last sync saw of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What it was in the app.
    pub state: Presence,
    /// Its role there.
    pub role: Option<String>,
    /// Its assets there, where the app tells.
    pub assets: Option<Vec<AssetGrant>>,
    /// When.
    pub at: Micros,
}

/// What the last sync saw of these members; nothing of those it never saw.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn observed(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    ids: &[MemberId],
) -> Result<Vec<(MemberId, Observed)>, StoreError> {
    type Seen = (Vec<u8>, Option<String>, Option<String>, Option<i64>, Option<String>);
    let rows: Vec<Seen> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::id.eq_any(ids.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .filter(hub_members::observed_at.is_not_null())
        .select((
            hub_members::id,
            hub_members::observed_state,
            hub_members::observed_role,
            hub_members::observed_at,
            hub_members::observed_assets,
        ))
        .load(conn)?;
    rows.into_iter()
        .filter_map(|(id, state, role, at, assets)| {
            let at = Micros(at?);
            let state = Presence::from_word(&state?)?;
            let id = MemberId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a member's id".into()));
            // Written by a sync; what cannot be read is not shown.
            let assets = assets.and_then(|json| serde_json::from_str(&json).ok());
            Some(id.map(|id| (id, Observed { state, role, assets, at })))
        })
        .collect()
}

/// A sync saw that the account is not there any more.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn seen_gone(tx: &mut DbConn, workspace: WorkspaceId, id: MemberId, now: Micros) -> Result<(), StoreError> {
    diesel::update(hub_members::table.find((workspace.0, id.bytes())))
        .set((
            hub_members::observed_state.eq(Some(Presence::Absent.as_str())),
            hub_members::observed_role.eq(None::<String>),
            hub_members::observed_assets.eq(None::<String>),
            hub_members::observed_at.eq(Some(now.0)),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Note on the members of this stretch of the list that they were seen, and on those that are as
/// known that it is known from now. One statement, whatever their number.
///
/// # Errors
/// A failed statement.
pub fn stamp(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    task: TaskId,
    after: Option<&str>,
    last: &str,
) -> Result<(), StoreError> {
    let text = match &**tx {
        DbConn::Sqlite(_) => String::from(
            "UPDATE hub_members SET observed_state = s.state, observed_role = s.role, observed_assets = s.assets, \
                 observed_at = s.seen_at, \
                 expires_at = CASE WHEN s.state = 'pending' THEN COALESCE(s.expires_at, hub_members.expires_at) \
                     ELSE NULL END, \
                 known_at = CASE WHEN hub_members.known_at < s.seen_at THEN s.seen_at ELSE hub_members.known_at END, \
                 known_from = CASE WHEN hub_members.known_at < s.seen_at THEN 'sync' ELSE hub_members.known_from END \
             FROM sync_seen s WHERE s.workspace = $1 AND s.task_id = $2 AND s.remote_id > $3 AND s.remote_id <= $4 \
                 AND hub_members.workspace = s.workspace AND hub_members.hub_id = $5 \
                 AND hub_members.remote_id = s.remote_id",
        ),
        // In their order, as in `after`, so that the key of the list answers and not an index over the workspace.
        // Nothing is inserted: each is there, and locked here. As in `claims`, an UPDATE joined to the list
        // may be planned as one that reads the whole workspace.
        DbConn::Postgres(_) => format!(
            "INSERT INTO hub_members AS h (workspace, id, hub_id, display, bucket, managed, status, known_state, \
                 known_at, known_from, created_at, modified_at, observed_state, observed_role, observed_assets, \
                 observed_at, expires_at) \
             SELECT m.workspace, m.id, m.hub_id, m.display, m.bucket, m.managed, m.status, m.known_state, \
                 m.known_at, m.known_from, m.created_at, m.modified_at, k.state, k.role, k.assets, k.seen_at, k.expires_at \
             FROM (SELECT * FROM sync_seen s WHERE s.workspace = $1 AND s.task_id = $2 AND s.remote_id > $3 \
                 AND s.remote_id <= $4 ORDER BY s.remote_id OFFSET 0) k CROSS JOIN LATERAL \
                 (SELECT * FROM hub_members m WHERE m.workspace = k.workspace AND {} OFFSET 0 FOR UPDATE) m \
             ON CONFLICT (workspace, id) DO UPDATE SET observed_state = excluded.observed_state, \
                 observed_role = excluded.observed_role, observed_assets = excluded.observed_assets, \
                 observed_at = excluded.observed_at, \
                 expires_at = CASE WHEN excluded.observed_state = 'pending' \
                     THEN COALESCE(excluded.expires_at, h.expires_at) ELSE NULL END, \
                 known_at = GREATEST(h.known_at, excluded.observed_at), \
                 known_from = CASE WHEN h.known_at < excluded.observed_at THEN 'sync' ELSE h.known_from END",
            keyed::in_hub("remote_id", "k.remote_id", "$5")
        ),
    };
    diesel::sql_query(text)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(task.bytes())
        .bind::<Text, _>(after.unwrap_or_default())
        .bind::<Text, _>(last)
        .bind::<Binary, _>(hub.bytes())
        .kept()
        .execute(tx)?;
    Ok(())
}
