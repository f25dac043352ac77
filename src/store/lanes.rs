//! The lane of a hub: how many calls are in flight, when the next may be, the breaker, and why it
//! stands still. One row per hub, so that the limits hold for the whole cluster; whoever changes
//! it locks it first, and locks it before any task.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::hub_lanes;
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::limits::{CRASHES, LEAVER_AWAITED, LEAVER_TRIES, REDUCTION_LETS};
use crate::domain::breaker::{Breaker, State};
use crate::domain::hub::HubPolicy;
use crate::domain::plan::{PRIORITY_GRANT, PRIORITY_LEAVER, PRIORITY_REDUCE};

/// A lane as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// Calls in flight at once.
    pub max_in_flight: i32,
    /// Attempts a second; `None` for no limit of ours.
    pub per_second: Option<f64>,
    /// Nobody calls before.
    pub next_allowed_at: Micros,
    /// The breaker.
    pub breaker: Breaker,
    /// Why it stands still until a person mends it; `None` while it moves.
    pub blocked_reason: Option<String>,
    /// When a task of it was last claimed; the hub that waited longest is served first.
    pub last_claim_at: Micros,
}

type Row = (i32, Option<f64>, i64, String, i32, i64, Option<String>, i64);

fn columns() -> (
    hub_lanes::max_in_flight,
    hub_lanes::per_second,
    hub_lanes::next_allowed_at,
    hub_lanes::breaker,
    hub_lanes::breaker_failures,
    hub_lanes::breaker_until,
    hub_lanes::blocked_reason,
    hub_lanes::last_claim_at,
) {
    (
        hub_lanes::max_in_flight,
        hub_lanes::per_second,
        hub_lanes::next_allowed_at,
        hub_lanes::breaker,
        hub_lanes::breaker_failures,
        hub_lanes::breaker_until,
        hub_lanes::blocked_reason,
        hub_lanes::last_claim_at,
    )
}

fn lane(row: Row) -> Lane {
    let (max_in_flight, per_second, next_allowed_at, breaker, count, until, blocked_reason, last_claim_at) = row;
    Lane {
        max_in_flight,
        per_second,
        next_allowed_at: Micros(next_allowed_at),
        breaker: Breaker { state: State::from_word(&breaker), count, until: Micros(until) },
        blocked_reason,
        last_claim_at: Micros(last_claim_at),
    }
}

/// Make sure the hub has a lane, with the pace of its policy.
///
/// # Errors
/// A failed statement.
pub fn ensure(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId, policy: &HubPolicy) -> Result<(), StoreError> {
    if load(tx, workspace, hub)?.is_some() {
        return Ok(());
    }
    diesel::insert_into(hub_lanes::table)
        .values((
            hub_lanes::workspace.eq(workspace.0),
            hub_lanes::hub_id.eq(hub.bytes()),
            hub_lanes::max_in_flight.eq(i32::try_from(policy.max_in_flight).unwrap_or(i32::MAX)),
            hub_lanes::per_second.eq(policy.calls_per_second),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// The lane as it is now, without a lock.
///
/// # Errors
/// A failed statement.
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Option<Lane>, StoreError> {
    Ok(hub_lanes::table
        .find((workspace.0, hub.bytes()))
        .select(columns())
        .kept()
        .get_result::<Row>(conn)
        .optional()?
        .map(lane))
}

/// What a lock may do when another process holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// Wait for it.
    Wait,
    /// Go on without; the answer is `None`.
    Skip,
}

/// The lane, locked until the transaction ends. On SQLite the transaction is the lock.
///
/// # Errors
/// A failed statement.
pub fn lock(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId, when: Locked) -> Result<Option<Lane>, StoreError> {
    let query = hub_lanes::table.find((workspace.0, hub.bytes())).select(columns());
    let row: Option<Row> = match (&mut **tx, when) {
        (DbConn::Sqlite(conn), _) => query.get_result(conn).optional()?,
        (DbConn::Postgres(conn), Locked::Wait) => query.for_update().get_result(conn).optional()?,
        (DbConn::Postgres(conn), Locked::Skip) => query.for_update().skip_locked().get_result(conn).optional()?,
    };
    Ok(row.map(lane))
}

/// Write a locked lane back. The pace itself belongs to the hub's policy and is left alone.
///
/// # Errors
/// A failed statement.
pub fn save(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId, lane: &Lane) -> Result<(), StoreError> {
    diesel::update(hub_lanes::table.find((workspace.0, hub.bytes())))
        .set((
            hub_lanes::next_allowed_at.eq(lane.next_allowed_at.0),
            hub_lanes::breaker.eq(lane.breaker.state.as_str()),
            hub_lanes::breaker_failures.eq(lane.breaker.count),
            hub_lanes::breaker_until.eq(lane.breaker.until.0),
            hub_lanes::blocked_reason.eq(lane.blocked_reason.as_deref()),
            hub_lanes::last_claim_at.eq(lane.last_claim_at.0),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Let a blocked hub go on: a person mended the cause. Its tasks are ready as they stand.
///
/// # Errors
/// A failed statement.
pub fn unblock(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<(), StoreError> {
    diesel::update(hub_lanes::table.find((workspace.0, hub.bytes())))
        .set((
            hub_lanes::blocked_reason.eq(None::<String>),
            hub_lanes::next_allowed_at.eq(0),
            hub_lanes::breaker.eq(State::Closed.as_str()),
            hub_lanes::breaker_failures.eq(0),
            hub_lanes::breaker_until.eq(0),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// The condition of the index `tasks_in_flight`, letter by letter: with bound values neither
/// database would see that the index answers it, and a claim would read the hub's history.
pub(super) fn is_leased() -> diesel::expression::SqlLiteral<diesel::sql_types::Bool> {
    diesel::dsl::sql("tasks.status IN ('started', 'running')")
}

/// Which tasks a claim is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Ordinary tasks, many at once.
    Many,
    /// A task that a process has died with again and again: it runs alone (F-17).
    Alone,
}

/// Which ready tasks of a hub a claim is about, as conditions on the row `t`: written out, so
/// that a partial index answers each and no claim reads a queue to find the few it wants.
pub(super) struct Ready {
    /// The index that answers.
    index: &'static str,
    /// Beside the status and the time.
    also: String,
}

impl Ready {
    /// Of an active hub everything; of an observed one only what changes nothing in the app.
    pub(super) fn of(company: Company, active: bool) -> Self {
        let suspect = CRASHES - 1;
        let crashes = match company {
            Company::Many => format!("t.crashes < {suspect}"),
            Company::Alone => format!("t.crashes >= {suspect}"),
        };
        let (index, also) = match (active, company) {
            (true, Company::Many) => ("tasks_ready", crashes),
            (true, Company::Alone) => ("tasks_ready_alone", crashes),
            (false, Company::Many | Company::Alone) => ("tasks_ready_sync", format!("t.kind = 'sync' AND {crashes}")),
        };
        Self { index, also }
    }

    /// Of these only those of one priority.
    pub(super) fn of_priority(self, priority: i32) -> Self {
        Self { also: format!("{} AND t.priority = {priority}", self.also), ..self }
    }

    /// `FROM … ORDER BY …` for the ready tasks of one hub, the next one first.
    pub(super) fn sql(&self, conn: &DbConn, workspace: &str, hub: &str, now: &str) -> String {
        // SQLite is told: its statistics are a guess made before the first task.
        let index = match conn {
            DbConn::Sqlite(_) => format!("INDEXED BY {}", self.index),
            DbConn::Postgres(_) => String::new(),
        };
        format!(
            "FROM tasks t {index} WHERE t.workspace = {workspace} AND t.hub_id = {hub} \
             AND t.status IN ('queued', 'retrying') AND t.not_before <= {now} AND {} \
             ORDER BY t.priority, t.not_before, t.id",
            self.also
        )
    }
}

/// How many tasks of a hub are leased, in the whole cluster: a sub-select.
pub(super) fn in_flight(conn: &DbConn, workspace: &str, hub: &str) -> String {
    let index = match conn {
        DbConn::Sqlite(_) => "INDEXED BY tasks_in_flight",
        DbConn::Postgres(_) => "",
    };
    format!(
        "(SELECT COUNT(*) FROM tasks r {index} WHERE r.workspace = {workspace} AND r.hub_id = {hub} \
           AND r.status IN ('started', 'running'))"
    )
}

/// Whether the removal of a leaver was tried in vain and is tried again so soon that the hub's other
/// tasks wait for it: a condition on a hub that pushes.
pub(super) fn awaits_leaver(conn: &DbConn, workspace: &str, hub: &str, now: &str) -> String {
    let index = match conn {
        DbConn::Sqlite(_) => "INDEXED BY tasks_ready",
        DbConn::Postgres(_) => "",
    };
    let soon = LEAVER_AWAITED.as_micros();
    format!(
        "EXISTS (SELECT 1 FROM tasks t {index} WHERE t.workspace = {workspace} AND t.hub_id = {hub} \
         AND t.status IN ('queued', 'retrying') AND t.priority = {PRIORITY_LEAVER} \
         AND t.not_before > {now} AND t.not_before <= {now} + {soon} AND t.attempts <= {LEAVER_TRIES} \
         AND t.crashes < {})",
        CRASHES - 1
    )
}

/// Whether it is the turn of what takes something away from people who stay: a condition on a hub that pushes.
/// It lets additions go first that come soon after it, and no others: were it always last, it would wait for as
/// long as people keep arriving.
pub(super) fn owes_reduction(conn: &DbConn, company: Company, workspace: &str, hub: &str, now: &str) -> String {
    let next = Ready::of(company, true).sql(conn, workspace, hub, now);
    let reduction = Ready::of(company, true).of_priority(PRIORITY_REDUCE).sql(conn, workspace, hub, now);
    let lets = REDUCTION_LETS.as_micros();
    // Each is the first entry of an index, whatever the length of the queue.
    format!(
        "COALESCE(CASE WHEN (SELECT t.priority {next} LIMIT 1) = {PRIORITY_GRANT} \
         THEN (SELECT t.not_before {reduction} LIMIT 1) + {lets} <= (SELECT t.not_before {next} LIMIT 1) END, FALSE)"
    )
}

#[derive(QueryableByName)]
struct HubRow {
    #[diesel(sql_type = BigInt)]
    workspace: i64,
    #[diesel(sql_type = Binary)]
    hub_id: Vec<u8>,
}

/// Whether hub `h` of workspace `w` pushes. Observing and paused hubs only read: a sync runs there
/// too, and nothing else.
pub(super) const PUSHES: &str = "h.mode = 'active' AND NOT h.paused AND NOT w.paused \
     AND NOT EXISTS (SELECT 1 FROM settings s WHERE s.name = 'paused' AND s.value = 'true')";

/// Hubs that have a ready task, may call and have room in their lane, in the order in which they are
/// served: first the workspace that waited longest, in it hubs whose next task is the removal of
/// somebody who left, then the hub that waited longest. Workspaces in `crowded` are left out, and hubs
/// whose other tasks wait for such a removal.
///
/// # Errors
/// A failed statement.
pub fn ready_across_workspaces(
    conn: &mut DbConn,
    company: Company,
    now: Micros,
    crowded: &[WorkspaceId],
    limit: i64,
) -> Result<Vec<(WorkspaceId, HubId)>, StoreError> {
    let next = |conn: &DbConn, active| Ready::of(company, active).sql(conn, "l.workspace", "l.hub_id", "$1");
    let (active, observed) = (next(conn, true), next(conn, false));
    let in_flight = in_flight(conn, "l.workspace", "l.hub_id");
    let without = match (&*conn, crowded) {
        // One text whoever is crowded, so that it stays prepared: planning it costs more than running it.
        (DbConn::Postgres(_), _) => String::from("AND l.workspace <> ALL ($2)"),
        (DbConn::Sqlite(_), []) => String::new(),
        (DbConn::Sqlite(_), some) => {
            let ids: Vec<_> = some.iter().map(|workspace| workspace.0.to_string()).collect();
            format!("AND l.workspace NOT IN ({})", ids.join(", "))
        }
    };
    // What the breaker admits (domain::breaker) is part of the condition: a hub whose one trial
    // is under way must not take a place on this list from one that can be served. And the next
    // task is asked for by a subquery that cannot be turned into a join: PostgreSQL would read
    // the workspace's whole queue for it.
    let awaits = awaits_leaver(conn, "lane.workspace", "lane.hub_id", "$1");
    // Only so is the subquery not folded into the outer one and each next task looked for twice.
    let apart = match conn {
        DbConn::Sqlite(_) => "",
        DbConn::Postgres(_) => " OFFSET 0",
    };
    let sql = format!(
        "SELECT lane.workspace, lane.hub_id FROM ( \
           SELECT l.workspace, l.hub_id, l.last_claim_at, {PUSHES} AS pushes, \
             CASE WHEN {in_flight} \
             < CASE WHEN l.breaker IN ('open', 'half_open') THEN 1 \
               WHEN l.breaker = 'slow' AND l.breaker_failures BETWEEN 0 AND 20 \
                 AND (1 << l.breaker_failures) < l.max_in_flight THEN (1 << l.breaker_failures) \
               ELSE l.max_in_flight END \
             THEN CASE WHEN {PUSHES} THEN (SELECT t.priority {active} LIMIT 1) \
               ELSE (SELECT t.priority {observed} LIMIT 1) END \
             END AS next \
           FROM hub_lanes l \
           JOIN hubs h ON h.workspace = l.workspace AND h.id = l.hub_id \
           JOIN workspaces w ON w.id = l.workspace \
           WHERE l.blocked_reason IS NULL AND l.next_allowed_at <= $1 \
           AND (l.breaker <> 'open' OR l.breaker_until <= $1) {without}{apart} \
         ) lane \
         WHERE lane.next IS NOT NULL AND (lane.next = {PRIORITY_LEAVER} OR NOT lane.pushes OR NOT {awaits}) \
         ORDER BY MAX(lane.last_claim_at) OVER (PARTITION BY lane.workspace), \
           CASE WHEN lane.next = {PRIORITY_LEAVER} THEN 0 ELSE 1 END, \
           lane.last_claim_at, lane.workspace, lane.hub_id \
         LIMIT {limit}"
    );
    // The limit is text: SQLite prepares a statement with a bound limit anew for every execution.
    let query = diesel::sql_query(sql).bind::<BigInt, _>(now.0);
    let rows: Vec<HubRow> = match conn {
        DbConn::Postgres(conn) => {
            let crowded: Vec<i64> = crowded.iter().map(|workspace| workspace.0).collect();
            RunQueryDsl::load(query.bind::<Array<BigInt>, _>(crowded).kept(), conn)?
        }
        conn @ DbConn::Sqlite(_) => query.kept_if(crowded.is_empty()).load(conn)?,
    };
    rows.into_iter()
        .map(|row| {
            let hub = HubId::from_bytes(&row.hub_id).map_err(|_| StoreError::Corrupt("a lane's hub".into()))?;
            Ok((WorkspaceId(row.workspace), hub))
        })
        .collect()
}

/// When the first of the hubs with a limit of calls a second may call again; `None` where none
/// waits for that.
///
/// # Errors
/// A failed statement.
pub fn next_turn_across_workspaces(conn: &mut DbConn, now: Micros) -> Result<Option<Micros>, StoreError> {
    let next: Option<i64> = hub_lanes::table
        .filter(hub_lanes::per_second.is_not_null())
        .filter(hub_lanes::blocked_reason.is_null())
        .filter(hub_lanes::next_allowed_at.gt(now.0))
        .select(diesel::dsl::min(hub_lanes::next_allowed_at))
        .kept()
        .get_result(conn)?;
    Ok(next.map(Micros))
}
