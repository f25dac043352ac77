//! Wide marks: one row instead of thousands of marks, expanded by the planner in key order, a
//! batch at a time, so that no write transaction holds the database long (DESIGN.md section 2.2).

use std::collections::BTreeSet;

use diesel::prelude::*;
use uuid::Uuid;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::marks::{self, Change, Settle};
use super::schema::{hub_members, mappings, memberships, wide_marks};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, UserId, WorkspaceId};
use crate::base::limits::WIDE_MARK_BATCH;
use crate::base::random;

/// Whom a wide mark reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The members of this group.
    Group(GroupId),
    /// Members of the hub with a user, members of every group its mappings are bound to, and
    /// users of individual shares. Covers people who just left a group, whose rows are gone.
    Everybody,
}

/// Write one, or refresh the equal one whose expansion has not begun.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn put(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    reach: Reach,
    change: &Change<'_>,
) -> Result<(), StoreError> {
    let Some(settle) = super::schema::hubs::table
        .find((workspace.0, hub.bytes()))
        .select(super::schema::hubs::settle_micros)
        .first::<i64>(tx)
        .optional()?
    else {
        return Ok(());
    };
    let settle_until = change.now.0.saturating_add(settle);
    let fresh = (
        wide_marks::settle_until.eq(settle_until),
        wide_marks::cause.eq(change.cause),
        wide_marks::request_id.eq(change.request_id),
    );
    let same_hub = wide_marks::workspace.eq(workspace.0).and(wide_marks::hub_id.eq(hub.bytes()));
    let untouched = same_hub.and(wide_marks::after_id.is_null());
    let group = match reach {
        Reach::Group(group) => Some(group.bytes()),
        Reach::Everybody => None,
    };
    let refreshed = match &group {
        Some(group) => diesel::update(wide_marks::table)
            .filter(untouched)
            .filter(wide_marks::group_id.eq(group.clone()))
            .set(fresh)
            .kept()
            .execute(tx)?,
        None => diesel::update(wide_marks::table)
            .filter(untouched)
            .filter(wide_marks::group_id.is_null())
            .set(fresh)
            .kept()
            .execute(tx)?,
    };
    if refreshed > 0 {
        return Ok(());
    }
    diesel::insert_into(wide_marks::table)
        .values((
            wide_marks::workspace.eq(workspace.0),
            wide_marks::id.eq(new_id(change.now).as_bytes().to_vec()),
            wide_marks::hub_id.eq(hub.bytes()),
            wide_marks::group_id.eq(group),
            wide_marks::due_at.eq(change.now.0),
            wide_marks::settle_until.eq(settle_until),
            wide_marks::cause.eq(change.cause),
            wide_marks::request_id.eq(change.request_id),
            wide_marks::created_at.eq(change.now.0),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// A UUIDv7 for a row nobody outside ever names, so that callers need not pass a generator.
fn new_id(now: Micros) -> Uuid {
    let mut bytes = [0u8; 10];
    random::fill(&mut bytes);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0 / 1000).unwrap_or(0), &bytes).into_uuid()
}

/// What one expansion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expanded {
    /// The hub has no wide mark.
    Nothing,
    /// This many marks were written; more may follow.
    Some(usize),
}

/// Id, group, where the expansion stands.
type Oldest = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);
/// Settle time, cause, request, made at.
type Story = (i64, String, Option<String>, i64);

/// Turn the next batch of the hub's oldest wide mark into marks. The caller holds the hub's row,
/// so that one planner expands at a time.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn expand_batch(tx: &mut DbConn, workspace: WorkspaceId, hub: HubId, now: Micros) -> Result<Expanded, StoreError> {
    let oldest: Option<Oldest> = wide_marks::table
        .filter(wide_marks::workspace.eq(workspace.0))
        .filter(wide_marks::hub_id.eq(hub.bytes()))
        .filter(wide_marks::due_at.le(now.0))
        .order((wide_marks::due_at, wide_marks::id))
        .select((wide_marks::id, wide_marks::group_id, wide_marks::after_id))
        .first(tx)
        .optional()?;
    let Some((id, group, after)) = oldest else {
        return Ok(Expanded::Nothing);
    };
    // Begun: from here on a writer no longer refreshes this row but adds a new one, so nobody
    // whose key lies before `after` is missed. The settle time is read with the same statement: a
    // writer that refreshed the row a moment before must not see its removals settle early.
    let key = wide_marks::table.find((workspace.0, id));
    let after = after.unwrap_or_default();
    let (settle_until, cause, request_id, created_at): Story = diesel::update(key.clone())
        .set(wide_marks::after_id.eq(Some(after.clone())))
        .returning((wide_marks::settle_until, wide_marks::cause, wide_marks::request_id, wide_marks::created_at))
        .kept()
        .get_result(tx)?;
    let batch = match group {
        Some(group) => members_after(tx, workspace, &group, &after)?,
        None => everybody_after(tx, workspace, hub, &after)?,
    };
    let Some(last) = batch.last() else {
        diesel::delete(key).kept().execute(tx)?;
        return Ok(Expanded::Some(0));
    };
    let whole = i64::try_from(batch.len()).unwrap_or(i64::MAX) >= WIDE_MARK_BATCH;
    if whole {
        diesel::update(key).set(wide_marks::after_id.eq(Some(last.clone()))).kept().execute(tx)?;
    } else {
        diesel::delete(key).kept().execute(tx)?;
    }
    let users = batch
        .iter()
        .map(|id| UserId::from_bytes(id).map_err(|_| StoreError::Corrupt("a member id".into())))
        .collect::<Result<Vec<_>, _>>()?;
    let change = Change { cause: &cause, request_id: request_id.as_deref(), now: Micros(created_at) };
    let written = marks::put(tx, workspace, &[hub], &users, now, Settle::Until(Micros(settle_until)), &change)?;
    Ok(Expanded::Some(written))
}

fn members_after(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    group: &[u8],
    after: &[u8],
) -> Result<Vec<Vec<u8>>, StoreError> {
    Ok(memberships::table
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::group_id.eq(group))
        .filter(memberships::member_id.gt(after))
        .filter(memberships::member_kind.eq(0))
        .order(memberships::member_id)
        .limit(WIDE_MARK_BATCH)
        .select(memberships::member_id)
        .kept()
        .load(tx)?)
}

/// The next batch in key order over all the ways a hub knows somebody. Each way reads at most a
/// batch by index, so a hub of 100,000 people costs the same per batch as one of 1,000.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn everybody_after(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    after: &[u8],
) -> Result<Vec<Vec<u8>>, StoreError> {
    let accounts: Vec<Option<Vec<u8>>> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::user_id.gt(after))
        .order(hub_members::user_id)
        .limit(WIDE_MARK_BATCH)
        .select(hub_members::user_id)
        .kept()
        .load(tx)?;
    let mut found: BTreeSet<Vec<u8>> = accounts.into_iter().flatten().collect();
    let bound: Vec<(String, Option<Vec<u8>>)> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::hub_id.eq(hub.bytes()))
        .filter(mappings::binding.eq("bound"))
        .select((mappings::subject_kind, mappings::bound_id))
        .distinct()
        .kept()
        .load(tx)?;
    for (kind, id) in bound {
        let Some(id) = id else { continue };
        if kind == "group" {
            found.extend(members_after(tx, workspace, &id, after)?);
        } else if id.as_slice() > after {
            found.insert(id);
        }
    }
    Ok(found.into_iter().take(usize::try_from(WIDE_MARK_BATCH).unwrap_or(usize::MAX)).collect())
}
