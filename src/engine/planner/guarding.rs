//! A batch before the guard: what the database counts around it, and the ruling on each of what
//! `domain::guarding` asks. Writes nothing.

use std::collections::{BTreeMap, HashSet};

use crate::base::clock::Micros;
use crate::base::ids::{HoldId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::decide::Ground;
use crate::domain::entitlement::Rule;
use crate::domain::guard::{self, Around, Change, HoldReason, Passes};
use crate::domain::guarding;
use crate::domain::hub::Hub;
use crate::store::{StoreError, Tx, around, facts, hub_members, passes};

use super::batch::Planned;

/// The hub whose batch it is.
pub(super) struct Guarded<'a> {
    pub(super) workspace: WorkspaceId,
    pub(super) hub: &'a Hub,
    pub(super) app: &'a App,
    pub(super) rules: &'a [Rule],
    pub(super) now: Micros,
}

/// The batch that a pass was given with, for what goes out under it.
pub(super) type PassHolds = BTreeMap<HoldReason, HoldId>;

/// Ask the guard about everything of the batch that takes away, or takes a seat where seats or
/// additions are limited, in one go. Costs nothing where there is no such action.
pub(super) fn rule_all(
    tx: &mut Tx<'_>,
    guarded: &Guarded<'_>,
    planned: &mut [Planned],
) -> Result<PassHolds, StoreError> {
    let ground = Ground { app: guarded.app, policy: &guarded.hub.policy, rules: guarded.rules };
    let asked = guarding::questions(&ground, planned.iter().map(|pair| (&pair.facts, &pair.verdict)), guarded.now);
    if asked.is_empty() {
        return Ok(PassHolds::new());
    }
    let (asked, mut changes): (Vec<usize>, Vec<Change>) = asked.into_iter().unzip();
    let around = around(tx, guarded, planned, &asked, &mut changes)?;
    let given = passes::of_hub(tx, guarded.workspace, guarded.hub.id, guarded.now)?;
    let passes: Passes = given.iter().map(|pass| pass.reason).collect();
    for (index, ruling) in asked.into_iter().zip(guard::judge(ground.policy, &around, &passes, &changes)) {
        if let Some(pair) = planned.get_mut(index) {
            pair.ruling = ruling;
        }
    }
    Ok(given.into_iter().map(|pass| (pass.reason, pass.hold)).collect())
}

/// What the database counts; the workspace's people only where something is taken from anybody.
fn around(
    tx: &mut Tx<'_>,
    guarded: &Guarded<'_>,
    planned: &[Planned],
    asked: &[usize],
    changes: &mut [Change],
) -> Result<Around, StoreError> {
    let Guarded { workspace, hub, app, now, .. } = *guarded;
    let taking = changes.iter().filter(|change| change.takes_away).count();
    // Before the hub's own numbers: on PostgreSQL this may wait for another planner of the workspace.
    let counted = if taking > 0 { around::taken_from(tx, workspace, now)? } else { HashSet::new() };
    for (index, change) in asked.iter().zip(changes.iter_mut()) {
        let subject = planned.get(*index).map(|pair| facts::subject(pair.facts.user));
        change.person_counted = subject.is_some_and(|subject| counted.contains(&subject));
    }
    let admins = hub_members::admin_texts(tx, workspace, hub.id, app)?;
    around::of_batch(tx, workspace, hub.id, &admins, counted.len(), taking, now)
}
