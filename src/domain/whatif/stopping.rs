//! What a hub that stops pushing leaves undone for one person: it goes back to observing, or is
//! removed. Nothing changes in its app then, and that is the point: a removal that was on its way,
//! held ones too, does not happen, and somebody who left keeps the account.

use serde::{Deserialize, Serialize};

use super::{Outcome, PersonEffect, account, acts, blank, outcome, withdrawn};
use crate::base::clock::Micros;
use crate::domain::app::App;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::leaver;
use crate::domain::member::{Bucket, Presence};
use crate::domain::plan::may_be_replaced;
use crate::domain::principal;
use crate::domain::reasons::Parted;
use crate::domain::task::{Task, TaskKind, TaskStatus};

/// How a hub stops pushing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It observes from now on: what has not begun is withdrawn, and planned anew once it is active.
    Observes,
    /// It is forgotten: what is not being done is cancelled, and nobody looks at its app any more.
    Removed,
}

/// What becomes of one person when the hub stops: their open task is withdrawn, or what was due
/// without one; of a removed hub also that they left and keep the account, whatever kept it. `ground`
/// is the hub as it is; `pushes` whether it pushes now: only then something is due.
///
/// A task whose attempt runs goes on to its end, as everywhere.
pub fn left_undone(
    app: &App,
    ground: &Ground<'_>,
    stop: Stop,
    pushes: bool,
    facts: &Facts,
    now: Micros,
) -> Option<PersonEffect> {
    let leaver = stays_though_left(facts);
    if let Some(open) = &facts.open {
        if !ends(stop, open) {
            return None;
        }
        let role = facts.member.as_ref().filter(|member| member.known != Presence::Absent);
        let effect = withdrawn(facts, role.and_then(|member| member.known_role.clone()), open);
        return Some(PersonEffect { leaver, ..effect });
    }
    let (_, verdict) = decide(ground, facts, now, now);
    let from = account(&verdict, facts).and_then(|member| member.known_role.clone());
    if pushes && let Some(due) = acts(&verdict) {
        return Some(PersonEffect { change: Outcome::Withdraw, leaver, ..outcome(app, facts, from, due) });
    }
    match stop {
        Stop::Removed if leaver => {
            let kept = blank(facts, Outcome::Keep, from.clone(), from, &Parted::default());
            let why = Some(String::from("left, and nobody takes the account away any more"));
            Some(PersonEffect { leaver, why, ..kept })
        }
        Stop::Removed | Stop::Observes => None,
    }
}

/// The same of a task about an account that is nobody's here; `None` where it goes on to its end.
pub fn left_undone_of_nobody(stop: Stop, open: &Task) -> Option<PersonEffect> {
    let effect = &open.effect;
    let (from, to) = effect.from_and_to();
    ends(stop, open).then(|| PersonEffect {
        user: principal::named(&effect.principal),
        change: Outcome::Withdraw,
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        because: Vec::new(),
        outranked: Vec::new(),
        leaver: false,
        begins: None,
        why: None,
        held: None,
        task: Some(open.status.as_str().to_owned()),
    })
}

/// Whether somebody left and the app still has their account, open to them: what a suspended one
/// opens is nothing, and an exempted one stays on a person's word (R4.5).
fn stays_though_left(facts: &Facts) -> bool {
    let Some(member) = &facts.member else { return false };
    leaver::is_still_in(facts.standing(), Some(member.known)) && member.bucket != Bucket::Exempted
}

/// Whether a task ends without effect. A removed hub cancels also what may have been sent: nobody
/// can look at its app for it. Reading the app is no change for anybody.
fn ends(stop: Stop, open: &Task) -> bool {
    let changes = match open.effect.kind {
        TaskKind::Sync => false,
        TaskKind::Add | TaskKind::UpdateRole | TaskKind::Remove => true,
    };
    let waits = match stop {
        Stop::Observes => may_be_replaced(open),
        Stop::Removed => match open.status {
            TaskStatus::Queued | TaskStatus::Retrying | TaskStatus::Held | TaskStatus::Waiting | TaskStatus::Manual => {
                true
            }
            TaskStatus::Started
            | TaskStatus::Running
            | TaskStatus::Completed
            | TaskStatus::NotCompleted
            | TaskStatus::Superseded
            | TaskStatus::Cancelled => false,
        },
    };
    changes && waits
}
