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
use crate::base::clock::SharedClock;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::limits::PLAN_BATCH;
use crate::base::nudge::Nudge;
use crate::base::random::Ids;
use crate::domain::catalog::Catalog;
use crate::store::facts::{self, Due};
use crate::store::wide_marks::{self, Expanded};
use crate::store::{Store, StoreError};

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
        for Due { workspace, hub, wide } in
            self.store.look(move |conn| facts::due_hubs_across_workspaces(conn, now)).await?
        {
            let (mut more, mut wide) = (false, wide);
            // What comes while this goes on has a nudge of its own.
            loop {
                // Marks of the last expansion first.
                if wide && !more {
                    match self.expand(workspace, hub).await? {
                        // A finished wide mark over nobody is progress too.
                        Expanded::Some(marks) => done.expanded += marks.max(1),
                        Expanded::Nothing => wide = false,
                    }
                }
                let batch = self.plan(workspace, hub).await?;
                if batch.step.tasks > batch.step.held {
                    self.nudge.workers();
                }
                done.add(batch.step);
                more = batch.more;
                if !wide && !more {
                    break;
                }
            }
        }
        Ok(done)
    }

    /// One batch of a hub's wide marks.
    async fn expand(&self, workspace: WorkspaceId, hub: HubId) -> Result<Expanded, StoreError> {
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                if facts::lock_hub(tx, workspace, hub)? {
                    wide_marks::expand_batch(tx, workspace, hub, now)
                } else {
                    Ok(Expanded::Nothing)
                }
            })
            .await
    }

    /// On PostgreSQL nobody waits for a batch but another planner of the hub.
    async fn plan(&self, workspace: WorkspaceId, hub: HubId) -> Result<Batch, StoreError> {
        let now = self.clock.now();
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
