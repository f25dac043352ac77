//! Tasks over time: how many were planned in each stretch, and where they stand now. Answered from
//! the index over status and id alone; ids sort by the moment they were made.

use std::fmt::Write as _;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};

use super::StoreError;
use super::conn::DbConn;
use super::status::first_id;
use crate::base::clock::Micros;
use crate::base::ids::WorkspaceId;
use crate::domain::task::TaskStatus;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Integer)]
    stretch: i32,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Tasks planned between each two neighbours of `bounds`, by status; stretches without tasks are
/// left out. `at_most` is where counting one status of one stretch stops.
///
/// # Errors
/// A failed statement.
pub fn planned(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    bounds: &[Micros],
    at_most: i64,
) -> Result<Vec<(usize, TaskStatus, i64)>, StoreError> {
    let mut found = Vec::new();
    for status in TaskStatus::ALL {
        let rows: Vec<Row> = diesel::sql_query(text(conn, workspace, status, bounds, at_most)).load(conn)?;
        for row in rows {
            if let Ok(stretch) = usize::try_from(row.stretch) {
                found.push((stretch, status, row.count));
            }
        }
    }
    Ok(found)
}

/// One statement for all stretches: each is a range in the index. Everything in it is ours.
fn text(conn: &DbConn, workspace: WorkspaceId, status: TaskStatus, bounds: &[Micros], at_most: i64) -> String {
    let (literal, index): (fn(Micros) -> String, &str) = match conn {
        DbConn::Sqlite(_) => (|at| format!("X'{}'", hex(at)), "INDEXED BY tasks_status"),
        DbConn::Postgres(_) => (|at| format!("'\\x{}'::bytea", hex(at)), ""),
    };
    let mut stretches = String::new();
    for (number, pair) in bounds.windows(2).enumerate() {
        if let [from, to] = pair {
            let union = if number == 0 { "" } else { " UNION ALL " };
            let _ = write!(
                stretches,
                "{union}SELECT {number} AS stretch, {} AS low, {} AS high",
                literal(*from),
                literal(*to)
            );
        }
    }
    format!(
        "SELECT s.stretch, (SELECT COUNT(*) FROM (SELECT 1 FROM tasks t {index} WHERE t.workspace = {} \
         AND t.status = '{}' AND t.id >= s.low AND t.id < s.high LIMIT {at_most}) c) AS count \
         FROM ({stretches}) s",
        workspace.0,
        status.as_str()
    )
}

fn hex(at: Micros) -> String {
    first_id(at).bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
