//! What PostgreSQL believes of the tables. It plans by counts that its autovacuum takes once a minute, and
//! keeps a prepared statement's plan until the next count: a table that went from empty to a hundred
//! thousand rows, as on the day a company is connected, is read whole for every row until then. So a table
//! that has grown by half is counted here, seconds after it did.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::StoreError;
use super::conn::DbConn;

/// Changed rows that are worth counting a table for.
const WORTH: i64 = 1000;

/// How closely: 300 rows of a table are looked at for each of these. A fifth of what PostgreSQL looks at by
/// itself is enough to tell a large table from an empty one; all of it took half a second of a core for five
/// tables of 50,000 rows.
const SAMPLE: u32 = 20;

/// Of the processes of a cluster one counts at a time.
const LOCK: i64 = 8_314_325_529_479;

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Ours {
    #[diesel(sql_type = Bool)]
    ours: bool,
}

/// Have PostgreSQL count the tables of which half or more is new since they were counted; answers which. On
/// SQLite, whose statistics are part of the schema, nothing happens.
///
/// One process at a time does it: who comes second has nothing to do. A table that belongs to another role of
/// the database is left to its autovacuum.
///
/// # Errors
/// A failed statement.
pub fn count_grown(conn: &mut DbConn) -> Result<Vec<String>, StoreError> {
    let DbConn::Postgres(conn) = conn else { return Ok(Vec::new()) };
    if grown(conn)?.is_empty() {
        return Ok(Vec::new());
    }
    Ok(conn.transaction(|conn| {
        let lock = diesel::sql_query(format!("SELECT pg_try_advisory_xact_lock({LOCK}) AS ours"));
        let names = if lock.get_result::<Ours>(conn)?.ours { grown(conn)? } else { Vec::new() };
        if !names.is_empty() {
            conn.batch_execute(&format!(
                "SET LOCAL default_statistics_target = {SAMPLE}; ANALYZE (SKIP_LOCKED) {}",
                names.join(", ")
            ))?;
        }
        Ok::<_, diesel::result::Error>(names)
    })?)
}

fn grown(conn: &mut PgConnection) -> QueryResult<Vec<String>> {
    let tables: Vec<Table> = diesel::sql_query(format!(
        "SELECT quote_ident(s.schemaname) || '.' || quote_ident(s.relname) AS name \
         FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid \
         WHERE s.schemaname = current_schema() AND pg_has_role(c.relowner, 'USAGE') \
         AND s.n_mod_since_analyze >= {WORTH} AND s.n_mod_since_analyze * 2 >= s.n_live_tup"
    ))
    .load(conn)?;
    Ok(tables.into_iter().map(|table| table.name).collect())
}
