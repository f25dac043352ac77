//! The card of failures: what failed in the last seven days, in three groups, and what of it the reader
//! has not read yet (R6.8).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scribe::{About, Scribe};
use super::task_view::{self, TaskView};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::limits::FAILURES_WITHIN;
use crate::store::StoreError;
use crate::store::failures::{self as rows, Look};

pub use crate::domain::failures::FailureGroup;

/// Failures of a group that are shown; the list of tasks has the rest.
const SHOWN: i64 = 5;

/// All groups.
#[derive(Clone, Debug, Serialize)]
pub struct Failures {
    /// Since when, RFC 3339.
    pub since: String,
    /// The most pressing first.
    pub groups: Vec<GroupView>,
}

/// One group.
#[derive(Clone, Debug, Serialize)]
pub struct GroupView {
    /// Which.
    pub group: FailureGroup,
    /// Tasks that failed since then and still stand so.
    pub failures: i64,
    /// Those that failed after the reader marked the group as read.
    pub unread: i64,
    /// The last ones, newest first.
    pub newest: Vec<TaskView>,
}

/// What somebody has read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadBody {
    /// A group; all of them where it is left out.
    pub group: Option<String>,
}

/// What failed lately, as far as the caller sees it.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn card(context: &Context, caller: &Caller) -> Result<Failures, ServiceError> {
    let (workspace, reader, now) = (caller.workspace, caller.actor(), context.clock.now());
    let since = now.minus(FAILURES_WITHIN);
    let within: Option<Vec<_>> = caller.sight.narrowed().map(|theirs| theirs.runs.iter().copied().collect());
    let groups = context
        .store
        .read(move |conn| {
            let read = rows::read_until(conn, workspace, &reader)?;
            let names = hubs::slugs(conn, workspace)?;
            let mut groups = Vec::new();
            for group in FailureGroup::ALL {
                let look = Look { workspace, within: within.clone(), group, since };
                let failures = rows::count(conn, &look)?;
                let (mut unread, mut newest) = (0, Vec::new());
                if failures > 0 {
                    let until = read.get(group.as_str()).copied().filter(|until| *until > since);
                    unread = match until {
                        Some(until) => rows::count(conn, &Look { since: until, ..look.clone() })?,
                        None => failures,
                    };
                    newest = rows::newest(conn, &look, SHOWN)?;
                }
                let newest = newest.iter().map(|task| task_view::view(task, &names)).collect();
                groups.push(GroupView { group, failures, unread, newest });
            }
            Ok::<_, StoreError>(groups)
        })
        .await?;
    Ok(Failures { since: since.to_rfc3339(), groups })
}

/// The caller has read of a group, or of all of them.
///
/// # Errors
/// [`ServiceError::Invalid`] for another group.
pub async fn mark_read(context: &Context, caller: &Caller, body: ReadBody) -> Result<Failures, ServiceError> {
    let groups = match body.group.as_deref() {
        None => FailureGroup::ALL.to_vec(),
        Some(word) => vec![FailureGroup::from_word(word).ok_or_else(|| {
            let known = FailureGroup::ALL.map(FailureGroup::as_str).join(", ");
            ServiceError::Invalid(format!("group must be one of {known}, or left out for all"))
        })?],
    };
    let scribe = Scribe::new(context, caller);
    context
        .store
        .write(move |tx| {
            for group in &groups {
                rows::mark_read(tx, scribe.workspace, &scribe.actor, *group, scribe.now)?;
            }
            let detail = json!({ "groups": groups });
            scribe.record(tx, "failures.read", About { target: "failures", detail, ..About::default() })
        })
        .await?;
    card(context, caller).await
}
