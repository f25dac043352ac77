//! Endpoints that are told of events, and what became of it. A signing secret leaves here once,
//! when it is made.

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::error::FieldError;
use super::scribe::{About, Scribe};
use super::{Caller, Context, Scope, ServiceError, names};
use crate::base::ids::{EventId, WebhookId};
use crate::base::limits;
use crate::base::random;
use crate::base::secret::{Secret, SecretString};
use crate::domain::event::{EventType, Wanted};
use crate::domain::webhook;
use crate::store::rules_lock::names_are_given;
use crate::store::webhooks::{self, Webhook};
use crate::store::{StoreError, Tx, outbox};

/// An endpoint to make.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// What its owner calls it.
    pub name: String,
    /// Where events go.
    pub url: String,
    /// What it wants to hear; nothing, or an empty list, means everything.
    #[serde(default)]
    pub types: Vec<String>,
}

/// What of an endpoint changes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookPatch {
    /// Another name.
    pub name: Option<String>,
    /// Another address.
    pub url: Option<String>,
    /// Another choice; an empty list means everything.
    pub types: Option<Vec<String>>,
    /// Whether anything is sent; what happened while it was off is not.
    pub enabled: Option<bool>,
}

/// An endpoint as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct WebhookView {
    /// Its id.
    pub id: WebhookId,
    /// Its name.
    pub name: String,
    /// Where events go; without its path for whoever may only read, because a path may be a key.
    pub url: String,
    /// What it hears of.
    pub types: Vec<&'static str>,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Why nothing is, where the endpoint itself said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_why: Option<String>,
    /// Until when the secret from before the last rotation signs too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_secret_until: Option<String>,
    /// When it was made.
    pub created: String,
    /// When something last arrived, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
}

/// An endpoint with its new secret.
#[derive(Clone, Debug)]
pub struct Made {
    /// What can be seen again.
    pub view: WebhookView,
    /// What is shown once: `whsec_…`.
    pub secret: SecretString,
}

/// The endpoints of the caller's workspace, oldest first.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn list(context: &Context, caller: &Caller) -> Result<Vec<WebhookView>, ServiceError> {
    let workspace = caller.workspace;
    let found = context.store.read(move |conn| webhooks::list(conn, workspace)).await.map_err(ServiceError::from)?;
    Ok(found.into_iter().map(|webhook| view(context, caller, webhook)).collect())
}

/// One endpoint.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn show(context: &Context, caller: &Caller, id: &str) -> Result<WebhookView, ServiceError> {
    let (workspace, id) = (caller.workspace, read_id(id)?);
    let found = context.store.read(move |conn| webhooks::load(conn, workspace, id)).await;
    Ok(view(context, caller, found.map_err(not_found)?))
}

/// Make an endpoint.
///
/// # Errors
/// [`ServiceError::InvalidFields`]; [`ServiceError::TakenFields`] for another one's name,
/// [`ServiceError::Conflict`] when there are too many.
pub async fn create(context: &Context, caller: &Caller, wanted: NewWebhook) -> Result<Made, ServiceError> {
    let types = checked(context, Some(&wanted.name), Some(&wanted.url), Some(&wanted.types))?;
    let webhook = Webhook {
        id: WebhookId::from_uuid(context.ids.next()),
        name: wanted.name,
        url: wanted.url.trim().to_owned(),
        wanted: types.unwrap_or_default(),
        enabled: true,
        disabled_why: None,
        old_until: None,
        created_at: context.clock.now(),
        last_success_at: None,
    };
    let secret = new_secret();
    let scribe = Scribe::new(context, caller);
    let (keyring, kept, sealed) = (context.keyring.clone(), webhook.clone(), secret.clone());
    context
        .store
        .write(move |tx| {
            let there = alone(tx, &scribe, &kept)?;
            if i64::try_from(there).unwrap_or(i64::MAX) >= limits::WEBHOOKS {
                return Err(ServiceError::Conflict(format!("a workspace has at most {} webhooks", limits::WEBHOOKS)));
            }
            webhooks::insert(tx, &keyring, scribe.workspace, &kept, &sealed)?;
            tell(tx, &scribe, "webhook.created", &kept)
        })
        .await?;
    Ok(Made { view: view(context, caller, webhook), secret })
}

/// Change an endpoint. Switching it on again forgets why it was off.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::InvalidFields`], [`ServiceError::TakenFields`].
pub async fn patch(
    context: &Context,
    caller: &Caller,
    id: &str,
    patch: WebhookPatch,
) -> Result<WebhookView, ServiceError> {
    let id = read_id(id)?;
    let wanted = checked(context, patch.name.as_deref(), patch.url.as_deref(), patch.types.as_deref())?;
    let scribe = Scribe::new(context, caller);
    let changed = context
        .store
        .write(move |tx| {
            let before = webhooks::load(tx, scribe.workspace, id).map_err(not_found)?;
            let mut after = before.clone();
            if let Some(name) = &patch.name {
                after.name.clone_from(name);
            }
            if let Some(url) = &patch.url {
                url.trim().clone_into(&mut after.url);
            }
            if let Some(wanted) = &wanted {
                after.wanted = wanted.clone();
            }
            if let Some(enabled) = patch.enabled {
                after.enabled = enabled;
                after.disabled_why = None;
            }
            if after.name != before.name {
                alone(tx, &scribe, &after)?;
            }
            if after != before {
                webhooks::update(tx, scribe.workspace, &after)?;
                tell(tx, &scribe, "webhook.changed", &after)?;
            }
            Ok::<_, ServiceError>(after)
        })
        .await?;
    Ok(view(context, caller, changed))
}

/// Remove an endpoint, and with it what was to be sent there.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn delete(context: &Context, caller: &Caller, id: &str) -> Result<(), ServiceError> {
    let id = read_id(id)?;
    let scribe = Scribe::new(context, caller);
    context
        .store
        .write(move |tx| {
            let webhook = webhooks::load(tx, scribe.workspace, id).map_err(not_found)?;
            webhooks::delete(tx, scribe.workspace, id).map_err(not_found)?;
            tell(tx, &scribe, "webhook.removed", &webhook)
        })
        .await
}

/// Give an endpoint a new secret. The one before signs beside it for a day.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn rotate(context: &Context, caller: &Caller, id: &str) -> Result<Made, ServiceError> {
    let id = read_id(id)?;
    let secret = new_secret();
    let scribe = Scribe::new(context, caller);
    let (keyring, sealed) = (context.keyring.clone(), secret.clone());
    let webhook = context
        .store
        .write(move |tx| {
            let until = scribe.now.plus(limits::WEBHOOK_OVERLAP);
            webhooks::rotate(tx, &keyring, scribe.workspace, id, &sealed, until).map_err(not_found)?;
            let webhook = webhooks::load(tx, scribe.workspace, id).map_err(not_found)?;
            tell(tx, &scribe, "webhook.rotated", &webhook)?;
            Ok::<_, ServiceError>(webhook)
        })
        .await?;
    Ok(Made { view: view(context, caller, webhook), secret })
}

/// Send a trial there, whatever the endpoint chose. Answers the delivery to look for.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::Conflict`] when the endpoint is switched off.
pub async fn test(context: &Context, caller: &Caller, id: &str) -> Result<EventId, ServiceError> {
    let id = read_id(id)?;
    let scribe = Scribe::new(context, caller);
    let event = EventId::from_uuid(context.ids.next());
    context
        .store
        .write(move |tx| {
            let webhook = webhooks::load(tx, scribe.workspace, id).map_err(not_found)?;
            if !webhook.enabled {
                return Err(ServiceError::Conflict(String::from("the webhook is switched off")));
            }
            let data = Map::from_iter([(String::from("webhook"), json!({ "id": id, "name": webhook.name }))]);
            outbox::to_one(tx, scribe.workspace, id, (event, EventType::WebhookTest), data, scribe.now)?;
            tell(tx, &scribe, "webhook.tested", &webhook)
        })
        .await?;
    Ok(event)
}

fn tell(tx: &mut Tx<'_>, scribe: &Scribe, kind: &str, webhook: &Webhook) -> Result<(), ServiceError> {
    // Without the address: its path may be a key.
    let detail = json!({ "name": webhook.name, "types": webhook.wanted.words(), "enabled": webhook.enabled });
    let about = About { target: &format!("webhook:{}", webhook.id), detail, ..About::default() };
    Ok(scribe.record(tx, kind, about)?)
}

fn new_secret() -> SecretString {
    let mut key = Secret::new([0u8; 32]);
    random::fill(key.expose_mut());
    webhook::secret_text(&key)
}

pub(super) fn read_id(text: &str) -> Result<WebhookId, ServiceError> {
    text.parse().map_err(|_| ServiceError::NotFound("webhook"))
}

pub(super) fn not_found(error: StoreError) -> ServiceError {
    match error {
        StoreError::NotFound => ServiceError::NotFound("webhook"),
        other => other.into(),
    }
}

/// What was given is right, all that is not named at once; the choice of events, where one was given.
fn checked(
    context: &Context,
    name: Option<&str>,
    url: Option<&str>,
    types: Option<&[String]>,
) -> Result<Option<Wanted>, ServiceError> {
    let mut wrong = Vec::new();
    if let Some(Err(error)) = name.map(|name| names::check("a webhook", name)) {
        wrong.push(FieldError::new("name", error.to_string()));
    }
    if let Some(Err(why)) = url.map(|url| check_url(context, url)) {
        wrong.push(FieldError::new("url", format!("url: {why}")));
    }
    let types = types.map(|words| words.iter().map(|word| word.parse::<EventType>()).collect::<Result<Vec<_>, _>>());
    match types.transpose() {
        Ok(found) if wrong.is_empty() => return Ok(found.map(Wanted::these)),
        Ok(_) => {}
        Err(error) => wrong.push(FieldError::new("types", format!("types: {error}"))),
    }
    Err(ServiceError::InvalidFields(wrong))
}

fn check_url(context: &Context, url: &str) -> Result<(), String> {
    if url.len() > limits::WEBHOOK_URL_BYTES {
        return Err(format!("at most {} bytes", limits::WEBHOOK_URL_BYTES));
    }
    (context.may_call)(url)
}

/// No other endpoint has this one's name, however it is written: commands name endpoints by it. Answers how
/// many there are. Who gives a name waits for whoever gives another.
fn alone(tx: &mut Tx<'_>, scribe: &Scribe, one: &Webhook) -> Result<usize, ServiceError> {
    names_are_given(tx, scribe.workspace)?;
    let all = webhooks::list(tx, scribe.workspace)?;
    if all.iter().any(|other| other.id != one.id && other.name.eq_ignore_ascii_case(&one.name)) {
        let detail = format!("another webhook is called '{}'", one.name);
        return Err(ServiceError::TakenFields(vec![FieldError::new("name", detail)]));
    }
    Ok(all.len())
}

fn view(context: &Context, caller: &Caller, webhook: Webhook) -> WebhookView {
    let now = context.clock.now();
    let url = match caller.scope {
        Scope::Admin => webhook.url,
        Scope::Read | Scope::Scim => host_only(&webhook.url),
    };
    WebhookView {
        id: webhook.id,
        name: webhook.name,
        url,
        types: webhook.wanted.words(),
        enabled: webhook.enabled,
        disabled_why: webhook.disabled_why,
        old_secret_until: webhook.old_until.filter(|until| *until > now).map(|until| until.to_rfc3339()),
        created: webhook.created_at.to_rfc3339(),
        last_success: webhook.last_success_at.map(|at| at.to_rfc3339()),
    }
}

/// `https://host:port/…`
fn host_only(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    if rest.len() == host.len() { format!("{scheme}://{host}") } else { format!("{scheme}://{host}/…") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_no_path() {
        for (url, shown) in [
            ("https://hooks.example/services/T0/B0/key", "https://hooks.example/…"),
            ("https://hooks.example:8443?key=1", "https://hooks.example:8443/…"),
            ("https://hooks.example", "https://hooks.example"),
        ] {
            assert_eq!(host_only(url), shown);
        }
    }
}
