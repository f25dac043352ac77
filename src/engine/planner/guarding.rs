//! A batch before the guard: what each action means to it, what the database counts around it, and
//! the ruling on each. Writes nothing.

use std::collections::{BTreeMap, HashSet};

use crate::base::clock::Micros;
use crate::base::ids::{HoldId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::entitlement::Rule;
use crate::domain::guard::{self, Around, Change, HoldReason, Passes};
use crate::domain::hub::Hub;
use crate::domain::mapping::{Binding, HubRole};
use crate::domain::member::Presence;
use crate::domain::plan::{Action, PRIORITY_LEAVER, Start, Step};
use crate::domain::task::TaskKind;
use crate::store::{StoreError, Tx, around, facts, passes};

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
    let mut asked = Vec::new();
    let policy = &guarded.hub.policy;
    let limits_additions = policy.max_seats.is_some() || policy.addition_limit.is_some();
    for (index, pair) in planned.iter().enumerate() {
        let Step::Act(action) = &pair.verdict.step else { continue };
        let change = change(guarded, pair, action);
        let counts = change.takes_away && action.start != Start::StaysHeld;
        if counts || (change.adds_seat && limits_additions) {
            // Who waited longest for a seat is asked about first, new wishes after them.
            let waited = pair.facts.open.as_ref().map(|open| open.id);
            asked.push((waited.is_none(), waited, index, change));
        }
    }
    if asked.is_empty() {
        return Ok(PassHolds::new());
    }
    asked.sort_by_key(|(new, waited, index, _)| (*new, *waited, *index));
    let (asked, mut changes): (Vec<usize>, Vec<Change>) =
        asked.into_iter().map(|(_, _, index, change)| (index, change)).unzip();
    let around = around(tx, guarded, planned, &asked, &mut changes)?;
    let given = passes::of_hub(tx, guarded.workspace, guarded.hub.id, guarded.now)?;
    let passes: Passes = given.iter().map(|pass| pass.reason).collect();
    for (index, ruling) in asked.into_iter().zip(guard::judge(policy, &around, &passes, &changes)) {
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
    let admin_roles: Vec<String> = app.roles.iter().filter(|role| role.admin).map(|role| role.id.clone()).collect();
    let taking = changes.iter().filter(|change| change.takes_away).count();
    // Before the hub's own numbers: on PostgreSQL this may wait for another planner of the workspace.
    let counted = if taking > 0 { around::taken_from(tx, workspace, now)? } else { HashSet::new() };
    let mut around = around::of_hub(tx, workspace, hub.id, &admin_roles, now)?;
    if taking == 0 {
        return Ok(around);
    }
    for (index, change) in asked.iter().zip(changes.iter_mut()) {
        let subject = planned.get(*index).map(|pair| facts::subject(pair.facts.user));
        change.person_counted = subject.is_some_and(|subject| counted.contains(&subject));
    }
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    around.people.taken_in_window = number(counted.len());
    let most = number(counted.len().saturating_add(taking));
    around.people.managed = around::managed_people(tx, workspace, most, now)?;
    Ok(around)
}

fn change(guarded: &Guarded<'_>, pair: &Planned, action: &Action) -> Change {
    let adopted = |id| pair.facts.look_alikes.iter().find(|member| member.id == id);
    let member = pair.verdict.adopt.and_then(adopted).or(pair.facts.member.as_ref());
    let is_admin = |role: Option<&str>| role.and_then(|role| guarded.app.role(role)).is_some_and(|role| role.admin);
    let was_admin = is_admin(member.and_then(|member| member.known_role.as_deref()));
    let removes = action.effect.kind == TaskKind::Remove;
    let there = member.is_some_and(|member| member.known != Presence::Absent);
    Change {
        takes_away: action.takes_away,
        adds_seat: action.effect.kind == TaskKind::Add && !there,
        leaver: action.priority == PRIORITY_LEAVER,
        loses_admin: was_admin && (removes || !is_admin(action.effect.role.as_deref())),
        loses_owner: removes && member.is_some_and(|member| member.hub_role == Some(HubRole::Owner)),
        // A leaver goes because they left, whatever became of the group.
        group_deleted: action.priority != PRIORITY_LEAVER
            && member.is_some_and(|member| {
                member.reasons.iter().any(|reason| {
                    guarded
                        .rules
                        .iter()
                        .any(|rule| rule.mapping.id == reason.mapping && rule.mapping.binding == Binding::Gone)
                })
            }),
        person_counted: false,
    }
}
