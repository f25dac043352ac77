//! Owners and Managers of a hub (business-hubs.md section 3.2): who they are and through what, making
//! and unmaking them by name. They need no seat for it. What comes through a group is the group's.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::owners::{self, lower_shares, note};
use super::page::{Page, PageRequest};
use super::rights::{Source, Standing, Through, has_service_account, standings};
use super::scribe::Scribe;
use super::{Caller, Context, ServiceError, hubs, roles};
use crate::base::clock::Micros;
use crate::base::ids::{UserId, WorkspaceId};
use crate::base::limits::PEOPLE_LOOKED_AT;
use crate::domain::catalog::Catalog;
use crate::domain::hub::Hub;
use crate::domain::mapping::HubRole;
use crate::domain::member::{Member, MemberStatus, Presence};
use crate::domain::rights::{HubRight, Role};
use crate::store::managers::{self as rows, Manager};
use crate::store::rules_lock::rules_change;
use crate::store::{DbConn, Tx, hub_members, users};

/// What somebody is made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagerBody {
    /// `owner` or `manager`.
    #[serde(default)]
    pub role: String,
    /// Whether they are given the hub's service account; without it they are a Security Manager.
    /// `false` unless told, where the hub has one.
    pub service_account: Option<bool>,
}

/// Whether they have an account in the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seat {
    /// They have one.
    Seated,
    /// They had one.
    Removed,
}

/// Somebody who runs a hub, as the API shows them.
#[derive(Clone, Debug, Serialize)]
pub struct ManagerView {
    /// The SCIM id.
    pub user: String,
    /// The userName.
    pub user_name: String,
    /// What they may do in the hub: the strongest of all, within what their workspace role allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<HubRight>,
    /// `owner`, `manager`, or `mixed` where several things give different roles.
    pub role: &'static str,
    /// Their workspace role.
    pub workspace_role: Role,
    /// `seated`, `removed`, or absent: they run the hub and use no seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
    /// What gives it, one by one.
    pub sources: Vec<SourceView>,
}

/// One thing that gives a role in a hub.
#[derive(Clone, Debug, Serialize)]
pub struct SourceView {
    /// The role.
    pub role: HubRole,
    /// `name`, `share` or `group`.
    pub through: &'static str,
    /// Which group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether they were given the hub's service account with it; only where the hub has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<bool>,
}

impl SourceView {
    fn of(hub: &Hub, source: &Source) -> Self {
        let (through, group, given) = match &source.through {
            Through::Name { service_account } => ("name", None, *service_account),
            Through::Share => ("share", None, false),
            Through::Group(name) => ("group", Some(name.clone()), false),
        };
        Self { role: source.role, through, group, service_account: has_service_account(hub).then_some(given) }
    }
}

/// A page of those who run a hub, by id.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Invalid`] for a bad cursor.
pub async fn list(
    context: &Context,
    caller: &Caller,
    slug: &str,
    page: &PageRequest,
) -> Result<Page<ManagerView>, ServiceError> {
    let (limit, begin, slug) = (page.limit(), page.after::<UserId>()?, slug.to_owned());
    let (workspace, catalog, now) = (caller.workspace, context.catalog.clone(), context.clock.now());
    context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            let look = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let mut found: Vec<Standing> = Vec::new();
            let (mut after, mut looked, mut more) = (begin, 0_usize, true);
            while more && found.len() <= limit && looked < PEOPLE_LOOKED_AT {
                let some = rows::candidates(conn, workspace, hub.id, after, look)?;
                more = i64::try_from(some.len()).unwrap_or(look) == look;
                looked = looked.saturating_add(some.len());
                after = some.last().copied().or(after);
                let all = standings(conn, workspace, &catalog, &hub, &some, now)?;
                found.extend(all.into_iter().filter(|one| runs(&one.sources)));
            }
            let full = found.len() > limit;
            found.truncate(limit);
            let next = if full { found.last().map(|one| one.user) } else { after.filter(|_| more) };
            Ok(Page { items: views(conn, workspace, &hub, found)?, next: next.map(|user| user.to_string()) })
        })
        .await
}

fn runs(sources: &[Source]) -> bool {
    sources.iter().any(|source| source.role > HubRole::Collaborator)
}

/// Make somebody Owner or Manager by name, in place of what they were by name or by a share of their
/// own. They get no seat by it and lose none.
///
/// # Errors
/// [`ServiceError::NotFound`] for hub or user; [`ServiceError::Invalid`] naming the field;
/// [`ServiceError::Conflict`] where their workspace role allows no such thing, a group gives them more,
/// they would lower themselves, or the hub would lose its last Owner.
pub async fn put(
    context: &Context,
    caller: &Caller,
    slug: &str,
    user: &str,
    body: &ManagerBody,
) -> Result<ManagerView, ServiceError> {
    let role = match body.role.as_str() {
        "owner" => HubRole::Owner,
        "manager" => HubRole::Manager,
        _ => return Err(ServiceError::Invalid(String::from("role: one of owner, manager"))),
    };
    let entrusted = body.service_account;
    let made = change(context, caller, slug, user, Some((role, entrusted))).await?;
    made.ok_or(ServiceError::NotFound("manager"))
}

/// Unmake somebody who is Owner or Manager by name or by a share of their own.
///
/// # Errors
/// [`ServiceError::NotFound`] where they are none; [`ServiceError::Conflict`] naming the group it comes
/// through, for oneself, and for the last Owner.
pub async fn remove(context: &Context, caller: &Caller, slug: &str, user: &str) -> Result<(), ServiceError> {
    change(context, caller, slug, user, None).await.map(|_| ())
}

async fn change(
    context: &Context,
    caller: &Caller,
    slug: &str,
    user: &str,
    wanted: Option<(HubRole, Option<bool>)>,
) -> Result<Option<ManagerView>, ServiceError> {
    let (scribe, slug, user) = (Scribe::new(context, caller), slug.to_owned(), user.to_owned());
    let catalog = context.catalog.clone();
    let view = context
        .store
        .write(move |tx| {
            let workspace = scribe.workspace;
            rules_change(tx, workspace)?;
            let hub = hubs::find_locked(tx, workspace, &slug)?;
            let user = match user.parse::<UserId>() {
                // Also of somebody who was deleted, so that their row can be cleared away.
                Ok(id) if wanted.is_none() => id,
                Ok(_) | Err(_) => roles::find_person(tx, workspace, &user)?,
            };
            let before = standing(tx, workspace, &catalog, &hub, user, scribe.now)?;
            match wanted {
                Some((role, entrusted)) => set(tx, &scribe, &hub, &before, role, entrusted)?,
                None => unset(tx, &scribe, &hub, &before)?,
            }
            let after = standing(tx, workspace, &catalog, &hub, user, scribe.now)?;
            check(tx, &scribe, &catalog, &hub, (&before, &after), wanted)?;
            let detail = json!({
                "role": wanted.map(|(role, _)| role), "right": after.right, "before": before.right,
            });
            let kind = if wanted.is_some() { "hub.manager_set" } else { "hub.manager_removed" };
            note(tx, &scribe, &hub, user, kind, detail)?;
            Ok::<_, ServiceError>(views(tx, workspace, &hub, vec![after])?.pop())
        })
        .await?;
    // A share may have changed.
    context.nudge.planner();
    Ok(view)
}

fn standing(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    hub: &Hub,
    user: UserId,
    now: Micros,
) -> Result<Standing, ServiceError> {
    standings(conn, workspace, catalog, hub, &[user], now)?.pop().ok_or(ServiceError::NotFound("user"))
}

fn set(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    hub: &Hub,
    before: &Standing,
    role: HubRole,
    entrusted: Option<bool>,
) -> Result<(), ServiceError> {
    let Some(is) = before.role else {
        return Err(ServiceError::Conflict(String::from("they are deactivated and can run no hub")));
    };
    if is.hub_ceiling() < HubRight::Manager {
        return Err(ServiceError::Conflict(format!(
            "somebody with the workspace role {is} is never Owner or Manager of a hub"
        )));
    }
    let has_account = has_service_account(hub);
    if entrusted == Some(true) && !has_account {
        return Err(ServiceError::Invalid(String::from("service_account: this hub has none to give; leave it out")));
    }
    lower_shares(tx, scribe, hub, before.user)?;
    let manager = Manager {
        user: before.user,
        role,
        // Nothing is withheld where there is nothing.
        service_account: entrusted.unwrap_or(!has_account),
        given_by: scribe.actor.clone(),
        given_at: scribe.now,
    };
    rows::put(tx, scribe.workspace, hub.id, &manager)?;
    match role {
        HubRole::Owner => rows::show_owners(tx, scribe.workspace, hub.id)?,
        HubRole::Manager | HubRole::Collaborator => rows::reset_row(tx, scribe.workspace, hub.id, before.user)?,
    }
    Ok(())
}

fn unset(tx: &mut Tx<'_>, scribe: &Scribe, hub: &Hub, before: &Standing) -> Result<(), ServiceError> {
    let named = rows::remove(tx, scribe.workspace, hub.id, before.user)?;
    let shares = lower_shares(tx, scribe, hub, before.user)?;
    if named || shares > 0 {
        return Ok(rows::reset_row(tx, scribe.workspace, hub.id, before.user)?);
    }
    match through_groups(before).as_slice() {
        [] => Err(ServiceError::NotFound("manager")),
        groups => Err(ServiceError::Conflict(format!(
            "this comes through {} and cannot be taken from one person: change the role of the group's mapping, or \
             who is in the group",
            groups.join(" and ")
        ))),
    }
}

/// The groups that make somebody Owner or Manager, the strongest first.
fn through_groups(standing: &Standing) -> Vec<&str> {
    let mut groups: Vec<(HubRole, &str)> = standing
        .sources
        .iter()
        .filter(|source| source.role > HubRole::Collaborator)
        .filter_map(|source| match &source.through {
            Through::Group(name) => Some((source.role, name.as_str())),
            Through::Name { .. } | Through::Share => None,
        })
        .collect();
    groups.sort_unstable_by(|one, other| other.cmp(one));
    groups.into_iter().map(|(_, name)| name).collect()
}

/// What a change must not come to.
fn check(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    catalog: &Catalog,
    hub: &Hub,
    (before, after): (&Standing, &Standing),
    wanted: Option<(HubRole, Option<bool>)>,
) -> Result<(), ServiceError> {
    let strongest = |standing: &Standing| standing.sources.iter().map(|source| source.role).max();
    if let Some((role, _)) = wanted
        && strongest(after) > Some(role)
    {
        return Err(ServiceError::Conflict(format!(
            "they are more than that through {}, which cannot be changed for one person: change the role of the \
             group's mapping, or who is in the group",
            through_groups(after).join(" and ")
        )));
    }
    if scribe.caller.person == Some(before.user) && (after.right < before.right || strongest(after) < strongest(before))
    {
        return Err(ServiceError::Conflict(String::from(
            "nobody takes their own role as Owner or Manager away: another Owner does it",
        )));
    }
    let loses = before.right == Some(HubRight::Owner) && after.right != Some(HubRight::Owner);
    if loses && !owners::another(tx, scribe.workspace, catalog, hub, Some(before.user), scribe.now)? {
        return Err(ServiceError::Conflict(String::from(
            "this is the last Owner of the hub: make somebody else Owner first",
        )));
    }
    Ok(())
}

fn views(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: &Hub,
    found: Vec<Standing>,
) -> Result<Vec<ManagerView>, ServiceError> {
    let people: Vec<UserId> = found.iter().map(|one| one.user).collect();
    let rows = users::load_many(conn, workspace, &people)?;
    let accounts = hub_members::of_users(conn, workspace, hub.id, &people)?;
    Ok(found
        .into_iter()
        .filter_map(|standing| {
            let user = rows.iter().find(|row| row.id == standing.user)?;
            let account = accounts.iter().find(|account| account.user == Some(standing.user));
            Some(ManagerView {
                user: standing.user.to_string(),
                user_name: user.user_name.clone(),
                right: standing.right,
                role: role_word(&standing.sources),
                workspace_role: standing.role?,
                seat: account.and_then(seat),
                sources: standing.sources.iter().map(|source| SourceView::of(hub, source)).collect(),
            })
        })
        .collect())
}

/// Several grants with different hub roles show as mixed.
fn role_word(sources: &[Source]) -> &'static str {
    let mut roles = sources.iter().map(|source| source.role);
    match roles.next() {
        None => "none",
        Some(first) if roles.any(|role| role != first) => "mixed",
        Some(HubRole::Owner) => "owner",
        Some(HubRole::Manager) => "manager",
        Some(HubRole::Collaborator) => "collaborator",
    }
}

fn seat(account: &Member) -> Option<Seat> {
    match account.known {
        Presence::Pending | Presence::Active | Presence::Suspended => Some(Seat::Seated),
        Presence::Absent => match account.status {
            MemberStatus::Removed => Some(Seat::Removed),
            MemberStatus::Settled
            | MemberStatus::UnmatchedUser
            | MemberStatus::Exempted
            | MemberStatus::PendingUserClaim
            | MemberStatus::Inviting
            | MemberStatus::PendingInviteClaim
            | MemberStatus::InviteExpired
            | MemberStatus::InviteFailed
            | MemberStatus::AwaitingUserLogin
            | MemberStatus::AwaitingUpdate
            | MemberStatus::UpdateFailed
            | MemberStatus::AwaitingDeprovisioning
            | MemberStatus::DeprovisioningFailed
            | MemberStatus::NeedsData
            | MemberStatus::SyncFailed => None,
        },
    }
}
