//! Going over a hub in the order of keys, a stretch at a time, for the query of its drift: everybody
//! the hub knows, the accounts that belong to nobody, and whom the planner is to look at anyway.
//! Reads only; what they amount to is decided by `domain::drift`.

use std::collections::HashMap;

use diesel::prelude::*;

use super::conn::DbConn;
use super::hub_members;
use super::kept::Keep as _;
use super::schema::{hub_members as accounts, reconcile_marks, wide_marks as wide};
use super::{StoreError, wide_marks};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, MemberId, UserId, WorkspaceId};
use crate::domain::member::{Bucket, Member, Presence};

/// The next people in key order whom the hub knows in any way: by an account, by a group one of its
/// mappings is bound to, or by a share of their own. As many as a wide mark is expanded by at a time;
/// the last stretch is shorter.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn people_after(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    after: Option<UserId>,
) -> Result<Vec<UserId>, StoreError> {
    let after = after.map(UserId::bytes).unwrap_or_default();
    wide_marks::everybody_after(conn, workspace, hub, &after)?
        .iter()
        .map(|id| UserId::from_bytes(id).map_err(|_| StoreError::Corrupt("a user's id".into())))
        .collect()
}

/// The next accounts in key order that are in the app and belong to nobody here, kept ones left out.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn unknown_after(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    after: Option<MemberId>,
    limit: i64,
) -> Result<Vec<Member>, StoreError> {
    let ids: Vec<Vec<u8>> = accounts::table
        .filter(accounts::workspace.eq(workspace.0))
        .filter(accounts::hub_id.eq(hub.bytes()))
        .filter(accounts::id.gt(after.map(MemberId::bytes).unwrap_or_default()))
        .filter(accounts::user_id.is_null())
        // Nobody manages what is nobody's: of a hub in order the index leaves little to read.
        .filter(accounts::managed.eq(false))
        .filter(accounts::bucket.eq(Bucket::Unmatched.as_str()))
        .filter(accounts::known_state.ne(Presence::Absent.as_str()))
        .order(accounts::id)
        .limit(limit)
        .select(accounts::id)
        .load(conn)?;
    hub_members::of_ids(conn, workspace, hub, &ids)
}

/// Which of these people the planner is to look at, and from when on.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn marked(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    people: &[UserId],
) -> Result<HashMap<UserId, Micros>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = reconcile_marks::table
        .filter(reconcile_marks::workspace.eq(workspace.0))
        .filter(reconcile_marks::hub_id.eq(hub.bytes()))
        .filter(reconcile_marks::user_id.eq_any(people.iter().map(|user| user.bytes()).collect::<Vec<_>>()))
        .select((reconcile_marks::user_id, reconcile_marks::due_at))
        .load(conn)?;
    rows.into_iter()
        .map(|(id, due)| {
            let user = UserId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a user's id".into()))?;
            Ok((user, Micros(due)))
        })
        .collect()
}

/// Whether the planner is to look at everybody of the hub.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn everybody_marked(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<bool, StoreError> {
    let mark = wide::table
        .filter(wide::workspace.eq(workspace.0))
        .filter(wide::hub_id.eq(hub.bytes()))
        .filter(wide::group_id.is_null());
    Ok(diesel::select(diesel::dsl::exists(mark)).kept().get_result(conn)?)
}
