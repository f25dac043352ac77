//! Accounts that somebody protected from automation (T-08). A row is there as long as it holds, and
//! the account's own row says so beside it, so that deciding looks here only where it must.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{hub_members, protections, tasks};
use super::task_list::{self, TaskFilter};
use super::task_moves;
use super::tasks::{self as task_rows, is_open};
use super::{StoreError, Tx, facts, holds, marks};
use crate::base::clock::Micros;
use crate::base::ids::{HoldId, HubId, MemberId, TaskId, UserId, WorkspaceId};
use crate::domain::guard::HoldReason;
use crate::domain::member::Member;
use crate::domain::protection::Protection;
use crate::domain::task::{Task, TaskStatus};

type Row = (Vec<u8>, String, String, i64, Option<i64>);

const COLUMNS: (
    protections::member_id,
    protections::reason,
    protections::given_by,
    protections::given_at,
    protections::until_at,
) = (protections::member_id, protections::reason, protections::given_by, protections::given_at, protections::until_at);

/// Protect an account, or change why and until when.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn put(tx: &mut DbConn, workspace: WorkspaceId, member: &Member, given: &Protection) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO protections (workspace, member_id, hub_id, reason, given_by, given_at, until_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (workspace, member_id) DO UPDATE SET \
         reason = excluded.reason, given_by = excluded.given_by, given_at = excluded.given_at, \
         until_at = excluded.until_at",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(member.id.bytes())
    .bind::<Binary, _>(member.hub.bytes())
    .bind::<Text, _>(&given.reason)
    .bind::<Text, _>(&given.by)
    .bind::<BigInt, _>(given.since.0)
    .bind::<Nullable<BigInt>, _>(given.until.map(|until| until.0))
    .kept()
    .execute(tx)?;
    mark(tx, workspace, member.id, true)
}

/// The account is one of the others again; answers whether it was protected.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn end(tx: &mut DbConn, workspace: WorkspaceId, member: MemberId) -> Result<bool, StoreError> {
    let gone = diesel::delete(protections::table.find((workspace.0, member.bytes()))).kept().execute(tx)?;
    if gone > 0 {
        mark(tx, workspace, member, false)?;
    }
    Ok(gone > 0)
}

fn mark(tx: &mut DbConn, workspace: WorkspaceId, member: MemberId, protected: bool) -> Result<(), StoreError> {
    diesel::update(hub_members::table.find((workspace.0, member.bytes())))
        .set(hub_members::protected.eq(protected))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// An account's row was joined to another: what protects it goes along, unless the other has its own.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn join(tx: &mut DbConn, workspace: WorkspaceId, from: MemberId, into: MemberId) -> Result<(), StoreError> {
    let both = of_ids(tx, workspace, &[from, into])?;
    let Some(given) = both.get(&from) else { return Ok(()) };
    diesel::delete(protections::table.find((workspace.0, from.bytes()))).kept().execute(tx)?;
    if both.contains_key(&into) {
        return Ok(());
    }
    let member = super::hub_members::load(tx, workspace, into)?;
    put(tx, workspace, &member, given)
}

fn of_ids(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    members: &[MemberId],
) -> Result<HashMap<MemberId, Protection>, StoreError> {
    if members.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Vec<u8>> = members.iter().map(|id| id.bytes()).collect();
    let rows: Vec<Row> = protections::table
        .filter(protections::workspace.eq(workspace.0))
        .filter(protections::member_id.eq_any(ids))
        .select(COLUMNS)
        .kept_if(members.len() == 1)
        .load(conn)?;
    rows.into_iter()
        .map(|(id, reason, by, since, until)| {
            let id = MemberId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a protected member's id".into()))?;
            Ok((id, Protection { reason, by, since: Micros(since), until: until.map(Micros) }))
        })
        .collect()
}

/// Why those of these accounts are protected that are; one statement, and none where no row says so.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_members<'a>(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    members: impl IntoIterator<Item = &'a Member>,
) -> Result<HashMap<MemberId, Protection>, StoreError> {
    let ids: Vec<MemberId> = members.into_iter().filter(|member| member.protected).map(|member| member.id).collect();
    of_ids(conn, workspace, &ids)
}

/// The same by the accounts of held tasks.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_tasks(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    members: impl IntoIterator<Item = MemberId>,
) -> Result<HashMap<MemberId, Protection>, StoreError> {
    of_ids(conn, workspace, &members.into_iter().collect::<Vec<_>>())
}

/// A removed hub protects nobody.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn forget_hub(tx: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<(), StoreError> {
    diesel::delete(protections::table)
        .filter(protections::workspace.eq(workspace.0))
        .filter(protections::hub_id.eq(hub.bytes()))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// What was held because this person's account is protected is planned anew, now that it is not.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn look_again(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
    change: &marks::Change<'_>,
) -> Result<(), StoreError> {
    let open = task_rows::open_for(tx, workspace, hub, &facts::subject(user))?;
    if let Some(open) = open.filter(|open| open.status == TaskStatus::Held)
        && let Some(hold) = open.hold
        && holds::load(tx, workspace, hold)?.reason == HoldReason::ProtectedMember.as_str()
    {
        task_moves::supersede(tx, workspace, open.id, None, change.now)?;
    }
    marks::asked(tx, workspace, hub, user, change)
}

/// Open tasks of a hub that give or take one of these roles and of which nothing is at the app yet:
/// they are planned anew, because the hub protects the roles from now on, or no longer. Answers how
/// many.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn roles_changed(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    moves: impl Fn(&Task) -> bool,
    by: &str,
    now: Micros,
) -> Result<usize, StoreError> {
    const AT_ONCE: i64 = 500;
    let filter = TaskFilter {
        hub: Some(hub),
        statuses: vec![
            TaskStatus::Queued,
            TaskStatus::Retrying,
            TaskStatus::Held,
            TaskStatus::Waiting,
            TaskStatus::Manual,
        ],
        ..TaskFilter::default()
    };
    let (mut cursor, mut gone) = (None, 0);
    loop {
        let page = task_list::page(tx, workspace, &filter, cursor, AT_ONCE)?;
        let Some(last) = page.last() else { return Ok(gone) };
        cursor = Some(last.id);
        let these: Vec<TaskId> = page.iter().filter(|task| moves(task)).map(|task| task.id).collect();
        gone += task_moves::withdraw_these(tx, workspace, &these, by, now)?;
    }
}

/// A protection whose end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Where.
    pub workspace: WorkspaceId,
    /// The hub.
    pub hub: HubId,
    /// The account.
    pub member: MemberId,
    /// Its person, where it is somebody's.
    pub user: Option<UserId>,
}

/// Those whose end has come, over all workspaces, the first first.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn over_across_workspaces(conn: &mut DbConn, now: Micros, limit: i64) -> Result<Vec<Over>, StoreError> {
    type Found = (i64, Vec<u8>, Vec<u8>, Option<Vec<u8>>);
    let bad = |what: &str| StoreError::Corrupt(format!("a protection's {what}"));
    let rows: Vec<Found> = protections::table
        .inner_join(
            hub_members::table
                .on(hub_members::workspace.eq(protections::workspace).and(hub_members::id.eq(protections::member_id))),
        )
        .filter(protections::until_at.is_not_null())
        .filter(protections::until_at.le(Some(now.0)))
        .order((protections::until_at, protections::workspace, protections::member_id))
        .limit(limit)
        .select((protections::workspace, protections::hub_id, protections::member_id, hub_members::user_id))
        .kept()
        .load(conn)?;
    rows.into_iter()
        .map(|(workspace, hub, member, user)| {
            Ok(Over {
                workspace: WorkspaceId(workspace),
                hub: HubId::from_bytes(&hub).map_err(|_| bad("hub"))?,
                member: MemberId::from_bytes(&member).map_err(|_| bad("member"))?,
                user: user.map(|id| UserId::from_bytes(&id)).transpose().map_err(|_| bad("user"))?,
            })
        })
        .collect()
}

/// A change of an account that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The task.
    pub task: TaskId,
    /// The batch it is held in.
    pub hold: HoldId,
    /// A word of [`crate::domain::guard::HoldReason`].
    pub reason: String,
    /// A word of [`crate::domain::task::TaskKind`].
    pub kind: String,
    /// Smaller first; a leaver's removal has the smallest.
    pub priority: i32,
}

/// What waits for a person about these accounts of a hub, in one statement.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn waiting(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    members: &[Member],
) -> Result<HashMap<MemberId, Waiting>, StoreError> {
    use super::schema::holds as held;
    type Found = (Option<Vec<u8>>, Vec<u8>, Vec<u8>, String, String, i32);
    let bad = |what: &str| StoreError::Corrupt(format!("a held task's {what}"));
    // By the index that keeps one task open for each subject.
    let subjects: Vec<String> = members
        .iter()
        .filter_map(|member| match (member.user, &member.remote_id) {
            (Some(user), _) => Some(facts::subject(user)),
            (None, Some(remote)) => Some(format!("remote:{remote}")),
            (None, None) => None,
        })
        .collect();
    let rows: Vec<Found> = tasks::table
        .inner_join(held::table.on(held::workspace.eq(tasks::workspace).and(tasks::hold_id.eq(held::id.nullable()))))
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::subject.eq_any(subjects))
        .filter(is_open())
        .filter(tasks::status.eq(TaskStatus::Held.as_str()))
        .select((tasks::member_id, tasks::id, held::id, held::reason, tasks::kind, tasks::priority))
        .load(conn)?;
    rows.into_iter()
        .filter_map(|(member, task, hold, reason, kind, priority)| {
            let member = member?;
            Some((|| {
                let member = MemberId::from_bytes(&member).map_err(|_| bad("member"))?;
                let task = TaskId::from_bytes(&task).map_err(|_| bad("id"))?;
                let hold = HoldId::from_bytes(&hold).map_err(|_| bad("batch"))?;
                Ok((member, Waiting { task, hold, reason, kind, priority }))
            })())
        })
        .collect()
}
