//! The pool of connections behind `store.read`, and behind everything on PostgreSQL. Waiting for
//! one happens in front of the blocking threads and ends after a stated time, so that a slow
//! database turns into a quick "not available" instead of a pile of blocked threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use diesel::connection::{Connection, InstrumentationEvent, SimpleConnection as _};
use diesel::r2d2::{self, ManageConnection, NopErrorHandler, PooledConnection, R2D2Connection};
use diesel::result::{DatabaseErrorKind, Error};
use tokio::sync::Semaphore;

use super::StoreError;
use super::conn::{DbConn, Place, Role};
use crate::base::clock::SharedClock;

/// A connection idle for this long is asked whether it still lives before it is used.
const IDLE: Duration = Duration::from_secs(1);
/// A connection to PostgreSQL is replaced after this long, so that a moved or rebalanced server takes
/// its connections over time.
pub(super) const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// A pooled connection with what happened on it.
pub(super) struct Pooled {
    /// The connection.
    pub conn: DbConn,
    /// What its statements met.
    pub seen: Arc<Seen>,
    /// Set while work runs, so that a panic or a failed clean-up throws it away.
    pub broken: bool,
    used_at: Duration,
}

/// What statements on a connection met since it was last cleared. The caller's own error type
/// may hide it, so diesel's instrumentation notes it.
#[derive(Debug, Default)]
pub(super) struct Seen(AtomicU8);

impl Seen {
    const FAILED: u8 = 1;
    const RETRY: u8 = 2;

    /// Forget.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Some statement failed.
    pub fn failed(&self) -> bool {
        self.0.load(Ordering::Relaxed) & Self::FAILED != 0
    }

    /// PostgreSQL asked to run the transaction again (40001, 40P01).
    pub fn asks_to_retry(&self) -> bool {
        self.0.load(Ordering::Relaxed) & Self::RETRY != 0
    }

    fn note(&self, error: &Error) {
        let bits = if asks_to_retry(error) { Self::FAILED | Self::RETRY } else { Self::FAILED };
        self.0.fetch_or(bits, Ordering::Relaxed);
    }
}

/// Whether PostgreSQL gave up this transaction for another one's sake. diesel keeps no SQLSTATE
/// for a deadlock (40P01), so it is known by its text; in a server that speaks another language
/// by its shape: details of who waits for whom, and a hint to look into the log.
fn asks_to_retry(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(DatabaseErrorKind::Unknown, info) => {
            info.message() == "deadlock detected"
                || (info.statement_position().is_none() && info.details().is_some() && info.hint().is_some())
        }
        _ => false,
    }
}

/// Why a connection could not be opened, as the pool remembers it for its time-out's message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConnectFailed(String);

impl From<StoreError> for ConnectFailed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(source) => Self(source.to_string()),
            other => Self(other.to_string()),
        }
    }
}

/// Opens connections by URL scheme; unlike the derived `establish` it keeps the reason.
#[derive(Debug)]
pub(super) struct Connector {
    place: Place,
    clock: SharedClock,
}

impl ManageConnection for Connector {
    type Connection = Pooled;
    type Error = ConnectFailed;

    fn connect(&self) -> Result<Pooled, ConnectFailed> {
        let mut conn = self.place.connect(Role::Reader)?;
        let seen = Arc::new(Seen::default());
        let noting = Arc::clone(&seen);
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::FinishQuery { error: Some(error), .. } = event {
                noting.note(error);
            }
        });
        Ok(Pooled { conn, seen, broken: false, used_at: self.clock.monotonic() })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), ConnectFailed> {
        pooled.conn.ping().map_err(|error| ConnectFailed(error.to_string()))
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.broken || pooled.conn.is_broken()
    }
}

/// A connection out of the pool.
pub(super) type Checked = PooledConnection<Connector>;

/// The pool.
#[derive(Clone)]
pub(super) struct Pool {
    pool: r2d2::Pool<Connector>,
    permits: Arc<Semaphore>,
    clock: SharedClock,
    wait: Duration,
    size: u32,
}

impl Pool {
    /// A pool of at most `size` connections; opens none yet.
    pub fn new(place: &Place, clock: &SharedClock, size: u32, wait: Duration) -> Self {
        let size = size.max(1);
        let lifetime = match place {
            Place::Sqlite(_) => None,
            Place::Postgres(_) => Some(LIFETIME),
        };
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .max_lifetime(lifetime)
            .connection_timeout(wait)
            .test_on_check_out(false)
            .error_handler(Box::new(NopErrorHandler))
            .build_unchecked(Connector { place: place.clone(), clock: Arc::clone(clock) });
        let permits = usize::try_from(size).unwrap_or(1);
        Self { pool, permits: Arc::new(Semaphore::new(permits)), clock: Arc::clone(clock), wait, size }
    }

    /// How long somebody waits before they are told that it is busy.
    pub const fn wait(&self) -> Duration {
        self.wait
    }

    /// Run `work` on a blocking thread once a connection is free.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when none is free in time, or what `work` returned.
    pub async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Self) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let permits = Arc::clone(&self.permits);
        let permit = match tokio::time::timeout(self.wait, permits.acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) | Err(_) => return Err(E::from(busy("every connection to the database is busy"))),
        };
        let pool = self.clone();
        let ended = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&pool)
        });
        match ended.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(E::from(StoreError::Panicked)),
            Err(error) => Err(E::from(StoreError::Unavailable(Box::new(error)))),
        }
    }

    /// A connection that answers, in a transaction started by `begin` where one is given.
    /// Connections that died while idle are thrown away on the way.
    ///
    /// # Errors
    /// [`NotBegun`] with [`StoreError::Unavailable`] and the reason, or what a lock met that is a part of
    /// `begin`.
    pub fn get(&self, begin: Option<&str>) -> Result<Checked, NotBegun> {
        let mut tries = 0;
        loop {
            let mut checked = self.pool.get_timeout(self.wait).map_err(|error| NotBegun::without(Box::new(error)))?;
            let now = self.clock.monotonic();
            let idle = now.saturating_sub(checked.used_at);
            checked.used_at = now;
            checked.broken = true;
            checked.seen.clear();
            let ready = match begin {
                Some(statement) => checked.conn.begin(statement),
                None if idle > IDLE => checked.conn.ping(),
                None => Ok(()),
            };
            match ready {
                Ok(()) => return Ok(checked),
                // It lives, so it was a lock that could not be had.
                Err(error) if begin.is_some() && checked.conn.batch_execute("ROLLBACK").is_ok() => {
                    checked.broken = false;
                    return Err(NotBegun { error: error.into(), again: checked.seen.asks_to_retry() });
                }
                // A whole pool may have died with the server; the next one is a fresh one.
                Err(error) if tries > self.size => return Err(NotBegun::without(Box::new(error))),
                Err(_) => tries += 1,
            }
        }
    }
}

/// Why nothing began.
pub(super) struct NotBegun {
    /// For the caller.
    pub error: StoreError,
    /// PostgreSQL asked to try once more (40001, 40P01).
    pub again: bool,
}

impl NotBegun {
    fn without(reason: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self { error: StoreError::Unavailable(reason), again: false }
    }
}

/// Too much is going on.
pub(super) fn busy(why: &'static str) -> StoreError {
    StoreError::Unavailable(why.into())
}
