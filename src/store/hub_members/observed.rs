//! What the last sync saw of an account, beside what is known of it.

use diesel::prelude::*;

use super::super::StoreError;
use super::super::conn::DbConn;
use super::super::kept::Keep as _;
use super::super::schema::hub_members;
use crate::base::clock::Micros;
use crate::base::ids::{MemberId, WorkspaceId};
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
