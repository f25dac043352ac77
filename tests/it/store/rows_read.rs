//! How much a transaction read, by PostgreSQL's own counters; SQLite has none, so its plan is asked.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use scimhub::store::Tx;

/// A line of SQLite's `EXPLAIN QUERY PLAN`.
#[derive(QueryableByName)]
pub struct Step {
    /// What is searched, and by which index.
    #[diesel(sql_type = Text)]
    pub detail: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// Rows of these tables and entries of their indexes read so far in this transaction.
pub fn touched(tx: &mut Tx<'_>, tables: &[&str]) -> i64 {
    let named: Vec<String> = tables.iter().map(|table| format!("'{table}'::regclass")).collect();
    let sql = format!(
        "SELECT SUM(pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid) \
         + COALESCE((SELECT SUM(pg_stat_get_xact_tuples_returned(i.indexrelid)) FROM pg_index i \
             WHERE i.indrelid = c.oid), 0))::BIGINT AS rows \
         FROM pg_class c WHERE c.oid IN ({})",
        named.join(", ")
    );
    diesel::sql_query(sql).get_result::<Count>(&mut **tx).unwrap().rows
}
