//! Secrets of a hub's connection: written, never read back.

use serde_json::json;
use subtle::ConstantTimeEq;

use super::hub_changes::{self, Mended};
use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::nearest;
use crate::base::secret::SecretString;
use crate::domain::hub::Hub;
use crate::domain::problem::{self, Cause};
use crate::store::{DbConn, Keyring, Tx, hub_secrets, marks, problems, secrets as sealed};

/// The longest secret, in bytes: a long JWT or a private key in PEM fits.
pub const SECRET_BYTES: usize = 16 * 1024;

/// A secret's value.
///
/// # Errors
/// [`ServiceError::Invalid`] when it is empty, too long or spread over lines by mistake.
pub(super) fn check(value: &SecretString) -> Result<(), ServiceError> {
    let text = value.expose();
    if text.trim().is_empty() {
        return Err(ServiceError::Invalid(String::from("the secret is empty")));
    }
    if text.len() > SECRET_BYTES {
        return Err(ServiceError::Invalid(format!("the secret is longer than {SECRET_BYTES} bytes")));
    }
    if text.contains('\0') {
        return Err(ServiceError::Invalid(String::from("the secret holds a zero byte")));
    }
    if text.trim_end().contains(['\n', '\r']) && !text.trim_start().starts_with("-----BEGIN ") {
        let why = "the secret is spread over lines, which only a key in PEM may be; give it on one line";
        return Err(ServiceError::Invalid(String::from(why)));
    }
    Ok(())
}

/// Seal secrets for a hub. Giving a credential anew mends a broken one: the lane goes on. Where others
/// are still missing, the problem stays and says which.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn put_all(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    keyring: &Keyring,
    hub: &Hub,
    given: &[(String, SecretString)],
) -> Result<(), ServiceError> {
    if given.is_empty() {
        return Ok(());
    }
    for (name, value) in given {
        sealed::put(tx, keyring, scribe.workspace, hub.id, name, value, scribe.now)?;
    }
    hub_changes::mended(tx, scribe, hub.id, Mended::Hub)?;
    let missing = hub_secrets::missing(tx, scribe.workspace, hub)?;
    if problems::open_since(tx, scribe.workspace, hub.id, Cause::AuthBroken)?.is_some() && !missing.is_empty() {
        let message = problem::secrets_missing(&missing, &[]);
        problems::report(tx, scribe.workspace, hub.id, Cause::AuthBroken, &message, scribe.now)?;
    }
    marks::hub_changed(tx, scribe.workspace, hub.id, &scribe.change("secret_set"))?;
    let target = format!("hub:{}", hub.slug);
    let names: Vec<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
    let detail = json!({ "names": names });
    scribe.record(tx, "hub.secret_set", About { target: &target, hub: Some(hub.id), detail, ..About::default() })?;
    Ok(())
}

/// Whether this value is what is sealed already, compared in constant time.
///
/// # Errors
/// [`ServiceError::Store`] when the sealed secrets cannot be opened.
pub(super) fn holds(
    conn: &mut DbConn,
    keyring: &Keyring,
    workspace: WorkspaceId,
    hub: HubId,
    name: &str,
    value: &SecretString,
) -> Result<bool, ServiceError> {
    let sealed = sealed::open_all(conn, keyring, workspace, hub)?;
    Ok(sealed.get(name).is_some_and(|held| bool::from(held.expose().as_bytes().ct_eq(value.expose().as_bytes()))))
}

/// Set one secret of a hub.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::Invalid`] when the connection names no such secret.
pub async fn set(
    context: &Context,
    caller: &Caller,
    slug: &str,
    name: &str,
    value: SecretString,
) -> Result<(), ServiceError> {
    check(&value)?;
    let (scribe, keyring) = (Scribe::new(context, caller), context.keyring.clone());
    let (slug, name) = (slug.to_owned(), name.to_owned());
    context
        .store
        .write(move |tx| {
            let hub = hubs::find_locked(tx, scribe.workspace, &slug)?;
            let needed = hub.secret_names();
            if !needed.contains(&name) {
                let known: Vec<&str> = needed.iter().map(String::as_str).collect();
                let hint = nearest::hint(&name, &known);
                return Err(ServiceError::Invalid(format!("the connection of '{slug}' names no such secret; {hint}")));
            }
            put_all(tx, &scribe, &keyring, &hub, &[(name.clone(), value.clone())])
        })
        .await?;
    context.nudge.workers();
    Ok(())
}
