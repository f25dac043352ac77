//! Reconcile marks: "look at (hub, user) again, not before T". Written in the same transaction as
//! any change that may alter an entitlement, one row per pair, so that repeated events coalesce
//! (DESIGN.md sections 2.2 and 2.3). Nothing here decides what the pair should hold. What the planner
//! reads and takes away again is in [`due`].

mod due;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};
use diesel::sqlite::Sqlite;

use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, SourceId, UserId, WorkspaceId};
use crate::base::limits::DIRECT_MARKS;
use crate::domain::occasion;
use crate::store::StoreError;
use crate::store::conn::DbConn;
use crate::store::id_list;
use crate::store::kept::Keep as _;
use crate::store::mappings::{bind_arrived_group, bind_arrived_user};
use crate::store::rules_lock::rules_are_read;
use crate::store::schema::{mappings, memberships, reconcile_marks};
use crate::store::tx::Tx;
use crate::store::wide_marks;

pub use due::{Mark, awaited, delete_seen, due, of_pair, postpone};

/// What made somebody look again: kept on the mark, and later on the task.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// `group_membership`, `deactivated`, `mapping_changed` …
    pub cause: &'a str,
    /// The IdP request or API call, for tracing.
    pub request_id: Option<&'a str>,
    /// The moment of the change; the settle time counts from it.
    pub now: Micros,
}

/// Earliest due, latest settle, one revision more, the newest cause. `CASE` because the two
/// databases name their two-value minimum differently.
const COALESCE: &str = " ON CONFLICT (workspace, hub_id, user_id) DO UPDATE SET \
     due_at = CASE WHEN excluded.due_at < reconcile_marks.due_at THEN excluded.due_at ELSE reconcile_marks.due_at END, \
     settle_until = CASE WHEN excluded.settle_until > reconcile_marks.settle_until THEN excluded.settle_until \
         ELSE reconcile_marks.settle_until END, \
     rev = reconcile_marks.rev + 1, cause = excluded.cause, request_id = excluded.request_id";

const INTO: &str = "INSERT INTO reconcile_marks \
     (workspace, hub_id, user_id, due_at, settle_until, rev, cause, request_id, created_at) ";

/// Users in one statement; keeps the number of bound values far below either database's limit.
const USERS_PER_STATEMENT: usize = 250;

/// Members came into or left a group: marks (hub mapped to the group) x users.
///
/// Above [`DIRECT_MARKS`] pairs one wide mark per hub over everybody it knows, because the rows of
/// removed members are gone when the planner expands it. Returns the number of direct marks.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn members_changed(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    group: GroupId,
    users: &[UserId],
    change: &Change<'_>,
) -> Result<usize, StoreError> {
    if users.is_empty() {
        return Ok(0);
    }
    rules_are_read(tx, workspace)?;
    let hubs = hubs_of_group(tx, workspace, group)?;
    mark_or_widen(tx, workspace, &hubs, users, change)
}

/// A user's attributes or activation changed, or the user is about to be deleted (call it before
/// the rows go): marks every hub that reaches the user or has the user as a member.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn user_changed(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    user: UserId,
    change: &Change<'_>,
) -> Result<usize, StoreError> {
    rules_are_read(tx, workspace)?;
    let sql = format!(
        "{INTO}SELECT h.workspace, h.id, $1, $2, $2 + h.settle_micros, 1, $3, $4, $2 FROM hubs h \
         WHERE h.workspace = $5 AND h.id IN ( \
             SELECT hub_id FROM mappings WHERE workspace = $5 AND bound_id = $1 \
             UNION SELECT m.hub_id FROM memberships s \
                 JOIN mappings m ON m.workspace = s.workspace AND m.bound_id = s.group_id \
                 WHERE s.workspace = $5 AND s.member_id = $1 \
             UNION SELECT hub_id FROM hub_members WHERE workspace = $5 AND user_id = $1) \
         ORDER BY h.id{COALESCE}"
    );
    Ok(diesel::sql_query(sql)
        .bind::<Binary, _>(user.bytes())
        .bind::<BigInt, _>(change.now.0)
        .bind::<Text, _>(change.cause)
        .bind::<Nullable<Text>, _>(change.request_id)
        .bind::<BigInt, _>(workspace.0)
        .kept()
        .execute(tx)?)
}

/// A user arrived: binds the individual shares that waited for this userName, then marks.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn user_arrived(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    user: UserId,
    user_name_key: &str,
    change: &Change<'_>,
) -> Result<usize, StoreError> {
    rules_are_read(tx, workspace)?;
    bind_arrived_user(tx, workspace, user, user_name_key, change.now)?;
    user_changed(tx, workspace, user, change)
}

/// A group arrived or was renamed: binds the mappings that waited for its name, id or externalId,
/// then marks its members. Call it again after a rename; a binding that exists is kept.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn group_arrived(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    group: GroupId,
    display_name_key: &str,
    external_id: Option<&str>,
    change: &Change<'_>,
) -> Result<usize, StoreError> {
    rules_are_read(tx, workspace)?;
    let hubs = bind_arrived_group(tx, workspace, source, group, display_name_key, external_id, change.now)?;
    if hubs.is_empty() {
        return Ok(0);
    }
    mark_members(tx, workspace, group, &hubs, wide_marks::Reach::Group(group), change)
}

/// A group is about to be deleted (call it before the membership rows go): its mappings become
/// `gone`, so that the removals it causes are held and a new group of the name is not taken.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn group_deleted(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    group: GroupId,
    change: &Change<'_>,
) -> Result<usize, StoreError> {
    rules_are_read(tx, workspace)?;
    let hubs = hubs_of_group(tx, workspace, group)?;
    if hubs.is_empty() {
        return Ok(0);
    }
    diesel::update(mappings::table)
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::bound_id.eq(group.bytes()))
        .filter(mappings::subject_kind.eq("group"))
        .set((mappings::binding.eq("gone"), mappings::modified_at.eq(change.now.0)))
        .kept()
        .execute(tx)?;
    mark_members(tx, workspace, group, &hubs, wide_marks::Reach::Everybody, change)
}

/// A hub or one of its mappings changed: one wide mark over everybody the hub knows.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn hub_changed(tx: &mut DbConn, workspace: WorkspaceId, hub: HubId, change: &Change<'_>) -> Result<(), StoreError> {
    wide_marks::put(tx, workspace, hub, wide_marks::Reach::Everybody, change)
}

/// Look at one pair again now, without a new settle time: an attempt finished.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn touch(tx: &mut DbConn, workspace: WorkspaceId, hub: HubId, user: UserId, now: Micros) -> Result<(), StoreError> {
    let look = Change { cause: occasion::ATTEMPT_FINISHED, request_id: None, now };
    asked(tx, workspace, hub, user, &look)
}

/// As [`touch`], because a person asked for it: the cause is a word of [`crate::domain::occasion`]. What
/// waits to be looked at for a better reason keeps that.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn asked(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
    change: &Change<'_>,
) -> Result<(), StoreError> {
    let sql = format!(
        "{INTO}VALUES ($1, $2, $3, $4, $4, 1, $5, $6, $4) \
         ON CONFLICT (workspace, hub_id, user_id) DO UPDATE SET \
         due_at = CASE WHEN excluded.due_at < reconcile_marks.due_at THEN excluded.due_at \
             ELSE reconcile_marks.due_at END, \
         cause = CASE WHEN reconcile_marks.cause = $7 THEN excluded.cause ELSE reconcile_marks.cause END, \
         request_id = CASE WHEN reconcile_marks.cause = $7 THEN excluded.request_id \
             ELSE reconcile_marks.request_id END, \
         rev = reconcile_marks.rev + 1"
    );
    diesel::sql_query(sql)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(hub.bytes())
        .bind::<Binary, _>(user.bytes())
        .bind::<BigInt, _>(change.now.0)
        .bind::<Text, _>(change.cause)
        .bind::<Nullable<Text>, _>(change.request_id)
        .bind::<Text, _>(occasion::ATTEMPT_FINISHED)
        .kept()
        .execute(tx)?;
    Ok(())
}

/// A wish that waited for an attempt to end is looked at now; without one nothing happens.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn wake(tx: &mut DbConn, workspace: WorkspaceId, hub: HubId, user: UserId, now: Micros) -> Result<(), StoreError> {
    diesel::update(reconcile_marks::table.find((workspace.0, hub.bytes(), user.bytes())))
        .set((reconcile_marks::due_at.eq(now.0), reconcile_marks::rev.eq(reconcile_marks::rev + 1)))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// [`wake`] for many people of one hub: on PostgreSQL in one statement, which locks in key order.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn wake_all(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    users: &[UserId],
    now: Micros,
) -> Result<(), StoreError> {
    let DbConn::Postgres(conn) = tx else {
        return users.iter().try_for_each(|user| wake(tx, workspace, hub, *user, now));
    };
    diesel::sql_query(
        "WITH woken AS MATERIALIZED (SELECT user_id FROM reconcile_marks \
           WHERE workspace = $1 AND hub_id = $2 AND user_id = ANY ($3) ORDER BY user_id FOR UPDATE) \
         UPDATE reconcile_marks m SET due_at = $4, rev = m.rev + 1 FROM woken w \
         WHERE m.workspace = $1 AND m.hub_id = $2 AND m.user_id = w.user_id",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    .bind::<Array<Binary>, _>(users.iter().map(|user| user.bytes()).collect::<Vec<_>>())
    .bind::<BigInt, _>(now.0)
    .execute(conn)?;
    Ok(())
}

/// Marks of one hub for these users, in key order, as one or few statements.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn put(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hubs: &[HubId],
    users: &[UserId],
    due_at: Micros,
    settle: Settle,
    change: &Change<'_>,
) -> Result<usize, StoreError> {
    let mut hubs = hubs.to_vec();
    hubs.sort_unstable();
    hubs.dedup();
    let mut users = users.to_vec();
    users.sort_unstable();
    users.dedup();
    let mut written = 0;
    for hub in hubs {
        for chunk in users.chunks(USERS_PER_STATEMENT) {
            written += put_chunk(tx, workspace, hub, chunk, due_at, settle, change)?;
        }
    }
    Ok(written)
}

/// How long a removal waits.
#[derive(Clone, Copy, Debug)]
pub enum Settle {
    /// The hub's settle time after the change.
    OfHub,
    /// A settle time fixed earlier, by the wide mark.
    Until(Micros),
}

fn put_chunk(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    users: &[UserId],
    due_at: Micros,
    settle: Settle,
    change: &Change<'_>,
) -> Result<usize, StoreError> {
    let fixed = match settle {
        Settle::OfHub => None,
        Settle::Until(at) => Some(at.0),
    };
    // PostgreSQL takes the list as one value: a text with a place for each costs more to read.
    let (someone, at) = match tx {
        DbConn::Postgres(_) => (String::from("SELECT unnest($1)"), 1),
        DbConn::Sqlite(_) => {
            let rows: Vec<String> = (1..=users.len()).map(|n| format!("(${n})")).collect();
            (format!("VALUES {}", rows.join(", ")), users.len())
        }
    };
    let p = |n: usize| at + n;
    let text = format!(
        "WITH someone (id) AS ({someone}) {INTO}\
         SELECT h.workspace, h.id, someone.id, ${}, COALESCE(${}, ${} + h.settle_micros), 1, ${}, ${}, ${} \
         FROM hubs h CROSS JOIN someone WHERE h.workspace = ${} AND h.id = ${} ORDER BY h.id, someone.id{COALESCE}",
        p(1),
        p(2),
        p(3),
        p(4),
        p(5),
        p(3),
        p(6),
        p(7),
    );
    let sql = id_list::numbered(tx, &text);
    macro_rules! bound {
        ($query:expr) => {
            $query
                .bind::<BigInt, _>(due_at.0)
                .bind::<Nullable<BigInt>, _>(fixed)
                .bind::<BigInt, _>(change.now.0)
                .bind::<Text, _>(change.cause)
                .bind::<Nullable<Text>, _>(change.request_id)
                .bind::<BigInt, _>(workspace.0)
                .bind::<Binary, _>(hub.bytes())
        };
    }
    match tx {
        DbConn::Postgres(conn) => {
            let ids: Vec<Vec<u8>> = users.iter().map(|user| user.bytes()).collect();
            Ok(bound!(diesel::sql_query(sql).bind::<Array<Binary>, _>(ids)).execute(conn)?)
        }
        DbConn::Sqlite(conn) => {
            let mut query = diesel::sql_query(sql).into_boxed::<Sqlite>();
            for user in users {
                query = query.bind::<Binary, _>(user.bytes());
            }
            Ok(bound!(query).execute(conn)?)
        }
    }
}

fn hubs_of_group(conn: &mut DbConn, workspace: WorkspaceId, group: GroupId) -> Result<Vec<HubId>, StoreError> {
    let hubs: Vec<Vec<u8>> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::bound_id.eq(group.bytes()))
        .select(mappings::hub_id)
        .distinct()
        .kept()
        .load(conn)?;
    hubs.iter().map(|id| HubId::from_bytes(id).map_err(|_| StoreError::Corrupt("a hub id".into()))).collect()
}

fn mark_or_widen(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hubs: &[HubId],
    users: &[UserId],
    change: &Change<'_>,
) -> Result<usize, StoreError> {
    if hubs.len().saturating_mul(users.len()) <= DIRECT_MARKS {
        return put(tx, workspace, hubs, users, change.now, Settle::OfHub, change);
    }
    for hub in hubs {
        wide_marks::put(tx, workspace, *hub, wide_marks::Reach::Everybody, change)?;
    }
    Ok(0)
}

/// Marks of everybody in the group now, or wide marks of the given reach when they are many.
fn mark_members(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    group: GroupId,
    hubs: &[HubId],
    reach: wide_marks::Reach,
    change: &Change<'_>,
) -> Result<usize, StoreError> {
    let room = DIRECT_MARKS / hubs.len().max(1);
    let some: Vec<Vec<u8>> = memberships::table
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::group_id.eq(group.bytes()))
        .filter(memberships::member_kind.eq(0))
        .order(memberships::member_id)
        .limit(i64::try_from(room + 1).unwrap_or(i64::MAX))
        .select(memberships::member_id)
        .kept()
        .load(tx)?;
    if some.len() > room {
        for hub in hubs {
            wide_marks::put(tx, workspace, *hub, reach, change)?;
        }
        return Ok(0);
    }
    let users = some
        .iter()
        .map(|id| UserId::from_bytes(id).map_err(|_| StoreError::Corrupt("a member id".into())))
        .collect::<Result<Vec<_>, _>>()?;
    put(tx, workspace, hubs, &users, change.now, Settle::OfHub, change)
}
