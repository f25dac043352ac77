//! The usual ends of many attempts in one transaction of a dozen statements, whatever their number.
//! What is not usual is for [`finish::write`], and one trouble here sends all of them there.

use std::collections::{BTreeMap, HashSet};

use super::finish::{self, Record};
use super::outcome::{Follow, LaneNote};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::random::Ids;
use crate::domain::breaker::Breaker;
use crate::domain::hub::Hub;
use crate::domain::member::Presence;
use crate::domain::problem::Cause;
use crate::domain::task::TaskKind;
use crate::store::landed::{self, Landing};
use crate::store::{StoreError, Tx, activity, attempts, health, lanes, leases, marks};

/// How it went for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It stands.
    Stands,
    /// Somebody else has the task now; nothing of it stands.
    Lost,
    /// Nothing was written: it needs a transaction of its own.
    Alone,
}

/// Whether nothing follows this end but what everybody's has: the app holds what was wanted, and
/// nothing was wrong with it or its hub before. Answers the hub and the landing.
pub(super) fn usual<'a>(record: &Record<'a>) -> Option<(&'a Hub, &'a Landing)> {
    let (task, verdict) = (record.task, record.verdict);
    let (Follow::Landed(landing), Some(hub)) = (&verdict.follow, record.hub) else { return None };
    let frees_a_seat = landing.presence == Presence::Absent && hub.policy.max_seats.is_some();
    let usual = task.effect.kind != TaskKind::Sync
        && task.member.is_some()
        && matches!(verdict.lane, LaneNote::Answered | LaneNote::Nothing)
        && verdict.problem.is_none()
        && !verdict.verify_first
        && verdict.ended.error_class.is_none()
        && task.error_class.as_deref().and_then(Cause::of_class).is_none()
        && !frees_a_seat
        && !finish::added_as_another(task);
    usual.then_some((hub, landing))
}

/// Write them down, in the order they came. What one needs is locked in the order in which
/// [`finish::write`] locks it: tasks, members, intervals, attempts, marks.
///
/// # Errors
/// A failed statement, or an end that is not usual after all: nothing of any of them stands then.
pub(super) fn write(tx: &mut Tx<'_>, records: &[Record<'_>]) -> Result<Vec<Written>, StoreError> {
    let mut written = vec![Written::Alone; records.len()];
    let mut hubs: BTreeMap<(WorkspaceId, HubId), Vec<usize>> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        if usual(record).is_some() {
            hubs.entry((record.task.workspace, record.task.hub)).or_default().push(at);
        }
    }
    for ((workspace, hub), places) in hubs {
        // A lane that has something to learn is learned from one by one.
        if lanes::load(tx, workspace, hub)?.is_none_or(|lane| lane.breaker != Breaker::CLOSED) {
            continue;
        }
        let mut many: Vec<(usize, &Record<'_>)> =
            places.into_iter().filter_map(|at| Some((at, records.get(at)?))).collect();
        many.sort_unstable_by_key(|(_, record)| record.task.id);
        let ended = of_hub(tx, (workspace, hub), &many.iter().map(|(_, record)| *record).collect::<Vec<_>>())?;
        for (at, record) in many {
            if let Some(place) = written.get_mut(at) {
                *place = if ended.contains(&record.task.id) { Written::Stands } else { Written::Lost };
            }
        }
    }
    Ok(written)
}

type Ended = HashSet<crate::base::ids::TaskId>;

fn of_hub(
    tx: &mut Tx<'_>,
    (workspace, hub): (WorkspaceId, HubId),
    records: &[&Record<'_>],
) -> Result<Ended, StoreError> {
    let Some((now, ids)) = records.first().map(|record| (record.now, record.ids)) else { return Ok(Ended::new()) };
    // First the rows that carry the epochs: results that no longer count stop here.
    let all: Vec<_> = records.iter().map(|record| record.lease).collect();
    let ended = leases::landed_all(tx, workspace, &all, now)?;
    let records: Vec<&Record<'_>> = records.iter().copied().filter(|record| ended.contains(&record.task.id)).collect();
    let landings: Vec<_> = records.iter().filter_map(|record| Some((record.task, usual(record)?.1))).collect();
    let Some((policy, _)) = records.first().and_then(|record| usual(record)) else { return Ok(ended) };
    landed::record_all(tx, workspace, policy, &landings, ids, now)?;
    let ends: Vec<_> =
        records.iter().map(|record| (record.task.id, record.lease.epoch, &record.verdict.ended)).collect();
    attempts::end_all(tx, workspace, &ends, now)?;
    health::hub_succeeded(tx, workspace, hub, now)?;
    let people: Vec<_> = records.iter().filter_map(|record| record.task.user).collect();
    marks::wake_all(tx, workspace, hub, &people, now)?;
    tell(tx, workspace, &records, ids, now)?;
    Ok(ended)
}

fn tell(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    records: &[&Record<'_>],
    ids: &Ids,
    now: Micros,
) -> Result<(), StoreError> {
    let targets: Vec<String> = records.iter().map(|record| format!("task:{}", record.task.id)).collect();
    let entries: Vec<_> = records
        .iter()
        .zip(&targets)
        .map(|(record, target)| {
            let ended = &record.verdict.ended;
            finish::news(record, "task.completed", target, &record.verdict.follow, ended, (ids.next(), now))
        })
        .collect();
    activity::record_all(tx, workspace, &entries)
}
