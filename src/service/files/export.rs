//! The present state as a file whose application changes nothing.

use std::collections::BTreeMap;

use crate::base::ids::{SourceId, WorkspaceId};
use crate::domain::hub::{ConnectionValue, Hub};
use crate::domain::hub_file::{self, HubDecl, MappingDecl, Place, RoleDecl, Settings};
use crate::domain::hub_rules::Given;
use crate::domain::mapping::{Mapping, SubjectName};
use crate::domain::rights::{Action, Verdict, may};
use crate::service::{Caller, Context, ServiceError, hubs, names};
use crate::store::{DbConn, StoreError, hubs as hub_rows, mappings as rows, role_files, sources};

/// What to export; everything of the workspace by default.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Only this hub.
    pub hub: Option<String>,
    /// Only what this owner manages. Their mappings in the hub of another owner stand below a hub
    /// that is named and not declared.
    pub owner: Option<String>,
}

/// Hubs and mappings as a file. Secrets are references.
///
/// # Errors
/// [`ServiceError::NotFound`] for an unknown hub, [`ServiceError::Invalid`] for what is no owner's
/// name.
pub async fn export(context: &Context, caller: &Caller, part: Part) -> Result<String, ServiceError> {
    if let Some(owner) = &part.owner {
        names::check("an owner", owner)?;
    }
    let (workspace, sight) = (caller.workspace, caller.sight.clone());
    let reads_people = may(caller.rights, Action::ReadPeople, None) == Verdict::Yes;
    context
        .store
        .read(move |conn| {
            let source_names: BTreeMap<SourceId, String> =
                sources::list(conn, workspace)?.into_iter().map(|source| (source.id, source.name)).collect();
            let hubs = match &part.hub {
                Some(slug) => vec![hubs::find(conn, workspace, slug)?],
                None => hub_rows::list(conn, workspace)?,
            };
            let mut declared = Vec::new();
            for hub in hubs.into_iter().filter(|hub| sight.runs(hub.id)) {
                let mut mappings = rows::of_hub(conn, workspace, hub.id)?;
                let mut mine = true;
                if part.owner.is_some() {
                    mappings.retain(|mapping| mapping.owner == part.owner);
                    mine = hub.owner == part.owner;
                }
                if mine || !mappings.is_empty() {
                    declared.push(declaration(hub, mine, mappings, &source_names));
                }
            }
            let mut text = hub_file::write(&declared);
            let roles = match part.hub {
                None if reads_people => role_declarations(conn, workspace, part.owner.as_deref(), &source_names)?,
                None | Some(_) => Vec::new(),
            };
            if !text.is_empty() && !roles.is_empty() {
                text.push('\n');
            }
            text.push_str(&hub_file::write_roles(&roles));
            Ok(text)
        })
        .await
}

/// The groups that give a role, each as what means it alone: its name in its source, else its id.
fn role_declarations(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    owner: Option<&str>,
    sources: &BTreeMap<SourceId, String>,
) -> Result<Vec<RoleDecl>, StoreError> {
    let mut declared = Vec::new();
    for row in role_files::all(conn, workspace)? {
        if owner.is_some_and(|owner| row.owner.as_deref() != Some(owner)) {
            continue;
        }
        let named = match row.called {
            Some((name, source)) => {
                let subject = SubjectName::Group(name);
                let alone = role_files::meant(conn, workspace, &subject, Some(source))?.len() == 1;
                alone.then(|| (subject, sources.get(&source).cloned()))
            }
            None => None,
        };
        let (subject, source) = named.unwrap_or((SubjectName::GroupId(row.group), None));
        declared.push(RoleDecl { place: Place::default(), subject, source, role: row.role });
    }
    Ok(declared)
}

fn declaration(hub: Hub, whole: bool, mappings: Vec<Mapping>, sources: &BTreeMap<SourceId, String>) -> HubDecl {
    let given = |value: ConnectionValue| match value {
        ConnectionValue::Plain(text) => Given::Plain(text),
        ConnectionValue::Secret { secret } => Given::Secret(secret),
    };
    HubDecl {
        place: Place::default(),
        slug: hub.slug,
        settings: whole.then(|| Settings {
            app: hub.app,
            label: hub.label,
            login: hub.login,
            mode: Some(hub.mode),
            settle: hub.settle,
            connection: hub.connection.into_iter().map(|(name, value)| (name, given(value))).collect(),
            policy: hub.policy,
        }),
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
