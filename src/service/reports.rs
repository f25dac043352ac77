//! Reports of access for auditors, from the intervals: who held what at a moment, all that one
//! person ever held, and what people held when they left. People who were deleted are in them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::access::{self, AccessView};
use super::error::FieldError;
use super::moments::{self, Edge};
use super::page::{Format, Page, PageRequest};
use super::subjects::{self, Subject};
use super::{Caller, Context, ServiceError};
use crate::base::clock::Micros;
use crate::base::ids::{IntervalId, UserId};
use crate::store::interval_list::{self, IntervalFilter, IntervalRow};
use crate::store::reports;

/// What a report is about, and its page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportQuery {
    /// RFC 3339 or a day (its beginning, UTC): what was held then.
    pub at: Option<String>,
    /// A user's SCIM id, a userName, or the address that a report shows.
    pub person: Option<String>,
    /// A hub, also after it was removed.
    pub hub: Option<String>,
    /// Only people who left, with what they held then or later.
    pub leavers: Option<bool>,
    /// JSON or CSV.
    pub format: Option<Format>,
    /// Items on the page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// One line of a report.
#[derive(Clone, Debug, Serialize)]
pub struct ReportLine {
    /// Who held what, from when to when, and why.
    #[serde(flatten)]
    pub access: AccessView,
    /// When the person left, RFC 3339; only in a report of leavers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// Where a page of leavers goes on.
struct Place(UserId, IntervalId);

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (user, interval) = text.split_once('.').ok_or(())?;
        Ok(Self(user.parse().map_err(|_| ())?, interval.parse().map_err(|_| ())?))
    }
}

/// A page of a report: leavers by person, all else newest first.
///
/// # Errors
/// [`ServiceError::InvalidFields`] for a moment that is none or still to come, a person or hub that the
/// workspace never had, or where two kinds of report are asked for at once.
pub async fn access(context: &Context, caller: &Caller, query: ReportQuery) -> Result<Page<ReportLine>, ServiceError> {
    let at = moments::read_past("at", query.at.as_deref(), Edge::Start, context.clock.now())?;
    let (workspace, sight) = (caller.workspace, caller.sight.clone());
    let (text, hub) = (query.person, query.hub.clone());
    let person = context
        .store
        .read(move |conn| {
            let hub = hub.map_or(Ok(()), |hub| subjects::hub(conn, workspace, &sight, &hub));
            let person = text.map(|text| subjects::person(conn, workspace, &sight, &text)).transpose();
            // Both mistakes at once.
            match (hub, person) {
                (Err(ServiceError::InvalidFields(mut wrong)), Err(ServiceError::InvalidFields(more))) => {
                    wrong.extend(more);
                    Err(ServiceError::InvalidFields(wrong))
                }
                (Err(wrong), _) => Err(wrong),
                (Ok(()), person) => person,
            }
        })
        .await?;
    let page = PageRequest { limit: query.limit, cursor: query.cursor };
    match (query.leavers.unwrap_or(false), at) {
        (false, at) => held(context, caller, at, person, query.hub, &page).await,
        (true, None) => left(context, caller, person, query.hub, &page).await,
        (true, Some(_)) => {
            let detail = "a report of leavers is over all time; leave 'at' out";
            Err(ServiceError::InvalidFields(vec![FieldError::new("at", detail)]))
        }
    }
}

async fn held(
    context: &Context,
    caller: &Caller,
    at: Option<Micros>,
    person: Option<Subject>,
    hub_slug: Option<String>,
    page: &PageRequest,
) -> Result<Page<ReportLine>, ServiceError> {
    let workspace = caller.workspace;
    let (limit, before) = (page.limit(), page.after::<IntervalId>()?);
    let (user, person) = match person {
        None => (None, None),
        Some(Subject::User(user)) => (Some(user), None),
        Some(Subject::Address(address)) => (None, Some(address)),
    };
    let filter = IntervalFilter { at, user, hub_slug, person, theirs: caller.sight.narrowed() };
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let rows = context.store.read(move |conn| interval_list::page(conn, workspace, &filter, before, wanted)).await?;
    let lines = rows.into_iter().map(|row| ReportLine { access: access::view(row), left: None }).collect();
    Ok(Page::cut(lines, limit, |line: &ReportLine| line.access.id.clone()))
}

async fn left(
    context: &Context,
    caller: &Caller,
    person: Option<Subject>,
    hub_slug: Option<String>,
    page: &PageRequest,
) -> Result<Page<ReportLine>, ServiceError> {
    if caller.sight.narrowed().is_some() {
        return Err(ServiceError::Forbidden(String::from("a report of leavers is over the whole workspace")));
    }
    let workspace = caller.workspace;
    let (limit, after) = (page.limit(), page.after::<Place>()?.map(|Place(user, interval)| (user, interval)));
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let rows = context
        .store
        .read(move |conn| {
            let user = match person {
                None => None,
                Some(Subject::User(user)) => Some(user),
                Some(Subject::Address(address)) => match interval_list::last_of(conn, workspace, &address)? {
                    Some(user) => Some(user),
                    None => return Ok(Vec::new()),
                },
            };
            Ok::<_, ServiceError>(reports::leavers(conn, workspace, user, hub_slug.as_deref(), after, wanted)?)
        })
        .await?;
    let line =
        |(row, left): (IntervalRow, Micros)| ReportLine { access: access::view(row), left: Some(left.to_rfc3339()) };
    Ok(Page::cut(rows.into_iter().map(line).collect(), limit, |line: &ReportLine| {
        format!("{}.{}", line.access.user.as_deref().unwrap_or_default(), line.access.id)
    }))
}
