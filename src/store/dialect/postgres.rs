//! PostgreSQL's side of what differs.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::{Cell, Seal};
use crate::store::kept::Keep as _;

/// A lost race for a row, a lock waited for too long, a server going down or out of connections.
/// Known by their English texts only; in another language they count as unexpected.
pub(super) fn may_pass(message: &str) -> bool {
    const TEXTS: [&str; 8] = [
        "deadlock detected",
        "canceling statement due to lock timeout",
        "canceling statement due to statement timeout",
        "terminating connection due to",
        "the database system is",
        "server closed the connection",
        "no connection to the server",
        "could not extend file",
    ];
    TEXTS.iter().any(|text| message.starts_with(text))
}

/// The values go as one array for each column: a text with a parameter for each of thousands of values
/// costs PostgreSQL more to read and plan than the rows cost to write. So the text is the same for any
/// number of rows, but for columns in which none has a value, and stays prepared.
pub(super) fn insert(
    conn: &mut PgConnection,
    table: &str,
    columns: &[&str],
    rows: &[Vec<Cell>],
    tail: &str,
) -> QueryResult<usize> {
    let (mut chosen, mut arrays, mut given) = (Vec::new(), Vec::new(), Vec::new());
    for at in 0..columns.len() {
        match Column::of(rows, at)? {
            // Without a type, so that it fits any column.
            None => chosen.push(String::from("NULL")),
            Some(column) => {
                given.push(column);
                chosen.push(format!("r.c{}", given.len()));
                arrays.push(given.len());
            }
        }
    }
    let list = |prefix: char| arrays.iter().map(|n| format!("{prefix}{n}")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM unnest({}) AS r ({}) {tail}",
        columns.join(", "),
        chosen.join(", "),
        list('$'),
        list('c'),
    );
    let mut query = diesel::sql_query(text).into_boxed::<Pg>();
    for column in given {
        query = match column {
            Column::Bytes(values) => query.bind::<Array<Nullable<Binary>>, _>(values),
            Column::Text(values) => query.bind::<Array<Nullable<Text>>, _>(values),
            Column::Int(values) => query.bind::<Array<Nullable<BigInt>>, _>(values),
            Column::Bool(values) => query.bind::<Array<Nullable<Bool>>, _>(values),
        };
    }
    query.kept().execute_there(conn)
}

/// The values of one column.
enum Column<'a> {
    Bytes(Vec<Option<&'a [u8]>>),
    Text(Vec<Option<&'a str>>),
    Int(Vec<Option<i64>>),
    Bool(Vec<Option<bool>>),
}

impl<'a> Column<'a> {
    /// `None` where no row has a value.
    fn of(rows: &'a [Vec<Cell>], at: usize) -> QueryResult<Option<Self>> {
        let cells = || rows.iter().map(move |row| row.get(at).unwrap_or(&Cell::Null));
        let Some(first) = cells().find(|cell| **cell != Cell::Null) else { return Ok(None) };
        Ok(Some(match first {
            Cell::Bytes(_) => Self::Bytes(each(cells(), |cell| match cell {
                Cell::Bytes(value) => Some(value.as_slice()),
                Cell::Text(_) | Cell::Int(_) | Cell::Bool(_) | Cell::Null => None,
            })?),
            Cell::Text(_) => Self::Text(each(cells(), |cell| match cell {
                Cell::Text(value) => Some(value.as_str()),
                Cell::Bytes(_) | Cell::Int(_) | Cell::Bool(_) | Cell::Null => None,
            })?),
            Cell::Int(_) => Self::Int(each(cells(), |cell| match cell {
                Cell::Int(value) => Some(*value),
                Cell::Bytes(_) | Cell::Text(_) | Cell::Bool(_) | Cell::Null => None,
            })?),
            Cell::Bool(_) => Self::Bool(each(cells(), |cell| match cell {
                Cell::Bool(value) => Some(*value),
                Cell::Bytes(_) | Cell::Text(_) | Cell::Int(_) | Cell::Null => None,
            })?),
            Cell::Null => return Ok(None),
        }))
    }
}

/// The values of cells that are all of one type, or missing.
fn each<'a, T>(
    cells: impl Iterator<Item = &'a Cell>,
    read: impl Fn(&'a Cell) -> Option<T>,
) -> QueryResult<Vec<Option<T>>> {
    cells
        .map(|cell| match read(cell) {
            None if *cell != Cell::Null => {
                Err(diesel::result::Error::QueryBuilderError("a column with values of two types".into()))
            }
            value => Ok(value),
        })
        .collect()
}

/// One statement for all of them: each would cost a round trip.
pub(super) fn seal(conn: &mut PgConnection, workspace: i64, seals: &[Seal]) -> QueryResult<()> {
    let ids: Vec<&[u8]> = seals.iter().map(|seal| seal.id.as_slice()).collect();
    let places: Vec<i64> = seals.iter().map(|seal| seal.seq).collect();
    let hashes: Vec<&[u8]> = seals.iter().map(|seal| seal.hash.as_slice()).collect();
    let foreign: Vec<Option<i64>> = seals.iter().map(|seal| seal.foreign_at).collect();
    let digests: Vec<Option<&[u8]>> = seals.iter().map(|seal| seal.personal_digest.as_deref()).collect();
    diesel::sql_query(
        "UPDATE activity a SET seq = s.seq, hash = s.hash, personal_digest = s.digest, foreign_at = s.foreign_at \
         FROM unnest($1, $2, $3, $4, $5) AS s (id, seq, hash, digest, foreign_at) \
         WHERE a.workspace = $6 AND a.id = s.id",
    )
    .bind::<Array<Binary>, _>(ids)
    .bind::<Array<BigInt>, _>(places)
    .bind::<Array<Binary>, _>(hashes)
    .bind::<Array<Nullable<Binary>>, _>(digests)
    .bind::<Array<Nullable<BigInt>>, _>(foreign)
    .bind::<BigInt, _>(workspace)
    .execute(conn)?;
    Ok(())
}
