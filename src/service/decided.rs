//! Held batches that a person decided lately: what was released or rejected, by whom, and whether there is
//! something to grant again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{ServiceError, hubs};
use crate::base::clock::Micros;
use crate::base::ids::{HoldId, WorkspaceId};
use crate::domain::caller::Sight;
use crate::domain::guard::HoldReason;
use crate::domain::task::{TaskKind, TaskStatus};
use crate::store::{DbConn, back_then, holds};

/// How long ago is lately.
const LATELY: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// At most so many, the newest.
const SHOWN: usize = 20;

/// A batch that was decided.
#[derive(Clone, Debug, Serialize)]
pub struct DecidedView {
    /// Its id.
    pub id: String,
    /// The hub.
    pub hub: String,
    /// Why it was held, in one word.
    pub reason: String,
    /// The same as a sentence.
    pub why: &'static str,
    /// `released` or `rejected`: how its last task was decided.
    pub status: String,
    /// When, RFC 3339.
    pub decided: String,
    /// Who: `user:<id>`, `token:<id>`, `cli`.
    pub decided_by: String,
    /// The same as people know them, where they are still here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by_name: Option<String>,
    /// What they said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How many tasks went out of it.
    pub released: i64,
    /// How many did not happen: rejected, or withdrawn since.
    pub withdrawn: i64,
    /// Whether what went out took something, which `held/{id}/undo` grants again.
    pub can_undo: bool,
}

/// Those of the last seven days in hubs that the caller runs, the newest first, at most twenty.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn lately(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    sight: &Sight,
    now: Micros,
) -> Result<Vec<DecidedView>, ServiceError> {
    let names = hubs::slugs(conn, workspace)?;
    let mut found = holds::decided_since(conn, workspace, now.minus(LATELY))?;
    found.retain(|hold| sight.runs(hold.hub));
    found.truncate(SHOWN);
    let ids: Vec<HoldId> = found.iter().map(|hold| hold.id).collect();
    let mut counts: BTreeMap<HoldId, (i64, i64, bool)> = BTreeMap::new();
    for (hold, kind, status, count) in holds::tasks_by_status(conn, workspace, &ids)? {
        let (released, withdrawn, can_undo) = counts.entry(hold).or_default();
        match status {
            TaskStatus::Cancelled | TaskStatus::Superseded => *withdrawn += count,
            TaskStatus::Held => {}
            TaskStatus::Queued
            | TaskStatus::Started
            | TaskStatus::Running
            | TaskStatus::Retrying
            | TaskStatus::Waiting
            | TaskStatus::Manual
            | TaskStatus::NotCompleted => *released += count,
            TaskStatus::Completed => {
                *released += count;
                *can_undo |= match kind {
                    TaskKind::Remove | TaskKind::UpdateRole => true,
                    TaskKind::Add | TaskKind::Sync => false,
                };
            }
        }
    }
    let people = back_then::names(conn, workspace, found.iter().filter_map(|hold| hold.decided_by.clone()))?;
    Ok(found
        .into_iter()
        .map(|hold| {
            let (released, withdrawn, can_undo) = counts.get(&hold.id).copied().unwrap_or_default();
            let decided_by = hold.decided_by.unwrap_or_default();
            DecidedView {
                id: hold.id.to_string(),
                hub: names.get(&hold.hub).cloned().unwrap_or_else(|| hold.hub.to_string()),
                why: HoldReason::from_word(&hold.reason).map_or("", HoldReason::explain),
                reason: hold.reason,
                status: hold.status,
                decided: hold.decided_at.unwrap_or(hold.created_at).to_rfc3339(),
                decided_by_name: people.get(&decided_by).cloned(),
                decided_by,
                note: hold.note,
                released,
                withdrawn,
                can_undo,
            }
        })
        .collect())
}
