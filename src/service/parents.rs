//! Parent tasks as people see and steer them: what one cause made in one hub, with its children (R5.13).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::hub_changes::{self, Mended};
use super::leavers;
use super::page::{Page, PageRequest};
use super::scribe::{About, Scribe};
use super::task_view::TaskView;
use super::tasks::{self as task_views, Act, TaskQuery, TaskStatus};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::ids::{TaskId, UserId, WorkspaceId};
use crate::base::limits::CHILDREN_AT_ONCE;
use crate::domain::decision::DecisionKind;
use crate::domain::parent::Children;
use crate::domain::task::Task;
use crate::store::marks::{self, Change, Settle};
use crate::store::parents::{self as rows, Parent};
use crate::store::task_moves::{self, ByHand};
use crate::store::{DbConn, StoreError, Tx, decisions, failures, hub_members};

pub use crate::domain::parent::Progress;

/// The word for parents where tasks have their kind.
pub const BATCH: &str = "batch";

/// Where a child stands that can be withdrawn.
const WITHDRAWABLE: [TaskStatus; 5] =
    [TaskStatus::Queued, TaskStatus::Retrying, TaskStatus::Held, TaskStatus::Waiting, TaskStatus::Manual];

/// Failed children shown before all others.
const FAILED_SHOWN: usize = 50;

/// A parent as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ParentView {
    /// Its id, among those of tasks.
    pub id: String,
    /// The hub; its id where the hub was removed.
    pub hub: String,
    /// `batch`.
    pub kind: &'static str,
    /// Rolled up from its children (business-hubs.md 6.3).
    pub status: TaskStatus,
    /// How far it is.
    pub progress: Progress,
    /// Why it was made.
    pub cause: String,
    /// The request that led here.
    pub request_id: String,
    /// When its first child was planned, RFC 3339.
    pub created: String,
}

/// A parent with its children.
#[derive(Clone, Debug, Serialize)]
pub struct ParentDetail {
    /// The parent.
    #[serde(flatten)]
    pub parent: ParentView,
    /// What failed and was not tried again, newest first, the first fifty.
    pub failed: Vec<TaskView>,
    /// A page of all of them, newest first.
    pub children: Page<TaskView>,
}

/// Which children, and their page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildrenQuery {
    /// Statuses, separated by commas; `open` stands for all open ones.
    pub status: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// A page of parents, newest first.
///
/// # Errors
/// [`ServiceError::Invalid`] for a filter that parents do not have, [`ServiceError::NotFound`] for an
/// unknown hub.
pub async fn list(context: &Context, caller: &Caller, query: TaskQuery) -> Result<Page<ParentView>, ServiceError> {
    let given = [query.status.is_some(), query.user.is_some(), query.parent.is_some(), query.overdue.is_some()];
    let moments = [query.app.is_some(), query.from.is_some(), query.to.is_some()];
    if given.contains(&true) || moments.contains(&true) {
        return Err(ServiceError::Invalid(String::from("batches are listed by hub; their tasks by parent and status")));
    }
    let workspace = caller.workspace;
    let page = PageRequest { limit: query.limit, cursor: query.cursor };
    let (limit, after) = (page.limit(), page.after::<TaskId>()?);
    let within: Option<Vec<_>> = caller.sight.narrowed().map(|theirs| theirs.runs.iter().copied().collect());
    let slug = query.hub;
    let found = context
        .store
        .read(move |conn| {
            let hub = slug.as_deref().map(|slug| hubs::find(conn, workspace, slug)).transpose()?.map(|hub| hub.id);
            let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let found = rows::page(conn, workspace, hub, within.as_deref(), after, wanted)?;
            views(conn, workspace, found)
        })
        .await?;
    Ok(Page::cut(found, limit, |parent| parent.id.clone()))
}

fn views(conn: &mut DbConn, workspace: WorkspaceId, found: Vec<Parent>) -> Result<Vec<ParentView>, ServiceError> {
    let names = hubs::slugs(conn, workspace)?;
    let ids: Vec<TaskId> = found.iter().map(|parent| parent.id).collect();
    let mut counted = rows::children(conn, workspace, &ids)?;
    let view = |parent: Parent| {
        let children = counted.remove(&parent.id).unwrap_or_else(Children::default);
        ParentView {
            id: parent.id.to_string(),
            hub: names.get(&parent.hub).cloned().unwrap_or_else(|| parent.hub.to_string()),
            kind: BATCH,
            status: children.status(),
            progress: children.progress(),
            cause: parent.cause,
            request_id: parent.request_id,
            created: parent.created_at.to_rfc3339(),
        }
    };
    Ok(found.into_iter().map(view).collect())
}

fn load(conn: &mut DbConn, workspace: WorkspaceId, id: TaskId) -> Result<Parent, ServiceError> {
    match rows::load(conn, workspace, id) {
        Err(StoreError::NotFound) => Err(ServiceError::NotFound("task")),
        other => Ok(other?),
    }
}

/// One parent with its children.
///
/// # Errors
/// [`ServiceError::NotFound`] when no parent has this id, [`ServiceError::Invalid`] for a bad filter.
pub async fn show(
    context: &Context,
    caller: &Caller,
    id: &str,
    query: ChildrenQuery,
) -> Result<ParentDetail, ServiceError> {
    let (workspace, parent) = (caller.workspace, task_views::task_id(id)?);
    let mut found = context
        .store
        .read(move |conn| {
            let parent = load(conn, workspace, parent)?;
            views(conn, workspace, vec![parent])
        })
        .await?;
    let parent = found.pop().ok_or(ServiceError::NotFound("task"))?;
    let of_parent = TaskQuery { parent: Some(parent.id.clone()), ..TaskQuery::default() };
    let failed = TaskQuery {
        status: Some(TaskStatus::NotCompleted.as_str().to_owned()),
        limit: Some(FAILED_SHOWN),
        ..of_parent.clone()
    };
    let mut failed = task_views::list(context, caller, failed).await?.items;
    failed.retain(|task| task.superseded_by.is_none());
    let ChildrenQuery { status, limit, cursor } = query;
    let children = task_views::list(context, caller, TaskQuery { status, limit, cursor, ..of_parent }).await?;
    Ok(ParentDetail { parent, failed, children })
}

/// Try again what failed of a parent, or withdraw what is open of it: one action, a few hundred children
/// in a transaction, each of which is recorded with what it did.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] when there is nothing of it to act on, and for
/// `done`, which says something about one person; [`ServiceError::InvalidFields`] when `cancel` comes without
/// a note and lets somebody who left stay in the app: nothing of it is withdrawn then.
pub async fn act(
    context: &Context,
    caller: &Caller,
    id: &str,
    act: Act,
    note: Option<String>,
) -> Result<ParentDetail, ServiceError> {
    let parent_id = task_views::task_id(id)?;
    let note = task_views::note(note)?;
    let workspace = caller.workspace;
    let asked = note.clone();
    let parent = context
        .store
        .read(move |conn| {
            let parent = load(conn, workspace, parent_id)?;
            demand_note(conn, workspace, parent.id, act, asked.as_deref())?;
            Ok::<_, ServiceError>(parent)
        })
        .await?;
    if act == Act::Done {
        return Err(ServiceError::Conflict(String::from("say of each person's task that it is done, with a note")));
    }
    let scribe = Scribe::new(context, caller);
    let (mut after, mut acted) = (None, 0);
    loop {
        let (scribe, parent, note) = (scribe.clone(), parent.clone(), note.clone());
        let (some, last) =
            context.store.write(move |tx| act_some(tx, &scribe, &parent, act, note.as_deref(), after)).await?;
        acted += some;
        context.nudge.workers();
        after = last;
        if last.is_none() {
            break;
        }
    }
    context.nudge.planner();
    if acted == 0 {
        let what = match act {
            Act::Retry => "nothing of this batch failed that could be tried again",
            Act::Done | Act::Cancel => "nothing of this batch can be withdrawn: it is closed, or being done just now",
        };
        return Err(ServiceError::Conflict(what.to_owned()));
    }
    show(context, caller, id, ChildrenQuery::default()).await
}

/// What is asked of a person is asked before the first of several transactions, not amid them.
fn demand_note(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    parent: TaskId,
    act: Act,
    note: Option<&str>,
) -> Result<(), ServiceError> {
    if act != Act::Cancel || note.is_some() {
        return Ok(());
    }
    let mut after = None;
    loop {
        let found = rows::of_statuses(conn, workspace, parent, &WITHDRAWABLE, after, CHILDREN_AT_ONCE)?;
        let Some(last) = found.last() else { return Ok(()) };
        after = Some(last.id);
        leavers::demand_note(conn, workspace, &found, note)?;
    }
}

/// The next children; how many were acted on, and the last one looked at where more may follow.
fn act_some(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    parent: &Parent,
    act: Act,
    note: Option<&str>,
    after: Option<TaskId>,
) -> Result<(usize, Option<TaskId>), ServiceError> {
    let statuses: &[TaskStatus] = match act {
        Act::Retry => &[TaskStatus::NotCompleted, TaskStatus::Manual, TaskStatus::Retrying],
        Act::Done => &[],
        Act::Cancel => &WITHDRAWABLE,
    };
    let found = rows::of_statuses(tx, scribe.workspace, parent.id, statuses, after, CHILDREN_AT_ONCE)?;
    let whole = i64::try_from(found.len()).unwrap_or(CHILDREN_AT_ONCE) >= CHILDREN_AT_ONCE;
    let last = found.last().map(|task| task.id).filter(|_| whole);
    let by = ByHand { actor: &scribe.actor, note, now: scribe.now };
    let (word, acted) = match act {
        Act::Retry => ("tasks.retried", retry(tx, scribe, parent, &found, &by)?),
        Act::Done | Act::Cancel => ("tasks.cancelled", cancel(tx, scribe, &found, &by)?),
    };
    if !acted.is_empty() {
        let target = format!("task:{}", parent.id);
        let ids: Vec<String> = acted.iter().map(ToString::to_string).collect();
        let detail = json!({ "cause": parent.cause, "tasks": acted.len(), "ids": ids });
        let personal = note.map(|note| json!({ "note": note }));
        let about = About { target: &target, hub: Some(parent.hub), detail, personal, ..About::default() };
        scribe.record(tx, word, about)?;
    }
    Ok((acted.len(), last))
}

fn retry(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    parent: &Parent,
    found: &[Task],
    by: &ByHand<'_>,
) -> Result<Vec<TaskId>, ServiceError> {
    let workspace = scribe.workspace;
    let failed = |task: &&Task| match task.status {
        TaskStatus::Manual => task.error_class.as_deref().is_some_and(failures::is_failure),
        TaskStatus::Retrying => true,
        TaskStatus::NotCompleted
        | TaskStatus::Queued
        | TaskStatus::Started
        | TaskStatus::Running
        | TaskStatus::Held
        | TaskStatus::Waiting
        | TaskStatus::Completed
        | TaskStatus::Superseded
        | TaskStatus::Cancelled => false,
    };
    let open: Vec<TaskId> = found.iter().filter(failed).map(|task| task.id).collect();
    task_moves::retry_these(tx, workspace, &open, by)?;
    let bytes: Vec<Vec<u8>> = open.iter().map(|id| id.bytes()).collect();
    hub_members::under_way_again(tx, workspace, &bytes, scribe.now)?;
    let closed: Vec<&Task> = found
        .iter()
        .filter(|task| task.status == TaskStatus::NotCompleted && task.superseded_by.is_none() && task.user.is_some())
        .collect();
    let subjects: Vec<&str> = closed.iter().map(|task| task.subject.as_str()).collect();
    decisions::end_these(tx, workspace, parent.hub, &subjects)?;
    let users: Vec<UserId> = closed.iter().filter_map(|task| task.user).collect();
    look_again(tx, scribe, parent.hub, &users, &parent.cause, Some(&parent.request_id))?;
    let acted: Vec<TaskId> = open.into_iter().chain(closed.iter().map(|task| task.id)).collect();
    if !acted.is_empty() {
        hub_changes::mended(tx, scribe, parent.hub, Mended::Perhaps)?;
    }
    Ok(acted)
}

/// The planner looks at these people again for the reason it had before, so that what it makes stands
/// below the same parent.
///
/// # Errors
/// A failed statement.
pub(super) fn look_again(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    hub: crate::base::ids::HubId,
    users: &[UserId],
    cause: &str,
    request_id: Option<&str>,
) -> Result<(), StoreError> {
    if users.is_empty() {
        return Ok(());
    }
    let change = Change { cause, request_id, now: scribe.now };
    marks::put(tx, scribe.workspace, &[hub], users, scribe.now, Settle::Until(scribe.now), &change)?;
    Ok(())
}

fn cancel(tx: &mut Tx<'_>, scribe: &Scribe, found: &[Task], by: &ByHand<'_>) -> Result<Vec<TaskId>, ServiceError> {
    let mut acted = Vec::new();
    for task in found {
        match task_views::cancel(tx, scribe, task, by, DecisionKind::Cancelled) {
            Ok(()) => acted.push(task.id),
            // A worker took it meanwhile: it goes on, as the others that run do.
            Err(ServiceError::Conflict(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(acted)
}
