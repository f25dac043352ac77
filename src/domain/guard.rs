//! The guard (DESIGN.md section 2.5, threat T-24): what a wrong mapping or an emptied group can take
//! away, or an overeager one hand out, before a person looks. It counts what really goes out, over
//! a sliding window, so that a thousand single removals meet it like one batch of a thousand.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use std::collections::BTreeSet;

use crate::base::limits::{GUARD_PEOPLE, GUARD_PEOPLE_PERCENT};
use crate::domain::hub::HubPolicy;

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
    /// Accounts with an admin role that no open task takes it from.
    pub admins: u32,
    /// Hub owners that no open task removes.
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
}

/// Why a change waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldReason {
    /// Somebody protected the account from automation.
    ProtectedMember,
    /// It gives or takes a role that the hub or the app protects.
    ProtectedRole,
    /// Somebody who left held only individual shares, and the hub asks about those.
    AskFirst,
    /// The group behind it was deleted.
    GroupDeleted,
    /// The last admin of the app.
    LastAdmin,
    /// The last owner of the hub.
    LastOwner,
    /// Half or more of a hub with three or more.
    HalfOfHub,
    /// More than the hub's number and share.
    TooMany,
    /// More than the workspace's number and share of people, over all its hubs.
    TooManyPeople,
    /// More seats than the hub allows.
    MaxSeats,
    /// More additions in the window than the hub allows.
    Burst,
}

impl HoldReason {
    /// All there are, in the order of their words in the API's documentation.
    pub const ALL: [Self; 11] = [
        Self::ProtectedMember,
        Self::ProtectedRole,
        Self::AskFirst,
        Self::GroupDeleted,
        Self::LastAdmin,
        Self::LastOwner,
        Self::HalfOfHub,
        Self::TooMany,
        Self::TooManyPeople,
        Self::MaxSeats,
        Self::Burst,
    ];

    /// The word in the database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProtectedMember => "protected_member",
            Self::ProtectedRole => "protected_role",
            Self::AskFirst => "ask_first",
            Self::GroupDeleted => "group_deleted",
            Self::LastAdmin => "last_admin",
            Self::LastOwner => "last_owner",
            Self::HalfOfHub => "half_of_hub",
            Self::TooMany => "too_many_removals",
            Self::TooManyPeople => "too_many_people",
            Self::MaxSeats => "max_seats",
            Self::Burst => "too_many_additions",
        }
    }

    /// By its stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// The sentence people read.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::ProtectedMember => "the account is protected: only a person changes it",
            Self::ProtectedRole => "it gives or takes a protected role: only a person does that",
            Self::AskFirst => "the person left, held only individual shares here, and the hub asks first about those",
            Self::GroupDeleted => "the group that gave this access was deleted at the identity provider",
            Self::LastAdmin => "it would take the app's last admin",
            Self::LastOwner => "it would take the hub's last owner",
            Self::HalfOfHub => "it would take half or more of the hub within ten minutes",
            Self::TooMany => "it is more than the hub's number and share of removals within ten minutes",
            Self::TooManyPeople => "it reaches more than 50 people and 5 % of the workspace within ten minutes",
            Self::MaxSeats => "the hub has no seat left under its max_seats",
            Self::Burst => "it is more than the hub's addition_limit within ten minutes",
        }
    }

    /// Whether it holds what gives, rather than what takes away.
    pub const fn is_about_additions(self) -> bool {
        match self {
            Self::MaxSeats | Self::Burst => true,
            Self::ProtectedMember
            | Self::ProtectedRole
            | Self::AskFirst
            | Self::GroupDeleted
            | Self::LastAdmin
            | Self::LastOwner
            | Self::HalfOfHub
            | Self::TooMany
            | Self::TooManyPeople => false,
        }
    }

    /// Whether a person may let everything of this kind through until a time. Not where each case
    /// is one decision about one person.
    pub const fn may_pass(self) -> bool {
        match self {
            Self::ProtectedMember | Self::ProtectedRole | Self::AskFirst | Self::LastAdmin | Self::LastOwner => false,
            Self::GroupDeleted
            | Self::HalfOfHub
            | Self::TooMany
            | Self::TooManyPeople
            | Self::MaxSeats
            | Self::Burst => true,
        }
    }
}

impl HoldReason {
    /// Whether each change is released by its name, never a whole batch at once, by whoever may
    /// protect: what is protected stays so.
    pub const fn is_protection(self) -> bool {
        match self {
            Self::ProtectedMember | Self::ProtectedRole => true,
            Self::AskFirst
            | Self::GroupDeleted
            | Self::LastAdmin
            | Self::LastOwner
            | Self::HalfOfHub
            | Self::TooMany
            | Self::TooManyPeople
            | Self::MaxSeats
            | Self::Burst => false,
        }
    }
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

    fn meet(&mut self, change: &Change, ruling: Ruling) {
        match ruling {
            Ruling::Held(_) => {}
            Ruling::Out => self.count(change, Counted::Yes),
            Ruling::Passed(_) => self.count(change, Counted::No),
        }
    }

    /// The change goes out: what the next one meets. Seats, admins and owners are facts; the
    /// numbers of the window leave out what a person let pass.
    fn count(&mut self, change: &Change, counted: Counted) {
        let window = u32::from(counted == Counted::Yes);
        if change.adds_seat {
            self.seats = self.seats.saturating_add(1);
            self.given_in_window = self.given_in_window.saturating_add(window);
        }
        if change.takes_away {
            self.taken_in_window = self.taken_in_window.saturating_add(window);
            self.admins = self.admins.saturating_sub(u32::from(change.loses_admin));
            self.owners = self.owners.saturating_sub(u32::from(change.loses_owner));
            if !change.person_counted {
                self.people.taken_in_window = self.people.taken_in_window.saturating_add(window);
            }
        }
    }
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
        note(HoldReason::MaxSeats, policy.max_seats.is_some_and(|most| running.seats >= most));
        note(HoldReason::Burst, policy.addition_limit.is_some_and(|most| running.given_in_window >= most));
    }
    if change.takes_away {
        let taken = u64::from(running.taken_in_window) + 1;
        let base = u64::from(around.managed) + u64::from(around.gone_in_window);
        note(HoldReason::AskFirst, change.asks_first);
        note(HoldReason::GroupDeleted, change.group_deleted);
        note(HoldReason::LastAdmin, change.loses_admin && running.admins <= 1);
        note(HoldReason::LastOwner, change.loses_owner && running.owners <= 1);
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

#[cfg(test)]
mod tests {
    use super::*;

    const REMOVAL: Change = Change {
        takes_away: true,
        adds_seat: false,
        leaver: false,
        loses_admin: false,
        loses_owner: false,
        group_deleted: false,
        asks_first: false,
        protected: false,
        protected_role: false,
        person_counted: false,
    };

    fn around(managed: u32) -> Around {
        let people = People { managed: 100_000, taken_in_window: 0 };
        Around { managed, admins: 5, owners: 5, people, ..Around::default() }
    }

    fn judged(around: &Around, changes: &[Change]) -> Vec<Ruling> {
        judge(&HubPolicy::default(), around, &Passes::new(), changes)
    }

    fn let_out(around: &Around, changes: &[Change]) -> usize {
        judged(around, changes).iter().filter(|ruling| **ruling == Ruling::Out).count()
    }

    #[test]
    fn t_24_a_mass_removal_lets_out_at_most_the_limit() {
        // (managed, removals, let out): 10 and 20 percent, half of a hub of three or more.
        let cases = [
            (1_000, 1_000, 200),
            (1_000, 10, 10),
            (100, 100, 20),
            (40, 40, 10),
            (12, 12, 5),
            (10, 10, 4),
            (4, 4, 1),
            (3, 3, 1),
            (2, 2, 2),
            (1, 1, 1),
        ];
        for (managed, removals, wanted) in cases {
            assert_eq!(let_out(&around(managed), &vec![REMOVAL; removals]), wanted, "{removals} of {managed}");
        }
    }

    #[test]
    fn t_24_single_removals_count_over_the_window_like_a_batch() {
        for managed in [3_u32, 12, 40, 100, 1_000] {
            let mut now = around(managed);
            for _ in 0..managed {
                if let_out(&now, &[REMOVAL]) == 1 {
                    now.taken_in_window += 1;
                    now.managed -= 1;
                    now.gone_in_window += 1;
                }
            }
            let batch = let_out(&around(managed), &vec![REMOVAL; usize::try_from(managed).unwrap()]);
            assert_eq!(usize::try_from(now.taken_in_window).unwrap(), batch, "{managed}");
        }
    }

    #[test]
    fn leavers_pass_first() {
        let mut changes = vec![REMOVAL; 30];
        changes[29].leaver = true;
        let rulings = judged(&around(40), &changes);
        assert_eq!(rulings[29], Ruling::Out);
        assert_eq!(rulings[28], Ruling::Held(HoldReason::TooMany));
    }

    #[test]
    fn the_last_admin_and_the_last_owner_stay_and_a_deleted_group_takes_nothing() {
        let mut around = around(100);
        around.admins = 2;
        around.owners = 1;
        let changes = [
            Change { loses_admin: true, ..REMOVAL },
            Change { loses_admin: true, ..REMOVAL },
            Change { loses_owner: true, ..REMOVAL },
            Change { group_deleted: true, ..REMOVAL },
        ];
        let held = Ruling::Held;
        assert_eq!(
            judged(&around, &changes),
            [Ruling::Out, held(HoldReason::LastAdmin), held(HoldReason::LastOwner), held(HoldReason::GroupDeleted)]
        );
    }

    #[test]
    fn t_24_many_hubs_together_take_at_most_fifty_people_and_five_percent() {
        // (people of the workspace, asked, let out) in a hub that alone would let all of them go.
        let cases = [(400, 100, 50), (1_000, 100, 50), (2_000, 200, 100), (10, 60, 50)];
        for (managed, asked, wanted) in cases {
            let mut around = around(100_000);
            around.people.managed = managed;
            let rulings = judged(&around, &vec![REMOVAL; asked]);
            assert_eq!(rulings.iter().filter(|ruling| **ruling == Ruling::Out).count(), wanted, "{managed}");
            assert_eq!(rulings[asked - 1], Ruling::Held(HoldReason::TooManyPeople), "{managed}");
        }
        // Somebody counted in another hub goes from this one too: half a leaver helps nobody.
        let mut around = around(100_000);
        around.people = People { managed: 400, taken_in_window: 50 };
        let counted = Change { person_counted: true, ..REMOVAL };
        assert_eq!(judged(&around, &[counted, REMOVAL]), [Ruling::Out, Ruling::Held(HoldReason::TooManyPeople)]);
    }

    #[test]
    fn what_a_person_let_pass_goes_out_and_does_not_count() {
        let policy = HubPolicy::default();
        let around = around(40);
        let passes = Passes::from([HoldReason::TooMany]);
        let rulings = judge(&policy, &around, &passes, &[REMOVAL; 40]);
        assert_eq!(rulings.iter().filter(|ruling| **ruling == Ruling::Out).count(), 10);
        assert!(rulings[10..].iter().all(|ruling| *ruling == Ruling::Passed(HoldReason::TooMany)), "{rulings:?}");
        // A pass for one reason is none for another.
        let admin = Change { loses_admin: true, ..REMOVAL };
        let few = Around { admins: 1, taken_in_window: 10, ..around };
        assert_eq!(judge(&policy, &few, &passes, &[admin]), [Ruling::Held(HoldReason::LastAdmin)]);
        assert!(!HoldReason::LastAdmin.may_pass());
    }

    #[test]
    fn t_08_nothing_lets_pass_what_is_protected() {
        let around = around(100);
        let every: Passes = HoldReason::ALL.into_iter().filter(|reason| reason.may_pass()).collect();
        let gives = Change { adds_seat: true, protected_role: true, ..Change::default() };
        let changes = [Change { protected: true, leaver: true, ..REMOVAL }, gives, REMOVAL];
        let rulings = judge(&HubPolicy::default(), &around, &every, &changes);
        let held = Ruling::Held;
        assert_eq!(rulings, [held(HoldReason::ProtectedMember), held(HoldReason::ProtectedRole), Ruling::Out]);
        assert!(HoldReason::ALL.into_iter().all(|reason| !(reason.may_pass() && reason.is_protection())));
    }

    #[test]
    fn two_batches_are_ruled_like_one() {
        let policy = HubPolicy { max_seats: Some(110), ..HubPolicy::default() };
        let add = Change { adds_seat: true, ..Change::default() };
        let admin = Change { loses_admin: true, ..REMOVAL };
        let changes: Vec<Change> = (0..60).map(|number| [REMOVAL, add, admin][number % 3]).collect();
        let around = Around { admins: 8, seats: 100, ..around(100) };
        let passes = Passes::from([HoldReason::TooMany]);
        let whole = judge(&policy, &around, &passes, &changes);
        for cut in 0..=changes.len() {
            let (first, second) = changes.split_at(cut);
            let mut rulings = judge(&policy, &around, &passes, first);
            let then = around.followed_by(first, &rulings);
            rulings.extend(judge(&policy, &then, &passes, second));
            assert_eq!(rulings, whole, "cut at {cut}");
        }
    }

    #[test]
    fn additions_stop_at_max_seats_and_at_the_burst_limit_and_nowhere_else() {
        let add = Change { adds_seat: true, ..Change::default() };
        let mut policy = HubPolicy::default();
        let around = Around { seats: 9, ..Around::default() };
        let judged = |policy: &HubPolicy| judge(policy, &around, &Passes::new(), &[add; 3]);
        assert_eq!(judged(&policy), [Ruling::Out; 3]);
        policy.max_seats = Some(10);
        let full = Ruling::Held(HoldReason::MaxSeats);
        assert_eq!(judged(&policy), [Ruling::Out, full, full]);
        policy.max_seats = None;
        policy.addition_limit = Some(2);
        assert_eq!(judged(&policy), [Ruling::Out, Ruling::Out, Ruling::Held(HoldReason::Burst)]);
    }

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        for reason in HoldReason::ALL {
            assert_eq!(HoldReason::from_word(reason.as_str()), Some(reason));
        }
        assert_eq!(HoldReason::from_word("because"), None);
    }
}
