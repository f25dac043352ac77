//! Workspace roles: giving and taking them by name, and handing the workspace on (business-hubs.md
//! section 3.1). Who may give which is `domain::rights`' to say; what a person's role comes to is
//! looked up with every request, so a change counts for the next one.

use serde::Deserialize;
use serde_json::json;

use super::error::FieldError;
use super::roster::{self, PersonView};
use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, owners};
use crate::base::ids::{UserId, WorkspaceId};
use crate::domain::rights::{Claims, Given, HubRight, NotGiven, Role, Subject, UnknownRole, may_give};
use crate::scim::fold;
use crate::store::rules_lock::rules_change;
use crate::store::{DbConn, Tx, reading, roles, users};

/// A role to give.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    /// The role.
    #[serde(default)]
    pub role: String,
}

impl RoleBody {
    pub(super) fn read(&self) -> Result<Role, ServiceError> {
        self.role.parse().map_err(|error: UnknownRole| ServiceError::Invalid(format!("role: {error}")))
    }
}

/// What becomes of whoever hands the workspace on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// The role of the former Owner; `super_admin` unless told.
    pub former: Option<String>,
}

/// Somebody of the workspace by SCIM id or userName.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub(super) fn find_person(conn: &mut DbConn, workspace: WorkspaceId, name: &str) -> Result<UserId, ServiceError> {
    if let Ok(id) = name.parse::<UserId>()
        && !users::load_many(conn, workspace, &[id])?.is_empty()
    {
        return Ok(id);
    }
    reading::user_by_name(conn, workspace, &fold::user_name(name))?.ok_or(ServiceError::NotFound("user"))
}

/// The same for somebody whom a field of a request names.
///
/// # Errors
/// [`ServiceError::InvalidFields`] with that field and the name.
pub(super) fn person_in_field(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    field: &str,
    name: &str,
) -> Result<UserId, ServiceError> {
    find_person(conn, workspace, name).map_err(|error| match error {
        ServiceError::NotFound(_) => {
            let why = format!("{field}: nobody of this workspace has the id or userName '{name}'");
            ServiceError::InvalidFields(vec![FieldError::new(field, why)])
        }
        other => other,
    })
}

impl From<NotGiven> for ServiceError {
    fn from(why: NotGiven) -> Self {
        match why {
            NotGiven::Forbidden(text) => Self::Forbidden(text),
            NotGiven::Impossible(text) => Self::Conflict(text),
        }
    }
}

/// Give somebody a role by name, in place of the one they were given before.
///
/// Whose new role owns nothing loses what they own; hubs without another Owner go to the Owner of the
/// workspace (3.1).
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Invalid`] for no role of ours;
/// [`ServiceError::Forbidden`] for more than the caller may give; [`ServiceError::Conflict`] for the
/// Owner's role, a guest, somebody who is not active, or hubs that nobody could take over.
pub async fn give(context: &Context, caller: &Caller, user: &str, body: &RoleBody) -> Result<PersonView, ServiceError> {
    let role = body.read()?;
    change(context, caller, user, Some(role)).await
}

/// Take away what somebody was given by name: they are what their groups make them, or a user.
///
/// # Errors
/// As [`give`]; [`ServiceError::NotFound`] also where they were given nothing.
pub async fn take(context: &Context, caller: &Caller, user: &str) -> Result<(), ServiceError> {
    change(context, caller, user, None).await.map(|_| ())
}

async fn change(
    context: &Context,
    caller: &Caller,
    user: &str,
    wanted: Option<Role>,
) -> Result<PersonView, ServiceError> {
    let (scribe, user, catalog) = (Scribe::new(context, caller), user.to_owned(), context.catalog.clone());
    context
        .store
        .write(move |tx| {
            let workspace = scribe.workspace;
            rules_change(tx, workspace)?;
            let user = find_person(tx, workspace, &user)?;
            let claims = roles::claims_of(tx, workspace, user)?.ok_or(ServiceError::NotFound("user"))?;
            let named = roles::named(tx, workspace, &[user])?.remove(&user);
            let subject = Subject {
                role: claims.role(),
                owner: named.as_ref().is_some_and(|named| named.role == Role::Owner),
                guest: claims.guest,
            };
            may_give(scribe.caller.maker(), subject, wanted)?;
            let after = becomes(&claims, wanted, &scribe);
            if after.hub_ceiling() < HubRight::Owner {
                owners::strip(tx, &scribe, &catalog, user)?;
            }
            let kind = match wanted {
                Some(role) => {
                    if !claims.active {
                        return Err(ServiceError::Conflict(String::from(
                            "they are deactivated: a role given now would not count when they come back",
                        )));
                    }
                    roles::give(tx, workspace, user, role, &scribe.actor, scribe.now)?;
                    "person.role_given"
                }
                None => {
                    if !roles::take(tx, workspace, user)? {
                        return Err(ServiceError::NotFound("role given by name"));
                    }
                    "person.role_taken"
                }
            };
            let detail = json!({ "role": wanted, "before": named.map(|named| named.role), "is": after });
            note(tx, &scribe, user, kind, detail)?;
            roster::person(tx, workspace, &catalog, user, scribe.now)
        })
        .await
}

/// What somebody is once this is what they are given by name.
fn becomes(claims: &Claims, wanted: Option<Role>, scribe: &Scribe) -> Role {
    let mut after = claims.clone();
    after.given.retain(|given| given.group.is_some());
    after.given.extend(wanted.map(|role| Given { role, at: scribe.now, group: None }));
    after.role()
}

/// Hand the workspace to somebody, who is its one Owner from then on. A fresh workspace has none: its
/// operator makes the first.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] for a guest or somebody who is not active;
/// [`ServiceError::Invalid`] for the former Owner's new role.
pub async fn hand_over(
    context: &Context,
    caller: &Caller,
    user: &str,
    body: &HandOver,
) -> Result<PersonView, ServiceError> {
    let former = match body.former.as_deref() {
        None => Role::SuperAdmin,
        Some(word) => match word.parse() {
            Ok(role @ (Role::User | Role::Auditor | Role::Admin | Role::SuperAdmin)) => role,
            Ok(Role::Guest | Role::LoginOnly | Role::Owner) => {
                return Err(ServiceError::Invalid(String::from(
                    "former: one of user, auditor, admin, super_admin; less can be given afterwards",
                )));
            }
            Err(error) => {
                let error: UnknownRole = error;
                return Err(ServiceError::Invalid(format!("former: {error}")));
            }
        },
    };
    let (scribe, user, catalog) = (Scribe::new(context, caller), user.to_owned(), context.catalog.clone());
    context
        .store
        .write(move |tx| {
            let workspace = scribe.workspace;
            rules_change(tx, workspace)?;
            let user = find_person(tx, workspace, &user)?;
            let claims = roles::claims_of(tx, workspace, user)?.ok_or(ServiceError::NotFound("user"))?;
            if claims.guest {
                return Err(ServiceError::Conflict(String::from("a guest cannot own the workspace")));
            }
            if !claims.active {
                return Err(ServiceError::Conflict(String::from("they are deactivated and cannot own the workspace")));
            }
            let before = roles::owner(tx, workspace)?;
            if owners::of_workspace(tx, workspace)? == Some(user) {
                return roster::person(tx, workspace, &catalog, user, scribe.now);
            }
            if let Some(before) = before.filter(|before| *before != user) {
                roles::take(tx, workspace, before)?;
                // Who was deactivated or deleted keeps nothing that they could come back to.
                if users::is_active(tx, workspace, before)? {
                    if former.hub_ceiling() < HubRight::Owner {
                        owners::strip_for(tx, &scribe, &catalog, before, user)?;
                    }
                    roles::give(tx, workspace, before, former, &scribe.actor, scribe.now)?;
                }
            }
            roles::give(tx, workspace, user, Role::Owner, &scribe.actor, scribe.now)?;
            let detail = json!({ "from": before, "to": user, "former": before.map(|_| former) });
            note(tx, &scribe, user, "workspace.owner_changed", detail)?;
            roster::person(tx, workspace, &catalog, user, scribe.now)
        })
        .await
}

fn note(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    user: UserId,
    kind: &str,
    detail: serde_json::Value,
) -> Result<(), ServiceError> {
    let target = format!("user:{user}");
    Ok(scribe.record(tx, kind, About { target: &target, user: Some(user), detail, ..About::default() })?)
}
