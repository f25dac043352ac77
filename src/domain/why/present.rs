//! Why somebody has or lacks access now: what is wanted and by what, what is known of the account,
//! what is on its way and what keeps it. For somebody who lacks access the causes are those of the
//! lack, with the groups that would give it.

use super::rules::{Applies, RuleWord};
use super::{Cause, Code, leaver, listed, plain};
use crate::base::clock::Micros;
use crate::domain::app::App;
use crate::domain::create_fields;
use crate::domain::decide::Facts;
use crate::domain::decision::DecisionKind;
use crate::domain::entitlement::Entitlement;
use crate::domain::guard::HoldReason;
use crate::domain::hub::{Hub, HubMode};
use crate::domain::member::{Presence, Reason};
use crate::domain::plan::{Action, Awaits, Start, Step, Why};
use crate::domain::problem;
use crate::domain::reasons::Parted;
use crate::domain::task::{Task, TaskKind, TaskStatus};

/// Everything that is known now.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The hub.
    pub hub: &'a Hub,
    /// Its app.
    pub app: &'a App,
    /// The person, the account, the open task, what was decided.
    pub facts: &'a Facts,
    /// What they should hold.
    pub entitled: &'a Entitlement,
    /// What each mapping is to them.
    pub rules: &'a [RuleWord<'a>],
    /// What the planner would do.
    pub step: &'a Step,
    /// Which pause above the hub's own there is.
    pub paused: Option<&'static str>,
    /// Why the guard holds the open task.
    pub held: Option<HoldReason>,
    /// The newest task that is closed.
    pub last: Option<&'a Task>,
    /// Who decided before, as people know them; else as the decision names them.
    pub decided_by: Option<&'a str>,
    /// The hub's open problems.
    pub troubles: &'a [Trouble],
    /// Secrets of the connection without a value.
    pub missing_secrets: &'a [String],
    /// Now.
    pub now: Micros,
}

/// An open problem of the hub.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Its cause.
    pub cause: problem::Cause,
    /// What the app answered, or what is missing.
    pub message: String,
}

/// The answer in sentences, the most telling first.
pub fn causes(seen: &Seen<'_>) -> Vec<Cause> {
    let mut told = wish(seen);
    told.extend(leaver::still_there(seen.facts, seen.step, seen.decided_by));
    told.extend(account(seen));
    told.push(next(seen));
    told.extend(data(seen));
    told.extend(protection(seen));
    told.extend(open(seen));
    told.extend(troubles(seen));
    told.extend(decision(seen));
    told
}

/// What is wanted, or why nothing is.
fn wish(seen: &Seen<'_>) -> Vec<Cause> {
    let entitled = seen.entitled;
    match &seen.facts.person {
        None => {
            let text = "the user was deleted at the identity provider: no access is wanted";
            return vec![Cause::new(Code::UserDeleted, text)];
        }
        Some(person) if !person.active => {
            return vec![Cause::new(Code::UserInactive, "the user is deactivated: no access is wanted")];
        }
        Some(_) => {}
    }
    if let Some(seat) = entitled.seat() {
        let parted = Parted::by_role(&entitled.reasons, Some(&seat.role));
        let because = parted.subjects();
        let text = format!("{} is wanted because of {}", seat.role, because.join(" and "));
        let mut told = vec![Cause::new(Code::Wanted, text).of(because)];
        told.extend(outranked(&parted.outranked));
        told.extend(
            entitled.given_way.iter().map(|way| {
                Cause::new(Code::GivesWay, format!("{} is refused: {} excludes it", way.permission, way.to))
            }),
        );
        return told;
    }
    let mut told = Vec::new();
    if !entitled.reasons.is_empty() {
        let because: Vec<String> = entitled.reasons.iter().map(|reason| reason.subject.clone()).collect();
        let text = format!("{} gives a role in the hub and no seat in the app", listed(&because));
        told.push(Cause::new(Code::NoSeat, text).of(because));
    }
    let of = |applies: Applies| seen.rules.iter().filter(move |rule| rule.applies == applies);
    let refused: Vec<String> =
        of(Applies::Refused).map(|rule| format!("{}: {}", rule.rule.subject, rule.why)).collect();
    if !refused.is_empty() {
        let text = format!("no access is wanted; {}", refused.join("; "));
        let subjects = of(Applies::Refused).map(|rule| rule.rule.subject.clone());
        told.push(Cause::new(Code::MappingRefused, text).of(subjects));
    } else if told.is_empty() {
        told.push(Cause::new(Code::NoMapping, "no mapping of this hub gives this person access"));
    }
    told.extend(would_give(seen));
    told
}

/// What counts beside the role that wins.
fn outranked(reasons: &[Reason]) -> Option<Cause> {
    let given = |reason: &Reason| match reason.app_role.as_str() {
        "" => format!("{} (no seat)", reason.subject),
        role => format!("{} ({role})", reason.subject),
    };
    let named: Vec<String> = reasons.iter().map(given).collect();
    let verb = if named.len() == 1 { "is" } else { "are" };
    let text = format!("{} {verb} outranked", listed(&named));
    (!named.is_empty())
        .then(|| Cause::new(Code::Outranked, text).of(reasons.iter().map(|reason| reason.subject.clone())))
}

/// What would give access, and what is missing for it.
fn would_give(seen: &Seen<'_>) -> Vec<Cause> {
    if seen.rules.is_empty() {
        return vec![Cause::new(Code::HubWithoutMappings, "this hub has no mapping yet")];
    }
    let named = |applies: Applies| -> Vec<String> {
        seen.rules.iter().filter(|rule| rule.applies == applies).map(RuleWord::named).collect()
    };
    let subjects = |applies: Applies| {
        seen.rules.iter().filter(move |rule| rule.applies == applies).map(|rule| rule.rule.subject.clone())
    };
    let mut told = Vec::new();
    let near = named(Applies::NotInGroup);
    if !near.is_empty() {
        let which = if near.len() == 1 { "the user is not in it" } else { "the user is in none of them" };
        let text = format!("it would come with {}: {which}", listed(&near));
        told.push(Cause::new(Code::NotInMappedGroup, text).of(subjects(Applies::NotInGroup)));
    }
    let missing = named(Applies::Waiting);
    if !missing.is_empty() {
        let text = format!("mapped, and not arrived from the identity provider yet: {}", listed(&missing));
        told.push(Cause::new(Code::SubjectMissing, text).of(subjects(Applies::Waiting)));
    }
    let gone = named(Applies::Gone);
    if !gone.is_empty() {
        let text = format!("deleted at the identity provider, and to be bound anew by a person: {}", listed(&gone));
        told.push(Cause::new(Code::GroupGone, text).of(subjects(Applies::Gone)));
    }
    told
}

/// An account that is there in part, or was taken.
fn account(seen: &Seen<'_>) -> Option<Cause> {
    let member = seen.facts.member.as_ref()?;
    let at = member.known_at.to_rfc3339();
    match member.known {
        Presence::Active => None,
        Presence::Pending => {
            Some(Cause::new(Code::InvitationPending, format!("invited, not accepted yet; known {at}")))
        }
        Presence::Suspended => Some(Cause::new(Code::Suspended, format!("switched off in the app; known {at}"))),
        Presence::Absent => {
            let task = seen.last.filter(|task| {
                task.effect.kind == TaskKind::Remove && task.status == TaskStatus::Completed && !task.effect.suspend
            })?;
            let at = task.finished_at.unwrap_or(task.modified_at).to_rfc3339();
            let what = task.effect.from_and_to().0.map(|role| format!(" ({role})")).unwrap_or_default();
            let text = format!("what they held{what} was taken {at}: {}", plain(&task.cause));
            Some(Cause::new(Code::Removed, text).task(task.id))
        }
    }
}

/// The planner's next step, and what keeps it.
fn next(seen: &Seen<'_>) -> Cause {
    match seen.step {
        Step::Nothing(why) => Cause::new(code(*why), why.explain()),
        Step::Wait { awaits: Awaits::Room(vacating), .. } => Cause::new(Code::AddressInUse, vacating.explain()),
        Step::Wait { until, awaits: Awaits::Attempt | Awaits::Settling, .. } => {
            Cause::new(Code::Settling, format!("looked at again {}", until.to_rfc3339()))
        }
        Step::Act(action) => act(seen, action),
    }
}

fn act(seen: &Seen<'_>, action: &Action) -> Cause {
    let role = action.effect.role.as_deref().map(|role| format!(" ({role})")).unwrap_or_default();
    let word = action.effect.kind.as_str();
    match (seen.hub.mode, seen.paused.or(seen.hub.paused.then_some("the hub"))) {
        (HubMode::Observe, _) => {
            Cause::new(Code::HubObserves, format!("would {word}{role}, but this hub only observes"))
        }
        (HubMode::Active, Some(what)) => Cause::new(Code::Paused, format!("will {word}{role} when {what} is resumed")),
        (HubMode::Active, None) => Cause::new(Code::Next, format!("will {word}{role}")),
    }
}

const fn code(why: Why) -> Code {
    match why {
        Why::AsWanted => Code::AsWanted,
        Why::NotThere => Code::NotThere,
        Why::Planned => Code::Planned,
        Why::Exempted => Code::Exempted,
        Why::Unmanaged => Code::Unmanaged,
        Why::Protected => Code::Protected,
        Why::Decided => Code::Decided,
        Why::Conflict => Code::EmailConflict,
    }
}

/// What the app must know to add somebody.
fn data(seen: &Seen<'_>) -> Option<Cause> {
    match (&seen.facts.open, seen.step) {
        (Some(open), _) if waits_for_data(open) => {
            open.error_detail.clone().map(|detail| Cause::new(Code::NeedsData, detail).task(open.id))
        }
        (_, Step::Act(action)) if action.start == Start::NeedsData => {
            Some(Cause::new(Code::NeedsData, create_fields::sentence(seen.app, &action.effect.extra)))
        }
        (_, Step::Act(_) | Step::Nothing(_) | Step::Wait { .. }) => None,
    }
}

fn waits_for_data(task: &Task) -> bool {
    task.status == TaskStatus::Waiting && task.error_class.as_deref() == Some(problem::Cause::NeedsData.as_str())
}

fn protection(seen: &Seen<'_>) -> Option<Cause> {
    let given = seen.facts.protection.as_ref()?;
    let until = given.until.map(|at| format!(" until {}", at.to_rfc3339())).unwrap_or_default();
    let text = format!("protected{until} by {}: \u{201c}{}\u{201d}", given.by, given.reason);
    Some(Cause::new(Code::Protected, text))
}

/// What stands between the hub's tasks and its app, where this person waits for one of them.
fn troubles(seen: &Seen<'_>) -> Vec<Cause> {
    let Some(kind) = waited_for(seen) else { return Vec::new() };
    let told = |cause: problem::Cause, what: &str| {
        let text = format!(
            "what keeps it is a problem of the hub, {}: {what}; what to do: {}",
            plain(cause.as_str()),
            cause.remedy_for(seen.hub.slug.as_str(), seen.missing_secrets)
        );
        Cause { problem: Some(cause.as_str()), ..Cause::new(Code::HubProblem, text) }
    };
    let mut all: Vec<Cause> = seen
        .troubles
        .iter()
        .filter(|trouble| trouble.cause.stands_against(kind))
        .map(|trouble| told(trouble.cause, &trouble.message))
        .collect();
    // Known before any task has met it.
    let is_told = seen.troubles.iter().any(|trouble| trouble.cause == problem::Cause::AuthBroken);
    if !seen.missing_secrets.is_empty() && !is_told {
        let what = format!("no value is stored for {}", listed(seen.missing_secrets));
        all.push(told(problem::Cause::AuthBroken, &what));
    }
    all
}

/// What is to be done in the app: the open task, else the next step, else what failed for good.
fn waited_for(seen: &Seen<'_>) -> Option<TaskKind> {
    if let Some(open) = &seen.facts.open {
        return Some(open.effect.kind);
    }
    match seen.step {
        Step::Act(action) => Some(action.effect.kind),
        Step::Nothing(Why::Decided) => {
            seen.last.filter(|task| task.status == TaskStatus::NotCompleted).map(|task| task.effect.kind)
        }
        Step::Nothing(_) | Step::Wait { .. } => None,
    }
}

/// The open task, and what it waits for.
fn open(seen: &Seen<'_>) -> Vec<Cause> {
    let Some(open) = &seen.facts.open else { return Vec::new() };
    let text = format!("an open task ({}) is {}", open.effect.kind.as_str(), open.status.as_str());
    let mut told = vec![Cause::new(Code::OpenTask, text).task(open.id)];
    if let Some(reason) = seen.held {
        let text = format!("it waits for a person, because {}", reason.explain());
        told.push(Cause { hold: open.hold, ..Cause::new(Code::Held, text).task(open.id) });
    }
    match open.status {
        TaskStatus::Manual => {
            told.push(Cause::new(Code::ManualItem, "a person must do it in the app").task(open.id));
        }
        TaskStatus::Retrying => {
            let tries = if open.attempts == 1 { "once" } else { "several times" };
            let text = format!("it was tried {tries} and failed: {}", what_failed(open));
            told.push(Cause::new(Code::Retrying, text).task(open.id));
        }
        TaskStatus::Queued
        | TaskStatus::Started
        | TaskStatus::Running
        | TaskStatus::Held
        | TaskStatus::Waiting
        | TaskStatus::Completed
        | TaskStatus::NotCompleted
        | TaskStatus::Superseded
        | TaskStatus::Cancelled => {}
    }
    // What waits for data or an acceptance waits for no time.
    if open.not_before > seen.now && open.not_before.0 < i64::MAX {
        let text = format!("not tried before {}", open.not_before.to_rfc3339());
        told.push(Cause::new(Code::NotBefore, text).task(open.id));
    }
    told
}

/// What went wrong with a task last.
pub(super) fn what_failed(task: &Task) -> String {
    let class = task.error_class.as_deref().map(plain);
    match (class, &task.error_detail) {
        (Some(class), Some(detail)) => format!("{class}, {detail}"),
        (Some(class), None) => class,
        (None, Some(detail)) => detail.clone(),
        (None, None) => String::from("nobody said why"),
    }
}

/// What was decided before.
fn decision(seen: &Seen<'_>) -> Option<Cause> {
    let decision = seen.facts.decision.as_ref()?;
    let note = decision.note.as_deref().map(|note| format!(": \u{201c}{note}\u{201d}")).unwrap_or_default();
    let by = seen.decided_by.unwrap_or(&decision.decided_by);
    let text = format!("{} by {by} before{note}", decision.kind.as_str());
    Some(match decision.kind {
        DecisionKind::Rejected | DecisionKind::Cancelled => Cause::new(Code::Declined, text),
        DecisionKind::Failed => {
            let failed = seen.last.filter(|task| task.status == TaskStatus::NotCompleted);
            let why = failed.map(|task| format!(" ({})", what_failed(task))).unwrap_or_default();
            let cause = Cause::new(Code::Failed, format!("{text}{why}"));
            match failed {
                Some(task) => cause.task(task.id),
                None => cause,
            }
        }
    })
}
