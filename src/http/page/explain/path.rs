//! The path from the identity provider to the seat, as boxes and links between them, before it is
//! drawn. What is missing or refused is a box too, and the link to it is broken.

use super::super::words::{self, Tone};
use crate::service::explain::{ExplainedTask, Explanation, RuleView};
use crate::service::members::{Presence, Reason};
use crate::service::tasks::TaskStatus;

/// Mappings that the picture has room for; the table below shows all.
pub(super) const LANES: usize = 3;

/// One box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which step of the path, in a word or two.
    pub name: &'static str,
    /// What it is here.
    pub main: String,
    /// One more line.
    pub more: String,
    /// How it stands.
    pub tone: Tone,
}

/// How one step leads to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It does.
    Leads(Tone),
    /// It would, but for what the next step says.
    Broken,
}

/// A membership and the mapping it meets.
#[derive(Clone, Debug)]
pub struct Lane {
    /// From the request to the membership.
    pub into: Link,
    /// The membership, or its lack.
    pub membership: Step,
    /// From the membership to the mapping.
    pub meets: Link,
    /// The mapping.
    pub mapping: Step,
    /// From the mapping to the entitlement.
    pub gives: Link,
}

/// The whole picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// In one sentence, for those who do not see it.
    pub title: String,
    /// What the identity provider said.
    pub request: Step,
    /// The mappings that matter most; one at least.
    pub lanes: Vec<Lane>,
    /// Mappings there was no room for.
    pub unseen: usize,
    /// Entitlement, task, attempts, seat; each with the link that leads to it. The entitlement's is
    /// the lanes'.
    pub rest: [(Link, Step); 4],
}

/// How a mapping's word for a person looks.
pub fn tone(applies: &str) -> Tone {
    match applies {
        "counts" | "counted" => Tone::Good,
        "refused" | "gone" => Tone::Bad,
        "waiting" | "unknown" => Tone::Wait,
        _ => Tone::Dim,
    }
}

pub(super) fn step(name: &'static str, main: impl Into<String>, more: impl Into<String>, tone: Tone) -> Step {
    Step { name, main: main.into(), more: more.into(), tone }
}

/// The picture of an explanation.
pub fn picture(why: &Explanation) -> Picture {
    let mut rules: Vec<&RuleView> = why.mappings.iter().collect();
    let weight = |rule: &RuleView| match rule.applies {
        "counts" => 0,
        "refused" => 1,
        "gone" => 2,
        "waiting" => 3,
        "not_in_group" => 4,
        _ => 5,
    };
    rules.sort_by_key(|rule| weight(rule));
    // Mappings about somebody else explain nothing while there is another.
    rules.retain(|rule| rule.applies != "other_user" || why.mappings.len() == 1);
    let unseen = rules.len().saturating_sub(LANES);
    let mut lanes: Vec<Lane> = rules.into_iter().take(LANES).map(|rule| lane(why, rule)).collect();
    if lanes.is_empty() {
        lanes.push(no_lane(why));
    }
    let task = why.tasks.first();
    let entitlement = entitlement(why);
    let rest = [(Link::Leads(Tone::Good), entitlement), task_step(why, task), attempts_step(task), seat(why, task)];
    Picture { title: why.summary.join("; "), request: request(why), lanes, unseen, rest }
}

/// The last that the identity provider said about this person: the request behind the newest task,
/// else the newest one of the record.
fn request(why: &Explanation) -> Step {
    const NAME: &str = "Identity provider";
    let wanted = why.tasks.first().and_then(|one| one.task.request_id.as_deref());
    let line = why
        .activity
        .iter()
        .find(|line| wanted.is_some() && line.request_id.as_deref() == wanted)
        .or_else(|| why.activity.iter().find(|line| line.kind.starts_with("user.")));
    let tone = match why.user.state {
        "active" => Tone::Good,
        _ => Tone::Bad,
    };
    let said = match why.user.state {
        "active" => "user is active",
        "inactive" => "user is deactivated",
        _ => "user was deleted",
    };
    match line {
        Some(line) => step(NAME, said, format!("{}, {}", words::plain(&line.kind), words::moment(&line.at)), tone),
        None => step(NAME, said, "", tone),
    }
}

fn lane(why: &Explanation, rule: &RuleView) -> Lane {
    let is_here = why.user.state == "active";
    let in_it = matches!(rule.applies, "counts" | "refused");
    let (membership, into) = match rule.applies {
        "counts" | "refused" => {
            let since = rule.member_since.as_deref();
            let more = since.map(|at| format!("named {}", words::moment(at))).unwrap_or_default();
            let link = if is_here { Link::Leads(Tone::Good) } else { Link::Broken };
            (step("Membership", rule.subject.clone(), more, if is_here { Tone::Good } else { Tone::Bad }), link)
        }
        "waiting" => (step("Membership", rule.subject.clone(), "has not arrived yet", Tone::Wait), Link::Broken),
        "gone" => (step("Membership", rule.subject.clone(), "the group was deleted", Tone::Bad), Link::Broken),
        "other_user" => (step("Membership", rule.subject.clone(), "is somebody else", Tone::Dim), Link::Broken),
        _ => (step("Membership", format!("not in {}", rule.subject), "", Tone::Dim), Link::Broken),
    };
    let scope = rule.scope.as_deref().map(|scope| format!("where {scope}"));
    let reference = rule.file_ref.as_deref().map(|at| format!("ref {at}"));
    let mut mapping = step(
        "Mapping",
        format!("gives {}", rule.app_role),
        scope.or(reference).unwrap_or_default(),
        tone(rule.applies),
    );
    if rule.applies == "refused" {
        mapping.more = rule.why.clone();
    }
    let meets = if in_it { Link::Leads(Tone::Good) } else { Link::Leads(Tone::Dim) };
    let gives = match rule.applies {
        "counts" if why.wanted.role.as_deref() == Some(rule.app_role.as_str()) => Link::Leads(Tone::Good),
        // Outranked by another: it counts, and does not decide.
        "counts" if why.wanted.seat => Link::Leads(Tone::Dim),
        "counts" | "refused" => Link::Broken,
        _ => Link::Leads(Tone::Dim),
    };
    Lane { into, membership, meets, mapping, gives }
}

fn no_lane(why: &Explanation) -> Lane {
    let more = if why.mappings.is_empty() { "this hub has none" } else { "all are about others" };
    Lane {
        into: Link::Leads(Tone::Dim),
        membership: step("Membership", "none that matters here", "", Tone::Dim),
        meets: Link::Broken,
        mapping: step("Mapping", "none for this person", more, Tone::Dim),
        gives: Link::Leads(Tone::Dim),
    }
}

fn entitlement(why: &Explanation) -> Step {
    const NAME: &str = "Entitlement";
    match (&why.wanted.role, why.wanted.seat) {
        (Some(role), true) => {
            let names = |reasons: &[Reason]| {
                reasons.iter().map(|reason| reason.subject.as_str()).collect::<Vec<_>>().join(", ")
            };
            let mut because = names(&why.wanted.reasons);
            if !why.wanted.outranked.is_empty() {
                because.push_str(&format!("; outranks {}", names(&why.wanted.outranked)));
            }
            step(NAME, role.clone(), because, Tone::Good)
        }
        (None, true) => step(NAME, "a seat", "", Tone::Good),
        (_, false) => step(NAME, "no access", "", Tone::Dim),
    }
}

fn task_step(why: &Explanation, task: Option<&ExplainedTask>) -> (Link, Step) {
    const NAME: &str = "Task";
    if let Some(decision) = &why.decision {
        let note = decision.note.clone().unwrap_or_else(|| format!("by {}", decision.by));
        return (Link::Broken, step(NAME, format!("{} by a person", words::plain(decision.kind)), note, Tone::Wait));
    }
    if let Some(mark) = &why.mark {
        let more = format!("from {}", words::moment(&mark.due));
        return (Link::Leads(Tone::Busy), step(NAME, "still to be planned", more, Tone::Busy));
    }
    let Some(one) = task else {
        let (main, tone) =
            if why.wanted.seat && why.known.is_none() { ("none yet", Tone::Wait) } else { ("none needed", Tone::Dim) };
        return (Link::Leads(Tone::Dim), step(NAME, main, "", tone));
    };
    let (word, tone) = words::status(one.task.status);
    let link = match one.task.status {
        TaskStatus::Held | TaskStatus::Cancelled | TaskStatus::NotCompleted => Link::Broken,
        TaskStatus::Queued
        | TaskStatus::Started
        | TaskStatus::Running
        | TaskStatus::Retrying
        | TaskStatus::Waiting
        | TaskStatus::Manual
        | TaskStatus::Completed
        | TaskStatus::Superseded => Link::Leads(tone),
    };
    let what = words::kind(one.task.kind, one.task.role.as_deref());
    if let Some(problem) = why.because.iter().find_map(|cause| cause.problem).filter(|_| one.task.status.is_open()) {
        return (Link::Broken, step(NAME, what, format!("{word}; {}", words::plain(problem)), Tone::Bad));
    }
    (link, step(NAME, what, format!("{word}, {}", words::plain(&one.task.cause)), tone))
}

pub(super) fn attempts_step(task: Option<&ExplainedTask>) -> (Link, Step) {
    const NAME: &str = "Attempts";
    let Some((one, last)) = task.and_then(|one| Some((one, one.tries.last()?))) else {
        let by_hand = task.is_some_and(|one| one.task.status == TaskStatus::Manual);
        let main = if by_hand { "by a person, in the app" } else { "none" };
        return (Link::Leads(Tone::Dim), step(NAME, main, "", Tone::Dim));
    };
    let number = i64::try_from(one.tries.len()).unwrap_or(i64::MAX);
    let main = words::count(number, "attempt", "attempts");
    match (&last.error, &last.outcome) {
        (Some(error), _) => {
            let detail = error.detail.clone().unwrap_or_else(|| words::plain(&error.class));
            (Link::Leads(Tone::Bad), step(NAME, main, detail, Tone::Bad))
        }
        (None, Some(outcome)) => (Link::Leads(Tone::Good), step(NAME, main, words::plain(outcome), Tone::Good)),
        (None, None) => (Link::Leads(Tone::Busy), step(NAME, main, "under way", Tone::Busy)),
    }
}

fn seat(why: &Explanation, task: Option<&ExplainedTask>) -> (Link, Step) {
    const NAME: &str = "Seat in the app";
    let is_done = task.is_none_or(|one| one.task.status == TaskStatus::Completed);
    let Some(known) = &why.known else {
        let (link, tone) =
            if why.wanted.seat { (Link::Broken, Tone::Bad) } else { (Link::Leads(Tone::Dim), Tone::Dim) };
        return (link, step(NAME, "none", "", tone));
    };
    let main = words::presence(known.known, known.role.as_deref());
    let has = known.known != Presence::Absent;
    let as_wanted = has == why.wanted.seat && (!has || known.role == why.wanted.role);
    let tone = match (as_wanted, has) {
        (true, true) => Tone::Good,
        (true, false) => Tone::Dim,
        (false, _) => Tone::Wait,
    };
    let stays = why.known.as_ref().is_some_and(|known| known.still_there.is_some());
    let tone = if stays { Tone::Bad } else { tone };
    let seen =
        why.observed.as_ref().and_then(|seen| seen.at.as_deref()).map(|at| format!("seen {}", words::moment(at)));
    let more = match seen {
        _ if stays => String::from("who left is still there"),
        Some(seen) => seen,
        None => format!("known {}", words::moment(&known.known_at)),
    };
    let link = match (as_wanted, is_done) {
        (true, _) => Link::Leads(if has { Tone::Good } else { Tone::Dim }),
        (false, true) => Link::Broken,
        (false, false) => Link::Leads(Tone::Busy),
    };
    (link, step(NAME, main, more, tone))
}
