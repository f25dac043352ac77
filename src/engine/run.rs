//! The engine as it runs in a server: a dispatcher that claims and starts attempts, a sweeper,
//! and a stop that gives leases back. Nudges make it quick, polling makes it certain.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::claim::{Claimed, Taken};
use super::planner::Planner;
use super::sealing::Sealing;
use super::worker::Worker;
use crate::base::ids::WorkspaceId;
use crate::domain::slots::Slots;
use crate::store::lanes::Company;

/// How soon a claim that met another process's lock is repeated.
const CONTENDED: Duration = Duration::from_millis(5);

/// Rounds of the sweep between two looks for syncs that are due.
const SYNCS_EVERY: u32 = 2;

/// Rounds of the sweep between two looks for tables that have grown.
const TABLES_EVERY: u32 = 3;

/// Rounds of the sweep between two looks whether it is time to look for people who left.
const LEAVERS_EVERY: u32 = 60;

/// Planner, workers and sweeper of one process.
#[derive(Clone)]
pub struct Engine {
    planner: Option<Planner>,
    worker: Arc<Worker>,
    daily: Daily,
    sealing: Option<Sealing>,
}

/// Whether syncs are queued that nobody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daily {
    /// After connecting, and once a day.
    Queued,
    /// Only when somebody asks.
    Asked,
}

impl Engine {
    /// The same, with syncs that nobody asks for or without.
    #[must_use]
    pub fn with_syncs(self, daily: Daily) -> Self {
        Self { daily, ..self }
    }

    /// Plan with `planner` and push with `worker`.
    pub fn new(planner: Planner, worker: Worker) -> Self {
        Self { planner: Some(planner), worker: Arc::new(worker), daily: Daily::Asked, sealing: None }
    }

    /// Push only; nobody turns marks into tasks.
    pub fn pushing(worker: Worker) -> Self {
        Self { planner: None, worker: Arc::new(worker), daily: Daily::Asked, sealing: None }
    }

    /// Seal the activity record beside it.
    #[must_use]
    pub fn sealing(self, sealing: Sealing) -> Self {
        Self { sealing: Some(sealing), ..self }
    }

    /// Run until `stop`; returns when every attempt has ended or its lease was given back.
    pub async fn run(self, stop: CancellationToken) {
        let sweeper = tokio::spawn(sweep(Arc::clone(&self.worker), self.daily, stop.clone()));
        let planner = self.planner.map(|planner| {
            let stop = stop.clone();
            tokio::spawn(async move { planner.run(stop).await })
        });
        let sealing = self.sealing.map(|sealing| {
            let stop = stop.clone();
            tokio::spawn(async move { sealing.run(stop).await })
        });
        dispatch(&self.worker, &stop).await;
        let _ = sweeper.await;
        if let Some(sealing) = sealing {
            let _ = sealing.await;
        }
        if let Some(planner) = planner {
            let _ = planner.await;
        }
    }
}

/// Attempts under way, whose they are, and the end of the patience for them.
#[derive(Default)]
struct Running {
    attempts: JoinSet<()>,
    owners: HashMap<Id, WorkspaceId>,
    halt: CancellationToken,
}

impl Running {
    fn start(&mut self, worker: &Arc<Worker>, tasks: Vec<Claimed>) {
        for claimed in tasks {
            let (worker, halt) = (Arc::clone(worker), self.halt.clone());
            let workspace = claimed.task.workspace;
            let attempt = self.attempts.spawn(async move { worker.attempt(claimed, &halt).await });
            self.owners.insert(attempt.id(), workspace);
        }
    }

    /// Forget the attempts that have ended.
    fn tidy(&mut self) {
        while let Some(ended) = self.attempts.try_join_next_with_id() {
            self.forget(&ended);
        }
    }

    /// Until one more has ended; never where none is under way.
    async fn one_ends(&mut self) {
        match self.attempts.join_next_with_id().await {
            Some(ended) => self.forget(&ended),
            None => std::future::pending().await,
        }
    }

    /// Ends are written down together, so that those of one commit come at once: their places are taken in
    /// one claim.
    async fn others_end(&mut self) {
        let mut left = usize::MAX;
        while self.attempts.len() < left {
            left = self.attempts.len();
            tokio::task::yield_now().await;
            self.tidy();
        }
    }

    async fn drain(&mut self) {
        while let Some(ended) = self.attempts.join_next_with_id().await {
            self.forget(&ended);
        }
    }

    fn forget(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.owners.remove(&id);
    }

    /// What is left of so many places, and for whom.
    fn slots(&self, places: usize) -> Slots {
        let mut held = BTreeMap::new();
        for workspace in self.owners.values() {
            *held.entry(*workspace).or_default() += 1;
        }
        Slots::shared(places.saturating_sub(self.attempts.len()), held)
    }
}

async fn dispatch(worker: &Arc<Worker>, stop: &CancellationToken) {
    // Before the first claim: on SQLite everything another boot left running is ours now.
    if let Err(error) = worker.call_refused_again().await {
        tracing::error!(%error, "hubs whose address was refused could not be let go on at the start");
    }
    if let Err(error) = worker.sweep().await {
        tracing::error!(%error, "leases could not be looked through at the start");
    }
    let mut running = Running::default();
    while !stop.is_cancelled() {
        running.tidy();
        let slots = running.slots(worker.pace.in_flight);
        let taken = if slots.is_empty() { Ok(Taken::default()) } else { worker.claim_for(slots, Company::Many).await };
        match taken {
            Ok(taken) if !taken.tasks.is_empty() => running.start(worker, taken.tasks),
            Ok(taken) if taken.contended => pause(stop, CONTENDED).await,
            Ok(taken) => {
                if !alone(worker, &mut running, stop).await {
                    let poll = worker.pace.poll;
                    wait(worker, &mut running, taken.next_turn.map_or(poll, |next| next.min(poll)), stop).await;
                }
            }
            Err(error) => {
                tracing::error!(%error, "tasks could not be claimed");
                pause(stop, worker.pace.poll).await;
            }
        }
    }
    let patience = tokio::time::timeout(worker.pace.farewell, running.drain()).await;
    if patience.is_err() {
        running.halt.cancel();
        running.drain().await;
    }
}

/// Run one task that processes died with, and nothing beside it. Answers whether there was one.
async fn alone(worker: &Arc<Worker>, running: &mut Running, stop: &CancellationToken) -> bool {
    let now = worker.clock.now();
    let waiting = worker
        .store
        .read(move |conn| crate::store::lanes::ready_across_workspaces(conn, Company::Alone, now, &[], 1))
        .await;
    if !waiting.is_ok_and(|hubs| !hubs.is_empty()) {
        return false;
    }
    tokio::select! {
        () = running.drain() => {}
        () = stop.cancelled() => return true,
    }
    match worker.claim(1, Company::Alone).await {
        Ok(taken) => {
            let found = !taken.tasks.is_empty();
            running.start(worker, taken.tasks);
            tokio::select! {
                () = running.drain() => {}
                () = stop.cancelled() => {}
            }
            found
        }
        Err(error) => {
            tracing::error!(%error, "a task could not be claimed");
            false
        }
    }
}

/// Until something may have become possible: a nudge, an attempt that ended, or `most` is over.
async fn wait(worker: &Worker, running: &mut Running, most: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = worker.nudge.wait_workers(most) => {}
        () = running.one_ends() => running.others_end().await,
        () = stop.cancelled() => {}
    }
}

async fn pause(stop: &CancellationToken, span: Duration) {
    tokio::select! {
        () = tokio::time::sleep(span) => {}
        () = stop.cancelled() => {}
    }
}

async fn sweep(worker: Arc<Worker>, daily: Daily, stop: CancellationToken) {
    let mut round: u32 = 0;
    while !stop.is_cancelled() {
        match worker.sweep().await {
            Ok(0) => {}
            Ok(_) => worker.nudge.workers(),
            Err(error) => tracing::error!(%error, "leases could not be looked through"),
        }
        // Counting a long queue costs; a gauge need not be newer than a few seconds.
        if round.is_multiple_of(5)
            && let Err(error) = worker.measure().await
        {
            tracing::debug!(%error, "the queue could not be measured");
        }
        if round.is_multiple_of(TABLES_EVERY)
            && let Err(error) = worker.count_tables().await
        {
            tracing::debug!(%error, "tables that have grown could not be counted");
        }
        if round.is_multiple_of(SYNCS_EVERY) {
            syncs(&worker, daily).await;
        }
        if round.is_multiple_of(LEAVERS_EVERY)
            && let Err(error) = worker.look_for_leavers().await
        {
            tracing::error!(%error, "people who left could not be looked for");
        }
        round = round.wrapping_add(1);
        pause(&stop, worker.pace.poll).await;
    }
}

async fn syncs(worker: &Worker, daily: Daily) {
    if daily == Daily::Queued {
        match worker.queue_syncs().await {
            Ok(0) => {}
            Ok(_) => worker.nudge.workers(),
            Err(error) => tracing::error!(%error, "syncs that are due could not be queued"),
        }
    }
    if let Err(error) = worker.clear_syncs().await {
        tracing::error!(%error, "what finished syncs listed could not be thrown away");
    }
}
