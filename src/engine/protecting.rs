//! Protections that end at a time (T-08). Until the sweep has come by they hold.

use serde_json::json;

use super::worker::Worker;
use crate::base::clock::Micros;
use crate::domain::occasion;
use crate::store::activity::{self, Entry};
use crate::store::marks::Change;
use crate::store::{StoreError, Tx, hubs, protections};

/// Ended in one round; the next comes within seconds.
const BATCH: i64 = 50;

/// End those whose time has come, and let what they held be planned anew.
pub(super) fn end_over(worker: &Worker, tx: &mut Tx<'_>, now: Micros) -> Result<(), StoreError> {
    for over in protections::over_across_workspaces(tx, now, BATCH)? {
        // Not while the hub is planned: what the plan holds must be seen here.
        let hub = hubs::load(tx, over.workspace, over.hub)?;
        hubs::lock(tx, over.workspace, hub.slug.as_str())?;
        if !protections::end(tx, over.workspace, over.member)? {
            continue;
        }
        if let Some(user) = over.user {
            let change = Change { cause: occasion::PROTECTION_ENDED, request_id: None, now };
            protections::look_again(tx, over.workspace, over.hub, user, &change)?;
        }
        activity::record(
            tx,
            over.workspace,
            &Entry {
                id: worker.ids.next(),
                at: now,
                kind: "member.unprotected",
                actor: "sweep",
                target: &format!("member:{}", over.member),
                hub: Some(over.hub),
                user: over.user,
                task: None,
                request_id: None,
                detail: json!({ "by": "time" }),
                personal: None,
            },
        )?;
    }
    Ok(())
}
