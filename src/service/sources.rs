//! The IdP connections of a workspace.

use serde::Serialize;
use serde_json::json;

use super::{Caller, Context, Preset, ServiceError, names};
use crate::store::activity::{self, Entry};
use crate::store::sources::{self, Source};

/// A source as the API and the command line show it.
#[derive(Clone, Debug, Serialize)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// The IdP it speaks for.
    pub preset: &'static str,
    /// Whether deviations from the protocol are refused.
    pub strict: bool,
    /// When it was made, RFC 3339.
    pub created: String,
    /// When one of its tokens was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_request: Option<String>,
}

impl From<Source> for SourceView {
    fn from(source: Source) -> Self {
        Self {
            name: source.name,
            preset: source.preset.as_str(),
            strict: source.strict,
            created: source.created_at.to_rfc3339(),
            last_request: source.last_request_at.map(|at| at.to_rfc3339()),
        }
    }
}

/// The sources of the caller's workspace, in the order they were made.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn list(context: &Context, caller: &Caller) -> Result<Vec<SourceView>, ServiceError> {
    let workspace = caller.workspace;
    let found = context.store.read(move |conn| sources::list(conn, workspace)).await?;
    Ok(found.into_iter().map(SourceView::from).collect())
}

/// Add a source to the caller's workspace.
///
/// # Errors
/// [`ServiceError::Invalid`] for a bad name, [`ServiceError::Conflict`] when it is taken.
pub async fn create(
    context: &Context,
    caller: &Caller,
    name: String,
    preset: Preset,
    strict: bool,
) -> Result<SourceView, ServiceError> {
    names::check("a source", &name)?;
    let (workspace, actor, request_id) = (caller.workspace, caller.actor(), caller.request_id.clone());
    let (now, record) = (context.clock.now(), context.ids.next());
    context
        .store
        .write(move |tx| {
            if sources::by_name(tx, workspace, &name)?.is_some() {
                return Err(ServiceError::Conflict(format!("a source called '{name}' exists already")));
            }
            let source = sources::insert(tx, workspace, &name, preset, strict, now)?;
            let entry = Entry {
                id: record,
                at: now,
                kind: "source.created",
                actor: &actor,
                target: &format!("source:{name}"),
                hub: None,
                user: None,
                task: None,
                request_id: Some(&request_id),
                detail: json!({"preset": preset.as_str(), "strict": strict}),
                personal: None,
            };
            activity::record(tx, workspace, &entry)?;
            Ok(source.into())
        })
        .await
}
