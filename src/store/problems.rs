//! Problems: one per cause and hub, however many tasks meet it (DESIGN.md section 2.13).

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::conn::DbConn;
use super::schema::problems;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};

/// Something a person must look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub hub: HubId,
    /// The cause in one word: `auth_broken`, `rate_limited`, `forbidden` …
    pub cause: String,
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

/// Open a problem, or count it up. A mended one opens anew.
///
/// # Errors
/// A failed statement.
pub fn report(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    cause: &str,
    message: &str,
    now: Micros,
) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO problems (workspace, hub_id, cause, message, occurrences, opened_at, seen_at, closed_at) \
         VALUES ($1, $2, $3, $4, 1, $5, $5, NULL) ON CONFLICT (workspace, hub_id, cause) DO UPDATE SET \
         message = excluded.message, seen_at = excluded.seen_at, \
         occurrences = CASE WHEN problems.closed_at IS NULL THEN problems.occurrences + 1 ELSE 1 END, \
         opened_at = CASE WHEN problems.closed_at IS NULL THEN problems.opened_at ELSE excluded.opened_at END, \
         closed_at = NULL",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    .bind::<Text, _>(cause)
    .bind::<Text, _>(message)
    .bind::<BigInt, _>(now.0)
    .execute(conn)?;
    Ok(())
}

/// Close a hub's problems: one cause, or all of them. Answers how many were open.
///
/// # Errors
/// A failed statement.
pub fn close(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    cause: Option<&str>,
    now: Micros,
) -> Result<usize, StoreError> {
    let open = problems::table
        .filter(problems::workspace.eq(workspace.0))
        .filter(problems::hub_id.eq(hub.bytes()))
        .filter(problems::closed_at.is_null());
    let set = problems::closed_at.eq(Some(now.0));
    Ok(match cause {
        Some(cause) => diesel::update(open.filter(problems::cause.eq(cause))).set(set).execute(conn)?,
        None => diesel::update(open).set(set).execute(conn)?,
    })
}

/// The open problems of a workspace, the newest first.
///
/// # Errors
/// A failed statement.
pub fn open(conn: &mut DbConn, workspace: WorkspaceId, limit: i64) -> Result<Vec<Problem>, StoreError> {
    type Row = (Vec<u8>, String, String, i64, i64, i64, Option<i64>);
    let rows: Vec<Row> = problems::table
        .filter(problems::workspace.eq(workspace.0))
        .filter(problems::closed_at.is_null())
        .order((problems::opened_at.desc(), problems::hub_id, problems::cause))
        .limit(limit)
        .select((
            problems::hub_id,
            problems::cause,
            problems::message,
            problems::occurrences,
            problems::opened_at,
            problems::seen_at,
            problems::closed_at,
        ))
        .load(conn)?;
    rows.into_iter()
        .map(|(hub, cause, message, occurrences, opened, seen, closed)| {
            Ok(Problem {
                hub: HubId::from_bytes(&hub).map_err(|_| StoreError::Corrupt("a problem's hub".into()))?,
                cause,
                message,
                occurrences,
                opened_at: Micros(opened),
                seen_at: Micros(seen),
                closed_at: closed.map(Micros),
            })
        })
        .collect()
}
