//! Batches that the guard holds: who and why, leavers first; and what a person decides about them.

mod deciding;
mod kept_back;

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use self::deciding::{Choice, Verdict, decide, end_pass};
pub use self::kept_back::KeptBack;
use super::decided::{self, DecidedView};
use super::members::ProtectionView;
use super::task_view::{self, TaskView};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::ids::{HoldId, HubId, TaskId, WorkspaceId};
use crate::domain::guard::HoldReason;
use crate::domain::rights::Action;
use crate::store::holds::{self, Hold};
use crate::store::passes::{self, Pass};
use crate::store::{DbConn, StoreError, protections};

/// Tasks of one batch that are shown at once; `total` counts all.
const SHOWN: i64 = 500;
/// A held batch as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct HoldView {
    /// Its id.
    pub id: String,
    /// The hub.
    pub hub: String,
    /// Why it is held, in one word.
    pub reason: String,
    /// The same as a sentence.
    pub why: &'static str,
    /// `open`, `released` or `rejected`.
    pub status: String,
    /// When its first task was held.
    pub created: String,
    /// How many tasks it holds.
    pub total: i64,
    /// How many of them are of people who left.
    pub leavers: i64,
    /// Stands for exactly the tasks it holds now; a decision that carries it as `expect` is refused
    /// when the batch is another one by then.
    pub digest: String,
    /// Who decided it, once nothing is left in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// What they said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether each change is released by its name (`tasks`), never all at once; what is protected by
    /// whoever may protect.
    pub one_by_one: bool,
    /// After a release: what of it was not released, because it would have taken the last admin or owner, or
    /// a seat beyond the hub's number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_back: Vec<KeptBack>,
    /// Of protected accounts: why and by whom, by the task that waits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub protections: BTreeMap<String, ProtectionView>,
    /// The tasks, leavers first.
    pub tasks: Vec<TaskView>,
}

impl HoldView {
    /// What a person must be allowed to release any of it.
    pub fn releasing(&self) -> Action {
        match HoldReason::from_word(&self.reason).is_some_and(HoldReason::is_protection) {
            true => Action::ProtectMembers,
            false => Action::ManageMembers,
        }
    }
}

/// Everything that waits for a person at the guard, and what a person lets pass.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// Open batches, the oldest first.
    pub items: Vec<HoldView>,
    /// What passes for now, the first to end first.
    pub passes: Vec<PassView>,
    /// What persons decided in the last seven days, the newest first, at most twenty.
    pub decided: Vec<DecidedView>,
}

/// Everything of one reason in one hub goes out until a time.
#[derive(Clone, Debug, Serialize)]
pub struct PassView {
    /// The batch it was given with; `DELETE /api/v1/held/{id}/pass` ends it.
    pub hold: String,
    /// The hub.
    pub hub: String,
    /// What it lets through.
    pub reason: &'static str,
    /// RFC 3339.
    pub until: String,
    /// Who gave it.
    pub given_by: String,
    /// Why, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// All open batches of the workspace, and the passes that count now.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn list(context: &Context, caller: &Caller) -> Result<Held, ServiceError> {
    let (workspace, now, sight) = (caller.workspace, context.clock.now(), caller.sight.clone());
    context
        .store
        .read(move |conn| {
            let names = hubs::slugs(conn, workspace)?;
            let mut items = Vec::new();
            for hold in holds::all_open(conn, workspace)?.into_iter().filter(|hold| sight.runs(hold.hub)) {
                let view = view(conn, workspace, hold, &names)?;
                // A batch whose tasks were all superseded has nothing left to decide.
                if view.total > 0 {
                    items.push(view);
                }
            }
            let passes = passes::all(conn, workspace, now)?.into_iter().filter(|pass| sight.runs(pass.hub));
            let passes = passes.map(|pass| pass_view(pass, &names)).collect();
            let decided = decided::lately(conn, workspace, &sight, now)?;
            Ok(Held { items, passes, decided })
        })
        .await
}

/// One batch, open or decided.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn show(context: &Context, caller: &Caller, id: &str) -> Result<HoldView, ServiceError> {
    let (workspace, id) = (caller.workspace, parse(id)?);
    context
        .store
        .read(move |conn| {
            let names = hubs::slugs(conn, workspace)?;
            let hold = load(conn, workspace, id)?;
            view(conn, workspace, hold, &names)
        })
        .await
}

fn parse(id: &str) -> Result<HoldId, ServiceError> {
    id.parse().map_err(|_| ServiceError::NotFound("held batch"))
}

fn load(conn: &mut DbConn, workspace: WorkspaceId, id: HoldId) -> Result<Hold, ServiceError> {
    match holds::load(conn, workspace, id) {
        Err(StoreError::NotFound) => Err(ServiceError::NotFound("held batch")),
        other => Ok(other?),
    }
}

fn view(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hold: Hold,
    names: &BTreeMap<HubId, String>,
) -> Result<HoldView, ServiceError> {
    let tasks = holds::tasks(conn, workspace, hold.id, SHOWN)?;
    let (total, leavers) = holds::counts(conn, workspace, hold.id)?;
    let digest = digest(&holds::task_ids(conn, workspace, hold.id)?);
    let reason = HoldReason::from_word(&hold.reason);
    let mut protections = BTreeMap::new();
    if reason == Some(HoldReason::ProtectedMember) {
        let found = protections::of_tasks(conn, workspace, tasks.iter().filter_map(|task| task.member))?;
        protections.extend(tasks.iter().filter_map(|task| {
            let given = found.get(&task.member?)?;
            Some((task.id.to_string(), ProtectionView::from(given)))
        }));
    }
    Ok(HoldView {
        id: hold.id.to_string(),
        hub: names.get(&hold.hub).cloned().unwrap_or_else(|| hold.hub.to_string()),
        why: reason.map_or("", HoldReason::explain),
        one_by_one: reason.is_some_and(HoldReason::is_by_name),
        kept_back: Vec::new(),
        protections,
        reason: hold.reason,
        status: hold.status,
        created: hold.created_at.to_rfc3339(),
        total,
        leavers,
        digest,
        decided_by: hold.decided_by,
        note: hold.note,
        tasks: tasks.iter().map(|task| task_view::view(task, names)).collect(),
    })
}

/// SHA-256 over the ids of the held tasks, in hexadecimal.
fn digest(ids: &[TaskId]) -> String {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id.bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pass_view(pass: Pass, names: &BTreeMap<HubId, String>) -> PassView {
    PassView {
        hold: pass.hold.to_string(),
        hub: names.get(&pass.hub).cloned().unwrap_or_else(|| pass.hub.to_string()),
        reason: pass.reason.as_str(),
        until: pass.until.to_rfc3339(),
        given_by: pass.given_by,
        note: pass.note,
    }
}
