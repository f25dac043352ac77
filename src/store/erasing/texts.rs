//! Texts in which somebody may be named who is not what the row is about. They are looked for inside
//! the database, one pass over a column whatever the number of names; what exactly is taken out is
//! decided by `domain::redaction`.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::super::conn::DbConn;
use super::super::{StoreError, Tx, id_list};
use crate::base::ids::WorkspaceId;
use crate::domain::redaction::Names;

/// What becomes of a text that names the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The names are taken out.
    Redacted,
    /// The row goes: it says nothing without.
    Deleted,
}

/// Where people write about people, or apps do. Table and column are our own words.
const PLACES: [(&str, &str, Fate); 18] = [
    ("tokens", "name", Fate::Redacted),
    ("pending_members", "value", Fate::Deleted),
    ("hub_waits", "reason", Fate::Redacted),
    ("hub_members", "exempt_reason", Fate::Redacted),
    ("tasks", "error_detail", Fate::Redacted),
    ("tasks", "instructions", Fate::Redacted),
    ("tasks", "finished_by", Fate::Redacted),
    ("task_owners", "name", Fate::Deleted),
    ("attempts", "detail", Fate::Redacted),
    ("holds", "note", Fate::Redacted),
    ("guard_passes", "note", Fate::Redacted),
    ("decisions", "note", Fate::Redacted),
    ("problems", "message", Fate::Redacted),
    ("webhook_deliveries", "error", Fate::Redacted),
    ("notifications", "error", Fate::Redacted),
    ("told", "line", Fate::Redacted),
    ("given_fields", "value", Fate::Deleted),
    ("protections", "reason", Fate::Redacted),
];

/// A text that names the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    place: (&'static str, &'static str, Fate),
    was: String,
    becomes: String,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = Text)]
    text: String,
}

/// What to look for, as one parameter. Both databases fold ASCII; PostgreSQL may fold more. Where a
/// name is the whole value of a JSON text it may be of any length.
fn needles(names: &Names) -> String {
    let mut all: Vec<String> = Vec::new();
    let quoted: Vec<String> =
        names.called.iter().chain(&names.ids).map(|name| serde_json::Value::from(name.as_str()).to_string()).collect();
    for word in names.words().into_iter().map(str::to_owned).chain(quoted) {
        let inside = serde_json::Value::from(word.as_str()).to_string();
        let inside = inside.trim_matches('"').to_owned();
        for form in [word.to_ascii_lowercase(), word.to_lowercase(), inside.to_lowercase()] {
            if !all.contains(&form) {
                all.push(form);
            }
        }
    }
    serde_json::Value::from(all).to_string()
}

/// The condition that a column holds one of the list bound as parameter 2.
fn holds_one(conn: &DbConn, column: &str) -> String {
    match conn {
        DbConn::Sqlite(_) => {
            format!("EXISTS (SELECT 1 FROM json_each($2) n WHERE instr(lower({column}), n.value) > 0)")
        }
        DbConn::Postgres(_) => format!(
            "EXISTS (SELECT 1 FROM json_array_elements_text($2::json) AS n(v) WHERE strpos(lower({column}), n.v) > 0)"
        ),
    }
}

/// Rows of a table with an id whose text may name the person; `further` narrows them down.
pub(super) fn rows(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    (table, key, column, further): (&str, &str, &str, &str),
    names: &Names,
) -> Result<Vec<(Vec<u8>, String)>, StoreError> {
    let holds = holds_one(conn, column);
    let sql = format!(
        "SELECT {key} AS id, {column} AS text FROM {table} WHERE workspace = $1 AND {column} IS NOT NULL \
         AND {further} AND {holds}"
    );
    let rows: Vec<Row> = diesel::sql_query(id_list::numbered(conn, &sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Text, _>(needles(names))
        .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.id, row.text)).collect())
}

/// All texts that name the person.
///
/// # Errors
/// A failed statement.
pub fn find(conn: &mut DbConn, workspace: WorkspaceId, names: &Names) -> Result<Vec<Found>, StoreError> {
    let (mut found, needles) = (Vec::new(), needles(names));
    for place @ (table, column, fate) in PLACES {
        let sql = format!(
            "SELECT DISTINCT {column} AS text FROM {table} WHERE workspace = $1 AND {column} IS NOT NULL AND {}",
            match fate {
                Fate::Redacted => holds_one(conn, column),
                // A value by itself may be short.
                Fate::Deleted => holds_one(conn, &format!("('\"' || {column} || '\"')")),
            }
        );
        let lines: Vec<Line> = diesel::sql_query(id_list::numbered(conn, &sql))
            .bind::<BigInt, _>(workspace.0)
            .bind::<Text, _>(&needles)
            .load(conn)?;
        for was in lines.into_iter().map(|line| line.text) {
            let becomes = match fate {
                Fate::Redacted => names.taken_out_of(&was),
                Fate::Deleted => (names.is_one(&was) || names.are_in(&was)).then(String::new),
            };
            found.extend(becomes.map(|becomes| Found { place, was, becomes }));
        }
    }
    Ok(found)
}

/// Take them out. Answers how many rows it were.
///
/// # Errors
/// A failed statement.
pub fn take_out(tx: &mut Tx<'_>, workspace: WorkspaceId, found: &[Found]) -> Result<usize, StoreError> {
    let mut rows = 0;
    for Found { place: (table, column, fate), was, becomes } in found {
        rows += match fate {
            Fate::Redacted => {
                let sql = format!("UPDATE {table} SET {column} = $3 WHERE workspace = $1 AND {column} = $2");
                diesel::sql_query(id_list::numbered(tx, &sql))
                    .bind::<BigInt, _>(workspace.0)
                    .bind::<Text, _>(was)
                    .bind::<Text, _>(becomes)
                    .execute(&mut **tx)?
            }
            Fate::Deleted => {
                let sql = format!("DELETE FROM {table} WHERE workspace = $1 AND {column} = $2");
                diesel::sql_query(id_list::numbered(tx, &sql))
                    .bind::<BigInt, _>(workspace.0)
                    .bind::<Text, _>(was)
                    .execute(&mut **tx)?
            }
        };
    }
    Ok(rows)
}
