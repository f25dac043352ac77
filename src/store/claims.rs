//! Claims: ready tasks of the hub that waited longest, leased in one transaction.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Text};

use super::attempts;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::lanes::{self, Company, Locked, Ready};
use super::leases::{self, Change, Holder, Lease};
use super::schema::tasks;
use super::tasks::TaskRow;
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, WorkspaceId};
use crate::domain::slots::Slots;
use crate::domain::task::Task;
use crate::domain::task_states::TaskEvent;

/// What a worker can take.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Who asks.
    pub holder: Holder,
    /// How long the lease lasts.
    pub lease: Duration,
    /// Places for them, and who may have how many.
    pub slots: Slots,
    /// Ordinary tasks, or one that must run alone.
    pub company: Company,
}

/// What a claim gave.
#[derive(Debug, Default)]
pub struct Claim {
    /// Tasks, all of one hub, each with its lease's epoch in `lease_epoch`.
    pub tasks: Vec<Task>,
    /// Tasks a newer version wrote: set aside, with the reason.
    pub unreadable: Vec<TaskId>,
    /// Nothing was free, but another process was just claiming: ask again soon.
    pub contended: bool,
    /// Nothing was free; a hub with a limit of calls a second may call again then.
    pub next_turn: Option<Micros>,
}

/// A hub that pushes.
#[derive(QueryableByName)]
struct Pushing {
    /// Whether its other tasks wait for the removal of a leaver.
    #[diesel(sql_type = Bool)]
    awaits_leaver: bool,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

/// Hubs looked at in one claim; more than that are full or locked only in a very busy cluster.
const HUBS_PER_CLAIM: i64 = 32;

/// Take ready tasks of the hub that waited longest, at most what its lane leaves.
///
/// # Errors
/// A failed statement.
pub fn claim_across_workspaces(tx: &mut Tx<'_>, wish: &Wish) -> Result<Claim, StoreError> {
    let now = wish.holder.now;
    let mut claim = Claim::default();
    let crowded = wish.slots.crowded();
    for (workspace, hub) in lanes::ready_across_workspaces(tx, wish.company, now, &crowded, HUBS_PER_CLAIM)? {
        let Some(mut lane) = lanes::lock(tx, workspace, hub, Locked::Skip)? else {
            claim.contended = true;
            continue;
        };
        if lane.blocked_reason.is_some() || lane.next_allowed_at > now {
            continue;
        }
        let free = i64::from(lane.breaker.admits(lane.max_in_flight, now)) - lanes::in_flight(tx, workspace, hub)?;
        let mut most = usize::try_from(free).unwrap_or(0).min(wish.slots.left_for(workspace));
        if lane.per_second.is_some() {
            most = most.min(1);
        }
        if most == 0 {
            continue;
        }
        let ready = ready(tx, workspace, hub, wish, most)?;
        let taken = take(tx, workspace, hub, wish, &ready)?;
        if taken.is_empty() {
            continue;
        }
        for row in taken {
            sort(tx, workspace, &row, wish.holder.now, &mut claim)?;
        }
        let begun: Vec<_> = claim.tasks.iter().map(|task| (task.id, task.lease_epoch)).collect();
        attempts::begin(tx, workspace, &begun, now)?;
        // Strictly later than before, so that two hubs take turns within one microsecond too.
        lane.last_claim_at = Micros(now.0.max(lane.last_claim_at.0.saturating_add(1)));
        lane.breaker = lane.breaker.on_claim();
        if let Some(per_second) = lane.per_second.filter(|rate| *rate > 0.0) {
            let gap = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::from_secs(3600));
            lane.next_allowed_at = now.plus(gap);
        }
        lanes::save(tx, workspace, hub, &lane)?;
        if !claim.tasks.is_empty() {
            claim.contended = false;
            return Ok(claim);
        }
    }
    claim.next_turn = lanes::next_turn_across_workspaces(tx, now)?;
    Ok(claim)
}

/// The next ready tasks of the hub, as `FROM … LIMIT …` that locks them on PostgreSQL: `$1` is the
/// workspace, `$2` the hub, `$3` the time.
fn ready(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId, wish: &Wish, most: usize) -> Result<String, StoreError> {
    let pushing: Vec<Pushing> = diesel::sql_query(format!(
        "SELECT {} AS awaits_leaver FROM hubs h JOIN workspaces w ON w.id = h.workspace \
         WHERE h.workspace = $1 AND h.id = $2 AND {}",
        lanes::awaits_leaver(tx, "$1", "$2", "$3"),
        lanes::PUSHES
    ))
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    .bind::<BigInt, _>(wish.holder.now.0)
    .kept()
    .load(tx)?;
    let ready = Ready::of(wish.company, !pushing.is_empty());
    let ready = if pushing.iter().any(|hub| hub.awaits_leaver) { ready.of_leavers() } else { ready };
    let next = ready.sql(tx, "$1", "$2", "$3");
    let lock = match &**tx {
        DbConn::Sqlite(_) => "",
        DbConn::Postgres(_) => "FOR UPDATE OF t SKIP LOCKED",
    };
    // The limit is text, as in `lanes::ready_across_workspaces`; it is at most the places of a worker.
    Ok(format!("{next} LIMIT {most} {lock}"))
}

/// Lease the next ready tasks.
fn take(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    wish: &Wish,
    ready: &str,
) -> Result<Vec<TaskRow>, StoreError> {
    let (now, until) = (wish.holder.now, wish.holder.lease_now.plus(wish.lease));
    let status = TaskEvent::Claimed.leads_to().as_str();
    if matches!(&**tx, DbConn::Sqlite(_)) {
        let ids: Vec<Id> = diesel::sql_query(format!("SELECT t.id {ready}"))
            .bind::<BigInt, _>(workspace.0)
            .bind::<Binary, _>(hub.bytes())
            .bind::<BigInt, _>(now.0)
            .kept()
            .load(tx)?;
        return ids.into_iter().map(|row| take_one(tx, workspace, &row.id, wish, until)).collect();
    }
    // Nothing is inserted: each is there, and this transaction has it locked. An UPDATE joined to them may
    // be planned as one that reads the whole queue, from statistics that do not know it yet (T-32); here
    // each is looked up by the key that conflicts, whatever PostgreSQL believes.
    let text = format!(
        "INSERT INTO tasks AS mine SELECT next.* FROM (SELECT t.* {ready}) next \
         ON CONFLICT (workspace, id) DO UPDATE SET status = $4, lease_boot = $5, \
         lease_epoch = mine.lease_epoch + 1, lease_until = $6, modified_at = $3 RETURNING mine.*"
    );
    Ok(diesel::sql_query(text)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(hub.bytes())
        .bind::<BigInt, _>(now.0)
        .bind::<Text, _>(status)
        .bind::<Binary, _>(wish.holder.boot.bytes())
        .bind::<BigInt, _>(until.0)
        .kept()
        .load(tx)?)
}

/// The statuses that `TaskEvent::Claimed` starts from, as text: compared with bound values SQLite
/// would look at its partial indexes and prepare the statement anew every time.
const CLAIMABLE: &str = "tasks.status IN ('queued', 'retrying')";

fn take_one(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: &[u8],
    wish: &Wish,
    until: Micros,
) -> Result<TaskRow, StoreError> {
    Ok(diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq(id))
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(CLAIMABLE))
        .set((
            tasks::status.eq(TaskEvent::Claimed.leads_to().as_str()),
            tasks::lease_boot.eq(Some(wish.holder.boot.bytes())),
            tasks::lease_epoch.eq(tasks::lease_epoch + 1),
            tasks::lease_until.eq(Some(until.0)),
            tasks::modified_at.eq(wish.holder.now.0),
        ))
        .returning(tasks::all_columns)
        .kept()
        .get_result(tx)?)
}

/// What can be read is the worker's; what cannot is set aside.
fn sort(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    row: &TaskRow,
    now: Micros,
    claim: &mut Claim,
) -> Result<(), StoreError> {
    match row.strict() {
        Ok(task) => {
            claim.tasks.push(task);
        }
        Err(StoreError::Corrupt(reason)) => {
            let task = row.task_id()?;
            let lease = Lease { workspace, task, epoch: row.epoch() };
            let mut change = Change::new(TaskEvent::NeedsPerson, now);
            change.error_class = Some("unreadable");
            change.error_detail = Some(format!("this version cannot read the task: {reason}"));
            leases::end(tx, &lease, &change)?;
            claim.unreadable.push(task);
        }
        Err(other) => return Err(other),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimable_is_written_as_the_states_have_it() {
        let words: Vec<_> = TaskEvent::Claimed.starts_from().iter().map(|s| format!("'{}'", s.as_str())).collect();
        assert_eq!(CLAIMABLE, format!("tasks.status IN ({})", words.join(", ")));
    }
}
