//! Tasks that failed lately, and who has read of them (R6.8).

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{failures_read, tasks};
use super::tasks::TaskRow;
use super::{StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::domain::failures::FailureGroup;
use crate::domain::task::Task;

/// The condition of the index `tasks_failed`, letter by letter: only so does it answer. Closed without
/// having been done, or set aside for a person after a failure; what no machine does has not failed.
const FAILED: &str = "(tasks.status = 'not_completed' OR (tasks.status = 'manual' \
     AND tasks.error_class IS NOT NULL AND tasks.error_class NOT IN ('not_supported', 'needs_human', 'waiting_rule')))";

/// Classes with which a task waits for a person and has not failed.
pub(super) const NO_FAILURE: [&str; 3] = ["not_supported", "needs_human", "waiting_rule"];

/// Whether a task that waits for a person with this class has failed; the same as [`FAILED`] says.
pub fn is_failure(class: &str) -> bool {
    !NO_FAILURE.contains(&class)
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Look {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// In one of these hubs; `None` for all.
    pub within: Option<Vec<HubId>>,
    /// Which failures.
    pub group: FailureGroup,
    /// Failed later than this.
    pub since: Micros,
}

fn failed(look: &Look) -> tasks::BoxedQuery<'static, <DbConn as Connection>::Backend> {
    let kinds: Vec<&str> = look.group.kinds().into_iter().map(|kind| kind.as_str()).collect();
    let query = tasks::table
        .filter(sql::<Bool>(FAILED))
        .filter(tasks::workspace.eq(look.workspace.0))
        .filter(tasks::modified_at.gt(look.since.0))
        .filter(tasks::kind.eq_any(kinds))
        // Tried again as another task.
        .filter(tasks::superseded_by.is_null())
        .into_boxed();
    match &look.within {
        Some(within) => query.filter(tasks::hub_id.eq_any(within.iter().map(|hub| hub.bytes()).collect::<Vec<_>>())),
        None => query,
    }
}

/// How many.
///
/// # Errors
/// A failed statement.
pub fn count(conn: &mut DbConn, look: &Look) -> Result<i64, StoreError> {
    Ok(failed(look).count().get_result(conn)?)
}

/// The last ones, newest first.
///
/// # Errors
/// A failed statement.
pub fn newest(conn: &mut DbConn, look: &Look, limit: i64) -> Result<Vec<Task>, StoreError> {
    let rows: Vec<TaskRow> =
        failed(look).order((tasks::modified_at.desc(), tasks::id.desc())).limit(limit).load(conn)?;
    rows.iter().map(TaskRow::shown).collect()
}

/// Until when somebody has read of each group.
///
/// # Errors
/// A failed statement.
pub fn read_until(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    reader: &str,
) -> Result<HashMap<String, Micros>, StoreError> {
    let rows: Vec<(String, i64)> = failures_read::table
        .filter(failures_read::workspace.eq(workspace.0))
        .filter(failures_read::reader.eq(reader))
        .select((failures_read::category, failures_read::read_at))
        .kept()
        .load(conn)?;
    Ok(rows.into_iter().map(|(group, at)| (group, Micros(at))).collect())
}

/// Somebody has read of a group until now.
///
/// # Errors
/// A failed statement.
pub fn mark_read(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    reader: &str,
    group: FailureGroup,
    now: Micros,
) -> Result<(), StoreError> {
    let key = (workspace.0, reader, group.as_str());
    diesel::delete(failures_read::table.find(key)).kept().execute(tx)?;
    diesel::insert_into(failures_read::table)
        .values((
            failures_read::workspace.eq(workspace.0),
            failures_read::reader.eq(reader),
            failures_read::category.eq(group.as_str()),
            failures_read::read_at.eq(now.0),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}
