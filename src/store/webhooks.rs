//! Endpoints that are told of events. Signing secrets are sealed, bound to workspace and endpoint.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::keyring::{Keyring, Sealed};
use super::schema::{webhook_deliveries, webhooks};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WebhookId, WorkspaceId};
use crate::base::secret::SecretString;
use crate::domain::event::{EventType, Wanted};

/// The name under which a signing secret is sealed; no secret of a hub can have it.
const SEALED_AS: &str = "webhook signing secret";

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// What its owner calls it.
    pub name: String,
    /// Where events go. May hold a key in its path: never logged.
    pub url: String,
    /// What it wants to hear.
    pub wanted: Wanted,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Why nothing is, where it was not a person who said so.
    pub disabled_why: Option<String>,
    /// How long the secret from before the last rotation signs too.
    pub old_until: Option<Micros>,
    /// When it was made.
    pub created_at: Micros,
    /// When something last arrived there.
    pub last_success_at: Option<Micros>,
}

type Row = (Vec<u8>, String, String, String, bool, Option<String>, Option<i64>, i64, Option<i64>);

const COLUMNS: (
    webhooks::id,
    webhooks::name,
    webhooks::url,
    webhooks::types,
    webhooks::enabled,
    webhooks::disabled_why,
    webhooks::old_until,
    webhooks::created_at,
    webhooks::last_success_at,
) = (
    webhooks::id,
    webhooks::name,
    webhooks::url,
    webhooks::types,
    webhooks::enabled,
    webhooks::disabled_why,
    webhooks::old_until,
    webhooks::created_at,
    webhooks::last_success_at,
);

pub(super) fn id_of(bytes: &[u8]) -> Result<WebhookId, StoreError> {
    WebhookId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a webhook's id".into()))
}

fn read(row: Row) -> Result<Webhook, StoreError> {
    let (id, name, url, types, enabled, disabled_why, old_until, created_at, last_success_at) = row;
    Ok(Webhook {
        id: id_of(&id)?,
        name,
        url,
        wanted: Wanted::from_stored(&types),
        enabled,
        disabled_why,
        old_until: old_until.map(Micros),
        created_at: Micros(created_at),
        last_success_at: last_success_at.map(Micros),
    })
}

/// Whether any endpoint hears of anything.
pub(super) fn any(conn: &mut DbConn, workspace: WorkspaceId) -> Result<bool, StoreError> {
    let enabled = webhooks::table.filter(webhooks::workspace.eq(workspace.0)).filter(webhooks::enabled.eq(true));
    Ok(enabled.select(webhooks::id).limit(1).kept().get_result::<Vec<u8>>(conn).optional()?.is_some())
}

/// The endpoints that hear of an event of this type. Usually none: one look into the key.
pub(super) fn listening(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    event: EventType,
) -> Result<Vec<WebhookId>, StoreError> {
    let rows: Vec<(Vec<u8>, String)> = webhooks::table
        .filter(webhooks::workspace.eq(workspace.0))
        .filter(webhooks::enabled.eq(true))
        .order(webhooks::id)
        .select((webhooks::id, webhooks::types))
        .kept()
        .load(conn)?;
    let fits = |(_, types): &(Vec<u8>, String)| Wanted::from_stored(types).holds(event);
    rows.into_iter().filter(fits).map(|(id, _)| id_of(&id)).collect()
}

fn seal(keyring: &Keyring, workspace: WorkspaceId, id: WebhookId, secret: &SecretString) -> Result<Sealed, StoreError> {
    keyring.seal(workspace, HubId::from_uuid(id.uuid()), SEALED_AS, secret)
}

/// A new endpoint with its secret.
///
/// # Errors
/// A failed statement.
pub fn insert(
    conn: &mut DbConn,
    keyring: &Keyring,
    workspace: WorkspaceId,
    webhook: &Webhook,
    secret: &SecretString,
) -> Result<(), StoreError> {
    let sealed = seal(keyring, workspace, webhook.id, secret)?;
    diesel::insert_into(webhooks::table)
        .values((
            webhooks::workspace.eq(workspace.0),
            webhooks::id.eq(webhook.id.bytes()),
            webhooks::name.eq(&webhook.name),
            webhooks::url.eq(&webhook.url),
            webhooks::types.eq(webhook.wanted.to_stored()),
            webhooks::enabled.eq(webhook.enabled),
            webhooks::key_id.eq(sealed.key_id),
            webhooks::sealed.eq(sealed.bytes),
            webhooks::created_at.eq(webhook.created_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Keep a changed name, address, choice and switch.
///
/// # Errors
/// A failed statement.
pub fn update(conn: &mut DbConn, workspace: WorkspaceId, webhook: &Webhook) -> Result<(), StoreError> {
    diesel::update(webhooks::table.find((workspace.0, webhook.id.bytes())))
        .set((
            webhooks::name.eq(&webhook.name),
            webhooks::url.eq(&webhook.url),
            webhooks::types.eq(webhook.wanted.to_stored()),
            webhooks::enabled.eq(webhook.enabled),
            webhooks::disabled_why.eq(&webhook.disabled_why),
        ))
        .execute(conn)?;
    Ok(())
}

/// Sign with `secret` from now on, and until `until` with the one before it too.
///
/// # Errors
/// [`StoreError::NotFound`], or a failed statement.
pub fn rotate(
    conn: &mut DbConn,
    keyring: &Keyring,
    workspace: WorkspaceId,
    id: WebhookId,
    secret: &SecretString,
    until: Micros,
) -> Result<(), StoreError> {
    let row = webhooks::table.find((workspace.0, id.bytes()));
    let (key_id, bytes): (String, Vec<u8>) = row.select((webhooks::key_id, webhooks::sealed)).first(conn)?;
    let sealed = seal(keyring, workspace, id, secret)?;
    diesel::update(webhooks::table.find((workspace.0, id.bytes())))
        .set((
            webhooks::key_id.eq(sealed.key_id),
            webhooks::sealed.eq(sealed.bytes),
            webhooks::old_key_id.eq(Some(key_id)),
            webhooks::old_sealed.eq(Some(bytes)),
            webhooks::old_until.eq(Some(until.0)),
        ))
        .execute(conn)?;
    Ok(())
}

/// The secrets that sign at `now`, the newest first.
///
/// # Errors
/// [`StoreError::Corrupt`] when one does not open; [`StoreError::NotFound`]; a failed statement.
pub fn secrets(
    conn: &mut DbConn,
    keyring: &Keyring,
    workspace: WorkspaceId,
    id: WebhookId,
    now: Micros,
) -> Result<Vec<SecretString>, StoreError> {
    type Stored = (String, Vec<u8>, Option<String>, Option<Vec<u8>>, Option<i64>);
    let (key_id, bytes, old_key_id, old_bytes, old_until): Stored = webhooks::table
        .find((workspace.0, id.bytes()))
        .select((webhooks::key_id, webhooks::sealed, webhooks::old_key_id, webhooks::old_sealed, webhooks::old_until))
        .first(conn)?;
    let mut sealed = vec![Sealed { key_id, bytes }];
    if let (Some(key_id), Some(bytes), Some(until)) = (old_key_id, old_bytes, old_until)
        && Micros(until) > now
    {
        sealed.push(Sealed { key_id, bytes });
    }
    sealed
        .iter()
        .map(|one| {
            keyring
                .open(workspace, HubId::from_uuid(id.uuid()), SEALED_AS, one)
                .map_err(|why| StoreError::Corrupt(format!("the signing secret of a webhook does not open: {why}")))
        })
        .collect()
}

/// One endpoint.
///
/// # Errors
/// [`StoreError::NotFound`], or a failed statement.
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, id: WebhookId) -> Result<Webhook, StoreError> {
    read(webhooks::table.find((workspace.0, id.bytes())).select(COLUMNS).first(conn)?)
}

/// The endpoints of a workspace, oldest first; at most [`crate::base::limits::WEBHOOKS`].
///
/// # Errors
/// A failed statement.
pub fn list(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Vec<Webhook>, StoreError> {
    let rows: Vec<Row> =
        webhooks::table.filter(webhooks::workspace.eq(workspace.0)).order(webhooks::id).select(COLUMNS).load(conn)?;
    rows.into_iter().map(read).collect()
}

/// Forget an endpoint and all that was to be sent there.
///
/// # Errors
/// [`StoreError::NotFound`], or a failed statement.
pub fn delete(conn: &mut DbConn, workspace: WorkspaceId, id: WebhookId) -> Result<(), StoreError> {
    let gone = diesel::delete(webhooks::table.find((workspace.0, id.bytes()))).execute(conn)?;
    if gone == 0 {
        return Err(StoreError::NotFound);
    }
    diesel::delete(webhook_deliveries::table)
        .filter(webhook_deliveries::workspace.eq(workspace.0))
        .filter(webhook_deliveries::webhook_id.eq(id.bytes()))
        .execute(conn)?;
    Ok(())
}

/// Something arrived there; written at most once a minute.
///
/// # Errors
/// A failed statement.
pub fn succeeded(conn: &mut DbConn, workspace: WorkspaceId, id: WebhookId, now: Micros) -> Result<(), StoreError> {
    let before = now.minus(std::time::Duration::from_secs(60));
    diesel::update(webhooks::table.find((workspace.0, id.bytes())))
        .filter(webhooks::last_success_at.is_null().or(webhooks::last_success_at.lt(before.0)))
        .set(webhooks::last_success_at.eq(Some(now.0)))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// Send nothing there any more, until a person switches it on.
///
/// # Errors
/// A failed statement.
pub fn disable(conn: &mut DbConn, workspace: WorkspaceId, id: WebhookId, why: &str) -> Result<(), StoreError> {
    diesel::update(webhooks::table.find((workspace.0, id.bytes())))
        .set((webhooks::enabled.eq(false), webhooks::disabled_why.eq(Some(why))))
        .execute(conn)?;
    Ok(())
}
