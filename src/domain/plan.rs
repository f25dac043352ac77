//! The next step for one person in one hub: wanted against known (business-hubs.md section 5.2).
//! A pure function; whether a removal may go out now is asked of `guard` afterwards.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

mod alike;
mod start;

use std::collections::BTreeMap;
use std::time::Duration;

use self::start::{does, start};

use crate::base::clock::Micros;
use crate::base::ids::MemberId;
use crate::domain::app::App;
use crate::domain::assets::{self, Diff};
use crate::domain::create_fields::Filled;
use crate::domain::decision::Decision;
use crate::domain::entitlement::{Entitlement, Seat};
use crate::domain::hub::{Deprovision, HubPolicy};
use crate::domain::member::{Bucket, Member, Presence, Reason};
use crate::domain::permissions;
use crate::domain::protection::Protection;
use crate::domain::task::{Before, Effect, Principal, Task, TaskKind, TaskStatus};

pub use self::alike::{Candidates, Vacating};
pub use self::start::{Start, may_be_removed};

/// Runs before everything else: people who left.
pub const PRIORITY_LEAVER: i32 = 0;
/// Additions, upgrades and changes between equals.
pub const PRIORITY_GRANT: i32 = 10;
/// Removals and downgrades of people who stay. The guard finds downgrades in its window by it.
pub const PRIORITY_REDUCE: i32 = 20;

/// How long a mark rests while an attempt runs. Finishing the attempt makes it due at once; this
/// is only the net below that.
pub const WHILE_RUNNING: Duration = Duration::from_secs(60);

/// Whether the person is still with the company, as far as the IdP says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Active.
    Stays,
    /// Deactivated or deleted: what they hold ends at once, without settling.
    Left,
}

/// Everything the decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Whether the person is still there.
    pub standing: Standing,
    /// What they should hold.
    pub entitlement: &'a Entitlement,
    /// How to address them in the app.
    pub principal: &'a Principal,
    /// Their member row.
    pub member: Option<&'a Member>,
    /// Unmatched accounts of the hub that show one of their e-mails, and whether the e-mail is
    /// theirs alone.
    pub candidates: Candidates<'a>,
    /// Whether there is no room for an account of theirs yet.
    pub vacating: Option<Vacating>,
    /// Their open task in this hub.
    pub open: Option<&'a Task>,
    /// What a person or a permanent failure decided before.
    pub decision: Option<&'a Decision>,
    /// What is there of what the app must know to add them.
    pub filled: &'a Filled,
    /// Why their account is protected, where a person protected it: the guard holds what is planned.
    pub protection: Option<&'a Protection>,
    /// The app.
    pub app: &'a App,
    /// The hub's policy.
    pub policy: &'a HubPolicy,
    /// Now.
    pub now: Micros,
    /// Removals and downgrades of somebody who stays wait until then.
    pub settle_until: Micros,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// First bind this account to the person and manage it: no invitation (R4.6).
    pub adopt: Option<MemberId>,
    /// Then this.
    pub step: Step,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do; an open task that has not started has nothing left to want and is withdrawn
    /// unless it is the very thing that is planned.
    Nothing(Why),
    /// Look again then. `withdraw`: an open grant is no longer wanted meanwhile.
    Wait {
        /// When.
        until: Micros,
        /// Whether the open task goes.
        withdraw: bool,
        /// For what.
        awaits: Awaits,
    },
    /// Push this, replacing an open task that has not started.
    Act(Box<Action>),
}

/// What a step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// The end of the attempt under way.
    Attempt,
    /// The settle time: whoever stays loses nothing before.
    Settling,
    /// Another's account with their address to go.
    Room(Vacating),
}

/// Why nothing is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Known is as wanted.
    AsWanted,
    /// Nothing wanted, nothing there.
    NotThere,
    /// The open task does it already.
    Planned,
    /// Exempted: no task ever (R4.5).
    Exempted,
    /// Not ours: never removed or demoted by automation.
    Unmanaged,
    /// Protected: only a person changes it (T-08). The account that the hub works with (R4.8), or one
    /// that shows the person's e-mail and was protected while it was nobody's.
    Protected,
    /// Rejected, cancelled or failed for good, and nothing has changed since.
    Decided,
    /// More than one account or person bears the e-mail (R4.11).
    Conflict,
}

impl Why {
    /// The words the plan and explain show.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::AsWanted => "as wanted",
            Self::NotThere => "no access wanted, none there",
            Self::Planned => "already planned",
            Self::Exempted => "exempted: never touched",
            Self::Unmanaged => "not managed: never removed or demoted",
            Self::Protected => "protected, or the account that the hub works with: only a person changes it",
            Self::Decided => "decided before, and nothing has changed since",
            Self::Conflict => "several accounts or people share the e-mail: match by hand",
        }
    }
}

impl Why {
    /// Whether an open task that has not started has nothing left to want. A task about an
    /// account that automation must not touch was made by a person, and stays theirs.
    pub const fn withdraws(self) -> bool {
        match self {
            Self::AsWanted | Self::NotThere | Self::Decided => true,
            Self::Planned | Self::Exempted | Self::Unmanaged | Self::Protected | Self::Conflict => false,
        }
    }
}

/// Something to push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What to make true.
    pub effect: Effect,
    /// The mappings behind it: those that give it, or those that gave what goes.
    pub reasons: Vec<Reason>,
    /// Smaller first.
    pub priority: i32,
    /// Whether it takes something away: the guard's business.
    pub takes_away: bool,
    /// How it starts.
    pub start: Start,
}

/// Decide the next step. `Exempted` and unmanaged members are never in an action, nor is the account
/// that the hub works with; what is planned of one that a person protected is held by the guard.
pub fn plan(situation: &Situation<'_>) -> Verdict {
    let wanted = situation.entitlement.seat();
    if situation.open.is_some_and(|task| !may_be_replaced(task)) {
        return step(Step::Wait { until: situation.now.plus(WHILE_RUNNING), withdraw: false, awaits: Awaits::Attempt });
    }
    if let Some(member) = situation.member {
        if let Some(why) = untouchable(member).filter(|why| stands(*why, situation)) {
            return step(Step::Nothing(why));
        }
        if member.managed && member.known != Presence::Absent {
            return step(against(situation, wanted, member));
        }
        if !member.managed && member.known != Presence::Absent {
            // Reached by a mapping: ours from now on. Reached by none: none of our business.
            return match wanted {
                Some(_) => adopt(situation, wanted, member),
                None => step(Step::Nothing(Why::Unmanaged)),
            };
        }
    }
    let Some(seat) = wanted else { return step(unwanted(situation)) };
    if let Some(vacating) = situation.vacating {
        let until = situation.now.plus(vacating.rest());
        return step(Step::Wait { until, withdraw: true, awaits: Awaits::Room(vacating) });
    }
    match situation.candidates {
        Candidates::None => {
            let effect = effect(situation, TaskKind::Add, Some(seat), situation.member);
            let reasons = situation.entitlement.reasons.clone();
            step(act(situation, effect, reasons, Direction::Gives, situation.member))
        }
        Candidates::One(found) => match untouchable(found) {
            Some(why) => step(Step::Nothing(why)),
            None => adopt(situation, wanted, found),
        },
        Candidates::Conflict => step(Step::Nothing(Why::Conflict)),
    }
}

/// Nothing is wanted and nothing is known to be there. An add that a person was asked about may
/// have been done all the same: withdrawing it alone would leave that account with its holder.
fn unwanted(situation: &Situation<'_>) -> Step {
    let in_doubt = |task: &Task| task.effect.kind == TaskKind::Add && task.verify_first;
    match situation.member {
        Some(member) if member.managed && situation.open.is_some_and(in_doubt) => {
            let mut effect = effect(situation, TaskKind::Remove, None, Some(member));
            effect.suspend = match situation.policy.deprovision {
                Deprovision::Remove => false,
                Deprovision::Suspend => true,
            };
            act(situation, effect, member.reasons.clone(), Direction::TakesAway, Some(member))
        }
        Some(_) | None => Step::Nothing(Why::NotThere),
    }
}

/// Whether nothing of a task can be at the app: not started, or between two attempts that sent
/// nothing.
pub fn may_be_replaced(task: &Task) -> bool {
    match task.status {
        TaskStatus::Queued | TaskStatus::Retrying => !task.verify_first,
        TaskStatus::Started
        | TaskStatus::Running
        | TaskStatus::Held
        | TaskStatus::Waiting
        | TaskStatus::Manual
        | TaskStatus::Completed
        | TaskStatus::NotCompleted
        | TaskStatus::Superseded
        | TaskStatus::Cancelled => task.status.is_replaceable(),
    }
}

fn untouchable(member: &Member) -> Option<Why> {
    match member.bucket {
        Bucket::Exempted => Some(Why::Exempted),
        Bucket::Onboarded | Bucket::Unmatched | Bucket::Guest => member.protected.then_some(Why::Protected),
    }
}

/// Whether what keeps an account from being touched keeps it out of plans too. What a person protected
/// is planned and held, so that somebody sees what is wanted and may let that one change through.
const fn stands(why: Why, situation: &Situation<'_>) -> bool {
    match why {
        Why::Protected => situation.protection.is_none(),
        Why::AsWanted
        | Why::NotThere
        | Why::Planned
        | Why::Exempted
        | Why::Unmanaged
        | Why::Decided
        | Why::Conflict => true,
    }
}

const fn step(step: Step) -> Verdict {
    Verdict { adopt: None, step }
}

fn adopt(situation: &Situation<'_>, wanted: Option<&Seat>, member: &Member) -> Verdict {
    Verdict { adopt: Some(member.id), step: against(situation, wanted, member) }
}

/// Which way a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Gives,
    TakesAway,
}

/// An account of ours that is in the app, against what is wanted.
fn against(situation: &Situation<'_>, wanted: Option<&Seat>, member: &Member) -> Step {
    let Some(seat) = wanted else { return deprovision(situation, member) };
    match member.known {
        // A suspended account of somebody who should have one is switched on by the same effect
        // that creates one: connectors adopt what exists.
        Presence::Suspended | Presence::Absent => {
            let effect = effect(situation, TaskKind::Add, Some(seat), Some(member));
            act(situation, effect, situation.entitlement.reasons.clone(), Direction::Gives, Some(member))
        }
        Presence::Pending | Presence::Active => role(situation, seat, member),
    }
}

fn deprovision(situation: &Situation<'_>, member: &Member) -> Step {
    let suspend = match situation.policy.deprovision {
        Deprovision::Remove => false,
        Deprovision::Suspend => true,
    };
    if suspend && member.known == Presence::Suspended {
        return Step::Nothing(Why::AsWanted);
    }
    let mut effect = effect(situation, TaskKind::Remove, None, Some(member));
    effect.suspend = suspend;
    settled(situation, effect, member.reasons.clone(), member)
}

fn role(situation: &Situation<'_>, seat: &Seat, member: &Member) -> Step {
    let known = member.known_role.as_deref();
    let assets = if situation.app.assets.is_empty() {
        Diff::default()
    } else {
        assets::diff(&member.known_assets, &seat.assets)
    };
    if known == Some(seat.role.as_str()) && assets.is_empty() {
        return Step::Nothing(Why::AsWanted);
    }
    let effect = effect(situation, TaskKind::UpdateRole, Some(seat), Some(member));
    let reasons = situation.entitlement.reasons.clone();
    let loses_role = known.is_some_and(|known| permissions::takes_away(situation.app, known, &seat.role));
    if loses_role || !assets.take.is_empty() {
        return settled(situation, effect, reasons, member);
    }
    act(situation, effect, reasons, Direction::Gives, Some(member))
}

/// Something that takes away: at once for leavers, after settling for everybody else (R5.2, R5.3).
fn settled(situation: &Situation<'_>, effect: Effect, reasons: Vec<Reason>, member: &Member) -> Step {
    let waits = match situation.standing {
        Standing::Left => false,
        Standing::Stays => situation.now < situation.settle_until,
    };
    if waits {
        let withdraw = situation.open.is_some_and(|task| !takes_away(task));
        return Step::Wait { until: situation.settle_until, withdraw, awaits: Awaits::Settling };
    }
    act(situation, effect, reasons, Direction::TakesAway, Some(member))
}

/// Whether a task removes or demotes.
pub fn takes_away(task: &Task) -> bool {
    match task.effect.kind {
        TaskKind::Remove => true,
        TaskKind::UpdateRole => task.priority == PRIORITY_REDUCE,
        TaskKind::Add | TaskKind::Sync => false,
    }
}

fn act(
    situation: &Situation<'_>,
    effect: Effect,
    reasons: Vec<Reason>,
    direction: Direction,
    member: Option<&Member>,
) -> Step {
    if situation.decision.is_some_and(|decision| decision.still_holds(&effect, &reasons, member, situation.standing)) {
        return Step::Nothing(Why::Decided);
    }
    let takes_away = direction == Direction::TakesAway;
    let priority = match (situation.standing, direction) {
        (Standing::Left, Direction::TakesAway) if effect.kind == TaskKind::Remove => PRIORITY_LEAVER,
        (Standing::Left | Standing::Stays, Direction::TakesAway) => PRIORITY_REDUCE,
        (Standing::Left | Standing::Stays, Direction::Gives) => PRIORITY_GRANT,
    };
    let action = Action { start: start(situation, &effect, direction, member), effect, reasons, priority, takes_away };
    if situation.open.is_some_and(|open| does(open, &action)) {
        return Step::Nothing(Why::Planned);
    }
    Step::Act(Box::new(action))
}

fn is_there(member: Option<&Member>) -> bool {
    member.is_some_and(|member| member.known != Presence::Absent)
}

/// The role to ask for: of a new account the one that the app gives to everybody, where it does so.
fn added_role<'a>(app: &'a App, kind: TaskKind, member: Option<&Member>, wanted: &'a str) -> &'a str {
    match app.added_as().filter(|_| kind == TaskKind::Add && !is_there(member)) {
        Some(role) => &role.id,
        None => wanted,
    }
}

fn effect(situation: &Situation<'_>, kind: TaskKind, seat: Option<&Seat>, member: Option<&Member>) -> Effect {
    Effect {
        kind,
        principal: situation.principal.clone(),
        remote_id: member.and_then(|member| member.remote_id.clone()),
        role: seat
            .map(|seat| added_role(situation.app, kind, member, &seat.role).to_owned())
            .or_else(|| member.and_then(|member| member.known_role.clone())),
        assets: seat.map(|seat| seat.assets.clone()).unwrap_or_default(),
        hub_role: situation.entitlement.grant.as_ref().map(|grant| grant.hub_role),
        suspend: false,
        extra: match kind {
            TaskKind::Add if !is_there(member) => situation.filled.values.clone(),
            TaskKind::Add | TaskKind::Remove | TaskKind::UpdateRole | TaskKind::Sync => BTreeMap::new(),
        },
        again: kind == TaskKind::Add && member.is_some_and(Member::is_invited_again),
        before: match kind {
            TaskKind::Remove | TaskKind::UpdateRole => member.and_then(Before::of),
            TaskKind::Add | TaskKind::Sync => None,
        },
    }
}
