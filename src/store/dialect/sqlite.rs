//! SQLite's side of what differs.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::Sqlite;

use super::{Cell, Seal};
use crate::store::conn::DbConn;
use crate::store::kept::Keep as _;

/// Unique indexes by the columns SQLite names when one is violated. Primary keys need no line:
/// what is not listed is the table's primary key. A test holds this against both databases.
const UNIQUE: &[(&str, &str)] = &[
    ("workspaces.name", "workspaces_name_key"),
    ("sources.workspace, sources.name", "sources_workspace_name_key"),
    ("tokens.lookup", "tokens_lookup"),
    ("users.workspace, users.user_name_key", "users_user_name"),
    ("hubs.workspace, hubs.slug", "hubs_slug"),
    ("mappings.workspace, mappings.hub_id, mappings.subject_key, mappings.scope", "mappings_identity"),
    ("hub_members.workspace, hub_members.hub_id, hub_members.user_id", "hub_members_user"),
    ("hub_members.workspace, hub_members.remote_id, hub_members.hub_id", "hub_members_remote"),
    ("tasks.workspace, tasks.hub_id, tasks.subject", "tasks_one_open"),
    ("holds.workspace, holds.hub_id, holds.reason", "holds_open"),
    ("access_intervals.workspace, access_intervals.member_id", "access_intervals_open"),
    ("activity.workspace, activity.seq", "activity_seq"),
    ("workspace_roles.workspace", "workspace_roles_one_owner"),
    ("partners.workspace, partners.name_key", "partners_name"),
    ("partner_people.workspace, partner_people.user_id", "partner_people_one"),
];

/// The name PostgreSQL gives the violated index, from SQLite's message
/// (`UNIQUE constraint failed: users.workspace, users.user_name_key`).
pub fn index_of(message: &str) -> String {
    let columns = message.rsplit_once(": ").map_or(message, |(_, columns)| columns);
    match UNIQUE.iter().find(|(of, _)| *of == columns) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("{}_pkey", columns.split('.').next().unwrap_or_default()),
    }
}

/// SQLite's words for what passes: another process holds the lock, no space, a bad disk.
pub(super) fn may_pass(message: &str) -> bool {
    ["database is locked", "database table is locked", "database or disk is full", "disk I/O error"].contains(&message)
        || message == "attempt to write a readonly database"
        || message == "unable to open database file"
}

pub(super) fn insert<'a>(
    conn: &mut SqliteConnection,
    text: String,
    cells: impl Iterator<Item = &'a Cell>,
) -> QueryResult<usize> {
    let mut query = diesel::sql_query(text).into_boxed::<Sqlite>();
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

/// One prepared statement, run for each.
pub(super) fn seal(conn: &mut DbConn, workspace: i64, seals: &[Seal]) -> QueryResult<()> {
    for seal in seals {
        diesel::sql_query(
            "UPDATE activity SET seq = $1, hash = $2, personal_digest = $3, foreign_at = $4 \
             WHERE workspace = $5 AND id = $6",
        )
        .bind::<BigInt, _>(seal.seq)
        .bind::<Binary, _>(seal.hash.as_slice())
        .bind::<Nullable<Binary>, _>(seal.personal_digest.as_deref())
        .bind::<Nullable<BigInt>, _>(seal.foreign_at)
        .bind::<BigInt, _>(workspace)
        .bind::<Binary, _>(seal.id.as_slice())
        .kept()
        .execute(conn)?;
    }
    Ok(())
}
