//! Workspaces (tenants). These are the few queries that have no workspace to start from.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::schema::workspaces;
use crate::base::clock::Micros;
use crate::base::ids::WorkspaceId;

/// The workspace that every installation starts with.
pub const DEFAULT: WorkspaceId = WorkspaceId(1);
/// The name of the workspace and of the source that exist from the first start.
pub const DEFAULT_NAME: &str = "default";

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its surrogate key; never leaves the server.
    pub id: WorkspaceId,
    /// Its name, unique in the installation.
    pub name: String,
    /// Pushing stands still while this is set; SCIM intake goes on.
    pub paused: bool,
    /// When it was made.
    pub created_at: Micros,
}

type Row = (i64, String, bool, i64);

fn read((id, name, paused, created_at): Row) -> Workspace {
    Workspace { id: WorkspaceId(id), name, paused, created_at: Micros(created_at) }
}

/// All workspaces, by name.
///
/// # Errors
/// [`StoreError::Database`].
pub fn list_across_workspaces(conn: &mut DbConn) -> Result<Vec<Workspace>, StoreError> {
    let rows: Vec<Row> = workspaces::table.order(workspaces::name.asc()).load(conn)?;
    Ok(rows.into_iter().map(read).collect())
}

/// The workspace called `name`.
///
/// # Errors
/// [`StoreError::Database`].
pub fn by_name(conn: &mut DbConn, name: &str) -> Result<Option<Workspace>, StoreError> {
    let row: Option<Row> = workspaces::table.filter(workspaces::name.eq(name)).get_result(conn).optional()?;
    Ok(row.map(read))
}

/// The workspace with this key.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Database`].
pub fn load(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Workspace, StoreError> {
    let row: Row = workspaces::table.find(workspace.0).get_result(conn)?;
    Ok(read(row))
}

/// Add a workspace under the next free key.
///
/// # Errors
/// [`StoreError::Conflict`] when the name, or on PostgreSQL the key, was taken meanwhile.
pub fn insert(conn: &mut DbConn, name: &str, now: Micros) -> Result<Workspace, StoreError> {
    let last: Option<i64> = workspaces::table.select(diesel::dsl::max(workspaces::id)).get_result(conn)?;
    let id = last.unwrap_or(0).saturating_add(1);
    diesel::insert_into(workspaces::table)
        .values((
            workspaces::id.eq(id),
            workspaces::name.eq(name),
            workspaces::paused.eq(false),
            workspaces::created_at.eq(now.0),
        ))
        .execute(conn)?;
    Ok(Workspace { id: WorkspaceId(id), name: name.to_owned(), paused: false, created_at: now })
}
