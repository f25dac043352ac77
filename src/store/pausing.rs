//! Stopping and restarting the pushing of a whole workspace.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::schema::workspaces;
use crate::base::ids::WorkspaceId;

/// Set it; answers whether it was the other way before.
///
/// # Errors
/// A failed statement.
pub fn set(conn: &mut DbConn, workspace: WorkspaceId, paused: bool) -> Result<bool, StoreError> {
    let changed = diesel::update(workspaces::table)
        .filter(workspaces::id.eq(workspace.0))
        .filter(workspaces::paused.ne(paused))
        .set(workspaces::paused.eq(paused))
        .execute(conn)?;
    Ok(changed > 0)
}
