//! Values for an app's create fields that a person gave by hand, one row for each.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{given_fields, tasks};
use super::{StoreError, Tx, facts};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, MemberId, UserId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::member::{Member, MemberStatus};
use crate::domain::problem::Cause;
use crate::domain::task::{Task, TaskStatus};

/// Who gave a value, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The value.
    pub value: String,
    /// `token:<id>` …
    pub by: String,
    /// When.
    pub at: Micros,
}

/// What was given for these people, by field. Costs nothing for an app that needs nothing.
///
/// # Errors
/// [`StoreError`] of the statement.
pub(super) fn of_people(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    app: &App,
    people: &[UserId],
) -> Result<HashMap<UserId, BTreeMap<String, String>>, StoreError> {
    let mut found: HashMap<UserId, BTreeMap<String, String>> = HashMap::new();
    if app.create_fields.is_empty() {
        return Ok(found);
    }
    let ids: Vec<Vec<u8>> = people.iter().map(|user| user.bytes()).collect();
    let rows: Vec<(Vec<u8>, String, String)> = given_fields::table
        .filter(given_fields::workspace.eq(workspace.0))
        .filter(given_fields::hub_id.eq(hub.bytes()))
        .filter(given_fields::user_id.eq_any(&ids))
        .select((given_fields::user_id, given_fields::name, given_fields::value))
        .kept_if(ids.len() == 1)
        .load(conn)?;
    for (user, name, value) in rows {
        let user = UserId::from_bytes(&user).map_err(|_| StoreError::Corrupt("a user id".into()))?;
        found.entry(user).or_default().insert(name, value);
    }
    Ok(found)
}

/// What was given for one person, by the field's name.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_person(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
) -> Result<BTreeMap<String, Given>, StoreError> {
    let rows: Vec<(String, String, String, i64)> = given_fields::table
        .filter(given_fields::workspace.eq(workspace.0))
        .filter(given_fields::hub_id.eq(hub.bytes()))
        .filter(given_fields::user_id.eq(user.bytes()))
        .select((given_fields::name, given_fields::value, given_fields::given_by, given_fields::given_at))
        .kept()
        .load(conn)?;
    Ok(rows.into_iter().map(|(name, value, by, at)| (name, Given { value, by, at: Micros(at) })).collect())
}

/// How many additions of a hub wait for data.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn waiting(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<i64, StoreError> {
    Ok(tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::status.eq(TaskStatus::Waiting.as_str()))
        .filter(tasks::error_class.eq(Cause::NeedsData.as_str()))
        .count()
        .kept()
        .get_result(conn)?)
}

/// What the waiting additions of these members hold already, by member.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_waiting(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    members: &[Member],
) -> Result<HashMap<MemberId, BTreeMap<String, String>>, StoreError> {
    let mut found = HashMap::new();
    let waiting = members.iter().filter(|member| member.status == MemberStatus::NeedsData);
    let subjects: HashMap<String, MemberId> =
        waiting.filter_map(|member| Some((facts::subject(member.user?), member.id))).collect();
    let Some(hub) = members.first().map(|member| member.hub).filter(|_| !subjects.is_empty()) else { return Ok(found) };
    let keys: Vec<String> = subjects.keys().cloned().collect();
    for (subject, task) in facts::open_tasks(conn, workspace, hub, &keys)? {
        if let Some(member) = subjects.get(&subject).filter(|_| is_waiting(&task)) {
            found.insert(*member, task.effect.extra);
        }
    }
    Ok(found)
}

/// Whether a task waits for data.
pub fn is_waiting(task: &Task) -> bool {
    task.status == TaskStatus::Waiting && task.error_class.as_deref() == Some(Cause::NeedsData.as_str())
}

/// Give a value, or take it away.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn put(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
    name: &str,
    given: Option<&Given>,
) -> Result<(), StoreError> {
    let key = (workspace.0, hub.bytes(), user.bytes(), name);
    diesel::delete(given_fields::table.find(key)).kept().execute(tx)?;
    if let Some(given) = given {
        diesel::insert_into(given_fields::table)
            .values((
                given_fields::workspace.eq(workspace.0),
                given_fields::hub_id.eq(hub.bytes()),
                given_fields::user_id.eq(user.bytes()),
                given_fields::name.eq(name),
                given_fields::value.eq(&given.value),
                given_fields::given_by.eq(&given.by),
                given_fields::given_at.eq(given.at.0),
            ))
            .kept()
            .execute(tx)?;
    }
    Ok(())
}

/// The person is gone.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn forget_user(tx: &mut Tx<'_>, workspace: WorkspaceId, user: UserId) -> Result<(), StoreError> {
    diesel::delete(given_fields::table)
        .filter(given_fields::workspace.eq(workspace.0))
        .filter(given_fields::user_id.eq(user.bytes()))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// The hub is gone.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn forget_hub(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId) -> Result<(), StoreError> {
    diesel::delete(given_fields::table)
        .filter(given_fields::workspace.eq(workspace.0))
        .filter(given_fields::hub_id.eq(hub.bytes()))
        .kept()
        .execute(tx)?;
    Ok(())
}
