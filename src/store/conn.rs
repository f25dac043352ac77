//! One connection type over both databases, where a database is, and how a connection is opened.

#![allow(missing_docs, reason = "diesel's MultiConnection derive writes undocumented items")]

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::result::{Error, QueryResult};
use diesel::{Connection, PgConnection, SqliteConnection};

use super::StoreError;

/// A connection to SQLite or PostgreSQL.
///
/// Select, update, delete, single insert and `RETURNING` go through the enum; upserts, locks and
/// batch inserts live in `store::dialect`, one function per database.
#[derive(diesel::MultiConnection)]
pub enum DbConn {
    /// SQLite, compiled in.
    Sqlite(SqliteConnection),
    /// PostgreSQL through libpq, compiled in.
    Postgres(PgConnection),
}

impl DbConn {
    /// Start the outer transaction with this statement.
    pub(super) fn begin(&mut self, statement: &str) -> QueryResult<()> {
        match self {
            Self::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, statement),
            Self::Postgres(c) => AnsiTransactionManager::begin_transaction_sql(c, statement),
        }
    }

    /// Open a savepoint inside the open transaction.
    pub(super) fn savepoint(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(c) => AnsiTransactionManager::begin_transaction(c),
            Self::Postgres(c) => AnsiTransactionManager::begin_transaction(c),
        }
    }

    /// Commit the transaction, or release the innermost savepoint.
    pub(super) fn commit(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(c) => AnsiTransactionManager::commit_transaction(c),
            Self::Postgres(c) => AnsiTransactionManager::commit_transaction(c),
        }
    }

    /// Undo the transaction, or the innermost savepoint.
    pub(super) fn rollback(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(c) => AnsiTransactionManager::rollback_transaction(c),
            Self::Postgres(c) => AnsiTransactionManager::rollback_transaction(c),
        }
    }
}

/// Where a database is. Its `Debug` and `Display` never show a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file, by its absolute path.
    Sqlite(Arc<Path>),
    /// A PostgreSQL URL with our connection parameters put before the user's.
    Postgres(Arc<str>),
}

/// What a connection is for; its settings follow. PostgreSQL's writer and readers are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The one connection that writes.
    Writer,
    /// One that may only read: lists and scans.
    Reader,
    /// One that may only read, of a thread that answers point reads.
    Point,
    /// SQLite's one that copies from the log into the file.
    Checkpoint,
}

/// For every SQLite connection: wait for another process's writer instead of failing at once.
const SQLITE_COMMON: &str =
    "PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;";
/// Apart from the rest, because it may have to be asked again.
const SQLITE_LOG: &str = "PRAGMA journal_mode = WAL";
/// How often a new file is turned to its log where others do the same, and the pause between.
const LOG_TRIES: u32 = 400;
const LOG_PAUSE: Duration = Duration::from_millis(5);
/// WAL with FULL: an acknowledged commit survives a power cut. A later checkpoint than SQLite's
/// own spares syncs; the limit gives the space back after a large import.
const SQLITE_WRITER: &str = "PRAGMA synchronous = FULL; PRAGMA cache_size = -16384;
     PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;";
/// Lists read little of what would be mapped, which is the beginning of the file, and little twice.
const SQLITE_READER: &str = "PRAGMA query_only = ON; PRAGMA cache_size = -2048;";
/// Mapped pages spare a copy on every read, but each connection that has touched one counts it as its
/// own memory: the hot reads get all that the budget of a store of 240 MB has room for.
const SQLITE_POINT: &str = "PRAGMA query_only = ON; PRAGMA cache_size = -4096; PRAGMA mmap_size = 67108864;";
const SQLITE_CHECKPOINT: &str = "PRAGMA synchronous = FULL; PRAGMA cache_size = -64;";
/// A transaction left open by a stuck process must not hold row locks and the vacuum for ever.
const POSTGRES_SETUP: &str = "SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '10s'";
/// Rows by their whole key, always the same way whatever the statistics say: a plan made while the
/// tables were small, or for a short list, must do for all sizes and lists (T-32). Asked of the server's
/// own list, because older ones know fewer settings.
const POSTGRES_POINT: &str = "SET default_transaction_read_only = on; SET plan_cache_mode = force_generic_plan; \
     SET statement_timeout = '5s'; SELECT set_config(name, 'off', false) FROM pg_settings \
     WHERE name IN ('enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_memoize', 'jit')";

impl FromStr for Place {
    type Err = StoreError;

    /// `sqlite:FILE` or `postgres://…`; nothing else, and never the text itself in the message.
    fn from_str(url: &str) -> Result<Self, StoreError> {
        if let Some(file) = url.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            if file.is_empty() || file == ":memory:" || file.contains('?') {
                return Err(StoreError::Refused(String::from(
                    "the database must be a file: sqlite:FILE, without parameters and not :memory:",
                )));
            }
            return Ok(Self::Sqlite(absolute(Path::new(file))?.into()));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(with_parameters(url).into()));
        }
        Err(StoreError::Refused(String::from("the database must be sqlite:FILE or postgres://USER@HOST/DATABASE")))
    }
}

/// Absolute and free of symbolic links, so that two spellings of a file share one lock.
fn absolute(file: &Path) -> Result<PathBuf, StoreError> {
    let refused = |error: io::Error| {
        StoreError::Refused(format!("the folder of the database {} cannot be used: {error}", file.display()))
    };
    if let Ok(found) = file.canonicalize() {
        return Ok(found);
    }
    let name = file.file_name().ok_or_else(|| refused(io::ErrorKind::InvalidInput.into()))?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    Ok(folder.canonicalize().map_err(refused)?.join(name))
}

/// Ours come first: of a parameter given twice, libpq takes the last.
fn with_parameters(url: &str) -> String {
    const OURS: &str = "fallback_application_name=scimhub&connect_timeout=5&keepalives_idle=30&tcp_user_timeout=30000";
    match url.split_once('?') {
        Some((head, theirs)) => format!("{head}?{OURS}&{theirs}"),
        None => format!("{url}?{OURS}"),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            Self::Postgres(url) => {
                let rest = url.split_once("://").map_or("", |(_, rest)| rest);
                let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
                f.write_str("postgres://")?;
                match address.rsplit_once('@') {
                    Some((_, host)) => f.write_str(host),
                    // An @ further on: a password with a question mark, perhaps.
                    None if parameters.contains('@') => f.write_str("…"),
                    None => f.write_str(address),
                }
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Place {
    /// Open a connection.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the reason when the database does not answer.
    pub(super) fn connect(&self, role: Role) -> Result<DbConn, StoreError> {
        let failed = |error: diesel::ConnectionError| StoreError::Unavailable(Box::new(error));
        match self {
            Self::Sqlite(file) => {
                if role == Role::Writer {
                    create_private(file)?;
                }
                let mut conn = SqliteConnection::establish(&file.to_string_lossy()).map_err(failed)?;
                conn.batch_execute(SQLITE_COMMON)?;
                if role == Role::Writer {
                    keep_a_log(&mut conn)?;
                }
                conn.batch_execute(match role {
                    Role::Writer => SQLITE_WRITER,
                    Role::Reader => SQLITE_READER,
                    Role::Point => SQLITE_POINT,
                    Role::Checkpoint => SQLITE_CHECKPOINT,
                })?;
                Ok(DbConn::Sqlite(conn))
            }
            Self::Postgres(url) => {
                let mut conn = PgConnection::establish(url).map_err(|error| match error {
                    // libpq quotes the part it cannot read, which may be the password.
                    diesel::ConnectionError::BadConnection(why) if why.contains("URI") || why.contains("percent") => {
                        StoreError::Refused(String::from(
                            "the PostgreSQL URL cannot be read: percent-encode special characters of user and password",
                        ))
                    }
                    other => failed(other),
                })?;
                conn.batch_execute(POSTGRES_SETUP)?;
                match role {
                    Role::Writer | Role::Reader | Role::Checkpoint => {}
                    Role::Point => conn.batch_execute(POSTGRES_POINT)?,
                }
                Ok(DbConn::Postgres(conn))
            }
        }
    }
}

/// Where two turn a new file to a log at once, each has read it and wants it for itself: SQLite tells one
/// at once that it is locked, whatever the `busy_timeout`. It asks again.
fn keep_a_log(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        match conn.batch_execute(SQLITE_LOG) {
            Err(Error::DatabaseError(_, why)) if why.message() == "database is locked" && tries < LOG_TRIES => {
                tries += 1;
                std::thread::sleep(LOG_PAUSE);
            }
            other => return Ok(other?),
        }
    }
}

/// The database holds people's data: its file is made for its owner only. SQLite gives the files
/// beside it the same mode.
fn create_private(file: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Refused(format!("the database file {} cannot be made: {error}", file.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_or_postgres_and_shows_no_password() {
        for url in ["postgres://ann:hunter2@db.example:5432/hub", "postgresql://ann:hun@ter2@db.example:5432/hub?a=b"] {
            let place: Place = url.parse().unwrap();
            assert_eq!(format!("{place:?}"), "postgres://db.example:5432/hub");
        }
        for url in ["mysql://ann:hunter2@db/x", "hunter2", "", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro"] {
            let error = url.parse::<Place>().unwrap_err();
            assert!(matches!(error, StoreError::Refused(_)), "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn a_url_that_libpq_cannot_read_is_not_quoted() {
        let place: Place = "postgres://ann:hun%zzter2@127.0.0.1:1/d".parse().unwrap();
        let error = place.connect(Role::Writer).err().unwrap();
        assert!(!format!("{error} {error:?}").contains("zzter2"), "{error:?}");
        let odd: Place = "postgres://ann:hun?ter2@db/d".parse().unwrap();
        assert_eq!(odd.to_string(), "postgres://…");
    }

    #[test]
    fn many_may_open_a_new_file_at_once() {
        for _ in 0..300 {
            let folder = tempfile::tempdir().unwrap();
            let place: Place = format!("sqlite:{}/a.db", folder.path().display()).parse().unwrap();
            std::thread::scope(|scope| {
                let opening: Vec<_> = (0..4).map(|_| scope.spawn(|| place.connect(Role::Writer).map(|_| ()))).collect();
                opening.into_iter().for_each(|one| one.join().unwrap().unwrap());
            });
        }
    }

    #[test]
    fn two_spellings_of_a_file_are_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let straight = format!("sqlite:{}/a.db", folder.path().display());
        let crooked = format!("sqlite://{}/./a.db", folder.path().display());
        assert_eq!(straight.parse::<Place>().unwrap(), crooked.parse::<Place>().unwrap());
    }

    #[test]
    fn the_users_connection_parameters_win() {
        let Place::Postgres(url) = "postgres://h/d?connect_timeout=60".parse().unwrap() else { panic!("postgres") };
        assert!(url.ends_with("&connect_timeout=60"), "{url}");
    }
}
