//! Hubs as people see them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::hub_standing::Standing;
use super::waiting::WaitingView;
use super::{Caller, Context, ServiceError, hubs};
use crate::base::clock::Micros;
use crate::base::ids::{HubSlug, WorkspaceId};
use crate::domain::catalog::Catalog;
use crate::domain::hub::{ConnectionValue, HubMode, HubPolicy, Login};
use crate::domain::hub_file::text;
use crate::domain::hub_status::HubStatus;
use crate::domain::rights::{Action, Verdict};
use crate::store::hubs::{self as rows, HubRecord};
use crate::store::{DbConn, hub_secrets, waits};

/// A hub as the API shows it: secrets by name only.
#[derive(Clone, Debug, Serialize)]
pub struct HubView {
    /// Its stable id.
    pub id: String,
    /// Which app.
    pub app: String,
    /// The name people read.
    pub label: String,
    /// `sso` or `password`.
    pub login: Login,
    /// `observe` or `active`.
    pub mode: HubMode,
    /// Whether a person stopped pushing.
    pub paused: bool,
    /// `60s`, `45min` …
    pub settle: String,
    /// Plain values, and `{"secret": NAME}` for secrets.
    pub connection: BTreeMap<String, ConnectionValue>,
    /// Names of secrets that the connection needs and nobody has set.
    pub secrets_missing: Vec<String>,
    /// Limits.
    pub policy: HubPolicy,
    /// Whose file manages it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The commit it came with.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub file_ref: Option<String>,
    /// Counts changes.
    pub revision: i64,
    /// RFC 3339.
    pub created: String,
    /// RFC 3339.
    pub modified: String,
    /// When a sync last completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_synced: Option<String>,
    /// Whether its app can be read at all; else nobody can sync it.
    pub syncs: bool,
    /// Who connected it: its first owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Until when its app refuses changes, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingView>,
    /// How it stands, and so who must act (docs/api.md); for whoever runs it (business-hubs.md section 3.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<HubStatus>,
}

impl HubView {
    /// As somebody sees it who runs the hub or not.
    fn shown(self, runs: bool) -> Self {
        Self { status: self.status.filter(|_| runs), ..self }
    }
}

/// One hub.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn show(context: &Context, caller: &Caller, slug: &str) -> Result<HubView, ServiceError> {
    let (workspace, slug) = (caller.workspace, slug.to_owned());
    let (catalog, now) = (context.catalog.clone(), context.clock.now());
    let view = context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            view_of(conn, (&catalog, now), workspace, &hub.slug)
        })
        .await?;
    Ok(view.shown(caller.may(Action::ReadHub) == Verdict::Yes))
}

/// All hubs of the workspace that the caller sees.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn list(context: &Context, caller: &Caller) -> Result<Vec<HubView>, ServiceError> {
    let (workspace, sight) = (caller.workspace, caller.sight.clone());
    let (catalog, now) = (context.catalog.clone(), context.clock.now());
    context
        .store
        .read(move |conn| {
            let standing = Standing::read(conn, workspace, &catalog, now)?;
            let shown = rows::records(conn, workspace)?.into_iter().filter(|record| sight.uses(record.hub.id));
            let one = |record: HubRecord| {
                let runs = sight.runs(record.hub.id);
                Ok(view(conn, &standing, workspace, record)?.shown(runs))
            };
            shown.map(one).collect()
        })
        .await
}

pub(super) fn view_of(
    conn: &mut DbConn,
    (catalog, now): (&Catalog, Micros),
    workspace: WorkspaceId,
    slug: &HubSlug,
) -> Result<HubView, ServiceError> {
    let record = rows::record(conn, workspace, slug.as_str())?;
    let standing = Standing::read(conn, workspace, catalog, now)?;
    view(conn, &standing, workspace, record)
}

fn view(
    conn: &mut DbConn,
    standing: &Standing<'_>,
    workspace: WorkspaceId,
    record: HubRecord,
) -> Result<HubView, ServiceError> {
    let (status, syncs) = (standing.of(&record), standing.syncs(&record));
    let hub = record.hub;
    let waiting = waits::current(conn, workspace, hub.id, standing.now())?.as_ref().map(WaitingView::of);
    Ok(HubView {
        status: Some(status),
        secrets_missing: hub_secrets::missing(conn, workspace, &hub)?,
        id: hub.slug.to_string(),
        app: hub.app,
        label: hub.label,
        login: hub.login,
        mode: hub.mode,
        paused: hub.paused,
        settle: text::humane(hub.settle),
        connection: hub.connection,
        policy: hub.policy,
        owner: hub.owner,
        file_ref: hub.file_ref,
        revision: hub.revision,
        created: record.created_at.to_rfc3339(),
        modified: record.modified_at.to_rfc3339(),
        last_synced: record.last_synced_at.map(Micros::to_rfc3339),
        created_by: record.created_by,
        syncs,
        waiting,
    })
}
