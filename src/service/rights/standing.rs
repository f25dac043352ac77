//! What somebody is in a hub: everything that gives them a role there now, and what it comes to.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use std::collections::HashMap;

use crate::base::clock::Micros;
use crate::base::ids::{UserId, WorkspaceId};
use crate::domain::catalog::Catalog;
use crate::domain::decide::{Ground, decide};
use crate::domain::hub::Hub;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, HubRole};
use crate::domain::member::{Bucket, Member, Presence};
use crate::domain::rights::{Claims, HubRight, Rights, Role};
use crate::store::{DbConn, StoreError, facts, hub_members, managers, roles};

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
pub(in crate::service) struct Standing {
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
pub(in crate::service) fn standings(
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
fn sources(
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

/// What somebody may in a hub now, before the ceiling of their workspace role.
pub(super) fn right_in(
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
