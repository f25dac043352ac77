//! One pair of person and hub, from facts to verdict: `entitlement`, then `plan`. The planner,
//! the preview and explain call the same function, so that what is shown is what happens.

use std::collections::BTreeMap;

use crate::base::clock::Micros;
use crate::base::ids::UserId;
use crate::domain::app::App;
use crate::domain::create_fields;
use crate::domain::decision::Decision;
use crate::domain::entitlement::{Entitlement, Person, Rule, entitlement};
use crate::domain::hub::HubPolicy;
use crate::domain::member::{Bucket, Member, Presence};
use crate::domain::plan::{Candidates, Situation, Standing, Vacating, Verdict, plan};
use crate::domain::protection::Protection;
use crate::domain::task::{Principal, Task};

/// What is stored about one pair.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Who.
    pub user: UserId,
    /// The user, unless deleted.
    pub person: Option<Person>,
    /// How to address them.
    pub principal: Principal,
    /// Their e-mails, folded; the principal's first.
    pub email_keys: Vec<String>,
    /// Their member row in the hub.
    pub member: Option<Member>,
    /// Unmatched accounts of the hub that show one of their e-mails.
    pub look_alikes: Vec<Member>,
    /// Whether somebody else here bears an e-mail that a look-alike shows.
    pub email_shared: bool,
    /// Whether another's account that shows one of their e-mails is about to go.
    pub vacating: Option<Vacating>,
    /// Their open task in the hub.
    pub open: Option<Task>,
    /// What was decided about them before.
    pub decision: Option<Decision>,
    /// What a person gave for the app's create fields, by the field's name.
    pub given: BTreeMap<String, String>,
    /// Why their account is protected, where somebody protected it.
    pub protection: Option<Protection>,
}

impl Facts {
    /// Whether they are still with us, as far as the identity provider says.
    pub fn standing(&self) -> Standing {
        match &self.person {
            Some(person) if person.active => Standing::Stays,
            Some(_) | None => Standing::Left,
        }
    }
}

/// What all pairs of a hub share.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The app.
    pub app: &'a App,
    /// The hub's policy.
    pub policy: &'a HubPolicy,
    /// The hub's mappings.
    pub rules: &'a [Rule],
}

/// Decide one pair. `settle_until` comes from its mark; a preview passes `now`.
pub fn decide(ground: &Ground<'_>, facts: &Facts, now: Micros, settle_until: Micros) -> (Entitlement, Verdict) {
    let held = facts.member.as_ref().filter(|m| m.known != Presence::Absent).and_then(|m| m.known_role.as_deref());
    let entitled = match &facts.person {
        Some(person) => entitlement(person, ground.rules, ground.app, held),
        None => Entitlement::default(),
    };
    let document = facts.person.as_ref().map(|person| &person.document);
    let filled = create_fields::fill(ground.app, ground.policy, &facts.given, document);
    let verdict = plan(&Situation {
        standing: facts.standing(),
        entitlement: &entitled,
        principal: &facts.principal,
        member: facts.member.as_ref(),
        candidates: candidates(facts),
        vacating: facts.vacating,
        open: facts.open.as_ref(),
        decision: facts.decision.as_ref(),
        filled: &filled,
        protection: facts.protection.as_ref(),
        app: ground.app,
        policy: ground.policy,
        now,
        settle_until,
    });
    (entitled, verdict)
}

/// An e-mail match may only suggest a binding that is one to one (T-02, R4.11), and never one to
/// an account that is disabled in the app (R4.7).
fn candidates(facts: &Facts) -> Candidates<'_> {
    let usable: Vec<&Member> = facts
        .look_alikes
        .iter()
        .filter(|member| match (member.known, member.bucket) {
            (Presence::Pending | Presence::Active, _) => true,
            // A kept account, disabled or not: adding the person would change it (R4.5).
            (Presence::Suspended, Bucket::Exempted) => true,
            (Presence::Suspended, Bucket::Onboarded | Bucket::Unmatched | Bucket::Guest) | (Presence::Absent, _) => {
                false
            }
        })
        .collect();
    match usable.as_slice() {
        [] => Candidates::None,
        [one] if !facts.email_shared => Candidates::One(one),
        _ => Candidates::Conflict,
    }
}
