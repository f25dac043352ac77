//! Problems as people see them: one for each cause and hub, with what to do about it.

use serde::Serialize;

use super::page::{Page, PageRequest};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::clock::Micros;
use crate::base::ids::WorkspaceId;
use crate::base::limits::LEAVER_PRESENT;
use crate::domain::problem::Cause;
use crate::store::problems::{self, Problem};
use crate::store::{DbConn, leavers, set_aside};

/// Problems counted in one answer: one per cause and hub is a short list.
const MOST: i64 = 1_000;
/// People named in one problem; `occurrences` counts all.
const NAMED: i64 = 50;

/// A problem as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ProblemView {
    /// The hub.
    pub hub: String,
    /// The cause in one word.
    pub cause: &'static str,
    /// What happened, for people.
    pub message: String,
    /// What a person must do.
    pub remedy: String,
    /// How often it was met; for people still present, how many they are.
    pub occurrences: i64,
    /// Open tasks that wait for it to be mended.
    pub tasks: i64,
    /// Whom it is about, where it is about people: the longest gone first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<PersonPresent>,
    /// Since when.
    pub opened: String,
    /// When it was last met.
    pub seen: String,
}

/// Somebody who left and is still there.
#[derive(Clone, Debug, Serialize)]
pub struct PersonPresent {
    /// The user's id, for explain.
    pub user: String,
    /// The name people read.
    pub name: String,
    /// When they left.
    pub left: String,
}

/// Open problems, the newest first.
///
/// # Errors
/// [`ServiceError::Store`], [`ServiceError::Invalid`] for a bad cursor.
pub async fn list(context: &Context, caller: &Caller, page: &PageRequest) -> Result<Page<ProblemView>, ServiceError> {
    let (workspace, now) = (caller.workspace, context.clock.now());
    let (limit, sight) = (page.limit(), caller.sight.clone());
    // The cursor counts rows: the list is short.
    let skip: usize = page.after::<usize>()?.unwrap_or(0);
    let found = context
        .store
        .read(move |conn| {
            let names = hubs::slugs(conn, workspace)?;
            problems::open(conn, workspace, MOST)?
                .into_iter()
                .filter(|problem| sight.runs(problem.hub))
                .skip(skip)
                .take(limit.saturating_add(1))
                .map(|problem| {
                    let hub = names.get(&problem.hub).cloned().unwrap_or_else(|| problem.hub.to_string());
                    view(conn, workspace, problem, hub, now)
                })
                .collect::<Result<Vec<_>, ServiceError>>()
        })
        .await?;
    Ok(Page::cut(found, limit, |_| skip.saturating_add(limit).to_string()))
}

fn view(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    problem: Problem,
    hub: String,
    now: Micros,
) -> Result<ProblemView, ServiceError> {
    let people = match problem.cause {
        Cause::LeaverPresent => leavers::present_in(conn, workspace, problem.hub, now.minus(LEAVER_PRESENT), NAMED)?,
        Cause::AuthBroken
        | Cause::AddressRefused
        | Cause::ConnectionIncomplete
        | Cause::RateLimited
        | Cause::Forbidden
        | Cause::SeatLimit
        | Cause::Unavailable
        | Cause::SyncHalted
        | Cause::NeedsData => Vec::new(),
    };
    Ok(ProblemView {
        remedy: problem.cause.remedy(&hub),
        hub,
        cause: problem.cause.as_str(),
        message: problem.message,
        occurrences: problem.occurrences,
        tasks: set_aside::waiting_for(conn, workspace, problem.hub, problem.cause)?,
        people: people
            .into_iter()
            .map(|(user, name, left)| PersonPresent { user: user.to_string(), name, left: left.to_rfc3339() })
            .collect(),
        opened: problem.opened_at.to_rfc3339(),
        seen: problem.seen_at.to_rfc3339(),
    })
}
