//! Items for a person: who does one, until when, and how many are past their time. The item itself is
//! a task of the status `manual`.

use std::collections::HashMap;

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::mappings::hub_role_word;
use super::schema::{hub_managers, hub_members, task_owners, tasks, users};
use super::{StoreError, Tx, hubs};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, UserId, WorkspaceId};
use crate::base::limits::ITEMS_AT_ONCE;
use crate::domain::hub::HubPolicy;
use crate::domain::mapping::HubRole;

/// Who does an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Somebody here.
    pub user: Option<UserId>,
    /// Their userName, or the name of somebody who is not here.
    pub name: String,
}

/// The condition of the indexes on items, letter by letter: only so do both databases see that one
/// answers.
fn is_item() -> diesel::expression::SqlLiteral<Bool> {
    sql("tasks.status = 'manual'")
}

fn task_id(bytes: &[u8]) -> Result<TaskId, StoreError> {
    TaskId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a task's id".into()))
}

fn hub_id(bytes: &[u8]) -> Result<HubId, StoreError> {
    HubId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a hub id".into()))
}

fn user_id(bytes: &[u8]) -> Result<UserId, StoreError> {
    UserId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a user id".into()))
}

/// Say who does an item, or that nobody said so any more.
///
/// # Errors
/// A failed statement.
pub fn set_owner(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    task: TaskId,
    owner: Option<&Owner>,
    by: &str,
    now: Micros,
) -> Result<(), StoreError> {
    diesel::delete(task_owners::table.find((workspace.0, task.bytes()))).kept().execute(tx)?;
    let Some(owner) = owner else { return Ok(()) };
    // A person's name is looked up when it is shown: it may change.
    let name = owner.user.is_none().then_some(owner.name.as_str());
    diesel::insert_into(task_owners::table)
        .values((
            task_owners::workspace.eq(workspace.0),
            task_owners::task_id.eq(task.bytes()),
            task_owners::user_id.eq(owner.user.map(UserId::bytes)),
            task_owners::name.eq(name),
            task_owners::given_by.eq(by),
            task_owners::given_at.eq(now.0),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Who does these items, where a person said so. Somebody who is not here any more does none.
///
/// # Errors
/// A failed statement.
pub fn owners(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    items: &[TaskId],
) -> Result<HashMap<TaskId, Owner>, StoreError> {
    type Row = (Vec<u8>, Option<Vec<u8>>, Option<String>, Option<String>);
    if items.is_empty() {
        return Ok(HashMap::new());
    }
    let same = users::workspace.eq(task_owners::workspace).and(users::id.nullable().eq(task_owners::user_id));
    let rows: Vec<Row> = task_owners::table
        .left_join(users::table.on(same))
        .filter(task_owners::workspace.eq(workspace.0))
        .filter(task_owners::task_id.eq_any(items.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .select((task_owners::task_id, task_owners::user_id, task_owners::name, users::user_name.nullable()))
        .load(conn)?;
    let mut found = HashMap::new();
    for (task, user, name, user_name) in rows {
        let Some(name) = name.or(user_name) else { continue };
        let user = user.as_deref().map(user_id).transpose()?;
        found.insert(task_id(&task)?, Owner { user, name });
    }
    Ok(found)
}

/// The owner of each of these hubs who does its items unless a person says otherwise: of those made so
/// by name the first, else the first whom a mapping makes one. Hubs without any are left out.
///
/// # Errors
/// A failed statement.
pub fn hub_owners(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    of: &[HubId],
) -> Result<HashMap<HubId, Owner>, StoreError> {
    type Row = (Vec<u8>, Vec<u8>, String);
    if of.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Vec<u8>> = of.iter().map(|hub| hub.bytes()).collect();
    let owner = hub_role_word(HubRole::Owner);
    let same = users::workspace.eq(hub_managers::workspace).and(users::id.eq(hub_managers::user_id));
    let by_name: Vec<Row> = hub_managers::table
        .inner_join(users::table.on(same))
        .filter(hub_managers::workspace.eq(workspace.0))
        .filter(hub_managers::hub_id.eq_any(ids.clone()))
        .filter(hub_managers::role.eq(owner))
        .filter(users::active.eq(true))
        .order((hub_managers::given_at, hub_managers::user_id))
        .select((hub_managers::hub_id, users::id, users::user_name))
        .load(conn)?;
    let same = users::workspace.eq(hub_members::workspace).and(users::id.nullable().eq(hub_members::user_id));
    let by_mapping: Vec<Row> = hub_members::table
        .inner_join(users::table.on(same))
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq_any(ids))
        .filter(hub_members::hub_role.eq(owner))
        .filter(users::active.eq(true))
        .order(users::id)
        .select((hub_members::hub_id, users::id, users::user_name))
        .load(conn)?;
    let mut found = HashMap::new();
    for (hub, user, name) in by_name.into_iter().chain(by_mapping) {
        let owner = Owner { user: Some(user_id(&user)?), name };
        found.entry(hub_id(&hub)?).or_insert(owner);
    }
    Ok(found)
}

/// Say until when an item should be done; `None` for the hub's setting. Answers whether it is an item.
///
/// # Errors
/// A failed statement.
pub fn set_due(tx: &mut Tx<'_>, workspace: WorkspaceId, task: TaskId, due: Option<Micros>) -> Result<bool, StoreError> {
    let changed = diesel::update(tasks::table.find((workspace.0, task.bytes())))
        .filter(is_item())
        .set(tasks::due_at.eq(due.map(|at| at.0)))
        .kept()
        .execute(tx)?;
    Ok(changed > 0)
}

/// Items that have no time yet get the one of their hub's setting, counted from when they became
/// items, a few hundred in one transaction. A task that is tried again and fails again keeps its time.
///
/// # Errors
/// A failed statement.
pub fn give_times_across_workspaces(tx: &mut Tx<'_>) -> Result<usize, StoreError> {
    let hubs_without: Vec<(i64, Vec<u8>)> = tasks::table
        .filter(is_item())
        .filter(tasks::due_at.is_null())
        .select((tasks::workspace, tasks::hub_id))
        .distinct()
        .kept()
        .load(tx)?;
    let mut given = 0;
    for (workspace, hub) in hubs_without {
        let policy = match hubs::load(tx, WorkspaceId(workspace), hub_id(&hub)?) {
            Ok(hub) => hub.policy,
            Err(StoreError::NotFound) => HubPolicy::default(),
            Err(other) => return Err(other),
        };
        let span = i64::try_from(policy.manual_due().as_micros()).unwrap_or(i64::MAX);
        given += diesel::sql_query(
            "UPDATE tasks SET due_at = modified_at + $1 WHERE workspace = $2 AND status = 'manual' \
             AND due_at IS NULL AND id IN (SELECT i.id FROM tasks i WHERE i.status = 'manual' AND i.due_at IS NULL \
             AND i.workspace = $2 AND i.hub_id = $3 ORDER BY i.id LIMIT $4)",
        )
        .bind::<BigInt, _>(span)
        .bind::<BigInt, _>(workspace)
        .bind::<Binary, _>(hub)
        .bind::<BigInt, _>(ITEMS_AT_ONCE)
        .kept()
        .execute(tx)?;
    }
    Ok(given)
}

/// Items past their time, by hub. Costs their number.
///
/// # Errors
/// A failed statement.
pub fn overdue(conn: &mut DbConn, workspace: WorkspaceId, now: Micros) -> Result<Vec<(HubId, i64)>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = tasks::table
        .filter(is_item())
        .filter(tasks::due_at.le(now.0))
        .filter(tasks::workspace.eq(workspace.0))
        .group_by(tasks::hub_id)
        .select((tasks::hub_id, count_star()))
        .load(conn)?;
    rows.into_iter().map(|(hub, count)| Ok((hub_id(&hub)?, count))).collect()
}

/// How many items are past their time, and since when the first of them; for the metrics.
///
/// # Errors
/// A failed statement.
pub fn overdue_across_workspaces(conn: &mut DbConn, now: Micros) -> Result<(i64, Option<Micros>), StoreError> {
    let (count, first): (i64, Option<i64>) = tasks::table
        .filter(is_item())
        .filter(tasks::due_at.le(now.0))
        .select((count_star(), sql::<Nullable<BigInt>>("min(tasks.due_at)")))
        .kept()
        .get_result(conn)?;
    Ok((count, first.map(Micros)))
}
