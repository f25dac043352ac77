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

/// Apply what is missing; does nothing on a current database.
///
/// # Errors
/// [`StoreError::Refused`] for a database of a newer version, [`StoreError::Unavailable`] when a
/// migration fails (nothing of it stays).
pub fn run(conn: &mut DbConn) -> Result<(), StoreError> {
    match conn {
        DbConn::Sqlite(c) => {
            if missing(c, &SQLITE)? {
                run_sqlite(conn)?;
            }
        }
        DbConn::Postgres(c) => {
            c.batch_execute("SET lock_timeout = 0")?;
            c.batch_execute(LOCK)?;
            let result = missing(c, &POSTGRES).and_then(|missing| {
                if missing {
                    c.run_pending_migrations(POSTGRES).map(|_| ()).map_err(StoreError::Unavailable)
                } else {
                    Ok(())
                }
            });
            c.batch_execute(UNLOCK)?;
            result?;
        }
    }
    Ok(())
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

/// Under the write lock, and looked at again inside it: another process may have been faster.
fn run_sqlite(conn: &mut DbConn) -> Result<(), StoreError> {
    conn.begin("BEGIN IMMEDIATE")?;
    let result = match conn {
        DbConn::Sqlite(c) => c.run_pending_migrations(SQLITE).map(|_| ()).map_err(StoreError::Unavailable),
        DbConn::Postgres(_) => Ok(()),
    };
    match result {
        Ok(()) => Ok(conn.commit()?),
        Err(error) => {
            conn.rollback()?;
            Err(error)
        }
    }
}

/// Whether migrations are missing.
///
/// # Errors
/// [`StoreError::Refused`] when the database has migrations that this program does not know.
fn missing<DB, C>(conn: &mut C, ours: &EmbeddedMigrations) -> Result<bool, StoreError>
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
    Ok(known != applied)
}
