//! A wall clock that was set back (F-14): what was to happen "in ten minutes" would wait for as
//! long as the clock jumped. The latest time seen is kept as a duty row; when now lies well before
//! it, everything written in that lost future is moved along.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::kept::Keep as _;
use super::schema::duties;
use super::{StoreError, Tx};
use crate::base::clock::Micros;

/// The row that holds the latest time seen.
const SEEN: &str = "clock";
/// How often it is written.
const EVERY: Duration = Duration::from_secs(60);
/// Clocks of several replicas may differ by so much.
const TOLERATED: Duration = Duration::from_secs(120);

/// What waits for a time, and how it is moved: `$1` is the jump, `$2` is now. Only what was written
/// after `$2` was written under the clock that is gone; a wait of days keeps its length.
const MOVES: [&str; 7] = [
    "UPDATE tasks SET not_before = not_before - $1, modified_at = $2 \
     WHERE modified_at > $2 AND status IN ('queued', 'retrying', 'waiting')",
    "UPDATE reconcile_marks SET due_at = due_at - $1, settle_until = settle_until - $1, created_at = $2 \
     WHERE created_at > $2",
    "UPDATE wide_marks SET due_at = due_at - $1, settle_until = settle_until - $1, created_at = $2 \
     WHERE created_at > $2",
    "UPDATE hub_waits SET since_at = since_at - $1, until_at = until_at - $1 WHERE since_at > $2",
    "UPDATE hub_lanes SET next_allowed_at = next_allowed_at - $1 WHERE next_allowed_at > $2",
    "UPDATE hub_lanes SET breaker_until = breaker_until - $1 WHERE breaker_until > $2",
    "UPDATE duties SET due_at = due_at - $1 WHERE due_at > $2 AND name <> 'clock'",
];

/// Look at the clock. Answers by how much it was set back, where it was.
///
/// # Errors
/// [`StoreError`] of a statement.
pub fn notice_across_workspaces(tx: &mut Tx<'_>, now: Micros) -> Result<Option<Duration>, StoreError> {
    let seen: Option<i64> = duties::table.find(SEEN).select(duties::due_at).kept().get_result::<i64>(tx).optional()?;
    let Some(seen) = seen.map(Micros) else {
        keep(tx, now)?;
        return Ok(None);
    };
    let jump = seen.since(now);
    if jump <= TOLERATED {
        if now.since(seen) >= EVERY {
            keep(tx, now)?;
        }
        return Ok(None);
    }
    let micros = i64::try_from(jump.as_micros()).unwrap_or(i64::MAX);
    for statement in MOVES {
        diesel::sql_query(statement).bind::<BigInt, _>(micros).bind::<BigInt, _>(now.0).execute(&mut **tx)?;
    }
    keep(tx, now)?;
    Ok(Some(jump))
}

fn keep(tx: &mut Tx<'_>, now: Micros) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO duties (name, due_at) VALUES ('clock', $1) \
         ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at",
    )
    .bind::<BigInt, _>(now.0)
    .kept()
    .execute(tx)?;
    Ok(())
}
