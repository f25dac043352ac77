//! Tasks as people see and steer them.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::hub_changes::{self, Mended};
use super::items::{self, OwnerView};
use super::page::{Format, Page, PageRequest};
use super::scribe::{About, Scribe};
use super::sync::{self, SyncProgress};
use super::{Caller, Context, ServiceError, hubs, parents};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, UserId, WorkspaceId};
use crate::domain::decision::DecisionKind;
use crate::domain::failure::FailureCode;
use crate::domain::member::Reason;
use crate::domain::problem::Cause;
use crate::domain::task::{Before, Task};
use crate::store::attempts::{self, Attempt};
use crate::store::landed::{self, Landing, Recorded};
use crate::store::task_list::{self, TaskFilter};
use crate::store::task_moves::{self, ByHand};
use crate::store::tasks as rows;
use crate::store::{
    DbConn, StoreError, Tx, decisions, given_fields, holds, hub_members, hubs as hub_rows, marks, problems, waits,
};

pub use crate::domain::task::{TaskKind, TaskStatus};

/// The longest note, in characters.
const NOTE_CHARACTERS: usize = 2_000;

/// What a list is narrowed to, and its page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskQuery {
    /// Statuses, separated by commas; `open` stands for all open ones.
    pub status: Option<String>,
    /// A hub.
    pub hub: Option<String>,
    /// `add`, `update_role`, `remove`, `sync`; `batch` lists parents instead.
    pub kind: Option<String>,
    /// A user's SCIM id.
    pub user: Option<String>,
    /// The id of a parent: its children.
    pub parent: Option<String>,
    /// `true`: items for a person that are past their time.
    pub overdue: Option<bool>,
    /// JSON or CSV.
    pub format: Option<Format>,
    /// Items on the page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// A task as the API shows it. Its payload holds no secret.
#[derive(Clone, Debug, Serialize)]
pub struct TaskView {
    /// Its id.
    pub id: String,
    /// The hub; its id where the hub was removed.
    pub hub: String,
    /// `add`, `update_role`, `remove`, `sync`.
    pub kind: TaskKind,
    /// Where it stands.
    pub status: TaskStatus,
    /// `user:<id>`, `remote:<id>`, `sync`.
    pub subject: String,
    /// The user's SCIM id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whom it is about.
    pub person: PersonView,
    /// The wanted role; for a removal, the one held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The app's id of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// Why it was made.
    pub cause: String,
    /// The IdP request that led here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The mappings behind it.
    pub reasons: Vec<Reason>,
    /// Attempts spent.
    pub attempts: i32,
    /// Not tried before.
    pub not_before: String,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorView>,
    /// The same by a closed set of codes, with what a person must do (R6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView>,
    /// Whether a person may try it again as it stands.
    pub can_retry: bool,
    /// What was held before, of a removal or change of role: what `undo` grants again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// What a person must do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Who does it, of an item for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerView>,
    /// Until when a person should have done it, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// Whether it is an item for a person and that time has passed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub overdue: bool,
    /// The parent it is nested in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The batch it is held in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// The newer wish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// RFC 3339.
    pub created: String,
    /// RFC 3339.
    pub modified: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// Who closed it: `worker`, `planner`, or the person's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_by: Option<String>,
    /// What the person said who closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whom a task is about.
#[derive(Clone, Debug, Serialize)]
pub struct PersonView {
    /// SCIM userName.
    pub user_name: String,
    /// E-mail used in the app.
    pub email: String,
    /// What people read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A failure.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorView {
    /// Its class.
    pub class: String,
    /// What happened, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Why it failed, and what helps.
#[derive(Clone, Debug, Serialize)]
pub struct FailureView {
    /// By a closed set.
    pub code: FailureCode,
    /// What happened, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What a person must do.
    pub remedy: &'static str,
}

/// One try.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptView {
    /// Counts up.
    pub number: i32,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorView>,
}

/// A task with its attempts.
#[derive(Clone, Debug, Serialize)]
pub struct TaskDetail {
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
    /// Every try, first to last.
    pub tries: Vec<AttemptView>,
    /// How far it is, of a sync.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncProgress>,
}

pub(super) fn view(task: &Task, hubs: &BTreeMap<HubId, String>) -> TaskView {
    let principal = &task.effect.principal;
    let (finished_by, note) = task.closing.clone().map_or((None, None), |closing| (Some(closing.actor), closing.note));
    TaskView {
        id: task.id.to_string(),
        hub: hubs.get(&task.hub).cloned().unwrap_or_else(|| task.hub.to_string()),
        kind: task.effect.kind,
        status: task.status,
        subject: task.subject.clone(),
        user: task.user.map(|user| user.to_string()),
        person: PersonView {
            user_name: principal.user_name.clone(),
            email: principal.email.clone(),
            name: principal.display_name.clone(),
        },
        role: task.effect.role.clone(),
        remote_id: task.effect.remote_id.clone(),
        cause: task.cause.clone(),
        request_id: task.request_id.clone(),
        reasons: task.reasons.clone(),
        attempts: task.attempts,
        not_before: task.not_before.to_rfc3339(),
        error: error(task.error_class.as_deref(), task.error_detail.as_deref()),
        failure: task.error_class.as_deref().map(|class| {
            let code = FailureCode::of(class, &task.effect);
            FailureView { code, detail: task.error_detail.clone(), remedy: code.remedy() }
        }),
        can_retry: can_retry(task),
        before: task.effect.before.as_deref().cloned(),
        instructions: task.instructions.clone(),
        owner: None,
        due: task.due_at.filter(|_| task.status == TaskStatus::Manual).map(Micros::to_rfc3339),
        overdue: false,
        parent: task.parent.map(|parent| parent.to_string()),
        hold: task.hold.map(|hold| hold.to_string()),
        superseded_by: task.superseded_by.map(|id| id.to_string()),
        created: task.created_at.to_rfc3339(),
        modified: task.modified_at.to_rfc3339(),
        finished: task.finished_at.map(Micros::to_rfc3339),
        finished_by,
        note,
    }
}

/// Whether `retry` would be taken: what waits, and what closed without having been done.
fn can_retry(task: &Task) -> bool {
    match task.status {
        TaskStatus::Waiting if waits::is_waiting(task) => false,
        TaskStatus::Queued | TaskStatus::Retrying | TaskStatus::Waiting | TaskStatus::Manual => true,
        TaskStatus::NotCompleted | TaskStatus::Cancelled => task.user.is_some(),
        TaskStatus::Held
        | TaskStatus::Started
        | TaskStatus::Running
        | TaskStatus::Completed
        | TaskStatus::Superseded => false,
    }
}

fn error(class: Option<&str>, detail: Option<&str>) -> Option<ErrorView> {
    class.map(|class| ErrorView { class: class.to_owned(), detail: detail.map(ToOwned::to_owned) })
}

pub(super) fn attempt_view(attempt: &Attempt) -> AttemptView {
    AttemptView {
        number: attempt.number,
        started: attempt.started_at.to_rfc3339(),
        finished: attempt.finished_at.map(Micros::to_rfc3339),
        outcome: attempt.outcome.clone(),
        error: error(attempt.error_class.as_deref(), attempt.detail.as_deref()),
    }
}

fn statuses(text: &str) -> Result<Vec<TaskStatus>, ServiceError> {
    let mut found = Vec::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if word == "open" {
            found.extend(TaskStatus::ALL.into_iter().filter(|status| status.is_open()));
            continue;
        }
        found.push(TaskStatus::from_word(word).ok_or_else(|| {
            let known = TaskStatus::ALL.map(TaskStatus::as_str).join(", ");
            ServiceError::Invalid(format!("status must be open, or some of {known}"))
        })?);
    }
    Ok(found)
}

fn kind(text: &str) -> Result<TaskKind, ServiceError> {
    TaskKind::from_word(text)
        .ok_or_else(|| ServiceError::Invalid(String::from("kind must be one of add, update_role, remove, sync")))
}

/// A page of tasks, newest first.
///
/// # Errors
/// [`ServiceError::Invalid`] for a bad filter, [`ServiceError::NotFound`] for an unknown hub.
pub async fn list(context: &Context, caller: &Caller, query: TaskQuery) -> Result<Page<TaskView>, ServiceError> {
    let workspace = caller.workspace;
    let page = PageRequest { limit: query.limit, cursor: query.cursor };
    let (limit, after) = (page.limit(), page.after::<TaskId>()?);
    let filter = TaskFilter {
        statuses: query.status.as_deref().map(statuses).transpose()?.unwrap_or_default(),
        kind: query.kind.as_deref().map(kind).transpose()?,
        user: query.user.as_deref().map(user).transpose()?,
        within: caller.sight.narrowed().map(|theirs| theirs.runs.iter().copied().collect()),
        parent: query.parent.as_deref().map(task_id).transpose()?,
        overdue: query.overdue.filter(|overdue| *overdue).map(|_| context.clock.now()),
        ..TaskFilter::default()
    };
    let (slug, now) = (query.hub, context.clock.now());
    let found = context
        .store
        .read(move |conn| {
            let mut filter = filter;
            if let Some(slug) = &slug {
                filter.hub = Some(hubs::find(conn, workspace, slug)?.id);
            }
            let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let names = hubs::slugs(conn, workspace)?;
            let tasks = task_list::page(conn, workspace, &filter, after, wanted)?;
            let mut views: Vec<_> = tasks.iter().map(|task| view(task, &names)).collect();
            items::dress(conn, workspace, now, &tasks, &mut views)?;
            Ok::<_, ServiceError>(views)
        })
        .await?;
    Ok(Page::cut(found, limit, |task| task.id.clone()))
}

pub(super) fn user(text: &str) -> Result<UserId, ServiceError> {
    UserId::from_str(text).map_err(|_| ServiceError::NotFound("user"))
}

/// One task with its attempts.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn show(context: &Context, caller: &Caller, id: &str) -> Result<TaskDetail, ServiceError> {
    let (workspace, id, now) = (caller.workspace, task_id(id)?, context.clock.now());
    context.store.read(move |conn| detail(conn, workspace, id, now)).await
}

pub(super) fn task_id(id: &str) -> Result<TaskId, ServiceError> {
    id.parse().map_err(|_| ServiceError::NotFound("task"))
}

pub(super) fn load(conn: &mut DbConn, workspace: WorkspaceId, id: TaskId) -> Result<Task, ServiceError> {
    match rows::load(conn, workspace, id) {
        Err(StoreError::NotFound) => Err(ServiceError::NotFound("task")),
        other => Ok(other?),
    }
}

pub(super) fn detail(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    id: TaskId,
    now: Micros,
) -> Result<TaskDetail, ServiceError> {
    let task = load(conn, workspace, id)?;
    let names = hubs::slugs(conn, workspace)?;
    let tries = attempts::list(conn, workspace, id)?.iter().map(attempt_view).collect();
    let sync = match task.effect.kind {
        TaskKind::Sync => sync::progress(conn, workspace, id)?,
        TaskKind::Add | TaskKind::UpdateRole | TaskKind::Remove => None,
    };
    let mut shown = view(&task, &names);
    items::dress(conn, workspace, now, std::slice::from_ref(&task), std::slice::from_mut(&mut shown))?;
    Ok(TaskDetail { task: shown, tries, sync })
}

/// What a person does with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Try again now; of a closed task: forget the decision and plan anew.
    Retry,
    /// It was done in the app by hand.
    Done,
    /// It shall not happen.
    Cancel,
}

impl Act {
    const fn word(self) -> &'static str {
        match self {
            Self::Retry => "task.retried",
            Self::Done => "task.done_by_hand",
            Self::Cancel => "task.cancelled",
        }
    }
}

/// Retry, close or cancel a task on a person's word.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::Conflict`] when its status does not allow it,
/// [`ServiceError::Invalid`] when `done` comes without a note.
pub async fn act(
    context: &Context,
    caller: &Caller,
    id: &str,
    act: Act,
    note: Option<String>,
) -> Result<TaskDetail, ServiceError> {
    let id = task_id(id)?;
    let note = self::note(note)?;
    if act == Act::Done && note.is_none() {
        return Err(ServiceError::Invalid(String::from("say in a note what was done in the app, and by whom")));
    }
    let (scribe, ids) = (Scribe::new(context, caller), context.ids.clone());
    let found = context
        .store
        .write(move |tx| {
            let task = load(tx, scribe.workspace, id)?;
            let by = ByHand { actor: &scribe.actor, note: note.as_deref(), now: scribe.now };
            match act {
                Act::Retry => retry(tx, &scribe, &task, &by)?,
                Act::Done => done(tx, &scribe, &task, &by, &ids)?,
                Act::Cancel => cancel(tx, &scribe, &task, &by, DecisionKind::Cancelled)?,
            }
            let target = format!("task:{id}");
            scribe.record(
                tx,
                act.word(),
                About {
                    target: &target,
                    hub: Some(task.hub),
                    user: task.user,
                    task: Some(id),
                    detail: json!({
                        "kind": task.effect.kind, "role": task.effect.role, "cause": task.cause,
                        "landed": match act {
                            Act::Done => Some(Landing::by_hand(&task).told(&task)),
                            Act::Retry | Act::Cancel => None,
                        },
                    }),
                    personal: note.as_ref().map(|note| json!({ "note": note })),
                },
            )?;
            detail(tx, scribe.workspace, id, scribe.now)
        })
        .await?;
    context.nudge.planner();
    context.nudge.workers();
    Ok(found)
}

/// A note without control characters, or none.
pub(super) fn note(note: Option<String>) -> Result<Option<String>, ServiceError> {
    let Some(note) = note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty()) else { return Ok(None) };
    if note.chars().count() > NOTE_CHARACTERS || note.chars().any(|c| c.is_control() && c != '\n') {
        return Err(ServiceError::Invalid(format!("a note has at most {NOTE_CHARACTERS} characters of plain text")));
    }
    Ok(Some(note))
}

fn not_now(task: &Task, what: &str) -> ServiceError {
    ServiceError::Conflict(format!("a task that is {} cannot be {what}", task.status.as_str()))
}

fn retry(tx: &mut Tx<'_>, scribe: &Scribe, task: &Task, by: &ByHand<'_>) -> Result<(), ServiceError> {
    if given_fields::is_waiting(task) {
        let why = task.error_detail.as_deref().unwrap_or_default();
        return Err(ServiceError::Conflict(format!(
            "{why}. Give it: PUT /api/v1/hubs/ID/users/USER/fields; the task goes on by itself then"
        )));
    }
    if waits::is_waiting(task) {
        return Err(ServiceError::Conflict(format!(
            "it waits until {}: {} To go on before, POST /api/v1/hubs/ID/waiting/override",
            task.not_before.to_rfc3339(),
            task.error_detail.as_deref().unwrap_or_default(),
        )));
    }
    if task_moves::retry(tx, scribe.workspace, task.id, by)? {
        hub_members::under_way_again(tx, scribe.workspace, &[task.id.bytes()], scribe.now)?;
        hub_changes::mended(tx, scribe, task.hub, Mended::Perhaps)?;
        return Ok(());
    }
    match task.status {
        TaskStatus::NotCompleted | TaskStatus::Cancelled => {
            let Some(user) = task.user else { return Err(not_now(task, "tried again")) };
            decisions::end(tx, scribe.workspace, task.hub, &task.subject)?;
            match task.parent {
                // What comes of it stands below the same parent.
                Some(_) => {
                    parents::look_again(tx, scribe, task.hub, &[user], &task.cause, task.request_id.as_deref())?;
                }
                None => marks::touch(tx, scribe.workspace, task.hub, user, scribe.now)?,
            }
            Ok(())
        }
        TaskStatus::Queued
        | TaskStatus::Started
        | TaskStatus::Running
        | TaskStatus::Retrying
        | TaskStatus::Held
        | TaskStatus::Waiting
        | TaskStatus::Manual
        | TaskStatus::Completed
        | TaskStatus::Superseded => Err(not_now(task, "tried again")),
    }
}

fn done(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    task: &Task,
    by: &ByHand<'_>,
    ids: &crate::base::random::Ids,
) -> Result<(), ServiceError> {
    if !task_moves::done(tx, scribe.workspace, task.id, by)? {
        return Err(not_now(task, "done by hand"));
    }
    let hub = hub_rows::load(tx, scribe.workspace, task.hub)?;
    match landed::record(tx, task, &hub, &Landing::by_hand(task), ids, scribe.now)? {
        Recorded::In(_) if task.effect.kind == TaskKind::Remove && hub.policy.max_seats.is_some() => {
            holds::seat_freed(tx, scribe.workspace, task.hub, scribe.now)?;
        }
        Recorded::In(_) => {}
        Recorded::BelongsTo(_) => {
            return Err(ServiceError::Conflict(String::from(
                "this account belongs to somebody else here; match it first",
            )));
        }
    }
    if let Some(user) = task.user {
        marks::touch(tx, scribe.workspace, task.hub, user, scribe.now)?;
    }
    Ok(())
}

/// Withdraw a task and remember it, so that the planner does not make it again.
///
/// # Errors
/// [`ServiceError::Conflict`] while an attempt runs or when the task is closed.
pub(super) fn cancel(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    task: &Task,
    by: &ByHand<'_>,
    kind: DecisionKind,
) -> Result<(), ServiceError> {
    if !task_moves::cancel(tx, scribe.workspace, task.id, by)? {
        return Err(not_now(task, "cancelled"));
    }
    if given_fields::is_waiting(task) && given_fields::waiting(tx, scribe.workspace, task.hub)? == 0 {
        problems::close(tx, scribe.workspace, task.hub, Some(Cause::NeedsData), scribe.now)?;
    }
    // The next sync is another wish.
    if task.effect.kind != TaskKind::Sync {
        decisions::record(tx, task, kind, by.actor, by.note, scribe.now)?;
    }
    Ok(())
}
