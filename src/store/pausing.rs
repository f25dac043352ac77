//! Stopping and restarting the pushing of a whole workspace, and of the installation.

use diesel::prelude::*;

use super::conn::DbConn;
use super::schema::workspaces;
use super::{StoreError, settings};
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

/// The setting that stops pushing in the whole installation. `facts` and `lanes` read it in their
/// own statements, by this name.
const INSTALLATION: &str = "paused";

/// Set it for the whole installation; answers whether it was the other way before.
///
/// # Errors
/// A failed statement.
pub fn set_installation(conn: &mut DbConn, paused: bool) -> Result<bool, StoreError> {
    if is_installation_paused(conn)? == paused {
        return Ok(false);
    }
    settings::put_across_workspaces(conn, INSTALLATION, if paused { "true" } else { "false" })?;
    Ok(true)
}

/// Whether pushing stands still in the whole installation.
///
/// # Errors
/// A failed statement.
pub fn is_installation_paused(conn: &mut DbConn) -> Result<bool, StoreError> {
    Ok(settings::get_across_workspaces(conn, INSTALLATION)?.as_deref() == Some("true"))
}
