//! Syncs as rows: the task, how far it is, and the hubs whose next sync is due. What was listed is
//! in `sync_seen`.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use uuid::Uuid;

use super::kept::Keep as _;
use super::schema::{hubs, sync_runs, tasks};
use super::{DbConn, StoreError, Tx, sync_seen, tasks as task_rows};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, WorkspaceId};
use crate::domain::sync::Counts;
use crate::domain::task::{Effect, Principal, Task, TaskKind, TaskStatus};

/// The subject of a hub's sync: one is open at a time.
pub const SUBJECT: &str = "sync";
/// After people who left, before everything else: what is planned rests on what is seen.
const PRIORITY: i32 = 5;

/// Where a sync stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The app's list is read.
    Listing,
    /// Accounts that were listed are taken over.
    Placing,
    /// Accounts that were not listed are looked at.
    Leaving,
    /// All is applied.
    Done,
}

impl Phase {
    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Placing => "placing",
            Self::Leaving => "leaving",
            Self::Done => "done",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Listing, Self::Placing, Self::Leaving, Self::Done].into_iter().find(|phase| phase.as_str() == word)
    }
}

/// How far a sync is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its task.
    pub task: TaskId,
    /// Where.
    pub phase: Phase,
    /// Where its list goes on.
    pub cursor: Option<String>,
    /// How often the list was begun.
    pub pass: i32,
    /// Accounts listed so far; after the list, the different ones among them.
    pub seen: i64,
    /// How many the app said there are.
    pub total: Option<i64>,
    /// Whether an account that was not listed is gone.
    pub conclusive: bool,
    /// Whether a person accepted that many are gone (R7.6).
    pub accept_removals: bool,
    /// When the list began.
    pub started_at: Option<Micros>,
    /// The last account that was taken over.
    pub after_key: Option<String>,
    /// The last member that was looked at.
    pub after_id: Option<Vec<u8>>,
    /// What it found.
    pub counts: Counts,
}

type Row = (
    Vec<u8>,
    String,
    Option<String>,
    i32,
    i64,
    Option<i64>,
    bool,
    bool,
    Option<i64>,
    Option<String>,
    Option<Vec<u8>>,
    String,
);

fn read(row: Row) -> Result<Run, StoreError> {
    let (task, phase, cursor, pass, seen, total, conclusive, accept_removals, started, after_key, after_id, counts) =
        row;
    let bad = |what: &str| StoreError::Corrupt(format!("a sync's {what}"));
    Ok(Run {
        task: TaskId::from_bytes(&task).map_err(|_| bad("task"))?,
        phase: Phase::from_word(&phase).ok_or_else(|| bad("phase"))?,
        cursor,
        pass,
        seen,
        total,
        conclusive,
        accept_removals,
        started_at: started.map(Micros),
        after_key,
        after_id,
        counts: serde_json::from_str(&counts).map_err(|_| bad("counts"))?,
    })
}

/// How far a sync is; `None` for a task that is none, or that an earlier version made.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn of_task(conn: &mut DbConn, workspace: WorkspaceId, task: TaskId) -> Result<Option<Run>, StoreError> {
    let row: Option<Row> = sync_runs::table
        .find((workspace.0, task.bytes()))
        .select((
            sync_runs::task_id,
            sync_runs::phase,
            sync_runs::cursor,
            sync_runs::pass,
            sync_runs::seen,
            sync_runs::total,
            sync_runs::conclusive,
            sync_runs::accept_removals,
            sync_runs::started_at,
            sync_runs::after_key,
            sync_runs::after_id,
            sync_runs::counts,
        ))
        .kept()
        .get_result(conn)
        .optional()?;
    row.map(read).transpose()
}

/// Keep how far it is. Whether removals are accepted is a person's and stays as it is.
///
/// # Errors
/// A failed statement.
pub fn save(tx: &mut Tx<'_>, workspace: WorkspaceId, run: &Run) -> Result<(), StoreError> {
    let counts = serde_json::to_string(&run.counts).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    diesel::update(sync_runs::table.find((workspace.0, run.task.bytes())))
        .set((
            sync_runs::phase.eq(run.phase.as_str()),
            sync_runs::cursor.eq(run.cursor.as_deref()),
            sync_runs::pass.eq(run.pass),
            sync_runs::seen.eq(run.seen),
            sync_runs::total.eq(run.total),
            sync_runs::conclusive.eq(run.conclusive),
            sync_runs::started_at.eq(run.started_at.map(|at| at.0)),
            sync_runs::after_key.eq(run.after_key.as_deref()),
            sync_runs::after_id.eq(run.after_id.clone()),
            sync_runs::counts.eq(counts),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// A sync somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Why.
    pub cause: &'a str,
    /// The request behind it.
    pub request_id: Option<&'a str>,
    /// Whether a person accepts that many accounts are gone.
    pub accept_removals: bool,
    /// The id for a new task.
    pub id: Uuid,
    /// Now.
    pub now: Micros,
}

/// Queue a sync, or fold the wish into the one that is open (R7.9). The caller keeps the hub from
/// changing meanwhile. Answers the task, and whether it is new.
///
/// # Errors
/// A failed statement.
pub fn queue(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    wish: &Wish<'_>,
) -> Result<(TaskId, bool), StoreError> {
    if let Some(open) = task_rows::open_for(tx, workspace, hub, SUBJECT)? {
        if wish.accept_removals {
            diesel::update(sync_runs::table.find((workspace.0, open.id.bytes())))
                .set(sync_runs::accept_removals.eq(true))
                .kept()
                .execute(tx)?;
        }
        return Ok((open.id, false));
    }
    let id = TaskId::from_uuid(wish.id);
    task_rows::insert(tx, &task(workspace, hub, id, wish))?;
    diesel::insert_into(sync_runs::table)
        .values((
            sync_runs::workspace.eq(workspace.0),
            sync_runs::task_id.eq(id.bytes()),
            sync_runs::hub_id.eq(hub.bytes()),
            sync_runs::phase.eq(Phase::Listing.as_str()),
            sync_runs::accept_removals.eq(wish.accept_removals),
            sync_runs::created_at.eq(wish.now.0),
        ))
        .kept()
        .execute(tx)?;
    Ok((id, true))
}

fn task(workspace: WorkspaceId, hub: HubId, id: TaskId, wish: &Wish<'_>) -> Task {
    Task {
        workspace,
        id,
        hub,
        subject: SUBJECT.to_owned(),
        user: None,
        member: None,
        status: TaskStatus::Queued,
        cause: wish.cause.to_owned(),
        request_id: wish.request_id.map(str::to_owned),
        effect: Effect::new(TaskKind::Sync, Principal::default()),
        reasons: Vec::new(),
        priority: PRIORITY,
        not_before: wish.now,
        attempts: 0,
        crashes: 0,
        verify_first: false,
        lease_boot: None,
        lease_epoch: 0,
        hold: None,
        superseded_by: None,
        error_class: None,
        error_detail: None,
        instructions: None,
        created_at: wish.now,
        modified_at: wish.now,
        finished_at: None,
        closing: None,
        parent: None,
        due_at: None,
    }
}

/// Whether the lease with this epoch is still the one the task runs under.
///
/// # Errors
/// [`StoreError::LeaseLost`] when it is not, or a failed statement.
pub fn still_ours(tx: &mut Tx<'_>, workspace: WorkspaceId, task: TaskId, epoch: i64) -> Result<(), StoreError> {
    let found: Option<i64> = tasks::table
        .find((workspace.0, task.bytes()))
        .filter(tasks::lease_until.is_not_null())
        .select(tasks::lease_epoch)
        .kept()
        .get_result(tx)
        .optional()?;
    if found == Some(epoch) { Ok(()) } else { Err(StoreError::LeaseLost(task)) }
}

/// A sync of the hub is complete.
///
/// # Errors
/// A failed statement.
pub fn completed(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId, now: Micros) -> Result<(), StoreError> {
    diesel::update(hubs::table.find((workspace.0, hub.bytes())))
        .set(hubs::last_synced_at.eq(Some(now.0)))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Hubs whose next sync is due and that no person paused, the longest due first.
///
/// # Errors
/// A failed statement.
pub fn due_across_workspaces(
    conn: &mut DbConn,
    now: Micros,
    limit: i64,
) -> Result<Vec<(WorkspaceId, HubId)>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = hubs::table
        .filter(hubs::sync_due_at.le(now.0))
        .filter(hubs::paused.eq(false))
        .order((hubs::sync_due_at, hubs::workspace, hubs::id))
        .limit(limit)
        .select((hubs::workspace, hubs::id))
        .kept()
        .load(conn)?;
    rows.into_iter()
        .map(|(workspace, hub)| {
            let hub = HubId::from_bytes(&hub).map_err(|_| StoreError::Corrupt("a hub's id".into()))?;
            Ok((WorkspaceId(workspace), hub))
        })
        .collect()
}

/// Take a hub's due sync: of several processes one is told so. `next` is when the one after it is due.
///
/// # Errors
/// A failed statement.
pub fn take_due(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    now: Micros,
    next: Micros,
) -> Result<bool, StoreError> {
    let taken = diesel::update(hubs::table.find((workspace.0, hub.bytes())))
        .filter(hubs::sync_due_at.le(now.0))
        .set(hubs::sync_due_at.eq(next.0))
        .kept()
        .execute(tx)?;
    Ok(taken == 1)
}

/// Throw away part of what finished syncs listed; answers whether there may be more.
///
/// # Errors
/// A failed statement.
pub fn clear_across_workspaces(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Key {
        #[diesel(sql_type = BigInt)]
        workspace: i64,
        #[diesel(sql_type = Binary)]
        task_id: Vec<u8>,
    }
    let over: Vec<Key> = diesel::sql_query(
        "SELECT r.workspace, r.task_id FROM sync_runs r JOIN tasks t ON t.workspace = r.workspace AND t.id = r.task_id \
         WHERE r.cleared = FALSE AND t.finished_at IS NOT NULL ORDER BY r.created_at LIMIT 1",
    )
    .kept()
    .load(tx)?;
    let Some(run) = over.into_iter().next() else { return Ok(false) };
    let task = TaskId::from_bytes(&run.task_id).map_err(|_| StoreError::Corrupt("a sync's task".into()))?;
    let gone = sync_seen::throw_away(tx, WorkspaceId(run.workspace), task, 500)?;
    if gone == 0 {
        diesel::update(sync_runs::table.find((run.workspace, run.task_id)))
            .set((sync_runs::cleared.eq(true), sync_runs::cursor.eq(None::<String>)))
            .kept()
            .execute(tx)?;
    }
    Ok(true)
}
