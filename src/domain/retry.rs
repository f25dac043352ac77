//! When a task is tried again, from the number of attempts and a given random number
//! (DESIGN.md section 2.12). Pure: the dice and the time are arguments.

use std::time::Duration;

use crate::base::limits::{ATTEMPTS, CRASHES, RETRY_AFTER_CAP, RETRY_BASE, RETRY_CAP};

/// The pause before the next attempt, after `spent` attempts: full jitter over 1 s × 2ⁿ, at most
/// 15 min. `roll` lies in `0.0..1.0`; anything else counts as the nearer end.
///
/// Full jitter, because a crowd of tasks that failed together must not come back together.
pub fn pause(spent: i32, roll: f64) -> Duration {
    let roll = if roll.is_nan() { 1.0 } else { roll.clamp(0.0, 1.0) };
    ceiling(spent).mul_f64(roll)
}

/// The longest pause [`pause`] may give after `spent` attempts.
pub fn ceiling(spent: i32) -> Duration {
    let doublings = u32::try_from(spent.saturating_sub(1)).unwrap_or(0).min(30);
    RETRY_BASE.saturating_mul(1_u32 << doublings).min(RETRY_CAP)
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again after this long.
    Again(Duration),
    /// All attempts are spent: a person must.
    Manual,
}

/// After a passing failure, `spent` attempts in all, the failed one included.
pub fn after_failure(spent: i32, roll: f64) -> Next {
    if spent >= ATTEMPTS { Next::Manual } else { Next::Again(pause(spent, roll)) }
}

/// What follows an attempt during which a process died or a connector panicked (F-17).
pub fn after_crash(crashes: i32, roll: f64) -> Next {
    if crashes >= CRASHES { Next::Manual } else { Next::Again(pause(crashes, roll)) }
}

/// Whether a task has died so often that one more time sets it aside. Such a task runs alone, so
/// that its neighbours are not set aside for its sake.
pub const fn is_suspect(crashes: i32) -> bool {
    crashes >= CRASHES - 1
}

/// What an app's request to wait leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Wait this long; nobody calls the hub before.
    For(Duration),
    /// Asked for longer than we wait by ourselves: the hub is paused and shown.
    TooLong,
}

/// An app asks to wait (429). Without a readable time (F-06: "rubbish means the normal
/// schedule") the usual pause counts, but never less than a second.
pub fn when_rate_limited(asked: Option<Duration>, spent: i32, roll: f64) -> Wait {
    match asked {
        Some(asked) if asked > RETRY_AFTER_CAP => Wait::TooLong,
        Some(asked) => Wait::For(asked),
        None => Wait::For(pause(spent.saturating_add(3), roll).max(RETRY_BASE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ceiling_doubles_from_one_second_to_fifteen_minutes() {
        let seconds: Vec<_> = (1..=12).map(|n| ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    }

    #[test]
    fn the_twelfth_failure_asks_for_a_person() {
        assert!(matches!(after_failure(11, 0.5), Next::Again(_)));
        assert_eq!(after_failure(12, 0.5), Next::Manual);
    }

    #[test]
    fn the_third_crash_sets_a_task_aside() {
        assert!(matches!(after_crash(2, 0.5), Next::Again(_)));
        assert!(is_suspect(2) && !is_suspect(1));
        assert_eq!(after_crash(3, 0.5), Next::Manual);
    }

    #[test]
    fn an_app_may_ask_for_a_day_and_no_more() {
        let day = Duration::from_secs(24 * 60 * 60);
        assert_eq!(when_rate_limited(Some(day), 0, 0.5), Wait::For(day));
        assert_eq!(when_rate_limited(Some(day + Duration::from_secs(1)), 0, 0.5), Wait::TooLong);
        assert_eq!(when_rate_limited(None, 0, 0.0), Wait::For(RETRY_BASE));
    }

    proptest! {
        #[test]
        fn a_pause_is_never_above_its_ceiling_or_the_cap(spent in any::<i32>(), roll in any::<f64>()) {
            let pause = pause(spent, roll);
            prop_assert!(pause <= ceiling(spent));
            prop_assert!(pause <= RETRY_CAP);
        }

        #[test]
        fn what_is_asked_is_waited(asked in 0_u64..200_000, spent in 0_i32..20, roll in 0.0_f64..1.0) {
            let asked = Duration::from_secs(asked);
            match when_rate_limited(Some(asked), spent, roll) {
                Wait::For(wait) => prop_assert!(wait == asked && asked <= RETRY_AFTER_CAP),
                Wait::TooLong => prop_assert!(asked > RETRY_AFTER_CAP),
            }
        }
    }
}
