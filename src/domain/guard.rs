//! The removal guard (DESIGN.md section 2.5, threat T-24): what a wrong mapping or an emptied
//! group can take away before a person looks. It counts what really goes out, over a sliding
//! window, so that a thousand single removals meet it like one batch of a thousand.

use crate::domain::hub::HubPolicy;

/// What the hub looks like before this batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Managed accounts in the app now.
    pub managed: u32,
    /// Of the accounts removed in the window, those already gone from `managed`.
    pub gone_in_window: u32,
    /// Removals and downgrades planned in the window that were not held, released or made by
    /// hand.
    pub taken_in_window: u32,
    /// Accounts with an admin role that no open task takes it from.
    pub admins: u32,
    /// Hub owners that no open task removes.
    pub owners: u32,
    /// Seats taken or being given.
    pub seats: u32,
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
}

/// Why a change waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldReason {
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
    /// More seats than the hub allows.
    MaxSeats,
}

impl HoldReason {
    /// The word in the database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GroupDeleted => "group_deleted",
            Self::LastAdmin => "last_admin",
            Self::LastOwner => "last_owner",
            Self::HalfOfHub => "half_of_hub",
            Self::TooMany => "too_many_removals",
            Self::MaxSeats => "max_seats",
        }
    }
}

/// For each change, in the order given: `None` lets it out, a reason holds it. Leavers are
/// counted first, so that what passes is what matters most.
pub fn judge(policy: &HubPolicy, around: &Around, changes: &[Change]) -> Vec<Option<HoldReason>> {
    let mut verdicts = vec![None; changes.len()];
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by_key(|index| changes.get(*index).is_none_or(|change| !change.leaver));
    let mut running = *around;
    for index in order {
        if let (Some(change), Some(verdict)) = (changes.get(index), verdicts.get_mut(index)) {
            *verdict = one(policy, around, &mut running, change);
        }
    }
    verdicts
}

fn one(policy: &HubPolicy, around: &Around, running: &mut Around, change: &Change) -> Option<HoldReason> {
    if change.adds_seat {
        if policy.max_seats.is_some_and(|most| running.seats >= most) {
            return Some(HoldReason::MaxSeats);
        }
        running.seats = running.seats.saturating_add(1);
    }
    if !change.takes_away {
        return None;
    }
    let held = if change.group_deleted {
        Some(HoldReason::GroupDeleted)
    } else if change.loses_admin && running.admins <= 1 {
        Some(HoldReason::LastAdmin)
    } else if change.loses_owner && running.owners <= 1 {
        Some(HoldReason::LastOwner)
    } else {
        passes_limit(policy, around, running.taken_in_window.saturating_add(1))
    };
    if held.is_none() {
        running.taken_in_window = running.taken_in_window.saturating_add(1);
        running.admins = running.admins.saturating_sub(u32::from(change.loses_admin));
        running.owners = running.owners.saturating_sub(u32::from(change.loses_owner));
    }
    held
}

/// Whether this many in the window are too many: share = of managed now plus gone in the window.
fn passes_limit(policy: &HubPolicy, around: &Around, taken: u32) -> Option<HoldReason> {
    let base = u64::from(around.managed) + u64::from(around.gone_in_window);
    let taken = u64::from(taken);
    if base >= 3 && taken * 2 >= base {
        return Some(HoldReason::HalfOfHub);
    }
    let beyond_number = taken > u64::from(policy.removal_limit);
    let beyond_share = taken * 100 > base * u64::from(policy.removal_percent);
    (beyond_number && beyond_share).then_some(HoldReason::TooMany)
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
    };

    fn around(managed: u32) -> Around {
        Around { managed, admins: 5, owners: 5, ..Around::default() }
    }

    fn let_out(around: &Around, changes: &[Change]) -> usize {
        judge(&HubPolicy::default(), around, changes).iter().filter(|held| held.is_none()).count()
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
        let verdicts = judge(&HubPolicy::default(), &around(40), &changes);
        assert_eq!(verdicts[29], None);
        assert_eq!(verdicts[28], Some(HoldReason::TooMany));
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
        assert_eq!(
            judge(&HubPolicy::default(), &around, &changes),
            [None, Some(HoldReason::LastAdmin), Some(HoldReason::LastOwner), Some(HoldReason::GroupDeleted)]
        );
    }

    #[test]
    fn additions_stop_at_max_seats_and_nowhere_else() {
        let add = Change { adds_seat: true, ..Change::default() };
        let mut policy = HubPolicy::default();
        let around = Around { seats: 9, ..Around::default() };
        assert_eq!(judge(&policy, &around, &[add; 3]), [None; 3]);
        policy.max_seats = Some(10);
        assert_eq!(judge(&policy, &around, &[add; 3]), [None, Some(HoldReason::MaxSeats), Some(HoldReason::MaxSeats)]);
    }
}
