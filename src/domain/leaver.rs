//! Somebody who left and is still in an app (DESIGN.md section 2.13): when they count as being in it, and
//! when a person who withdraws a change lets them stay.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use crate::domain::member::Presence;
use crate::domain::plan::Standing;
use crate::domain::task::TaskKind;

/// Whether somebody left and has an account that opens the app, or an invitation to one. One that is
/// switched off opens nothing.
pub fn is_still_in(standing: Standing, known: Option<Presence>) -> bool {
    let opens = match known {
        Some(Presence::Pending | Presence::Active) => true,
        Some(Presence::Suspended | Presence::Absent) | None => false,
    };
    match standing {
        Standing::Left => opens,
        Standing::Stays => false,
    }
}

/// Whether a leaver keeps their access where a change of this kind does not happen. Whoever decides that
/// says why: nothing else would explain it to those who find them there.
pub fn stays_without(kind: TaskKind, standing: Standing, known: Option<Presence>) -> bool {
    match kind {
        TaskKind::Remove => is_still_in(standing, known),
        TaskKind::Add | TaskKind::UpdateRole | TaskKind::Sync => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_removal_of_who_left_and_can_still_come_in_is_missed() {
        let all = [None, Some(Presence::Absent), Some(Presence::Suspended), Some(Presence::Pending)];
        for known in all.into_iter().chain([Some(Presence::Active)]) {
            let opens = matches!(known, Some(Presence::Pending | Presence::Active));
            assert_eq!(is_still_in(Standing::Left, known), opens, "{known:?}");
            assert!(!is_still_in(Standing::Stays, known), "{known:?}");
            for kind in [TaskKind::Add, TaskKind::UpdateRole, TaskKind::Remove, TaskKind::Sync] {
                let missed = opens && kind == TaskKind::Remove;
                assert_eq!(stays_without(kind, Standing::Left, known), missed, "{kind:?} {known:?}");
                assert!(!stays_without(kind, Standing::Stays, known), "{kind:?} {known:?}");
            }
        }
    }
}
