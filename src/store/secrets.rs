//! Connection secrets of hubs: written, listed by name, opened only for a call to the app.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::conn::DbConn;
use super::hubs::{self, HubRow};
use super::kept::Keep as _;
use super::keyring::{Keyring, Sealed};
use super::schema::hub_secrets;
use super::schema::hubs as hub_rows;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::secret::SecretString;
use crate::domain::hub::Hub;

/// A secret as it is stored, under its name.
#[derive(Clone, Debug)]
pub struct Stored {
    name: String,
    sealed: Sealed,
}

/// A hub and what is sealed for it, of one moment: an address never goes with another one's secrets (T-21).
#[derive(Clone, Debug)]
pub struct WithSecrets {
    /// The hub.
    pub hub: Hub,
    /// When a secret of it was last set.
    pub last_set: Option<i64>,
    /// Its secrets.
    pub stored: Vec<Stored>,
}

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

/// A hub with its secrets, unopened, in one statement.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Database`].
pub fn with_hub(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<WithSecrets, StoreError> {
    type Secret = (String, String, Vec<u8>, i64);
    let theirs = hub_secrets::workspace.eq(hub_rows::workspace).and(hub_secrets::hub_id.eq(hub_rows::id));
    let rows: Vec<(HubRow, Option<Secret>)> = hub_rows::table
        .left_join(hub_secrets::table.on(theirs))
        .filter(hub_rows::workspace.eq(workspace.0))
        .filter(hub_rows::id.eq(hub.bytes()))
        .select((
            hubs::columns(),
            (hub_secrets::name, hub_secrets::key_id, hub_secrets::sealed, hub_secrets::modified_at).nullable(),
        ))
        .kept()
        .load(conn)?;
    let (mut found, mut last_set, mut stored) = (None, None, Vec::new());
    for (row, secret) in rows {
        if found.is_none() {
            found = Some(row.hub()?);
        }
        let Some((name, key_id, bytes, at)) = secret else { continue };
        last_set = last_set.max(Some(at));
        stored.push(Stored { name, sealed: Sealed { key_id, bytes } });
    }
    Ok(WithSecrets { hub: found.ok_or(StoreError::NotFound)?, last_set, stored })
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
    let stored = rows.into_iter().map(|(name, key_id, bytes)| Stored { name, sealed: Sealed { key_id, bytes } });
    open(keyring, workspace, hub, stored.collect())
}

/// Open these secrets of a hub.
///
/// # Errors
/// [`StoreError::Corrupt`], naming the secret, when one does not open.
pub fn open(
    keyring: &Keyring,
    workspace: WorkspaceId,
    hub: HubId,
    stored: Vec<Stored>,
) -> Result<BTreeMap<String, SecretString>, StoreError> {
    stored
        .into_iter()
        .map(|Stored { name, sealed }| {
            let opened = keyring
                .open(workspace, hub, &name, &sealed)
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
