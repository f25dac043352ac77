//! What one person should hold in one hub, computed from all mappings, with the reasons: rules
//! R5.1 to R5.7 of business-hubs.md. A pure function of current facts; the order and repetition
//! of events cannot matter because no event is an input.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use std::cmp::Reverse;

use crate::base::clock::Micros;
use crate::base::ids::{GroupId, MappingId, UserId};
use crate::domain::app::App;
use crate::domain::assets;
use crate::domain::mapping::{AssetGrant, Binding, HubRole, Mapping, SubjectName};
use crate::domain::member::{ONE_PERSON, Reason};
use crate::domain::permissions::{GivesWay, Permissions};
use crate::domain::scope::Scope;
use crate::scim::resource::Object;

/// What a reactivated person regains, by the preset of their source (DESIGN.md section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regain {
    /// What groups give comes back by itself: Entra never sends memberships again.
    ByItself,
    /// Only memberships the IdP named after the deactivation count (Okta and unknown presets).
    WhenConfirmed,
}

impl Regain {
    /// By a source's preset.
    pub fn of_preset(preset: &str) -> Self {
        if preset == "entra" { Self::ByItself } else { Self::WhenConfirmed }
    }
}

/// A group the person is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub group: GroupId,
    /// When the IdP last named this membership.
    pub confirmed_at: Micros,
}

/// The facts about a user that exists.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// SCIM `active`.
    pub active: bool,
    /// When `active` last became false; kept when it became true again.
    pub deactivated_at: Option<Micros>,
    /// What a reactivation gives back.
    pub regain: Regain,
    /// The user's document, for `where`.
    pub document: Object,
    /// Their groups, at least those the hub's mappings are bound to.
    pub memberships: Vec<Membership>,
}

impl Person {
    /// Whether the identity provider, or who invited them, says that they are a guest (R4.1): their accounts
    /// are in a bucket of their own.
    pub fn is_guest(&self) -> bool {
        is_guest(&self.document)
    }
}

/// The same of a user's document: its `userType`.
pub fn is_guest(document: &Object) -> bool {
    let kind = document.get("userType").and_then(serde_json::Value::as_str).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("guest")
}

/// A mapping, ready to be applied to many people.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The mapping.
    pub mapping: Mapping,
    /// Its `where`, read once.
    pub scope: Scope,
    /// The subject as people know it now: `group meta-admins`, `user ann@example.com`.
    pub subject: String,
}

impl Rule {
    /// Prepare a mapping; `group_name` is the bound group's current name.
    pub fn new(mapping: Mapping, group_name: Option<&str>) -> Self {
        let subject = match (&mapping.subject, group_name) {
            (SubjectName::User(name), _) => format!("{ONE_PERSON}{name}"),
            (_, Some(name)) => format!("group {name}"),
            (SubjectName::Group(name), None) => format!("group {name}"),
            (SubjectName::GroupId(id), None) => format!("group {id}"),
            (SubjectName::GroupExternalId(id), None) => format!("group {id}"),
        };
        Self { scope: Scope::stored(mapping.scope.as_deref()), mapping, subject }
    }

    fn refused(&self, why: Refusal) -> Refused {
        Refused { mapping: self.mapping.id, subject: self.subject.clone(), why }
    }
}

/// Why a mapping that is about a person gives them nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The person is deactivated.
    Inactive,
    /// `where` does not match them.
    OutOfScope,
    /// The stored `where` cannot be read.
    ScopeUnreadable,
    /// Deactivated once, and neither the IdP nor a person has confirmed it since.
    WaitingForConfirmation,
    /// All it gives is excluded by permissions that are given (R5.1).
    Incompatible,
}

impl Refusal {
    /// The sentence explain shows.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Inactive => "the user is deactivated",
            Self::OutOfScope => "the mapping's where does not match the user",
            Self::ScopeUnreadable => "the mapping's where cannot be read",
            Self::WaitingForConfirmation => {
                "the user was deactivated since: waiting until the identity provider names the membership again or a \
                 person releases it"
            }
            Self::Incompatible => "what it gives cannot be held together with what is given already",
        }
    }
}

/// A mapping that is about the person and does not count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// Which.
    pub mapping: MappingId,
    /// Its subject, as people know it.
    pub subject: String,
    /// Why not.
    pub why: Refusal,
}

/// What somebody should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The account in the app; `None` for a hub role without a seat.
    pub seat: Option<Seat>,
    /// The strongest hub role.
    pub hub_role: HubRole,
}

/// What an account should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The role that wins (R5.1).
    pub role: String,
    /// The union of assets, sorted.
    pub assets: Vec<AssetGrant>,
}

/// The entitlement of one person in one hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entitlement {
    /// `None`: nothing at all.
    pub grant: Option<Grant>,
    /// The mappings that count, by id.
    pub reasons: Vec<Reason>,
    /// The mappings about this person that don't, by id.
    pub refused: Vec<Refused>,
    /// Permissions that are granted and give way to others.
    pub given_way: Vec<GivesWay>,
}

impl Entitlement {
    /// The account wanted, when one is.
    pub fn seat(&self) -> Option<&Seat> {
        self.grant.as_ref().and_then(|grant| grant.seat.as_ref())
    }
}

/// Compute what `person` should hold; `held` is the role held now, which wins a tie of ranks.
pub fn entitlement(person: &Person, rules: &[Rule], app: &App, held: Option<&str>) -> Entitlement {
    let mut counting = Vec::new();
    let mut refused = Vec::new();
    for rule in rules {
        match judge(person, rule) {
            None => {}
            Some(Ok(())) => counting.push(rule),
            Some(Err(why)) => refused.push(rule.refused(why)),
        }
    }
    let mut given_way = Vec::new();
    let mut united = None;
    if !app.ranked {
        let (kept, way) = unite(&counting, app, held);
        let (stays, goes): (Vec<&Rule>, Vec<&Rule>) = counting.into_iter().partition(|rule| gives(rule, &kept));
        refused.extend(goes.into_iter().map(|rule| rule.refused(Refusal::Incompatible)));
        (counting, given_way, united) = (stays, way, Some(kept));
    }
    let counting: Vec<&Mapping> = counting.into_iter().map(|rule| &rule.mapping).collect();
    let mut reasons: Vec<Reason> = rules
        .iter()
        .filter(|rule| counting.iter().any(|mapping| mapping.id == rule.mapping.id))
        .map(|rule| Reason {
            mapping: rule.mapping.id,
            subject: rule.subject.clone(),
            app_role: rule.mapping.app_role.clone(),
        })
        .collect();
    reasons.sort();
    reasons.dedup();
    refused.sort();
    refused.dedup();
    let grant = counting
        .iter()
        .map(|mapping| mapping.hub_role)
        .max()
        .map(|hub_role| Grant { seat: seat(&counting, app, held, united), hub_role });
    Entitlement { grant, reasons, refused, given_way }
}

/// What all grants of an app without ranks add up to, as far as it can be held together.
fn unite(counting: &[&Rule], app: &App, held: Option<&str>) -> (Permissions, Vec<GivesWay>) {
    let seated = counting.iter().filter(|rule| rule.mapping.seat);
    let all: Permissions = seated
        .flat_map(|rule| Permissions::read(&rule.mapping.app_role).ids().map(String::from).collect::<Vec<_>>())
        .collect();
    all.settle(app, &Permissions::read(held.unwrap_or_default()))
}

/// Whether anything of what a rule gives is given.
fn gives(rule: &Rule, kept: &Permissions) -> bool {
    let permissions = Permissions::read(&rule.mapping.app_role);
    !rule.mapping.seat || permissions.is_empty() || permissions.ids().any(|id| kept.holds(id))
}

/// `None`: the rule is not about this person. Otherwise whether it counts.
fn judge(person: &Person, rule: &Rule) -> Option<Result<(), Refusal>> {
    let confirmed = match rule.mapping.binding {
        Binding::Waiting | Binding::Gone => return None,
        Binding::Group(group) => {
            let membership = person.memberships.iter().find(|membership| membership.group == group)?;
            match person.regain {
                Regain::ByItself => true,
                Regain::WhenConfirmed => confirmed_since(person, membership.confirmed_at),
            }
        }
        // A share never comes back by itself, whatever the preset.
        Binding::User(user) if user == person.id => confirmed_since(person, rule.mapping.confirmed_at),
        Binding::User(_) => return None,
    };
    if !person.active {
        return Some(Err(Refusal::Inactive));
    }
    if !rule.scope.admits(&person.document) {
        return Some(Err(match rule.scope {
            Scope::Unreadable => Refusal::ScopeUnreadable,
            Scope::Everybody | Scope::Matching(_) => Refusal::OutOfScope,
        }));
    }
    if !confirmed {
        return Some(Err(Refusal::WaitingForConfirmation));
    }
    Some(Ok(()))
}

fn confirmed_since(person: &Person, confirmed_at: Micros) -> bool {
    person.deactivated_at.is_none_or(|deactivated_at| confirmed_at > deactivated_at)
}

/// The account the seat-giving mappings add up to. The highest rank wins; among equals the role
/// already held, else the smallest id, so that the result is stable.
///
/// Where there are no ranks, the permissions of all add up to `united`.
fn seat(counting: &[&Mapping], app: &App, held: Option<&str>, united: Option<Permissions>) -> Option<Seat> {
    let seated = || counting.iter().filter(|mapping| mapping.seat);
    let highest = seated()
        .map(|mapping| mapping.app_role.as_str())
        .max_by_key(|role| (app.rank(role), held == Some(role), Reverse(*role)))?;
    let role = united.map_or_else(|| highest.to_owned(), |permissions| permissions.to_string());
    Some(Seat { role, assets: assets::united(seated().flat_map(|mapping| &mapping.assets)) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(id: &str, tasks: &[&str]) -> AssetGrant {
        AssetGrant { kind: "page".into(), id: id.into(), tasks: tasks.iter().map(|task| (*task).to_owned()).collect() }
    }

    proptest! {
        #[test]
        fn assets_add_up_and_full_permission_wins(order in Just(vec![0usize, 1, 2, 3, 4]).prop_shuffle()) {
            let grants = [
                grant("1", &["post", "read"]),
                grant("1", &["read", "ads"]),
                grant("2", &["read"]),
                grant("2", &[]),
                grant("2", &["post"]),
            ];
            let united = assets::united(order.iter().map(|place| &grants[*place]));
            prop_assert_eq!(united, [grant("1", &["ads", "post", "read"]), grant("2", &[])]);
        }
    }
}
