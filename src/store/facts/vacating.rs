//! Accounts that show somebody's address, are another's, and are on their way out: somebody was deleted and
//! created anew, or an address went from one person to another. Such accounts are few, so that what is
//! asked here is asked for hardly any batch.

use std::collections::{BTreeSet, HashMap};

use super::{Addresses, lacking, open_tasks, subject};
use crate::base::ids::{HubId, UserId, WorkspaceId};
use crate::domain::decide::Facts;
use crate::domain::member::{Member, Presence};
use crate::domain::plan::Vacating;
use crate::domain::task::{TaskKind, TaskStatus};
use crate::store::conn::DbConn;
use crate::store::{StoreError, marks};

/// Tell those who lack an account whose address another's has, where that one goes: one of `others`, which are in
/// the app, or of the people whom `facts` are about.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn note(
    conn: &mut DbConn,
    (workspace, hub): (WorkspaceId, HubId),
    others: &[Member],
    addresses: &Addresses,
    facts: &mut [Facts],
) -> Result<(), StoreError> {
    let own = facts.iter().filter_map(|one| one.member.as_ref()).filter(|member| member.known != Presence::Absent);
    let mut shown: HashMap<&String, Vec<UserId>> = HashMap::new();
    for account in others.iter().chain(own) {
        if let (Some(address), Some(owner)) = (&account.email_key, account.user) {
            shown.entry(address).or_default().push(owner);
        }
    }
    if shown.is_empty() {
        return Ok(());
    }
    let mut waiting: Vec<(usize, UserId)> = Vec::new();
    for (place, one) in facts.iter().enumerate().filter(|(_, one)| lacking(one)) {
        let near = addresses.get(&one.user).into_iter().flatten().filter_map(|address| shown.get(address));
        waiting.extend(near.flatten().filter(|owner| **owner != one.user).map(|owner| (place, *owner)));
    }
    let owners: BTreeSet<UserId> = waiting.iter().map(|(_, owner)| *owner).collect();
    if owners.is_empty() {
        return Ok(());
    }
    let leaving = leaving(conn, workspace, hub, &owners)?;
    for (place, owner) in waiting {
        if let (Some(one), Some(found)) = (facts.get_mut(place), leaving.get(&owner)) {
            one.vacating = one.vacating.or(Some(*found));
        }
    }
    Ok(())
}

/// Which of these people's accounts are being removed, or may be: the planner has still to look at them. The
/// accounts were read before, so that a removal which ended since is not missed.
fn leaving(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    owners: &BTreeSet<UserId>,
) -> Result<HashMap<UserId, Vacating>, StoreError> {
    let subjects: Vec<String> = owners.iter().map(|owner| subject(*owner)).collect();
    let open = open_tasks(conn, workspace, hub, &subjects)?;
    let mut leaving = HashMap::new();
    for owner in owners {
        let removal = open.get(&subject(*owner)).filter(|task| task.effect.kind == TaskKind::Remove);
        let found = match removal.map(|task| task.status) {
            Some(TaskStatus::Held | TaskStatus::Waiting | TaskStatus::Manual) => Some(Vacating::Later),
            Some(_) => Some(Vacating::Soon),
            None => marks::of_pair(conn, workspace, hub, *owner)?.map(|_| Vacating::Soon),
        };
        if let Some(found) = found {
            leaving.insert(*owner, found);
        }
    }
    Ok(leaving)
}
