//! A sync (business-hubs.md section 7): the app's members read page by page into a table of their
//! own, then taken over in small transactions by the pure functions of `domain::sync`. It only reads
//! the app. Every step is kept, so that a crash, a rate limit or the end of an attempt costs a page.

mod account;
mod close;
mod daily;
mod leave;
mod list;
mod place;

use std::sync::Arc;
use std::time::Duration;

use super::connector::{AttemptContext, Connector, Failure, FailureClass};
use super::lease::Pace;
use super::outcome::End;
use super::stride::Stride;
use super::worker::Worker;
use crate::base::clock::{Micros, SharedClock};
use crate::base::ids::WorkspaceId;
use crate::base::limits::SYNC_BATCH;
use crate::domain::hub::Hub;
use crate::domain::problem::Cause;
use crate::domain::sync::{self, Counts};
use crate::domain::task::Task;
use crate::store::activity::{self, Entry};
use crate::store::sync_runs::{self, Phase, Run};
use crate::store::{StoreError, Tx, problems, sync_assets, sync_seen};

/// One attempt at a sync.
pub(super) struct SyncAttempt {
    pub(super) worker: Worker,
    pub(super) task: Task,
    /// The fencing token of the attempt.
    pub(super) epoch: i64,
    pub(super) hub: Hub,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) context: AttemptContext,
    /// How much of the list one transaction applies.
    pub(super) stride: Stride,
}

/// Why an attempt stops before its end.
enum Stop {
    /// The app failed.
    App(Failure),
    /// The database failed.
    Store(StoreError),
    /// The attempt's time is nearly over; the next one goes on.
    Later,
    /// The safeguard (R7.6), with what a person reads.
    Halted(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl SyncAttempt {
    /// Go on from where the last attempt stopped.
    pub(super) async fn run(self) -> End {
        match self.steps().await {
            Ok(()) => End::Synced,
            Err(Stop::App(failure)) => End::Answered(Err(failure)),
            // The app is not to blame, and its breaker must not learn from it.
            Err(Stop::Store(error)) => End::NoConnection(Failure::new(FailureClass::Transient, error.to_string())),
            Err(Stop::Later) => End::Unfinished,
            Err(Stop::Halted(why)) => End::Halted(why),
        }
    }

    async fn steps(&self) -> Result<(), Stop> {
        let (workspace, task) = (self.task.workspace, self.task.id);
        let found = self.worker.store.read(move |conn| sync_runs::of_task(conn, workspace, task)).await?;
        let mut run = found.ok_or(StoreError::NotFound)?;
        if run.phase == Phase::Listing {
            self.list(&mut run).await?;
            self.believe(&run).await?;
            run.phase = Phase::Placing;
            run = self.keep(run).await?;
        }
        while run.phase == Phase::Placing {
            self.in_time()?;
            run = self.place(run).await?;
        }
        while run.phase == Phase::Leaving {
            self.in_time()?;
            run = self.leave(run).await?;
        }
        Ok(())
    }

    /// Enough of the attempt is left for another step.
    fn in_time(&self) -> Result<(), Stop> {
        if self.context.left() > reserve(&self.worker.pace) { Ok(()) } else { Err(Stop::Later) }
    }

    /// [`SyncAttempt::write`] for a stretch of the list: `step` is told how many to do.
    async fn write_stretch<T, F>(&self, step: F) -> Result<T, Stop>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>, i64) -> Result<T, StoreError> + Send + 'static,
    {
        let (workspace, task, epoch) = (self.task.workspace, self.task.id, self.epoch);
        let (store, clock) = (&self.worker.store, SharedClock::clone(&self.worker.clock));
        // On PostgreSQL nobody waits for it.
        let alone = store.commits_one_by_one();
        let size = if alone { SYNC_BATCH } else { self.stride.size() };
        let (written, took) = store
            .write_stretch(move |tx| {
                let began = clock.monotonic();
                sync_runs::still_ours(tx, workspace, task, epoch)?;
                let written = step(tx, size)?;
                Ok::<_, StoreError>((written, clock.monotonic().saturating_sub(began)))
            })
            .await?;
        if !alone {
            self.stride.took(size, took);
        }
        Ok(written)
    }

    /// Write under the attempt's lease; a sync that was taken over changes nothing.
    async fn write<T, F>(&self, step: F) -> Result<T, Stop>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (workspace, task, epoch) = (self.task.workspace, self.task.id, self.epoch);
        let written = self.worker.store.write(move |tx| {
            sync_runs::still_ours(tx, workspace, task, epoch)?;
            step(tx)
        });
        Ok(written.await?)
    }

    async fn keep(&self, run: Run) -> Result<Run, Stop> {
        let workspace = self.task.workspace;
        self.write(move |tx| {
            sync_runs::save(tx, workspace, &run)?;
            Ok(run.clone())
        })
        .await
    }

    /// R7.6: what would go is counted before anything is applied.
    async fn believe(&self, run: &Run) -> Result<(), Stop> {
        let (workspace, hub, task) = (self.task.workspace, self.hub.id, self.task.id);
        let began = run.started_at.unwrap_or(self.task.created_at);
        // A person may have accepted it while the list was read.
        let (fresh, (gone, known)) = self
            .worker
            .store
            .read(move |conn| {
                let fresh = sync_runs::of_task(conn, workspace, task)?;
                Ok::<_, StoreError>((fresh, sync_seen::missing(conn, workspace, hub, task, began)?))
            })
            .await?;
        let accepted = fresh.is_some_and(|run| run.accept_removals);
        let threshold = self.hub.policy.sync_threshold_percent;
        if accepted {
            return Ok(());
        }
        let percent = |gone: i64, known: i64| gone.saturating_mul(100) / known.max(1);
        let (why, gone, known) = if run.conclusive && sync::trips(gone, known, threshold) {
            let why = format!(
                "{gone} of {known} known accounts are not in the app's list of {} ({}%, more than {threshold}%): \
                 nothing was applied",
                run.seen,
                percent(gone, known),
            );
            (why, gone, known)
        } else {
            let (held, lost) = self.assets().await?;
            if !sync::trips(lost, held, threshold) {
                return Ok(());
            }
            let why = format!(
                "{lost} of {held} assets known of accounts in the app's list are not shown on them any more, or only \
                 in part ({}%, more than {threshold}%): nothing was applied",
                percent(lost, held),
            );
            (why, lost, held)
        };
        let halted =
            Halted { workspace, hub: self.hub.clone(), task: self.task.clone(), why: why.clone(), gone, known };
        let (ids, now) = (self.worker.ids.clone(), self.worker.clock.now());
        self.write(move |tx| halted.tell(tx, ids.next(), now)).await?;
        Err(Stop::Halted(why))
    }
}

impl SyncAttempt {
    /// The assets known of accounts in the list, and how many of them the app shows no more.
    async fn assets(&self) -> Result<(i64, i64), Stop> {
        let (workspace, hub, task) = (self.task.workspace, self.hub.id, self.task.id);
        let (mut held, mut lost) = (0_i64, 0_i64);
        // Not empty: SQLite is bound a null for an empty blob.
        let mut after = vec![0];
        loop {
            let from = after.clone();
            let read = self
                .worker
                .store
                .read(move |conn| sync_assets::known_assets(conn, workspace, hub, task, &from, SYNC_BATCH));
            let Some(stretch) = read.await? else { return Ok((held, lost)) };
            let (more, gone) = sync::held_and_lost(&stretch.accounts);
            (held, lost) = (held.saturating_add(more), lost.saturating_add(gone));
            after = stretch.last;
        }
    }
}

/// The end of an attempt that is left for its last step and for recording it.
fn reserve(pace: &Pace) -> Duration {
    (pace.attempt / 4).min(Duration::from_secs(20))
}

struct Halted {
    workspace: WorkspaceId,
    hub: Hub,
    task: Task,
    why: String,
    gone: i64,
    known: i64,
}

impl Halted {
    fn tell(&self, tx: &mut Tx<'_>, id: uuid::Uuid, now: Micros) -> Result<(), StoreError> {
        problems::report(tx, self.workspace, self.hub.id, Cause::SyncHalted, &self.why, now)?;
        let detail = serde_json::json!({
            "gone": self.gone, "known": self.known, "threshold_percent": self.hub.policy.sync_threshold_percent,
        });
        record(tx, self.workspace, &self.hub, &self.task, (id, now), "sync.halted", detail)
    }
}

/// The sync's own records in the activity.
fn record(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: &Hub,
    task: &Task,
    (id, now): (uuid::Uuid, Micros),
    kind: &str,
    detail: serde_json::Value,
) -> Result<(), StoreError> {
    activity::record(
        tx,
        workspace,
        &Entry {
            id,
            at: now,
            kind,
            actor: "sync",
            target: &format!("hub:{}", hub.slug),
            hub: Some(hub.id),
            user: None,
            task: Some(task.id),
            request_id: task.request_id.as_deref(),
            detail,
            personal: None,
        },
    )
}

/// Counts as one more step of a sync found them.
fn add(all: &mut Counts, step: Counts) {
    all.found += step.found;
    all.matched += step.matched;
    all.conflicts += step.conflicts;
    all.changed += step.changed;
    all.removed += step.removed;
    all.closed += step.closed;
}
