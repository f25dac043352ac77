//! Endpoints that are told of events, and what became of it. A signing secret leaves here once,
//! when it is made.

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::page::{Page, PageRequest};
use super::scribe::{About, Scribe};
use super::{Caller, Context, Scope, ServiceError, names};
use crate::base::ids::{EventId, WebhookId};
use crate::base::limits;
use crate::base::random;
use crate::base::secret::{Secret, SecretString};
use crate::domain::event::{EventType, Wanted};
use crate::domain::webhook;
use crate::store::deliveries::{self, Delivery, State};
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
    /// What it wants to hear; nothing means everything.
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

/// One event for one endpoint, as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryView {
    /// `webhook-id`, the same over all attempts.
    pub id: EventId,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// `pending`, `delivered` or `dead`.
    pub status: &'static str,
    /// Attempts since it was queued or replayed.
    pub attempts: i32,
    /// When it happened.
    pub created: String,
    /// Not before then it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// When it arrived or was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// The last answer's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<i32>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Which deliveries, and which page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryQuery {
    /// `pending`, `delivered` or `dead`.
    pub status: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
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
/// [`ServiceError::Invalid`] naming the field; [`ServiceError::Conflict`] when there are too many.
pub async fn create(context: &Context, caller: &Caller, wanted: NewWebhook) -> Result<Made, ServiceError> {
    names::check("a webhook", &wanted.name)?;
    check_url(context, &wanted.url)?;
    let webhook = Webhook {
        id: WebhookId::from_uuid(context.ids.next()),
        name: wanted.name,
        url: wanted.url.trim().to_owned(),
        wanted: read_types(&wanted.types)?,
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
            let there = webhooks::list(tx, scribe.workspace)?.len();
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
/// [`ServiceError::NotFound`], [`ServiceError::Invalid`] naming the field.
pub async fn patch(
    context: &Context,
    caller: &Caller,
    id: &str,
    patch: WebhookPatch,
) -> Result<WebhookView, ServiceError> {
    let id = read_id(id)?;
    if let Some(name) = &patch.name {
        names::check("a webhook", name)?;
    }
    if let Some(url) = &patch.url {
        check_url(context, url)?;
    }
    let wanted = patch.types.as_deref().map(read_types).transpose()?;
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

/// A page of what was sent to an endpoint or is to be, newest first.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::Invalid`] for an unknown status or a bad cursor.
pub async fn delivery_page(
    context: &Context,
    caller: &Caller,
    id: &str,
    query: DeliveryQuery,
) -> Result<Page<DeliveryView>, ServiceError> {
    let (workspace, id) = (caller.workspace, read_id(id)?);
    let unknown = |_: &String| ServiceError::Invalid(String::from("status: one of pending, delivered, dead"));
    let state = query.status.as_ref().map(|word| State::from_word(word).ok_or_else(|| unknown(word))).transpose()?;
    let page = PageRequest { limit: query.limit, cursor: query.cursor };
    let (limit, before) = (page.limit(), page.after::<EventId>()?);
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let found = context
        .store
        .read(move |conn| {
            webhooks::load(conn, workspace, id).map_err(not_found)?;
            Ok::<_, ServiceError>(deliveries::page(conn, workspace, id, state, before, wanted)?)
        })
        .await?;
    let views = found.into_iter().map(delivery_view).collect();
    Ok(Page::cut(views, limit, |delivery| delivery.id.to_string()))
}

/// Send again what was given up or arrived: one delivery, or all dead ones. Answers how many.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] when the delivery is still to be sent.
pub async fn replay(
    context: &Context,
    caller: &Caller,
    id: &str,
    delivery: Option<&str>,
) -> Result<usize, ServiceError> {
    let id = read_id(id)?;
    let missing = |_| ServiceError::NotFound("delivery");
    let event: Option<EventId> = delivery.map(str::parse).transpose().map_err(missing)?;
    let scribe = Scribe::new(context, caller);
    context
        .store
        .write(move |tx| {
            let webhook = webhooks::load(tx, scribe.workspace, id).map_err(not_found)?;
            let count = deliveries::replay(tx, scribe.workspace, id, event, scribe.now)?;
            if let (0, Some(event)) = (count, event) {
                return Err(match deliveries::exists(tx, scribe.workspace, id, event)? {
                    true => ServiceError::Conflict(String::from("this delivery is still to be sent")),
                    false => ServiceError::NotFound("delivery"),
                });
            }
            if count > 0 {
                let detail = json!({ "name": webhook.name, "deliveries": count, "delivery": event });
                let about = About { target: &format!("webhook:{id}"), detail, ..About::default() };
                scribe.record(tx, "webhook.replayed", about)?;
            }
            Ok(count)
        })
        .await
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

fn read_id(text: &str) -> Result<WebhookId, ServiceError> {
    text.parse().map_err(|_| ServiceError::NotFound("webhook"))
}

fn not_found(error: StoreError) -> ServiceError {
    match error {
        StoreError::NotFound => ServiceError::NotFound("webhook"),
        other => other.into(),
    }
}

fn read_types(words: &[String]) -> Result<Wanted, ServiceError> {
    let read = |word: &String| word.parse::<EventType>().map_err(|e| ServiceError::Invalid(format!("types: {e}")));
    Ok(Wanted::these(words.iter().map(read).collect::<Result<_, _>>()?))
}

fn check_url(context: &Context, url: &str) -> Result<(), ServiceError> {
    if url.len() > limits::WEBHOOK_URL_BYTES {
        return Err(ServiceError::Invalid(format!("url: at most {} bytes", limits::WEBHOOK_URL_BYTES)));
    }
    (context.may_call)(url).map_err(|why| ServiceError::Invalid(format!("url: {why}")))
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

fn delivery_view(delivery: Delivery) -> DeliveryView {
    DeliveryView {
        id: delivery.event,
        event_type: delivery.event_type,
        status: delivery.state.as_str(),
        attempts: delivery.attempts,
        created: delivery.created_at.to_rfc3339(),
        next_attempt: (delivery.state == State::Pending).then(|| delivery.due_at.to_rfc3339()),
        finished: delivery.finished_at.map(|at| at.to_rfc3339()),
        answer: delivery.status,
        error: delivery.error,
    }
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
