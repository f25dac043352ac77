//! Stopping and restarting the pushing to apps: of the installation, a workspace or a hub. SCIM goes
//! on meanwhile; marks stay, no task is planned and none is started (DESIGN.md section 2.10). What
//! has begun is finished.

use serde_json::json;

use super::hubs::{self, HubPatch};
use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError};
use crate::store::activity::{self, Entry};
use crate::store::{StoreError, pausing, workspaces};

/// Whether pushing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushing {
    /// Nothing is sent to apps; SCIM goes on.
    Paused,
    /// Tasks are pushed.
    Resumed,
}

/// Stop or restart pushing in the whole installation. For the operator of the machine: a token
/// belongs to one workspace. Recorded in every workspace; `actor` is `cli` or `serve`.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn set_everywhere(context: &Context, actor: &'static str, pushing: Pushing) -> Result<(), ServiceError> {
    let paused = pushing == Pushing::Paused;
    let (now, ids) = (context.clock.now(), context.ids.clone());
    context
        .store
        .write(move |tx| {
            if !pausing::set_installation(tx, paused)? {
                return Ok(());
            }
            let kind = if paused { "installation.paused" } else { "installation.resumed" };
            for workspace in workspaces::list_across_workspaces(tx)? {
                let entry = Entry {
                    id: ids.next(),
                    at: now,
                    kind,
                    actor,
                    target: "installation",
                    hub: None,
                    user: None,
                    task: None,
                    request_id: None,
                    detail: json!({}),
                    personal: None,
                };
                activity::record(tx, workspace.id, &entry)?;
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    context.nudge.planner();
    context.nudge.workers();
    Ok(())
}

/// Stop or restart pushing: of one hub, or of the whole workspace.
///
/// # Errors
/// [`ServiceError::NotFound`] for an unknown hub.
pub async fn set(context: &Context, caller: &Caller, hub: Option<&str>, pushing: Pushing) -> Result<(), ServiceError> {
    let paused = pushing == Pushing::Paused;
    if let Some(slug) = hub {
        hubs::patch(context, caller, slug, HubPatch::pause(paused), None).await?;
        return Ok(());
    }
    let scribe = Scribe::new(context, caller);
    context
        .store
        .write(move |tx| {
            if pausing::set(tx, scribe.workspace, paused)? {
                let kind = if paused { "workspace.paused" } else { "workspace.resumed" };
                scribe.record(tx, kind, About { target: "workspace", detail: json!({}), ..About::default() })?;
            }
            Ok::<_, ServiceError>(())
        })
        .await?;
    context.nudge.planner();
    context.nudge.workers();
    Ok(())
}
