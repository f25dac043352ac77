//! Who held what, when: the access intervals that auditors ask for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::moments::{self, Edge};
use super::page::{Page, PageRequest};
use super::{Caller, Context, ServiceError, activity, subjects, tasks};
use crate::base::clock::Micros;
use crate::base::ids::IntervalId;
use crate::store::interval_list::{self, IntervalFilter, IntervalRow};

/// What a list is narrowed to, and its page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessQuery {
    /// A moment, RFC 3339 or a day (its beginning, UTC): only what was held then.
    pub at: Option<String>,
    /// A user's SCIM id, also after the user was deleted.
    pub user: Option<String>,
    /// A hub, also after it was removed.
    pub hub: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// A stretch of time in which somebody held access.
#[derive(Clone, Debug, Serialize)]
pub struct AccessView {
    /// Its id.
    pub id: String,
    /// The user's SCIM id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The person, by e-mail.
    pub person: String,
    /// The hub.
    pub hub: String,
    /// The account there, by our id of it.
    pub member: String,
    /// The role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Assets.
    pub assets: Value,
    /// Since when.
    pub from: String,
    /// Until when; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why it began.
    pub from_cause: String,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_cause: Option<String>,
    /// The task that began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_task: Option<String>,
    /// The task that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_task: Option<String>,
    /// How we know.
    pub evidence: String,
}

pub(super) fn view(row: IntervalRow) -> AccessView {
    AccessView {
        id: row.id.to_string(),
        user: row.user.map(|user| user.to_string()),
        person: row.person,
        hub: row.hub_slug,
        member: row.member.to_string(),
        role: row.app_role,
        assets: activity::json(&row.assets),
        from: row.from_at.to_rfc3339(),
        to: row.to_at.map(Micros::to_rfc3339),
        from_cause: row.from_cause,
        to_cause: row.to_cause,
        from_task: row.from_task.map(|task| task.to_string()),
        to_task: row.to_task.map(|task| task.to_string()),
        evidence: row.evidence,
    }
}

/// A page of access intervals, newest first.
///
/// # Errors
/// [`ServiceError::InvalidFields`] for a moment that is none or still to come, and a user or hub that the
/// workspace never had.
pub async fn list(context: &Context, caller: &Caller, query: AccessQuery) -> Result<Page<AccessView>, ServiceError> {
    let workspace = caller.workspace;
    let page = PageRequest { limit: query.limit, cursor: query.cursor };
    let (limit, before) = (page.limit(), page.after::<IntervalId>()?);
    let at = moments::read_past("at", query.at.as_deref(), Edge::Start, context.clock.now())?;
    let user = query.user.as_deref().map(tasks::user).transpose()?;
    let (hub, sight) = (query.hub, caller.sight.clone());
    let filter = IntervalFilter { at, user, hub_slug: hub.clone(), person: None, theirs: sight.narrowed() };
    let found = context
        .store
        .read(move |conn| {
            if let Some(hub) = &hub {
                subjects::hub(conn, workspace, &sight, hub)?;
            }
            if let Some(user) = user {
                subjects::user(conn, workspace, &sight, ("user", &user.to_string(), user))?;
            }
            let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let rows = interval_list::page(conn, workspace, &filter, before, wanted)?;
            Ok::<_, ServiceError>(rows.into_iter().map(view).collect::<Vec<_>>())
        })
        .await?;
    Ok(Page::cut(found, limit, |interval| interval.id.clone()))
}
