//! A user arrives (`POST /Users`): what that writes, the same on both databases. Many who arrive at the
//! same time share a transaction.

use serde_json::json;

use super::user_joining;
use super::users::Work;
use crate::base::ids::{GroupId, UserId};
use crate::scim::user::UserKeys;
use crate::store::activity::{self, Entry};
use crate::store::arrivals::{self, Arrival};
use crate::store::joint::Joint;
use crate::store::{Locks, StoreError, Tx, marks, memberships};

/// Somebody who is about to arrive.
pub struct Arriving {
    pub(super) work: Work,
    pub(super) id: UserId,
    pub(super) keys: UserKeys,
    pub(super) document: String,
}

/// What came of it.
pub struct Arrived {
    /// The groups that waited for them.
    pub(super) joined: Vec<GroupId>,
    /// Whether that concerns a hub, so that the planner has something to look at.
    pub(super) due: bool,
}

impl Joint for Arriving {
    type Made = Arrived;

    fn locks(&self) -> Locks {
        Locks::arrival(self.work.caller.workspace, self.work.caller.source)
    }

    fn write(tx: &mut Tx<'_>, all: &[Self]) -> Result<Vec<Result<Arrived, StoreError>>, StoreError> {
        let Some(first) = all.first() else { return Ok(Vec::new()) };
        // The same for all of them: those are their locks.
        let (workspace, source) = (first.work.caller.workspace, first.work.caller.source);
        let arrivals: Vec<Arrival<'_>> = all
            .iter()
            .map(|one| Arrival { id: one.id, keys: &one.keys, document: &one.document, at: one.work.now })
            .collect();
        let waited = arrivals::insert(tx, workspace, source, &arrivals)?;
        // Before the first of them joins one: two transactions never wait for each other's crosswise.
        let mut groups: Vec<GroupId> = waited.iter().flatten().flat_map(|waited| waited.groups.clone()).collect();
        groups.sort_unstable();
        groups.dedup();
        memberships::lock_groups(tx, workspace, &groups)?;
        let mut arrived = Vec::with_capacity(all.len());
        for (one, waited) in all.iter().zip(waited) {
            arrived.push(match waited {
                Err(refused) => Err(refused),
                Ok(waited) => {
                    let joined = user_joining::join(tx, &one.work, one.id, &waited.groups)?;
                    // Of somebody new, rules know nothing but what waited for them.
                    let due = waited.shares || !joined.is_empty();
                    if due {
                        let change = one.work.change("user_created");
                        marks::user_arrived(tx, workspace, one.id, &one.keys.user_name_key, &change)?;
                    }
                    Ok(Arrived { joined, due })
                }
            });
        }
        record(tx, all, &arrived)?;
        Ok(arrived)
    }
}

/// One record for each who arrived.
fn record(tx: &mut Tx<'_>, all: &[Arriving], arrived: &[Result<Arrived, StoreError>]) -> Result<(), StoreError> {
    let arrived = all.iter().zip(arrived).filter_map(|(one, arrived)| Some((one, &arrived.as_ref().ok()?.joined)));
    let told: Vec<_> =
        arrived.map(|(one, joined)| (one, joined, one.work.caller.actor(), format!("user:{}", one.id))).collect();
    let entries: Vec<Entry<'_>> = told
        .iter()
        .map(|(one, joined, actor, target)| {
            let detail = json!({ "active": one.keys.active, "joined": joined });
            one.work.entry(one.id, "user.created", (actor, target), detail, &one.keys.user_name)
        })
        .collect();
    let Some((one, ..)) = told.first() else { return Ok(()) };
    activity::record_all(tx, one.work.caller.workspace, &entries)
}
