//! Problems: one per cause and hub, however many tasks meet it (DESIGN.md section 2.13).

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::outbox::{self, ProblemEvent};
use super::schema::problems;
use super::{StoreError, hub_secrets, hubs};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::domain::problem::Cause;

/// Something a person must look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub hub: HubId,
    /// The cause.
    pub cause: Cause,
    /// What a person reads.
    pub message: String,
    /// How often it was met since it opened.
    pub occurrences: i64,
    /// When it opened.
    pub opened_at: Micros,
    /// When it was last met.
    pub seen_at: Micros,
    /// When it was mended.
    pub closed_at: Option<Micros>,
}

#[derive(QueryableByName)]
struct Occurrences {
    #[diesel(sql_type = BigInt)]
    occurrences: i64,
}

/// Open a problem, or count it up. A mended one opens anew.
///
/// # Errors
/// A failed statement.
pub fn report(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    cause: Cause,
    message: &str,
    now: Micros,
) -> Result<(), StoreError> {
    let row: Occurrences = diesel::sql_query(
        "INSERT INTO problems (workspace, hub_id, cause, message, occurrences, opened_at, seen_at, closed_at) \
         VALUES ($1, $2, $3, $4, 1, $5, $5, NULL) ON CONFLICT (workspace, hub_id, cause) DO UPDATE SET \
         message = excluded.message, seen_at = excluded.seen_at, \
         occurrences = CASE WHEN problems.closed_at IS NULL THEN problems.occurrences + 1 ELSE 1 END, \
         opened_at = CASE WHEN problems.closed_at IS NULL THEN problems.opened_at ELSE excluded.opened_at END, \
         closed_at = NULL RETURNING occurrences",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    .bind::<Text, _>(cause.as_str())
    .bind::<Text, _>(message)
    .bind::<BigInt, _>(now.0)
    .kept()
    .get_result(conn)?;
    if row.occurrences == 1 {
        outbox::problem(conn, workspace, ProblemEvent { hub, cause, message: Some(message) }, now)?;
    }
    Ok(())
}

/// State a problem that is counted anew each time: what it is about is `count` now.
///
/// # Errors
/// A failed statement.
pub fn state(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    cause: Cause,
    message: &str,
    count: i64,
    now: Micros,
) -> Result<(), StoreError> {
    report(conn, workspace, hub, cause, message, now)?;
    diesel::update(problems::table.find((workspace.0, hub.bytes(), cause.as_str())))
        .set(problems::occurrences.eq(count))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// Hubs with an open problem of this cause.
///
/// # Errors
/// A failed statement.
pub fn hubs_with_across_workspaces(conn: &mut DbConn, cause: Cause) -> Result<Vec<(WorkspaceId, HubId)>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = problems::table
        .filter(problems::closed_at.is_null())
        .filter(problems::cause.eq(cause.as_str()))
        .select((problems::workspace, problems::hub_id))
        .kept()
        .load(conn)?;
    rows.into_iter()
        .map(|(workspace, hub)| {
            let hub = HubId::from_bytes(&hub).map_err(|_| StoreError::Corrupt("a problem's hub".into()))?;
            Ok((WorkspaceId(workspace), hub))
        })
        .collect()
}

/// Since when a problem is open; `None` where it is not.
///
/// # Errors
/// A failed statement.
pub fn open_since(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    cause: Cause,
) -> Result<Option<Micros>, StoreError> {
    let opened: Option<i64> = problems::table
        .find((workspace.0, hub.bytes(), cause.as_str()))
        .filter(problems::closed_at.is_null())
        .select(problems::opened_at)
        .kept()
        .get_result(conn)
        .optional()?;
    Ok(opened.map(Micros))
}

/// Which secrets of a hub nobody has set, where that may be what is wrong with it.
///
/// # Errors
/// A failed statement.
pub fn secrets_missing(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    cause: Cause,
) -> Result<Vec<String>, StoreError> {
    if cause != Cause::AuthBroken {
        return Ok(Vec::new());
    }
    match hubs::load(conn, workspace, hub) {
        Ok(hub) => hub_secrets::missing(conn, workspace, &hub),
        Err(StoreError::NotFound) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Note that an open problem is looked into now, unless it was met or looked into after `before`.
/// Answers whether it is; of several who ask at once one is told so.
///
/// # Errors
/// A failed statement.
pub fn seen_again(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    cause: Cause,
    before: Micros,
    now: Micros,
) -> Result<bool, StoreError> {
    let problem = problems::table.find((workspace.0, hub.bytes(), cause.as_str()));
    let noted = diesel::update(problem)
        .filter(problems::closed_at.is_null())
        .filter(problems::seen_at.le(before.0))
        .set(problems::seen_at.eq(now.0))
        .execute(conn)?;
    Ok(noted > 0)
}

/// Close a hub's problems: one cause, or all of them. Answers how many were open.
///
/// # Errors
/// A failed statement.
pub fn close(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    cause: Option<Cause>,
    now: Micros,
) -> Result<usize, StoreError> {
    let open = problems::table
        .filter(problems::workspace.eq(workspace.0))
        .filter(problems::hub_id.eq(hub.bytes()))
        .filter(problems::closed_at.is_null());
    let set = problems::closed_at.eq(Some(now.0));
    let closed: Vec<String> = match cause {
        Some(cause) => diesel::update(open.filter(problems::cause.eq(cause.as_str())))
            .set(set)
            .returning(problems::cause)
            .kept()
            .load(conn)?,
        None => diesel::update(open).set(set).returning(problems::cause).kept().load(conn)?,
    };
    for cause in closed.iter().filter_map(|word| Cause::from_word(word)) {
        outbox::problem(conn, workspace, ProblemEvent { hub, cause, message: None }, now)?;
    }
    Ok(closed.len())
}

/// The open problems of a workspace, the newest first.
///
/// # Errors
/// A failed statement.
pub fn open(conn: &mut DbConn, workspace: WorkspaceId, limit: i64) -> Result<Vec<Problem>, StoreError> {
    let rows: Vec<Row> = problems::table
        .filter(problems::workspace.eq(workspace.0))
        .filter(problems::closed_at.is_null())
        .order((problems::opened_at.desc(), problems::hub_id, problems::cause))
        .limit(limit)
        .select(COLUMNS)
        .kept()
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// The open problems of one hub, by cause: there are few.
///
/// # Errors
/// A failed statement.
pub fn of_hub(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Vec<Problem>, StoreError> {
    let rows: Vec<Row> = problems::table
        .filter(problems::workspace.eq(workspace.0))
        .filter(problems::hub_id.eq(hub.bytes()))
        .filter(problems::closed_at.is_null())
        .order(problems::cause)
        .select(COLUMNS)
        .kept()
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

type Row = (Vec<u8>, String, String, i64, i64, i64, Option<i64>);

const COLUMNS: (
    problems::hub_id,
    problems::cause,
    problems::message,
    problems::occurrences,
    problems::opened_at,
    problems::seen_at,
    problems::closed_at,
) = (
    problems::hub_id,
    problems::cause,
    problems::message,
    problems::occurrences,
    problems::opened_at,
    problems::seen_at,
    problems::closed_at,
);

fn read((hub, cause, message, occurrences, opened, seen, closed): Row) -> Result<Problem, StoreError> {
    Ok(Problem {
        hub: HubId::from_bytes(&hub).map_err(|_| StoreError::Corrupt("a problem's hub".into()))?,
        cause: Cause::from_word(&cause).ok_or_else(|| StoreError::Corrupt("a problem's cause".into()))?,
        message,
        occurrences,
        opened_at: Micros(opened),
        seen_at: Micros(seen),
        closed_at: closed.map(Micros),
    })
}

/// Open problems by cause, over all workspaces; for the metrics.
///
/// # Errors
/// A failed statement.
pub fn open_across_workspaces(conn: &mut DbConn) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(problems::table
        .filter(problems::closed_at.is_null())
        .group_by(problems::cause)
        .select((problems::cause, diesel::dsl::count_star()))
        .kept()
        .load(conn)?)
}
