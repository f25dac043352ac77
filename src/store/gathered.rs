//! Point reads on PostgreSQL, gathered: those that arrive while one is under way are answered together
//! by the next statement, so that a round trip is paid by many. The reading twin of `writer`. A read
//! that finds nothing under way goes at once and alone. Nothing is remembered: a statement begins after
//! each of its reads was asked for, so it sees every change that was acknowledged before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::pg::PgConnection;
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::conn::{DbConn, Place, Role};
use super::pool::{LIFETIME, busy};
use crate::base::clock::SharedClock;

/// Reads in one statement.
const BATCH: usize = 64;
/// Threads with a connection each: while one waits for the database, the other hands out answers.
const READERS: usize = 2;
/// Reads waiting; beyond it callers wait before the queue.
const QUEUE: usize = 1024;

/// A read by key of which one statement can answer many.
pub(super) trait Gather: 'static {
    /// What names one.
    type Key: Clone + Send;
    /// What was found.
    type Found: Send;

    /// The answers, in the order of `keys`; `None` where nothing is there.
    fn read(conn: &mut PgConnection, keys: &[Self::Key]) -> Result<Vec<Option<Self::Found>>, StoreError>;
}

type Answer<G> = Result<Option<<G as Gather>::Found>, StoreError>;

struct Waiting<G: Gather> {
    key: G::Key,
    reply: oneshot::Sender<Answer<G>>,
}

/// The callers' end.
pub(super) struct Gatherer<G: Gather> {
    queue: mpsc::Sender<Waiting<G>>,
    wait: Duration,
}

impl<G: Gather> Gatherer<G> {
    /// Start the threads; they connect when the first read comes and end when this end is dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the system gives no thread.
    pub fn start(place: &Place, clock: &SharedClock, wait: Duration) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..READERS {
            let source = Source { place: place.clone(), clock: Arc::clone(clock), open: None };
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new()
                .name(String::from("postgres-reads"))
                .spawn(move || serve::<G>(source, &waiting))
                .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        }
        Ok(Self { queue, wait })
    }

    /// What is there under `key`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database has not answered in time, or the statement's error.
    pub async fn ask(&self, key: G::Key) -> Answer<G> {
        let asked = async {
            let (reply, answer) = oneshot::channel();
            let queued = self.queue.send(Waiting { key, reply }).await;
            queued.map_err(|_| busy("the database's readers have stopped"))?;
            answer.await.unwrap_or_else(|_| Err(busy("the database's readers have stopped")))
        };
        let answered = tokio::time::timeout(self.wait, asked).await;
        answered.unwrap_or_else(|_| Err(busy("every connection to the database is busy")))
    }
}

fn serve<G: Gather>(mut source: Source, waiting: &Mutex<mpsc::Receiver<Waiting<G>>>) {
    while let Some(batch) = next(waiting) {
        answer(&mut source, batch);
    }
}

/// All that waits, up to a batch; blocks until there is something. `None` when nobody asks any more.
fn next<G: Gather>(waiting: &Mutex<mpsc::Receiver<Waiting<G>>>) -> Option<Vec<Waiting<G>>> {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let mut batch = vec![waiting.blocking_recv()?];
    while batch.len() < BATCH
        && let Ok(one) = waiting.try_recv()
    {
        batch.push(one);
    }
    drop(waiting);
    batch.retain(|one| !one.reply.is_closed());
    Some(batch)
}

fn answer<G: Gather>(source: &mut Source, batch: Vec<Waiting<G>>) {
    if batch.is_empty() {
        return;
    }
    let keys: Vec<G::Key> = batch.iter().map(|one| one.key.clone()).collect();
    match source.read::<G>(&keys) {
        Ok(found) => batch.into_iter().zip(found).for_each(|(one, found)| {
            let _ = one.reply.send(Ok(found));
        }),
        Err(error) if error.is_transient() => {
            let why = error.to_string();
            let source = std::error::Error::source(&error).map_or(why, ToString::to_string);
            for one in batch {
                let _ = one.reply.send(Err(StoreError::Unavailable(source.clone().into())));
            }
        }
        // One row that cannot be read must not take the others with it.
        Err(_) => {
            for one in batch {
                let found = source.read::<G>(std::slice::from_ref(&one.key));
                let _ = one.reply.send(found.map(|mut found| found.pop().flatten()));
            }
        }
    }
}

/// A thread's connection.
struct Source {
    place: Place,
    clock: SharedClock,
    /// With the moment it was opened. None before the first read and after a failure.
    open: Option<(DbConn, Duration)>,
}

impl Source {
    /// A connection that died since its last use is replaced unseen: a read may be asked twice.
    fn read<G: Gather>(&mut self, keys: &[G::Key]) -> Result<Vec<Option<G::Found>>, StoreError> {
        let now = self.clock.monotonic();
        self.open.take_if(|(_, opened)| now.saturating_sub(*opened) > LIFETIME);
        let was_open = self.open.is_some();
        match self.once::<G>(keys) {
            Err(error) if was_open && error.is_transient() => self.once::<G>(keys),
            other => other,
        }
    }

    fn once<G: Gather>(&mut self, keys: &[G::Key]) -> Result<Vec<Option<G::Found>>, StoreError> {
        // Taken out while it is used: after a failure or a panic its state is in doubt.
        let (mut conn, opened) = match self.open.take() {
            Some(open) => open,
            None => (self.place.connect(Role::Point)?, self.clock.monotonic()),
        };
        let DbConn::Postgres(postgres) = &mut conn else {
            return Err(StoreError::Corrupt("reads are gathered on PostgreSQL only".into()));
        };
        let found =
            catch_unwind(AssertUnwindSafe(|| G::read(postgres, keys))).unwrap_or_else(|_| Err(StoreError::Panicked))?;
        self.open = Some((conn, opened));
        if found.len() == keys.len() {
            Ok(found)
        } else {
            Err(StoreError::Corrupt("a statement did not answer each of its reads".into()))
        }
    }
}
