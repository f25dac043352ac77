//! Reading and writing: `store.read`, `store.point` and `store.write`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use diesel::QueryableByName;
use diesel::r2d2::R2D2Connection;
use diesel::sql_types::BigInt;

use super::StoreError;
use super::conn::{DbConn, Place, Role};
use super::gathered::Gatherer;
use super::kept::Keep as _;
use super::keyring::{self, Keyring};
use super::lock::ServeLock;
use super::locks::Locks;
use super::pool::Pool;
use super::user_with_groups::UserWithGroups;
use super::writer::{Share, Writer};
use super::{migrate, origins, rerun, wakeup};
use crate::base::clock::{Micros, SharedClock, SystemClock};
use crate::base::ids::{BootId, WorkspaceId};
use crate::base::nudge::Nudge;
use crate::base::random::Ids;
use crate::base::steps::Watch;
use crate::domain::seal::Sealer;

/// The time of PostgreSQL's clock, by which its leases are measured, in microseconds.
pub(super) const LEASE_CLOCK: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// A write transaction. Dereferences to the connection.
pub struct Tx<'a> {
    conn: &'a mut DbConn,
    held: Locks,
    wanted: Option<Locks>,
    sealer: &'a Sealer,
}

impl<'a> Tx<'a> {
    /// `held` is what the transaction began with.
    pub(super) const fn over(conn: &'a mut DbConn, held: Locks, sealer: &'a Sealer) -> Self {
        Self { conn, held, wanted: None, sealer }
    }

    /// What marks the records that are written here.
    pub(super) const fn sealer(&self) -> &'a Sealer {
        self.sealer
    }

    /// The locks that it holds and knows of.
    pub(super) const fn held(&self) -> Locks {
        self.held
    }

    /// It cannot go on without these locks, and must not wait for them now: it is undone and run once more,
    /// with them from its beginning. The error is for its closure to return.
    pub(super) fn begin_again_with(&mut self, locks: Locks) -> StoreError {
        self.wanted = Some(locks);
        StoreError::Unavailable("the transaction begins again, with more locks".into())
    }

    /// What it is to begin again with.
    pub(super) const fn wanted(&self) -> Option<Locks> {
        self.wanted
    }

    /// It holds the lock on the rules of this workspace now, until it ends.
    pub(super) const fn hold_rules(&mut self, workspace: WorkspaceId) {
        self.held.rules = Some(workspace);
    }
}

impl Deref for Tx<'_> {
    type Target = DbConn;

    fn deref(&self) -> &DbConn {
        self.conn
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut DbConn {
        self.conn
    }
}

/// What the database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve: one process per SQLite file.
    Serve,
    /// For one command, which works beside a server.
    Command,
}

/// How to open the database.
#[derive(Clone)]
pub struct StoreConfig {
    /// `sqlite:FILE` or `postgres://…`. Holds a password; there is no `Debug` for that reason.
    pub url: String,
    /// Where "now" comes from.
    pub clock: SharedClock,
    /// What for.
    pub purpose: Purpose,
    /// Connections for lists and scans, on PostgreSQL for everything.
    pub connections: u32,
    /// How long a caller waits for a connection or a place in the queue.
    pub wait: Duration,
    /// Where the key is; by default `<sqlite file>.key`, on PostgreSQL `./scimhub.key`.
    pub key_file: Option<PathBuf>,
}

impl StoreConfig {
    /// The defaults, for a command.
    pub fn new(url: &str) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        // On PostgreSQL at least eight: one that waits for its commit's sync needs no core, and
        // commits that wait together share it. On SQLite each maps the file for itself.
        let least = if url.starts_with("sqlite:") { 4 } else { 8 };
        Self {
            url: url.to_owned(),
            clock: Arc::new(SystemClock::new()),
            purpose: Purpose::Command,
            connections: u32::try_from(cores.saturating_mul(2)).unwrap_or(least).clamp(least, 32),
            wait: Duration::from_secs(5),
            key_file: None,
        }
    }
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    number: u64,
    place: Place,
    clock: SharedClock,
    boot: BootId,
    keyring: Keyring,
    pool: Pool,
    /// SQLite's; PostgreSQL writes through the pool.
    writer: Option<Writer>,
    /// PostgreSQL's; SQLite reads them inline.
    users: Option<Gatherer<UserWithGroups>>,
    _lock: Option<ServeLock>,
}

/// This thread's own read connection to each open SQLite store.
type OwnConnections = HashMap<u64, (Weak<Inner>, DbConn)>;

thread_local! {
    static OWN: RefCell<OwnConnections> = RefCell::new(HashMap::new());
}

impl Store {
    /// Open with the defaults and migrate.
    ///
    /// # Errors
    /// As [`Store::open_with`].
    pub fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(StoreConfig::new(url))
    }

    /// Open: take the lock where it is to be served, migrate, and check the key.
    ///
    /// # Errors
    /// [`StoreError::Refused`] with what to do when the URL, the lock, the key or the database's
    /// version stand against it; [`StoreError::Unavailable`] when the database does not answer.
    pub fn open_with(config: StoreConfig) -> Result<Self, StoreError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let place: Place = config.url.parse()?;
        let lock = match config.purpose {
            Purpose::Serve => ServeLock::take(&place)?,
            Purpose::Command => None,
        };
        let mut conn = place.connect(Role::Writer)?;
        let key_file = config.key_file.unwrap_or_else(|| keyring::default_path(&place));
        // Whoever serves a SQLite file serves it alone; elsewhere an earlier version may go on beside this one.
        let alone = config.purpose == Purpose::Serve && matches!(place, Place::Sqlite(_));
        let now = config.clock.now();
        migrate::run(&mut conn, |conn| {
            let sealer = keyring::obtain(conn, &key_file)?.sealer();
            origins::begin(conn, &sealer, now, alone)
        })?;
        let keyring = keyring::obtain(&mut conn, &key_file)?;
        let writer = match &place {
            Place::Sqlite(_) => {
                let clock = Arc::clone(&config.clock);
                Some(Writer::start(place.clone(), conn, clock, config.wait, keyring.sealer())?)
            }
            Place::Postgres(_) => None,
        };
        let users = match &place {
            Place::Sqlite(_) => None,
            Place::Postgres(_) => Some(Gatherer::start(&place, &config.clock, config.wait)?),
        };
        let pool = Pool::new(&place, &config.clock, config.connections, config.wait);
        let boot = BootId::from_uuid(Ids::new(Arc::clone(&config.clock)).next());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let inner = Inner { number, place, clock: config.clock, boot, keyring, pool, writer, users, _lock: lock };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where the database is; shows no password.
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    /// Where this store takes its time from.
    pub fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    /// The keys of this installation.
    pub fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    /// This run of the process: on SQLite, leases of another boot are dead.
    pub fn boot(&self) -> BootId {
        self.inner.boot
    }

    /// The time that leases are measured by: the database's clock on PostgreSQL, where several
    /// processes must agree, and this process's monotonic clock on SQLite (compare leases of the
    /// same [`Store::boot`] only).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn lease_now(&self, conn: &mut DbConn) -> Result<Micros, StoreError> {
        if let Some(now) = self.own_lease_now() {
            return Ok(now);
        }
        let row: Now = diesel::sql_query(format!("SELECT {LEASE_CLOCK} AS now")).kept().get_result(conn)?;
        Ok(Micros(row.now))
    }

    /// Now, where leases are measured by this process's clock; `None` where by the database's, as on
    /// PostgreSQL.
    pub fn own_lease_now(&self) -> Option<Micros> {
        self.inner.writer.as_ref().map(|_| Micros(0).plus(self.inner.clock.monotonic()))
    }

    /// Whether each write is a transaction with a commit of its own, as on PostgreSQL (but for those that
    /// [`super::joint`] brings together); SQLite's writer shares them.
    pub fn commits_one_by_one(&self) -> bool {
        self.inner.writer.is_none()
    }

    /// On PostgreSQL, pass nudges on to the other processes of the cluster and take theirs
    /// (`NOTIFY` after the commit, `LISTEN`), on a thread of its own that ends when every `Nudge`
    /// is dropped. On SQLite there is nobody else.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the system gives no thread.
    pub fn share_nudges(&self, nudge: &Nudge) -> Result<(), StoreError> {
        match &self.inner.place {
            Place::Sqlite(_) => Ok(()),
            place @ Place::Postgres(_) => wakeup::start(place.clone(), nudge),
        }
    }

    /// Run `work` in one write transaction; answered after the commit.
    ///
    /// `work` may run more than once (a shared commit failed, PostgreSQL asked to retry), so it
    /// must have no effect outside the database. Dropping the future before `work` began means
    /// that it may never run.
    ///
    /// # Errors
    /// Whatever `work` returned, after its changes were rolled back; or a [`StoreError`].
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_as(Share::Others, Locks::default(), work).await
    }

    /// As [`Store::write`], in a transaction that holds `locks` from its beginning.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write_with<T, E, F>(&self, locks: Locks, work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_as(Share::Others, locks, work).await
    }

    /// [`Store::write`] for one stretch of long work, which takes milliseconds. On SQLite it has a commit
    /// of its own and takes turns with whoever waits, so that others wait for one stretch and never for two.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write_stretch<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_as(Share::Alone, Locks::default(), work).await
    }

    async fn write_as<T, E, F>(&self, share: Share, locks: Locks, mut work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let watch = Watch::here();
        match &self.inner.writer {
            Some(writer) => writer.write(work, share, watch).await,
            None => {
                let sealer = self.inner.keyring.sealer();
                let mut run = move |pool: &Pool| rerun::write(pool, locks, &mut work, &[watch], &sealer);
                self.inner.pool.run(move |pool| run(pool).map_err(|failed| failed.error)).await
            }
        }
    }

    /// Run `work` on a read connection of the blocking pool: lists, scans, everything that may
    /// take long. All its statements see one moment of the database.
    ///
    /// # Errors
    /// Whatever `work` returned, or a [`StoreError`].
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut DbConn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let begin = match &self.inner.place {
            Place::Sqlite(_) => "BEGIN",
            Place::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.pooled(Some(begin), work).await
    }

    /// Run one statement on a read connection of the blocking pool: by itself it sees one moment of the
    /// database, and no transaction around it costs PostgreSQL two round trips.
    ///
    /// # Errors
    /// Whatever `work` returned, or a [`StoreError`].
    pub async fn look<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut DbConn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.pooled(None, work).await
    }

    /// Run a point read: inline on this thread's own connection on SQLite, on the blocking pool
    /// on PostgreSQL. Only for statements that take microseconds.
    ///
    /// # Errors
    /// Whatever `work` returned, or a [`StoreError`].
    pub async fn point<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut DbConn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.inner.place {
            Place::Sqlite(_) => self.inline(work),
            Place::Postgres(_) => self.pooled(None, work).await,
        }
    }

    /// Where a transaction is run and what marks its records, on PostgreSQL.
    pub(super) fn transactions(&self) -> Option<(&Pool, Sealer)> {
        self.commits_one_by_one().then(|| (&self.inner.pool, self.inner.keyring.sealer()))
    }

    /// Where reads of users are gathered, on PostgreSQL.
    pub(super) fn users(&self) -> Option<&Gatherer<UserWithGroups>> {
        self.inner.users.as_ref()
    }

    async fn pooled<T, E, F>(&self, begin: Option<&'static str>, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut DbConn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let run = move |pool: &Pool| {
            let mut checked = pool.get(begin).map_err(|not_begun| E::from(not_begun.error))?;
            let result = work(&mut checked.conn);
            let ended = match begin {
                // Nothing was written: undoing is the cheaper way to end it.
                Some(_) => checked.conn.rollback(),
                None if checked.seen.failed() => checked.conn.ping(),
                None => Ok(()),
            };
            match ended {
                Ok(()) => {
                    checked.broken = false;
                    result
                }
                Err(error) => Err(E::from(StoreError::Unavailable(Box::new(error)))),
            }
        };
        self.inner.pool.run(run).await
    }

    fn inline<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut DbConn) -> Result<T, E>,
        E: From<StoreError>,
    {
        // Taken out while it is used: a panic in `work` throws it away.
        let own = OWN.with_borrow_mut(|own| own.remove(&self.inner.number));
        let mut conn = match own {
            Some((_, conn)) => conn,
            None => self.inner.place.connect(Role::Point).map_err(E::from)?,
        };
        let result = work(&mut conn);
        if !conn.is_broken() {
            OWN.with_borrow_mut(|own| {
                if own.len() > 1 {
                    own.retain(|_, (store, _)| store.strong_count() > 0);
                }
                own.insert(self.inner.number, (Arc::downgrade(&self.inner), conn));
            });
        }
        result
    }
}

#[derive(QueryableByName)]
struct Now {
    #[diesel(sql_type = BigInt)]
    now: i64,
}
