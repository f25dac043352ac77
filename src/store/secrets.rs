//! Connection secrets of hubs: written, listed by name, opened only for a call to the app.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::conn::DbConn;
use super::keyring::{Keyring, Sealed};
use super::schema::hub_secrets;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::secret::SecretString;

/// Seal a secret under its name; replaces the one before.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub fn put(
    conn: &mut DbConn,
    keyring: &Keyring,
    workspace: WorkspaceId,
    hub: HubId,
    name: &str,
    secret: &SecretString,
    now: Micros,
) -> Result<(), StoreError> {
    let sealed = keyring.seal(workspace, hub, name, secret)?;
    diesel::sql_query(
        "INSERT INTO hub_secrets (workspace, hub_id, name, key_id, sealed, modified_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (workspace, hub_id, name) DO UPDATE
         SET key_id = excluded.key_id, sealed = excluded.sealed, modified_at = excluded.modified_at",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    .bind::<Text, _>(name)
    .bind::<Text, _>(sealed.key_id)
    .bind::<Binary, _>(sealed.bytes)
    .bind::<BigInt, _>(now.0)
    .execute(conn)?;
    Ok(())
}

/// The names that are set, and when each was set last; never a value.
///
/// # Errors
/// [`StoreError::Database`].
pub fn names(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<BTreeMap<String, Micros>, StoreError> {
    let rows: Vec<(String, i64)> = hub_secrets::table
        .filter(hub_secrets::workspace.eq(workspace.0))
        .filter(hub_secrets::hub_id.eq(hub.bytes()))
        .select((hub_secrets::name, hub_secrets::modified_at))
        .load(conn)?;
    Ok(rows.into_iter().map(|(name, at)| (name, Micros(at))).collect())
}

/// Open all secrets of a hub.
///
/// # Errors
/// [`StoreError::Corrupt`], naming the secret, when one does not open; [`StoreError::Database`].
pub fn open_all(
    conn: &mut DbConn,
    keyring: &Keyring,
    workspace: WorkspaceId,
    hub: HubId,
) -> Result<BTreeMap<String, SecretString>, StoreError> {
    let rows: Vec<(String, String, Vec<u8>)> = hub_secrets::table
        .filter(hub_secrets::workspace.eq(workspace.0))
        .filter(hub_secrets::hub_id.eq(hub.bytes()))
        .select((hub_secrets::name, hub_secrets::key_id, hub_secrets::sealed))
        .load(conn)?;
    rows.into_iter()
        .map(|(name, key_id, bytes)| {
            let opened = keyring
                .open(workspace, hub, &name, &Sealed { key_id, bytes })
                .map_err(|why| StoreError::Corrupt(format!("the secret {name} of a hub does not open: {why}")))?;
            Ok((name, opened))
        })
        .collect()
}

/// Forget one secret; whether it was there.
///
/// # Errors
/// [`StoreError::Database`].
pub fn delete(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, name: &str) -> Result<bool, StoreError> {
    let gone = diesel::delete(hub_secrets::table)
        .filter(hub_secrets::workspace.eq(workspace.0))
        .filter(hub_secrets::hub_id.eq(hub.bytes()))
        .filter(hub_secrets::name.eq(name))
        .execute(conn)?;
    Ok(gone > 0)
}
