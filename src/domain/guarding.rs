//! A batch before the guard: what each decided pair means to it, and in which order it is asked.
//! The planner and the preview ask through the same function, so that what is shown as held is held.

use crate::base::clock::Micros;
use crate::base::limits::GUARD_WINDOW;
use crate::domain::app::App;
use crate::domain::decide::{Facts, Ground};
use crate::domain::guard::{Change, Replaced};
use crate::domain::hub::Individual;
use crate::domain::mapping::{Binding, HubRole};
use crate::domain::member::{Member, Presence, Reason};
use crate::domain::occasion::BY_HAND;
use crate::domain::plan::{Action, PRIORITY_LEAVER, Start, Step, Verdict, takes_away};
use crate::domain::protection::moves_protected_role;
use crate::domain::task::{Task, TaskKind, TaskStatus};

/// What the guard is asked about a batch: everything that takes away or is about something protected,
/// or takes a seat where seats or additions are limited. Each with its place in the batch; who waited longest for a seat first, new
/// wishes after them, in the order of the batch.
///
/// What is held already and stays so is not asked about again. [`Change::person_counted`] is left to
/// the caller, who knows whom the window has counted.
pub fn questions<'a>(
    ground: &Ground<'_>,
    batch: impl IntoIterator<Item = (&'a Facts, &'a Verdict)>,
    now: Micros,
) -> Vec<(usize, Change)> {
    let limits_additions = ground.policy.max_seats.is_some() || ground.policy.addition_limit.is_some();
    let mut asked = Vec::new();
    for (index, (facts, verdict)) in batch.into_iter().enumerate() {
        let Step::Act(action) = &verdict.step else { continue };
        let change = change(ground, facts, verdict, action, now);
        let counts = change.takes_away && action.start != Start::StaysHeld;
        let is_protected = (change.protected || change.protected_role) && action.start != Start::StaysHeld;
        if counts || is_protected || (change.adds_seat && limits_additions) {
            let waited = facts.open.as_ref().map(|open| open.id);
            asked.push((waited.is_none(), waited, index, change));
        }
    }
    asked.sort_by_key(|(new, waited, index, _)| (*new, *waited, *index));
    asked.into_iter().map(|(_, _, index, change)| (index, change)).collect()
}

/// Whether everything this was granted under was an individual share.
fn only_shared(reasons: &[Reason]) -> bool {
    !reasons.is_empty() && reasons.iter().all(Reason::is_share)
}

/// Whether the account is one with which somebody works as an admin. Who is only invited is none yet: a
/// leaver's invitation is taken back like any other (R4.13). Who is suspended cannot sign in, so that
/// somebody else must stay.
fn works_as_admin(app: &App, member: &Member) -> bool {
    match member.known {
        Presence::Active => member.known_role.as_deref().is_some_and(|role| app.is_admin(role)),
        Presence::Pending | Presence::Suspended | Presence::Absent => false,
    }
}

/// Whether their open task is about to take an admin role, and the hub role owner: counted so by
/// `store::around` as well.
fn going(open: Option<&Task>, member: Option<&Member>, app: &App) -> (bool, bool) {
    let (Some(open), Some(member)) = (open, member) else { return (false, false) };
    let is_admin = works_as_admin(app, member);
    let is_owner = member.known != Presence::Absent && member.hub_role == Some(HubRole::Owner);
    (is_admin && takes_away(open), is_owner && open.effect.kind == TaskKind::Remove)
}

fn change(ground: &Ground<'_>, facts: &Facts, verdict: &Verdict, action: &Action, now: Micros) -> Change {
    let adopted = |id| facts.look_alikes.iter().find(|member| member.id == id);
    let member = verdict.adopt.and_then(adopted).or(facts.member.as_ref());
    let was_admin = member.is_some_and(|member| works_as_admin(ground.app, member));
    let removes = action.effect.kind == TaskKind::Remove;
    // What a suspended account had is given anew.
    let usable = member.filter(|member| match member.known {
        Presence::Pending | Presence::Active => true,
        Presence::Suspended | Presence::Absent => removes,
    });
    let has = usable.and_then(|member| member.known_role.as_deref());
    let (admin_going, owner_going) = going(facts.open.as_ref(), member, ground.app);
    let gets = action.effect.role.as_deref().filter(|_| !removes);
    let there = member.is_some_and(|member| member.known != Presence::Absent);
    let is_gone = |mapping| {
        let mut rules = ground.rules.iter();
        rules.any(|rule| rule.mapping.id == mapping && rule.mapping.binding == Binding::Gone)
    };
    Change {
        takes_away: action.takes_away,
        // What waits for data takes no seat; it is asked about when it goes out.
        adds_seat: action.effect.kind == TaskKind::Add && !there && action.start != Start::NeedsData,
        leaver: action.priority == PRIORITY_LEAVER,
        loses_admin: was_admin
            && (removes || !action.effect.role.as_deref().is_some_and(|role| ground.app.is_admin(role))),
        loses_owner: removes && member.is_some_and(|member| member.hub_role == Some(HubRole::Owner)),
        admin_going,
        owner_going,
        // A leaver goes because they left, whatever became of the group.
        group_deleted: action.priority != PRIORITY_LEAVER
            && member.is_some_and(|member| member.reasons.iter().any(|reason| is_gone(reason.mapping))),
        asks_first: action.priority == PRIORITY_LEAVER
            && ground.policy.individual == Individual::Ask
            && member.is_some_and(|member| only_shared(&member.reasons)),
        protected: facts.protection.is_some(),
        protected_role: moves_protected_role(ground.app, ground.policy, has, gets),
        person_counted: false,
        replaces: replaced(facts.open.as_ref(), now),
    }
}

/// As what an open task is counted by `store::around`, if at all.
fn replaced(open: Option<&Task>, now: Micros) -> Replaced {
    let Some(open) = open.filter(|open| open.status != TaskStatus::Held) else { return Replaced::default() };
    let adds = open.effect.kind == TaskKind::Add;
    let in_window = open.hold.is_none() && open.cause != BY_HAND && open.created_at > now.minus(GUARD_WINDOW);
    Replaced { taking: in_window && takes_away(open), giving: in_window && adds, seat: adds }
}
