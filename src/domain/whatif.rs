//! What a change of rules or policy means for one person: the planner's own decision, once with
//! things as they are and once as they would be. What happens either way is no part of the change.

pub mod stopping;

use serde::{Deserialize, Serialize};

use crate::base::clock::Micros;
use crate::domain::app::App;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::member::{Bucket, Member, Presence};
use crate::domain::permissions;
use crate::domain::plan::{Action, PRIORITY_LEAVER, Start, Step, Verdict, Why, may_be_replaced};
use crate::domain::principal;
use crate::domain::reasons::Parted;
use crate::domain::task::{Task, TaskKind};

/// What becomes of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Gets an account, or a suspended one is switched on.
    Add,
    /// Role rises, or changes between equals.
    Promote,
    /// Role falls.
    Demote,
    /// Account goes, or is suspended where the hub says so.
    Remove,
    /// An account found in the app is bound to the person and managed from then on; no task.
    Adopt,
    /// A task that has not started, or that was due, is no longer wanted.
    Withdraw,
    /// The mappings want something and nothing happens: a decision, protection or exemption
    /// stands against it.
    Keep,
}

/// How the task of an outcome begins, where it is not simply pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begins {
    /// The app cannot do it by machine: a manual item.
    Manual,
    /// Waits until the invitation is accepted.
    AfterAcceptance,
    /// Waits for data about the person that the app needs.
    NeedsData,
    /// Joins the batch in which the task it replaces is held already.
    Held,
}

/// What a change means for one person in one hub. Sorts by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PersonEffect {
    /// The userName; the name last known of somebody deleted.
    pub user: String,
    /// What becomes of them.
    pub change: Outcome,
    /// The role held now.
    pub from: Option<String>,
    /// The role afterwards; for `keep`, the one that was wanted.
    pub to: Option<String>,
    /// The subjects of the mappings behind it: those that give it, or those that gave what goes.
    pub because: Vec<String>,
    /// The subjects of mappings that count too and give a lower role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outranked: Vec<String>,
    /// Whether it happens because the person left, not because of a group; for `withdraw` and `keep`,
    /// whether they left and their account stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaver: bool,
    /// How its task begins, where it is not simply pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<Begins>,
    /// What stands against it, for `keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why the guard would hold its task, as things are now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// For `withdraw`, how the task stands that goes: `held`, `queued` …; none where it was only due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

impl PersonEffect {
    /// Whether they left and their account stays, because nothing takes it away.
    pub fn stays_though_left(&self) -> bool {
        match self.change {
            Outcome::Withdraw | Outcome::Keep => self.leaver,
            Outcome::Add | Outcome::Promote | Outcome::Demote | Outcome::Remove | Outcome::Adopt => false,
        }
    }
}

/// A person, decided: what the change means for them, and what the guard needs to judge it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What is shown; `None` where the same would happen without the change, or nothing.
    pub effect: Option<PersonEffect>,
    /// The planner's verdict after the change.
    pub verdict: Verdict,
    /// The facts it rests on: an attempt under way taken as done.
    pub facts: Facts,
}

/// What becomes of one person, unless the same would happen without the change. `before` is
/// `None` for a hub that is new or pushes from now on: then everything it does comes of the change.
///
/// `awaited` says whether the planner looks at them without the change too. Where it does not, what it
/// does when it looks comes of the change: drift that was only reported is put right then.
///
/// Removals and downgrades count as settled. A task whose attempt runs is taken as done, because
/// the planner waits for its end.
pub fn effect(
    app: &App,
    before: Option<&Ground<'_>>,
    after: &Ground<'_>,
    facts: Facts,
    awaited: bool,
    now: Micros,
) -> Judged {
    let facts = after_attempt(facts);
    let (_, verdict) = decide(after, &facts, now, now);
    let was = before.map(|ground| decide(ground, &facts, now, now).1);
    let effect = match &verdict.step {
        Step::Act(action) => {
            let anyway = awaited && was.as_ref().and_then(acts).is_some_and(|was| was.effect == action.effect);
            (!anyway).then(|| of_action(app, &verdict, &facts, action))
        }
        Step::Nothing(why) => of_nothing(app, was.as_ref(), before, after, &facts, *why, &verdict, now),
        Step::Wait { .. } => None,
    };
    Judged { effect, verdict, facts }
}

fn acts(verdict: &Verdict) -> Option<&Action> {
    match &verdict.step {
        Step::Act(action) => Some(action),
        Step::Nothing(_) | Step::Wait { .. } => None,
    }
}

fn of_action(app: &App, verdict: &Verdict, facts: &Facts, action: &Action) -> PersonEffect {
    let from = account(verdict, facts).and_then(|member| member.known_role.clone());
    let mut effect = outcome(app, facts, from, action);
    effect.begins = match action.start {
        Start::Queued => None,
        Start::ByHand => Some(Begins::Manual),
        Start::AfterAcceptance => Some(Begins::AfterAcceptance),
        Start::NeedsData => Some(Begins::NeedsData),
        Start::StaysHeld => Some(Begins::Held),
    };
    effect
}

/// The account an action is about: the one to be adopted, or the person's own while it is there.
fn account<'a>(verdict: &Verdict, facts: &'a Facts) -> Option<&'a Member> {
    let own = facts.member.as_ref();
    let adopted = verdict.adopt.and_then(|id| facts.look_alikes.iter().find(|member| member.id == id));
    adopted.or(own).filter(|member| member.known != Presence::Absent)
}

fn outcome(app: &App, facts: &Facts, from: Option<String>, action: &Action) -> PersonEffect {
    let to = action.effect.role.clone();
    let (change, to) = match action.effect.kind {
        TaskKind::Add => (Outcome::Add, to),
        TaskKind::Remove => (Outcome::Remove, None),
        TaskKind::UpdateRole | TaskKind::Sync if action.takes_away => (Outcome::Demote, to),
        TaskKind::UpdateRole | TaskKind::Sync => {
            let less = from
                .as_deref()
                .is_some_and(|from| permissions::takes_away(app, from, to.as_deref().unwrap_or_default()));
            (if less { Outcome::Demote } else { Outcome::Promote }, to)
        }
    };
    let parted = Parted::by_role(&action.reasons, action.effect.role.as_deref());
    PersonEffect { leaver: action.priority == PRIORITY_LEAVER, ..blank(facts, change, from, to, &parted) }
}

fn blank(facts: &Facts, change: Outcome, from: Option<String>, to: Option<String>, parted: &Parted) -> PersonEffect {
    PersonEffect {
        user: principal::named(&facts.principal),
        change,
        from,
        to,
        because: parted.subjects(),
        outranked: parted.others(),
        leaver: false,
        begins: None,
        why: None,
        held: None,
        task: None,
    }
}

#[expect(clippy::too_many_arguments, reason = "one branch of one decision, split off for its size")]
fn of_nothing(
    app: &App,
    was: Option<&Verdict>,
    before: Option<&Ground<'_>>,
    after: &Ground<'_>,
    facts: &Facts,
    why: Why,
    verdict: &Verdict,
    now: Micros,
) -> Option<PersonEffect> {
    let from = account(verdict, facts).and_then(|member| member.known_role.clone());
    if verdict.adopt.is_some() && was.is_none_or(|was| was.adopt != verdict.adopt) {
        let entitled = decide(after, facts, now, now).0;
        let parted = Parted::by_role(&entitled.reasons, entitled.seat().map(|seat| seat.role.as_str()));
        return Some(blank(facts, Outcome::Adopt, from.clone(), from, &parted));
    }
    if stands_against(why) {
        let free = freed(facts.clone());
        let wanted = decide(after, &free, now, now).1;
        let action = acts(&wanted)?;
        if before
            .is_some_and(|ground| acts(&decide(ground, &free, now, now).1).is_some_and(|w| w.effect == action.effect))
        {
            return None;
        }
        let kept = outcome(app, &free, from, action);
        return Some(PersonEffect { change: Outcome::Keep, why: Some(why.explain().to_owned()), ..kept });
    }
    // Withdrawn: what the open task wants, or what was due without one.
    let was_due = was.and_then(acts);
    let is_withdrawn = |verdict: &Verdict| match verdict.step {
        Step::Nothing(why) => why.withdraws(),
        Step::Wait { .. } | Step::Act(_) => false,
    };
    match (&facts.open, was_due) {
        (Some(open), _) if why.withdraws() && !was.is_some_and(is_withdrawn) => Some(withdrawn(facts, from, open)),
        (None, Some(due)) => {
            let due = outcome(app, facts, from, due);
            Some(PersonEffect { change: Outcome::Withdraw, ..due })
        }
        (Some(_) | None, _) => None,
    }
}

fn withdrawn(facts: &Facts, from: Option<String>, open: &Task) -> PersonEffect {
    let to = match open.effect.kind {
        TaskKind::Remove => None,
        TaskKind::Add | TaskKind::UpdateRole | TaskKind::Sync => open.effect.role.clone(),
    };
    let parted = Parted::by_role(&open.reasons, open.effect.role.as_deref());
    let task = Some(open.status.as_str().to_owned());
    PersonEffect { task, ..blank(facts, Outcome::Withdraw, from, to, &parted) }
}

/// Whether a verdict of "nothing" may hide a wish.
const fn stands_against(why: Why) -> bool {
    match why {
        Why::Exempted | Why::Unmanaged | Why::Protected | Why::Decided | Why::Conflict => true,
        Why::AsWanted | Why::NotThere | Why::Planned => false,
    }
}

/// The same person with nothing standing against what the mappings want.
fn freed(mut facts: Facts) -> Facts {
    facts.decision = None;
    facts.protection = None;
    facts.look_alikes = Vec::new();
    facts.email_shared = false;
    if let Some(member) = facts.member.as_mut() {
        member.bucket = Bucket::Onboarded;
        member.protected = false;
        member.managed = true;
    }
    facts
}

/// The facts once the attempt under way has done what it wants, and another's account has made room.
fn after_attempt(mut facts: Facts) -> Facts {
    facts.vacating = None;
    let Some(open) = facts.open.take() else { return facts };
    if may_be_replaced(&open) {
        facts.open = Some(open);
        return facts;
    }
    if let Some(member) = facts.member.as_mut() {
        match open.effect.kind {
            TaskKind::Add | TaskKind::UpdateRole => {
                member.known = Presence::Active;
                member.known_role = open.effect.role.clone();
                member.reasons = open.reasons;
            }
            TaskKind::Remove if open.effect.suspend => member.known = Presence::Suspended,
            TaskKind::Remove => {
                member.known = Presence::Absent;
                member.known_role = None;
                member.reasons = Vec::new();
            }
            TaskKind::Sync => {}
        }
    }
    facts
}
