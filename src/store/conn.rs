//! One connection type over both databases, and how a connection is opened.

#![allow(missing_docs, reason = "diesel's MultiConnection derive writes undocumented items")]

use diesel::connection::SimpleConnection;
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

/// Open a connection by URL scheme: `sqlite:FILE` or `postgres://…`.
///
/// # Errors
/// [`StoreError::Refused`] for an unknown scheme, [`StoreError::Unavailable`] with the reason
/// when the database does not answer.
pub fn open(url: &str) -> Result<DbConn, StoreError> {
    if let Some(file) = url.strip_prefix("sqlite:") {
        let file = file.strip_prefix("//").unwrap_or(file);
        let mut conn = SqliteConnection::establish(file).map_err(|e| StoreError::Unavailable(Box::new(e)))?;
        conn.batch_execute(
            "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
        )?;
        return Ok(DbConn::Sqlite(conn));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let conn = PgConnection::establish(url).map_err(|e| StoreError::Unavailable(Box::new(e)))?;
        return Ok(DbConn::Postgres(conn));
    }
    Err(StoreError::Refused(format!(
        "the database must be sqlite:FILE or postgres://…, not {}",
        url.split(':').next().unwrap_or_default()
    )))
}
