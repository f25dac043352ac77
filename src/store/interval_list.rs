//! Who held which access, from when until when: reading `access_intervals` for reports and views.

use std::sync::Arc;

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::reading::{ID_SLACK, corrupt};
use super::schema::access_intervals;
use super::status::first_id;
use crate::base::clock::Micros;
use crate::base::ids::{IntervalId, MemberId, TaskId, UserId, WorkspaceId};
use crate::domain::caller::Theirs;

/// A stretch of time in which somebody held access.
#[derive(Clone, Debug)]
pub struct IntervalRow {
    /// Its id.
    pub id: IntervalId,
    /// The person's user, also after it was deleted.
    pub user: Option<UserId>,
    /// How people know the person.
    pub person: String,
    /// Where, as it was called then.
    pub hub_slug: String,
    /// The account.
    pub member: MemberId,
    /// The role.
    pub app_role: Option<String>,
    /// Assets as JSON text.
    pub assets: String,
    /// Since when.
    pub from_at: Micros,
    /// Until when; `None` while it lasts.
    pub to_at: Option<Micros>,
    /// Why it began.
    pub from_cause: String,
    /// Why it ended.
    pub to_cause: Option<String>,
    /// The task that began it.
    pub from_task: Option<TaskId>,
    /// The task that ended it.
    pub to_task: Option<TaskId>,
    /// How we know.
    pub evidence: String,
}

/// What a list of intervals is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct IntervalFilter {
    /// Held at this moment.
    pub at: Option<Micros>,
    /// This person.
    pub user: Option<UserId>,
    /// The hub of this name, also after it was removed.
    pub hub_slug: Option<String>,
    /// Only what is theirs: of a hub they run, or their own.
    pub theirs: Option<Arc<Theirs>>,
    /// The person of exactly this address, also after the user was deleted.
    pub person: Option<String>,
}

type IntervalColumns = (
    Vec<u8>,
    Option<Vec<u8>>,
    String,
    String,
    Vec<u8>,
    Option<String>,
    String,
    i64,
    Option<i64>,
    String,
    Option<String>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    String,
);

/// A page of access intervals, newest first.
///
/// # Errors
/// A failed statement.
pub fn page(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    filter: &IntervalFilter,
    before: Option<IntervalId>,
    limit: i64,
) -> Result<Vec<IntervalRow>, StoreError> {
    use access_intervals as t;
    let mut query = t::table
        .filter(t::workspace.eq(workspace.0))
        .order(t::id.desc())
        .limit(limit)
        .select((
            t::id,
            t::user_id,
            t::person,
            t::hub_slug,
            t::member_id,
            t::app_role,
            t::assets,
            t::from_at,
            t::to_at,
            t::from_cause,
            t::to_cause,
            t::from_task,
            t::to_task,
            t::evidence,
        ))
        .into_boxed();
    if let Some(theirs) = &filter.theirs {
        let hubs: Vec<Vec<u8>> = theirs.runs.iter().map(|hub| hub.bytes()).collect();
        let person = theirs.person.map(UserId::bytes).unwrap_or_default();
        query = query.filter(t::hub_id.nullable().eq_any(hubs).or(t::user_id.eq(person)).assume_not_null());
    }
    if let Some(at) = filter.at {
        query = query.filter(t::from_at.le(at.0)).filter(t::to_at.is_null().or(t::to_at.gt(at.0)));
        query = query.filter(t::id.lt(first_id(at.plus(ID_SLACK)).bytes()));
    }
    if let Some(user) = filter.user {
        query = query.filter(t::user_id.eq(user.bytes()));
    }
    if let Some(slug) = &filter.hub_slug {
        query = query.filter(t::hub_slug.eq(slug.clone()));
    }
    if let Some(person) = &filter.person {
        query = query.filter(t::person.eq(person.clone()));
    }
    if let Some(before) = before {
        query = query.filter(t::id.lt(before.bytes()));
    }
    let rows: Vec<IntervalColumns> = query.load(conn)?;
    rows.into_iter().map(interval).collect()
}

/// Who last held something under this address, also after the user was deleted.
///
/// # Errors
/// A failed statement.
pub fn last_of(conn: &mut DbConn, workspace: WorkspaceId, person: &str) -> Result<Option<UserId>, StoreError> {
    let found: Option<Option<Vec<u8>>> = access_intervals::table
        .filter(access_intervals::workspace.eq(workspace.0))
        .filter(access_intervals::person.eq(person))
        .filter(access_intervals::user_id.is_not_null())
        .order(access_intervals::id.desc())
        .select(access_intervals::user_id)
        .first(conn)
        .optional()?;
    found.flatten().map(|id| UserId::from_bytes(&id).map_err(corrupt("a user id"))).transpose()
}

fn interval(row: IntervalColumns) -> Result<IntervalRow, StoreError> {
    let (
        id,
        user,
        person,
        hub_slug,
        member,
        app_role,
        assets,
        from_at,
        to_at,
        from_cause,
        to_cause,
        from,
        to,
        evidence,
    ) = row;
    let task = |id: Option<Vec<u8>>| id.map(|id| TaskId::from_bytes(&id)).transpose().map_err(corrupt("a task id"));
    Ok(IntervalRow {
        id: IntervalId::from_bytes(&id).map_err(corrupt("an interval id"))?,
        user: user.map(|id| UserId::from_bytes(&id)).transpose().map_err(corrupt("a user id"))?,
        person,
        hub_slug,
        member: MemberId::from_bytes(&member).map_err(corrupt("a member id"))?,
        app_role,
        assets,
        from_at: Micros(from_at),
        to_at: to_at.map(Micros),
        from_cause,
        to_cause,
        from_task: task(from)?,
        to_task: task(to)?,
        evidence,
    })
}
