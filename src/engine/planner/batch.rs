//! One transaction of the planner: due marks of a hub, facts, verdicts, guard, rows. May run more
//! than once, so everything it does is in the database.

use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::random::Ids;
use crate::domain::app::App;
use crate::domain::catalog::Catalog;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::entitlement::{Entitlement, Rule};
use crate::domain::guard::{self, Change, HoldReason};
use crate::domain::hub::Hub;
use crate::domain::mapping::{Binding, HubRole};
use crate::domain::member::Presence;
use crate::domain::plan::{Action, PRIORITY_LEAVER, Start, Step, Verdict};
use crate::domain::task::TaskKind;
use crate::store::marks::Mark;
use crate::store::{StoreError, Tx, around, facts, hubs, marks};

use super::PlannerStep;
use super::record::{Recorder, Settled};

/// Pairs planned in one transaction.
const BATCH: i64 = 200;

/// A pair, decided.
pub(super) struct Planned {
    pub(super) mark: Mark,
    pub(super) facts: Facts,
    pub(super) entitled: Entitlement,
    pub(super) verdict: Verdict,
    pub(super) held: Option<HoldReason>,
}

/// Plan the next batch of a hub. Zero pairs planned means nothing is due, or another planner has
/// the hub.
pub(super) fn plan_batch(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    apps: &Catalog,
    ids: &Ids,
    now: Micros,
) -> Result<PlannerStep, StoreError> {
    if !facts::lock_hub(tx, workspace, hub)? {
        return Ok(PlannerStep::default());
    }
    let due = marks::due(tx, workspace, hub, now, BATCH)?;
    if due.is_empty() {
        return Ok(PlannerStep::default());
    }
    let hub = hubs::load(tx, workspace, hub)?;
    let Some(app) = apps.get(&hub.app) else {
        tracing::warn!(hub.id = %hub.id, app = %hub.app, "hub {} is of an app this server does not know", hub.slug);
        return Ok(PlannerStep::default());
    };
    let rules = facts::rules(tx, workspace, hub.id)?;
    let mut planned = decide_all(tx, workspace, &hub, app, &rules, due, now)?;
    guard_all(tx, workspace, &hub, app, &rules, &mut planned, now)?;

    let mut recorder = Recorder { tx, workspace, hub: &hub, app, ids, now, step: PlannerStep::default() };
    let mut seen = Vec::with_capacity(planned.len());
    for pair in &planned {
        let key = (pair.mark.user, pair.mark.rev);
        match recorder.record(pair)? {
            Settled::Done => seen.push(key),
            Settled::Until(at) => marks::postpone(recorder.tx, workspace, hub.id, key, at)?,
        }
    }
    let mut step = recorder.finish()?;
    step.planned = planned.len();
    marks::delete_seen(tx, workspace, hub.id, &seen)?;
    Ok(step)
}

fn decide_all(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: &Hub,
    app: &App,
    rules: &[Rule],
    due: Vec<Mark>,
    now: Micros,
) -> Result<Vec<Planned>, StoreError> {
    let people: Vec<_> = due.iter().map(|mark| mark.user).collect();
    let known = facts::of_people(tx, workspace, hub.id, rules, &people)?;
    let ground = Ground { app, policy: &hub.policy, rules };
    Ok(due
        .into_iter()
        .zip(known)
        .map(|(mark, facts)| {
            let (entitled, verdict) = decide(&ground, &facts, now, mark.settle_until);
            Planned { mark, facts, entitled, verdict, held: None }
        })
        .collect())
}

/// Ask the guard about everything of the batch that takes away or takes a seat, in one go.
fn guard_all(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: &Hub,
    app: &App,
    rules: &[Rule],
    planned: &mut [Planned],
    now: Micros,
) -> Result<(), StoreError> {
    let mut asked = Vec::new();
    let mut changes = Vec::new();
    for (index, pair) in planned.iter().enumerate() {
        let Step::Act(action) = &pair.verdict.step else { continue };
        let change = change(app, rules, pair, action);
        let counts = change.takes_away && action.start != Start::StaysHeld;
        if counts || (change.adds_seat && hub.policy.max_seats.is_some()) {
            asked.push(index);
            changes.push(change);
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let admin_roles: Vec<String> = app.roles.iter().filter(|role| role.admin).map(|role| role.id.clone()).collect();
    let around = around::of_hub(tx, workspace, hub.id, &admin_roles, now)?;
    for (index, held) in asked.into_iter().zip(guard::judge(&hub.policy, &around, &changes)) {
        if let Some(pair) = planned.get_mut(index) {
            pair.held = held;
        }
    }
    Ok(())
}

fn change(app: &App, rules: &[Rule], pair: &Planned, action: &Action) -> Change {
    let adopted = |id| pair.facts.look_alikes.iter().find(|member| member.id == id);
    let member = pair.verdict.adopt.and_then(adopted).or(pair.facts.member.as_ref());
    let is_admin = |role: Option<&str>| role.and_then(|role| app.role(role)).is_some_and(|role| role.admin);
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
                    rules.iter().any(|rule| rule.mapping.id == reason.mapping && rule.mapping.binding == Binding::Gone)
                })
            }),
    }
}
