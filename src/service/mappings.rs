//! Mappings of a hub through the API. A mapping's identity is (hub, subject, `where`): putting it
//! again changes it in place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::mapping_changes::{self, MappingChange, MappingChanges, Meant};
use super::member_actions::RemovalMode;
use super::scribe::Scribe;
use super::whatif::steps::{Step, carry_out};
use super::whatif::{Digest, look};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::ids::{GroupId, MappingId, SourceId, WorkspaceId};
use crate::base::limits::IDENTIFIER_BYTES;
use crate::base::nearest;
use crate::domain::app::App;
use crate::domain::hub::Hub;
use crate::domain::hub_rules::{self as rules, FieldError};
use crate::domain::mapping::{AssetGrant, Binding, HubRole, Mapping, SubjectName};
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
    pub(super) source: Option<String>,
    #[serde(rename = "where")]
    scope: Option<String>,
    pub(super) hub_role: Option<HubRole>,
    #[serde(default)]
    pub(super) app_role: String,
    pub(super) seat: Option<bool>,
    #[serde(default)]
    pub(super) assets: Vec<AssetGrant>,
}

impl MappingBody {
    /// Whom it is about.
    ///
    /// # Errors
    /// [`ServiceError::InvalidFields`] when that is nobody, two at once, or no name.
    pub(super) fn subject(&self) -> Result<SubjectName, ServiceError> {
        let wrong = |field: &str, why: &str| Err(ServiceError::InvalidFields(vec![FieldError::new(field, why)]));
        let fits = |text: &String| {
            !text.trim().is_empty() && text.len() <= IDENTIFIER_BYTES && !text.chars().any(char::is_control)
        };
        match (&self.group, &self.group_id, &self.external_id, &self.user) {
            (Some(name), None, None, None) if fits(name) => Ok(SubjectName::Group(name.clone())),
            (None, None, Some(id), None) if fits(id) => Ok(SubjectName::GroupExternalId(id.clone())),
            (None, None, None, Some(name)) if fits(name) => Ok(SubjectName::User(name.clone())),
            (None, Some(id), None, None) => match id.parse::<GroupId>() {
                Ok(id) => Ok(SubjectName::GroupId(id)),
                Err(_) => wrong("group_id", "group_id is a group's SCIM id; use group for its displayName"),
            },
            (None, None, None, None) => {
                wrong("group", "a mapping needs a subject: group, group_id, external_id or user")
            }
            (group, group_id, external_id, _) => {
                let given = [("group", group), ("group_id", group_id), ("external_id", external_id)];
                let first = given.into_iter().find(|(_, value)| value.is_some()).map_or("user", |(name, _)| name);
                wrong(first, "a mapping has one subject: a group, group_id, external_id or user of 1 to 1024 bytes")
            }
        }
    }

    /// Hold it against the app.
    ///
    /// # Errors
    /// [`ServiceError::InvalidFields`] with everything that is wrong; permissions that exclude each other (R5.1)
    /// are named alone.
    pub(super) fn check(&self, app: &App) -> Result<(), ServiceError> {
        if let Err(why) = rules::together(app, &self.app_role) {
            return Err(ServiceError::InvalidFields(vec![FieldError::new("app_role", why)]));
        }
        let mut wrong = Vec::new();
        let seat = self.seat.unwrap_or(true);
        if !seat && self.hub_role.unwrap_or(HubRole::Collaborator) == HubRole::Collaborator {
            let why = "a collaborator always takes a seat; only an owner or manager may have none";
            wrong.push(FieldError::new("seat", why));
        }
        if (seat && !app.roles.is_empty()) || !self.app_role.is_empty() {
            wrong.extend(rules::role(app, &self.app_role).err().map(|why| FieldError::new("app_role", why)));
        }
        if let Some(scope) = self.scope() {
            wrong.extend(rules::scope(&scope).err().map(|why| FieldError::new("scope", why)));
        }
        let assets = rules::assets(app, &self.assets).into_iter();
        wrong.extend(assets.map(|(place, why)| FieldError::new(format!("assets.{place}"), why)));
        if wrong.is_empty() { Ok(()) } else { Err(ServiceError::InvalidFields(wrong)) }
    }

    /// Its filter; a blank one is none.
    pub(super) fn scope(&self) -> Option<String> {
        self.scope.clone().filter(|scope| !scope.trim().is_empty())
    }
}

/// Find a source by the name in a request or file.
///
/// # Errors
/// [`ServiceError::InvalidFields`] with the known names.
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
            let why = format!("there is no source '{name}'; {}", nearest::hint(name, &known));
            Err(ServiceError::InvalidFields(vec![FieldError::new("source", why)]))
        }
    }
}

/// A mapping of this hub by its id.
///
/// # Errors
/// [`ServiceError::NotFound`]; what could not be an id gives the same.
pub(super) fn mapping_of(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: &Hub,
    id: &str,
) -> Result<Mapping, ServiceError> {
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

/// Put a mapping: by `id` where one is given, else by its identity. With `expect` only where it
/// still means what a preview showed.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::Invalid`]; also when `id` has another identity;
/// [`ServiceError::Moved`].
pub async fn put(
    context: &Context,
    caller: &Caller,
    slug: &str,
    id: Option<&str>,
    body: MappingBody,
    expect: Option<Digest>,
) -> Result<(Put, MappingView), ServiceError> {
    let change = MappingChange::Put(Box::new(body));
    let meant = id.map(|id| Meant(id.to_owned()));
    let done = alone(context, caller, slug, change, meant, expect).await?;
    done.ok_or(ServiceError::NotFound("mapping"))
}

/// Delete a mapping; with `expect` only where it still means what a preview showed. *Hub only* turns a
/// group's share into individual shares of those members who have accepted their account (R5.10).
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::Moved`].
pub async fn remove(
    context: &Context,
    caller: &Caller,
    slug: &str,
    id: &str,
    mode: RemovalMode,
    expect: Option<Digest>,
) -> Result<(), ServiceError> {
    let change = match mode {
        RemovalMode::HubAndApp => MappingChange::Remove(id.to_owned()),
        RemovalMode::HubOnly => MappingChange::Dissolve(id.to_owned()),
    };
    alone(context, caller, slug, change, None, expect).await?;
    Ok(())
}

/// Bind a mapping anew, on a person's word, after its group or user was deleted.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] when it is bound, or nothing is there;
/// [`ServiceError::Moved`].
pub async fn bind(
    context: &Context,
    caller: &Caller,
    slug: &str,
    id: &str,
    expect: Option<Digest>,
) -> Result<MappingView, ServiceError> {
    let done = alone(context, caller, slug, MappingChange::Bind(id.to_owned()), None, expect).await?;
    done.map(|(_, view)| view).ok_or(ServiceError::NotFound("mapping"))
}

/// One change, and the mapping as it is then; `None` when it is gone.
async fn alone(
    context: &Context,
    caller: &Caller,
    slug: &str,
    change: MappingChange,
    meant: Option<Meant>,
    expect: Option<Digest>,
) -> Result<Option<(Put, MappingView)>, ServiceError> {
    let (scribe, catalog, keyring) = (Scribe::new(context, caller), context.catalog.clone(), context.keyring.clone());
    let make = mapping_changes::maker(context, &scribe, slug, MappingChanges::one(change), meant);
    let writer = scribe.clone();
    let done = look::change(context, &scribe, vec![slug.to_owned()], expect, make, move |tx, diff, _| {
        let mut left = None;
        for step in &diff.steps {
            carry_out(tx, &writer, &catalog, &keyring, step)?;
            left = match step {
                Step::AddMapping(_, mapping) => Some((Put::Made, mapping.id)),
                Step::ChangeMapping { after, .. } | Step::BindMapping { after, .. } => Some((Put::Changed, after.id)),
                Step::RemoveMapping(..)
                | Step::AddHub(_)
                | Step::ChangeHub { .. }
                | Step::RemoveHub(_)
                | Step::Seal(..)
                | Step::Role(_) => None,
            };
        }
        let Some((put, id)) = left else { return Ok(None) };
        let mapping = rows::load(tx, writer.workspace, id)?;
        Ok(Some((put, one(tx, writer.workspace, mapping)?)))
    })
    .await?;
    context.nudge.planner();
    Ok(done)
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
