//! Local partners: businesses outside whose people are guests here (business-hubs.md section 9). A
//! partner is run by an admin of the workspace, by Host Admins, who are ours, and by Guest Admins, who
//! are theirs. Removing it takes all its guests out of the workspace.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::guests::{self, GuestBody, Invitation};
use super::page::{Page, PageRequest};
use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, shown};
use crate::base::ids::{PartnerId, UserId, WorkspaceId};
use crate::base::limits::PARTNER_PEOPLE;
use crate::base::visible;
use crate::domain::principal;
use crate::domain::rights::{Hand, PartnerRole};
use crate::scim::fold;
use crate::scim::resource::Object;
use crate::store::partners::{self as rows, Belonging, Partner};
use crate::store::{DbConn, StoreError, Tx, roles, users};

/// A partner as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct PartnerView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many people are in it, admins of ours among them.
    pub size: i64,
    /// Who made it: `user:<id>`, `token:<id>` or `cli`.
    pub created_by: String,
    /// When, RFC 3339.
    pub created: String,
    /// Who is in it, by id; only where one partner is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<Vec<PartnerPerson>>,
}

/// Somebody in a partner.
#[derive(Clone, Debug, Serialize)]
pub struct PartnerPerson {
    /// The SCIM id.
    pub id: String,
    /// The userName.
    pub user_name: String,
    /// The name people read.
    pub display: String,
    /// `guest`, `guest_admin` or `host_admin`.
    pub role: &'static str,
    /// Since when, RFC 3339.
    pub since: String,
}

/// A partner to make.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerBody {
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// What somebody shall be in a partner.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberBody {
    /// `guest`, `guest_admin` or `host_admin`.
    #[serde(default)]
    pub role: String,
}

/// A page of partners: all, or those that the caller runs.
///
/// # Errors
/// [`ServiceError::Invalid`] for a bad cursor.
pub async fn list(context: &Context, caller: &Caller, page: PageRequest) -> Result<Page<PartnerView>, ServiceError> {
    let workspace = caller.workspace;
    let (limit, after) = (page.limit(), page.after::<PartnerId>()?);
    let narrowed = caller.sight.narrowed();
    let found = context
        .store
        .read(move |conn| {
            let run_by = match narrowed.map(|theirs| theirs.person) {
                None => None,
                Some(Some(person)) => Some(person),
                // A service runs none.
                Some(None) => return Ok(Vec::new()),
            };
            let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let found = rows::page(conn, workspace, run_by, after, wanted)?;
            views(conn, workspace, &found)
        })
        .await?;
    Ok(Page::cut(found, limit, |partner| partner.id.clone()))
}

/// One partner with its people.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn show(context: &Context, caller: &Caller, id: &str) -> Result<PartnerView, ServiceError> {
    let (workspace, id) = (caller.workspace, parse(id)?);
    context.store.read(move |conn| detail(conn, workspace, id)).await
}

/// Make a partner, without anybody in it.
///
/// # Errors
/// [`ServiceError::Invalid`] naming the field, [`ServiceError::Conflict`] when the name is taken.
pub async fn create(context: &Context, caller: &Caller, body: &PartnerBody) -> Result<PartnerView, ServiceError> {
    let name = body.name.trim().to_owned();
    if visible::is_blank(&name) {
        return Err(ServiceError::Invalid(String::from("name: a partner needs a name")));
    }
    visible::plain_line(&name).map_err(|why| ServiceError::Invalid(format!("name: {why}")))?;
    shown::check_identifier("name", Some(&name))?;
    let scribe = Scribe::new(context, caller);
    context
        .store
        .write(move |tx| {
            let partner = Partner {
                id: PartnerId::from_uuid(scribe.id()),
                name: name.clone(),
                created_by: scribe.actor.to_string(),
                created_at: scribe.now,
            };
            match rows::insert(tx, scribe.workspace, &partner, &fold::text(&name)) {
                Err(StoreError::Conflict { .. }) => {
                    return Err(ServiceError::Conflict(format!("name: another partner is called '{name}' already")));
                }
                other => other?,
            }
            tell(tx, &scribe, &partner, "partner.created", None, json!({ "name": partner.name }))?;
            detail(tx, scribe.workspace, partner.id)
        })
        .await
}

/// Remove a partner: its guests leave the workspace and lose their seats (R9.1), as somebody who is
/// deactivated does; admins of ours only stop being it.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn delete(context: &Context, caller: &Caller, id: &str) -> Result<(), ServiceError> {
    let (scribe, id) = (Scribe::new(context, caller), parse(id)?);
    context
        .store
        .write(move |tx| {
            let workspace = scribe.workspace;
            let partner = load(tx, workspace, id)?;
            let people = rows::people(tx, workspace, id)?;
            let guests: Vec<UserId> =
                people.iter().filter(|one| one.role != PartnerRole::HostAdmin).map(|one| one.user).collect();
            guests::send_off(tx, &scribe, &guests)?;
            rows::delete(tx, workspace, id)?;
            let detail = json!({ "name": partner.name, "guests": guests.len() });
            tell(tx, &scribe, &partner, "partner.removed", None, detail)
        })
        .await?;
    context.nudge.planner();
    Ok(())
}

/// Bring in a guest of this partner.
///
/// # Errors
/// As [`guests::invite`]; [`ServiceError::NotFound`]; [`ServiceError::Forbidden`] for a guest, who invites
/// nobody; [`ServiceError::Conflict`] when it is full.
pub async fn invite(
    context: &Context,
    caller: &Caller,
    id: &str,
    body: &GuestBody,
) -> Result<PartnerView, ServiceError> {
    let (invitation, id) = (Invitation::read(body)?, parse(id)?);
    let (scribe, catalog) = (Scribe::new(context, caller), context.catalog.clone());
    let shown = context
        .store
        .write(move |tx| {
            let partner = load(tx, scribe.workspace, id)?;
            if !hand(&scribe)?.may_invite() {
                return Err(ServiceError::Forbidden(String::from(
                    "a guest invites nobody: a Host Admin of the partner or an admin of the workspace does",
                )));
            }
            room(tx, scribe.workspace, id)?;
            let user = invitation.take_in(tx, &scribe, &catalog, json!({ "partner": partner.name }))?;
            let belonging = Belonging { user, role: PartnerRole::Guest, given_at: scribe.now };
            rows::put(tx, scribe.workspace, id, belonging, &scribe.actor)?;
            detail(tx, scribe.workspace, id)
        })
        .await?;
    context.nudge.planner();
    Ok(shown)
}

/// Make somebody something in a partner. Guests become `guest` or `guest_admin`, people of the directory
/// `host_admin`.
///
/// # Errors
/// [`ServiceError::NotFound`] for partner or user; [`ServiceError::Invalid`] for no role of ours;
/// [`ServiceError::Forbidden`] for more than the caller may give; [`ServiceError::Conflict`] for a role that
/// they cannot have, for a guest of another partner, and when it is full.
pub async fn put_member(
    context: &Context,
    caller: &Caller,
    id: &str,
    user: &str,
    body: &MemberBody,
) -> Result<PartnerView, ServiceError> {
    let role: PartnerRole = body.role.parse().map_err(|wrong| ServiceError::Invalid(format!("role: {wrong}")))?;
    let (scribe, id, user) = (Scribe::new(context, caller), parse(id)?, person(user)?);
    context
        .store
        .write(move |tx| {
            let workspace = scribe.workspace;
            let partner = load(tx, workspace, id)?;
            let now = rows::of(tx, workspace, id, user)?.map(|one| one.role);
            if !hand(&scribe)?.may_make(now, role) {
                return Err(ServiceError::Forbidden(format!(
                    "making somebody {role} of this partner needs an admin of the workspace, or for its own guests a \
                     Host Admin of it"
                )));
            }
            can_be(tx, workspace, user, role)?;
            if now.is_none() {
                if let Some(other) = rows::of_guest(tx, workspace, user)?.filter(|_| role != PartnerRole::HostAdmin) {
                    return Err(ServiceError::Conflict(format!("they are a guest of another partner: {other}")));
                }
                room(tx, workspace, id)?;
            }
            // Also what they are already: said again, it counts after a deactivation.
            rows::put(tx, workspace, id, Belonging { user, role, given_at: scribe.now }, &scribe.actor)?;
            let told = json!({ "role": role.as_str(), "before": now.map(PartnerRole::as_str) });
            tell(tx, &scribe, &partner, "partner.role_given", Some(user), told)?;
            detail(tx, workspace, id)
        })
        .await
}

/// Take somebody out of a partner: a guest leaves the workspace with it (R9.1), one of ours only stops
/// being its admin.
///
/// # Errors
/// [`ServiceError::NotFound`] for partner or member; [`ServiceError::Forbidden`] for whom the caller may not
/// take out (R9.2).
pub async fn remove_member(context: &Context, caller: &Caller, id: &str, user: &str) -> Result<(), ServiceError> {
    let (scribe, id, user) = (Scribe::new(context, caller), parse(id)?, person(user)?);
    context
        .store
        .write(move |tx| {
            let workspace = scribe.workspace;
            let partner = load(tx, workspace, id)?;
            let Some(there) = rows::of(tx, workspace, id, user)? else {
                return Err(ServiceError::NotFound("member"));
            };
            if !hand(&scribe)?.may_remove(there.role) {
                return Err(ServiceError::Forbidden(String::from(
                    "a Guest Admin takes out guests, a Host Admin guests and Guest Admins, an admin of the workspace \
                     everybody",
                )));
            }
            rows::remove(tx, workspace, id, user)?;
            tell(tx, &scribe, &partner, "partner.member_removed", Some(user), json!({ "role": there.role.as_str() }))?;
            match there.role {
                PartnerRole::HostAdmin => Ok(()),
                PartnerRole::Guest | PartnerRole::GuestAdmin => guests::send_off(tx, &scribe, &[user]),
            }
        })
        .await?;
    context.nudge.planner();
    Ok(())
}

fn parse(id: &str) -> Result<PartnerId, ServiceError> {
    id.parse().map_err(|_| ServiceError::NotFound("partner"))
}

fn person(id: &str) -> Result<UserId, ServiceError> {
    id.parse().map_err(|_| ServiceError::NotFound("user"))
}

fn load(conn: &mut DbConn, workspace: WorkspaceId, id: PartnerId) -> Result<Partner, ServiceError> {
    match rows::load(conn, workspace, id) {
        Err(StoreError::NotFound) => Err(ServiceError::NotFound("partner")),
        other => Ok(other?),
    }
}

/// By what the caller does it. Looked up before the handler, as every right is.
fn hand(scribe: &Scribe) -> Result<Hand, ServiceError> {
    scribe.caller.hand().ok_or_else(|| ServiceError::Forbidden(String::from("this needs an admin of the partner")))
}

/// Whether there is room for one more.
fn room(conn: &mut DbConn, workspace: WorkspaceId, id: PartnerId) -> Result<(), ServiceError> {
    let size = rows::sizes(conn, workspace, &[id])?.remove(&id).unwrap_or_default();
    if usize::try_from(size).unwrap_or(usize::MAX) < PARTNER_PEOPLE {
        return Ok(());
    }
    Err(ServiceError::Conflict(format!("the partner has {PARTNER_PEOPLE} people; make another for more")))
}

/// Whether somebody can be this at all.
fn can_be(conn: &mut DbConn, workspace: WorkspaceId, user: UserId, role: PartnerRole) -> Result<(), ServiceError> {
    let claims = roles::claims(conn, workspace, &[user])?.remove(&user).ok_or(ServiceError::NotFound("user"))?;
    if claims.active && role.counts(claims.role()) {
        return Ok(());
    }
    Err(ServiceError::Conflict(String::from(match role {
        PartnerRole::Guest | PartnerRole::GuestAdmin => "only a guest can be this; one of ours can be its host_admin",
        PartnerRole::HostAdmin => "a Host Admin is an active person of the directory whose role is user or more",
    })))
}

fn tell(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    partner: &Partner,
    kind: &str,
    user: Option<UserId>,
    detail: serde_json::Value,
) -> Result<(), ServiceError> {
    let target = format!("partner:{}", partner.id);
    Ok(scribe.record(tx, kind, About { target: &target, user, detail, ..About::default() })?)
}

fn views(conn: &mut DbConn, workspace: WorkspaceId, found: &[Partner]) -> Result<Vec<PartnerView>, ServiceError> {
    let ids: Vec<PartnerId> = found.iter().map(|partner| partner.id).collect();
    let sizes = rows::sizes(conn, workspace, &ids)?;
    let view = |partner: &Partner| PartnerView {
        id: partner.id.to_string(),
        name: partner.name.clone(),
        size: sizes.get(&partner.id).copied().unwrap_or_default(),
        created_by: partner.created_by.clone(),
        created: partner.created_at.to_rfc3339(),
        people: None,
    };
    Ok(found.iter().map(view).collect())
}

fn detail(conn: &mut DbConn, workspace: WorkspaceId, id: PartnerId) -> Result<PartnerView, ServiceError> {
    let partner = load(conn, workspace, id)?;
    let mut view = views(conn, workspace, &[partner])?.pop().ok_or(ServiceError::NotFound("partner"))?;
    let there = rows::people(conn, workspace, id)?;
    let ids: Vec<UserId> = there.iter().map(|one| one.user).collect();
    let known = users::load_many(conn, workspace, &ids)?;
    let mut people = Vec::with_capacity(there.len());
    for one in there {
        // One of ours who was deleted since is nobody's admin any more.
        let Some(row) = known.iter().find(|row| row.id == one.user) else { continue };
        let document: Object =
            serde_json::from_str(&row.document).map_err(|_| StoreError::Corrupt("a user's document".into()))?;
        let name = principal::of_user(row.id, &row.user_name, &document);
        people.push(PartnerPerson {
            id: row.id.to_string(),
            user_name: row.user_name.clone(),
            display: principal::display(&name),
            role: one.role.as_str(),
            since: one.given_at.to_rfc3339(),
        });
    }
    view.people = Some(people);
    Ok(view)
}
