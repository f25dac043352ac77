//! Teams as people see them: groups of every source, and those that are managed here. A team that
//! is managed here belongs to no IdP connection, so no SCIM credential reaches it.

use std::collections::HashMap;

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::groups::{self, GroupRow};
use super::kept::Keep as _;
use super::schema::{memberships, user_groups};
use crate::base::ids::{GroupId, SELF_MANAGED, WorkspaceId};

/// A page of all groups of the workspace, in id order.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn page(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    after: Option<GroupId>,
    limit: i64,
) -> Result<Vec<GroupRow>, StoreError> {
    let mut query = user_groups::table
        .filter(user_groups::workspace.eq(workspace.0))
        .select(user_groups::id)
        .order(user_groups::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(user_groups::id.gt(after.bytes()));
    }
    let ids: Vec<Vec<u8>> = query.load(conn)?;
    let ids = ids.iter().map(|id| groups::group_id(id)).collect::<Result<Vec<_>, _>>()?;
    groups::load_many(conn, workspace, &ids)
}

/// How many members each of these groups has.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn sizes(conn: &mut DbConn, workspace: WorkspaceId, ids: &[GroupId]) -> Result<HashMap<GroupId, i64>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = memberships::table
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::group_id.eq_any(ids.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .group_by(memberships::group_id)
        .select((memberships::group_id, diesel::dsl::count_star()))
        .load(conn)?;
    rows.iter().map(|(id, count)| Ok((groups::group_id(id)?, *count))).collect()
}

/// A team managed here by its folded name.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn by_name(conn: &mut DbConn, workspace: WorkspaceId, key: &str) -> Result<Option<GroupId>, StoreError> {
    let found: Option<Vec<u8>> = user_groups::table
        .filter(user_groups::workspace.eq(workspace.0))
        .filter(user_groups::source.eq(SELF_MANAGED.0))
        .filter(user_groups::display_name_key.eq(key))
        .select(user_groups::id)
        .kept()
        .get_result(conn)
        .optional()?;
    found.map(|id| groups::group_id(&id)).transpose()
}
