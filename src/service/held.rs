//! Batches that the guard holds: who and why, leavers first; a person releases all, some or one,
//! or rejects.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scribe::{About, Scribe};
use super::tasks::{self as task_views, TaskView};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::ids::{HoldId, TaskId, WorkspaceId};
use crate::domain::decision::DecisionKind;
use crate::domain::task::{Task, TaskStatus};
use crate::store::holds::{self, Hold};
use crate::store::tasks::{self as rows, ByHand, TaskFilter};
use crate::store::{DbConn, StoreError, Tx, released};

/// Tasks of one batch that are shown at once; `total` counts all.
const SHOWN: i64 = 500;

/// A held batch as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct HoldView {
    /// Its id.
    pub id: String,
    /// The hub.
    pub hub: String,
    /// Why it is held.
    pub reason: String,
    /// `open`, `released` or `rejected`.
    pub status: String,
    /// When its first task was held.
    pub created: String,
    /// How many tasks it holds.
    pub total: i64,
    /// The tasks, leavers first.
    pub tasks: Vec<TaskView>,
}

/// Which tasks of a batch are meant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Task ids; all where absent.
    pub tasks: Option<Vec<String>>,
    /// Why, in a person's words.
    pub note: Option<String>,
}

/// What a person decides about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it go.
    Release,
    /// It shall not happen.
    Reject,
}

/// All open batches of the workspace.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn list(context: &Context, caller: &Caller) -> Result<Vec<HoldView>, ServiceError> {
    let workspace = caller.workspace;
    context
        .store
        .read(move |conn| {
            let open = holds::all_open(conn, workspace)?;
            let mut views = Vec::new();
            for hold in open {
                let view = view(conn, workspace, hold)?;
                // A batch whose tasks were all superseded has nothing left to decide.
                if view.total > 0 {
                    views.push(view);
                }
            }
            Ok(views)
        })
        .await
}

fn held(conn: &mut DbConn, workspace: WorkspaceId, hold: HoldId, limit: i64) -> Result<Vec<Task>, StoreError> {
    let filter = TaskFilter { hold: Some(hold), statuses: vec![TaskStatus::Held], ..TaskFilter::default() };
    rows::page(conn, workspace, &filter, None, limit)
}

fn view(conn: &mut DbConn, workspace: WorkspaceId, hold: Hold) -> Result<HoldView, ServiceError> {
    let names = hubs::slugs(conn, workspace)?;
    let mut tasks = held(conn, workspace, hold.id, SHOWN)?;
    // Priority 0 is a leaver: the removals that are hardest to defend when they wait.
    tasks.sort_by_key(|task| (task.priority, task.id));
    Ok(HoldView {
        id: hold.id.to_string(),
        hub: names.get(&hold.hub).cloned().unwrap_or_else(|| hold.hub.to_string()),
        reason: hold.reason,
        status: hold.status,
        created: hold.created_at.to_rfc3339(),
        total: released::left(conn, workspace, hold.id)?,
        tasks: tasks.iter().map(|task| task_views::view(task, &names)).collect(),
    })
}

/// Release or reject a batch, or some of its tasks.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] when it was decided already;
/// [`ServiceError::Invalid`] when a task named is not held in it.
pub async fn decide(
    context: &Context,
    caller: &Caller,
    id: &str,
    verdict: Verdict,
    choice: Choice,
) -> Result<HoldView, ServiceError> {
    let id: HoldId = id.parse().map_err(|_| ServiceError::NotFound("held batch"))?;
    let note = task_views::note(choice.note)?;
    let only = choice
        .tasks
        .map(|ids| ids.iter().map(|id| id.parse::<TaskId>()).collect::<Result<Vec<_>, _>>())
        .transpose()
        .map_err(|_| ServiceError::Invalid(String::from("tasks must be ids of tasks in this batch")))?;
    let scribe = Scribe::new(context, caller);
    let view = context
        .store
        .write(move |tx| {
            let workspace = scribe.workspace;
            let hold = match holds::load(tx, workspace, id) {
                Err(StoreError::NotFound) => return Err(ServiceError::NotFound("held batch")),
                other => other?,
            };
            if hold.status != "open" {
                return Err(ServiceError::Conflict(format!("this batch was {} already", hold.status)));
            }
            let chosen = chosen(tx, workspace, id, only.as_deref())?;
            let (word, kind) = match verdict {
                Verdict::Release => {
                    let ids: Vec<TaskId> = chosen.iter().map(|task| task.id).collect();
                    for some in ids.chunks(500) {
                        released::release(tx, workspace, id, Some(some), scribe.now)?;
                    }
                    ("released", "hold.released")
                }
                Verdict::Reject => {
                    let by = ByHand { actor: &scribe.actor, note: note.as_deref(), now: scribe.now };
                    for task in &chosen {
                        task_views::cancel(tx, &scribe, task, &by, DecisionKind::Rejected)?;
                    }
                    ("rejected", "hold.rejected")
                }
            };
            if released::left(tx, workspace, id)? == 0 {
                holds::close(tx, workspace, id, word, &scribe.actor, note.as_deref(), scribe.now)?;
            }
            let target = format!("hold:{id}");
            let detail = json!({ "reason": hold.reason, "tasks": chosen.len() });
            let personal = note.as_ref().map(|note| json!({ "note": note }));
            scribe.record(
                tx,
                kind,
                About { target: &target, hub: Some(hold.hub), detail, personal, ..About::default() },
            )?;
            let after = holds::load(tx, workspace, id)?;
            view(tx, workspace, after)
        })
        .await?;
    context.nudge.workers();
    Ok(view)
}

/// The held tasks meant; each id must be one of them.
fn chosen(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hold: HoldId,
    only: Option<&[TaskId]>,
) -> Result<Vec<Task>, ServiceError> {
    let all = held(tx, workspace, hold, i64::MAX)?;
    let Some(only) = only else { return Ok(all) };
    let found: Vec<Task> = all.into_iter().filter(|task| only.contains(&task.id)).collect();
    if found.len() == only.len() {
        return Ok(found);
    }
    Err(ServiceError::Invalid(String::from("some of these tasks are not held in this batch")))
}
