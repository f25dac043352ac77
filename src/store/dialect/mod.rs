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
        let text = insert_text(table, columns, chunk, tail);
        let cells = chunk.iter().flatten();
        written += match conn {
            DbConn::Sqlite(c) => sqlite::insert(c, text, cells)?,
            DbConn::Postgres(c) => postgres::insert(c, text, cells)?,
        };
    }
    Ok(written)
}

fn insert_text(table: &str, columns: &[&str], rows: &[Vec<Cell>], tail: &str) -> String {
    let mut text = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    let mut number = 0;
    for (at, row) in rows.iter().enumerate() {
        text.push_str(if at == 0 { "(" } else { ", (" });
        for (at, cell) in row.iter().enumerate() {
            if at > 0 {
                text.push_str(", ");
            }
            // Typeless, so that it fits any column; a bound null has the wrong type for some.
            if *cell == Cell::Null {
                text.push_str("NULL");
            } else {
                number += 1;
                text.push('$');
                text.push_str(&number.to_string());
            }
        }
        text.push(')');
    }
    text.push(' ');
    text.push_str(tail);
    text
}

/// A set of ids as one text parameter, for `sql_query` with any number of ids: put
/// [`IdSet::condition`] into the statement and bind [`IdSet::parameter`].
#[derive(Clone, Debug)]
pub struct IdSet {
    parameter: String,
    postgres: bool,
}

impl IdSet {
    /// The set, in the form this connection understands.
    pub fn new(conn: &DbConn, ids: impl IntoIterator<Item = Uuid>) -> Self {
        let postgres = match conn {
            DbConn::Sqlite(_) => false,
            DbConn::Postgres(_) => true,
        };
        let ids = ids.into_iter();
        let parameter = if postgres { postgres::id_array(ids) } else { sqlite::id_array(ids) };
        Self { parameter, postgres }
    }

    /// SQL that holds where `column` is in the set, which is bound as `$number`.
    pub fn condition(&self, column: &str, number: usize) -> String {
        if self.postgres {
            format!("{column} = ANY (${number}::text::bytea[])")
        } else {
            format!("{column} IN (SELECT unhex(value) FROM json_each(${number}))")
        }
    }

    /// SQL for the set as a relation with the one column `id`, bound as `$number`: for
    /// `INSERT … SELECT … FROM <relation> AS ids`.
    pub fn relation(&self, number: usize) -> String {
        if self.postgres {
            format!("(SELECT unnest(${number}::text::bytea[]) AS id)")
        } else {
            format!("(SELECT unhex(value) AS id FROM json_each(${number}))")
        }
    }

    /// What to bind, as `diesel::sql_types::Text`.
    pub fn parameter(&self) -> &str {
        &self.parameter
    }
}

/// Whether a failure is of the kind that passes: a full disk, a lock held too long, a server that
/// is going down. SQLite's messages are fixed; of PostgreSQL's, diesel keeps no code.
pub(super) fn may_pass(message: &str) -> bool {
    sqlite::may_pass(message) || postgres::may_pass(message)
}
