//! The one writer of a SQLite file. A thread owns the write connection and runs everything that
//! waits, each in a savepoint of its own, inside one shared transaction: a commit costs a disk
//! sync whether it carries one change or two hundred. Nobody is answered before the commit.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::checkpoints::Checkpoints;
use super::conn::{DbConn, Place, Role};
use super::locks::Locks;
use super::pool::busy;
use super::tx::Tx;
use crate::base::clock::SharedClock;
use crate::base::steps::Watch;
use crate::domain::seal::Sealer;

/// Closures in one commit.
const BATCH: usize = 256;
/// A batch takes no more closures after this long, so that quick ones do not wait for many slow ones.
const BATCH_TIME: Duration = Duration::from_millis(25);
/// Closures waiting; beyond it callers wait before the queue.
const QUEUE: usize = 1024;

/// How one run of a closure ended.
enum Ran {
    /// It wants its changes kept.
    Keep,
    /// It returned an error; its changes are undone, the others' are not.
    Undo,
    /// It panicked; the whole batch is run again, each closure alone.
    Panicked,
}

/// A waiting closure, its types hidden.
trait Job: Send {
    fn run(&mut self, conn: &mut DbConn, sealer: &Sealer) -> Ran;
    /// The shared commit is done: pass on what the closure returned.
    fn committed(self: Box<Self>);
    /// It could not be committed.
    fn failed(self: Box<Self>, error: StoreError);
    /// Whether nobody else's change may share its commit.
    fn long(&self) -> bool;
    /// Whether fault steps are reached for it.
    fn watch(&self) -> Watch;
    /// Nobody waits for the answer any more.
    fn abandoned(&self) -> bool;
}

struct Work<T, E, F> {
    work: F,
    share: Share,
    watch: Watch,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Work<T, E, F>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, conn: &mut DbConn, sealer: &Sealer) -> Ran {
        self.result = None;
        match catch_unwind(AssertUnwindSafe(|| (self.work)(&mut Tx::over(conn, Locks::default(), sealer)))) {
            Ok(result) => {
                let ran = if result.is_ok() { Ran::Keep } else { Ran::Undo };
                self.result = Some(result);
                self.watch.reached("before_commit");
                ran
            }
            Err(_) => Ran::Panicked,
        }
    }

    fn committed(self: Box<Self>) {
        let result = self.result.unwrap_or_else(|| Err(E::from(StoreError::Panicked)));
        let _ = self.reply.send(result);
    }

    fn failed(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(E::from(error)));
    }

    fn long(&self) -> bool {
        self.share == Share::Alone
    }

    fn watch(&self) -> Watch {
        self.watch
    }

    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// Whether a closure's commit is also that of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// With whoever waits.
    Others,
    /// Alone, by turns with the others: it takes longer than they should wait for twice.
    Alone,
}

/// The callers' end of the writer.
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    wait: Duration,
}

impl Writer {
    /// Start the thread on its connection. It ends when this end is dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the system gives no thread.
    pub fn start(
        place: Place,
        conn: DbConn,
        clock: SharedClock,
        wait: Duration,
        sealer: Sealer,
    ) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let checkpoints = Checkpoints::start(place.clone())?;
        let conn = Some(conn);
        let writing = Writing { place, conn, clock, sealer, checkpoints, long: VecDeque::new(), long_is_next: false };
        std::thread::Builder::new()
            .name(String::from("sqlite-writer"))
            .spawn(move || writing.serve(waiting))
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Self { queue, wait })
    }

    /// Queue a closure and wait for its commit.
    ///
    /// # Errors
    /// Whatever it returned, or a [`StoreError`].
    pub async fn write<T, E, F>(&self, work: F, share: Share, watch: Watch) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Work { work, share, watch, result: None, reply });
        match self.queue.send_timeout(job, self.wait).await {
            Ok(()) => {}
            Err(SendTimeoutError::Timeout(_)) => return Err(E::from(busy("too many changes are waiting"))),
            Err(SendTimeoutError::Closed(_)) => return Err(E::from(busy("the database's writer has stopped"))),
        }
        answer.await.unwrap_or_else(|_| Err(E::from(busy("the database's writer has stopped"))))
    }
}

/// The thread's end.
struct Writing {
    place: Place,
    /// None after a failure that leaves its state in doubt; opened anew before the next use.
    conn: Option<DbConn>,
    clock: SharedClock,
    /// Marks the records that are written.
    sealer: Sealer,
    /// Told of every commit.
    checkpoints: Checkpoints,
    /// Long ones that wait for their turn.
    long: VecDeque<Box<dyn Job>>,
    /// Quick ones went last.
    long_is_next: bool,
}

impl Writing {
    fn serve(mut self, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
        while let Some(first) = self.next(&mut waiting) {
            let mut jobs = Vec::new();
            match self.together(first, &mut jobs, &mut waiting) {
                Ok(()) => {
                    jobs.into_iter().for_each(Job::committed);
                    self.checkpoints.committed();
                }
                Err(Shared::NotBegun(why)) => {
                    self.conn = None;
                    // The next ones would wait as long for the same lock: tell all at once.
                    jobs.extend(self.long.drain(..));
                    while jobs.len() < QUEUE
                        && let Ok(job) = waiting.try_recv()
                    {
                        jobs.push(job);
                    }
                    let why = why.to_string();
                    for job in jobs {
                        job.failed(StoreError::Unavailable(why.clone().into()));
                    }
                }
                Err(Shared::Poisoned) => {
                    self.conn = None;
                    for job in jobs {
                        self.alone(job);
                    }
                }
            }
        }
    }

    /// What begins the next commit: quick ones and long ones by turns, so that a quick one waits for one
    /// long one at most, however many there are. `None` at the end.
    fn next(&mut self, waiting: &mut mpsc::Receiver<Box<dyn Job>>) -> Option<Box<dyn Job>> {
        loop {
            if self.long_is_next
                && let Some(job) = self.long.pop_front()
            {
                self.long_is_next = false;
                return Some(job);
            }
            let job = if self.long.is_empty() { waiting.blocking_recv() } else { waiting.try_recv().ok() };
            match job {
                Some(job) if job.long() => self.long.push_back(job),
                Some(job) => {
                    self.long_is_next = true;
                    return Some(job);
                }
                None => return self.long.pop_front(),
            }
        }
    }

    fn conn(&mut self) -> Result<&mut DbConn, StoreError> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => self.place.connect(Role::Writer)?,
        };
        Ok(self.conn.insert(conn))
    }

    /// Run what waits in one transaction. `jobs` holds all that were taken, whatever happens.
    fn together(
        &mut self,
        first: Box<dyn Job>,
        jobs: &mut Vec<Box<dyn Job>>,
        waiting: &mut mpsc::Receiver<Box<dyn Job>>,
    ) -> Result<(), Shared> {
        let (clock, sealer) = (SharedClock::clone(&self.clock), self.sealer.clone());
        let started = clock.monotonic();
        let alone = first.long();
        jobs.push(first);
        self.conn().map_err(Shared::NotBegun)?;
        let (Some(conn), long) = (self.conn.as_mut(), &mut self.long) else { return Err(Shared::Poisoned) };
        conn.begin("BEGIN IMMEDIATE").map_err(|error| Shared::NotBegun(error.into()))?;
        let mut next = 0;
        while let Some(job) = jobs.get_mut(next) {
            next += 1;
            if !job.abandoned() {
                conn.savepoint()?;
                match job.run(conn, &sealer) {
                    Ran::Keep => conn.commit()?,
                    Ran::Undo => conn.rollback()?,
                    Ran::Panicked => return Err(Shared::Poisoned),
                }
            }
            let full = alone || jobs.len() >= BATCH || clock.monotonic().saturating_sub(started) >= BATCH_TIME;
            while !full
                && next == jobs.len()
                && let Ok(job) = waiting.try_recv()
            {
                if job.long() { long.push_back(job) } else { jobs.push(job) }
            }
        }
        jobs.iter().for_each(|job| job.watch().reached("in_commit"));
        conn.commit()?;
        jobs.iter().for_each(|job| job.watch().reached("after_commit"));
        Ok(())
    }

    /// Run one closure in a transaction of its own, and answer it.
    fn alone(&mut self, mut job: Box<dyn Job>) {
        let outcome = (|| {
            let sealer = self.sealer.clone();
            let conn = self.conn()?;
            conn.begin("BEGIN IMMEDIATE")?;
            match job.run(conn, &sealer) {
                Ran::Keep => Ok(conn.commit()?),
                Ran::Undo => Ok(conn.rollback()?),
                Ran::Panicked => Err(StoreError::Panicked),
            }
        })();
        match outcome {
            Ok(()) => job.committed(),
            Err(error) => {
                self.conn = None;
                job.failed(error);
            }
        }
    }
}

/// Why a shared transaction came to nothing.
enum Shared {
    /// It never began: the file is locked or cannot be opened.
    NotBegun(StoreError),
    /// A panic, or SQLite gave up the transaction: its state is in doubt.
    Poisoned,
}

impl From<diesel::result::Error> for Shared {
    fn from(error: diesel::result::Error) -> Self {
        tracing::warn!(%error, "a shared commit failed; its changes are made one by one");
        Self::Poisoned
    }
}
