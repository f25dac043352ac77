//! Running one attempt: connect, look first where something may have been sent, act, record. No
//! transaction is open while the app is called.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::EngineError;
use super::claim::{Claimed, Ground};
use super::connector::{AttemptContext, Connector, Connectors, Failure, FailureClass, Seen, Steps};
use super::lease::Pace;
use super::outcome::{self, Circumstances, End, Verdict};
use super::recording::{Ending, Pen, Recording};
use super::steps::Noting;
use super::stride::Stride;
use super::sync::SyncAttempt;
use crate::base::clock::SharedClock;
use crate::base::ids::{BootId, HubId, WorkspaceId};
use crate::base::limits::SYNC_BATCH;
use crate::base::nudge::Nudge;
use crate::base::random::{Ids, SharedDice};
use crate::base::secret::SecretString;
use crate::domain::guard::HoldReason;
use crate::domain::hub::Hub;
use crate::domain::problem::Cause;
use crate::domain::task::{Effect, Task, TaskKind};
use crate::store::lanes::Company;
use crate::store::secrets::{self, Stored};
use crate::store::{DbConn, Store, StoreError, hubs, leases};

/// Opens the secrets of a hub, which are stored so.
pub type SecretReader =
    Arc<dyn Fn(WorkspaceId, HubId, Vec<Stored>) -> Result<BTreeMap<String, SecretString>, StoreError> + Send + Sync>;

/// Counts what happens; the engine knows no metrics library.
pub trait Meter: Send + Sync + fmt::Debug {
    /// An attempt ended.
    fn attempt(&self, kind: TaskKind, outcome: &'static str, took: Duration);
    /// How many tasks are ready, and how long the oldest has been.
    fn queue(&self, ready: i64, oldest: Duration);
    /// How many tasks the guard holds for a reason, and how long the oldest batch has waited.
    fn held(&self, reason: HoldReason, tasks: i64, oldest: Duration);
    /// How many hubs have an open problem of this cause.
    fn problems(&self, cause: Cause, hubs: i64);
    /// How many items for a person are past their time, and since when the first of them.
    fn overdue(&self, items: i64, first: Duration);
    /// How many activity records are not ours.
    fn foreign_records(&self, records: i64);
}

/// Counts nothing.
#[derive(Debug, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn attempt(&self, _kind: TaskKind, _outcome: &'static str, _took: Duration) {}
    fn queue(&self, _ready: i64, _oldest: Duration) {}
    fn held(&self, _reason: HoldReason, _tasks: i64, _oldest: Duration) {}
    fn problems(&self, _cause: Cause, _hubs: i64) {}
    fn overdue(&self, _items: i64, _first: Duration) {}
    fn foreign_records(&self, _records: i64) {}
}

/// What attempts are made with.
#[derive(Clone)]
pub struct Worker {
    /// The database.
    pub store: Store,
    /// Builds connectors.
    pub connectors: Arc<dyn Connectors>,
    /// Opens secrets.
    pub secrets: SecretReader,
    /// Time.
    pub clock: SharedClock,
    /// New ids.
    pub ids: Ids,
    /// Jitter.
    pub dice: SharedDice,
    /// Wakes the planner when a wish waited.
    pub nudge: Nudge,
    /// Where a fault test may stop the process.
    pub steps: Arc<dyn Steps>,
    /// This run of the process.
    pub boot: BootId,
    /// Times and sizes.
    pub pace: Pace,
    /// Counters.
    pub meter: Arc<dyn Meter>,
    /// Where the ends of its attempts gather.
    pub recording: Recording,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("boot", &self.boot).field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl Worker {
    /// Claim once and run what was claimed to its end; answers how many tasks that were.
    ///
    /// # Errors
    /// [`EngineError::Store`] when the claim failed; attempts report their own trouble.
    pub async fn step(&self) -> Result<usize, EngineError> {
        let taken = self.claim(self.pace.in_flight, Company::Many).await?;
        let mut count = self.run_all(taken.tasks).await;
        if count == 0 {
            count = self.run_all(self.claim(1, Company::Alone).await?.tasks).await;
        }
        Ok(count)
    }

    async fn run_all(&self, tasks: Vec<Claimed>) -> usize {
        let never = CancellationToken::new();
        let running: Vec<_> = tasks
            .into_iter()
            .map(|claimed| {
                let (worker, never) = (self.clone(), never.clone());
                tokio::spawn(async move { worker.attempt(claimed, &never).await })
            })
            .collect();
        let count = running.len();
        for attempt in running {
            let _ = attempt.await;
        }
        count
    }

    /// Make one attempt and record how it ended. `halt` is the end of a stopping server's
    /// patience: the attempt is given up and the lease given back.
    pub async fn attempt(&self, claimed: Claimed, halt: &CancellationToken) {
        let task = &claimed.task;
        let span = tracing::info_span!(
            "attempt",
            task.id = %task.id,
            epoch = claimed.lease.epoch,
            kind = task.effect.kind.as_str(),
            hub.id = %task.hub,
            request.id = task.request_id.as_deref(),
        );
        self.run(claimed, halt).instrument(span).await;
    }

    async fn run(&self, claimed: Claimed, halt: &CancellationToken) {
        let began = self.clock.monotonic();
        self.steps.reached("claimed");
        let task = &claimed.task;
        let found = claimed.ground.get_or_try_init(|| self.ground(task.workspace, task.hub)).await;
        let mut secrets_set = None;
        let (hub, noting, end) = match found {
            Ok(Ground { hub, secrets_set: set, secrets }) => {
                secrets_set = *set;
                let noting = Arc::new(Noting::new(Arc::clone(&self.steps)));
                let connected = match secrets {
                    Ok(secrets) => self.connectors.connect(hub, secrets),
                    Err(error) => Err(Failure::new(FailureClass::AuthBroken, error.to_string())),
                };
                let end = match connected {
                    Ok(connector) => self.call(connector, hub, &claimed, &noting, halt).await,
                    Err(failure) => End::NoConnection(failure),
                };
                (Some(hub.clone()), Some(noting), end)
            }
            Err(StoreError::NotFound) => (None, None, End::HubGone),
            Err(error) => {
                let failure = Failure::new(FailureClass::Transient, error.to_string());
                (None, None, End::NoConnection(failure))
            }
        };
        let around = Circumstances {
            sent: noting.as_ref().is_some_and(|noting| noting.sent()),
            sent_before: noting.is_some_and(|noting| noting.sent_before()),
            roll: self.dice.roll(),
            age: self.clock.now().since(task.created_at),
        };
        let verdict = outcome::judge(task, end, around);
        let took = self.clock.monotonic().saturating_sub(began);
        self.meter.attempt(task.effect.kind, verdict.ended.outcome, took);
        tracing::debug!(
            outcome = verdict.ended.outcome,
            class = verdict.ended.error_class,
            seconds = took.as_secs_f64(),
            "attempt ended"
        );
        self.record(&claimed, hub, secrets_set, verdict).await;
    }

    async fn ground(&self, workspace: WorkspaceId, hub: HubId) -> Result<Ground, StoreError> {
        let found = self.store.look(move |conn| secrets::with_hub(conn, workspace, hub)).await?;
        let secrets = (self.secrets)(workspace, hub, found.stored);
        Ok(Ground { hub: found.hub, secrets_set: found.last_set, secrets })
    }

    async fn call(
        &self,
        connector: Arc<dyn Connector>,
        hub: &Hub,
        claimed: &Claimed,
        noting: &Arc<Noting>,
        halt: &CancellationToken,
    ) -> End {
        let task = &claimed.task;
        let steps: Arc<dyn Steps> = noting.clone();
        let context = AttemptContext {
            op_id: format!("{}.{}", task.id, claimed.lease.epoch),
            request_id: task.request_id.clone(),
            deadline: claimed.deadline,
            clock: Arc::clone(&self.clock),
            steps,
        };
        let left = context.left();
        let (effect, verify_first) = (task.effect.clone(), task.verify_first);
        // A task of its own, so that a panic ends the attempt and nothing else.
        let mut running = match effect.kind {
            TaskKind::Sync => {
                let (worker, task, hub) = (self.clone(), task.clone(), hub.clone());
                let stride = Stride::new(SYNC_BATCH / 8, SYNC_BATCH);
                let sync = SyncAttempt { worker, task, epoch: claimed.lease.epoch, hub, connector, context, stride };
                tokio::spawn(sync.run().in_current_span())
            }
            TaskKind::Add | TaskKind::UpdateRole | TaskKind::Remove => {
                let acting = async move { act(&*connector, &effect, verify_first, &context).await };
                tokio::spawn(acting.in_current_span())
            }
        };
        let shown = tokio::time::sleep(self.pace.shown_after);
        let deadline = tokio::time::sleep(left);
        tokio::pin!(shown, deadline);
        let mut is_shown = false;
        loop {
            tokio::select! {
                done = &mut running => return ended(done),
                () = &mut deadline => return self.give_up(&running, noting),
                () = halt.cancelled() => {
                    running.abort();
                    return End::Stopped;
                }
                () = &mut shown, if !is_shown => {
                    is_shown = true;
                    self.show(claimed).await;
                }
            }
        }
    }

    /// Past its deadline an attempt is left alone: what it may still do is looked at first next
    /// time, and not before the lease is over.
    fn give_up(&self, running: &JoinHandle<End>, noting: &Noting) -> End {
        running.abort();
        let class = if noting.sent() { FailureClass::Ambiguous } else { FailureClass::Transient };
        End::Answered(Err(Failure::new(class, "the attempt took longer than it may")))
    }

    async fn show(&self, claimed: &Claimed) {
        let (lease, now) = (claimed.lease, self.clock.now());
        if let Err(error) = self.store.write(move |tx| leases::show_running(tx, &lease, now)).await {
            tracing::debug!(%error, "a long attempt could not be shown as running");
        }
    }

    /// Write the end down. A store that does not answer is asked again while the lease lasts;
    /// after that the sweep takes the task back and the app is looked at first.
    async fn record(&self, claimed: &Claimed, hub: Option<Hub>, secrets_set: Option<i64>, verdict: Verdict) {
        let instructions = hub.as_ref().map(|hub| self.connectors.instructions(hub, &claimed.task)).unwrap_or_default();
        let lease = claimed.lease;
        let ending = Arc::new(Ending { lease, task: claimed.task.clone(), hub, secrets_set, verdict, instructions });
        let pen = Pen { store: &self.store, ids: &self.ids, clock: &self.clock };
        loop {
            self.steps.reached("before_record");
            let written = self.recording.write(&pen, &ending).await;
            match written {
                Ok(()) => break,
                Err(StoreError::LeaseLost(task)) => {
                    tracing::warn!(%task, epoch = lease.epoch, "the lease was taken over; the result is dropped");
                    return;
                }
                Err(error) if self.clock.monotonic() < claimed.deadline => {
                    tracing::warn!(task = %lease.task, %error, "the end of an attempt could not be recorded yet");
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                Err(error) => {
                    tracing::error!(task = %lease.task, %error, "the end of an attempt could not be recorded");
                    return;
                }
            }
        }
        self.steps.reached("after_record");
        self.nudge.planner();
    }
}

async fn act(connector: &dyn Connector, effect: &Effect, verify_first: bool, context: &AttemptContext) -> End {
    if verify_first {
        match connector.verify(effect, context).await {
            Ok(Seen::Holds(member)) => return End::Verified(member),
            Ok(Seen::DoesNotHold(_)) => {}
            Ok(Seen::Unknown) => match effect.kind {
                // Twice an invitation is one too many; the same role or removal twice is one.
                TaskKind::Add => return End::CannotTell,
                TaskKind::UpdateRole | TaskKind::Remove | TaskKind::Sync => {}
            },
            Err(failure) => return End::Answered(Err(failure)),
        }
    }
    End::Answered(connector.apply(effect, context).await)
}

fn ended(done: Result<End, JoinError>) -> End {
    match done {
        Ok(end) => end,
        Err(error) if error.is_panic() => End::Panicked,
        Err(_) => End::Stopped,
    }
}

/// The instructions and the hub for a task that is taken back.
pub(super) fn by_hand(worker: &Worker, conn: &mut DbConn, task: &Task) -> (Option<Hub>, String) {
    match hubs::load(conn, task.workspace, task.hub) {
        Ok(hub) => {
            let instructions = worker.connectors.instructions(&hub, task);
            (Some(hub), instructions)
        }
        Err(_) => (None, String::new()),
    }
}
