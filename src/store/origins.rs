//! Who wrote a record (threat T-29): told by the mark it was written with, when it is given its place.
//! One without a rightful mark is not ours. It keeps its place as what it is, and the others go on.

use diesel::prelude::*;
use uuid::Uuid;

use super::conn::DbConn;
use super::locks::Locks;
use super::reading::corrupt;
use super::schema::activity;
use super::{StoreError, Tx, seals, settings};
use crate::base::clock::Micros;
use crate::base::ids::WorkspaceId;
use crate::base::limits::{RECORDS_UNMARKED, SEAL_BATCH};
use crate::domain::seal::{Content, Origin, Sealer};

/// Until when records without a mark are ours, signed. Only an upgrade sets it.
const UNMARKED_UNTIL: &str = "record_unmarked_until";

/// What is thought of records that carry no mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmarked {
    /// A version that knew no marks wrote them.
    Ours,
    /// As long as the installation signed that they are taken.
    AsSigned,
}

/// A record that somebody else put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The place it was given.
    pub seq: i64,
    /// Its id.
    pub id: Uuid,
    /// The time it tells.
    pub at: Micros,
    /// What it tells.
    pub kind: String,
    /// When it was found.
    pub found_at: Micros,
}

/// Judge a record before it gets its place. The content then covers what stands beside it as it is.
pub(super) fn judge(
    conn: &mut DbConn,
    sealer: &Sealer,
    (content, mark, personal): (&mut Content, Option<&[u8]>, Option<&str>),
    unmarked: Unmarked,
    now: Micros,
) -> Result<Origin, StoreError> {
    let is_ours = match (mark, unmarked) {
        (Some(mark), _) => {
            let content = content.parts();
            sealer.is_marked(&content, mark) && sealer.is_beside(&content, personal)
        }
        (None, Unmarked::Ours) => true,
        (None, Unmarked::AsSigned) => are_unmarked_taken(conn, sealer, now)?,
    };
    // Of one of ours the digest was written with it, and outlives what it is of.
    if mark.is_none() || !is_ours {
        content.personal_digest = personal.map(|text| sealer.personal(&content.id, text).to_vec());
    }
    Ok(if is_ours { Origin::Ours } else { Origin::Foreign })
}

fn are_unmarked_taken(conn: &mut DbConn, sealer: &Sealer, now: Micros) -> Result<bool, StoreError> {
    let signed = settings::get_across_workspaces(conn, UNMARKED_UNTIL)?;
    Ok(signed.is_some_and(|signed| sealer.allows_unmarked(&signed, now.0)))
}

/// Right after the upgrade to the version that marks records, before anything else is written: what
/// waits for its place was written by the version before. That version may go on beside this one for a
/// while, so its records are taken for an hour, unless this process is `alone`.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn begin(conn: &mut DbConn, sealer: &Sealer, now: Micros, alone: bool) -> Result<(), StoreError> {
    if !alone {
        let signed = sealer.sign_unmarked(now.plus(RECORDS_UNMARKED).0);
        settings::put_across_workspaces(conn, UNMARKED_UNTIL, &signed)?;
    }
    let mut tx = Tx::over(conn, Locks::default(), sealer);
    for workspace in seals::waiting_across_workspaces(&mut tx)? {
        while seals::seal_some(&mut tx, workspace, sealer, (Unmarked::Ours, now), SEAL_BATCH)?.sealed > 0 {}
    }
    Ok(())
}

/// How many records of a workspace are not ours.
///
/// # Errors
/// A failed statement.
pub fn foreign(conn: &mut DbConn, workspace: WorkspaceId) -> Result<i64, StoreError> {
    let rows = activity::table.filter(activity::workspace.eq(workspace.0));
    Ok(rows.filter(activity::foreign_at.is_not_null()).count().get_result(conn)?)
}

/// How many there are in all workspaces.
///
/// # Errors
/// A failed statement.
pub fn foreign_across_workspaces(conn: &mut DbConn) -> Result<i64, StoreError> {
    Ok(activity::table.filter(activity::foreign_at.is_not_null()).count().get_result(conn)?)
}

/// The first of them, by their place.
///
/// # Errors
/// A failed statement.
pub fn first_foreign(conn: &mut DbConn, workspace: WorkspaceId, most: i64) -> Result<Vec<Found>, StoreError> {
    type Row = (Option<i64>, Vec<u8>, i64, String, Option<i64>);
    let rows: Vec<Row> = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .filter(activity::foreign_at.is_not_null())
        .order(activity::seq)
        .limit(most)
        .select((activity::seq, activity::id, activity::at, activity::kind, activity::foreign_at))
        .load(conn)?;
    rows.into_iter()
        .map(|(seq, id, at, kind, found_at)| {
            let id = Uuid::from_slice(&id).map_err(corrupt("an activity id"))?;
            Ok(Found {
                seq: seq.unwrap_or_default(),
                id,
                at: Micros(at),
                kind,
                found_at: Micros(found_at.unwrap_or_default()),
            })
        })
        .collect()
}
