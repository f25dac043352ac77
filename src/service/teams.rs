//! Teams managed here, beside the groups an identity provider pushes. One team is one or the other,
//! never both (business-hubs.md section 2): an IdP's group is changed in the IdP, and no SCIM
//! credential sees a team of ours. Mappings, marks, explain and the guard know no difference.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::page::{Page, PageRequest};
use super::rights::{check_arrival, check_group};
use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, shown};
use crate::base::ids::{GroupId, SELF_MANAGED, SourceId, UserId, WorkspaceId};
use crate::base::limits::TEAM_SHOWN;
use crate::base::visible;
use crate::scim::group::{self, GroupKeys};
use crate::store::groups::{self, GroupRow};
use crate::store::managers::Awaited;
use crate::store::memberships::{self, Leaving, Member, MemberKind};
use crate::store::reach::Reach;
use crate::store::{DbConn, Locks, StoreError, Tx, marks, reading, sources, teams as rows};

/// Who says who is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Kind {
    /// The identity provider of this source.
    Idp {
        /// Its name.
        source: String,
    },
    /// People, through this server.
    SelfManaged,
}

/// A team as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct TeamView {
    /// Its id, which mappings name as `group_id`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who manages it.
    #[serde(flatten)]
    pub kind: Kind,
    /// How many members it has.
    pub size: i64,
    /// Members by id and name, in id order; only where one team is shown, and at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<TeamMember>>,
}

/// A member.
#[derive(Clone, Debug, Serialize)]
pub struct TeamMember {
    /// The SCIM id.
    pub id: String,
    /// The name people read.
    pub display: String,
}

/// A team to make, or its new name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamBody {
    /// The name.
    #[serde(default)]
    pub name: String,
}

/// A page of all teams.
///
/// # Errors
/// [`ServiceError::Invalid`] for a bad cursor.
pub async fn list(context: &Context, caller: &Caller, page: PageRequest) -> Result<Page<TeamView>, ServiceError> {
    let workspace = caller.workspace;
    let (limit, after) = (page.limit(), page.after::<GroupId>()?);
    let found = context
        .store
        .read(move |conn| {
            let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let found = rows::page(conn, workspace, after, wanted)?;
            views(conn, workspace, &found)
        })
        .await?;
    Ok(Page::cut(found, limit, |team| team.id.clone()))
}

/// One team with its members.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn show(context: &Context, caller: &Caller, id: &str) -> Result<TeamView, ServiceError> {
    let (workspace, id) = (caller.workspace, parse(id)?);
    context.store.read(move |conn| detail(conn, workspace, id)).await
}

/// Make a team, empty.
///
/// # Errors
/// [`ServiceError::Invalid`] naming the field, [`ServiceError::Conflict`] when the name is taken,
/// [`ServiceError::Missing`] where a hub waits for a group of this name and the caller may not manage its members.
pub async fn create(context: &Context, caller: &Caller, body: TeamBody) -> Result<TeamView, ServiceError> {
    let (scribe, catalog) = (Scribe::new(context, caller), context.catalog.clone());
    let team = context
        .store
        .write_with(Locks::rules(caller.workspace), move |tx| {
            let workspace = scribe.workspace;
            let (keys, document) = named(&body.name)?;
            free(tx, workspace, &keys, None)?;
            check_arrival(tx, &scribe, &catalog, Awaited::Group(&keys.display_name_key))?;
            let id = GroupId::from_uuid(scribe.id());
            groups::insert(tx, workspace, SELF_MANAGED, id, &keys, &document, scribe.now)?;
            arrived(tx, &scribe, id, &keys)?;
            tell(tx, &scribe, id, "team.created", None, json!({ "name": keys.display_name }))?;
            detail(tx, workspace, id)
        })
        .await?;
    context.nudge.planner();
    Ok(team)
}

/// Rename a team; its mappings stay bound.
///
/// # Errors
/// As [`create`]; [`ServiceError::NotFound`]; [`ServiceError::Conflict`] for an IdP's group.
pub async fn rename(context: &Context, caller: &Caller, id: &str, body: TeamBody) -> Result<TeamView, ServiceError> {
    let (scribe, id, catalog) = (Scribe::new(context, caller), parse(id)?, context.catalog.clone());
    let team = context
        .store
        .write_with(Locks::rules(caller.workspace), move |tx| {
            let workspace = scribe.workspace;
            let team = ours(tx, workspace, id)?;
            let (keys, document) = named(&body.name)?;
            free(tx, workspace, &keys, Some(id))?;
            // A share may wait for this name, and would give its role to who is in already. Looked at before
            // it does: afterwards the caller may be one of them.
            check_arrival(tx, &scribe, &catalog, Awaited::Group(&keys.display_name_key))?;
            groups::replace(tx, workspace, &team, &keys, &document, scribe.now)?;
            arrived(tx, &scribe, id, &keys)?;
            tell(tx, &scribe, id, "team.renamed", None, json!({ "from": team.display_name, "to": keys.display_name }))?;
            detail(tx, workspace, id)
        })
        .await?;
    context.nudge.planner();
    Ok(team)
}

/// Delete a team. As with an IdP's group, the removals this causes wait for a person.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] for an IdP's group.
pub async fn delete(context: &Context, caller: &Caller, id: &str) -> Result<(), ServiceError> {
    let (scribe, id, catalog) = (Scribe::new(context, caller), parse(id)?, context.catalog.clone());
    context
        .store
        .write_with(Locks::rules(caller.workspace), move |tx| {
            let workspace = scribe.workspace;
            let team = ours(tx, workspace, id)?;
            check_group(tx, &scribe, &catalog, id)?;
            marks::group_deleted(tx, workspace, id, &scribe.change("group_deleted"))?;
            let size = memberships::clear(tx, workspace, id)?;
            groups::delete(tx, workspace, id)?;
            let detail = json!({ "name": team.display_name, "members": size });
            tell(tx, &scribe, id, "team.deleted", None, detail)
        })
        .await?;
    context.nudge.planner();
    Ok(())
}

/// Whether somebody shall be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In.
    In,
    /// Out.
    Out,
}

/// Put a user into a team, or take them out; `false` when it was so already (putting again confirms).
///
/// # Errors
/// [`ServiceError::NotFound`] for team or user; [`ServiceError::Conflict`] for an IdP's group;
/// [`ServiceError::Missing`] where the team runs a hub and the caller may not assign its managers.
pub async fn place(
    context: &Context,
    caller: &Caller,
    id: &str,
    user: &str,
    place: Place,
) -> Result<bool, ServiceError> {
    let (scribe, id, catalog) = (Scribe::new(context, caller), parse(id)?, context.catalog.clone());
    let user: UserId = user.parse().map_err(|_| ServiceError::NotFound("user"))?;
    let changed = context
        .store
        .write_with(Locks::rules(caller.workspace), move |tx| {
            let workspace = scribe.workspace;
            let team = ours(tx, workspace, id)?;
            check_group(tx, &scribe, &catalog, id)?;
            let (changed, kind) = match place {
                Place::In => {
                    reading::user_name(tx, workspace, user)?.ok_or(ServiceError::NotFound("user"))?;
                    let member = Member { id: user.uuid(), kind: MemberKind::User };
                    let added = memberships::add(tx, workspace, id, &[member], scribe.now)?;
                    (!added.added.is_empty(), "team.member_added")
                }
                Place::Out => {
                    let gone = memberships::remove(tx, workspace, id, Leaving::These(&[user.uuid()]))?;
                    (!gone.is_empty(), "team.member_removed")
                }
            };
            // Putting again is a word too: it gives back what waits since a reactivation.
            if changed || place == Place::In {
                marks::members_changed(tx, workspace, id, &[user], &scribe.change("team_membership"))?;
            }
            if changed {
                groups::touch(tx, workspace, &team, scribe.now)?;
                tell(tx, &scribe, id, kind, Some(user), json!({ "team": team.display_name }))?;
            }
            Ok::<_, ServiceError>(changed)
        })
        .await?;
    context.nudge.planner();
    Ok(changed)
}

fn parse(id: &str) -> Result<GroupId, ServiceError> {
    id.parse().map_err(|_| ServiceError::NotFound("team"))
}

/// A team managed here, locked as every change of its members is.
fn ours(tx: &mut Tx<'_>, workspace: WorkspaceId, id: GroupId) -> Result<GroupRow, ServiceError> {
    let team = match groups::load_for_update(tx, workspace, Reach::Workspace, id) {
        Err(StoreError::NotFound) => return Err(ServiceError::NotFound("team")),
        other => other?,
    };
    if team.source == SELF_MANAGED {
        return Ok(team);
    }
    Err(ServiceError::Conflict(format!("'{}' is managed by an identity provider: change it there", team.display_name)))
}

fn named(name: &str) -> Result<(GroupKeys, String), ServiceError> {
    let name = name.trim();
    let wrong = |why: String| ServiceError::Invalid(format!("name: {why}"));
    if visible::is_blank(name) {
        return Err(wrong(String::from("a team needs a name")));
    }
    visible::plain_line(name).map_err(wrong)?;
    shown::check_identifier("name", Some(name))?;
    let Value::Object(document) = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name,
    }) else {
        return Err(wrong(String::from("not a name")));
    };
    let keys = group::keys(&document)?;
    Ok((keys, Value::Object(document).to_string()))
}

fn free(conn: &mut DbConn, workspace: WorkspaceId, keys: &GroupKeys, but: Option<GroupId>) -> Result<(), ServiceError> {
    match rows::by_name(conn, workspace, &keys.display_name_key)? {
        Some(other) if Some(other) != but => {
            Err(ServiceError::Conflict(format!("name: another team here is called so already: {other}")))
        }
        Some(_) | None => Ok(()),
    }
}

fn arrived(tx: &mut Tx<'_>, scribe: &Scribe, id: GroupId, keys: &GroupKeys) -> Result<(), StoreError> {
    let change = scribe.change("group_arrived");
    marks::group_arrived(tx, scribe.workspace, SELF_MANAGED, id, &keys.display_name_key, None, &change).map(|_| ())
}

fn tell(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    id: GroupId,
    kind: &str,
    user: Option<UserId>,
    detail: Value,
) -> Result<(), ServiceError> {
    let target = format!("group:{id}");
    Ok(scribe.record(tx, kind, About { target: &target, user, detail, ..About::default() })?)
}

fn views(conn: &mut DbConn, workspace: WorkspaceId, found: &[GroupRow]) -> Result<Vec<TeamView>, ServiceError> {
    let ids: Vec<GroupId> = found.iter().map(|row| row.id).collect();
    let sizes = rows::sizes(conn, workspace, &ids)?;
    let names: BTreeMap<SourceId, String> =
        sources::list(conn, workspace)?.into_iter().map(|source| (source.id, source.name)).collect();
    Ok(found.iter().map(|row| view(row, &sizes, &names)).collect())
}

fn view(row: &GroupRow, sizes: &HashMap<GroupId, i64>, names: &BTreeMap<SourceId, String>) -> TeamView {
    let kind = if row.source == SELF_MANAGED {
        Kind::SelfManaged
    } else {
        Kind::Idp { source: names.get(&row.source).cloned().unwrap_or_default() }
    };
    TeamView {
        id: row.id.to_string(),
        name: row.display_name.clone(),
        kind,
        size: sizes.get(&row.id).copied().unwrap_or_default(),
        members: None,
    }
}

fn detail(conn: &mut DbConn, workspace: WorkspaceId, id: GroupId) -> Result<TeamView, ServiceError> {
    let row = match groups::load(conn, workspace, Reach::Workspace, id) {
        Err(StoreError::NotFound) => return Err(ServiceError::NotFound("team")),
        other => other?,
    };
    let mut team = views(conn, workspace, &[row])?.pop().ok_or(ServiceError::NotFound("team"))?;
    let members = memberships::of_group(conn, workspace, id, TEAM_SHOWN)?;
    team.members = Some(
        members
            .into_iter()
            .map(|shown| TeamMember { id: shown.member.id.to_string(), display: shown.display })
            .collect(),
    );
    Ok(team)
}
