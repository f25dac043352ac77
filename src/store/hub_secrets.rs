//! Which secrets of a hub are set, without opening any. Sealing and opening is in `store::secrets`.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::hub_secrets;
use crate::base::ids::{HubId, WorkspaceId};
use crate::domain::hub::Hub;

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

/// The names of the secrets that a hub's connection refers to and nobody has set, sorted.
///
/// # Errors
/// A failed statement.
pub fn missing(conn: &mut DbConn, workspace: WorkspaceId, hub: &Hub) -> Result<Vec<String>, StoreError> {
    let wanted = hub.secret_names();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let set = names(conn, workspace, hub.id)?;
    Ok(wanted.into_iter().filter(|name| !set.contains(name)).collect())
}

/// The names under which the secrets of a workspace are sealed, by hub.
///
/// # Errors
/// A failed statement.
pub fn of_workspace(conn: &mut DbConn, workspace: WorkspaceId) -> Result<HashMap<HubId, BTreeSet<String>>, StoreError> {
    let rows: Vec<(Vec<u8>, String)> = hub_secrets::table
        .filter(hub_secrets::workspace.eq(workspace.0))
        .select((hub_secrets::hub_id, hub_secrets::name))
        .kept()
        .load(conn)?;
    let mut found: HashMap<HubId, BTreeSet<String>> = HashMap::new();
    for (hub, name) in rows {
        let hub = HubId::from_bytes(&hub).map_err(|_| StoreError::Corrupt("a secret's hub".into()))?;
        found.entry(hub).or_default().insert(name);
    }
    Ok(found)
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
