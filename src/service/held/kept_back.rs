//! A batch that a person releases, before it goes: whoever in it has become the app's last admin or the
//! hub's last owner since it was held, or would take a seat beyond the hub's number, stays held in a batch
//! of that reason.

use serde::Serialize;

use crate::base::ids::{HoldId, TaskId};
use crate::domain::catalog::Catalog;
use crate::domain::guard::{self, HoldReason};
use crate::service::ServiceError;
use crate::service::scribe::Scribe;
use crate::store::holds::{self, Hold};
use crate::store::{Tx, hub_members, hubs, keepers, released};

/// What a release must not do unseen.
const LOOKED_AT_AGAIN: [HoldReason; 3] = [HoldReason::LastAdmin, HoldReason::LastOwner, HoldReason::MaxSeats];

/// Tasks of a released batch that wait in another one now.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct KeptBack {
    /// The batch that holds them.
    pub hold: String,
    /// Why, in one word: `last_admin`, `last_owner` or `max_seats`.
    pub reason: &'static str,
    /// The same as a sentence.
    pub why: &'static str,
    /// The tasks.
    pub tasks: Vec<TaskId>,
}

/// Part these tasks of a batch into those that may go and those that stay held. What was held for one of
/// these reasons itself is not looked at again: a person has seen it.
///
/// Locks the hub, as a planner does, so that what leaves by another way is seen. Call it before the
/// hold is locked.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn part(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    apps: &Catalog,
    hold: &Hold,
    these: &[TaskId],
) -> Result<(Vec<TaskId>, Vec<KeptBack>), ServiceError> {
    let workspace = scribe.workspace;
    if HoldReason::from_word(&hold.reason).is_some_and(|reason| LOOKED_AT_AGAIN.contains(&reason)) {
        return Ok((these.to_vec(), Vec::new()));
    }
    let hub = hubs::load(tx, workspace, hold.hub)?;
    hubs::lock(tx, workspace, hub.slug.as_str())?;
    // Of an app that this server does not know nobody can say who is an admin.
    let admins = match apps.get(&hub.app) {
        Some(app) => hub_members::admin_texts(tx, workspace, hub.id, app.with_login(hub.login).as_ref())?,
        None => Vec::new(),
    };
    let losses = keepers::losses(tx, workspace, &admins, hold.id, these)?;
    if losses.iter().all(|loss| *loss == guard::Loss::default()) {
        return Ok((these.to_vec(), Vec::new()));
    }
    let left = keepers::left(tx, workspace, hub.id, &admins, hub.policy.max_seats)?;
    let verdicts = guard::kept_back(left, &losses);
    let mut kept = Vec::new();
    for reason in LOOKED_AT_AGAIN {
        let these = these.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Some(reason));
        let tasks: Vec<TaskId> = these.map(|(id, _)| *id).collect();
        if tasks.is_empty() {
            continue;
        }
        let id = HoldId::from_uuid(scribe.id());
        let to = holds::open(tx, workspace, hub.id, reason.as_str(), id, scribe.now)?;
        released::hold_elsewhere(tx, workspace, (hold.id, to), &tasks, scribe.now)?;
        kept.push(KeptBack { hold: to.to_string(), reason: reason.as_str(), why: reason.explain(), tasks });
    }
    let goes = these.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_none()).map(|(id, _)| *id).collect();
    Ok((goes, kept))
}
