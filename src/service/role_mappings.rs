//! Groups of the identity provider that give their members a workspace role. Nothing is copied: who is
//! in the group has the role with their next request, and who leaves it has it no more. The highest of
//! all that count wins.

use serde::Serialize;
use serde_json::json;

use super::page::{Page, PageRequest};
use super::roles::RoleBody;
use super::scribe::{About, Scribe};
use super::whatif::steps::RoleStep;
use super::{Caller, Context, ServiceError};
use crate::base::ids::{GroupId, SELF_MANAGED, WorkspaceId};
use crate::domain::rights::{Role, may_map};
use crate::store::groups::{self, GroupRow};
use crate::store::reach::Reach;
use crate::store::role_files::{self, RoleRow};
use crate::store::roles::{self, RoleMapping};
use crate::store::rules_lock::rules_change;
use crate::store::{DbConn, StoreError, Tx};

/// A group that gives a role, as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct RoleMappingView {
    /// The group's id.
    pub group: String,
    /// Its name; absent after the identity provider deleted it, when it gives nobody anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The role its members have.
    pub role: Role,
    /// Who said so.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
    /// Whose file manages it (`apply --owner`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The commit it came with (`apply --ref`), until a hand changes it.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub file_ref: Option<String>,
}

impl From<RoleMapping> for RoleMappingView {
    fn from(mapping: RoleMapping) -> Self {
        Self {
            group: mapping.group.to_string(),
            name: mapping.name,
            role: mapping.role,
            by: mapping.given_by,
            at: mapping.given_at.to_rfc3339(),
            owner: mapping.owner,
            file_ref: mapping.file_ref,
        }
    }
}

/// A page of the groups that give a role, by id.
///
/// # Errors
/// [`ServiceError::Invalid`] for a bad cursor.
pub async fn list(
    context: &Context,
    caller: &Caller,
    page: &PageRequest,
) -> Result<Page<RoleMappingView>, ServiceError> {
    let (workspace, limit, after) = (caller.workspace, page.limit(), page.after::<GroupId>()?);
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let found = context.store.read(move |conn| roles::mappings(conn, workspace, after, wanted)).await?;
    Ok(Page::cut(found.into_iter().map(RoleMappingView::from).collect(), limit, |one| one.group.clone()))
}

/// Let a group give its members a role, in place of the one it gave before.
///
/// # Errors
/// [`ServiceError::NotFound`] for the group; [`ServiceError::Invalid`] for no role of ours;
/// [`ServiceError::Forbidden`] for more than the caller may give; [`ServiceError::Conflict`] for the
/// Owner's role, and for a team that is managed here.
pub async fn put(
    context: &Context,
    caller: &Caller,
    group: &str,
    body: &RoleBody,
) -> Result<RoleMappingView, ServiceError> {
    let (role, id) = (body.read()?, parse(group)?);
    let scribe = Scribe::new(context, caller);
    context
        .store
        .write(move |tx| {
            let workspace = scribe.workspace;
            rules_change(tx, workspace)?;
            let group = find(tx, workspace, id)?.ok_or(ServiceError::NotFound("group"))?;
            if group.source == SELF_MANAGED {
                return Err(ServiceError::Conflict(format!(
                    "'{}' is a team managed here: roles come from groups of the identity provider, or are given by name",
                    group.display_name
                )));
            }
            let before = roles::mapped(tx, workspace, id)?;
            may_map(scribe.caller.maker(), Some(role), before)?;
            // What a hand changed is no longer what that commit said; whose file has it stays.
            let owner = role_files::owner(tx, workspace, id)?;
            set(tx, &scribe, id, &group.display_name, (role, before), (owner.as_deref(), None))?;
            Ok(RoleMappingView {
                group: id.to_string(),
                name: Some(group.display_name),
                role,
                by: scribe.actor.clone(),
                at: scribe.now.to_rfc3339(),
                owner,
                file_ref: None,
            })
        })
        .await
}

/// Let a group give no role any more.
///
/// # Errors
/// [`ServiceError::NotFound`] where it gives none; [`ServiceError::Forbidden`].
pub async fn remove(context: &Context, caller: &Caller, group: &str) -> Result<(), ServiceError> {
    let (id, scribe) = (parse(group)?, Scribe::new(context, caller));
    context
        .store
        .write(move |tx| {
            let workspace = scribe.workspace;
            rules_change(tx, workspace)?;
            let before = roles::mapped(tx, workspace, id)?.ok_or(ServiceError::NotFound("role mapping"))?;
            may_map(scribe.caller.maker(), None, Some(before))?;
            unset(tx, &scribe, id, before)
        })
        .await
}

fn set(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    group: GroupId,
    name: &str,
    (role, before): (Role, Option<Role>),
    (owner, file_ref): (Option<&str>, Option<&str>),
) -> Result<(), ServiceError> {
    roles::map(tx, scribe.workspace, group, role, &scribe.actor, (owner, file_ref), scribe.now)?;
    let target = format!("group:{group}");
    let detail = json!({ "group": name, "role": role, "before": before, "owner": owner, "ref": file_ref });
    Ok(scribe.record(tx, "role_mapping.put", About { target: &target, detail, ..About::default() })?)
}

fn unset(tx: &mut Tx<'_>, scribe: &Scribe, group: GroupId, before: Role) -> Result<(), ServiceError> {
    roles::unmap(tx, scribe.workspace, group)?;
    let target = format!("group:{group}");
    let detail = json!({ "before": before });
    Ok(scribe.record(tx, "role_mapping.removed", About { target: &target, detail, ..About::default() })?)
}

/// What a file says of one group.
///
/// # Errors
/// A failed statement.
pub(super) fn carry_out(tx: &mut Tx<'_>, scribe: &Scribe, step: &RoleStep) -> Result<(), ServiceError> {
    let before = step.before.as_ref().map(|before| before.role);
    match (&step.after, &step.before) {
        (Some(after), _) => {
            let from = (after.owner.as_deref(), after.file_ref.as_deref());
            set(tx, scribe, after.group, &step.name, (after.role, before), from)
        }
        (None, Some(gone)) => unset(tx, scribe, gone.group, gone.role),
        (None, None) => Ok(()),
    }
}

/// Whether the caller may make this change of a group's role: as through the API, nobody gives or takes more than
/// they have.
///
/// # Errors
/// As [`put`].
pub(super) fn check(scribe: &Scribe, step: &RoleStep) -> Result<(), ServiceError> {
    let role = |row: &Option<RoleRow>| row.as_ref().map(|row| row.role);
    may_map(scribe.caller.maker(), role(&step.after), role(&step.before)).map_err(ServiceError::from)
}

fn parse(id: &str) -> Result<GroupId, ServiceError> {
    id.parse().map_err(|_| ServiceError::NotFound("group"))
}

fn find(conn: &mut DbConn, workspace: WorkspaceId, id: GroupId) -> Result<Option<GroupRow>, StoreError> {
    match groups::load(conn, workspace, Reach::Workspace, id) {
        Err(StoreError::NotFound) => Ok(None),
        other => other.map(Some),
    }
}
