//! Taking back what ran out: leases of workers that died or hung, and tasks whose time came. A
//! row that cannot be taken back is passed by, so that it never hides the others.

use std::time::Duration;

use super::EngineError;
use super::finish::{self, Record};
use super::outcome::{self, Circumstances};
use super::protecting;
use super::worker::{self, Worker};
use crate::base::clock::Micros;
use crate::base::ids::TaskId;
use crate::base::limits::RETRY_CAP;
use crate::domain::guard::HoldReason;
use crate::domain::problem::Cause;
use crate::store::leases::{self, Expired};
use crate::store::{StoreError, Tx, clock_back, holds, hub_members, items, origins, problems, set_aside, statistics};

/// Leases taken back in one transaction.
const BATCH: i64 = 50;

impl Worker {
    /// One round. Answers how many tasks became claimable or were set aside.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn sweep(&self) -> Result<usize, EngineError> {
        let mut count = 0;
        let mut after: Option<(Micros, TaskId)> = None;
        loop {
            let worker = self.clone();
            let roll = self.dice.roll();
            let (found, taken, last) = self
                .store
                .write(move |tx| {
                    let holder = worker.holder(tx)?;
                    let expired = leases::expired_across_workspaces(tx, &holder, after, BATCH)?;
                    let mut taken = 0;
                    for expired in &expired {
                        taken += take_back(&worker, tx, expired, roll)?;
                    }
                    let last = expired.last().map(|expired| (expired.until, expired.task.id));
                    Ok::<_, StoreError>((expired.len(), taken, last))
                })
                .await?;
            count += taken;
            if found < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                break;
            }
            after = last;
        }
        let (now, worker) = (self.clock.now(), self.clone());
        count += self
            .store
            .write(move |tx| {
                if let Some(jump) = clock_back::notice_across_workspaces(tx, now)? {
                    tracing::warn!(
                        seconds = jump.as_secs(),
                        "the clock was set back; what waited for a time moves along"
                    );
                }
                let ready = leases::release_waiting_across_workspaces(tx, now)?;
                hub_members::expire_invitations_across_workspaces(tx, now)?;
                protecting::end_over(&worker, tx, now)?;
                items::give_times_across_workspaces(tx)?;
                Ok::<_, StoreError>(ready + set_aside::probe_across_workspaces(tx, RETRY_CAP, now)?)
            })
            .await?;
        Ok(count)
    }

    /// Let PostgreSQL learn of tables that have just grown.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn count_tables(&self) -> Result<(), EngineError> {
        let counted = self.store.look(statistics::count_grown).await?;
        if !counted.is_empty() {
            tracing::debug!(tables = counted.join(", "), "PostgreSQL counted tables that had grown");
        }
        Ok(())
    }

    /// Tell the meter how long the queue is, what the guard holds and what is broken.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn measure(&self) -> Result<(), EngineError> {
        let now = self.clock.now();
        let (queue, held, problems, overdue, foreign) = self
            .store
            .read(move |conn| {
                let queue = leases::queue_across_workspaces(conn, now)?;
                let held = holds::waiting_across_workspaces(conn)?;
                let overdue = items::overdue_across_workspaces(conn, now)?;
                let foreign = origins::foreign_across_workspaces(conn)?;
                Ok::<_, StoreError>((queue, held, problems::open_across_workspaces(conn)?, overdue, foreign))
            })
            .await?;
        let (ready, oldest) = queue;
        self.meter.queue(ready, oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)));
        let (items, first) = overdue;
        self.meter.foreign_records(foreign);
        self.meter.overdue(items, first.map_or(Duration::ZERO, |first| now.since(first)));
        // Every word each time: what is over must fall to zero.
        for reason in HoldReason::ALL {
            let found = held.iter().find(|(word, _, _)| word == reason.as_str());
            let (tasks, oldest) = found.map_or((0, Duration::ZERO), |(_, tasks, at)| (*tasks, now.since(*at)));
            self.meter.held(reason, tasks, oldest);
        }
        for cause in Cause::ALL {
            let found = problems.iter().find(|(word, _)| word == cause.as_str());
            self.meter.problems(cause, found.map_or(0, |(_, hubs)| *hubs));
        }
        Ok(())
    }
}

fn take_back(worker: &Worker, tx: &mut Tx<'_>, expired: &Expired, roll: f64) -> Result<usize, StoreError> {
    let task = &expired.task;
    let now = worker.clock.now();
    let around = Circumstances { sent: true, sent_before: true, roll, age: now.since(task.created_at) };
    let verdict = outcome::crash(task, "the attempt did not come to its end", around);
    let (hub, instructions) = worker::by_hand(worker, tx, task);
    // A dead process's last request may still be under way: nobody looks at the app before it
    // must have ended. On PostgreSQL, and after a hang, the lease's end has seen to that.
    let over = Micros(task.modified_at.0.min(now.0)).plus(worker.pace.lease());
    let record = Record {
        lease: expired.lease,
        task,
        hub: hub.as_ref(),
        secrets_set: None,
        verdict: &verdict,
        instructions: &instructions,
        earliest: Some(over),
        actor: "sweep",
        ids: &worker.ids,
        now,
    };
    match finish::write(tx, &record) {
        Ok(()) => {
            tracing::warn!(task = %task.id, crashes = task.crashes + 1, "took back a task whose lease ran out");
            Ok(1)
        }
        Err(StoreError::LeaseLost(_)) => Ok(0),
        Err(other) => Err(other),
    }
}
