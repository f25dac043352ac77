//! How things stood for one person and one hub at a moment that is past, folded from what the
//! record says of it. The record tells who was put where by whom; what it does not tell, or not any
//! more, stays unknown and is said to be.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::clock::Micros;
use crate::base::ids::{GroupId, UserId};
use crate::domain::entitlement::{Membership, Rule};
use crate::domain::hub::HubMode;
use crate::domain::mapping::Binding;

/// One record, as far as it tells of somebody's way to access.
#[derive(Clone, Debug)]
pub struct Told {
    /// When.
    pub at: Micros,
    /// What: `group.updated`, `user.deactivated`, `mapping.removed` …
    pub kind: String,
    /// Who, as people know them.
    pub by: String,
    /// `group:<id>`, `user:<id>`, `mapping:<id>` …
    pub target: String,
    /// The request.
    pub request: Option<String>,
    /// The person it is about.
    pub user: Option<UserId>,
    /// Whether it is about the hub in question, or about no hub.
    pub here: bool,
    /// The facts.
    pub detail: Value,
}

impl Told {
    fn names(&self, list: &str, user: UserId) -> bool {
        let id = user.to_string();
        self.detail.get(list).and_then(Value::as_array).is_some_and(|ids| ids.iter().any(|one| *one == id))
    }

    fn word(&self, field: &str) -> Option<&str> {
        self.detail.get(field).and_then(Value::as_str)
    }

    /// `2026-01-31T12:00:00.000Z by token okta, request 01…`.
    pub fn when(&self) -> String {
        let request = self.request.as_deref().map(|id| format!(", request {id}")).unwrap_or_default();
        format!("{} by {}{request}", self.at.to_rfc3339(), self.by)
    }

    /// What it did to this person, as a sentence without its time; `None` where it did nothing to them.
    pub fn did(&self, user: UserId) -> Option<String> {
        let group = || self.word("displayName").or_else(|| self.word("team")).unwrap_or("a group").to_owned();
        let subject = || self.word("subject").map_or_else(|| String::from("an individual share"), str::to_owned);
        let text = match self.kind.as_str() {
            "user.created" | "guest.invited" => String::from("the user arrived"),
            "user.deactivated" => String::from("the user was deactivated"),
            "user.reactivated" => String::from("the user was reactivated"),
            "user.updated" => String::from("the user was changed"),
            "user.deleted" | "guest.removed" => String::from("the user was deleted"),
            "group.created" | "group.updated" if self.names("added", user) => format!("put into group {}", group()),
            "group.updated" if self.names("removed", user) => format!("taken out of group {}", group()),
            "group.deleted" | "team.deleted" => format!("group {} was deleted", group()),
            "team.member_added" if self.user == Some(user) => format!("put into team {}", group()),
            "team.member_removed" if self.user == Some(user) => format!("taken out of team {}", group()),
            "mapping.added" => format!("{} was mapped to {}", subject(), self.word("app_role").unwrap_or("a role")),
            "mapping.changed" => {
                format!("the mapping of {} became {}", subject(), self.word("app_role").unwrap_or("another"))
            }
            "mapping.bound" => format!("the mapping of {} was bound anew", subject()),
            "mapping.removed" => format!("the mapping of {} was removed", subject()),
            "hub.activated" => String::from("the hub was activated"),
            _ => return None,
        };
        Some(text)
    }
}

/// Where the person stood with the identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Here and active.
    Active,
    /// Deactivated.
    Inactive,
    /// Deleted.
    Deleted,
    /// Not arrived yet.
    NotYet,
    /// The record does not say.
    Unknown,
}

impl Person {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Deleted => "deleted",
            Self::NotYet => "not_yet_here",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether a mapping was about the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// In its group, or it was their own share: with a `where`, whether it matched is not recorded.
    Them,
    /// Not in its group.
    NotInGroup,
    /// A share of somebody else.
    Other,
    /// Its subject had not arrived, or was deleted.
    Nobody,
    /// The record does not say.
    Unknown,
}

/// A mapping that stood at the moment.
#[derive(Clone, Debug)]
pub struct RuleThen {
    /// Its id.
    pub id: String,
    /// `group editors`, `user ann@example.com`, `an individual share`.
    pub subject: String,
    /// The role it gave.
    pub app_role: String,
    /// Its filter.
    pub scope: Option<String>,
    /// Whether it gave a seat.
    pub seat: bool,
    /// Whether it was about the person.
    pub about: About,
    /// The record that made it so: the last that put the person in or took them out, or for a share
    /// that made the mapping.
    pub since: Option<Told>,
}

impl RuleThen {
    /// Whether it gave the person a seat, as far as the record says.
    pub fn gave(&self) -> bool {
        self.about == About::Them && self.seat
    }

    /// `group editors (editor)`.
    pub fn named(&self) -> String {
        format!("{} ({})", self.subject, self.app_role)
    }
}

/// What the fold starts from: what is stored now beside the record.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Who.
    pub user: UserId,
    /// The mappings that the hub has now.
    pub rules: &'a [Rule],
    /// The groups the person is in now.
    pub memberships: &'a [Membership],
    /// The moment.
    pub at: Micros,
    /// Where retention has cut the record: what it does not say of before was perhaps said once.
    pub cut: Option<Micros>,
    /// When the hub was connected.
    pub connected: Micros,
}

/// How it stood.
#[derive(Clone, Debug)]
pub struct Then {
    /// The person.
    pub person: Person,
    /// What made it so.
    pub person_since: Option<Told>,
    /// The mappings that stood, in the order of their ids.
    pub rules: Vec<RuleThen>,
    /// Whether the hub was here.
    pub connected: bool,
    /// Whether it pushed; `None` where the record does not say.
    pub mode: Option<HubMode>,
    /// Who paused it, while it was paused.
    pub paused: Option<Told>,
    /// Who exempted the account, while it was exempted.
    pub exempted: Option<Told>,
}

/// When an id of ours was made (UUIDv7: milliseconds in front).
pub fn made_at(id: uuid::Uuid) -> Micros {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX);
    Micros(millis.saturating_mul(1_000))
}

/// Fold the record, oldest first. Records after the moment are passed over, but for what they tell
/// of the groups that mappings were bound to.
pub fn fold(ground: &Ground<'_>, record: &[Told]) -> Then {
    let mut then = Then {
        person: Person::Unknown,
        person_since: None,
        rules: Vec::new(),
        connected: ground.connected <= ground.at,
        mode: None,
        paused: None,
        exempted: None,
    };
    let mut groups: BTreeMap<GroupId, (bool, Told)> = BTreeMap::new();
    let mut rules: BTreeMap<String, Vec<&Told>> = BTreeMap::new();
    for told in record {
        if let Some(id) = told.target.strip_prefix("mapping:") {
            rules.entry(id.to_owned()).or_default().push(told);
        } else if told.at <= ground.at {
            hear(&mut then, &mut groups, ground.user, told);
        }
    }
    if made_at(ground.user.uuid()) > ground.at {
        (then.person, then.person_since) = (Person::NotYet, None);
    }
    then.rules = stood(ground, &rules, &groups);
    then
}

fn hear(then: &mut Then, groups: &mut BTreeMap<GroupId, (bool, Told)>, user: UserId, told: &Told) {
    let mut joins = |ids: Option<&Value>, is_in: bool| {
        for id in ids.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if let Ok(group) = id.parse() {
                groups.insert(group, (is_in, told.clone()));
            }
        }
    };
    let mine = told.user == Some(user);
    match told.kind.as_str() {
        "user.created" | "user.updated" | "user.deactivated" | "user.reactivated" if mine => {
            joins(told.detail.get("joined"), true);
            let active = told.detail.get("active").and_then(Value::as_bool).unwrap_or(true);
            let now = if active { Person::Active } else { Person::Inactive };
            if then.person != now {
                (then.person, then.person_since) = (now, Some(told.clone()));
            }
        }
        "user.deleted" | "guest.removed" if mine => {
            joins(told.detail.get("left"), false);
            (then.person, then.person_since) = (Person::Deleted, Some(told.clone()));
        }
        "guest.invited" if mine => (then.person, then.person_since) = (Person::Active, Some(told.clone())),
        "member.exempted" if mine && told.here => then.exempted = Some(told.clone()),
        "member.unexempted" if mine && told.here => then.exempted = None,
        "hub.connected" => then.mode = mode(told),
        "hub.activated" => then.mode = Some(HubMode::Active),
        "hub.observes" => then.mode = Some(HubMode::Observe),
        "hub.paused" => then.paused = Some(told.clone()),
        "hub.resumed" => then.paused = None,
        _ => {
            let Some(Ok(group)) = told.target.strip_prefix("group:").map(str::parse::<GroupId>) else { return };
            let is_in = match told.kind.as_str() {
                "team.member_added" if mine => true,
                "team.member_removed" if mine => false,
                "group.deleted" | "team.deleted" => false,
                _ if told.names("added", user) => true,
                _ if told.names("removed", user) => false,
                _ => return,
            };
            groups.insert(group, (is_in, told.clone()));
        }
    }
}

fn mode(told: &Told) -> Option<HubMode> {
    match told.word("mode") {
        Some("active") => Some(HubMode::Active),
        Some("observe") => Some(HubMode::Observe),
        Some(_) | None => None,
    }
}

/// The mappings that stood, each with what it was to the person.
fn stood(
    ground: &Ground<'_>,
    told: &BTreeMap<String, Vec<&Told>>,
    groups: &BTreeMap<GroupId, (bool, Told)>,
) -> Vec<RuleThen> {
    let mut found: BTreeMap<String, RuleThen> = BTreeMap::new();
    for rule in ground.rules.iter().filter(|rule| made_at(rule.mapping.id.uuid()) <= ground.at) {
        let id = rule.mapping.id.to_string();
        let last = told.get(&id).and_then(|all| all.iter().rfind(|one| one.at <= ground.at));
        let mut then = RuleThen {
            id: id.clone(),
            subject: rule.subject.clone(),
            app_role: rule.mapping.app_role.clone(),
            scope: rule.mapping.scope.clone(),
            seat: rule.mapping.seat,
            about: About::Unknown,
            since: None,
        };
        if let Some(last) = last {
            said(&mut then, last);
        }
        (then.about, then.since) = match rule.mapping.binding {
            Binding::Group(group) => in_group(ground, group, groups),
            Binding::User(user) if user == ground.user => (About::Them, last.map(|told| (*told).clone())),
            Binding::User(_) => (About::Other, None),
            Binding::Waiting => (About::Nobody, None),
            // Bound to a group once; the record of the mapping may know which.
            Binding::Gone => by_record(ground, told.get(&id).map(Vec::as_slice).unwrap_or_default(), groups),
        };
        found.insert(id, then);
    }
    for (id, all) in told {
        let Some(last) = all.iter().rfind(|one| one.at <= ground.at) else { continue };
        if last.kind == "mapping.removed" || found.contains_key(id) {
            continue;
        }
        let mut then = RuleThen {
            id: id.clone(),
            subject: String::from("an individual share"),
            app_role: String::new(),
            scope: None,
            seat: true,
            about: About::Unknown,
            since: None,
        };
        said(&mut then, last);
        (then.about, then.since) = by_record(ground, all, groups);
        found.insert(id.clone(), then);
    }
    found.into_values().collect()
}

/// What a mapping's record says of it.
fn said(then: &mut RuleThen, told: &Told) {
    if let Some(subject) = told.word("subject") {
        subject.clone_into(&mut then.subject);
    }
    if let Some(role) = told.word("app_role") {
        role.clone_into(&mut then.app_role);
    }
    then.scope = told.word("where").map(str::to_owned);
    then.seat = told.detail.get("seat").and_then(Value::as_bool).unwrap_or(then.seat);
}

/// Of a mapping that is gone or unbound: its records name the group, or the person of a share.
fn by_record(ground: &Ground<'_>, all: &[&Told], groups: &BTreeMap<GroupId, (bool, Told)>) -> (About, Option<Told>) {
    if let Some(group) = all.iter().rev().find_map(|told| told.word("group")?.parse().ok()) {
        return in_group(ground, group, groups);
    }
    match all.iter().rev().find_map(|told| told.user) {
        Some(user) if user == ground.user => {
            (About::Them, all.iter().rfind(|t| t.at <= ground.at).map(|t| (*t).clone()))
        }
        Some(_) => (About::Other, None),
        None => (About::Unknown, None),
    }
}

fn in_group(ground: &Ground<'_>, group: GroupId, groups: &BTreeMap<GroupId, (bool, Told)>) -> (About, Option<Told>) {
    match groups.get(&group) {
        Some((true, told)) => (About::Them, Some(told.clone())),
        Some((false, told)) => (About::NotInGroup, Some(told.clone())),
        // Named before the moment, and never taken out since: the record of it is cut.
        None if ground.memberships.iter().any(|one| one.group == group && one.confirmed_at <= ground.at) => {
            (About::Them, None)
        }
        None if made_at(group.uuid()) > ground.at => (About::Nobody, None),
        None if ground.cut.is_some_and(|cut| made_at(group.uuid()) < cut) => (About::Unknown, None),
        None => (About::NotInGroup, None),
    }
}
