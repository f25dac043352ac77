//! Point reads on PostgreSQL, gathered: those that arrive while one is under way are answered together
//! by the next statement, so that a round trip is paid by many. The reading twin of `writer`. A read
//! that finds nothing under way goes at once and alone; where a statement takes too long, a second
//! connection goes on. Nothing is remembered: a statement begins after each of its reads was asked for,
//! so it sees every change that was acknowledged before.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::pg::PgConnection;
use tokio::sync::oneshot;

use super::StoreError;
use super::conn::{DbConn, Place, Role};
use super::pool::{LIFETIME, busy};
use crate::base::clock::SharedClock;

/// Reads in one statement.
const BATCH: usize = 64;
/// As many that wait are worth a statement of their own beside one that is under way.
const FULL: usize = 24;
/// Fewer go as well once one is under way for this long: its connection may be dead.
const LATE: Duration = Duration::from_millis(20);
/// Threads with a connection each.
const READERS: usize = 2;
/// Reads waiting; beyond it callers are told that the database is busy.
const QUEUE: usize = 16_384;
/// How often those who are about to ask are let go first, for as long as each time some do.
const YIELDS: usize = 16;

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
    queue: Arc<Queue<G>>,
    wait: Duration,
}

/// Between callers and readers.
struct Queue<G: Gather> {
    state: Mutex<State<G>>,
    called: Condvar,
}

struct State<G: Gather> {
    waiting: VecDeque<Waiting<G>>,
    /// Batches that readers have in hand.
    under_way: usize,
    /// Readers that have none.
    idle: usize,
    /// One of these looks when it is late.
    watched: bool,
    /// Nobody asks any more.
    closed: bool,
}

impl<G: Gather> State<G> {
    fn is_due(&self) -> bool {
        let enough = if self.under_way == 0 { 1 } else { FULL };
        self.waiting.len() >= enough
    }
}

impl<G: Gather> Gatherer<G> {
    /// Start the threads; they connect when the first read comes and end when this end is dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the system gives no thread.
    pub fn start(place: &Place, clock: &SharedClock, wait: Duration) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::new());
        for _ in 0..READERS {
            let source = Source { place: place.clone(), clock: Arc::clone(clock), open: None };
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(String::from("postgres-reads"))
                .spawn(move || queue.serve(source))
                .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        }
        Ok(Self { queue, wait })
    }

    /// What is there under `key`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database has not answered in time or too many wait for it, or
    /// the statement's error.
    pub async fn ask(&self, key: G::Key) -> Answer<G> {
        let (reply, answer) = oneshot::channel();
        self.queue.add(Waiting { key, reply })?;
        match tokio::time::timeout(self.wait, answer).await {
            Ok(answered) => answered.unwrap_or_else(|_| Err(busy("the database's readers have stopped"))),
            Err(_) => Err(busy("every connection to the database is busy")),
        }
    }
}

impl<G: Gather> Drop for Gatherer<G> {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.called.notify_all();
    }
}

impl<G: Gather> Queue<G> {
    fn new() -> Self {
        let state = State { waiting: VecDeque::new(), under_way: 0, idle: 0, watched: false, closed: false };
        Self { state: Mutex::new(state), called: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<G>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, one: Waiting<G>) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.waiting.len() >= QUEUE {
            state.waiting.retain(|one| !one.reply.is_closed());
            if state.waiting.len() >= QUEUE {
                return Err(busy("too many wait for the database"));
            }
        }
        state.waiting.push_back(one);
        let call = state.idle > 0 && state.is_due();
        drop(state);
        if call {
            self.called.notify_one();
        }
        Ok(())
    }

    /// Until somebody calls, or until it is late where one watches; and whether it is.
    fn sleep<'a>(&self, state: MutexGuard<'a, State<G>>, watches: bool) -> (MutexGuard<'a, State<G>>, bool) {
        if watches {
            let (state, waited) = self.called.wait_timeout(state, LATE).unwrap_or_else(PoisonError::into_inner);
            (state, waited.timed_out())
        } else {
            (self.called.wait(state).unwrap_or_else(PoisonError::into_inner), false)
        }
    }

    fn serve(&self, mut source: Source) {
        while let Some(batch) = self.next() {
            answer(&mut source, batch);
            self.lock().under_way -= 1;
        }
    }

    /// All that waits, up to a batch, once it is due. `None` when nobody asks any more.
    fn next(&self) -> Option<Vec<Waiting<G>>> {
        let mut state = self.lock();
        while !state.is_due() {
            if state.closed {
                return None;
            }
            let watches = state.under_way > 0 && !state.watched;
            state.idle += 1;
            state.watched |= watches;
            let is_late;
            (state, is_late) = self.sleep(state, watches);
            state.idle -= 1;
            state.watched &= !watches;
            if is_late && !state.waiting.is_empty() {
                break;
            }
        }
        state.under_way += 1;
        // Whoever is about to ask does so now, where cores are scarce; nobody else is there when they are not.
        for _ in 0..YIELDS {
            let before = state.waiting.len();
            drop(state);
            std::thread::yield_now();
            state = self.lock();
            if state.waiting.len() == before {
                break;
            }
        }
        let count = state.waiting.len().min(BATCH);
        let batch: Vec<_> = state.waiting.drain(..count).collect();
        let call = state.idle > 0 && (state.is_due() || !state.watched);
        drop(state);
        if call {
            self.called.notify_one();
        }
        Some(batch)
    }
}

fn answer<G: Gather>(source: &mut Source, mut batch: Vec<Waiting<G>>) {
    batch.retain(|one| !one.reply.is_closed());
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Gather for Nothing {
        type Key = usize;
        type Found = usize;

        fn read(_: &mut PgConnection, _: &[usize]) -> Result<Vec<Option<usize>>, StoreError> {
            unreachable!("nobody serves")
        }
    }

    #[test]
    fn one_goes_at_once_and_others_gather_until_they_are_worth_a_statement() {
        let queue = Queue::<Nothing>::new();
        let mut answers = Vec::new();
        let mut ask = |count: usize| {
            for key in 0..count {
                let (reply, answer) = oneshot::channel();
                answers.push(answer);
                queue.add(Waiting { key, reply }).unwrap();
            }
        };
        ask(1);
        assert_eq!(queue.next().unwrap().len(), 1);
        ask(FULL - 1);
        assert!(!queue.lock().is_due(), "they wait for the one that is under way");
        ask(1);
        assert_eq!(queue.next().unwrap().len(), FULL);
        ask(BATCH + 1);
        assert_eq!(queue.next().unwrap().len(), BATCH);
        queue.lock().under_way = 0;
        assert_eq!(queue.next().unwrap().len(), 1, "all have ended");
    }

    #[test]
    fn few_go_as_well_where_one_takes_long() {
        let queue = Queue::<Nothing>::new();
        let mut answers = Vec::new();
        for _ in 0..2 {
            let (reply, answer) = oneshot::channel();
            answers.push(answer);
            queue.add(Waiting { key: 0, reply }).unwrap();
            // Nobody ends the first one.
            assert_eq!(queue.next().unwrap().len(), 1);
        }
        assert_eq!(queue.lock().under_way, 2);
    }

    #[test]
    fn a_full_queue_says_so_once_nobody_in_it_has_gone() {
        let queue = Queue::<Nothing>::new();
        let mut answers = Vec::new();
        let mut ask = || {
            let (reply, answer) = oneshot::channel();
            answers.push(answer);
            queue.add(Waiting { key: 0, reply })
        };
        for _ in 0..QUEUE {
            ask().unwrap();
        }
        assert!(matches!(ask(), Err(StoreError::Unavailable(_))));
        answers.clear();
        let (reply, _answer) = oneshot::channel();
        queue.add(Waiting { key: 0, reply }).unwrap();
        assert_eq!(queue.lock().waiting.len(), 1, "those who have gone make room");
    }
}
