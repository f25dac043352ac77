//! The activity record as people read it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::moments::{self, Edge};
use super::page::{Format, Page, PageRequest};
use super::{Caller, Context, ServiceError, hubs, tasks};
use crate::base::ids::HubId;
use crate::store::reading::{self, ActivityFilter, ActivityRow};
use crate::store::{StoreError, hubs as hub_rows};

/// What a list is narrowed to, and its page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityQuery {
    /// A hub.
    pub hub: Option<String>,
    /// A user's SCIM id, also after the user was deleted.
    pub user: Option<String>,
    /// `user.created` …, or all of a family: `user.`
    pub kind: Option<String>,
    /// `token:<id>`, `planner`, `worker` …, or all of a family: `token:`
    pub actor: Option<String>,
    /// The hubs of an app, as they are now.
    pub app: Option<String>,
    /// RFC 3339 or a day (UTC): not before.
    pub from: Option<String>,
    /// RFC 3339: before; or a day, the day itself included.
    pub to: Option<String>,
    /// JSON or CSV.
    pub format: Option<Format>,
    /// Items on the page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// A record.
#[derive(Clone, Debug, Serialize)]
pub struct ActivityView {
    /// Its id.
    pub id: String,
    /// When, RFC 3339.
    pub at: String,
    /// What.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// What it happened to.
    pub target: String,
    /// The hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The request that led here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The facts.
    pub detail: Value,
    /// Personal data, unless it was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal: Option<Value>,
    /// This installation did not write it: somebody put it into the database.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_ours: bool,
}

/// Text that was JSON when it was written; what cannot be read any more is shown as text.
pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A page of the record, newest first.
///
/// # Errors
/// [`ServiceError::NotFound`] for an unknown hub, app or id, [`ServiceError::InvalidFields`] for a moment that
/// is none.
pub async fn list(
    context: &Context,
    caller: &Caller,
    query: ActivityQuery,
) -> Result<Page<ActivityView>, ServiceError> {
    let workspace = caller.workspace;
    let page = PageRequest { limit: query.limit, cursor: query.cursor };
    let (limit, before) = (page.limit(), page.after::<Uuid>()?);
    let user = query.user.as_deref().map(tasks::user).transpose()?;
    let from = moments::read("from", query.from.as_deref(), Edge::Start)?;
    let to = moments::read("to", query.to.as_deref(), Edge::End)?;
    if let Some(app) = &query.app
        && context.catalog.get(app).is_none()
    {
        return Err(ServiceError::NotFound("app"));
    }
    let (slug, app, theirs) = (query.hub, query.app, caller.sight.narrowed());
    let filter =
        ActivityFilter { user, kind: query.kind, actor: query.actor, from, to, theirs, ..ActivityFilter::default() };
    let found = context
        .store
        .read(move |conn| {
            let hub = slug.as_deref().map(|slug| hubs::find(conn, workspace, slug)).transpose()?.map(|hub| hub.id);
            let of_app = |app: String| -> Result<Vec<HubId>, StoreError> {
                let all = hub_rows::list(conn, workspace)?;
                Ok(all.into_iter().filter(|hub| hub.app.as_str() == app).map(|hub| hub.id).collect())
            };
            let filter = ActivityFilter { hub, hubs: app.map(of_app).transpose()?, ..filter };
            let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let names = hubs::slugs(conn, workspace)?;
            let rows = reading::activity(conn, workspace, &filter, before, wanted)?;
            let view = |row: ActivityRow| ActivityView {
                id: row.id.to_string(),
                at: row.at.to_rfc3339(),
                kind: row.kind,
                actor: row.actor,
                target: row.target,
                hub: row.hub.map(|hub| names.get(&hub).cloned().unwrap_or_else(|| hub.to_string())),
                user: row.user.map(|user| user.to_string()),
                task: row.task.map(|task| task.to_string()),
                request_id: row.request_id,
                detail: json(&row.detail),
                personal: row.personal.as_deref().map(json),
                not_ours: row.is_foreign,
            };
            Ok::<_, ServiceError>(rows.into_iter().map(view).collect::<Vec<_>>())
        })
        .await?;
    Ok(Page::cut(found, limit, |record| record.id.clone()))
}
