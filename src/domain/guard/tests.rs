use super::*;

const REMOVAL: Change = Change {
    takes_away: true,
    adds_seat: false,
    leaver: false,
    loses_admin: false,
    loses_owner: false,
    admin_going: false,
    owner_going: false,
    group_deleted: false,
    asks_first: false,
    protected: false,
    protected_role: false,
    person_counted: false,
    replaces: Replaced { taking: false, giving: false, seat: false },
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
fn the_last_admin_is_never_in_a_batch_that_is_held_for_another_reason() {
    let admin = Change { loses_admin: true, ..REMOVAL };
    let owner = Change { loses_owner: true, ..REMOVAL };
    // Half of the hub, more than its number, a deleted group, asked first: each may be released whole.
    let of_a_group = |change| Change { group_deleted: true, ..change };
    let asked = |change| Change { asks_first: true, leaver: true, ..change };
    for managed in [4, 12, 40] {
        let around = Around { admins: 3, owners: 3, ..around(managed) };
        for change in [admin, owner, of_a_group(admin), of_a_group(owner), asked(admin), asked(owner)] {
            let mut changes = vec![REMOVAL; 20];
            changes.extend([change; 3]);
            let rulings = judged(&around, &changes);
            let last = if change.loses_admin { HoldReason::LastAdmin } else { HoldReason::LastOwner };
            let held = rulings.iter().filter(|ruling| **ruling == Ruling::Held(last)).count();
            assert_eq!(held, 1, "{managed}: {rulings:?}");
            // What comes later meets those that are held like those that went.
            assert_eq!(judged(&around.followed_by(&changes, &rulings), &[change]), [Ruling::Held(last)]);
        }
    }
}

#[test]
fn an_admin_whose_open_task_is_replaced_is_counted_once() {
    let around = Around { admins: 1, ..around(100) };
    let again = Change { loses_admin: true, admin_going: true, ..REMOVAL };
    assert_eq!(judged(&around, &[again]), [Ruling::Out], "somebody else stays");
    let last = Ruling::Held(HoldReason::LastAdmin);
    assert_eq!(judged(&Around { admins: 0, ..around }, &[again]), [last]);
}

#[test]
fn a_release_keeps_the_last_of_each_back() {
    let none = Loss::default();
    let (admin, owner) = (Loss { admin: true, ..none }, Loss { owner: true, ..none });
    let (both, seat) = (Loss { admin: true, ..owner }, Loss { seat: true, ..none });
    let (last_admin, last_owner) = (Some(HoldReason::LastAdmin), Some(HoldReason::LastOwner));
    let left = |admins, owners, seats| Left { admins, owners, seats };
    assert_eq!(kept_back(left(2, 2, None), &[admin, none, admin, owner]), [None, None, last_admin, None]);
    assert_eq!(kept_back(left(9, 1, None), &[owner, admin]), [last_owner, None]);
    // What stays takes nothing from the next.
    assert_eq!(kept_back(left(2, 1, None), &[both, admin, admin]), [last_owner, None, last_admin]);
    assert_eq!(kept_back(left(0, 0, None), &[none, admin]), [None, last_admin]);
    assert_eq!(kept_back(left(0, 0, None), &[seat, seat]), [None, None]);
    let full = Some(HoldReason::MaxSeats);
    assert_eq!(kept_back(left(0, 0, Some(1)), &[seat, none, seat, seat]), [None, None, full, full]);
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
fn a_change_of_what_is_counted_already_counts_once() {
    // Two of six: a third would be half of them.
    let hub = Around { taken_in_window: 2, ..around(6) };
    let again = Change { replaces: Replaced { taking: true, ..Replaced::default() }, ..REMOVAL };
    assert_eq!(judged(&hub, &[again, again, REMOVAL]), [Ruling::Out, Ruling::Out, Ruling::Held(HoldReason::HalfOfHub)]);
    // A full hub, and its addition limit reached.
    let policy = HubPolicy { max_seats: Some(5), addition_limit: Some(3), ..HubPolicy::default() };
    let full = Around { seats: 5, given_in_window: 3, ..around(2) };
    let new = Change { adds_seat: true, ..Change::default() };
    let again = Change { replaces: Replaced { giving: true, seat: true, ..Replaced::default() }, ..new };
    let rulings = judge(&policy, &full, &Passes::new(), &[again, new]);
    assert_eq!(rulings, [Ruling::Out, Ruling::Held(HoldReason::MaxSeats)]);
    // One that a person made takes a seat and is in no window.
    let by_hand = Change { replaces: Replaced { seat: true, ..Replaced::default() }, ..new };
    assert_eq!(judge(&policy, &full, &Passes::new(), &[by_hand]), [Ruling::Held(HoldReason::Burst)]);
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
