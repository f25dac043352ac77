//! Which secrets of a hub are set, without opening any. Sealing and opening is in `store::secrets`.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::hub_secrets;
use crate::base::ids::{HubId, WorkspaceId};

/// The names under which this hub's secrets are sealed, sorted.
///
/// # Errors
/// A failed statement.
pub fn names(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Vec<String>, StoreError> {
    let mut names: Vec<String> = hub_secrets::table
        .filter(hub_secrets::workspace.eq(workspace.0))
        .filter(hub_secrets::hub_id.eq(hub.bytes()))
        .select(hub_secrets::name)
        .kept()
        .load(conn)?;
    names.sort();
    Ok(names)
}

/// When a secret of this hub was last set; `None` without any. Another answer than before means
/// that a person gave or took a credential since.
///
/// # Errors
/// A failed statement.
pub fn last_set(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Option<i64>, StoreError> {
    Ok(hub_secrets::table
        .filter(hub_secrets::workspace.eq(workspace.0))
        .filter(hub_secrets::hub_id.eq(hub.bytes()))
        .select(diesel::dsl::max(hub_secrets::modified_at))
        .kept()
        .get_result(conn)?)
}

/// Forget all secrets of a hub: its address changed, and what was given for the old one must not
/// be sent to the new one (threat T-21). Answers their names.
///
/// # Errors
/// A failed statement.
pub fn clear(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Vec<String>, StoreError> {
    let gone = names(conn, workspace, hub)?;
    diesel::delete(hub_secrets::table)
        .filter(hub_secrets::workspace.eq(workspace.0))
        .filter(hub_secrets::hub_id.eq(hub.bytes()))
        .kept()
        .execute(conn)?;
    Ok(gone)
}
