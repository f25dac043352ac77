//! The workspace at a glance: hubs with their tasks, sources with their last request, what is
//! held, what is broken.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;

use super::heard::Heard;
use super::hub_standing::Standing;
use super::owners::{self, Attention};
use super::sources::SourceView;
use super::waiting::WaitingView;
use super::workspaces::WorkspaceView;
use super::{Caller, Context, ServiceError};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::limits::TOKEN_EXPIRES_SOON;
use crate::domain::caller::Sight;
use crate::domain::task::TaskStatus;
use crate::store::health::{self, Health};
use crate::store::hubs::{self as hub_rows, HubRecord};
use crate::store::sources::{self, Source};
use crate::store::status::{self as counts, LivingToken, Ready, Removals};
use crate::store::{DbConn, StoreError, deliveries, items, lanes, pausing, problems, reading, waits, workspaces};

pub use crate::domain::hub::HubMode;
pub use crate::domain::hub_status::HubStatus as HubStanding;

/// Problems shown in one answer.
const PROBLEMS: i64 = 1_000;

/// Closed tasks are counted that far back.
const LATELY: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// Tasks of the workspace by status: all open ones, and the closed ones of those that were
    /// planned within the last 24 hours. Statuses without tasks are left out.
    pub tasks: BTreeMap<String, i64>,
    /// Tasks that a person must release or reject.
    pub held: i64,
    /// Items for a person that are past their time.
    pub overdue: i64,
    /// Open problems.
    pub problems: usize,
    /// What about the workspace's people somebody must see to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<Attention>,
    /// What the world does not hear.
    pub not_told: NotTold,
    /// Hubs.
    pub hubs: Vec<HubStatus>,
    /// IdP connections, and how they fare.
    pub sources: Vec<SourceStatus>,
}

/// Events that do not reach who wants to hear of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NotTold {
    /// Deliveries that were given up; a person can replay them.
    pub dead_deliveries: i64,
    /// Endpoints that said they are gone.
    pub webhooks_off: i64,
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
    /// Until when its app refuses changes, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingView>,
    /// Open tasks by status; statuses without tasks are left out.
    pub tasks: BTreeMap<String, i64>,
    /// Accounts in the app by bucket; empty where they were not counted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, i64>,
    /// Items for a person that are past their time.
    pub overdue: i64,
    /// Pairs the planner has still to look at.
    pub marks: i64,
    /// How long the oldest task that could run has waited, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_ready_seconds: Option<u64>,
    /// The batch under way; absent while nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressView>,
    /// Removals that are not through; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished_removals: Option<RemovalsView>,
    /// Open problems.
    pub problems: usize,
    /// Attempts in a row that failed since the last success.
    pub error_streak: i64,
    /// When a task last completed, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// When a sync last completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_synced: Option<String>,
    /// How it stands, and so who must act (docs/api.md).
    pub status: HubStanding,
}

/// How far a hub's batch is: what was planned for it in one go, or with short pauses.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ProgressView {
    /// Tasks that are closed.
    pub done: i64,
    /// All of them, without those that wait for a person or a time.
    pub total: i64,
    /// How long ago the first one was planned.
    pub since_seconds: u64,
}

/// Removals that are not through, whatever they wait for.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RemovalsView {
    /// How many.
    pub count: i64,
    /// How long ago the oldest was planned.
    pub oldest_seconds: u64,
}

/// An IdP connection and how it fares.
#[derive(Clone, Debug, Serialize)]
pub struct SourceStatus {
    /// The connection.
    #[serde(flatten)]
    pub source: SourceView,
    /// When a SCIM request was last carried out, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// SCIM requests in a row that were refused or failed since.
    pub error_streak: i64,
    /// Living tokens of scope `scim`.
    pub tokens: i64,
    /// When the one in use expires (the one used last; while none was used, the first that
    /// expires); absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_expires: Option<String>,
    /// Whether that is within 14 days: the IdP will be locked out then.
    pub token_expires_soon: bool,
}

/// What an overview counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Everything.
    Whole,
    /// Nothing that grows with the number of accounts: for those who look every second.
    Glance,
}

/// The state of the caller's workspace.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn overview(context: &Context, caller: &Caller, depth: Depth) -> Result<Overview, ServiceError> {
    let (workspace, now) = (caller.workspace, context.clock.now());
    let (heard, catalog, sight) = (context.heard.clone(), context.catalog.clone(), caller.sight.clone());
    context
        .store
        .read(move |conn| {
            let own = workspaces::load(conn, workspace)?;
            let mut counted = Counted::read(conn, workspace, now)?;
            if sight.narrowed().is_some() {
                counted.narrow(&sight);
            }
            let standing = Standing::read(conn, workspace, &catalog, now)?;
            let (dead_deliveries, webhooks_off) = deliveries::not_heard(conn, workspace)?;
            let mut hubs = Vec::new();
            for record in hub_rows::records(conn, workspace)?.into_iter().filter(|record| sight.runs(record.hub.id)) {
                hubs.push(hub_view(conn, workspace, (record, &standing), &mut counted, now, depth)?);
            }
            Ok(Overview {
                version: env!("CARGO_PKG_VERSION"),
                workspace: own.into(),
                now: now.to_rfc3339(),
                paused: pausing::is_installation_paused(conn)?,
                overdue: counted.overdue.values().sum(),
                held: counted.all.get(TaskStatus::Held.as_str()).copied().unwrap_or(0),
                problems: counted.problems.values().sum(),
                attention: match sight {
                    Sight::Everything => owners::attention(conn, workspace, &catalog, now)?,
                    Sight::Theirs(_) | Sight::Nothing => Vec::new(),
                },
                not_told: NotTold { dead_deliveries, webhooks_off },
                tasks: counted.all,
                hubs,
                sources: match sight {
                    Sight::Everything => source_status(conn, workspace, &heard, now)?,
                    Sight::Theirs(_) | Sight::Nothing => Vec::new(),
                },
            })
        })
        .await
}

/// What is counted for all hubs at once.
struct Counted {
    all: BTreeMap<String, i64>,
    tasks: HashMap<HubId, BTreeMap<String, i64>>,
    ready: HashMap<HubId, Ready>,
    removals: HashMap<HubId, Removals>,
    problems: HashMap<HubId, usize>,
    health: HashMap<HubId, Health>,
    overdue: HashMap<HubId, i64>,
}

impl Counted {
    /// Only of hubs that are shown; what was closed lately is counted for the whole workspace alone.
    fn narrow(&mut self, sight: &Sight) {
        self.tasks.retain(|hub, _| sight.runs(*hub));
        self.problems.retain(|hub, _| sight.runs(*hub));
        self.overdue.retain(|hub, _| sight.runs(*hub));
        self.all.clear();
        for (status, count) in self.tasks.values().flatten() {
            *self.all.entry(status.clone()).or_default() += *count;
        }
    }

    fn read(conn: &mut DbConn, workspace: WorkspaceId, now: Micros) -> Result<Self, StoreError> {
        let ready: HashMap<HubId, Ready> = counts::ready(conn, workspace, now)?.into_iter().collect();
        let mut tasks: HashMap<HubId, BTreeMap<String, i64>> = HashMap::new();
        for (hub, ready) in &ready {
            tasks.entry(*hub).or_default().insert(TaskStatus::Queued.as_str().to_owned(), ready.count);
        }
        for (hub, status, count) in counts::beside_the_queue(conn, workspace)? {
            let of_hub = tasks.entry(hub).or_default();
            if status == TaskStatus::Retrying
                && let Some(queued) = of_hub.get_mut(TaskStatus::Queued.as_str())
            {
                *queued = queued.saturating_sub(count);
            }
            of_hub.insert(status.as_str().to_owned(), count);
        }
        let mut all: BTreeMap<String, i64> = BTreeMap::new();
        for of_hub in tasks.values_mut() {
            of_hub.retain(|_, count| *count > 0);
            for (status, count) in of_hub {
                *all.entry(status.clone()).or_default() += *count;
            }
        }
        for (status, count) in counts::closed_since(conn, workspace, now.minus(LATELY))? {
            if count > 0 {
                all.insert(status.as_str().to_owned(), count);
            }
        }
        let mut problems: HashMap<HubId, usize> = HashMap::new();
        for problem in problems::open(conn, workspace, PROBLEMS)? {
            *problems.entry(problem.hub).or_default() += 1;
        }
        let removals = counts::unfinished_removals(conn, workspace)?.into_iter().collect();
        let overdue = items::overdue(conn, workspace, now)?.into_iter().collect();
        Ok(Self { all, tasks, ready, removals, problems, health: health::of_hubs(conn, workspace)?, overdue })
    }
}

fn hub_view(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    (record, standing): (HubRecord, &Standing<'_>),
    counted: &mut Counted,
    now: Micros,
    depth: Depth,
) -> Result<HubStatus, ServiceError> {
    let status = standing.of(&record);
    let hub = record.hub;
    let tasks = counted.tasks.remove(&hub.id).unwrap_or_default();
    let moves = ["queued", "retrying", "started", "running"].iter().any(|status| tasks.contains_key(*status));
    let progress = if moves { counts::progress(conn, workspace, hub.id)? } else { None };
    let health = counted.health.get(&hub.id).copied().unwrap_or_default();
    let members = match depth {
        Depth::Whole => reading::bucket_counts(conn, workspace, hub.id)?.into_iter().collect(),
        Depth::Glance => BTreeMap::new(),
    };
    Ok(HubStatus {
        status,
        waiting: waits::current(conn, workspace, hub.id, now)?.as_ref().map(WaitingView::of),
        blocked: lanes::load(conn, workspace, hub.id)?.and_then(|lane| lane.blocked_reason),
        members,
        overdue: counted.overdue.get(&hub.id).copied().unwrap_or(0),
        marks: reading::marks_waiting(conn, workspace, hub.id)?,
        oldest_ready_seconds: counted.ready.get(&hub.id).and_then(|r| r.oldest).map(|at| now.since(at).as_secs()),
        progress: progress.filter(|batch| batch.done < batch.total).map(|batch| ProgressView {
            done: batch.done,
            total: batch.total,
            since_seconds: now.since(batch.since).as_secs(),
        }),
        unfinished_removals: counted.removals.get(&hub.id).map(|removals| RemovalsView {
            count: removals.count,
            oldest_seconds: now.since(removals.oldest).as_secs(),
        }),
        problems: counted.problems.get(&hub.id).copied().unwrap_or(0),
        error_streak: health.error_streak,
        last_success: health.last_success.map(Micros::to_rfc3339),
        last_synced: record.last_synced_at.map(Micros::to_rfc3339),
        id: hub.slug.to_string(),
        label: hub.label,
        app: hub.app,
        mode: hub.mode,
        paused: hub.paused,
        tasks,
    })
}

fn source_status(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    heard: &Heard,
    now: Micros,
) -> Result<Vec<SourceStatus>, StoreError> {
    let stored = health::of_sources(conn, workspace)?;
    let living = counts::living_tokens(conn, workspace, now)?;
    let view = |source: Source| {
        let id = source.id;
        let health = heard.with(workspace, id, stored.get(&id).copied().unwrap_or_default());
        let tokens: Vec<&LivingToken> = living.iter().filter(|token| token.source == id).collect();
        let ends = counts::end_of_use(&tokens);
        SourceStatus {
            source: source.into(),
            last_success: health.last_success.map(Micros::to_rfc3339),
            error_streak: health.error_streak,
            tokens: i64::try_from(tokens.len()).unwrap_or(i64::MAX),
            token_expires: ends.map(Micros::to_rfc3339),
            token_expires_soon: ends.is_some_and(|end| end <= now.plus(TOKEN_EXPIRES_SOON)),
        }
    };
    Ok(sources::list(conn, workspace)?.into_iter().map(view).collect())
}
