//! Reading queries for views: names, activity, access intervals and counts. Nothing here is used
//! to decide what to push.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use uuid::Uuid;

use super::StoreError;
use super::conn::DbConn;
use super::schema::{activity, hub_members, memberships, reconcile_marks, user_groups, users};
use super::status::first_id;
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, MemberId, TaskId, UserId, WorkspaceId};
use crate::domain::caller::Theirs;

/// A group's displayName.
///
/// # Errors
/// A failed statement.
pub fn group_name(conn: &mut DbConn, workspace: WorkspaceId, id: GroupId) -> Result<Option<String>, StoreError> {
    Ok(user_groups::table
        .filter(user_groups::workspace.eq(workspace.0))
        .filter(user_groups::id.eq(id.bytes()))
        .select(user_groups::display_name)
        .first(conn)
        .optional()?)
}

/// The displayNames of groups; of those that are gone, none.
///
/// # Errors
/// A failed statement.
pub fn group_names(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    groups: &[GroupId],
) -> Result<Vec<(GroupId, String)>, StoreError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Vec<u8>, String)> = user_groups::table
        .filter(user_groups::workspace.eq(workspace.0))
        .filter(user_groups::id.eq_any(groups.iter().map(|group| group.bytes()).collect::<Vec<_>>()))
        .select((user_groups::id, user_groups::display_name))
        .load(conn)?;
    rows.into_iter().map(|(id, name)| Ok((GroupId::from_bytes(&id).map_err(corrupt("a group id"))?, name))).collect()
}

/// What a hub was called that was removed, out of the record of its removal; `None` once that is no
/// longer kept.
///
/// # Errors
/// A failed statement.
pub fn removed_hub(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Option<String>, StoreError> {
    let target: Option<String> = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .filter(activity::hub_id.eq(hub.bytes()))
        .filter(activity::kind.eq("hub.removed"))
        .order(activity::id.desc())
        .select(activity::target)
        .first(conn)
        .optional()?;
    Ok(target.map(|target| target.strip_prefix("hub:").map_or_else(|| target.clone(), str::to_owned)))
}

/// A user's userName.
///
/// # Errors
/// A failed statement.
pub fn user_name(conn: &mut DbConn, workspace: WorkspaceId, id: UserId) -> Result<Option<String>, StoreError> {
    Ok(users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.eq(id.bytes()))
        .select(users::user_name)
        .first(conn)
        .optional()?)
}

/// A user by folded userName.
///
/// # Errors
/// A failed statement.
pub fn user_by_name(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    user_name_key: &str,
) -> Result<Option<UserId>, StoreError> {
    let found: Option<Vec<u8>> = users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::user_name_key.eq(user_name_key))
        .select(users::id)
        .first(conn)
        .optional()?;
    found.map(|id| UserId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a user id".into()))).transpose()
}

/// An activity record as people read it.
#[derive(Clone, Debug)]
pub struct ActivityRow {
    /// Its id; sorts by time.
    pub id: Uuid,
    /// When.
    pub at: Micros,
    /// What.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// What it happened to.
    pub target: String,
    /// The hub.
    pub hub: Option<HubId>,
    /// The person.
    pub user: Option<UserId>,
    /// The task.
    pub task: Option<TaskId>,
    /// The request that led here.
    pub request_id: Option<String>,
    /// The facts, as JSON text.
    pub detail: String,
    /// Personal data, as JSON text, unless it was erased.
    pub personal: Option<String>,
    /// Whether somebody else put it into the database.
    pub is_foreign: bool,
}

/// What a list of activity is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct ActivityFilter {
    /// This hub.
    pub hub: Option<HubId>,
    /// This person.
    pub user: Option<UserId>,
    /// This kind, or all kinds below it where it ends with a dot.
    pub kind: Option<String>,
    /// Only what is theirs: of a hub they run, or about themselves.
    pub theirs: Option<Arc<Theirs>>,
    /// One of these hubs.
    pub hubs: Option<Vec<HubId>>,
    /// Exactly this actor, or all of a family where it ends with a colon.
    pub actor: Option<String>,
    /// Not before.
    pub from: Option<Micros>,
    /// Before this.
    pub to: Option<Micros>,
}

/// An id is made a moment before or after the time that its record tells.
pub(super) const ID_SLACK: Duration = Duration::from_secs(60 * 60);

diesel::define_sql_function! {
    /// So many letters of a text, from one on.
    fn substr(text: Text, from: Integer, count: Integer) -> Text;
}

fn letters(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX)
}

type ActivityColumns = (
    Vec<u8>,
    i64,
    String,
    String,
    String,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<String>,
    String,
    Option<String>,
    Option<i64>,
);

pub(super) fn corrupt<E>(what: &'static str) -> impl Fn(E) -> StoreError {
    move |_| StoreError::Corrupt(what.into())
}

/// A page of activity, newest first; `before` is the last id of the page before.
///
/// # Errors
/// A failed statement.
pub fn activity(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    filter: &ActivityFilter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ActivityRow>, StoreError> {
    let mut query = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .order(activity::id.desc())
        .limit(limit)
        .select((
            activity::id,
            activity::at,
            activity::kind,
            activity::actor,
            activity::target,
            activity::hub_id,
            activity::user_id,
            activity::task_id,
            activity::request_id,
            activity::detail,
            activity::personal,
            activity::foreign_at,
        ))
        .into_boxed();
    if let Some(hub) = filter.hub {
        query = query.filter(activity::hub_id.eq(hub.bytes()));
    }
    if let Some(user) = filter.user {
        query = query.filter(activity::user_id.eq(user.bytes()));
    }
    if let Some(theirs) = &filter.theirs {
        let hubs: Vec<Vec<u8>> = theirs.runs.iter().map(|hub| hub.bytes()).collect();
        // Nobody has the empty id: who is no person sees only hubs.
        let person = theirs.person.map(UserId::bytes).unwrap_or_default();
        let concerns = activity::hub_id.eq_any(hubs).or(activity::user_id.eq(person));
        query = query.filter(concerns.assume_not_null());
    }
    if let Some(hubs) = &filter.hubs {
        query = query.filter(activity::hub_id.eq_any(hubs.iter().map(|hub| hub.bytes()).collect::<Vec<_>>()));
    }
    // Ids sort by time: the range in the key keeps the rest of the record unread.
    if let Some(from) = filter.from {
        query = query.filter(activity::at.ge(from.0)).filter(activity::id.ge(first_id(from.minus(ID_SLACK)).bytes()));
    }
    if let Some(to) = filter.to {
        query = query.filter(activity::at.lt(to.0)).filter(activity::id.lt(first_id(to.plus(ID_SLACK)).bytes()));
    }
    match filter.actor.as_deref() {
        None => {}
        Some(actor) if actor.ends_with(':') => {
            query = query.filter(substr(activity::actor, 1, letters(actor)).eq(actor.to_owned()));
        }
        Some(actor) => query = query.filter(activity::actor.eq(actor.to_owned())),
    }
    match filter.kind.as_deref() {
        None => {}
        // No LIKE: it has pattern characters to escape. No range: these columns are ordered as PostgreSQL's
        // locale says, and in English a slash stands before a dot and what follows it.
        Some(kind) if kind.ends_with('.') => {
            query = query.filter(substr(activity::kind, 1, letters(kind)).eq(kind.to_owned()));
        }
        Some(kind) => query = query.filter(activity::kind.eq(kind.to_owned())),
    }
    if let Some(before) = before {
        query = query.filter(activity::id.lt(before.as_bytes().to_vec()));
    }
    let rows: Vec<ActivityColumns> = query.load(conn)?;
    rows.into_iter()
        .map(|(id, at, kind, actor, target, hub, user, task, request_id, detail, personal, foreign_at)| {
            Ok(ActivityRow {
                id: Uuid::from_slice(&id).map_err(corrupt("an activity id"))?,
                at: Micros(at),
                kind,
                actor,
                target,
                hub: hub.map(|id| HubId::from_bytes(&id)).transpose().map_err(corrupt("a hub id"))?,
                user: user.map(|id| UserId::from_bytes(&id)).transpose().map_err(corrupt("a user id"))?,
                task: task.map(|id| TaskId::from_bytes(&id)).transpose().map_err(corrupt("a task id"))?,
                request_id,
                detail,
                personal,
                is_foreign: foreign_at.is_some(),
            })
        })
        .collect()
}

/// Members of a hub by bucket that are in the app now.
///
/// # Errors
/// A failed statement.
pub fn bucket_counts(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::known_state.ne("absent"))
        .group_by(hub_members::bucket)
        .select((hub_members::bucket, diesel::dsl::count_star()))
        .load(conn)?)
}

/// Marks of a hub that the planner has still to look at.
///
/// # Errors
/// A failed statement.
pub fn marks_waiting(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<i64, StoreError> {
    Ok(reconcile_marks::table
        .filter(reconcile_marks::workspace.eq(workspace.0))
        .filter(reconcile_marks::hub_id.eq(hub.bytes()))
        .count()
        .get_result(conn)?)
}

/// People in any of these groups, in id order, at most `limit`.
///
/// # Errors
/// A failed statement.
pub fn people_in_groups(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    groups: &[GroupId],
    limit: i64,
) -> Result<Vec<UserId>, StoreError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Vec<u8>> = memberships::table
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::group_id.eq_any(groups.iter().map(|group| group.bytes()).collect::<Vec<_>>()))
        .filter(memberships::member_kind.eq(0))
        .select(memberships::member_id)
        .distinct()
        .order(memberships::member_id)
        .limit(limit)
        .load(conn)?;
    rows.iter().map(|id| UserId::from_bytes(id).map_err(corrupt("a user id"))).collect()
}

/// People with an account in this hub, or once with one, in id order, at most `limit`.
///
/// # Errors
/// A failed statement.
pub fn people_of_hub(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    limit: i64,
) -> Result<Vec<UserId>, StoreError> {
    let rows: Vec<Option<Vec<u8>>> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::user_id.is_not_null())
        .select(hub_members::user_id)
        .order(hub_members::user_id)
        .limit(limit)
        .load(conn)?;
    rows.iter().flatten().map(|id| UserId::from_bytes(id).map_err(corrupt("a user id"))).collect()
}

/// What a sync saw of an account, and where what we know comes from.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Its state.
    pub state: Option<String>,
    /// Its role.
    pub role: Option<String>,
    /// When.
    pub at: Option<Micros>,
    /// `task:<id>`, `sync`, `planner`.
    pub known_from: String,
}

/// What was last seen of an account.
///
/// # Errors
/// A failed statement.
pub fn observed(conn: &mut DbConn, workspace: WorkspaceId, member: MemberId) -> Result<Option<Observed>, StoreError> {
    type Row = (Option<String>, Option<String>, Option<i64>, String);
    let row: Option<Row> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::id.eq(member.bytes()))
        .select((
            hub_members::observed_state,
            hub_members::observed_role,
            hub_members::observed_at,
            hub_members::known_from,
        ))
        .first(conn)
        .optional()?;
    Ok(row.map(|(state, role, at, known_from)| Observed { state, role, at: at.map(Micros), known_from }))
}
