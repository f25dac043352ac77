//! Bringing a database up to this version. Forward only; a database that a newer version wrote
//! is refused, because this one would not keep what it does not know.

use std::collections::BTreeSet;

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::StoreError;
use super::conn::DbConn;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// All replicas start at once; one migrates. The number is arbitrary ("scimhub" in letters).
const LOCK: &str = "SELECT pg_advisory_lock(8314325529478)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(8314325529478)";

/// The migration from which on records carry a mark.
const MARKS: &str = "0029";

/// What a database lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    /// Nothing.
    None,
    /// Migrations, or all of them.
    Migrations,
    /// Migrations, and an earlier version wrote records without marks.
    Marks,
}

/// Apply what is missing; does nothing on a current database. `marks_begin` is called once in its life,
/// right after the upgrade of a database whose records had no marks, before any other process goes on
/// with it; on SQLite all of it is one transaction.
///
/// # Errors
/// [`StoreError::Refused`] for a database of a newer version, [`StoreError::Unavailable`] when a
/// migration fails (nothing of it stays).
pub fn run(
    conn: &mut DbConn,
    marks_begin: impl FnOnce(&mut DbConn) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if let DbConn::Sqlite(c) = conn
        && missing(c, &SQLITE)? == Gap::None
    {
        return Ok(());
    }
    match conn {
        DbConn::Sqlite(_) => {
            conn.begin("BEGIN IMMEDIATE")?;
            let result = upgrade(conn, marks_begin);
            end(conn, result)
        }
        DbConn::Postgres(c) => {
            c.batch_execute("SET lock_timeout = 0")?;
            c.batch_execute(LOCK)?;
            let result = upgrade(conn, |conn| {
                conn.begin("BEGIN")?;
                let result = marks_begin(conn);
                end(conn, result)
            });
            conn.batch_execute(UNLOCK)?;
            result
        }
    }
}

/// Under a lock, and looked at again inside it: another process may have been faster.
fn upgrade(
    conn: &mut DbConn,
    marks_begin: impl FnOnce(&mut DbConn) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let gap = match conn {
        DbConn::Sqlite(c) => {
            let gap = missing(c, &SQLITE)?;
            if gap != Gap::None {
                c.run_pending_migrations(SQLITE).map_err(StoreError::Unavailable)?;
            }
            gap
        }
        DbConn::Postgres(c) => {
            let gap = missing(c, &POSTGRES)?;
            if gap != Gap::None {
                c.run_pending_migrations(POSTGRES).map_err(StoreError::Unavailable)?;
            }
            gap
        }
    };
    if gap == Gap::Marks { marks_begin(conn) } else { Ok(()) }
}

fn end(conn: &mut DbConn, result: Result<(), StoreError>) -> Result<(), StoreError> {
    match result {
        Ok(()) => Ok(conn.commit()?),
        Err(error) => {
            conn.rollback()?;
            Err(error)
        }
    }
}

#[derive(diesel::QueryableByName)]
struct Version {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

/// Whether the database has every migration that this program knows. More is well: a newer
/// version has begun its work beside this one.
///
/// # Errors
/// [`StoreError::Unavailable`] when its list cannot be read.
pub fn is_current(conn: &mut DbConn) -> Result<bool, StoreError> {
    let ours = match conn {
        DbConn::Sqlite(_) => known::<diesel::sqlite::Sqlite>(&SQLITE)?,
        DbConn::Postgres(_) => known::<diesel::pg::Pg>(&POSTGRES)?,
    };
    // Read by hand: the harness would create the table where it is missing.
    let rows: Vec<Version> = diesel::sql_query("SELECT version FROM __diesel_schema_migrations").load(conn)?;
    let applied: BTreeSet<_> = rows.into_iter().map(|row| MigrationVersion::from(row.version)).collect();
    Ok(ours.is_subset(&applied))
}

fn known<DB: diesel::backend::Backend>(
    ours: &EmbeddedMigrations,
) -> Result<BTreeSet<MigrationVersion<'static>>, StoreError> {
    let all = MigrationSource::<DB>::migrations(ours).map_err(StoreError::Unavailable)?;
    Ok(all.iter().map(|migration| migration.name().version().as_owned()).collect())
}

/// Which migrations are missing.
///
/// # Errors
/// [`StoreError::Refused`] when the database has migrations that this program does not know.
fn missing<DB, C>(conn: &mut C, ours: &EmbeddedMigrations) -> Result<Gap, StoreError>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let known = known::<DB>(ours)?;
    let applied: BTreeSet<MigrationVersion<'static>> =
        conn.applied_migrations().map_err(StoreError::Unavailable)?.into_iter().collect();
    if let Some(newer) = applied.difference(&known).max() {
        return Err(StoreError::Refused(format!(
            "the database was written by a newer scimhub (migration {newer}); start that version or a later one"
        )));
    }
    let marks = MigrationVersion::from(MARKS);
    Ok(if known == applied {
        Gap::None
    } else if applied.is_empty() || applied.contains(&marks) {
        Gap::Migrations
    } else {
        Gap::Marks
    })
}
