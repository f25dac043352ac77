//! Changes on PostgreSQL that share a transaction: those that are asked for while one is under way are
//! made together by the next, so that its round trips and its commit are paid by many. The writing twin
//! of `gathered`, and to PostgreSQL what `writer` is to SQLite. A change that finds nothing under way
//! goes at once and alone. Nobody is answered before the commit.
//!
//! Only changes that need the same locks share one. Whoever holds the lock on a workspace's rules for
//! long keeps that workspace's changes waiting, on [`SEATS`] connections of the pool, and no other's.
//! For the same reason there are no threads of its own: each batch waits for a connection in the same
//! queue as every other transaction, so that a busy source takes its turns and no more.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::StoreError;
use super::locks::Locks;
use super::pool::{Pool, busy};
use super::rerun::{self, Failed};
use super::tx::{Store, Tx};
use crate::base::steps::Watch;
use crate::domain::seal::Sealer;

/// Changes in one transaction.
const BATCH: usize = 64;
/// Transactions with the same locks at a time: one does its statements while the other waits for its
/// commit.
const SEATS: usize = 2;
/// How many must wait for the second of them: two that share few changes each cost more round trips than
/// the wait for a commit is worth.
const CROWD: usize = 24;
/// Whoever has waited as long does not wait for more: the one under way waits for something itself, such as
/// a name that somebody else is about to take.
const LATE: Duration = Duration::from_millis(20);

/// A change of which one transaction can hold many.
pub trait Joint: Send + Sync + Sized + 'static {
    /// What its caller learns.
    type Made: Send + 'static;

    /// What its transaction holds from the beginning. Changes that need the same are made together.
    fn locks(&self) -> Locks;

    /// Make them all, in the order of the answers. One that is refused has changed nothing and keeps
    /// nobody else's back; it may run more than once, as with [`Store::write`].
    ///
    /// # Errors
    /// A failure that ends the transaction: each is made alone then.
    fn write(tx: &mut Tx<'_>, all: &[Self]) -> Result<Vec<Result<Self::Made, StoreError>>, StoreError>;
}

type Answer<J> = Result<<J as Joint>::Made, StoreError>;

/// What somebody who waits is told.
enum Told<J: Joint> {
    /// Somebody else made the change, or could not.
    Done(Answer<J>),
    /// It is their turn to make theirs, and those of whoever waits then.
    Lead(Seat<J>, J),
}

struct Waiting<J: Joint> {
    number: u64,
    change: J,
    watch: Watch,
    told: oneshot::Sender<Told<J>>,
}

/// Those with the same locks.
struct Lane<J: Joint> {
    waiting: VecDeque<Waiting<J>>,
    /// Taken ones; a lane without any is not kept.
    seats: usize,
}

impl<J: Joint> Lane<J> {
    /// Whether one more transaction may be under way beside `seats`.
    fn has_room(&self, seats: usize) -> bool {
        seats == 0 || (seats < SEATS && self.waiting.len() >= CROWD)
    }

    /// One that nobody has begun.
    fn take(&mut self, number: u64) -> Option<Waiting<J>> {
        let at = self.waiting.iter().position(|one| one.number == number)?;
        self.waiting.remove(at)
    }
}

type Lanes<J> = Mutex<HashMap<Locks, Lane<J>>>;

fn locked<J: Joint>(lanes: &Lanes<J>) -> MutexGuard<'_, HashMap<Locks, Lane<J>>> {
    lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to make a lane's next transaction. Whoever drops it passes it on.
struct Seat<J: Joint> {
    lanes: Arc<Lanes<J>>,
    locks: Locks,
}

impl<J: Joint> Seat<J> {
    /// Those who wait, up to so many, and still want an answer.
    fn take(&self, most: usize) -> Vec<Waiting<J>> {
        let mut lanes = locked(&self.lanes);
        let Some(lane) = lanes.get_mut(&self.locks) else { return Vec::new() };
        lane.waiting.retain(|one| !one.told.is_closed());
        let count = lane.waiting.len().min(most);
        lane.waiting.drain(..count).collect()
    }
}

impl<J: Joint> Drop for Seat<J> {
    fn drop(&mut self) {
        let next = {
            let mut lanes = locked(&self.lanes);
            let Some(lane) = lanes.get_mut(&self.locks) else { return };
            lane.waiting.retain(|one| !one.told.is_closed());
            let others = lane.seats.saturating_sub(1);
            // Where it is not passed on, whoever has the other one sees to those who wait.
            let next = if lane.has_room(others) { lane.waiting.pop_front() } else { None };
            if next.is_none() {
                lane.seats = others;
                if others == 0 {
                    lanes.remove(&self.locks);
                }
            }
            next
        };
        if let Some(next) = next {
            let seat = Self { lanes: Arc::clone(&self.lanes), locks: self.locks };
            // To somebody who has just hung up: what comes back is dropped, and goes to the next one.
            let _ = next.told.send(Told::Lead(seat, next.change));
        }
    }
}

/// Where changes of one kind are brought together. Cheap to clone.
pub struct JointWriter<J: Joint> {
    store: Store,
    lanes: Arc<Lanes<J>>,
}

impl<J: Joint> Clone for JointWriter<J> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), lanes: Arc::clone(&self.lanes) }
    }
}

impl<J: Joint> JointWriter<J> {
    /// For changes of this database.
    pub fn new(store: Store) -> Self {
        Self { store, lanes: Arc::default() }
    }

    /// Make this change; answered after the commit. Dropping the future before that began means that it
    /// may never be made.
    ///
    /// # Errors
    /// What refused it, or a [`StoreError`] as [`Store::write`] gives it.
    pub async fn write(&self, change: J) -> Answer<J> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let Some((pool, sealer)) = self.store.transactions() else {
            return self.store.write(move |tx| only(J::write(tx, std::slice::from_ref(&change)))).await;
        };
        let (locks, watch) = (change.locks(), Watch::here());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (told, mut answer) = oneshot::channel();
        let change = {
            let mut lanes = locked(&self.lanes);
            let lane = lanes.entry(locks).or_insert_with(|| Lane { waiting: VecDeque::new(), seats: 0 });
            if lane.has_room(lane.seats) {
                lane.seats += 1;
                Some(change)
            } else {
                lane.waiting.push_back(Waiting { number, change, watch, told });
                None
            }
        };
        if let Some(change) = change {
            let seat = Seat { lanes: Arc::clone(&self.lanes), locks };
            return lead(pool, seat, change, watch, sealer).await;
        }
        let mut left = pool.wait();
        let told = loop {
            if let Ok(told) = tokio::time::timeout(LATE.min(left), &mut answer).await {
                break told;
            }
            left = left.saturating_sub(LATE);
            // Asked each time: the other seat may have been given up since.
            if let Some(lead) = self.second(locks, number) {
                break Ok(lead);
            }
            if left.is_zero() {
                if self.withdrawn(locks, number) {
                    return Err(busy("the changes before this one have not ended"));
                }
                // It is under way.
                break (&mut answer).await;
            }
        };
        match told {
            Ok(Told::Done(answer)) => answer,
            Ok(Told::Lead(seat, change)) => lead(pool, seat, change, watch, sealer).await,
            Err(_) => Err(StoreError::Panicked),
        }
    }

    /// A seat for a change that nobody has begun and that has waited long enough, where one is free.
    fn second(&self, locks: Locks, number: u64) -> Option<Told<J>> {
        let mut lanes = locked(&self.lanes);
        let lane = lanes.get_mut(&locks).filter(|lane| lane.seats < SEATS)?;
        let change = lane.take(number)?.change;
        lane.seats += 1;
        Some(Told::Lead(Seat { lanes: Arc::clone(&self.lanes), locks }, change))
    }

    /// Take back a change that nobody has begun; whether there was one.
    fn withdrawn(&self, locks: Locks, number: u64) -> bool {
        let mut lanes = locked(&self.lanes);
        lanes.get_mut(&locks).and_then(|lane| lane.take(number)).is_some()
    }
}

/// Make `change` and those of whoever waits, once a connection is free.
async fn lead<J: Joint>(pool: &Pool, seat: Seat<J>, change: J, watch: Watch, sealer: Sealer) -> Answer<J> {
    let run = move |pool: &Pool| {
        let (mut changes, mut watched, mut callers) = (vec![change], vec![watch], Vec::new());
        for one in seat.take(BATCH - 1) {
            changes.push(one.change);
            watched.push(one.watch);
            callers.push(one.told);
        }
        let mut answers = together(pool, seat.locks, &changes, &watched, &sealer).into_iter();
        // The next ones need not wait until these have heard.
        drop(seat);
        let own = answers.next().unwrap_or(Err(StoreError::Panicked));
        for (told, answer) in callers.into_iter().zip(answers) {
            let _ = told.send(Told::Done(answer));
        }
        own
    };
    pool.run(run).await
}

/// The answers to all of them, in their order.
fn together<J: Joint>(pool: &Pool, locks: Locks, all: &[J], watched: &[Watch], sealer: &Sealer) -> Vec<Answer<J>> {
    match transaction(pool, locks, all, watched, sealer) {
        Ok(answers) => answers,
        // Never after a commit whose outcome is unknown, which must not be made again.
        Err(Failed { error, undone: true }) if all.len() > 1 => {
            tracing::warn!(%error, changes = all.len(), "changes that shared a commit are made one by one");
            one_by_one(pool, locks, all, watched, sealer)
        }
        Err(Failed { error, .. }) if all.len() > 1 => {
            let why = reason(&error);
            all.iter().map(|_| Err(StoreError::Unavailable(why.clone().into()))).collect()
        }
        Err(Failed { error, .. }) => vec![Err(error)],
    }
}

/// Each in a transaction of its own. Once one meets what passes, such as a lock that cannot be had, the
/// rest are told so: each might wait as long for it again.
fn one_by_one<J: Joint>(pool: &Pool, locks: Locks, all: &[J], watched: &[Watch], sealer: &Sealer) -> Vec<Answer<J>> {
    let mut down: Option<String> = None;
    let alone = |(change, watch)| {
        if let Some(why) = &down {
            return Err(StoreError::Unavailable(why.clone().into()));
        }
        let (change, watch) = (std::slice::from_ref(change), std::slice::from_ref(watch));
        let answer = only(transaction(pool, locks, change, watch, sealer).map_err(|failed| failed.error));
        down = answer.as_ref().err().filter(|error| error.is_transient()).map(reason);
        answer
    };
    all.iter().zip(watched).map(alone).collect()
}

/// What stands in the way, to be told to several.
fn reason(error: &StoreError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn transaction<J: Joint>(
    pool: &Pool,
    locks: Locks,
    all: &[J],
    watched: &[Watch],
    sealer: &Sealer,
) -> Result<Vec<Answer<J>>, Failed<StoreError>> {
    let mut work = |tx: &mut Tx<'_>| {
        let answers = J::write(tx, all)?;
        let each = answers.len() == all.len();
        each.then_some(answers)
            .ok_or_else(|| StoreError::Corrupt("a transaction did not answer each of its changes".into()))
    };
    // A panic throws the connection away, and with it what was not committed.
    catch_unwind(AssertUnwindSafe(|| rerun::write(pool, locks, &mut work, watched, sealer)))
        .unwrap_or(Err(Failed { error: StoreError::Panicked, undone: true }))
}

/// The answer where there was one change.
fn only<T>(answers: Result<Vec<Result<T, StoreError>>, StoreError>) -> Result<T, StoreError> {
    answers?.pop().unwrap_or(Err(StoreError::Panicked))
}
