//! Reading and writing: `store.read`, `store.point` and `store.write`.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::StoreError;
use super::conn::{self, DbConn};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// A write transaction. Dereferences to the connection.
pub struct Tx<'a> {
    conn: &'a mut DbConn,
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

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    url: Arc<str>,
    writer: Arc<Mutex<DbConn>>,
}

impl Store {
    /// Open and migrate.
    ///
    /// # Errors
    /// As [`conn::open`], and when a migration fails.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let mut writer = conn::open(url)?;
        let migrated = match &mut writer {
            DbConn::Sqlite(c) => c.run_pending_migrations(SQLITE).map(|_| ()),
            DbConn::Postgres(c) => c.run_pending_migrations(POSTGRES).map(|_| ()),
        };
        migrated.map_err(StoreError::Unavailable)?;
        Ok(Self { url: url.into(), writer: Arc::new(Mutex::new(writer)) })
    }

    /// Run `work` in one write transaction; answered after the commit.
    ///
    /// `work` may run more than once (a shared commit failed, PostgreSQL asked to retry), so it
    /// must have no effect outside the database.
    ///
    /// # Errors
    /// Whatever `work` returned, after its changes were rolled back; or a [`StoreError`].
    pub async fn write<T, E, F>(&self, mut work: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let writer = Arc::clone(&self.writer);
        let run = move || {
            let mut conn = writer.lock().map_err(|_| StoreError::Refused("a writer panicked".into()))?;
            let begin = match &*conn {
                DbConn::Sqlite(_) => "BEGIN IMMEDIATE",
                DbConn::Postgres(_) => "BEGIN",
            };
            conn.batch_execute(begin).map_err(StoreError::from)?;
            let result = work(&mut Tx { conn: &mut conn });
            let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
            conn.batch_execute(end).map_err(StoreError::from)?;
            result
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => result,
            Err(error) => Err(E::from(StoreError::Unavailable(Box::new(error)))),
        }
    }

    /// Run `work` on a read connection of the blocking pool: lists, scans, everything that may
    /// take long.
    ///
    /// # Errors
    /// Whatever `work` returned, or a [`StoreError`].
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut DbConn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let url = Arc::clone(&self.url);
        match tokio::task::spawn_blocking(move || work(&mut conn::open(&url)?)).await {
            Ok(result) => result,
            Err(error) => Err(E::from(StoreError::Unavailable(Box::new(error)))),
        }
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
        self.read(work).await
    }
}
