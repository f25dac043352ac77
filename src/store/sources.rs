//! Sources: the IdP connections of a workspace. A source owns what its tokens push.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::sources;
use crate::base::clock::Micros;
use crate::base::ids::{SourceId, WorkspaceId};
use crate::domain::caller::Preset;

/// An IdP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its number inside the workspace, from 1 (`default`).
    pub id: SourceId,
    /// Its name, unique in the workspace.
    pub name: String,
    /// The IdP it speaks for.
    pub preset: Preset,
    /// Whether deviations from the protocol are refused instead of understood.
    pub strict: bool,
    /// When it was made.
    pub created_at: Micros,
    /// When one of its tokens was last used, to the minute.
    pub last_request_at: Option<Micros>,
}

type Row = (i64, String, String, bool, i64, Option<i64>);

const COLUMNS: (
    sources::id,
    sources::name,
    sources::preset,
    sources::strict,
    sources::created_at,
    sources::last_request_at,
) = (sources::id, sources::name, sources::preset, sources::strict, sources::created_at, sources::last_request_at);

fn read((id, name, preset, strict, created_at, last_request_at): Row) -> Result<Source, StoreError> {
    Ok(Source {
        id: SourceId(id),
        name,
        preset: preset.parse().map_err(|_| StoreError::Corrupt(format!("source {id}: preset '{preset}'")))?,
        strict,
        created_at: Micros(created_at),
        last_request_at: last_request_at.map(Micros),
    })
}

/// All sources of the workspace, in the order they were made.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub fn list(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Vec<Source>, StoreError> {
    let rows: Vec<Row> = sources::table
        .filter(sources::workspace.eq(workspace.0))
        .order(sources::id.asc())
        .select(COLUMNS)
        .kept()
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// The source called `name`.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub fn by_name(conn: &mut DbConn, workspace: WorkspaceId, name: &str) -> Result<Option<Source>, StoreError> {
    let row: Option<Row> = sources::table
        .filter(sources::workspace.eq(workspace.0))
        .filter(sources::name.eq(name))
        .select(COLUMNS)
        .kept()
        .get_result(conn)
        .optional()?;
    row.map(read).transpose()
}

/// The source with this number.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Corrupt`].
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, source: SourceId) -> Result<Source, StoreError> {
    let row: Row = sources::table.find((workspace.0, source.0)).select(COLUMNS).kept().get_result(conn)?;
    read(row)
}

/// Add a source under the next free number.
///
/// # Errors
/// [`StoreError::Conflict`] when the name, or on PostgreSQL the number, was taken meanwhile.
pub fn insert(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    name: &str,
    preset: Preset,
    strict: bool,
    now: Micros,
) -> Result<Source, StoreError> {
    let last: Option<i64> = sources::table
        .filter(sources::workspace.eq(workspace.0))
        .select(diesel::dsl::max(sources::id))
        .kept()
        .get_result(conn)?;
    let id = last.unwrap_or(0).saturating_add(1);
    diesel::insert_into(sources::table)
        .values((
            sources::workspace.eq(workspace.0),
            sources::id.eq(id),
            sources::name.eq(name),
            sources::preset.eq(preset.as_str()),
            sources::strict.eq(strict),
            sources::created_at.eq(now.0),
        ))
        .kept()
        .execute(conn)?;
    Ok(Source { id: SourceId(id), name: name.to_owned(), preset, strict, created_at: now, last_request_at: None })
}

/// Note that the source was heard of.
///
/// # Errors
/// [`StoreError::Database`].
pub fn heard(conn: &mut DbConn, workspace: WorkspaceId, source: SourceId, now: Micros) -> Result<(), StoreError> {
    diesel::update(sources::table.find((workspace.0, source.0)))
        .set(sources::last_request_at.eq(now.0))
        .kept()
        .execute(conn)?;
    Ok(())
}
