//! A hub's accounts: how many are managed, and which roles held there make an admin of the app.

use diesel::prelude::*;

use super::super::StoreError;
use super::super::conn::DbConn;
use super::super::kept::Keep as _;
use super::super::schema::hub_members;
use crate::base::ids::{HubId, WorkspaceId};
use crate::domain::app::App;

/// The texts in `known_role` that make somebody an admin: of a ranked app its admin roles, else those
/// of the sets of permissions held in this hub that hold one.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn admin_texts(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    app: &App,
) -> Result<Vec<String>, StoreError> {
    let single = app.admin_roles();
    if app.ranked || single.is_empty() {
        return Ok(single);
    }
    let held: Vec<Option<String>> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::known_role.is_not_null())
        .select(hub_members::known_role)
        .distinct()
        .kept()
        .load(conn)?;
    Ok(held.into_iter().flatten().filter(|text| app.is_admin(text)).collect())
}

/// Managed accounts that are in the app now.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn managed_now(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<i64, StoreError> {
    Ok(hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::managed.eq(true))
        .filter(hub_members::known_state.ne("absent"))
        .count()
        .kept()
        .get_result(conn)?)
}
