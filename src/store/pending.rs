//! Members an IdP named before they arrived. They are kept, never silently dropped (T-13), and
//! join their group when a user with that id or externalId arrives in the same source.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Text};

use super::conn::DbConn;
use super::groups::group_id;
use super::kept::Keep as _;
use super::locks::Locks;
use super::schema::pending_members;
use super::tx::Tx;
use super::{StoreError, id_list};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, SourceId, WorkspaceId};

#[derive(QueryableByName)]
struct GroupRaw {
    #[diesel(sql_type = Binary)]
    group_id: Vec<u8>,
}

/// Advisory locks of ours begin with this number, so that they meet nobody else's.
const LOCK_CLASS: i64 = 0x5C1A;

/// The number of the lock on arrivals in a source.
pub(super) const fn number(workspace: WorkspaceId, source: SourceId) -> i64 {
    (LOCK_CLASS << 48) ^ (workspace.0 << 16) ^ source.0
}

fn lock(tx: &mut Tx<'_>, statement: &str, workspace: WorkspaceId, source: SourceId) -> Result<(), StoreError> {
    if matches!(&**tx, DbConn::Postgres(_)) {
        diesel::sql_query(statement).bind::<BigInt, _>(number(workspace, source)).kept().execute(tx)?;
    }
    Ok(())
}

/// A user is about to arrive in `source`: held until the transaction ends, shared with other
/// arrivals. Without it a group that names the user at the same moment would not see it, and the
/// user would not see the group's pending row.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn announce_arrival(tx: &mut Tx<'_>, workspace: WorkspaceId, source: SourceId) -> Result<(), StoreError> {
    if tx.held().arrival == Some((workspace, source)) {
        return Ok(());
    }
    lock(tx, "SELECT pg_advisory_xact_lock_shared($1)", workspace, source)
}

/// No arrival is under way in `source`, and new ones wait until the transaction ends. Only taken where
/// a group names somebody unknown, whose row may be locked: who arrives may wait for that row, so where
/// this has to wait for them, the transaction begins again with it.
///
/// # Errors
/// [`StoreError::Unavailable`] where it begins again; [`StoreError::Database`] when the statement fails.
pub fn wait_for_arrivals(tx: &mut Tx<'_>, workspace: WorkspaceId, source: SourceId) -> Result<(), StoreError> {
    let held = tx.held();
    if held.no_arrivals == Some((workspace, source)) {
        return Ok(());
    }
    let DbConn::Postgres(conn) = &mut **tx else { return Ok(()) };
    let statement = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS had");
    let tried: Tried = RunQueryDsl::get_result(statement.bind::<BigInt, _>(number(workspace, source)).kept(), conn)?;
    if tried.had {
        return Ok(());
    }
    Err(tx.begin_again_with(Locks { no_arrivals: Some((workspace, source)), ..held }))
}

#[derive(QueryableByName)]
struct Tried {
    #[diesel(sql_type = Bool)]
    had: bool,
}

/// Keep `values` as members to come; answers those that were not kept before.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn add(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    group: GroupId,
    values: &[String],
    now: Micros,
) -> Result<usize, StoreError> {
    if values.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "INSERT INTO pending_members (workspace, group_id, value, source, created_at) \
         SELECT $1, $2, named.value, $3, $4 FROM {} AS named WHERE TRUE \
         ON CONFLICT (workspace, group_id, value) DO NOTHING",
        id_list::texts(tx, 5)
    );
    let added = diesel::sql_query(id_list::numbered(tx, &sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(group.bytes())
        .bind::<BigInt, _>(source.0)
        .bind::<BigInt, _>(now.0)
        .bind::<Text, _>(id_list::json_texts(values.iter().map(String::as_str)))
        .kept()
        .execute(tx)?;
    Ok(added)
}

/// Which pending values of a group go.
#[derive(Clone, Copy, Debug)]
pub enum Dropped<'a> {
    /// These.
    These(&'a [String]),
    /// Everything but these.
    AllBut(&'a [String]),
}

/// Forget pending values of a group; answers how many there were.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn remove(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    group: GroupId,
    dropped: Dropped<'_>,
) -> Result<usize, StoreError> {
    let (condition, values) = match dropped {
        Dropped::These([]) => return Ok(0),
        Dropped::These(values) => (id_list::one_of_texts(tx, 3, values.len()), values),
        Dropped::AllBut(values) => (format!("NOT IN {}", id_list::texts(tx, 3)), values),
    };
    let sql = format!("DELETE FROM pending_members WHERE workspace = $1 AND group_id = $2 AND value {condition}");
    let gone = diesel::sql_query(id_list::numbered(tx, &sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(group.bytes())
        .bind::<Text, _>(id_list::json_texts(values.iter().map(String::as_str)))
        .kept()
        .execute(tx)?;
    Ok(gone)
}

/// Take the groups that wait for any of these values; their rows are gone afterwards.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn take(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    values: &[&str],
) -> Result<Vec<GroupId>, StoreError> {
    let sql = format!(
        "DELETE FROM pending_members WHERE workspace = $1 AND source = $2 AND value {} RETURNING group_id",
        id_list::one_of_texts(tx, 3, values.len())
    );
    let raws = diesel::sql_query(id_list::numbered(tx, &sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<BigInt, _>(source.0)
        .bind::<Text, _>(id_list::json_texts(values.iter().copied()))
        .kept()
        .load::<GroupRaw>(tx)?;
    let mut groups = raws.iter().map(|raw| group_id(&raw.group_id)).collect::<Result<Vec<_>, _>>()?;
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

/// The values a group still waits for, in key order.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn of_group(conn: &mut DbConn, workspace: WorkspaceId, group: GroupId) -> Result<Vec<String>, StoreError> {
    Ok(pending_members::table
        .filter(pending_members::workspace.eq(workspace.0))
        .filter(pending_members::group_id.eq(group.bytes()))
        .order(pending_members::value)
        .select(pending_members::value)
        .kept()
        .load(conn)?)
}

/// How many members to come a workspace has, for the status page.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn count(conn: &mut DbConn, workspace: WorkspaceId) -> Result<i64, StoreError> {
    Ok(pending_members::table.filter(pending_members::workspace.eq(workspace.0)).count().kept().get_result(conn)?)
}
