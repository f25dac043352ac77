//! Leases on tasks: taken with an epoch that grows by one (a fencing token), ended only under
//! that epoch, taken back when they run out. Lease time is the database's clock on PostgreSQL
//! and the process's monotonic clock, with its boot id, on SQLite (DESIGN.md section 3).

use std::collections::HashSet;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::attempts;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::lanes::{self, Company, Locked, Ready};
use super::schema::tasks;
use super::tasks::TaskRow;
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{BootId, HubId, TaskId, WorkspaceId};
use crate::domain::slots::Slots;
use crate::domain::task::{Effect, Task, TaskStatus};
use crate::domain::task_states::TaskEvent;

/// The right to run one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The task's tenant.
    pub workspace: WorkspaceId,
    /// The task.
    pub task: TaskId,
    /// The fencing token.
    pub epoch: i64,
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    /// This run of the process.
    pub boot: BootId,
    /// Wall-clock time, for `not_before` and what people read.
    pub now: Micros,
    /// Now on the clock that leases are measured by: [`super::Store::lease_now`].
    pub lease_now: Micros,
}

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

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = BigInt)]
    workspace: i64,
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
        if ready.is_empty() {
            continue;
        }
        let until = wish.holder.lease_now.plus(wish.lease);
        for id in ready {
            take(tx, workspace, &id, wish, until, &mut claim)?;
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

fn ready(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    wish: &Wish,
    most: usize,
) -> Result<Vec<Vec<u8>>, StoreError> {
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
    let rows: Vec<Id> = diesel::sql_query(format!("SELECT t.id {next} LIMIT {most} {lock}"))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(hub.bytes())
        .bind::<BigInt, _>(wish.holder.now.0)
        .kept()
        .load(tx)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The statuses that `TaskEvent::Claimed` starts from, as text: compared with bound values SQLite
/// would look at its partial indexes and prepare the statement anew every time.
const CLAIMABLE: &str = "tasks.status IN ('queued', 'retrying')";

fn take(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: &[u8],
    wish: &Wish,
    until: Micros,
    claim: &mut Claim,
) -> Result<(), StoreError> {
    let now = wish.holder.now;
    // One by one: given a list, PostgreSQL may read the whole queue with a plan made when it was short.
    let row: TaskRow = diesel::update(tasks::table)
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq(id))
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(CLAIMABLE))
        .set((
            tasks::status.eq(TaskEvent::Claimed.leads_to().as_str()),
            tasks::lease_boot.eq(Some(wish.holder.boot.bytes())),
            tasks::lease_epoch.eq(tasks::lease_epoch + 1),
            tasks::lease_until.eq(Some(until.0)),
            tasks::modified_at.eq(now.0),
        ))
        .returning(tasks::all_columns)
        .kept()
        .get_result(tx)?;
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
            end(tx, &lease, &change)?;
            claim.unreadable.push(task);
        }
        Err(other) => return Err(other),
    }
    Ok(())
}

/// How a leased task goes on.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub event: TaskEvent,
    /// When.
    pub now: Micros,
    /// Not claimed again before this; `None` leaves it.
    pub not_before: Option<Micros>,
    /// Attempts this one adds.
    pub spent: i32,
    /// Crashes this one adds.
    pub crashed: i32,
    /// Whether something may be at the app.
    pub verify_first: bool,
    /// The class of the failure.
    pub error_class: Option<&'static str>,
    /// What went wrong, for people.
    pub error_detail: Option<String>,
    /// What a person must do.
    pub instructions: Option<String>,
    /// A payload that learned something (part is done under this id).
    pub effect: Option<Effect>,
}

impl Change {
    /// `event` and nothing else.
    pub const fn new(event: TaskEvent, now: Micros) -> Self {
        Self {
            event,
            now,
            not_before: None,
            spent: 0,
            crashed: 0,
            verify_first: false,
            error_class: None,
            error_detail: None,
            instructions: None,
            effect: None,
        }
    }
}

/// End a lease: the one way a running task changes its status.
///
/// The epoch is the fencing token: a worker that was paused past its lease matches no row here
/// and learns that its result no longer counts.
///
/// # Errors
/// [`StoreError::LeaseLost`] when somebody else has the task now, or it is closed.
pub fn end(tx: &mut Tx<'_>, lease: &Lease, change: &Change) -> Result<(), StoreError> {
    let mut status = change.event.leads_to();
    if status == TaskStatus::Queued && change.verify_first {
        status = TaskStatus::Retrying;
    }
    let finished = (!status.is_open()).then_some(change.now.0);
    let updated = diesel::update(tasks::table)
        .filter(tasks::workspace.eq(lease.workspace.0))
        .filter(tasks::id.eq(lease.task.bytes()))
        .filter(tasks::lease_epoch.eq(lease.epoch))
        .filter(lanes::is_leased())
        .set((
            tasks::status.eq(status.as_str()),
            tasks::lease_boot.eq(None::<Vec<u8>>),
            tasks::lease_until.eq(None::<i64>),
            tasks::attempts.eq(tasks::attempts + change.spent),
            tasks::crashes.eq(tasks::crashes + change.crashed),
            tasks::verify_first.eq(change.verify_first),
            tasks::error_class.eq(change.error_class),
            tasks::error_detail.eq(change.error_detail.as_deref()),
            tasks::instructions.eq(change.instructions.as_deref()),
            tasks::modified_at.eq(change.now.0),
            tasks::finished_at.eq(finished),
            tasks::finished_by.eq(finished.map(|_| "worker")),
        ))
        .kept()
        .execute(tx)?;
    if updated == 0 {
        return Err(StoreError::LeaseLost(lease.task));
    }
    let row = tasks::table.find((lease.workspace.0, lease.task.bytes()));
    if let Some(at) = change.not_before {
        diesel::update(row).set(tasks::not_before.eq(at.0)).kept().execute(tx)?;
    }
    if let Some(effect) = &change.effect {
        let payload = serde_json::to_string(effect).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        diesel::update(tasks::table.find((lease.workspace.0, lease.task.bytes())))
            .set(tasks::payload.eq(payload))
            .kept()
            .execute(tx)?;
    }
    Ok(())
}

/// End leases whose tasks landed, as [`end`] does one, in one statement. Answers those that still
/// counted; the others' results do not.
///
/// # Errors
/// A failed statement.
pub fn landed_all(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    leases: &[Lease],
    now: Micros,
) -> Result<HashSet<TaskId>, StoreError> {
    let DbConn::Postgres(conn) = &mut **tx else {
        let mut ended = HashSet::new();
        for lease in leases {
            let change = Change { spent: 1, ..Change::new(TaskEvent::Landed, now) };
            match end(tx, lease, &change) {
                Ok(()) => drop(ended.insert(lease.task)),
                Err(StoreError::LeaseLost(_)) => {}
                Err(other) => return Err(other),
            }
        }
        return Ok(ended);
    };
    // Not kept: planned with the table as it is, never with a plan from when the queue was short.
    let rows: Vec<Id> = diesel::sql_query(
        "UPDATE tasks t SET status = $5, lease_boot = NULL, lease_until = NULL, attempts = t.attempts + 1, \
         verify_first = FALSE, error_class = NULL, error_detail = NULL, instructions = NULL, \
         modified_at = $4, finished_at = $4, finished_by = 'worker' \
         FROM unnest($1, $2) AS e (id, epoch) WHERE t.workspace = $3 AND t.id = e.id AND t.lease_epoch = e.epoch \
         AND t.status IN ('started', 'running') RETURNING t.id",
    )
    .bind::<Array<Binary>, _>(leases.iter().map(|lease| lease.task.bytes()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(leases.iter().map(|lease| lease.epoch).collect::<Vec<_>>())
    .bind::<BigInt, _>(workspace.0)
    .bind::<BigInt, _>(now.0)
    .bind::<Text, _>(TaskEvent::Landed.leads_to().as_str())
    .load(conn)?;
    rows.iter().map(|row| TaskId::from_bytes(&row.id).map_err(|_| StoreError::Corrupt("a task's id".into()))).collect()
}

/// Recording showed that somebody must look after all: change a task that this transaction just
/// ended under the lease.
///
/// # Errors
/// A failed statement.
pub fn correct(tx: &mut Tx<'_>, lease: &Lease, change: &Change) -> Result<(), StoreError> {
    diesel::update(tasks::table.find((lease.workspace.0, lease.task.bytes())))
        .filter(tasks::lease_epoch.eq(lease.epoch))
        .set((
            tasks::status.eq(change.event.leads_to().as_str()),
            tasks::error_class.eq(change.error_class),
            tasks::error_detail.eq(change.error_detail.as_deref()),
            tasks::instructions.eq(change.instructions.as_deref()),
            tasks::finished_at.eq(None::<i64>),
            tasks::finished_by.eq(None::<String>),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Show an attempt that takes longer as `running`. Losing the lease is no error here.
///
/// # Errors
/// A failed statement.
pub fn show_running(tx: &mut Tx<'_>, lease: &Lease, now: Micros) -> Result<(), StoreError> {
    diesel::update(tasks::table)
        .filter(tasks::workspace.eq(lease.workspace.0))
        .filter(tasks::id.eq(lease.task.bytes()))
        .filter(tasks::lease_epoch.eq(lease.epoch))
        .filter(tasks::status.eq(TaskStatus::Started.as_str()))
        .set((tasks::status.eq(TaskEvent::Shown.leads_to().as_str()), tasks::modified_at.eq(now.0)))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// A lease that ran out.
#[derive(Clone, Debug)]
pub struct Expired {
    /// Under which it ran.
    pub lease: Lease,
    /// The task as it was.
    pub task: Task,
    /// When it ended, on the lease clock; with the task's id the place to go on from.
    pub until: Micros,
}

/// Leases that ran out, in the order they did, after the given place. On SQLite that includes
/// every lease of another boot: its process is gone, or it would hold the file.
///
/// # Errors
/// A failed statement.
pub fn expired_across_workspaces(
    tx: &mut Tx<'_>,
    holder: &Holder,
    after: Option<(Micros, TaskId)>,
    limit: i64,
) -> Result<Vec<Expired>, StoreError> {
    let (over, lock) = match &**tx {
        DbConn::Sqlite(_) => ("(t.lease_until < $1 OR t.lease_boot IS NULL OR t.lease_boot <> $2)", ""),
        // The database's clock decides alone; $2 must be used all the same.
        DbConn::Postgres(_) => ("(t.lease_until < $1 AND $2::BYTEA IS NOT NULL)", "FOR UPDATE OF t SKIP LOCKED"),
    };
    let sql = format!(
        "SELECT t.workspace, t.id FROM tasks t WHERE t.lease_until IS NOT NULL AND {over} \
         AND (t.lease_until > $3 OR (t.lease_until = $3 AND t.id > $4) OR $3 IS NULL) \
         ORDER BY t.lease_until, t.id LIMIT $5 {lock}"
    );
    let rows: Vec<Key> = diesel::sql_query(sql)
        .bind::<BigInt, _>(holder.lease_now.0)
        .bind::<Binary, _>(holder.boot.bytes())
        .bind::<Nullable<BigInt>, _>(after.map(|(until, _)| until.0))
        .bind::<Nullable<Binary>, _>(after.map(|(_, task)| task.bytes()))
        .bind::<BigInt, _>(limit)
        .kept()
        .load(tx)?;
    let mut found = Vec::new();
    for key in rows {
        let row: TaskRow = tasks::table.find((key.workspace, key.id)).kept().get_result(tx)?;
        let task = row.shown()?;
        let lease = Lease { workspace: task.workspace, task: task.id, epoch: task.lease_epoch };
        found.push(Expired { lease, task, until: row.lease_until() });
    }
    Ok(found)
}

/// Tasks whose time came (`waiting`) become ready. Answers how many.
///
/// # Errors
/// A failed statement.
pub fn release_waiting_across_workspaces(tx: &mut Tx<'_>, now: Micros) -> Result<usize, StoreError> {
    // The status is written out, so that the index of waiting tasks answers.
    Ok(diesel::sql_query(
        // What nothing automates goes to the person who must do it.
        "UPDATE tasks SET status = CASE WHEN instructions IS NULL THEN 'queued' ELSE 'manual' END, \
         error_class = NULL, error_detail = NULL, modified_at = $1 WHERE status = 'waiting' AND not_before <= $2",
    )
    .bind::<BigInt, _>(now.0)
    .bind::<BigInt, _>(now.0)
    .kept()
    .execute(tx)?)
}

#[derive(QueryableByName)]
struct Queue {
    #[diesel(sql_type = BigInt)]
    ready: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    oldest: Option<i64>,
}

/// How many tasks are ready and how long the oldest of them has been, for the metrics.
///
/// # Errors
/// A failed statement.
pub fn queue_across_workspaces(conn: &mut DbConn, now: Micros) -> Result<(i64, Option<Micros>), StoreError> {
    let queue: Queue = diesel::sql_query(
        "SELECT COUNT(*) AS ready, MIN(not_before) AS oldest FROM tasks \
         WHERE status IN ('queued', 'retrying') AND not_before <= $1",
    )
    .bind::<BigInt, _>(now.0)
    .kept()
    .get_result(conn)?;
    Ok((queue.ready, queue.oldest.map(Micros)))
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
