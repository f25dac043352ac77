//! One transaction of the planner: due marks of a hub, facts, verdicts, guard, rows. May run more
//! than once, so everything it does is in the database.

use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, UserId, WorkspaceId};
use crate::base::random::Ids;
use crate::domain::app::App;
use crate::domain::catalog::Catalog;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::entitlement::{Entitlement, Rule};
use crate::domain::guard::Ruling;
use crate::domain::hub::Hub;
use crate::domain::plan::{Verdict, WHILE_RUNNING};
use crate::store::marks::Mark;
use crate::store::{StoreError, Tx, facts, marks, task_moves, waits};

use super::PlannerStep;
use super::guarding::{self, Guarded};
use super::nesting::Causes;
use super::record::{New, Recorder, Settled};

/// What one transaction planned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Batch {
    pub(super) step: PlannerStep,
    /// More is due than it took.
    pub(super) more: bool,
}

/// A pair, decided.
pub(super) struct Planned {
    pub(super) mark: Mark,
    pub(super) facts: Facts,
    pub(super) entitled: Entitlement,
    pub(super) verdict: Verdict,
    pub(super) ruling: Ruling,
}

/// Plan the next batch of a hub, so many pairs at most. Zero pairs planned means nothing is due, or another planner has
/// the hub.
pub(super) fn plan_batch(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    apps: &Catalog,
    ids: &Ids,
    (now, size): (Micros, i64),
) -> Result<Batch, StoreError> {
    let Some(facts::Planning { hub, waits }) = facts::plan_hub(tx, workspace, hub, now)? else {
        return Ok(Batch::default());
    };
    let mut due = marks::due(tx, workspace, hub.id, now, size.saturating_add(1))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let (whole, more) = (due.len() >= size, due.len() > size);
    due.truncate(size);
    if due.is_empty() {
        return Ok(Batch::default());
    }
    let Some(app) = apps.get(&hub.app) else {
        tracing::warn!(hub.id = %hub.id, app = %hub.app, "hub {} is of an app this server does not know", hub.slug);
        return Ok(Batch::default());
    };
    let app = &*app.with_login(hub.login);
    let people: Vec<_> = due.iter().map(|mark| mark.user).collect();
    let rules = facts::rules_about(tx, workspace, hub.id, &people)?;
    let mut planned = decide_all(tx, workspace, &hub, app, &rules, due, now)?;
    let hub_guard = Guarded { workspace, hub: &hub, app, rules: &rules, now };
    let passes = guarding::rule_all(tx, &hub_guard, &mut planned)?;

    let wait = if waits { waits::current(tx, workspace, hub.id, now)? } else { None };
    let (step, new) = (PlannerStep::default(), New::default());
    let mut recorder = Recorder { tx, workspace, hub: &hub, app, ids, now, passes, step, wait, new, lacking: 0 };
    let (mut seen, mut later, mut running) = (Vec::with_capacity(planned.len()), Vec::new(), Vec::new());
    let mut causes = Causes::default();
    for pair in &planned {
        let key = (pair.mark.user, pair.mark.rev);
        let settled = recorder.record(pair)?;
        causes.note(&pair.mark, !matches!(settled, Settled::Done));
        match settled {
            Settled::Done => seen.push(key),
            Settled::Until(at) => later.push((key, at)),
            Settled::AfterAttempt(task) => running.push((key, task)),
        }
    }
    let mut step = recorder.finish(&causes, whole)?;
    step.planned = planned.len();
    later.extend(while_running(tx, workspace, running, now)?);
    for (key, at) in later {
        marks::postpone(tx, workspace, hub.id, key, at)?;
    }
    marks::delete_seen(tx, workspace, hub.id, &seen)?;
    Ok(Batch { step, more })
}

/// A mark at the revision that was seen.
type Seen = (UserId, i64);

/// Until when marks rest for whose people an attempt is under way: its end makes them due. An end that is
/// just being written, or was since the task was read, has looked for a mark before there was this one; the
/// mark stays due then, and is looked at in the next round, for which that end wakes the planner.
fn while_running(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    running: Vec<(Seen, TaskId)>,
    now: Micros,
) -> Result<Vec<(Seen, Micros)>, StoreError> {
    let tasks: Vec<TaskId> = running.iter().map(|(_, task)| *task).collect();
    let open = task_moves::stay_open(tx, workspace, &tasks)?;
    let rests = running.into_iter().filter(|(_, task)| open.contains(task));
    Ok(rests.map(|(seen, _)| (seen, now.plus(WHILE_RUNNING))).collect())
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
    let known = facts::of_people(tx, workspace, hub.id, app, rules, &people)?;
    let ground = Ground { app, policy: &hub.policy, rules };
    Ok(due
        .into_iter()
        .zip(known)
        .map(|(mark, facts)| {
            let (entitled, verdict) = decide(&ground, &facts, now, mark.settle_until);
            Planned { mark, facts, entitled, verdict, ruling: Ruling::Out }
        })
        .collect())
}
