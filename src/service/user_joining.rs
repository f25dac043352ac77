//! Groups that named a user before it was here take it in when it comes.

use super::users::Work;
use crate::base::ids::{GroupId, UserId};
use crate::store::memberships::{self, Member, MemberKind};
use crate::store::{StoreError, Tx, marks, pending};

/// Groups that named this user before it had this externalId take it in now.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn by_external_id(
    tx: &mut Tx<'_>,
    work: &Work,
    id: UserId,
    external_id: Option<&str>,
) -> Result<Vec<GroupId>, StoreError> {
    let text_id = id.to_string();
    let values: Vec<&str> = std::iter::once(text_id.as_str()).chain(external_id).collect();
    let groups = pending::take(tx, work.caller.workspace, work.caller.source, &values)?;
    memberships::lock_groups(tx, work.caller.workspace, &groups)?;
    join(tx, work, id, &groups)
}

/// These groups waited for this user and take it in; answers those it was not in. The caller has locked
/// them.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn join(tx: &mut Tx<'_>, work: &Work, id: UserId, groups: &[GroupId]) -> Result<Vec<GroupId>, StoreError> {
    let workspace = work.caller.workspace;
    let mut joined = Vec::new();
    for group in groups {
        let member = Member { id: id.uuid(), kind: MemberKind::User };
        let added = memberships::add(tx, workspace, *group, &[member], work.now)?;
        if !added.added.is_empty() {
            marks::members_changed(tx, workspace, *group, &[id], &work.change("pending_member_arrived"))?;
            joined.push(*group);
        }
    }
    memberships::touch_groups(tx, workspace, &joined, work.now)?;
    Ok(joined)
}
