//! PostgreSQL's side of what differs.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::{Cell, Seal};

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
