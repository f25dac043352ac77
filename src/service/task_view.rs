//! Tasks as people see them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::items::OwnerView;
use super::sync::SyncProgress;
use crate::base::clock::Micros;
use crate::base::ids::HubId;
use crate::domain::failure::FailureCode;
use crate::domain::member::Reason;
use crate::domain::plan::takes_away;
use crate::domain::task::{Before, Task, TaskKind, TaskStatus};
use crate::store::attempts::Attempt;
use crate::store::waits;

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
    /// Whether it took something, which `undo` grants again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub can_undo: bool,
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
    /// Whether withdrawing it lets somebody who left stay in the app, so that a note must say why.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancel_needs_note: bool,
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
        // What only waits for its app has failed at nothing.
        failure: task.error_class.as_deref().filter(|_| !waits::is_waiting(task)).map(|class| {
            let code = FailureCode::of(class, &task.effect);
            FailureView { code, detail: task.error_detail.clone(), remedy: code.remedy_while(task.status) }
        }),
        can_retry: can_retry(task),
        can_undo: task.status == TaskStatus::Completed && task.user.is_some() && takes_away(task),
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

pub(super) fn attempt(attempt: &Attempt) -> AttemptView {
    AttemptView {
        number: attempt.number,
        started: attempt.started_at.to_rfc3339(),
        finished: attempt.finished_at.map(Micros::to_rfc3339),
        outcome: attempt.outcome.clone(),
        error: error(attempt.error_class.as_deref(), attempt.detail.as_deref()),
    }
}
