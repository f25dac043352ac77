//! Accounts that show somebody's address, are another's, and are on their way out: somebody was deleted and
//! created anew, or an address went from one person to another. Such accounts are few, so that what is
//! asked here is asked for hardly any batch.

use std::collections::{BTreeSet, HashMap};

use super::{addresses_of, lacking, open_tasks, subject};
use crate::base::ids::{HubId, UserId, WorkspaceId};
use crate::domain::decide::Facts;
use crate::domain::member::Member;
use crate::domain::plan::Vacating;
use crate::domain::task::{TaskKind, TaskStatus};
use crate::store::conn::DbConn;
use crate::store::{StoreError, marks};

/// Tell those who lack an account whose address another's has, where that one goes. `others` are accounts that
/// are in the app.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn note(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    others: &[Member],
    facts: &mut [Facts],
) -> Result<(), StoreError> {
    let mut waiting: Vec<(&mut Facts, Vec<UserId>)> = Vec::new();
    for one in facts.iter_mut().filter(|one| lacking(one)) {
        let addresses = addresses_of(&one.principal, &one.email_keys);
        let shows = |other: &&Member| other.email_key.as_ref().is_some_and(|key| addresses.contains(key));
        let owners = others.iter().filter(shows).filter_map(|other| other.user).filter(|owner| *owner != one.user);
        let owners: Vec<UserId> = owners.collect();
        if !owners.is_empty() {
            waiting.push((one, owners));
        }
    }
    let owners: BTreeSet<UserId> = waiting.iter().flat_map(|(_, owners)| owners.iter().copied()).collect();
    if owners.is_empty() {
        return Ok(());
    }
    let leaving = leaving(conn, workspace, hub, &owners)?;
    for (one, owners) in waiting {
        one.vacating = owners.iter().find_map(|owner| leaving.get(owner)).copied();
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
