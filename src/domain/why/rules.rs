//! What every mapping of a hub means for one person, in a word and a sentence.

use crate::domain::decide::Facts;
use crate::domain::entitlement::{Entitlement, Membership, Refusal, Rule};
use crate::domain::mapping::{Binding, Mapping};
use crate::domain::permissions::Permissions;

/// What a mapping is to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applies {
    /// It gives them something.
    Counts,
    /// It is about them and gives nothing.
    Refused,
    /// They are not in its group.
    NotInGroup,
    /// It is about somebody else.
    OtherUser,
    /// Its subject has not arrived.
    Waiting,
    /// Its group was deleted.
    Gone,
}

impl Applies {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Refused => "refused",
            Self::NotInGroup => "not_in_group",
            Self::OtherUser => "other_user",
            Self::Waiting => "waiting",
            Self::Gone => "gone",
        }
    }
}

/// A mapping, seen from one person.
#[derive(Clone, Debug)]
pub struct RuleWord<'a> {
    /// Which.
    pub rule: &'a Rule,
    /// In a word.
    pub applies: Applies,
    /// In a sentence.
    pub why: String,
    /// The membership it counts on.
    pub membership: Option<Membership>,
}

impl RuleWord<'_> {
    /// `group editors (editor)`: what would give what.
    pub fn named(&self) -> String {
        format!("{} ({})", self.rule.subject, self.rule.mapping.app_role)
    }
}

/// Every mapping of the hub, in the order of `rules`.
pub fn words<'a>(rules: &'a [Rule], facts: &Facts, entitled: &Entitlement) -> Vec<RuleWord<'a>> {
    rules.iter().map(|rule| word(rule, facts, entitled)).collect()
}

fn word<'a>(rule: &'a Rule, facts: &Facts, entitled: &Entitlement) -> RuleWord<'a> {
    let mapping = &rule.mapping;
    let membership = match (mapping.binding, &facts.person) {
        (Binding::Group(group), Some(person)) => person.memberships.iter().find(|one| one.group == group).copied(),
        (Binding::Group(_) | Binding::User(_) | Binding::Waiting | Binding::Gone, _) => None,
    };
    let refused = entitled.refused.iter().find(|refused| refused.mapping == mapping.id);
    let counts = entitled.reasons.iter().any(|reason| reason.mapping == mapping.id);
    let (applies, why) = if counts {
        (Applies::Counts, format!("it gives this person access{}", without(mapping, entitled)))
    } else if let Some(refused) = refused {
        let why = why_refused(refused.why, mapping.binding);
        (Applies::Refused, format!("{why}{}", without(mapping, entitled)))
    } else {
        match mapping.binding {
            Binding::Waiting => (Applies::Waiting, String::from("its subject has not arrived yet")),
            Binding::Gone => (Applies::Gone, String::from("its group was deleted; a person must bind it anew")),
            Binding::Group(_) if facts.person.is_none() => (Applies::NotInGroup, String::from("the user was deleted")),
            Binding::Group(_) => (Applies::NotInGroup, format!("the user is not in {}", rule.subject)),
            Binding::User(_) => (Applies::OtherUser, String::from("it is about somebody else")),
        }
    };
    RuleWord { rule, applies, why, membership }
}

/// An individual share waits for another word than a membership does.
fn why_refused(why: Refusal, binding: Binding) -> &'static str {
    match (why, binding) {
        (Refusal::WaitingForConfirmation, Binding::User(_)) => {
            "the user was deactivated since, which ends an individual share: delete the mapping and make it anew"
        }
        (Refusal::WaitingForConfirmation, Binding::Group(_) | Binding::Waiting | Binding::Gone) => {
            "the user was deactivated since: waiting until the identity provider names the membership again or a \
             person releases it (POST /api/v1/hubs/HUB/users/USER/release)"
        }
        (
            Refusal::Inactive | Refusal::OutOfScope | Refusal::ScopeUnreadable | Refusal::Incompatible,
            Binding::Group(_) | Binding::User(_) | Binding::Waiting | Binding::Gone,
        ) => why.explain(),
    }
}

/// Which permissions of a mapping give way to which, to be put behind a sentence.
fn without(mapping: &Mapping, entitled: &Entitlement) -> String {
    if !mapping.seat || entitled.given_way.is_empty() {
        return String::new();
    }
    let named = Permissions::read(&mapping.app_role);
    let ways: Vec<String> = entitled
        .given_way
        .iter()
        .filter(|way| named.holds(&way.permission))
        .map(|way| format!("{} excludes {}", way.to, way.permission))
        .collect();
    if ways.is_empty() { String::new() } else { format!(": {}", ways.join(", ")) }
}
