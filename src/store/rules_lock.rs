//! Keeps a change of rules and a change of people from missing each other on PostgreSQL.
//!
//! Who writes marks looks up the rules that reach a person; who changes rules looks up the people
//! they reach. Under READ COMMITTED each would miss what the other has not committed yet: a member
//! put in while a mapping is made would get no mark, a group arriving while its name is mapped would
//! never be bound. So the first take this lock shared, the second alone, until they commit. SQLite
//! has one writer and needs nothing.

use diesel::sql_types::BigInt;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::tx::Tx;
use crate::base::ids::WorkspaceId;

/// Advisory locks share one number space with the rest of the installation; this is our corner.
const CORNER: i64 = 0x5c1a_0000_0000_0000;
/// The same for counting a workspace's people.
const PEOPLE: i64 = 0x5c1b_0000_0000_0000;
/// The same for giving names.
const NAMES: i64 = 0x5c1c_0000_0000_0000;

/// The number behind [`rules_are_read`].
pub(super) const fn number(workspace: WorkspaceId) -> i64 {
    CORNER ^ workspace.0
}

/// Marks are about to be written by the rules as they are. Many may hold it at once. A transaction
/// that is sure to need it takes it as it begins ([`super::locks`]): a round trip less.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn rules_are_read(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<(), StoreError> {
    if tx.held().rules == Some(workspace) {
        return Ok(());
    }
    lock(tx, number(workspace), "SELECT pg_advisory_xact_lock_shared($1)")?;
    tx.hold_rules(workspace);
    Ok(())
}

/// Rules are about to change: call it before looking up anything the change rests on.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn rules_change(tx: &mut DbConn, workspace: WorkspaceId) -> Result<(), StoreError> {
    lock(tx, number(workspace), "SELECT pg_advisory_xact_lock($1)")
}

/// A name that must be the only one is about to be given where no unique key can see to it: one transaction
/// of a workspace at a time.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn names_are_given(tx: &mut DbConn, workspace: WorkspaceId) -> Result<(), StoreError> {
    lock(tx, NAMES ^ workspace.0, "SELECT pg_advisory_xact_lock($1)")
}

/// The guard counts the people of a workspace over all its hubs, and decides on that: one planner
/// at a time. Only planners take it, after their hub's row, so nobody waits in a circle.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn counting_people(tx: &mut DbConn, workspace: WorkspaceId) -> Result<(), StoreError> {
    lock(tx, PEOPLE ^ workspace.0, "SELECT pg_advisory_xact_lock($1)")
}

fn lock(tx: &mut DbConn, number: i64, statement: &str) -> Result<(), StoreError> {
    if matches!(tx, DbConn::Postgres(_)) {
        diesel::sql_query(statement).bind::<BigInt, _>(number).kept().execute(tx)?;
    }
    Ok(())
}
