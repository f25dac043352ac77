//! A sync that somebody asks for, and how far a sync is.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scribe::{About, Scribe};
use super::task_view::TaskDetail;
use super::tasks;
use super::{Caller, Context, ServiceError, hubs};
use crate::base::ids::{TaskId, WorkspaceId};
use crate::domain::hub_rules;
use crate::domain::sync::Counts;
use crate::store::sync_runs::{self, Wish};
use crate::store::{DbConn, StoreError};

/// What a person says beside "sync".
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncBody {
    /// That many accounts may be gone: the safeguard (R7.6) lets this sync through.
    pub accept_removals: bool,
}

/// How far a sync is.
#[derive(Clone, Debug, Serialize)]
pub struct SyncProgress {
    /// `listing`, `placing`, `leaving`, `done`.
    pub phase: &'static str,
    /// Accounts listed so far.
    pub seen: i64,
    /// How many there are, where the app tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// How often the list was read, because accounts moved while it was.
    pub lists: i32,
    /// Whether an account that was not listed counts as gone.
    pub conclusive: bool,
    /// Whether a person accepted many removals.
    pub accept_removals: bool,
    /// What it found and did so far.
    pub counts: Counts,
}

/// How far the sync of this task is; `None` for a task that is none.
pub(super) fn progress(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    task: TaskId,
) -> Result<Option<SyncProgress>, StoreError> {
    Ok(sync_runs::of_task(conn, workspace, task)?.map(|run| SyncProgress {
        phase: run.phase.as_str(),
        seen: run.seen,
        total: run.total,
        lists: run.pass,
        conclusive: run.conclusive,
        accept_removals: run.accept_removals,
        counts: run.counts,
    }))
}

/// Queue a sync of a hub; where one is open it is that one (R7.9). It runs in hubs that observe or
/// are paused too: it only reads the app.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] where the app's members cannot be listed.
pub async fn request(
    context: &Context,
    caller: &Caller,
    slug: &str,
    body: SyncBody,
) -> Result<TaskDetail, ServiceError> {
    let scribe = Scribe::new(context, caller);
    let (catalog, slug) = (context.catalog.clone(), slug.to_owned());
    let task = context
        .store
        .write(move |tx| {
            let hub = hubs::find_locked(tx, scribe.workspace, &slug)?;
            let app = hub_rules::app(&catalog, &hub.app).map_err(ServiceError::Invalid)?;
            if !app.with_login(hub.login).tasks.sync {
                return Err(ServiceError::Conflict(format!(
                    "{} cannot be read by machine: compare the hub's members with the app's own list, and mark each \
                     manual item as done",
                    app.name
                )));
            }
            let change = scribe.change("asked");
            let wish = Wish {
                cause: "asked",
                request_id: change.request_id,
                accept_removals: body.accept_removals,
                id: scribe.id(),
                now: scribe.now,
            };
            let (task, new) = sync_runs::queue(tx, scribe.workspace, hub.id, &wish)?;
            let detail = json!({ "accept_removals": body.accept_removals, "folded": !new });
            let target = format!("hub:{}", hub.slug);
            let about = About { target: &target, hub: Some(hub.id), task: Some(task), detail, ..About::default() };
            scribe.record(tx, "hub.sync_requested", about)?;
            Ok(task)
        })
        .await?;
    context.nudge.workers();
    tasks::show(context, caller, &task.to_string()).await
}
