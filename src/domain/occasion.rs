//! Why somebody is looked at again though nothing about their access changed: a person asked for it, or an
//! attempt ended. A task that comes of it says so, but for somebody who left: why they lose what they
//! hold is that they left, however often it is planned.

/// An attempt ended in a way that asks for another look.
pub const ATTEMPT_FINISHED: &str = "attempt_finished";
/// A person made the task themselves; the guard does not count it.
pub const BY_HAND: &str = "by_hand";
/// A person sent an invitation again.
pub const RESEND: &str = "resend";
/// A person protected an account.
pub const PROTECT: &str = "protect";
/// A person ended a protection.
pub const UNPROTECT: &str = "unprotect";
/// A protection's time ended.
pub const PROTECTION_ENDED: &str = "protection_ended";
/// A person took an account's exemption away.
pub const UNEXEMPT: &str = "unexempt";
/// A person said whose an account is.
pub const MATCH: &str = "match";
/// A person said that an account is managed from now on.
pub const ADOPT: &str = "adopt";
/// A person asked for another try.
pub const RETRY: &str = "retry";
/// A person did a task by hand.
pub const DONE: &str = "done_by_hand";
/// A person gave fields that an app needs.
pub const FIELDS_GIVEN: &str = "fields_given";

const ALL: [&str; 11] =
    [ATTEMPT_FINISHED, RESEND, PROTECT, UNPROTECT, PROTECTION_ENDED, UNEXEMPT, MATCH, ADOPT, RETRY, DONE, FIELDS_GIVEN];

/// The cause of a leaver's removal: what the mark says, but for a mere look at them. `is_here`: the identity
/// provider still has the user, deactivated.
pub fn of_leaver(cause: &str, is_here: bool) -> &str {
    match (ALL.contains(&cause), is_here) {
        (false, _) => cause,
        (true, true) => "deactivated",
        (true, false) => "user_deleted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaver_is_removed_because_they_left() {
        for look in ALL {
            assert_eq!(of_leaver(look, true), "deactivated", "{look}");
            assert_eq!(of_leaver(look, false), "user_deleted", "{look}");
        }
        for cause in ["deactivated", "user_deleted", "group_membership", "mapping_changed"] {
            assert_eq!(of_leaver(cause, true), cause);
        }
    }
}
