//! PostgreSQL's side of what differs.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Text};

use super::Cell;

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

pub(super) fn insert<'a>(
    conn: &mut PgConnection,
    text: String,
    cells: impl Iterator<Item = &'a Cell>,
) -> QueryResult<usize> {
    let mut query = diesel::sql_query(text).into_boxed::<Pg>();
    for cell in cells {
        query = match cell {
            Cell::Bytes(value) => query.bind::<Binary, _>(value),
            Cell::Text(value) => query.bind::<Text, _>(value),
            Cell::Int(value) => query.bind::<BigInt, _>(value),
            Cell::Bool(value) => query.bind::<Bool, _>(value),
            Cell::Null => query,
        };
    }
    query.execute(conn)
}
