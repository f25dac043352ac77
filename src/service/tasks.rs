//! Tasks as people see and steer them.

use std::str::FromStr;

use serde::Deserialize;
use serde_json::json;

use super::hub_changes::{self, Mended};
use super::items;
use super::leavers;
use super::moments::{self, Edge};
use super::page::{Format, Page, PageRequest};
use super::scribe::{About, Scribe};
use super::sync;
use super::task_view::{self, TaskDetail, TaskView};
use super::{Caller, Context, ServiceError, hubs, parents};
use crate::base::clock::Micros;
use crate::base::ids::{TaskId, UserId, WorkspaceId};
use crate::base::visible;
use crate::domain::decision::DecisionKind;
use crate::domain::occasion;
use crate::domain::problem::Cause;
use crate::domain::task::Task;
use crate::store::attempts::{self};
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
    /// `add`, `update_role`, `remove`, `sync`; `batch` lists parents instead, of all or of one hub.
    pub kind: Option<String>,
    /// A user's SCIM id.
    pub user: Option<String>,
    /// The id of a parent: its children.
    pub parent: Option<String>,
    /// `true`: items for a person that are past their time.
    pub overdue: Option<bool>,
    /// The hubs of an app, as they are now.
    pub app: Option<String>,
    /// RFC 3339 or a day (UTC): made not before.
    pub from: Option<String>,
    /// RFC 3339: made before; or a day, the day itself included.
    pub to: Option<String>,
    /// JSON or CSV.
    pub format: Option<Format>,
    /// Items on the page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
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
        from: moments::read("from", query.from.as_deref(), Edge::Start)?,
        to: moments::read("to", query.to.as_deref(), Edge::End)?,
        ..TaskFilter::default()
    };
    if let Some(app) = &query.app
        && context.catalog.get(app).is_none()
    {
        return Err(ServiceError::NotFound("app"));
    }
    let (slug, app, now) = (query.hub, query.app, context.clock.now());
    let found = context
        .store
        .read(move |conn| {
            let mut filter = filter;
            if let Some(slug) = &slug {
                filter.hub = Some(hubs::find(conn, workspace, slug)?.id);
            }
            if let Some(app) = &app {
                let of_app = hub_rows::list(conn, workspace)?.into_iter().filter(|hub| hub.app.as_str() == app);
                let of_app =
                    of_app.map(|hub| hub.id).filter(|id| filter.within.as_ref().is_none_or(|all| all.contains(id)));
                filter.within = Some(of_app.collect());
            }
            let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let names = hubs::slugs(conn, workspace)?;
            let tasks = task_list::page(conn, workspace, &filter, after, wanted)?;
            let mut views: Vec<_> = tasks.iter().map(|task| task_view::view(task, &names)).collect();
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
    let tries = attempts::list(conn, workspace, id)?.iter().map(task_view::attempt).collect();
    let sync = match task.effect.kind {
        TaskKind::Sync => sync::progress(conn, workspace, id)?,
        TaskKind::Add | TaskKind::UpdateRole | TaskKind::Remove => None,
    };
    let mut shown = task_view::view(&task, &names);
    items::dress(conn, workspace, now, std::slice::from_ref(&task), std::slice::from_mut(&mut shown))?;
    let needs_note =
        task.status.is_open() && !leavers::stay_without(conn, workspace, std::slice::from_ref(&task))?.is_empty();
    Ok(TaskDetail { task: shown, cancel_needs_note: needs_note, tries, sync })
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
/// [`ServiceError::Invalid`] when `done` comes without a note, [`ServiceError::InvalidFields`] when `cancel`
/// does that lets somebody who left stay in the app.
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
    let Some(note) = note.map(|note| note.trim().to_owned()).filter(|note| !visible::is_blank(note)) else {
        return Ok(None);
    };
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
                None => marks::asked(tx, scribe.workspace, task.hub, user, &scribe.change(occasion::RETRY))?,
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
        marks::asked(tx, scribe.workspace, task.hub, user, &scribe.change(occasion::DONE))?;
    }
    Ok(())
}

/// Withdraw a task and remember it, so that the planner does not make it again.
///
/// # Errors
/// [`ServiceError::Conflict`] while an attempt runs or when the task is closed;
/// [`ServiceError::InvalidFields`] without a note where somebody who left would stay in the app.
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
    leavers::demand_note(tx, scribe.workspace, std::slice::from_ref(task), by.note)?;
    if given_fields::is_waiting(task) && given_fields::waiting(tx, scribe.workspace, task.hub)? == 0 {
        problems::close(tx, scribe.workspace, task.hub, Some(Cause::NeedsData), scribe.now)?;
    }
    // The next sync is another wish.
    if task.effect.kind != TaskKind::Sync {
        decisions::record(tx, task, kind, by.actor, by.note, scribe.now)?;
    }
    Ok(())
}
