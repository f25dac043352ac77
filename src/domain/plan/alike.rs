//! Accounts that show a person's address and are not theirs: those that an e-mail match may suggest, and
//! those of other people that are about to go.

use std::time::Duration;

use crate::domain::member::Member;

/// Accounts an e-mail match may suggest (R4.1, R4.6, R4.11).
#[derive(Clone, Copy, Debug)]
pub enum Candidates<'a> {
    /// No unmatched account shows the person's e-mail.
    None,
    /// Exactly one does, and nobody else here has that e-mail.
    One(&'a Member),
    /// Several accounts or several people: a person must match by hand.
    Conflict,
}

/// Another person's account shows one of their addresses and is on its way out, as when somebody was
/// deleted and created anew. An app that is told of both at once takes one for the other: the addition
/// finds the old account and calls it done, and then the removal takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vacating {
    /// By itself.
    Soon,
    /// Once a person has decided, or it has waited for what it waits for.
    Later,
}

impl Vacating {
    /// How long a mark rests before the account is looked at again.
    pub(super) const fn rest(self) -> Duration {
        match self {
            Self::Soon => Duration::from_secs(1),
            Self::Later => Duration::from_secs(5),
        }
    }

    /// The words explain shows.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Soon => "an account with their address is being removed: theirs is made when it is gone",
            Self::Later => {
                "an account with their address is to be removed, and that waits: theirs is made when it is gone"
            }
        }
    }
}
