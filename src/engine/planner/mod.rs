//! Turns due marks into tasks: loads facts, asks the pure functions of `domain`, writes the tasks
//! in the transaction that deletes the marks. One planner per hub at a time, cluster-wide; no
//! transaction is longer than a batch; nothing here calls an app.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

mod batch;
mod guarding;
mod nesting;
mod record;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use super::stride::Stride;
use crate::base::clock::{Micros, SharedClock};
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::limits::PLAN_BATCH;
use crate::base::nudge::Nudge;
use crate::base::random::Ids;
use crate::domain::catalog::Catalog;
use crate::store::wide_marks::{self, Expanded};
use crate::store::{Store, StoreError, facts};

/// How long a lost nudge can cost.
const POLL: Duration = Duration::from_millis(500);
/// How long to rest after the database failed.
const REST: Duration = Duration::from_secs(1);

/// Plans what is due.
#[derive(Clone)]
pub struct Planner {
    store: Store,
    apps: Arc<Catalog>,
    clock: SharedClock,
    ids: Ids,
    nudge: Nudge,
    stride: Stride,
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlannerStep {
    /// Pairs looked at.
    pub planned: usize,
    /// Marks made from wide marks.
    pub expanded: usize,
    /// Tasks written, held ones among them.
    pub tasks: usize,
    /// Tasks written as held.
    pub held: usize,
    /// Tasks withdrawn or replaced before they started.
    pub superseded: usize,
}

impl PlannerStep {
    fn add(&mut self, other: Self) {
        self.planned += other.planned;
        self.expanded += other.expanded;
        self.tasks += other.tasks;
        self.held += other.held;
        self.superseded += other.superseded;
    }
}

impl Planner {
    /// A planner over `store` for the apps of the catalog.
    pub fn new(store: Store, apps: Arc<Catalog>, clock: SharedClock, ids: Ids, nudge: Nudge) -> Self {
        // Before the guard a batch counts its whole hub, however few people it has: 20 ms where there are
        // 50,000. In eighths that made planning five times slower, and nobody's wait shorter by half.
        Self { store, apps, clock, ids, nudge, stride: Stride::new(PLAN_BATCH / 2, PLAN_BATCH) }
    }

    /// Plan everything that is due now, hub by hub, a batch at a time.
    ///
    /// # Errors
    /// [`StoreError`] of the first batch that failed; the batches before it are committed.
    pub async fn step(&self) -> Result<PlannerStep, StoreError> {
        let mut done = PlannerStep::default();
        let now = self.clock.now();
        let hubs = self.store.read(move |conn| facts::due_hubs_across_workspaces(conn, now)).await?;
        for (workspace, hub) in hubs {
            let mut more = false;
            loop {
                let round = self.round(workspace, hub, more).await?;
                done.add(round.step);
                if round.step.planned == 0 && round.step.expanded == 0 {
                    break;
                }
                more = round.more;
            }
        }
        Ok(done)
    }

    /// One batch of a hub's wide marks, unless marks of theirs are left, then one batch of its marks.
    async fn round(&self, workspace: WorkspaceId, hub: HubId, left: bool) -> Result<Batch, StoreError> {
        let now = self.clock.now();
        let expanded = if left {
            Expanded::Nothing
        } else {
            self.store
                .write(move |tx| {
                    if facts::lock_hub(tx, workspace, hub)? {
                        wide_marks::expand_batch(tx, workspace, hub, now)
                    } else {
                        Ok::<_, StoreError>(Expanded::Nothing)
                    }
                })
                .await?
        };
        let mut batch = self.plan(workspace, hub, now).await?;
        if batch.step.tasks > batch.step.held {
            self.nudge.workers();
        }
        if let Expanded::Some(marks) = expanded {
            // A finished wide mark over nobody is progress too.
            batch.step.expanded = marks.max(1);
        }
        Ok(batch)
    }

    /// On PostgreSQL nobody waits for a batch but another planner of the hub.
    async fn plan(&self, workspace: WorkspaceId, hub: HubId, now: Micros) -> Result<Batch, StoreError> {
        let alone = self.store.commits_one_by_one();
        let size = if alone { PLAN_BATCH } else { self.stride.size() };
        let (apps, ids, clock) = (Arc::clone(&self.apps), self.ids.clone(), Arc::clone(&self.clock));
        let (batch, took) = self
            .store
            .write_stretch(move |tx| {
                let began = clock.monotonic();
                let batch = batch::plan_batch(tx, workspace, hub, &apps, &ids, (now, size))?;
                Ok::<_, StoreError>((batch, clock.monotonic().saturating_sub(began)))
            })
            .await?;
        if !alone && batch.step.planned > 0 {
            self.stride.took(i64::try_from(batch.step.planned).unwrap_or(size), took);
        }
        Ok(batch)
    }

    /// Plan whenever nudged, and every half second, until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            let rest = match self.step().await {
                Ok(step) => {
                    if step.tasks > 0 || step.superseded > 0 {
                        tracing::info!(
                            planned = step.planned,
                            tasks = step.tasks,
                            held = step.held,
                            superseded = step.superseded,
                            "planned {} tasks for {} pairs",
                            step.tasks,
                            step.planned,
                        );
                    }
                    POLL
                }
                Err(error) => {
                    tracing::error!(error = %error, "planning failed, will go on in a moment");
                    REST
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.nudge.wait_planner(rest) => {}
            }
        }
    }
}
