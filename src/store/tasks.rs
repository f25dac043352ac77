//! Tasks as rows: written by the planner, read by everybody. They are moved by workers
//! (`store::leases`) and from outside (`store::task_moves`); lists of them are in `store::task_list`.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::dialect::{Cell, insert_rows};
use super::kept::Keep as _;
use super::schema::tasks;
use crate::base::clock::Micros;
use crate::base::ids::{BadId, BootId, HoldId, HubId, MemberId, TaskId, UserId, WorkspaceId};
use crate::domain::task::{Closing, Effect, Principal, Task, TaskKind, TaskStatus};
use crate::domain::task_states::TaskEvent;

/// A row, in the order of the table.
#[derive(Debug, Queryable, QueryableByName)]
#[diesel(table_name = tasks)]
pub(in crate::store) struct TaskRow {
    workspace: i64,
    id: Vec<u8>,
    hub_id: Vec<u8>,
    subject: String,
    user_id: Option<Vec<u8>>,
    member_id: Option<Vec<u8>>,
    kind: String,
    status: String,
    cause: String,
    request_id: Option<String>,
    payload: String,
    reasons: String,
    priority: i32,
    not_before: i64,
    attempts: i32,
    crashes: i32,
    verify_first: bool,
    lease_boot: Option<Vec<u8>>,
    lease_epoch: i64,
    lease_until: Option<i64>,
    hold_id: Option<Vec<u8>>,
    superseded_by: Option<Vec<u8>>,
    error_class: Option<String>,
    error_detail: Option<String>,
    instructions: Option<String>,
    created_at: i64,
    modified_at: i64,
    finished_at: Option<i64>,
    finished_by: Option<String>,
    parent_id: Option<Vec<u8>>,
    due_at: Option<i64>,
}

fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("task: {what}"))
}

fn optional<T>(bytes: Option<&Vec<u8>>, read: fn(&[u8]) -> Result<T, BadId>) -> Result<Option<T>, StoreError> {
    bytes.map(|bytes| read(bytes)).transpose().map_err(corrupt)
}

impl TaskRow {
    /// The task's id, also when nothing else of the row can be read.
    pub(in crate::store) fn task_id(&self) -> Result<TaskId, StoreError> {
        TaskId::from_bytes(&self.id).map_err(corrupt)
    }

    /// The fencing token.
    pub(in crate::store) fn epoch(&self) -> i64 {
        self.lease_epoch
    }

    /// As it is once it is leased.
    pub(in crate::store) fn leased(&mut self, boot: Vec<u8>, until: Micros, now: Micros) {
        self.status = TaskEvent::Claimed.leads_to().as_str().to_owned();
        self.lease_boot = Some(boot);
        self.lease_epoch += 1;
        self.lease_until = Some(until.0);
        self.modified_at = now.0;
    }

    /// When the lease ends, on the lease clock.
    pub(in crate::store) fn lease_until(&self) -> Micros {
        Micros(self.lease_until.unwrap_or(0))
    }

    /// The row as a task.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a newer version wrote something this one does not know.
    pub(in crate::store) fn strict(&self) -> Result<Task, StoreError> {
        let effect = serde_json::from_str(&self.payload).map_err(corrupt)?;
        let kind = TaskKind::from_word(&self.kind).ok_or_else(|| corrupt("unknown kind"))?;
        self.with(Effect { kind, ..effect })
    }

    /// The row as people see it: a payload that cannot be read becomes an empty one, so that one
    /// such task never hides the others (F-17).
    pub(in crate::store) fn shown(&self) -> Result<Task, StoreError> {
        self.strict().or_else(|_| {
            let kind = TaskKind::from_word(&self.kind).unwrap_or(TaskKind::Sync);
            self.with(Effect::new(kind, Principal::default()))
        })
    }

    fn with(&self, effect: Effect) -> Result<Task, StoreError> {
        Ok(Task {
            workspace: WorkspaceId(self.workspace),
            id: self.task_id()?,
            hub: HubId::from_bytes(&self.hub_id).map_err(corrupt)?,
            subject: self.subject.clone(),
            user: optional(self.user_id.as_ref(), UserId::from_bytes)?,
            member: optional(self.member_id.as_ref(), MemberId::from_bytes)?,
            status: TaskStatus::from_word(&self.status).ok_or_else(|| corrupt("unknown status"))?,
            cause: self.cause.clone(),
            request_id: self.request_id.clone(),
            effect,
            reasons: serde_json::from_str(&self.reasons).unwrap_or_default(),
            priority: self.priority,
            not_before: Micros(self.not_before),
            attempts: self.attempts,
            crashes: self.crashes,
            verify_first: self.verify_first,
            lease_boot: optional(self.lease_boot.as_ref(), BootId::from_bytes)?,
            lease_epoch: self.lease_epoch,
            hold: optional(self.hold_id.as_ref(), HoldId::from_bytes)?,
            superseded_by: optional(self.superseded_by.as_ref(), TaskId::from_bytes)?,
            error_class: self.error_class.clone(),
            error_detail: self.error_detail.clone(),
            instructions: self.instructions.clone(),
            created_at: Micros(self.created_at),
            modified_at: Micros(self.modified_at),
            finished_at: self.finished_at.map(Micros),
            closing: self.finished_by.as_deref().map(Closing::read),
            parent: optional(self.parent_id.as_ref(), TaskId::from_bytes)?,
            due_at: self.due_at.map(Micros),
        })
    }
}

fn json(value: impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(&value).map_err(corrupt)
}

/// Write a new task as it stands.
///
/// # Errors
/// [`StoreError::Conflict`] with `tasks_one_open` when the subject has an open task in this hub.
pub fn insert(conn: &mut DbConn, task: &Task) -> Result<(), StoreError> {
    diesel::insert_into(tasks::table)
        .values((
            (
                tasks::workspace.eq(task.workspace.0),
                tasks::id.eq(task.id.bytes()),
                tasks::hub_id.eq(task.hub.bytes()),
                tasks::subject.eq(&task.subject),
                tasks::user_id.eq(task.user.map(UserId::bytes)),
                tasks::member_id.eq(task.member.map(MemberId::bytes)),
                tasks::kind.eq(task.effect.kind.as_str()),
                tasks::status.eq(task.status.as_str()),
                tasks::cause.eq(&task.cause),
                tasks::request_id.eq(&task.request_id),
                tasks::payload.eq(json(&task.effect)?),
                tasks::reasons.eq(json(&task.reasons)?),
                tasks::priority.eq(task.priority),
                tasks::not_before.eq(task.not_before.0),
            ),
            (
                tasks::attempts.eq(task.attempts),
                tasks::crashes.eq(task.crashes),
                tasks::verify_first.eq(task.verify_first),
                tasks::hold_id.eq(task.hold.map(HoldId::bytes)),
                tasks::superseded_by.eq(task.superseded_by.map(TaskId::bytes)),
                tasks::error_class.eq(&task.error_class),
                tasks::error_detail.eq(&task.error_detail),
                tasks::instructions.eq(&task.instructions),
                tasks::created_at.eq(task.created_at.0),
                tasks::modified_at.eq(task.modified_at.0),
                tasks::finished_at.eq(task.finished_at.map(|at| at.0)),
                tasks::parent_id.eq(task.parent.map(TaskId::bytes)),
                tasks::due_at.eq(task.due_at.map(|at| at.0)),
            ),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// As [`insert`], several: on PostgreSQL with few statements, each is a round trip there. On SQLite a
/// statement that stays prepared is the cheaper one.
///
/// # Errors
/// As [`insert`].
pub fn insert_all(conn: &mut DbConn, new: &[Task]) -> Result<(), StoreError> {
    if matches!(conn, DbConn::Sqlite(_)) || new.len() == 1 {
        return new.iter().try_for_each(|task| insert(conn, task));
    }
    const COLUMNS: &[&str] = &[
        "workspace",
        "id",
        "hub_id",
        "subject",
        "user_id",
        "member_id",
        "kind",
        "status",
        "cause",
        "request_id",
        "payload",
        "reasons",
        "priority",
        "not_before",
        "attempts",
        "crashes",
        "verify_first",
        "hold_id",
        "superseded_by",
        "error_class",
        "error_detail",
        "instructions",
        "created_at",
        "modified_at",
        "finished_at",
        "parent_id",
        "due_at",
    ];
    let row = |task: &Task| {
        Ok::<_, StoreError>(vec![
            Cell::from(task.workspace.0),
            Cell::Bytes(task.id.bytes()),
            Cell::Bytes(task.hub.bytes()),
            task.subject.as_str().into(),
            task.user.map_or(Cell::Null, |id| Cell::Bytes(id.bytes())),
            task.member.map_or(Cell::Null, |id| Cell::Bytes(id.bytes())),
            task.effect.kind.as_str().into(),
            task.status.as_str().into(),
            task.cause.as_str().into(),
            task.request_id.as_deref().into(),
            Cell::Text(json(&task.effect)?),
            Cell::Text(json(&task.reasons)?),
            i64::from(task.priority).into(),
            task.not_before.0.into(),
            i64::from(task.attempts).into(),
            i64::from(task.crashes).into(),
            task.verify_first.into(),
            task.hold.map_or(Cell::Null, |id| Cell::Bytes(id.bytes())),
            task.superseded_by.map_or(Cell::Null, |id| Cell::Bytes(id.bytes())),
            task.error_class.as_deref().into(),
            task.error_detail.as_deref().into(),
            task.instructions.as_deref().into(),
            task.created_at.0.into(),
            task.modified_at.0.into(),
            task.finished_at.map(|at| at.0).into(),
            task.parent.map_or(Cell::Null, |id| Cell::Bytes(id.bytes())),
            task.due_at.map(|at| at.0).into(),
        ])
    };
    let rows = new.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    insert_rows(conn, "tasks", COLUMNS, &rows, "").map(|_| ())
}

/// One task, as people see it.
///
/// # Errors
/// [`StoreError::NotFound`] when the workspace has no such task.
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, id: TaskId) -> Result<Task, StoreError> {
    let row: TaskRow = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq(id.bytes()))
        .kept()
        .get_result(conn)?;
    row.shown()
}

/// The one open task of a subject in a hub, if there is one.
///
/// # Errors
/// [`StoreError::Corrupt`] when its ids cannot be read.
pub fn open_for(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    subject: &str,
) -> Result<Option<Task>, StoreError> {
    let row: Option<TaskRow> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::subject.eq(subject))
        .filter(is_open())
        .kept()
        .get_result(conn)
        .optional()?;
    row.map(|row| row.shown()).transpose()
}

/// Those of these people who have an open task in the hub.
///
/// # Errors
/// A failed statement.
pub fn with_open(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    people: &[UserId],
) -> Result<Vec<UserId>, StoreError> {
    if people.is_empty() {
        return Ok(Vec::new());
    }
    let subjects: Vec<String> = people.iter().map(|user| super::facts::subject(*user)).collect();
    let rows: Vec<Option<Vec<u8>>> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::subject.eq_any(subjects))
        .filter(is_open())
        .select(tasks::user_id)
        .load(conn)?;
    rows.iter().flatten().map(|id| UserId::from_bytes(id).map_err(corrupt)).collect()
}

/// The condition of the index `tasks_one_open`, letter by letter: only so do both databases see
/// that the index answers it, and an open task is found without reading the hub's closed ones.
pub(in crate::store) const OPEN: &str =
    "status IN ('queued', 'started', 'running', 'retrying', 'held', 'waiting', 'manual')";

/// [`OPEN`] of the table itself.
pub(in crate::store) fn is_open() -> diesel::expression::SqlLiteral<diesel::sql_types::Bool> {
    diesel::dsl::sql(&format!("tasks.{OPEN}"))
}

pub(in crate::store) fn words(statuses: &[TaskStatus]) -> Vec<&'static str> {
    statuses.iter().map(|status| status.as_str()).collect()
}
