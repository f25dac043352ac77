//! Why somebody held, or did not hold, access at a moment that is past: from the intervals of their
//! access, the tasks that began and ended them, and how things stood then.

use super::then::{About, Person, RuleThen, Then, Told};
use super::{Cause, Code, listed, plain, present};
use crate::base::clock::Micros;
use crate::base::ids::UserId;
use crate::domain::guard::HoldReason;
use crate::domain::hub::HubMode;
use crate::domain::task::{Task, TaskKind, TaskStatus};

/// Access from one moment to another.
#[derive(Clone, Debug)]
pub struct Stretch<'a> {
    /// The role.
    pub role: Option<String>,
    /// Since when.
    pub from: Micros,
    /// Until when; `None` while it lasts.
    pub to: Option<Micros>,
    /// Why it began.
    pub from_cause: String,
    /// Why it ended.
    pub to_cause: Option<String>,
    /// How we know: `applied`, `already_in_state`, `sync`, `by_hand` …
    pub evidence: String,
    /// The task that began it.
    pub began: Option<&'a Task>,
    /// The task that ended it.
    pub ended: Option<&'a Task>,
}

impl Stretch<'_> {
    fn what(&self) -> String {
        self.role.as_ref().map_or_else(|| String::from("a seat"), Clone::clone)
    }
}

/// What was asked about: a moment, or all of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: Micros,
    /// Its end, the same as its beginning for a moment. Never after now.
    pub to: Micros,
}

impl Span {
    /// Whether something from one moment to another was at any time of it.
    pub fn meets(self, from: Micros, to: Option<Micros>) -> bool {
        let begun = if self.from == self.to { from <= self.to } else { from < self.to };
        begun && to.is_none_or(|to| to > self.from)
    }

    /// Whether what ended then was over before it.
    pub fn before(self, to: Option<Micros>) -> bool {
        to.is_some_and(|to| to <= self.from)
    }

    /// Whether what began then began only after it.
    pub fn after(self, from: Micros) -> bool {
        from >= self.to && from > self.from
    }

    fn text(self) -> String {
        if self.from == self.to {
            return format!("at {}", self.from.to_rfc3339());
        }
        format!("on {}", self.from.to_rfc3339().get(..10).unwrap_or_default())
    }
}

/// A task that was open at the moment.
#[derive(Clone, Copy, Debug)]
pub struct OpenThen<'a> {
    /// Which.
    pub task: &'a Task,
    /// The batch that holds or held it: why, and until when.
    pub held: Option<(HoldReason, Option<Micros>)>,
}

/// Everything that is known of the moment.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Who.
    pub user: UserId,
    /// What was asked about.
    pub span: Span,
    /// The moment that is explained: the first of what was held, else the end of the span.
    pub at: Micros,
    /// All their access in the hub, newest first.
    pub access: &'a [Stretch<'a>],
    /// How things stood at the moment.
    pub then: &'a Then,
    /// The record, oldest first, to find who asked for what.
    pub record: &'a [Told],
    /// The task that was open at the moment.
    pub open: Option<OpenThen<'a>>,
    /// The last task before it that was closed by then.
    pub last: Option<&'a Task>,
    /// Where retention has cut the record.
    pub cut: Option<Micros>,
}

/// The access that is explained: the newest that was held within the span.
pub fn held<'a, 'b>(access: &'b [Stretch<'a>], span: Span) -> Option<&'b Stretch<'a>> {
    access.iter().find(|one| span.meets(one.from, one.to))
}

/// The moment that is explained: the first at which that access was held within the span. Not the last:
/// by then it may wait to be taken away, and nothing gives it any more.
pub fn moment(held: Option<&Stretch<'_>>, span: Span) -> Micros {
    held.map_or(span.to, |held| held.from.max(span.from))
}

/// The answer in sentences.
pub fn causes(seen: &Seen<'_>) -> Vec<Cause> {
    let mut told = match held(seen.access, seen.span) {
        Some(held) => was(seen, held),
        None => was_not(seen),
    };
    if let Some(cut) = seen.cut.filter(|cut| *cut > seen.at) {
        let text = format!("the record is kept from {} on: what it said of before is gone", cut.to_rfc3339());
        told.push(Cause::new(Code::NotRecorded, text));
    }
    told
}

fn was(seen: &Seen<'_>, held: &Stretch<'_>) -> Vec<Cause> {
    let (from, what) = (held.from.to_rfc3339(), held.what());
    let text = match held.to {
        Some(to) => format!("held {what} from {from} until {}", to.to_rfc3339()),
        None => format!("held {what} from {from} on, and still does"),
    };
    let mut told = vec![Cause::new(Code::Was, text), began(seen, held)];
    let others = seen.access.iter().filter(|one| seen.span.meets(one.from, one.to) && one.from != held.from);
    told.extend(others.map(|one| {
        let to = one.to.map(Micros::to_rfc3339).unwrap_or_default();
        Cause::new(Code::Was, format!("before it on the same day: {} until {to}", one.what()))
    }));
    let gave: Vec<&RuleThen> = seen.then.rules.iter().filter(|rule| rule.gave()).collect();
    if seen.then.person == Person::Active && !gave.is_empty() {
        told.extend(gave.iter().map(|rule| given_by(rule)));
    } else {
        told.push(Cause::new(Code::GivenByNothing, "as far as the record says, no mapping gave it at that moment"));
        told.extend(person(seen.then));
        told.extend(open(seen));
    }
    told.extend(ended(seen, held));
    told
}

fn began(seen: &Seen<'_>, held: &Stretch<'_>) -> Cause {
    let by_task = held.began.filter(|task| task.effect.kind != TaskKind::Sync);
    match by_task {
        Some(task) => {
            let how = if held.evidence == "by_hand" { "done by hand in the app" } else { "pushed to the app" };
            let named: Vec<String> =
                task.reasons.iter().map(|reason| format!("{} ({})", reason.subject, reason.app_role)).collect();
            let because = if named.is_empty() { String::new() } else { format!(" for {}", listed(&named)) };
            let who = asked(seen, task);
            let text =
                format!("begun by a task ({}), {how}{because}: {}{who}", task.effect.kind.as_str(), plain(&task.cause));
            let subjects = task.reasons.iter().map(|reason| reason.subject.clone());
            Cause::new(Code::Began, text).of(subjects).task(task.id)
        }
        None => {
            let how = match held.evidence.as_str() {
                "sync" => "seen in the app by a sync",
                other => {
                    return Cause::new(Code::Began, format!("begun: {}, {}", plain(&held.from_cause), plain(other)));
                }
            };
            let cause =
                Cause::new(Code::Began, format!("begun without a task of ours: {how}, {}", plain(&held.from_cause)));
            match held.began {
                Some(sync) => cause.task(sync.id),
                None => cause,
            }
        }
    }
}

fn given_by(rule: &RuleThen) -> Cause {
    let since = rule.since.as_ref().map(|told| format!(" since {}", told.when())).unwrap_or_default();
    let filter = rule.scope.as_deref().map(|scope| format!(", where {scope}")).unwrap_or_default();
    let text = format!("given at that moment by {}{filter}{since}", rule.named());
    Cause::new(Code::GivenBy, text).of([rule.subject.clone()])
}

fn ended(seen: &Seen<'_>, held: &Stretch<'_>) -> Option<Cause> {
    let to = held.to?.to_rfc3339();
    let why = plain(held.to_cause.as_deref().unwrap_or("nobody said why"));
    Some(match held.ended {
        Some(task) if task.effect.kind != TaskKind::Sync => {
            let who = asked(seen, task);
            let by = task.closing.as_ref().map(|closing| format!(", done by {}", closing.actor)).unwrap_or_default();
            let text = format!("ended {to} by a task ({}){by}: {why}{who}", task.effect.kind.as_str());
            Cause::new(Code::Ended, text).task(task.id)
        }
        Some(sync) => Cause::new(Code::Ended, format!("ended {to} as a sync saw it: {why}")).task(sync.id),
        None => Cause::new(Code::Ended, format!("ended {to}: {why}")),
    })
}

/// Who asked for what a task did: the record of the request behind it.
fn asked(seen: &Seen<'_>, task: &Task) -> String {
    let Some(request) = task.request_id.as_deref() else { return String::new() };
    let of_request = || seen.record.iter().filter(|told| told.request.as_deref() == Some(request));
    let found = of_request().find_map(|told| Some((told.did(seen.user)?, told)));
    match found {
        Some((did, told)) => format!(" ({did} {})", told.when()),
        None => format!(" (request {request})"),
    }
}

fn was_not(seen: &Seen<'_>) -> Vec<Cause> {
    let mut told = vec![Cause::new(Code::WasNot, format!("held nothing in this hub {}", seen.span.text()))];
    told.extend(person(seen.then));
    told.extend(hub(seen.then));
    let here = seen.then.connected && matches!(seen.then.person, Person::Active | Person::Unknown);
    if here {
        told.extend(rules(seen.then));
    }
    if let Some(kept) = &seen.then.exempted {
        told.push(Cause::new(Code::Exempted, format!("the account was exempted {}: no task touched it", kept.when())));
    }
    told.extend(open(seen));
    told.extend(last(seen));
    let before = seen.access.iter().find(|one| seen.span.before(one.to));
    told.extend(before.and_then(|one| {
        let ended = ended(seen, one)?;
        let text = format!("before, {} was held from {}; it {}", one.what(), one.from.to_rfc3339(), ended.text);
        Some(Cause { code: Code::Before, text, ..ended })
    }));
    let after = seen.access.iter().rfind(|one| seen.span.after(one.from));
    told.extend(after.map(|one| {
        let text = format!("only afterwards, from {}, {} was held", one.from.to_rfc3339(), one.what());
        let cause = Cause::new(Code::After, text);
        match one.began {
            Some(task) => cause.task(task.id),
            None => cause,
        }
    }));
    told
}

fn person(then: &Then) -> Option<Cause> {
    let when = then.person_since.as_ref().map(|told| format!(" {}", told.when())).unwrap_or_default();
    match then.person {
        Person::Active => None,
        Person::Inactive => Some(Cause::new(Code::UserInactive, format!("the user had been deactivated{when}"))),
        Person::Deleted => Some(Cause::new(Code::UserDeleted, format!("the user had been deleted{when}"))),
        Person::NotYet => Some(Cause::new(Code::UserNotYetHere, "the user had not arrived yet")),
        Person::Unknown => Some(Cause::new(Code::NotRecorded, "the record does not say whether the user was active")),
    }
}

fn hub(then: &Then) -> Vec<Cause> {
    if !then.connected {
        return vec![Cause::new(Code::HubNotYetHere, "the hub was not connected yet")];
    }
    let mut told = Vec::new();
    match then.mode {
        Some(HubMode::Observe) => {
            told.push(Cause::new(Code::HubObserves, "the hub only observed: nothing was pushed to the app"));
        }
        Some(HubMode::Active) | None => {}
    }
    if let Some(paused) = &then.paused {
        told.push(Cause::new(Code::Paused, format!("the hub had been paused {}", paused.when())));
    }
    told
}

/// What gave it, or would have.
fn rules(then: &Then) -> Vec<Cause> {
    let of = |about: About| then.rules.iter().filter(move |rule| rule.about == about);
    if then.rules.is_empty() {
        return vec![Cause::new(Code::HubWithoutMappings, "the hub had no mapping")];
    }
    let mut told: Vec<Cause> = of(About::Them)
        .map(|rule| match (&rule.scope, rule.seat) {
            (_, false) => {
                let text = format!("{} gave a role in the hub and no seat in the app", rule.subject);
                Cause::new(Code::NoSeat, text).of([rule.subject.clone()])
            }
            (Some(scope), true) => {
                let text = format!(
                    "{} was about the user, where {scope}; what the user's attributes were is not recorded",
                    rule.named()
                );
                Cause::new(Code::NotRecorded, text).of([rule.subject.clone()])
            }
            (None, true) => {
                let since = rule.since.as_ref().map(|told| format!(", since {}", told.when())).unwrap_or_default();
                let text = format!("it was wanted because of {}{since}", rule.named());
                Cause::new(Code::Wanted, text).of([rule.subject.clone()])
            }
        })
        .collect();
    if told.is_empty() {
        told.push(Cause::new(Code::NoMapping, "no mapping that the hub had then gave this person access"));
    }
    let not_in: Vec<&RuleThen> = of(About::NotInGroup).collect();
    if !not_in.is_empty() {
        let named: Vec<String> = not_in.iter().map(|rule| rule.named()).collect();
        let which = if named.len() == 1 { "the user was not in it" } else { "the user was in none of them" };
        let text = format!("it would have come with {}: {which}", listed(&named));
        told.push(Cause::new(Code::NotInMappedGroup, text).of(not_in.iter().map(|rule| rule.subject.clone())));
        told.extend(not_in.iter().filter_map(|rule| {
            let text = format!("out of {} since {}", rule.subject, rule.since.as_ref()?.when());
            Some(Cause::new(Code::NotInMappedGroup, text).of([rule.subject.clone()]))
        }));
    }
    let named = |about: About| of(about).map(RuleThen::named).collect::<Vec<_>>();
    let (nobody, unknown) = (named(About::Nobody), named(About::Unknown));
    if !nobody.is_empty() {
        let text = format!("mapped, and not there yet: {}", listed(&nobody));
        told.push(Cause::new(Code::SubjectMissing, text).of(of(About::Nobody).map(|rule| rule.subject.clone())));
    }
    if !unknown.is_empty() {
        let text = format!("the record does not say whether this was about the user: {}", listed(&unknown));
        told.push(Cause::new(Code::NotRecorded, text).of(of(About::Unknown).map(|rule| rule.subject.clone())));
    }
    told
}

/// The task that was under way then, and what kept it.
fn open(seen: &Seen<'_>) -> Vec<Cause> {
    let Some(OpenThen { task, held }) = seen.open else { return Vec::new() };
    let became = match task.finished_at {
        Some(at) => format!("it ended {} as {}", at.to_rfc3339(), plain(task.status.as_str())),
        None => format!("it is {} to this day", plain(task.status.as_str())),
    };
    let (kind, since) = (task.effect.kind.as_str(), task.created_at.to_rfc3339());
    let text = format!("a task ({kind}) was open since {since}; {became}");
    let mut told = vec![Cause::new(Code::OpenTask, text).task(task.id)];
    if let Some((reason, until)) = held {
        let until = until.map(|at| format!(" until {}", at.to_rfc3339())).unwrap_or_default();
        let text = format!("the guard held it{until}, because {}", reason.explain());
        told.push(Cause { hold: task.hold, ..Cause::new(Code::Held, text).task(task.id) });
    }
    if task.status == TaskStatus::Manual {
        told.push(Cause::new(Code::ManualItem, "a person had to do it in the app").task(task.id));
    }
    if task.error_class.is_some() || task.error_detail.is_some() {
        let text = format!("what went wrong with it last: {}", present::what_failed(task));
        told.push(Cause::new(Code::Failed, text).task(task.id));
    }
    told
}

/// The last task before, where it ended without being done.
fn last(seen: &Seen<'_>) -> Option<Cause> {
    let task = seen.last.filter(|task| task.effect.kind != TaskKind::Remove)?;
    let at = task.finished_at?.to_rfc3339();
    let by = task.closing.as_ref().map(|closing| closing.actor.as_str()).unwrap_or_default();
    let note = task.closing.as_ref().and_then(|closing| closing.note.as_deref());
    let note = note.map(|note| format!(": \u{201c}{note}\u{201d}")).unwrap_or_default();
    match task.status {
        TaskStatus::Cancelled => {
            let text = format!("the task ({}) was cancelled {at} by {by}{note}", task.effect.kind.as_str());
            Some(Cause::new(Code::Declined, text).task(task.id))
        }
        TaskStatus::NotCompleted => {
            let text = format!("the task ({}) failed {at}: {}", task.effect.kind.as_str(), present::what_failed(task));
            Some(Cause::new(Code::Failed, text).task(task.id))
        }
        TaskStatus::Queued
        | TaskStatus::Started
        | TaskStatus::Running
        | TaskStatus::Retrying
        | TaskStatus::Held
        | TaskStatus::Waiting
        | TaskStatus::Manual
        | TaskStatus::Completed
        | TaskStatus::Superseded => None,
    }
}
