//! From how an attempt ended to what follows: the tables of connected-apps.md section 2 as one
//! pure function. The connector classified; here it is decided.

use std::time::Duration;

use super::connector::{Failure, FailureClass, Outcome, RemoteMember};
use crate::base::limits::RETRY_AFTER_CAP;
use crate::domain::member::Presence;
use crate::domain::problem::Cause;
use crate::domain::retry::{self, Next, Wait};
use crate::domain::task::{Effect, Task, TaskKind};
use crate::store::attempts::Ended;
use crate::store::landed::Landing;

/// How an attempt ended, as the worker saw it.
#[derive(Debug)]
pub enum End {
    /// The connector answered.
    Answered(Result<Outcome, Failure>),
    /// `verify` said the wanted state is there already.
    Verified(Option<RemoteMember>),
    /// `verify` could not tell, and doing it again could do it twice.
    CannotTell,
    /// The hub's connection cannot even be made up from what is stored.
    NoConnection(Failure),
    /// The hub was removed after the task was claimed.
    HubGone,
    /// The connector panicked.
    Panicked,
    /// The server stops.
    Stopped,
    /// The sync is complete.
    Synced,
    /// The sync is not through; the next attempt goes on from there.
    Unfinished,
    /// The sync applied nothing, because it would have marked too many as removed (R7.6).
    Halted(String),
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The app holds what was wanted.
    Landed(Landing),
    /// The app holds an account with another role; the planner decides anew.
    Exists(Landing),
    /// The app no longer has the account we knew; the planner decides anew.
    Gone,
    /// Try again.
    Again {
        /// Not before this long from now.
        after: Duration,
        /// Whether it counts as an attempt.
        spends: bool,
        /// Whether it counts as a crash.
        crashed: bool,
        /// What the next attempt knows more.
        effect: Option<Effect>,
    },
    /// A person must.
    Person,
    /// Failed for good.
    Refused,
}

/// What the hub's lane learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneNote {
    /// Nothing: the app was not reached.
    Nothing,
    /// The app answered.
    Answered,
    /// It failed in passing or with an unknown end.
    Failed,
    /// It asks everybody to wait.
    Wait(Duration),
    /// It stands still until a person mends the cause.
    Blocked(Cause),
}

/// The whole decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What follows for the task.
    pub follow: Follow,
    /// What the lane learns.
    pub lane: LaneNote,
    /// What the attempt's row says.
    pub ended: Ended,
    /// Whether something may be at the app.
    pub verify_first: bool,
    /// A problem to open: its cause.
    pub problem: Option<Cause>,
}

/// What is known beside the end itself.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Whether anything that changes the app was about to be sent.
    pub sent: bool,
    /// Whether another change went out before it in the same attempt, and may have been accepted
    /// (an account reactivated, then its role refused).
    pub sent_before: bool,
    /// A number in `0.0..1.0`.
    pub roll: f64,
    /// How long the task has existed.
    pub age: Duration,
}

/// Decide what follows.
pub fn judge(task: &Task, end: End, around: Circumstances) -> Verdict {
    let verdict = judge_any(task, end, around);
    match (task.effect.kind, &verdict.follow) {
        // Nobody can do a sync by hand, and one that waited for a person would keep the next away.
        (TaskKind::Sync, Follow::Person) => Verdict { follow: Follow::Refused, ..verdict },
        (TaskKind::Sync | TaskKind::Add | TaskKind::UpdateRole | TaskKind::Remove, _) => verdict,
    }
}

fn judge_any(task: &Task, end: End, around: Circumstances) -> Verdict {
    match end {
        End::Synced => done(landing(task, None, "synced"), "synced"),
        End::Unfinished => Verdict {
            follow: again(Duration::ZERO, false),
            lane: LaneNote::Answered,
            ended: ended("in_progress", None, "the list is long; the next attempt goes on"),
            verify_first: false,
            problem: None,
        },
        End::Halted(why) => Verdict {
            follow: Follow::Refused,
            lane: LaneNote::Answered,
            ended: ended("failed", Some(Cause::SyncHalted.as_str()), why),
            verify_first: false,
            // Reported with its numbers by the sync itself.
            problem: None,
        },
        End::Answered(Ok(outcome)) => good(task, outcome, around),
        End::Answered(Err(failure)) => bad(task, &failure, around),
        End::Verified(member) => done(landing(task, member.as_ref(), "verified"), "verified"),
        End::CannotTell => Verdict {
            follow: Follow::Person,
            lane: LaneNote::Answered,
            ended: ended("failed", Some("ambiguous"), "an earlier attempt may have done it, and the app does not tell"),
            verify_first: true,
            problem: None,
        },
        End::NoConnection(failure) => no_connection(task, &failure, around),
        End::HubGone => Verdict {
            follow: Follow::Refused,
            lane: LaneNote::Nothing,
            ended: ended("failed", Some("not_found"), "the hub was removed"),
            verify_first: false,
            problem: None,
        },
        End::Panicked => crash(task, "the connector panicked", around),
        End::Stopped => Verdict {
            follow: again(Duration::ZERO, false),
            lane: LaneNote::Nothing,
            ended: ended("given_back", None, "the server stopped"),
            verify_first: task.verify_first || around.sent,
            problem: None,
        },
    }
}

/// A process died, or hung past its lease, while it ran the task (F-17).
pub fn crash(task: &Task, what: &str, around: Circumstances) -> Verdict {
    let crashes = task.crashes.saturating_add(1);
    let (follow, detail) = match retry::after_crash(crashes, around.roll) {
        Next::Again(after) => (Follow::Again { after, spends: false, crashed: true, effect: None }, what.to_owned()),
        Next::Manual => (Follow::Person, format!("set aside after {crashes} crashes: {what}")),
    };
    Verdict {
        follow,
        lane: LaneNote::Nothing,
        ended: Ended { outcome: "crashed", error_class: Some("crashed"), detail: Some(detail) },
        verify_first: true,
        problem: None,
    }
}

fn ended(outcome: &'static str, class: Option<&'static str>, detail: impl Into<String>) -> Ended {
    Ended { outcome, error_class: class, detail: Some(detail.into()) }
}

const fn again(after: Duration, spends: bool) -> Follow {
    Follow::Again { after, spends, crashed: false, effect: None }
}

fn done(landing: Landing, outcome: &'static str) -> Verdict {
    Verdict {
        follow: Follow::Landed(landing),
        lane: LaneNote::Answered,
        ended: Ended { outcome, error_class: None, detail: None },
        verify_first: false,
        problem: None,
    }
}

/// The wanted state, as the app shows it. The role is the wanted one: an app that spells it in
/// another way must not be asked for the same change for ever.
fn landing(task: &Task, member: Option<&RemoteMember>, evidence: &'static str) -> Landing {
    let effect = &task.effect;
    let presence = match effect.kind {
        TaskKind::Remove if effect.suspend => Presence::Suspended,
        TaskKind::Remove => Presence::Absent,
        TaskKind::Add | TaskKind::UpdateRole | TaskKind::Sync => match member.map(|member| member.presence) {
            Some(Presence::Pending) => Presence::Pending,
            Some(Presence::Active | Presence::Suspended | Presence::Absent) | None => Presence::Active,
        },
    };
    Landing {
        presence,
        remote_id: member.map(|member| member.remote_id.clone()).or_else(|| effect.remote_id.clone()),
        role: effect.role.clone(),
        // As the app shows them: what it takes only after an acceptance is still to be given.
        assets: member.and_then(|member| member.assets.clone()),
        expires_at: member.and_then(|member| member.expires_at),
        evidence,
    }
}

fn good(task: &Task, outcome: Outcome, around: Circumstances) -> Verdict {
    match outcome {
        Outcome::Applied(member) => done(landing(task, member.as_ref(), "applied"), "applied"),
        Outcome::AlreadyInState(member) => done(landing(task, member.as_ref(), "already_in_state"), "already_in_state"),
        Outcome::Pending(member) => {
            let invited = Landing { presence: Presence::Pending, ..landing(task, Some(&member), "invited") };
            done(invited, "pending")
        }
        Outcome::NeedsRoleChange(member) => {
            let role = member.role.clone();
            let detail = format!("the account exists with the role {}", role.as_deref().unwrap_or("(none)"));
            let exists = Landing {
                presence: member.presence,
                remote_id: Some(member.remote_id),
                role,
                assets: member.assets,
                expires_at: member.expires_at,
                evidence: "found_in_app",
            };
            Verdict {
                follow: Follow::Exists(exists),
                lane: LaneNote::Answered,
                ended: ended("needs_role_change", None, detail),
                verify_first: false,
                problem: None,
            }
        }
        Outcome::PartiallyApplied { remote_id, remaining } => {
            let spent = task.attempts.saturating_add(1);
            let effect = Effect { remote_id: Some(remote_id), ..task.effect.clone() };
            let follow = match retry::after_failure(spent, around.roll) {
                Next::Again(after) => Follow::Again { after, spends: true, crashed: false, effect: Some(effect) },
                Next::Manual => Follow::Person,
            };
            Verdict {
                follow,
                lane: LaneNote::Answered,
                ended: ended("partially_applied", None, format!("still to do: {remaining}")),
                verify_first: true,
                problem: None,
            }
        }
        Outcome::InProgress(after) => {
            let follow =
                if around.age > RETRY_AFTER_CAP { Follow::Person } else { again(after.min(RETRY_AFTER_CAP), false) };
            Verdict {
                follow,
                lane: LaneNote::Answered,
                ended: ended("in_progress", None, "the app works on it"),
                verify_first: true,
                problem: None,
            }
        }
    }
}

fn bad(task: &Task, failure: &Failure, around: Circumstances) -> Verdict {
    let spent = task.attempts.saturating_add(1);
    let class = failure.class;
    let retried = || match retry::after_failure(spent, around.roll) {
        Next::Again(after) => again(after, true),
        Next::Manual => Follow::Person,
    };
    let verdict = |follow, lane, verify_first, problem| Verdict {
        follow,
        lane,
        ended: ended("failed", Some(class.as_str()), failure.detail.clone()),
        verify_first,
        problem,
    };
    let as_before = task.verify_first || around.sent_before;
    match class {
        FailureClass::RateLimited => match retry::when_rate_limited(failure.retry_after, task.attempts, around.roll) {
            Wait::For(wait) => verdict(again(wait, false), LaneNote::Wait(wait), as_before, None),
            Wait::TooLong => {
                let cause = Cause::RateLimited;
                verdict(again(Duration::ZERO, false), LaneNote::Blocked(cause), as_before, Some(cause))
            }
        },
        // A 5xx may come from a proxy in front of an app that did the work.
        FailureClass::Transient => {
            let follow = retried();
            let problem = gave_up(&follow);
            verdict(follow, LaneNote::Failed, as_before || around.sent, problem)
        }
        // An outage of any length makes no work for people, one by one; the hub has one problem
        // (see `finish`), and the breaker lets one task at a time look whether it is over.
        FailureClass::Unreachable => {
            let pause = retry::pause(spent, around.roll);
            verdict(again(pause, false), LaneNote::Failed, as_before, None)
        }
        FailureClass::Ambiguous => {
            let follow = retried();
            let problem = gave_up(&follow);
            verdict(follow, LaneNote::Failed, true, problem)
        }
        FailureClass::AuthBroken => {
            let cause = Cause::AuthBroken;
            verdict(again(Duration::ZERO, false), LaneNote::Blocked(cause), as_before, Some(cause))
        }
        FailureClass::AddressRefused => {
            let cause = Cause::AddressRefused;
            verdict(again(Duration::ZERO, false), LaneNote::Blocked(cause), as_before, Some(cause))
        }
        FailureClass::Forbidden => verdict(Follow::Person, LaneNote::Answered, as_before, Some(Cause::Forbidden)),
        FailureClass::SeatLimit => verdict(Follow::Person, LaneNote::Answered, as_before, Some(Cause::SeatLimit)),
        FailureClass::NeedsHuman | FailureClass::Conflict | FailureClass::NotSupported => {
            verdict(Follow::Person, LaneNote::Answered, as_before, None)
        }
        // Closed for good only where nothing of it can be at the app: a leaver's half-made account
        // must stay somebody's task.
        FailureClass::Invalid if around.sent_before => verdict(Follow::Person, LaneNote::Answered, as_before, None),
        FailureClass::Invalid => verdict(Follow::Refused, LaneNote::Answered, as_before, None),
        FailureClass::NotFound => {
            let follow = match task.effect.kind {
                TaskKind::Remove => Follow::Landed(Landing {
                    presence: Presence::Absent,
                    remote_id: None,
                    role: None,
                    assets: None,
                    expires_at: None,
                    evidence: "not_found",
                }),
                TaskKind::UpdateRole => Follow::Gone,
                TaskKind::Add | TaskKind::Sync => Follow::Person,
            };
            verdict(follow, LaneNote::Answered, false, None)
        }
    }
}

/// All attempts were spent on an app that does not answer: one problem, however many tasks meet it.
fn gave_up(follow: &Follow) -> Option<Cause> {
    matches!(follow, Follow::Person).then_some(Cause::Unavailable)
}

/// What is stored for the hub does not make a connection: the hub's trouble, not the task's, and
/// nothing its breaker could learn from.
fn no_connection(task: &Task, failure: &Failure, around: Circumstances) -> Verdict {
    let blocked = |cause| Verdict {
        follow: again(Duration::ZERO, false),
        lane: LaneNote::Blocked(cause),
        ended: ended("failed", Some(failure.class.as_str()), failure.detail.clone()),
        verify_first: task.verify_first,
        problem: Some(cause),
    };
    match failure.class {
        FailureClass::AuthBroken => blocked(Cause::AuthBroken),
        FailureClass::AddressRefused => blocked(Cause::AddressRefused),
        FailureClass::Forbidden
        | FailureClass::NotFound
        | FailureClass::Conflict
        | FailureClass::SeatLimit
        | FailureClass::Invalid => blocked(Cause::ConnectionIncomplete),
        FailureClass::Transient
        | FailureClass::Unreachable
        | FailureClass::Ambiguous
        | FailureClass::RateLimited
        | FailureClass::NeedsHuman
        | FailureClass::NotSupported => Verdict { lane: LaneNote::Nothing, ..bad(task, failure, around) },
    }
}
