//! Why accounts are exempted: the reason somebody gave (R4.5).

use std::collections::HashMap;

use diesel::prelude::*;

use super::super::StoreError;
use super::super::conn::DbConn;
use super::super::kept::Keep as _;
use super::super::schema::hub_members;
use crate::base::ids::{MemberId, WorkspaceId};
use crate::domain::member::{Bucket, Member};

/// Why an account is exempted; `None` takes the reason away.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn set_exempt_reason(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    id: MemberId,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    diesel::update(hub_members::table.find((workspace.0, id.bytes())))
        .set(hub_members::exempt_reason.eq(reason))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// The reason an account was exempted with.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn exempt_reason(conn: &mut DbConn, workspace: WorkspaceId, id: MemberId) -> Result<Option<String>, StoreError> {
    Ok(hub_members::table
        .find((workspace.0, id.bytes()))
        .select(hub_members::exempt_reason)
        .kept()
        .get_result::<Option<String>>(conn)
        .optional()?
        .flatten())
}

/// The reasons of those of these accounts that are exempted, in one statement.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn exempt_reasons(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    members: &[Member],
) -> Result<HashMap<MemberId, String>, StoreError> {
    let ids: Vec<Vec<u8>> =
        members.iter().filter(|member| member.bucket == Bucket::Exempted).map(|member| member.id.bytes()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Vec<u8>, Option<String>)> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::id.eq_any(ids))
        .select((hub_members::id, hub_members::exempt_reason))
        .load(conn)?;
    rows.into_iter()
        .filter_map(|(id, reason)| Some((id, reason?)))
        .map(|(id, reason)| {
            let id = MemberId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a member's id".into()))?;
            Ok((id, reason))
        })
        .collect()
}
