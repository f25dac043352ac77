//! What was sent to endpoints or is to be, page by page; and sending it again.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::page::{Page, PageRequest};
use super::scribe::{About, Scribe};
use super::webhooks::{not_found, read_id};
use super::{Caller, Context, ServiceError};
use crate::base::ids::EventId;
use crate::store::deliveries::{self as rows, Delivery, State};
use crate::store::webhooks;

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

/// A page of what was sent to an endpoint or is to be, newest first.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::Invalid`] for an unknown status or a bad cursor.
pub async fn list(
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
            Ok::<_, ServiceError>(rows::page(conn, workspace, id, state, before, wanted)?)
        })
        .await?;
    let views = found.into_iter().map(view).collect();
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
            let count = rows::replay(tx, scribe.workspace, id, event, scribe.now)?;
            if let (0, Some(event)) = (count, event) {
                return Err(match rows::exists(tx, scribe.workspace, id, event)? {
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

fn view(delivery: Delivery) -> DeliveryView {
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
