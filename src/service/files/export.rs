//! The present state as a file whose application changes nothing.

use std::collections::BTreeMap;

use crate::base::ids::SourceId;
use crate::domain::hub::{ConnectionValue, Hub};
use crate::domain::hub_file::{self, HubDecl, MappingDecl, Place};
use crate::domain::hub_rules::Given;
use crate::domain::mapping::Mapping;
use crate::service::{Caller, Context, ServiceError, hubs};
use crate::store::{hubs as hub_rows, mappings as rows, sources};

/// The hubs and mappings as a file; one hub, or all of the workspace. Secrets are references.
///
/// # Errors
/// [`ServiceError::NotFound`] for an unknown hub.
pub async fn export(context: &Context, caller: &Caller, hub: Option<&str>) -> Result<String, ServiceError> {
    let (workspace, only) = (caller.workspace, hub.map(ToOwned::to_owned));
    context
        .store
        .read(move |conn| {
            let source_names: BTreeMap<SourceId, String> =
                sources::list(conn, workspace)?.into_iter().map(|source| (source.id, source.name)).collect();
            let hubs = match &only {
                Some(slug) => vec![hubs::find(conn, workspace, slug)?],
                None => hub_rows::list(conn, workspace)?,
            };
            let mut declared = Vec::new();
            for hub in hubs {
                let mappings = rows::of_hub(conn, workspace, hub.id)?;
                declared.push(declaration(hub, mappings, &source_names));
            }
            Ok(hub_file::write(&declared))
        })
        .await
}

fn declaration(hub: Hub, mappings: Vec<Mapping>, sources: &BTreeMap<SourceId, String>) -> HubDecl {
    let given = |value: ConnectionValue| match value {
        ConnectionValue::Plain(text) => Given::Plain(text),
        ConnectionValue::Secret { secret } => Given::Secret(secret),
    };
    HubDecl {
        place: Place::default(),
        slug: hub.slug,
        app: hub.app,
        label: hub.label,
        login: hub.login,
        mode: Some(hub.mode),
        settle: hub.settle,
        connection: hub.connection.into_iter().map(|(name, value)| (name, given(value))).collect(),
        policy: hub.policy,
        mappings: mappings
            .into_iter()
            .map(|mapping| MappingDecl {
                place: Place::default(),
                subject: mapping.subject,
                source: mapping.source.and_then(|source| sources.get(&source).cloned()),
                scope: mapping.scope,
                hub_role: mapping.hub_role,
                app_role: mapping.app_role,
                seat: mapping.seat,
                assets: mapping.assets,
            })
            .collect(),
    }
}
