//! Claims: ready tasks of the hub that waited longest, leased in one transaction.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text};

use super::attempts;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::lanes::{self, Company, Lane, Locked, Ready};
use super::leases::{self, Change, Lease};
use super::schema::tasks;
use super::tasks::TaskRow;
use super::tx::LEASE_CLOCK;
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{BootId, HubId, TaskId, WorkspaceId};
use crate::domain::plan::{PRIORITY_LEAVER, PRIORITY_REDUCE};
use crate::domain::slots::Slots;
use crate::domain::task::Task;
use crate::domain::task_states::TaskEvent;

/// What a worker can take.
#[derive(Clone, Debug)]
pub struct Wish {
    /// This run of the process.
    pub boot: BootId,
    /// Wall-clock time, for `not_before` and what people read.
    pub now: Micros,
    /// Now on the clock that leases are measured by, where it is this process's: [`super::Store::own_lease_now`].
    pub lease_now: Option<Micros>,
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

/// How a hub stands whose lane is locked.
#[derive(QueryableByName)]
struct Standing {
    /// Its tasks that are leased, in the whole cluster.
    #[diesel(sql_type = BigInt)]
    in_flight: i64,
    /// Whether it pushes.
    #[diesel(sql_type = Bool)]
    pushes: bool,
    /// Whether its other tasks wait for the removal of a leaver.
    #[diesel(sql_type = Bool)]
    awaits_leaver: bool,
    /// Whether a removal or downgrade of somebody who stays goes before the additions.
    #[diesel(sql_type = Bool)]
    owes_reduction: bool,
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
    let now = wish.now;
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
        let Some(standing) = standing(tx, workspace, hub, wish)? else { continue };
        let free = i64::from(lane.breaker.admits(lane.max_in_flight, now)) - standing.in_flight;
        let mut most = usize::try_from(free).unwrap_or(0).min(wish.slots.left_for(workspace));
        if lane.per_second.is_some() {
            most = most.min(1);
        }
        if most == 0 {
            continue;
        }
        let ready = ready(tx, wish, &standing, most);
        let taken = take(tx, workspace, hub, wish, &ready)?;
        if taken.is_empty() {
            continue;
        }
        for row in taken {
            sort(tx, workspace, &row, wish.now, &mut claim)?;
        }
        let begun: Vec<_> = claim.tasks.iter().map(|task| (task.id, task.lease_epoch)).collect();
        // Strictly later than before, so that two hubs take turns within one microsecond too.
        lane.last_claim_at = Micros(now.0.max(lane.last_claim_at.0.saturating_add(1)));
        lane.breaker = lane.breaker.on_claim();
        if let Some(per_second) = lane.per_second.filter(|rate| *rate > 0.0) {
            let gap = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::from_secs(3600));
            lane.next_allowed_at = now.plus(gap);
        }
        begin(tx, (workspace, hub), &lane, &begun, now)?;
        if !claim.tasks.is_empty() {
            claim.contended = false;
            return Ok(claim);
        }
    }
    claim.next_turn = lanes::next_turn_across_workspaces(tx, now)?;
    Ok(claim)
}

/// Read once the lane is locked: what another process claimed just before is counted.
fn standing(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId, wish: &Wish) -> Result<Option<Standing>, StoreError> {
    let rows: Vec<Standing> = diesel::sql_query(format!(
        "SELECT {} AS in_flight, ({}) AS pushes, {} AS awaits_leaver, {} AS owes_reduction \
         FROM hubs h JOIN workspaces w ON w.id = h.workspace WHERE h.workspace = $1 AND h.id = $2",
        lanes::in_flight(tx, "$1", "$2"),
        lanes::PUSHES,
        lanes::awaits_leaver(tx, "$1", "$2", "$3"),
        lanes::owes_reduction(tx, wish.company, "$1", "$2", "$3"),
    ))
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    .bind::<BigInt, _>(wish.now.0)
    .kept()
    .load(tx)?;
    Ok(rows.into_iter().next())
}

/// The next ready tasks of the hub, as `FROM … LIMIT …` that locks them on PostgreSQL: `$1` is the
/// workspace, `$2` the hub, `$3` the time.
fn ready(tx: &Tx<'_>, wish: &Wish, standing: &Standing, most: usize) -> String {
    let ready = Ready::of(wish.company, standing.pushes);
    let ready = match (standing.pushes, standing.awaits_leaver, standing.owes_reduction) {
        (true, true, _) => ready.of_priority(PRIORITY_LEAVER),
        (true, false, true) => ready.of_priority(PRIORITY_REDUCE),
        (true, false, false) | (false, _, _) => ready,
    };
    let next = ready.sql(tx, "$1", "$2", "$3");
    let lock = match &**tx {
        DbConn::Sqlite(_) => "",
        DbConn::Postgres(_) => "FOR UPDATE OF t SKIP LOCKED",
    };
    // The limit is text, as in `lanes::ready_across_workspaces`; it is at most the places of a worker.
    format!("{next} LIMIT {most} {lock}")
}

/// The attempts begin, each a task and its lease's epoch, and the lane learns of them: on PostgreSQL in one
/// round trip.
fn begin(
    tx: &mut Tx<'_>,
    (workspace, hub): (WorkspaceId, HubId),
    lane: &Lane,
    begun: &[(TaskId, i64)],
    now: Micros,
) -> Result<(), StoreError> {
    let DbConn::Postgres(conn) = &mut **tx else {
        attempts::begin(tx, workspace, begun, now)?;
        return lanes::save(tx, workspace, hub, lane);
    };
    diesel::sql_query(
        "WITH begun AS (INSERT INTO attempts (workspace, task_id, number, epoch, started_at) \
           SELECT $1, u.task, u.number, u.epoch, $3 FROM unnest($4, $5, $6) AS u (task, number, epoch)) \
         UPDATE hub_lanes SET next_allowed_at = $7, breaker = $8, breaker_failures = $9, breaker_until = $10, \
         blocked_reason = $11, last_claim_at = $12 WHERE workspace = $1 AND hub_id = $2",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    .bind::<BigInt, _>(now.0)
    .bind::<Array<Binary>, _>(begun.iter().map(|(task, _)| task.bytes()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(begun.iter().map(|(_, epoch)| attempts::number(*epoch)).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(begun.iter().map(|(_, epoch)| *epoch).collect::<Vec<_>>())
    .bind::<BigInt, _>(lane.next_allowed_at.0)
    .bind::<Text, _>(lane.breaker.state.as_str())
    .bind::<Integer, _>(lane.breaker.count)
    .bind::<BigInt, _>(lane.breaker.until.0)
    .bind::<Nullable<Text>, _>(lane.blocked_reason.as_deref())
    .bind::<BigInt, _>(lane.last_claim_at.0)
    .kept()
    .execute_there(conn)?;
    Ok(())
}

/// Lease the next ready tasks.
fn take(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    wish: &Wish,
    ready: &str,
) -> Result<Vec<TaskRow>, StoreError> {
    let now = wish.now;
    let status = TaskEvent::Claimed.leads_to().as_str();
    if matches!(&**tx, DbConn::Sqlite(_)) {
        let ids: Vec<Id> = diesel::sql_query(format!("SELECT t.id {ready}"))
            .bind::<BigInt, _>(workspace.0)
            .bind::<Binary, _>(hub.bytes())
            .bind::<BigInt, _>(now.0)
            .kept()
            .load(tx)?;
        let until = wish.lease_now.unwrap_or(now).plus(wish.lease);
        return ids.into_iter().map(|row| take_one(tx, workspace, &row.id, wish, until)).collect();
    }
    // Nothing is inserted: each is there, and this transaction has it locked. An UPDATE joined to them may
    // be planned as one that reads the whole queue, from statistics that do not know it yet (T-32); here
    // each is looked up by the key that conflicts, whatever PostgreSQL believes.
    let text = format!(
        "INSERT INTO tasks AS mine SELECT next.* FROM (SELECT t.* {ready}) next \
         ON CONFLICT (workspace, id) DO UPDATE SET status = $4, lease_boot = $5, \
         lease_epoch = mine.lease_epoch + 1, lease_until = {LEASE_CLOCK} + $6, modified_at = $3 RETURNING mine.*"
    );
    Ok(diesel::sql_query(text)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(hub.bytes())
        .bind::<BigInt, _>(now.0)
        .bind::<Text, _>(status)
        .bind::<Binary, _>(wish.boot.bytes())
        .bind::<BigInt, _>(i64::try_from(wish.lease.as_micros()).unwrap_or(i64::MAX / 2))
        .kept()
        .load(tx)?)
}

/// The statuses that `TaskEvent::Claimed` starts from, as text: compared with bound values SQLite
/// would look at its partial indexes and prepare the statement anew every time.
const CLAIMABLE: &str = "tasks.status IN ('queued', 'retrying')";

/// Read first, then changed: SQLite makes a table of its own for what a change returns.
fn take_one(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: &[u8],
    wish: &Wish,
    until: Micros,
) -> Result<TaskRow, StoreError> {
    let key = tasks::table.filter(tasks::workspace.eq(workspace.0)).filter(tasks::id.eq(id));
    let mut row: TaskRow = key.select(tasks::all_columns).kept().get_result(tx)?;
    row.leased(wish.boot.bytes(), until, wish.now);
    let changed = diesel::update(key)
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(CLAIMABLE))
        .set((
            tasks::status.eq(TaskEvent::Claimed.leads_to().as_str()),
            tasks::lease_boot.eq(Some(wish.boot.bytes())),
            tasks::lease_epoch.eq(row.epoch()),
            tasks::lease_until.eq(Some(until.0)),
            tasks::modified_at.eq(wish.now.0),
        ))
        .kept()
        .execute(tx)?;
    if changed == 1 { Ok(row) } else { Err(StoreError::NotFound) }
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
