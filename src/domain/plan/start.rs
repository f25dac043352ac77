//! How a task starts its life, before the guard: whether a worker takes it, a person does it, or it waits;
//! and whether an open task is that one already.

use super::{Action, Direction, Situation, is_there, takes_away};
use crate::domain::app::App;
use crate::domain::member::{Member, MemberStatus, Presence};
use crate::domain::task::{Effect, Task, TaskKind, TaskStatus};

/// How a task starts its life, before the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A worker takes it.
    Queued,
    /// Remembered until the invitation is accepted (R4.12).
    AfterAcceptance,
    /// Waits for data about the person that the app needs to add them (section 12.3).
    NeedsData,
    /// The app cannot do it by machine (R5.17).
    ByHand,
    /// The open task was held, and this takes away as well: it stays in that batch.
    StaysHeld,
}

pub(super) fn start(
    situation: &Situation<'_>,
    effect: &Effect,
    direction: Direction,
    member: Option<&Member>,
) -> Start {
    let held = member.filter(|member| member.known != Presence::Absent).and_then(|member| member.known_role.as_deref());
    let supported =
        situation.app.automates(effect.kind, held, effect.role.as_deref()) && can_reach(situation, effect, member);
    let was_held = situation.open.is_some_and(|open| open.status == TaskStatus::Held && takes_away(open));
    let pending = member.is_some_and(|member| member.known == Presence::Pending);
    if was_held && direction == Direction::TakesAway {
        Start::StaysHeld
    } else if effect.kind == TaskKind::UpdateRole && pending && situation.app.waits_for_acceptance() {
        Start::AfterAcceptance
    } else if lacks_data(situation, effect, member) {
        Start::NeedsData
    } else if supported {
        Start::Queued
    } else {
        Start::ByHand
    }
}

/// Whether an account is to be made and something is missing that the app must know for it. One that
/// is there and only switched on again needs nothing.
fn lacks_data(situation: &Situation<'_>, effect: &Effect, member: Option<&Member>) -> bool {
    effect.kind == TaskKind::Add && !is_there(member) && !situation.filled.missing.is_empty()
}

/// Whether the app lets this account go by machine: some hide whom they invited, and to them a removal
/// would look done although the invitation stands.
pub fn may_be_removed(app: &App, member: &Member) -> bool {
    app.invites_visible || member.known != Presence::Pending
}

/// Whether the app shows this person to us at all: some hide whom they invited, some never take back
/// whom they let go.
fn can_reach(situation: &Situation<'_>, effect: &Effect, member: Option<&Member>) -> bool {
    let app = situation.app;
    let Some(member) = member else { return true };
    match effect.kind {
        TaskKind::Remove => may_be_removed(app, member),
        // An item that a person has already stays theirs: the row no longer says "removed" then.
        TaskKind::Add if !app.reinvite => {
            let by_hand = situation.open.is_some_and(|open| open.status == TaskStatus::Manual);
            member.status != MemberStatus::Removed && !by_hand
        }
        TaskKind::Add => true,
        TaskKind::Sync | TaskKind::UpdateRole => true,
    }
}

/// Whether an open task is what is planned, as far along as it may be.
pub(super) fn does(open: &Task, action: &Action) -> bool {
    let far_enough = match action.start {
        Start::AfterAcceptance | Start::NeedsData => open.status == TaskStatus::Waiting,
        // A waiting task whose reason to wait is gone is replaced by one that goes out; so is an
        // addition that was held, if the guard has nothing against it any more (a seat is free).
        Start::Queued | Start::ByHand => match open.status {
            TaskStatus::Waiting => false,
            // An item only because the app could not do it: now it can (another login method).
            TaskStatus::Manual => action.start == Start::ByHand || open.attempts > 0 || open.error_class.is_some(),
            TaskStatus::Held => action.takes_away,
            TaskStatus::Queued
            | TaskStatus::Started
            | TaskStatus::Running
            | TaskStatus::Retrying
            | TaskStatus::Completed
            | TaskStatus::NotCompleted
            | TaskStatus::Superseded
            | TaskStatus::Cancelled => true,
        },
        Start::StaysHeld => true,
    };
    far_enough && open.effect == action.effect
}
