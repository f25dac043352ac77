//! Mappings of a hub through the API. A mapping's identity is (hub, subject, `where`): putting it
//! again changes it in place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scribe::Scribe;
use super::{Caller, Context, ServiceError, hub_changes, hubs};
use crate::base::ids::{GroupId, MappingId, SourceId, WorkspaceId};
use crate::base::limits::IDENTIFIER_BYTES;
use crate::domain::app::App;
use crate::domain::hub::Hub;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{AssetGrant, Binding, HubRole, Mapping, SubjectName};
use crate::store::rules_lock::rules_change;
use crate::store::{DbConn, StoreError, mappings as rows, reading, sources};

/// A mapping as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct MappingView {
    /// Its id.
    pub id: String,
    /// The subject as it was named.
    #[serde(flatten)]
    pub subject: SubjectName,
    /// The source's name, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The filter on the user.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The role in the hub.
    pub hub_role: HubRole,
    /// The app's role.
    pub app_role: String,
    /// Whether it takes a seat.
    pub seat: bool,
    /// Rights on assets.
    pub assets: Vec<AssetGrant>,
    /// Whether and to what it is bound.
    pub binding: BindingView,
    /// Whose file manages it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The commit it came with.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub file_ref: Option<String>,
    /// When a person or file last said so.
    pub confirmed: String,
}

/// What a mapping is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum BindingView {
    /// The subject has not arrived yet, or more than one bears the name.
    Waiting,
    /// Bound once; a rename keeps it.
    Bound {
        /// The group's or user's SCIM id.
        id: String,
        /// Its name now.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// The bound group or user was deleted; a person must bind it anew.
    Gone,
}

/// A mapping to put.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingBody {
    group: Option<String>,
    group_id: Option<String>,
    external_id: Option<String>,
    user: Option<String>,
    source: Option<String>,
    #[serde(rename = "where")]
    scope: Option<String>,
    hub_role: Option<HubRole>,
    #[serde(default)]
    app_role: String,
    seat: Option<bool>,
    #[serde(default)]
    assets: Vec<AssetGrant>,
}

impl MappingBody {
    fn subject(&self) -> Result<SubjectName, ServiceError> {
        let wrong = |text: &str| Err(ServiceError::Invalid(text.to_owned()));
        let fits = |text: &String| {
            !text.trim().is_empty() && text.len() <= IDENTIFIER_BYTES && !text.chars().any(char::is_control)
        };
        match (&self.group, &self.group_id, &self.external_id, &self.user) {
            (Some(name), None, None, None) if fits(name) => Ok(SubjectName::Group(name.clone())),
            (None, None, Some(id), None) if fits(id) => Ok(SubjectName::GroupExternalId(id.clone())),
            (None, None, None, Some(name)) if fits(name) => Ok(SubjectName::User(name.clone())),
            (None, Some(id), None, None) => match id.parse::<GroupId>() {
                Ok(id) => Ok(SubjectName::GroupId(id)),
                Err(_) => wrong("group_id is a group's SCIM id; use group for its displayName"),
            },
            (None, None, None, None) => wrong("a mapping needs a subject: group, group_id, external_id or user"),
            _ => wrong("a mapping has one subject: a group, group_id, external_id or user of 1 to 1024 bytes"),
        }
    }

    fn check(&self, app: &App) -> Result<(), ServiceError> {
        let mut wrong = Vec::new();
        let seat = self.seat.unwrap_or(true);
        if !seat && self.hub_role != Some(HubRole::Owner) {
            wrong.push(String::from("a collaborator always takes a seat; only an owner may have none"));
        }
        if (seat && !app.roles.is_empty()) || !self.app_role.is_empty() {
            wrong.extend(rules::role(app, &self.app_role).err());
        }
        if let Some(scope) = self.scope() {
            wrong.extend(rules::scope(&scope).err());
        }
        wrong.extend(self.assets.iter().filter_map(|grant| rules::asset(app, grant).err()));
        if wrong.is_empty() { Ok(()) } else { Err(ServiceError::Invalid(wrong.join("; "))) }
    }

    fn scope(&self) -> Option<String> {
        self.scope.clone().filter(|scope| !scope.trim().is_empty())
    }
}

/// Find a source by the name in a request or file.
///
/// # Errors
/// [`ServiceError::Invalid`] with the known names.
pub(super) fn source_id(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    name: Option<&str>,
) -> Result<Option<SourceId>, ServiceError> {
    let Some(name) = name else { return Ok(None) };
    match sources::by_name(conn, workspace, name)? {
        Some(source) => Ok(Some(source.id)),
        None => {
            let all = sources::list(conn, workspace)?;
            let known: Vec<&str> = all.iter().map(|source| source.name.as_str()).collect();
            Err(ServiceError::Invalid(format!("there is no source '{name}'; {}", rules::hint(name, &known))))
        }
    }
}

fn mapping_of(conn: &mut DbConn, workspace: WorkspaceId, hub: &Hub, id: &str) -> Result<Mapping, ServiceError> {
    let id: MappingId = id.parse().map_err(|_| ServiceError::NotFound("mapping"))?;
    match rows::load(conn, workspace, id) {
        Ok(mapping) if mapping.hub == hub.id => Ok(mapping),
        Ok(_) | Err(StoreError::NotFound) => Err(ServiceError::NotFound("mapping")),
        Err(other) => Err(other.into()),
    }
}

/// All mappings of a hub.
///
/// # Errors
/// [`ServiceError::NotFound`] for the hub.
pub async fn list(context: &Context, caller: &Caller, slug: &str) -> Result<Vec<MappingView>, ServiceError> {
    let (workspace, slug) = (caller.workspace, slug.to_owned());
    context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            let found = rows::of_hub(conn, workspace, hub.id)?;
            views(conn, workspace, found)
        })
        .await
}

/// One mapping.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn show(context: &Context, caller: &Caller, slug: &str, id: &str) -> Result<MappingView, ServiceError> {
    let (workspace, slug, id) = (caller.workspace, slug.to_owned(), id.to_owned());
    context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            let found = mapping_of(conn, workspace, &hub, &id)?;
            one(conn, workspace, found)
        })
        .await
}

/// Whether a put made a mapping or changed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is new.
    Made,
    /// It was there and is as wanted now.
    Changed,
}

/// Put a mapping: by `id` where one is given, else by its identity.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::Invalid`]; also when `id` has another identity.
pub async fn put(
    context: &Context,
    caller: &Caller,
    slug: &str,
    id: Option<&str>,
    body: MappingBody,
) -> Result<(Put, MappingView), ServiceError> {
    let (scribe, catalog) = (Scribe::new(context, caller), context.catalog.clone());
    let (slug, id) = (slug.to_owned(), id.map(ToOwned::to_owned));
    let done = context
        .store
        .write(move |tx| {
            let workspace = scribe.workspace;
            rules_change(tx, workspace)?;
            let hub = hubs::find_locked(tx, workspace, &slug)?;
            let app = rules::app(&catalog, &hub.app).map_err(ServiceError::Invalid)?;
            let subject = body.subject()?;
            body.check(app)?;
            let source = source_id(tx, workspace, body.source.as_deref())?;
            let scope = body.scope();
            let found = rows::by_identity(tx, workspace, hub.id, &subject, source, scope.as_deref())?;
            if let Some(id) = &id {
                let meant = mapping_of(tx, workspace, &hub, id)?;
                if found.as_ref().is_none_or(|found| found.id != meant.id) {
                    return Err(ServiceError::Invalid(String::from(
                        "this mapping has another subject or where; its identity cannot change: put a new mapping \
                         and delete this one",
                    )));
                }
            }
            let wanted = Mapping {
                id: found.as_ref().map_or_else(|| MappingId::from_uuid(scribe.id()), |found| found.id),
                hub: hub.id,
                subject,
                source,
                binding: found.as_ref().map_or(Binding::Waiting, |found| found.binding),
                scope,
                hub_role: body.hub_role.unwrap_or(HubRole::Collaborator),
                app_role: body.app_role.clone(),
                seat: body.seat.unwrap_or(true),
                assets: body.assets.clone(),
                owner: found.as_ref().and_then(|found| found.owner.clone()),
                file_ref: found.as_ref().and_then(|found| found.file_ref.clone()),
                confirmed_at: scribe.now,
            };
            let put = if found.is_some() {
                hub_changes::change_mapping(tx, &scribe, &hub, &wanted)?;
                (Put::Changed, wanted)
            } else {
                (Put::Made, hub_changes::add_mapping(tx, &scribe, &hub, wanted)?)
            };
            Ok::<_, ServiceError>((put.0, one(tx, workspace, put.1)?))
        })
        .await?;
    context.nudge.planner();
    Ok(done)
}

/// Delete a mapping.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn remove(context: &Context, caller: &Caller, slug: &str, id: &str) -> Result<(), ServiceError> {
    let (scribe, slug, id) = (Scribe::new(context, caller), slug.to_owned(), id.to_owned());
    context
        .store
        .write(move |tx| {
            rules_change(tx, scribe.workspace)?;
            let hub = hubs::find_locked(tx, scribe.workspace, &slug)?;
            let mapping = mapping_of(tx, scribe.workspace, &hub, &id)?;
            hub_changes::remove_mapping(tx, &scribe, &hub, &mapping)
        })
        .await?;
    context.nudge.planner();
    Ok(())
}

/// Bind a mapping anew, on a person's word, after its group or user was deleted.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] when it is bound, or nothing is there.
pub async fn bind(context: &Context, caller: &Caller, slug: &str, id: &str) -> Result<MappingView, ServiceError> {
    let (scribe, slug, id) = (Scribe::new(context, caller), slug.to_owned(), id.to_owned());
    let view = context
        .store
        .write(move |tx| {
            rules_change(tx, scribe.workspace)?;
            let hub = hubs::find_locked(tx, scribe.workspace, &slug)?;
            let mapping = mapping_of(tx, scribe.workspace, &hub, &id)?;
            match mapping.binding {
                Binding::Gone | Binding::Waiting => {}
                Binding::User(id) if reading::user_name(tx, scribe.workspace, id)?.is_none() => {}
                Binding::Group(_) | Binding::User(_) => {
                    return Err(ServiceError::Conflict(String::from("this mapping is bound already")));
                }
            }
            let bound = hub_changes::bind_again(tx, &scribe, &hub, mapping)?;
            one(tx, scribe.workspace, bound)
        })
        .await?;
    context.nudge.planner();
    Ok(view)
}

fn one(conn: &mut DbConn, workspace: WorkspaceId, mapping: Mapping) -> Result<MappingView, ServiceError> {
    let mut all = views(conn, workspace, vec![mapping])?;
    all.pop().ok_or(ServiceError::NotFound("mapping"))
}

fn views(conn: &mut DbConn, workspace: WorkspaceId, found: Vec<Mapping>) -> Result<Vec<MappingView>, ServiceError> {
    let source_names: BTreeMap<SourceId, String> =
        sources::list(conn, workspace)?.into_iter().map(|source| (source.id, source.name)).collect();
    found
        .into_iter()
        .map(|mapping| {
            Ok(MappingView {
                binding: binding_view(conn, workspace, mapping.binding)?,
                id: mapping.id.to_string(),
                source: mapping.source.and_then(|source| source_names.get(&source).cloned()),
                subject: mapping.subject,
                scope: mapping.scope,
                hub_role: mapping.hub_role,
                app_role: mapping.app_role,
                seat: mapping.seat,
                assets: mapping.assets,
                owner: mapping.owner,
                file_ref: mapping.file_ref,
                confirmed: mapping.confirmed_at.to_rfc3339(),
            })
        })
        .collect()
}

/// A binding with the name that its subject bears now.
pub(super) fn binding_view(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    binding: Binding,
) -> Result<BindingView, StoreError> {
    Ok(match binding {
        Binding::Waiting => BindingView::Waiting,
        Binding::Gone => BindingView::Gone,
        Binding::Group(id) => {
            BindingView::Bound { id: id.to_string(), name: reading::group_name(conn, workspace, id)? }
        }
        // A deleted user's share never comes back by itself, not to a namesake either.
        Binding::User(id) => match reading::user_name(conn, workspace, id)? {
            Some(name) => BindingView::Bound { id: id.to_string(), name: Some(name) },
            None => BindingView::Gone,
        },
    })
}
