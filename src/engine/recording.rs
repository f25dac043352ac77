//! Ends of attempts that arrive together are written down together: a transaction of its own for each
//! would cost a dozen round trips and a commit on PostgreSQL, and on both what belongs to the hub
//! again and again. While one transaction is under way the next ones gather; nobody waits for company
//! that may not come.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::finish::{self, Record};
use super::finish_many::{self, Written};
use super::outcome::Verdict;
use crate::base::clock::SharedClock;
use crate::base::limits::ENDS_TOGETHER;
use crate::base::random::Ids;
use crate::domain::hub::Hub;
use crate::domain::task::Task;
use crate::store::leases::Lease;
use crate::store::{Store, StoreError, Tx};

/// How an attempt of this process ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub lease: Lease,
    pub task: Task,
    /// `None` when the hub is gone.
    pub hub: Option<Hub>,
    /// When a secret of the hub was last set, as the attempt began.
    pub secrets_set: Option<i64>,
    pub verdict: Verdict,
    /// What a person would have to do, should it come to that.
    pub instructions: String,
}

impl Ending {
    fn record<'a>(&'a self, ids: &'a Ids, now: crate::base::clock::Micros) -> Record<'a> {
        Record {
            lease: self.lease,
            task: &self.task,
            hub: self.hub.as_ref(),
            secrets_set: self.secrets_set,
            verdict: &self.verdict,
            instructions: &self.instructions,
            earliest: None,
            actor: "worker",
            ids,
            now,
        }
    }
}

/// One that waits, and who asks how it went.
type Waiting = (Arc<Ending>, oneshot::Sender<Written>);

/// Where the ends of one process's attempts gather; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    waiting: Arc<Mutex<Vec<Waiting>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What an end is written with.
pub(super) struct Pen<'a> {
    pub store: &'a Store,
    pub ids: &'a Ids,
    pub clock: &'a SharedClock,
}

impl Recording {
    /// Write an end down; answered after its commit.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the result no longer counts; or a failed statement.
    pub(super) async fn write(&self, pen: &Pen<'_>, ending: &Arc<Ending>) -> Result<(), StoreError> {
        // What is not usual may have to wait for the hub's lane: nobody else should, for its sake.
        if finish_many::usual(&ending.record(pen.ids, pen.clock.now())).is_none() {
            return alone(pen, ending).await;
        }
        let (tell, mut told) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((Arc::clone(ending), tell));
        let written = {
            let _turn = self.turn.lock().await;
            match told.try_recv() {
                // Another one's turn took it along.
                Ok(written) => written,
                Err(TryRecvError::Closed) => Written::Alone,
                Err(TryRecvError::Empty) => {
                    let batch = self.next();
                    // The statements for one stay prepared. It has the turn, so that others gather meanwhile.
                    if batch.len() == 1 {
                        return alone(pen, ending).await;
                    }
                    together(pen, batch).await;
                    told.try_recv().unwrap_or(Written::Alone)
                }
            }
        };
        match written {
            Written::Stands => Ok(()),
            Written::Lost => Err(StoreError::LeaseLost(ending.lease.task)),
            Written::Alone => alone(pen, ending).await,
        }
    }

    fn next(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.len().min(ENDS_TOGETHER);
        waiting.drain(..first).collect()
    }
}

async fn alone(pen: &Pen<'_>, ending: &Arc<Ending>) -> Result<(), StoreError> {
    let (ids, now, ending) = (pen.ids.clone(), pen.clock.now(), Arc::clone(ending));
    pen.store.write(move |tx: &mut Tx<'_>| finish::write(tx, &ending.record(&ids, now))).await
}

/// Answers everybody who waits; where the transaction failed, that each is to try alone.
async fn together(pen: &Pen<'_>, batch: Vec<Waiting>) {
    let (endings, asking): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let count = endings.len();
    let (ids, now) = (pen.ids.clone(), pen.clock.now());
    let work = move |tx: &mut Tx<'_>| {
        let records: Vec<_> = endings.iter().map(|ending| ending.record(&ids, now)).collect();
        finish_many::write(tx, &records)
    };
    let written = match pen.store.write(work).await {
        Ok(written) => written,
        Err(error) => {
            tracing::debug!(%error, count, "ends of attempts are recorded one by one");
            vec![Written::Alone; count]
        }
    };
    for (asks, written) in asking.into_iter().zip(written) {
        let _ = asks.send(written);
    }
}
