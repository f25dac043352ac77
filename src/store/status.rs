//! Counts for the status of a workspace, each answered from an index and never from the history:
//! looking every second must stay cheap beside 100,000 queued and a million finished tasks.

use std::time::Duration;

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable};
use uuid::Uuid;

use super::conn::DbConn;
use super::id_list::numbered;
use super::kept::Keep as _;
use super::schema::{hubs, tasks, tokens};
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, SourceId, TaskId, WorkspaceId};
use crate::domain::task::TaskStatus;

/// Changes that follow each other within this time are one batch.
const BATCH_GAP: Duration = Duration::from_secs(30);

fn corrupt<E>(_: E) -> StoreError {
    StoreError::Corrupt("a hub id".into())
}

/// The conditions of the partial indexes, letter by letter: only so do both databases see that the
/// index answers the question.
fn is_ready() -> diesel::expression::SqlLiteral<Bool> {
    sql("tasks.status IN ('queued', 'retrying')")
}

/// The smallest id that a task made at `at` or later can have (UUIDv7: 48 bits of milliseconds).
pub fn first_id(at: Micros) -> TaskId {
    let millis = u64::try_from(at.0 / 1_000).unwrap_or(0);
    TaskId::from_uuid(Uuid::from_u128(u128::from(millis & 0xffff_ffff_ffff) << 80))
}

/// Ready tasks of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Queued or to be tried again, now or later.
    pub count: i64,
    /// Since when the oldest of those could run that may run now.
    pub oldest: Option<Micros>,
}

/// Queued and retrying tasks by hub.
///
/// # Errors
/// A failed statement.
pub fn ready(conn: &mut DbConn, workspace: WorkspaceId, now: Micros) -> Result<Vec<(HubId, Ready)>, StoreError> {
    // A number of ours: the same text for both databases.
    let oldest = format!("min(CASE WHEN tasks.not_before <= {} THEN tasks.not_before END)", now.0);
    let rows: Vec<(Vec<u8>, i64, Option<i64>)> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(is_ready())
        .group_by(tasks::hub_id)
        .select((tasks::hub_id, count_star(), sql::<Nullable<BigInt>>(&oldest)))
        .load(conn)?;
    rows.into_iter()
        .map(|(hub, count, oldest)| {
            Ok((HubId::from_bytes(&hub).map_err(corrupt)?, Ready { count, oldest: oldest.map(Micros) }))
        })
        .collect()
}

/// Open tasks that are not simply queued, by hub and status: under way, or waiting for a person, a
/// time or another try.
///
/// # Errors
/// A failed statement.
pub fn beside_the_queue(
    conn: &mut DbConn,
    workspace: WorkspaceId,
) -> Result<Vec<(HubId, TaskStatus, i64)>, StoreError> {
    let rows: Vec<(Vec<u8>, String, i64)> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::status.eq_any(["started", "running", "retrying", "held", "waiting", "manual"]))
        .group_by((tasks::hub_id, tasks::status))
        .select((tasks::hub_id, tasks::status, count_star()))
        .load(conn)?;
    rows.into_iter()
        .filter_map(|(hub, status, count)| Some((hub, TaskStatus::from_word(&status)?, count)))
        .map(|(hub, status, count)| Ok((HubId::from_bytes(&hub).map_err(corrupt)?, status, count)))
        .collect()
}

/// Tasks that were planned at `since` or later and are closed now, by status.
///
/// # Errors
/// A failed statement.
pub fn closed_since(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    since: Micros,
) -> Result<Vec<(TaskStatus, i64)>, StoreError> {
    let mut counts = Vec::new();
    for status in TaskStatus::ALL.into_iter().filter(|status| !status.is_open()) {
        let count: i64 = tasks::table
            .filter(tasks::workspace.eq(workspace.0))
            .filter(tasks::status.eq(status.as_str()))
            .filter(tasks::id.ge(first_id(since).bytes()))
            .count()
            .get_result(conn)?;
        counts.push((status, count));
    }
    Ok(counts)
}

/// Removals of a hub that are not through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removals {
    /// How many.
    pub count: i64,
    /// When the oldest was planned.
    pub oldest: Micros,
}

/// Unfinished removals by hub.
///
/// # Errors
/// A failed statement.
pub fn unfinished_removals(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Vec<(HubId, Removals)>, StoreError> {
    let rows: Vec<(Vec<u8>, i64, Option<i64>)> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(sql::<Bool>(
            "tasks.kind = 'remove' AND tasks.status IN \
             ('queued', 'started', 'running', 'retrying', 'held', 'waiting', 'manual')",
        ))
        .group_by(tasks::hub_id)
        .select((tasks::hub_id, count_star(), diesel::dsl::min(tasks::created_at)))
        .load(conn)?;
    rows.into_iter()
        .map(|(hub, count, oldest)| {
            let removals = Removals { count, oldest: Micros(oldest.unwrap_or(0)) };
            Ok((HubId::from_bytes(&hub).map_err(corrupt)?, removals))
        })
        .collect()
}

/// The planner wrote tasks for this hub just now: they belong to the batch under way, or begin one
/// where nothing older is on its way. Answers whether somebody is Owner of the hub by name.
///
/// # Errors
/// A failed statement.
pub fn batch_planned(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: HubId, now: Micros) -> Result<bool, StoreError> {
    let older = |statuses: &str| {
        format!(
            "EXISTS (SELECT 1 FROM tasks t WHERE t.workspace = $1 AND t.hub_id = $2 AND t.id < $4 \
             AND t.status IN ({statuses}))"
        )
    };
    let gap = BATCH_GAP.as_micros();
    let text = format!(
        "UPDATE hubs SET batch_planned_at = $3, batch_from = CASE \
         WHEN batch_planned_at IS NOT NULL AND $3 - batch_planned_at < {gap} THEN batch_from \
         WHEN {} OR {} THEN batch_from ELSE $3 END \
         WHERE workspace = $1 AND id = $2 \
         RETURNING EXISTS (SELECT 1 FROM hub_managers o WHERE o.workspace = $1 AND o.hub_id = $2 \
         AND o.role = 'owner') AS has_owner",
        older("'queued', 'retrying'"),
        older("'started', 'running'"),
    );
    let rows: Vec<Planned> = diesel::sql_query(numbered(tx, &text))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(hub.bytes())
        .bind::<BigInt, _>(now.0)
        .bind::<Binary, _>(first_id(now).bytes())
        .kept()
        .load(tx)?;
    Ok(rows.iter().any(|row| row.has_owner))
}

#[derive(QueryableByName)]
struct Planned {
    #[diesel(sql_type = Bool)]
    has_owner: bool,
}

/// How far a hub's batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// When its first task was planned.
    pub since: Micros,
    /// Tasks of it that are closed.
    pub done: i64,
    /// All of it, without those that wait for a person or a time.
    pub total: i64,
}

/// The batch of a hub that has tasks under way; `None` when it never had one.
///
/// # Errors
/// A failed statement.
pub fn progress(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Option<Progress>, StoreError> {
    let from: Option<i64> =
        hubs::table.find((workspace.0, hub.bytes())).select(hubs::batch_from).first(conn).optional()?.flatten();
    let Some(since) = from.map(Micros) else { return Ok(None) };
    let first = first_id(since).bytes();
    let of_batch = || {
        tasks::table
            .filter(tasks::workspace.eq(workspace.0))
            .filter(tasks::hub_id.eq(hub.bytes()))
            .filter(tasks::id.ge(first.clone()))
    };
    let planned: i64 = of_batch().count().get_result(conn)?;
    let ready: i64 = of_batch().filter(is_ready()).count().get_result(conn)?;
    let in_flight: i64 =
        of_batch().filter(sql::<Bool>("tasks.status IN ('started', 'running')")).count().get_result(conn)?;
    let parked = parked_since(conn, workspace, hub, since)?;
    let total = planned.saturating_sub(parked);
    Ok(Some(Progress { since, done: total.saturating_sub(ready).saturating_sub(in_flight).max(0), total }))
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Tasks of a hub, planned at `since` or later, that wait for a person or a time.
fn parked_since(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, since: Micros) -> Result<i64, StoreError> {
    // SQLite keeps no statistics here and would read every task of the batch.
    let index = match conn {
        DbConn::Sqlite(_) => "INDEXED BY tasks_status",
        DbConn::Postgres(_) => "",
    };
    let text = format!(
        "SELECT COUNT(*) AS count FROM tasks {index} WHERE workspace = $1 \
         AND status IN ('held', 'waiting', 'manual') AND id >= $2 AND hub_id = $3"
    );
    let found: Count = diesel::sql_query(text)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(first_id(since).bytes())
        .bind::<Binary, _>(hub.bytes())
        .get_result(conn)?;
    Ok(found.count)
}

/// A token that an identity provider can use now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivingToken {
    /// Whose.
    pub source: SourceId,
    /// When it ends; `None` for never.
    pub ends: Option<Micros>,
    /// When it was last used, to the minute.
    pub last_used: Option<Micros>,
}

/// Living tokens of scope `scim`.
///
/// # Errors
/// A failed statement.
pub fn living_tokens(conn: &mut DbConn, workspace: WorkspaceId, now: Micros) -> Result<Vec<LivingToken>, StoreError> {
    let rows: Vec<(i64, Option<i64>, Option<i64>)> = tokens::table
        .filter(tokens::workspace.eq(workspace.0))
        .filter(tokens::scope.eq("scim"))
        .filter(tokens::revoked_at.is_null())
        .filter(tokens::expires_at.is_null().or(tokens::expires_at.gt(now.0)))
        .select((tokens::source, tokens::expires_at, tokens::last_used_at))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(source, ends, last_used)| LivingToken {
            source: SourceId(source),
            ends: ends.map(Micros),
            last_used: last_used.map(Micros),
        })
        .collect())
}

/// When the identity provider will be locked out: the end of the token it used last. While none was
/// used it may be any of them.
pub fn end_of_use(tokens: &[&LivingToken]) -> Option<Micros> {
    let used = tokens.iter().filter(|token| token.last_used.is_some()).max_by_key(|token| token.last_used);
    match used {
        Some(token) => token.ends,
        None => tokens.iter().filter_map(|token| token.ends).min(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::SourceId;

    #[test]
    fn a_token_that_is_not_used_any_more_warns_nobody() {
        let token = |ends: Option<i64>, used: Option<i64>| LivingToken {
            source: SourceId(1),
            ends: ends.map(Micros),
            last_used: used.map(Micros),
        };
        let (old, new, eternal) = (token(Some(10), Some(3)), token(Some(99), Some(5)), token(None, Some(7)));
        let fresh = token(Some(20), None);
        for (tokens, end) in [
            (vec![], None),
            (vec![&old], Some(10)),
            (vec![&old, &new], Some(99)),
            (vec![&old, &new, &eternal], None),
            (vec![&old, &fresh], Some(10)),
            (vec![&fresh, &token(Some(30), None)], Some(20)),
        ] {
            assert_eq!(end_of_use(&tokens), end.map(Micros), "{tokens:?}");
        }
    }
}
