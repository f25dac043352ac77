//! The workspace at a glance: hubs with their tasks, sources with their last request, what is
//! held, what is broken.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sources::SourceView;
use super::workspaces::WorkspaceView;
use super::{Caller, Context, ServiceError};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::domain::hub::HubMode;
use crate::domain::task::TaskStatus;
use crate::store::hubs::{self as hub_rows, HubRecord};
use crate::store::{DbConn, lanes, pausing, problems, reading, workspaces};

/// Problems shown in one answer.
const PROBLEMS: i64 = 1_000;

/// What `GET /api/v1/status` says.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// The version of this server.
    pub version: &'static str,
    /// The caller's workspace.
    pub workspace: WorkspaceView,
    /// The time on the server, RFC 3339.
    pub now: String,
    /// Whether pushing stands still in the whole installation.
    pub paused: bool,
    /// Tasks of the workspace by status.
    pub tasks: BTreeMap<String, i64>,
    /// Tasks that a person must release or reject.
    pub held: i64,
    /// Open problems.
    pub problems: usize,
    /// Hubs.
    pub hubs: Vec<HubStatus>,
    /// IdP connections, with their last request.
    pub sources: Vec<SourceView>,
}

/// One hub at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct HubStatus {
    /// Its id.
    pub id: String,
    /// The name people read.
    pub label: String,
    /// Which app.
    pub app: String,
    /// `observe` or `active`.
    pub mode: HubMode,
    /// Whether a person stopped pushing.
    pub paused: bool,
    /// Why its lane stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// Tasks by status; statuses without tasks are left out.
    pub tasks: BTreeMap<String, i64>,
    /// Accounts in the app by bucket.
    pub members: BTreeMap<String, i64>,
    /// Pairs the planner has still to look at.
    pub marks: i64,
    /// How long the oldest task that could run has waited, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_ready_seconds: Option<u64>,
    /// Open problems.
    pub problems: usize,
    /// When a task last completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// When a sync last completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_synced: Option<String>,
}

/// The state of the caller's workspace.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn overview(context: &Context, caller: &Caller) -> Result<Overview, ServiceError> {
    let (workspace, now) = (caller.workspace, context.clock.now());
    let sources = super::sources::list(context, caller).await?;
    context
        .store
        .read(move |conn| {
            let own = workspaces::load(conn, workspace)?;
            let mut counts: BTreeMap<HubId, BTreeMap<String, i64>> = BTreeMap::new();
            let mut all: BTreeMap<String, i64> = BTreeMap::new();
            for (hub, status, count) in reading::task_counts(conn, workspace)? {
                *all.entry(status.clone()).or_default() += count;
                counts.entry(hub).or_default().insert(status, count);
            }
            let mut broken: BTreeMap<HubId, usize> = BTreeMap::new();
            for problem in problems::open(conn, workspace, PROBLEMS)? {
                *broken.entry(problem.hub).or_default() += 1;
            }
            let mut hubs = Vec::new();
            for record in hub_rows::records(conn, workspace)? {
                let tasks = counts.remove(&record.hub.id).unwrap_or_default();
                let problems = broken.get(&record.hub.id).copied().unwrap_or(0);
                hubs.push(hub_status(conn, workspace, record, tasks, problems, now)?);
            }
            Ok(Overview {
                version: env!("CARGO_PKG_VERSION"),
                workspace: own.into(),
                now: now.to_rfc3339(),
                paused: pausing::is_installation_paused(conn)?,
                held: all.get(TaskStatus::Held.as_str()).copied().unwrap_or(0),
                problems: broken.values().sum(),
                tasks: all,
                hubs,
                sources,
            })
        })
        .await
}

fn hub_status(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    record: HubRecord,
    tasks: BTreeMap<String, i64>,
    problems: usize,
    now: Micros,
) -> Result<HubStatus, ServiceError> {
    let hub = record.hub;
    let oldest = reading::oldest_ready(conn, workspace, hub.id, now)?;
    Ok(HubStatus {
        blocked: lanes::load(conn, workspace, hub.id)?.and_then(|lane| lane.blocked_reason),
        members: reading::bucket_counts(conn, workspace, hub.id)?.into_iter().collect(),
        marks: reading::marks_waiting(conn, workspace, hub.id)?,
        oldest_ready_seconds: oldest.map(|at| now.since(at).as_secs()),
        last_success: reading::last_success(conn, workspace, hub.id)?.map(Micros::to_rfc3339),
        last_synced: record.last_synced_at.map(Micros::to_rfc3339),
        id: hub.slug.to_string(),
        label: hub.label,
        app: hub.app,
        mode: hub.mode,
        paused: hub.paused,
        tasks,
        problems,
    })
}
