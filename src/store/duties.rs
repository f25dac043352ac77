//! Periodic work of the whole installation, claimed as rows: of several replicas one does it, and
//! one that dies on the way is followed by another a period later.

use std::time::Duration;

use diesel::sql_types::{BigInt, Text};

use super::kept::Keep as _;
use super::{StoreError, Tx};
use crate::base::clock::Micros;

/// Take a duty that is due, for one period; `false` when it is not, or another process has it.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn take_across_workspaces(tx: &mut Tx<'_>, name: &str, period: Duration, now: Micros) -> Result<bool, StoreError> {
    // One statement, so that two processes cannot both find it due.
    let taken = diesel::sql_query(
        "INSERT INTO duties (name, due_at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at \
         WHERE duties.due_at <= $3",
    )
    .bind::<Text, _>(name)
    .bind::<BigInt, _>(now.plus(period).0)
    .bind::<BigInt, _>(now.0)
    .kept()
    .execute(tx)?;
    Ok(taken > 0)
}
