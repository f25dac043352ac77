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

use crate::base::clock::SharedClock;
use crate::base::ids::{HubId, WorkspaceId};
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
        Self { store, apps, clock, ids, nudge }
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
            loop {
                let round = self.round(workspace, hub).await?;
                done.add(round);
                if round.planned == 0 && round.expanded == 0 {
                    break;
                }
            }
        }
        Ok(done)
    }

    /// One batch of a hub's wide marks, then one batch of its marks.
    async fn round(&self, workspace: WorkspaceId, hub: HubId) -> Result<PlannerStep, StoreError> {
        let now = self.clock.now();
        let expanded = self
            .store
            .write(move |tx| {
                if facts::lock_hub(tx, workspace, hub)? {
                    wide_marks::expand_batch(tx, workspace, hub, now)
                } else {
                    Ok::<_, StoreError>(Expanded::Nothing)
                }
            })
            .await?;
        let (apps, ids) = (Arc::clone(&self.apps), self.ids.clone());
        let mut step = self.store.write(move |tx| batch::plan_batch(tx, workspace, hub, &apps, &ids, now)).await?;
        if step.tasks > step.held {
            self.nudge.workers();
        }
        if let Expanded::Some(marks) = expanded {
            // A finished wide mark over nobody is progress too.
            step.expanded = marks.max(1);
        }
        Ok(step)
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
