//! Invitations of the app: sent, run out, and who accepted one.

use diesel::prelude::*;

use super::super::StoreError;
use super::super::conn::DbConn;
use super::super::kept::Keep as _;
use super::super::schema::{hub_members, memberships, users};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, MemberId, UserId, WorkspaceId};
use crate::domain::member::MemberStatus;

/// Note an invitation: when it went out and when it runs out.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn invited(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    id: MemberId,
    now: Micros,
    expires_at: Option<Micros>,
) -> Result<(), StoreError> {
    diesel::update(hub_members::table.find((workspace.0, id.bytes())))
        .set((hub_members::invited_at.eq(Some(now.0)), hub_members::expires_at.eq(expires_at.map(|at| at.0))))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Members of a group who have an accepted, managed account in the hub, with their userNames, in id
/// order; at most one more than `limit`.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn accepted_in_group(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    group: GroupId,
    limit: usize,
) -> Result<Vec<(UserId, String)>, StoreError> {
    let members = memberships::table
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::group_id.eq(group.bytes()))
        .filter(memberships::member_kind.eq(0))
        .select(memberships::member_id);
    let rows: Vec<(Vec<u8>, String)> = hub_members::table
        .inner_join(
            users::table
                .on(users::workspace.eq(hub_members::workspace).and(users::id.nullable().eq(hub_members::user_id))),
        )
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::managed.eq(true))
        .filter(hub_members::bucket.ne("exempted"))
        .filter(hub_members::known_state.eq("active"))
        .filter(users::id.eq_any(members))
        .order(users::id)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
        .select((users::id, users::user_name))
        .load(conn)?;
    rows.into_iter()
        .map(|(id, name)| {
            let id = UserId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a user's id".into()))?;
            Ok((id, name))
        })
        .collect()
}

/// Invitations that ran out become `invite_expired`, over all workspaces; answers how many.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn expire_invitations_across_workspaces(tx: &mut DbConn, now: Micros) -> Result<usize, StoreError> {
    Ok(diesel::update(hub_members::table)
        .filter(hub_members::known_state.eq("pending"))
        .filter(hub_members::status.eq(MemberStatus::PendingInviteClaim.as_str()))
        .filter(hub_members::expires_at.le(Some(now.0)))
        .set((hub_members::status.eq(MemberStatus::InviteExpired.as_str()), hub_members::modified_at.eq(now.0)))
        .execute(tx)?)
}
