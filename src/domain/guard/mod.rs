//! The guard (DESIGN.md section 2.5, threat T-24): what a wrong mapping or an emptied group can take
//! away, or an overeager one hand out, before a person looks. It counts what really goes out, over
//! a sliding window, so that a thousand single removals meet it like one batch of a thousand.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use std::collections::BTreeSet;

use crate::base::limits::{GUARD_PEOPLE, GUARD_PEOPLE_PERCENT};
use crate::domain::hub::HubPolicy;

mod reason;
#[cfg(test)]
mod tests;

pub use reason::HoldReason;

/// What the hub and its workspace look like before this batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Managed accounts in the app now.
    pub managed: u32,
    /// Of the accounts removed in the window, those already gone from `managed`.
    pub gone_in_window: u32,
    /// Removals and downgrades planned in the window that were not held, released or made by
    /// hand.
    pub taken_in_window: u32,
    /// Additions planned in the window that were not held, released or made by hand.
    pub given_in_window: u32,
    /// Accounts with an admin role that no open task takes it from. What is held counts as open: it
    /// may be released, a whole batch at once.
    pub admins: u32,
    /// Hub owners that no open task removes, held or not.
    pub owners: u32,
    /// Seats taken or being given.
    pub seats: u32,
    /// The people of the whole workspace.
    pub people: People,
}

/// The people of a workspace over all its hubs: each counts once, however many hubs are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// With a managed account somewhere now, or the last of them removed in the window.
    pub managed: u32,
    /// From whom something was taken in the window, in any hub.
    pub taken_in_window: u32,
}

/// One planned change, as the guard sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// It removes or demotes.
    pub takes_away: bool,
    /// It gives a seat.
    pub adds_seat: bool,
    /// Its person has left: first in line.
    pub leaver: bool,
    /// It takes an admin role of the app.
    pub loses_admin: bool,
    /// It takes the hub role owner.
    pub loses_owner: bool,
    /// Their open task takes the admin role already: [`Around::admins`] leaves them out.
    pub admin_going: bool,
    /// The same of the hub role owner and [`Around::owners`].
    pub owner_going: bool,
    /// A mapping whose group was deleted gave what it takes away.
    pub group_deleted: bool,
    /// Its person left, held only individual shares, and the hub wants to be asked about those.
    pub asks_first: bool,
    /// It is about an account that somebody protected.
    pub protected: bool,
    /// It gives or takes a protected role.
    pub protected_role: bool,
    /// Its person is among [`People::taken_in_window`] already.
    pub person_counted: bool,
    /// As what their open task is counted already, which this replaces.
    pub replaces: Replaced,
}

/// What of a task that gives way to another one is among the numbers of [`Around`] already: a wish that
/// changes before it was met counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// In [`Around::taken_in_window`].
    pub taking: bool,
    /// In [`Around::given_in_window`].
    pub giving: bool,
    /// In [`Around::seats`].
    pub seat: bool,
}

/// Reasons that a person lets pass for now (release "until a time").
pub type Passes = BTreeSet<HoldReason>;

/// What the guard says of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It goes out, and counts.
    Out,
    /// It goes out because a person said so beforehand, and does not count.
    Passed(HoldReason),
    /// It waits for a person.
    Held(HoldReason),
}

/// A ruling for each change, in the order given. Leavers are counted first, so that what passes
/// is what matters most.
pub fn judge(policy: &HubPolicy, around: &Around, passes: &Passes, changes: &[Change]) -> Vec<Ruling> {
    let mut rulings = vec![Ruling::Out; changes.len()];
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by_key(|index| changes.get(*index).is_none_or(|change| !change.leaver));
    let mut running = *around;
    for index in order {
        if let (Some(change), Some(ruling)) = (changes.get(index), rulings.get_mut(index)) {
            *ruling = rule(&tripped(policy, around, &running, change), passes);
            running.meet(change, *ruling);
        }
    }
    rulings
}

/// Whether a change that goes out counts against the limits of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Yes,
    No,
}

impl Around {
    /// What the next batch meets once these changes went out as ruled.
    #[must_use]
    pub fn followed_by(mut self, changes: &[Change], rulings: &[Ruling]) -> Self {
        for (change, ruling) in changes.iter().zip(rulings) {
            self.meet(change, *ruling);
        }
        self
    }

    /// Of what is held too an admin or owner fewer is sure to stay: else a batch that is held for
    /// another reason would take the last of them out when it is released.
    fn meet(&mut self, change: &Change, ruling: Ruling) {
        if change.takes_away {
            self.admins = self.admins_after(change);
            self.owners = self.owners_after(change);
        }
        match ruling {
            Ruling::Held(_) => {}
            Ruling::Out => self.count(change, Counted::Yes),
            Ruling::Passed(_) => self.count(change, Counted::No),
        }
    }

    fn admins_after(&self, change: &Change) -> u32 {
        self.admins.saturating_sub(u32::from(change.loses_admin && !change.admin_going))
    }

    fn owners_after(&self, change: &Change) -> u32 {
        self.owners.saturating_sub(u32::from(change.loses_owner && !change.owner_going))
    }

    /// The change goes out: what the next one meets. Seats are facts; the numbers of the window leave
    /// out what a person let pass.
    fn count(&mut self, change: &Change, counted: Counted) {
        let window = u32::from(counted == Counted::Yes);
        if change.adds_seat {
            self.seats = self.seats.saturating_add(more(1, change.replaces.seat));
            self.given_in_window = self.given_in_window.saturating_add(more(window, change.replaces.giving));
        }
        if change.takes_away {
            self.taken_in_window = self.taken_in_window.saturating_add(more(window, change.replaces.taking));
            if !change.person_counted {
                self.people.taken_in_window = self.people.taken_in_window.saturating_add(window);
            }
        }
    }
}

/// How many more a change makes of what may count it already.
const fn more(one: u32, counted: bool) -> u32 {
    if counted { 0 } else { one }
}

/// The first reason that nobody lets pass holds it.
fn rule(tripped: &[HoldReason], passes: &Passes) -> Ruling {
    match (tripped.iter().find(|reason| !passes.contains(reason)), tripped.first()) {
        (Some(held), _) => Ruling::Held(*held),
        (None, Some(passed)) => Ruling::Passed(*passed),
        (None, None) => Ruling::Out,
    }
}

/// Every limit this change would pass, the gravest first.
fn tripped(policy: &HubPolicy, around: &Around, running: &Around, change: &Change) -> Vec<HoldReason> {
    let mut found = Vec::new();
    let mut note = |reason, holds: bool| {
        if holds {
            found.push(reason);
        }
    };
    note(HoldReason::ProtectedMember, change.protected);
    note(HoldReason::ProtectedRole, change.protected_role);
    if change.adds_seat {
        let seats = running.seats.saturating_add(more(1, change.replaces.seat));
        let given = running.given_in_window.saturating_add(more(1, change.replaces.giving));
        note(HoldReason::MaxSeats, policy.max_seats.is_some_and(|most| seats > most));
        note(HoldReason::Burst, policy.addition_limit.is_some_and(|most| given > most));
    }
    if change.takes_away {
        let taken = u64::from(running.taken_in_window) + u64::from(more(1, change.replaces.taking));
        let base = u64::from(around.managed) + u64::from(around.gone_in_window);
        // Before all that is released as a batch.
        note(HoldReason::LastAdmin, change.loses_admin && running.admins_after(change) == 0);
        note(HoldReason::LastOwner, change.loses_owner && running.owners_after(change) == 0);
        note(HoldReason::AskFirst, change.asks_first);
        note(HoldReason::GroupDeleted, change.group_deleted);
        note(HoldReason::HalfOfHub, base >= 3 && taken * 2 >= base);
        let beyond_number = taken > u64::from(policy.removal_limit);
        let beyond_share = taken * 100 > base * u64::from(policy.removal_percent);
        note(HoldReason::TooMany, beyond_number && beyond_share);
        let people = u64::from(running.people.taken_in_window) + u64::from(!change.person_counted);
        let beyond_people = people > u64::from(GUARD_PEOPLE)
            && people * 100 > u64::from(around.people.managed) * u64::from(GUARD_PEOPLE_PERCENT);
        // Somebody who is among the counted already makes the number no larger.
        note(HoldReason::TooManyPeople, beyond_people && !change.person_counted);
    }
    found
}

/// What a held change takes that must not become none, seen when a person releases it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// An admin role of the app.
    pub admin: bool,
    /// The hub role owner.
    pub owner: bool,
    /// One of the hub's seats.
    pub seat: bool,
}

/// What a released change takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Admins of the app from whom nothing on its way out takes that.
    pub admins: u32,
    /// The same of the hub's owners.
    pub owners: u32,
    /// Seats that are free under the hub's `max_seats`; `None` where it has none.
    pub seats: Option<u32>,
}

/// Which of the changes that a person releases stay held all the same, in the order given: those that
/// would take the app's last admin, the hub's last owner or a seat beyond its number. Since the batch
/// was held others may have gone or come, and what it was held for says nothing of these.
pub fn kept_back(left: Left, losses: &[Loss]) -> Vec<Option<HoldReason>> {
    let Left { mut admins, mut owners, mut seats } = left;
    let verdict = |loss: &Loss| {
        if loss.seat {
            let free = seats?;
            seats = Some(free.saturating_sub(1));
            return (free == 0).then_some(HoldReason::MaxSeats);
        }
        let after = (admins.saturating_sub(loss.admin.into()), owners.saturating_sub(loss.owner.into()));
        if loss.admin && after.0 == 0 {
            return Some(HoldReason::LastAdmin);
        }
        if loss.owner && after.1 == 0 {
            return Some(HoldReason::LastOwner);
        }
        (admins, owners) = after;
        None
    };
    losses.iter().map(verdict).collect()
}
