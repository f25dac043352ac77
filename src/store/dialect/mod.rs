//! What differs between the two databases: one function per database under one name. Everything
//! that both understand stays in the query modules.

pub mod postgres;
pub mod sqlite;

use uuid::Uuid;

use super::StoreError;
use super::conn::DbConn;

/// Rows in one `INSERT`; keeps the text and the number of parameters (SQLite: 32,766) in bounds.
const ROWS: usize = 500;

/// A value for a batch insert. A missing one is [`Cell::Null`], which fits every column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// BYTEA / BLOB: ids and digests.
    Bytes(Vec<u8>),
    /// TEXT.
    Text(String),
    /// BIGINT, INTEGER or SMALLINT.
    Int(i64),
    /// BOOLEAN.
    Bool(bool),
    /// NULL.
    Null,
}

impl From<Uuid> for Cell {
    fn from(id: Uuid) -> Self {
        Self::Bytes(id.as_bytes().to_vec())
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Insert many rows with few statements; `tail` is what follows the values, for example
/// `ON CONFLICT (workspace, hub_id, user_id) DO UPDATE SET due_at = excluded.due_at`. With
/// `DO UPDATE` no key may occur twice in `rows`, and PostgreSQL wants them in key order so that
/// two writers never wait for each other in a circle.
///
/// Table, columns and `tail` are our own words, never input. Returns the number of rows written.
///
/// # Errors
/// [`StoreError::Conflict`], [`StoreError::Database`].
pub fn insert_rows(
    conn: &mut DbConn,
    table: &str,
    columns: &[&str],
    rows: &[Vec<Cell>],
    tail: &str,
) -> Result<usize, StoreError> {
    let mut written = 0;
    for chunk in rows.chunks(ROWS) {
        written += match conn {
            DbConn::Sqlite(c) => sqlite::insert(c, insert_text(table, columns, chunk, tail), chunk.iter().flatten())?,
            DbConn::Postgres(c) => postgres::insert(c, table, columns, chunk, tail)?,
        };
    }
    Ok(written)
}

/// A record's place in the sealed chain.
#[derive(Clone, Debug)]
pub struct Seal {
    /// The record.
    pub id: Vec<u8>,
    /// Its place.
    pub seq: i64,
    /// Its hash.
    pub hash: Vec<u8>,
    /// The digest of the personal data beside it.
    pub personal_digest: Option<Vec<u8>>,
    /// When it was found to be another's; `None` for one of ours.
    pub foreign_at: Option<i64>,
}

/// Write seals onto records of a workspace.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn seal(conn: &mut DbConn, workspace: i64, seals: &[Seal]) -> Result<(), StoreError> {
    match conn {
        DbConn::Sqlite(_) => sqlite::seal(conn, workspace, seals)?,
        DbConn::Postgres(c) => postgres::seal(c, workspace, seals)?,
    }
    Ok(())
}

/// The text for SQLite: a parameter for each value, without a number. One with a number is looked up in
/// the list of all before it, which for 500 rows is millions of comparisons.
fn insert_text(table: &str, columns: &[&str], rows: &[Vec<Cell>], tail: &str) -> String {
    let mut text = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    for (at, row) in rows.iter().enumerate() {
        text.push_str(if at == 0 { "(" } else { ", (" });
        for (at, cell) in row.iter().enumerate() {
            if at > 0 {
                text.push_str(", ");
            }
            // Typeless, so that it fits any column; a bound null has the wrong type for some.
            text.push_str(if *cell == Cell::Null { "NULL" } else { "?" });
        }
        text.push(')');
    }
    text.push(' ');
    text.push_str(tail);
    text
}

/// Whether a failure is of the kind that passes: a full disk, a lock held too long, a server that
/// is going down. SQLite's messages are fixed; of PostgreSQL's, diesel keeps no code.
pub(super) fn may_pass(message: &str) -> bool {
    sqlite::may_pass(message) || postgres::may_pass(message)
}
