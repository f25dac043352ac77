//! What a caller may do, with everything looked up that `domain::rights` rests on: which hub a
//! request is about, the caller's right there, and what lists show them. Every entrance asks here.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::scribe::Scribe;
use super::whatif::steps::{Diff, Step};
use super::{Caller, Context, ServiceError, owners};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HoldId, HubId, PartnerId, TaskId, UserId, WorkspaceId};
use crate::domain::caller::{Sight, Theirs};
use crate::domain::catalog::Catalog;
use crate::domain::decide::{Ground, decide};
use crate::domain::hub::Hub;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, HubRole, Mapping};
use crate::domain::member::{Bucket, Member, Presence};
use crate::domain::rights::{Action, Claims, HubRight, Kind, PartnerRole, Rights, Role, Verdict, may, needed, who};
use crate::store::{
    DbConn, StoreError, facts, holds, hub_members, hubs as hub_rows, managers, parents, partners, roles, tasks,
};

/// What a request is about, as its address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The workspace.
    Workspace,
    /// The hub of this name.
    Hub(String),
    /// The hub of this task.
    Task(String),
    /// The hub of this held batch.
    Hold(String),
    /// This local partner.
    Partner(String),
}

/// One thing that gives a person a role in a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The role.
    pub role: HubRole,
    /// What gives it.
    pub through: Through,
}

/// What gives a role in a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Through {
    /// A person made them Owner or Manager; with the hub's service account or without.
    Name {
        /// Whether they were given it.
        service_account: bool,
    },
    /// A mapping to this person.
    Share,
    /// A mapping to a group of theirs, in words: `group meta-admins`.
    Group(String),
}

/// Whether a hub is run with an account of its own, which its managers are given or not. One that is
/// reached by a token needs none.
pub fn has_service_account(hub: &Hub) -> bool {
    hub.connection.contains_key("service_account")
}

/// Somebody and what they are in a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Who.
    pub user: UserId,
    /// Their workspace role; `None` for whoever is not there or not active.
    pub role: Option<Role>,
    /// Everything that gives them a role in the hub now.
    pub sources: Vec<Source>,
    /// What it comes to, the ceiling of their workspace role included.
    pub right: Option<HubRight>,
}

/// What these people are in a hub now, in their order.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn standings(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    hub: &Hub,
    users: &[UserId],
    now: Micros,
) -> Result<Vec<Standing>, StoreError> {
    let mut claims = roles::claims(conn, workspace, users)?;
    claims.retain(|_, claims| claims.active);
    let active: Vec<UserId> = users.iter().copied().filter(|user| claims.contains_key(user)).collect();
    let mut given: HashMap<UserId, Vec<Source>> = HashMap::new();
    if !active.is_empty() {
        for manager in managers::of_hub(conn, workspace, hub.id)? {
            // As with individual shares: what a person gave does not outlive a deactivation.
            let counts = |claims: &Claims| claims.deactivated_at.is_none_or(|left| manager.given_at > left);
            if claims.get(&manager.user).is_some_and(counts) {
                let through = Through::Name { service_account: manager.service_account };
                given.entry(manager.user).or_default().push(Source { role: manager.role, through });
            }
        }
        mapped(conn, workspace, catalog, hub, &active, now, &mut given)?;
    }
    let standing = |user: &UserId| {
        let role = claims.get(user).map(Claims::role);
        let sources = given.remove(user).unwrap_or_default();
        let right = role.and_then(|role| Rights::person(role).in_hub(strongest(hub, &sources)));
        Standing { user: *user, role, sources, right }
    };
    Ok(users.iter().map(standing).collect())
}

/// What the hub's mappings give these people.
fn mapped(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    hub: &Hub,
    users: &[UserId],
    now: Micros,
    given: &mut HashMap<UserId, Vec<Source>>,
) -> Result<(), StoreError> {
    // An app that is not in the catalog any more gives nobody anything.
    let Ok(app) = rules::app(catalog, &hub.app) else { return Ok(()) };
    let of_hub = facts::rules(conn, workspace, hub.id)?;
    for facts in facts::of_people(conn, workspace, hub.id, app, &of_hub, users)? {
        let (entitled, _) = decide(&Ground { app, policy: &hub.policy, rules: &of_hub }, &facts, now, now);
        for reason in &entitled.reasons {
            let Some(rule) = of_hub.iter().find(|rule| rule.mapping.id == reason.mapping) else { continue };
            let through = match rule.mapping.binding {
                Binding::User(_) => Through::Share,
                Binding::Group(_) | Binding::Waiting | Binding::Gone => Through::Group(rule.subject.clone()),
            };
            given.entry(facts.user).or_default().push(Source { role: rule.mapping.hub_role, through });
        }
    }
    Ok(())
}

/// Everything that gives a person a role in a hub now.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn sources(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    hub: &Hub,
    user: UserId,
    now: Micros,
) -> Result<Vec<Source>, StoreError> {
    let found = standings(conn, workspace, catalog, hub, &[user], now)?.pop();
    Ok(found.map(|standing| standing.sources).unwrap_or_default())
}

/// The strongest of these, as a right: what a mapping gives comes without the service account.
pub fn strongest(hub: &Hub, sources: &[Source]) -> Option<HubRight> {
    let entrusted = |source: &Source| match source.through {
        Through::Name { service_account } => service_account || !has_service_account(hub),
        Through::Share | Through::Group(_) => !has_service_account(hub),
    };
    sources.iter().map(|source| HubRight::of(source.role, entrusted(source))).max()
}

fn right_in(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    hub: &Hub,
    user: UserId,
    now: Micros,
) -> Result<Option<HubRight>, StoreError> {
    let found = strongest(hub, &sources(conn, workspace, catalog, hub, user, now)?);
    if found.is_some() {
        return Ok(found);
    }
    // Whoever has an account there uses the hub, however they came to it (3.2).
    let account = hub_members::by_user(conn, workspace, hub.id, user)?;
    let is_theirs = |member: &Member| match (member.bucket, member.known) {
        (Bucket::Exempted | Bucket::Unmatched, _) | (_, Presence::Absent) => false,
        (Bucket::Onboarded | Bucket::Guest, Presence::Pending | Presence::Active | Presence::Suspended) => true,
    };
    Ok(account.filter(is_theirs).map(|_| HubRight::Collaborator))
}

/// The hub that a request is about; `None` for the workspace.
fn hub_of(conn: &mut DbConn, workspace: WorkspaceId, about: &About) -> Result<Option<HubId>, ServiceError> {
    let unknown = |what| {
        move |error| if matches!(error, StoreError::NotFound) { ServiceError::NotFound(what) } else { error.into() }
    };
    match about {
        About::Workspace | About::Partner(_) => Ok(None),
        About::Hub(slug) => Ok(Some(hub_rows::by_slug(conn, workspace, slug).map_err(unknown("hub"))?.id)),
        About::Task(id) => {
            let id: TaskId = id.parse().map_err(|_| ServiceError::NotFound("task"))?;
            match tasks::load(conn, workspace, id) {
                // Parents have their ids among those of tasks.
                Err(StoreError::NotFound) => Ok(Some(parents::load(conn, workspace, id).map_err(unknown("task"))?.hub)),
                other => Ok(Some(other?.hub)),
            }
        }
        About::Hold(id) => {
            let id: HoldId = id.parse().map_err(|_| ServiceError::NotFound("held batch"))?;
            Ok(Some(holds::load(conn, workspace, id).map_err(unknown("held batch"))?.hub))
        }
    }
}

/// What somebody calls their own.
fn theirs(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    caller: &Caller,
    now: Micros,
) -> Result<Theirs, StoreError> {
    let Some(user) = caller.person else { return Ok(Theirs::default()) };
    let (mut uses, mut runs) = (BTreeSet::new(), BTreeSet::new());
    for id in managers::hubs_near(conn, workspace, user)? {
        let hub = match hub_rows::load(conn, workspace, id) {
            Err(StoreError::NotFound) => continue,
            other => other?,
        };
        let found = right_in(conn, workspace, catalog, &hub, user, now)?;
        let Some(right) = caller.rights.in_hub(found) else { continue };
        uses.insert(id);
        if right >= HubRight::SecurityManager {
            runs.insert(id);
        }
    }
    Ok(Theirs { person: Some(user), uses, runs })
}

/// What the caller is in a local partner, as far as it counts. Like a role in a hub that was given by
/// name it does not outlive a deactivation.
fn partner_role(conn: &mut DbConn, caller: &Caller, id: &str) -> Result<Option<PartnerRole>, StoreError> {
    let (Some(user), Ok(id)) = (caller.person, id.parse::<PartnerId>()) else { return Ok(None) };
    let Some(belonging) = partners::of(conn, caller.workspace, id, user)? else { return Ok(None) };
    let claims = roles::claims(conn, caller.workspace, &[user])?.remove(&user);
    let counts = claims
        .is_some_and(|claims| claims.active && claims.deactivated_at.is_none_or(|left| belonging.given_at > left));
    Ok(Some(belonging.role).filter(|role| counts && role.counts(caller.rights.role)))
}

/// Whether the caller may do this, and what they see while they do. `person` is whom the address
/// names, where it names somebody: what is only allowed for one's own is held against it.
///
/// # Errors
/// [`ServiceError::Missing`] with what is missing, [`ServiceError::NotFound`] for what is not there.
pub async fn authorize(
    context: &Context,
    caller: Caller,
    action: Action,
    about: About,
    person: Option<String>,
) -> Result<Caller, ServiceError> {
    match caller.rights.kind {
        Kind::Operator => return Ok(Caller { sight: Sight::Everything, ..caller }),
        Kind::Service | Kind::Person => {}
    }
    let (catalog, now) = (context.catalog.clone(), context.clock.now());
    context
        .store
        .read(move |conn| {
            let mut caller = caller.clone();
            let workspace = caller.workspace;
            if let (Some(user), Some(id)) = (caller.person, hub_of(conn, workspace, &about)?) {
                // A hub that was removed gave nobody any right that still counts.
                caller.hub = match hub_rows::load(conn, workspace, id) {
                    Err(StoreError::NotFound) => None,
                    other => {
                        let hub = other?;
                        let found = right_in(conn, workspace, &catalog, &hub, user, now)?;
                        // Whoever owned it is gone: the one person above all makes somebody else Owner.
                        let orphan = action == Action::AssignManagers
                            && caller.rights.role == Role::Owner
                            && found < Some(HubRight::Owner)
                            && owners::is_orphan(conn, workspace, &catalog, &hub, now)?;
                        if orphan { Some(HubRight::Owner) } else { found }
                    }
                };
            }
            if let About::Partner(id) = &about {
                caller.partner = partner_role(conn, &caller, id)?;
            }
            let own = || caller.person.map(|user| user.to_string());
            let verdict = caller.may(action);
            caller.sight = match verdict {
                Verdict::Yes => Sight::Everything,
                Verdict::Own => match &person {
                    Some(named) if own().as_ref() != Some(named) => return Err(refusal(&caller, action, verdict)),
                    // One that they do not run is as unknown to them as none.
                    None if matches!(about, About::Partner(_))
                        && !caller.partner.is_some_and(|role| role.may(action)) =>
                    {
                        return Err(refusal(&caller, action, verdict));
                    }
                    Some(_) | None => Sight::Theirs(Arc::new(theirs(conn, workspace, &catalog, &caller, now)?)),
                },
                Verdict::No => return Err(refusal(&caller, action, verdict)),
            };
            Ok(caller)
        })
        .await
}

/// Whether the caller may do this in the hub that the request is about: for what a route's own action does
/// not say, because it depends on what was found there.
///
/// # Errors
/// [`ServiceError::Missing`] with what is missing.
pub fn demand(caller: &Caller, action: Action) -> Result<(), ServiceError> {
    match caller.may(action) {
        Verdict::Yes => Ok(()),
        verdict @ (Verdict::Own | Verdict::No) => Err(refusal(caller, action, verdict)),
    }
}

/// Those of these hubs in which the caller may do this: what a view over several hubs offers.
///
/// # Errors
/// [`StoreError`] of the statements.
pub async fn hubs_where(
    context: &Context,
    caller: &Caller,
    action: Action,
    slugs: BTreeSet<String>,
) -> Result<BTreeSet<String>, ServiceError> {
    let Some(user) = caller.person else {
        // No person's: one right for all hubs.
        return Ok(if caller.may(action) == Verdict::Yes { slugs } else { BTreeSet::new() });
    };
    let (catalog, now, caller) = (context.catalog.clone(), context.clock.now(), caller.clone());
    context
        .store
        .read(move |conn| {
            let mut found = BTreeSet::new();
            for slug in slugs {
                let hub = match hub_rows::by_slug(conn, caller.workspace, &slug) {
                    // Removed meanwhile: nobody may anything there.
                    Err(StoreError::NotFound) => continue,
                    other => other?,
                };
                let right = right_in(conn, caller.workspace, &catalog, &hub, user, now)?;
                if may(caller.rights, action, right) == Verdict::Yes {
                    found.insert(slug);
                }
            }
            Ok(found)
        })
        .await
}

/// The refusal that says what is missing.
fn refusal(caller: &Caller, action: Action, got: Verdict) -> ServiceError {
    ServiceError::Missing(Box::new(missing(caller, action, got)))
}

fn missing(caller: &Caller, action: Action, got: Verdict) -> Missing {
    let needed = needed(action, got);
    let of_partner = action == Action::ReadPartners || action == Action::RunPartner;
    let else_own = if of_partner { ", or an admin of this partner" } else { "" };
    let who = who(caller.rights, caller.hub, action.extent());
    Missing {
        detail: format!("this needs {}{else_own}; you are {who}", needed.words()),
        action,
        roles: needed.roles.iter().map(|role| role.as_str()).collect(),
        hub_rights: needed.hub_rights.iter().map(|right| right.as_str()).collect(),
    }
}

/// What somebody would need who was refused.
#[derive(Clone, Debug)]
pub struct Missing {
    /// One sentence.
    pub detail: String,
    /// What was to be done.
    pub action: Action,
    /// Workspace roles of which one is enough.
    pub roles: Vec<&'static str>,
    /// Rights in the hub of which one is enough.
    pub hub_rights: Vec<&'static str>,
}

/// Hold every step of a change against the rights of whoever makes it, in the moment of the
/// database that it is made in: a file may reach several hubs, and a mapping may make Owners.
///
/// # Errors
/// [`ServiceError::Missing`] for the first step that is not allowed.
pub(super) fn check_steps(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    diff: &Diff,
) -> Result<(), ServiceError> {
    if scribe.caller.rights.kind == Kind::Operator {
        return Ok(());
    }
    // What is connected with the same change belongs to whoever connects it.
    let made: BTreeSet<HubId> = diff
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::AddHub(hub) => Some(hub.id),
            Step::ChangeHub { .. }
            | Step::RemoveHub(_)
            | Step::AddMapping(..)
            | Step::ChangeMapping { .. }
            | Step::RemoveMapping(..)
            | Step::BindMapping { .. }
            | Step::Seal(..) => None,
        })
        .collect();
    let others = |step: &&Step| {
        let (action, hub) = asks(step);
        action == Action::ConnectHub || !made.contains(&hub.id)
    };
    diff.steps.iter().filter(others).try_for_each(|step| check_step(conn, scribe, catalog, step))
}

/// The same for one step in a hub that is there.
///
/// # Errors
/// [`ServiceError::Missing`].
pub(super) fn check_step(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    step: &Step,
) -> Result<(), ServiceError> {
    let (action, hub) = asks(step);
    check_in(conn, scribe, catalog, action, hub)?;
    check_own(conn, scribe, catalog, step)
}

fn check_in(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    action: Action,
    hub: &Hub,
) -> Result<(), ServiceError> {
    let mut caller = scribe.caller.clone();
    if let Some(user) = caller.person {
        caller.hub = right_in(conn, caller.workspace, catalog, hub, user, scribe.now)?;
    }
    match may(caller.rights, action, caller.hub) {
        Verdict::Yes => Ok(()),
        verdict @ (Verdict::Own | Verdict::No) => {
            let mut missing = missing(&caller, action, verdict);
            missing.detail = format!("hub '{}': {}", hub.slug, missing.detail);
            Err(ServiceError::Missing(Box::new(missing)))
        }
    }
}

/// Whether the caller may say who is in a group: where it makes Owners or Managers of a hub, only who
/// assigns them there may (3.2).
///
/// # Errors
/// [`ServiceError::Missing`] naming the hub.
pub(super) fn check_group(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    group: GroupId,
) -> Result<(), ServiceError> {
    let hubs = managers::hubs_run_by(conn, scribe.workspace, group)?;
    check_hubs(conn, scribe, catalog, &hubs)
}

/// Whether the caller may make Owners and Managers of all these hubs.
///
/// # Errors
/// [`ServiceError::Missing`] naming the hub.
pub(super) fn check_hubs(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    hubs: &[HubId],
) -> Result<(), ServiceError> {
    match scribe.caller.rights.kind {
        Kind::Operator => return Ok(()),
        Kind::Service | Kind::Person => {}
    }
    for id in hubs {
        let hub = match hub_rows::load(conn, scribe.workspace, *id) {
            Err(StoreError::NotFound) => continue,
            other => other?,
        };
        check_in(conn, scribe, catalog, Action::AssignManagers, &hub)?;
    }
    Ok(())
}

/// Whether the caller may let a team take up every share that waits for a group of this name: it gives
/// the team's members what the hub's people wanted for a group of the identity provider.
///
/// # Errors
/// [`ServiceError::Missing`] naming the hub.
pub(super) fn check_name(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    name_key: &str,
) -> Result<(), ServiceError> {
    if scribe.caller.rights.kind == Kind::Operator {
        return Ok(());
    }
    for (id, role) in managers::hubs_waiting_for(conn, scribe.workspace, name_key)? {
        let hub = match hub_rows::load(conn, scribe.workspace, id) {
            Err(StoreError::NotFound) => continue,
            other => other?,
        };
        let action = if role > HubRole::Collaborator { Action::AssignManagers } else { Action::ManageMembers };
        check_in(conn, scribe, catalog, action, &hub)?;
    }
    Ok(())
}

/// Nobody takes their own role as Owner or Manager away, and no hub loses its last Owner, by a share of
/// one person as little as by name (3.2).
fn check_own(conn: &mut DbConn, scribe: &Scribe, catalog: &Catalog, step: &Step) -> Result<(), ServiceError> {
    let (hub, before, left) = match step {
        Step::RemoveMapping(hub, before) => (hub, before, HubRole::Collaborator),
        Step::ChangeMapping { hub, before, after } | Step::BindMapping { hub, before, after } => {
            (hub, before.as_ref(), after.hub_role)
        }
        Step::AddHub(_) | Step::ChangeHub { .. } | Step::RemoveHub(_) | Step::AddMapping(..) | Step::Seal(..) => {
            return Ok(());
        }
    };
    let Binding::User(user) = before.binding else { return Ok(()) };
    if left >= before.hub_role {
        return Ok(());
    }
    if scribe.caller.person == Some(user) {
        return Err(ServiceError::Conflict(format!(
            "hub '{}': nobody takes their own role as Owner or Manager away; another Owner does",
            hub.slug
        )));
    }
    if before.hub_role == HubRole::Owner
        && !owners::another(conn, scribe.workspace, catalog, hub, Some(user), scribe.now)?
    {
        return Err(ServiceError::Conflict(format!(
            "hub '{}': this share makes its last Owner; make somebody else Owner first",
            hub.slug
        )));
    }
    Ok(())
}

/// What one step asks for, and in which hub.
fn asks(step: &Step) -> (Action, &Hub) {
    let manages = |mapping: &Mapping| mapping.hub_role > HubRole::Collaborator;
    let about = |any: bool| if any { Action::AssignManagers } else { Action::ManageMembers };
    match step {
        Step::AddHub(hub) => (Action::ConnectHub, hub),
        Step::ChangeHub { after, .. } => (Action::EditHub, after),
        Step::RemoveHub(hub) => (Action::DeleteHub, hub),
        Step::Seal(hub, ..) => (Action::EditHub, hub),
        Step::AddMapping(hub, mapping) | Step::RemoveMapping(hub, mapping) => (about(manages(mapping)), hub),
        Step::ChangeMapping { hub, before, after } | Step::BindMapping { hub, before, after } => {
            (about(manages(before) || manages(after)), hub)
        }
    }
}
