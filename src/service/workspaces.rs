//! Workspaces, and the state of one at a glance.

use serde::Serialize;

use super::{Caller, Context, ServiceError, names};
use crate::base::clock::Micros;
use crate::store::sources::{self, Source};
use crate::store::workspaces::{self, Workspace};
use crate::store::{Store, StoreError};

/// A workspace as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct WorkspaceView {
    /// Its name.
    pub name: String,
    /// Whether pushing stands still.
    pub paused: bool,
    /// When it was made, RFC 3339.
    pub created: String,
}

impl From<Workspace> for WorkspaceView {
    fn from(workspace: Workspace) -> Self {
        Self { name: workspace.name, paused: workspace.paused, created: workspace.created_at.to_rfc3339() }
    }
}

/// What `GET /api/v1/status` says.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The version of this server.
    pub version: &'static str,
    /// The caller's workspace.
    pub workspace: WorkspaceView,
    /// The time on the server, RFC 3339.
    pub now: String,
}

/// The state of the caller's workspace.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn status(context: &Context, caller: &Caller) -> Result<Status, ServiceError> {
    let workspace = caller.workspace;
    let found = context.store.point(move |conn| workspaces::load(conn, workspace)).await?;
    Ok(Status { version: env!("CARGO_PKG_VERSION"), workspace: found.into(), now: context.clock.now().to_rfc3339() })
}

/// All workspaces of the installation, by name: for its operator on the command line, never for a
/// token, which belongs to one workspace.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn list_across_workspaces(context: &Context) -> Result<Vec<WorkspaceView>, ServiceError> {
    let found = context.store.read(workspaces::list_across_workspaces).await?;
    Ok(found.into_iter().map(WorkspaceView::from).collect())
}

/// Add a workspace with its source `default`: for the installation's operator.
///
/// # Errors
/// [`ServiceError::Invalid`] for a bad name, [`ServiceError::Conflict`] when it is taken.
pub async fn create(context: &Context, name: String) -> Result<WorkspaceView, ServiceError> {
    names::check("a workspace", &name)?;
    let now = context.clock.now();
    context
        .store
        .write(move |tx| {
            if workspaces::by_name(tx, &name)?.is_some() {
                return Err(ServiceError::Conflict(format!("a workspace called '{name}' exists already")));
            }
            let (workspace, _) = add(tx, &name, now)?;
            Ok(workspace.into())
        })
        .await
}

/// A caller for a local command, which opened the database itself: everything in one workspace.
///
/// # Errors
/// [`ServiceError::Invalid`] when there is no workspace of this name.
pub async fn local_caller(context: &Context, name: &str) -> Result<Caller, ServiceError> {
    let wanted = name.to_owned();
    let found = context
        .store
        .read(move |conn| {
            let Some(workspace) = workspaces::by_name(conn, &wanted)? else { return Ok(None) };
            let source = sources::list(conn, workspace.id)?.into_iter().next();
            Ok::<_, StoreError>(source.map(|source| (workspace.id, source)))
        })
        .await?;
    let (workspace, source) = found.ok_or_else(|| {
        ServiceError::Invalid(format!("there is no workspace '{name}'; see `scimhub workspace list`"))
    })?;
    Ok(Caller {
        workspace,
        source: source.id,
        source_preset: source.preset,
        dialect: crate::domain::caller::dialect(source.strict),
        scope: super::Scope::Admin,
        rights: crate::domain::rights::Rights::OPERATOR,
        person: None,
        hub: None,
        partner: None,
        sight: crate::domain::caller::Sight::Everything,
        token: None,
        request_id: context.ids.next().to_string().into(),
    })
}

/// Make sure that the workspace `default` with the source `default` exists. Safe to repeat, also
/// from several processes at once.
///
/// # Errors
/// [`StoreError`].
pub async fn ensure_default(store: &Store, now: Micros) -> Result<(), StoreError> {
    let made = store
        .write(move |tx| {
            if workspaces::by_name(tx, workspaces::DEFAULT_NAME)?.is_none() {
                add(tx, workspaces::DEFAULT_NAME, now)?;
            }
            Ok(())
        })
        .await;
    match made {
        // Another process was faster; what it made is what is wanted.
        Err(StoreError::Conflict { .. }) | Ok(()) => Ok(()),
        Err(other) => Err(other),
    }
}

/// A workspace with its source `default`, in one transaction.
fn add(conn: &mut crate::store::DbConn, name: &str, now: Micros) -> Result<(Workspace, Source), StoreError> {
    let workspace = workspaces::insert(conn, name, now)?;
    let source = sources::insert(conn, workspace.id, workspaces::DEFAULT_NAME, super::Preset::Generic, false, now)?;
    Ok((workspace, source))
}
