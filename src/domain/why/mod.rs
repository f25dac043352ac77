//! Why somebody has, had or lacks access, in words: pure functions from what is known of a person
//! and a hub to the sentences that the API and the page show, each with a word for machines.
//! Nothing here decides anything; it tells what was decided, and what is missing.

pub mod leaver;
pub mod past;
pub mod present;
pub mod rules;
pub mod then;

#[cfg(test)]
mod past_tests;
#[cfg(test)]
mod present_tests;

use serde::Serialize;

use crate::base::ids::{HoldId, TaskId};
use crate::domain::member::{Member, Presence};

/// Groups and shares that one sentence names; the rest are counted. `subjects` has them all.
const NAMED: usize = 5;

/// How it stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// An account that can be used.
    HasAccess,
    /// Invited, and not accepted yet.
    Invited,
    /// An account that is switched off in the app.
    Suspended,
    /// No account.
    NoAccess,
}

impl Answer {
    /// Of what is known now; `None` is an account that was never there.
    pub const fn now(known: Option<&Member>) -> Self {
        match known {
            None => Self::NoAccess,
            Some(member) => match member.known {
                Presence::Active => Self::HasAccess,
                Presence::Pending => Self::Invited,
                Presence::Suspended => Self::Suspended,
                Presence::Absent => Self::NoAccess,
            },
        }
    }
}

/// What kind of cause a sentence tells of. The words are part of the API: docs/explain.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    // What is wanted, and what gives it.
    /// Mappings give a seat.
    Wanted,
    /// A mapping that counts gives a lower role than the one that wins.
    Outranked,
    /// A permission that is granted gives way to another.
    GivesWay,
    /// A mapping gives a role in the hub and no seat in the app.
    NoSeat,
    // Why nothing is wanted.
    /// Deleted at the identity provider.
    UserDeleted,
    /// Deactivated at the identity provider.
    UserInactive,
    /// Not here yet at that moment.
    UserNotYetHere,
    /// No mapping of the hub gives this person anything.
    NoMapping,
    /// The hub has no mapping at all.
    HubWithoutMappings,
    /// In none of the groups that would give it.
    NotInMappedGroup,
    /// About the person, and refused: its `where`, a reactivation, an incompatible role.
    MappingRefused,
    /// The mapped group or user has not arrived yet.
    SubjectMissing,
    /// The mapped group was deleted.
    GroupGone,
    // What is known of the account.
    /// Already as wanted.
    AsWanted,
    /// None there, and none wanted.
    NotThere,
    /// Kept on purpose: automation never touches it.
    Exempted,
    /// Not ours: automation never removes or demotes it.
    Unmanaged,
    /// Only a person changes it.
    Protected,
    /// Who left and is still there.
    LeaverPresent,
    /// Who left and is still there, because a person decided so.
    LeaverKept,
    /// Who left and is still there, because the account is protected.
    LeaverProtected,
    /// Several accounts or people share the e-mail.
    EmailConflict,
    /// The app's invitation is out.
    InvitationPending,
    /// The app's account is switched off.
    Suspended,
    /// What was held was taken by a task.
    Removed,
    // What is on its way, and what keeps it.
    /// The next step.
    Next,
    /// The hub only observes.
    HubObserves,
    /// Pushing is paused: the hub, its workspace or everything.
    Paused,
    /// Removals of somebody who stays are settled first.
    Settling,
    /// An account with their address is another's, and on its way out.
    AddressInUse,
    /// A task does it already.
    Planned,
    /// The app must know more about the person.
    NeedsData,
    /// An open task, and where it stands.
    OpenTask,
    /// The guard waits for a person.
    Held,
    /// Not before a time.
    NotBefore,
    /// An open problem of the hub, such as a credential that is refused or missing.
    HubProblem,
    /// A person must do it in the app.
    ManualItem,
    /// Tried in vain, and tried again.
    Retrying,
    /// A person rejected or cancelled it.
    Declined,
    /// The app refused it for good.
    Failed,
    /// Decided before, and nothing has changed since.
    Decided,
    // Of a moment that is past.
    /// What was held then.
    Was,
    /// What had begun it.
    Began,
    /// What gave it at that moment.
    GivenBy,
    /// Held, though nothing gave it any more.
    GivenByNothing,
    /// What ended it.
    Ended,
    /// Nothing was held then.
    WasNot,
    /// Held before that moment.
    Before,
    /// Held after that moment.
    After,
    /// The hub was not connected yet.
    HubNotYetHere,
    /// The record does not reach back so far, or does not say.
    NotRecorded,
}

/// One sentence of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// For machines.
    pub code: Code,
    /// For people.
    pub text: String,
    /// The groups and shares it is about, as people know them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// The task it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The held batch it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldId>,
    /// The cause of the hub's problem that it is about: `auth_broken` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<&'static str>,
}

impl Cause {
    /// A sentence about nothing in particular.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), subjects: Vec::new(), task: None, hold: None, problem: None }
    }

    fn of(mut self, subjects: impl IntoIterator<Item = String>) -> Self {
        self.subjects.extend(subjects);
        self
    }

    const fn task(mut self, task: TaskId) -> Self {
        self.task = Some(task);
        self
    }
}

/// The sentences alone.
pub fn sentences(causes: &[Cause]) -> Vec<String> {
    causes.iter().map(|cause| cause.text.clone()).collect()
}

/// `a (viewer), b (editor) and 3 more`.
fn listed(names: &[String]) -> String {
    let (shown, rest) = names.split_at(names.len().min(NAMED));
    match (shown, rest.len()) {
        ([], _) => String::new(),
        ([one], 0) => one.clone(),
        ([before @ .., last], 0) => format!("{} and {last}", before.join(", ")),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A word of ours as people read it: `group_membership` becomes `group membership`.
fn plain(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that documents the API names every word, and this reads the words from their source.
    #[test]
    fn every_code_is_documented() {
        let (source, page) = (include_str!("mod.rs"), include_str!("../../../docs/explain.md"));
        let all = source.split("pub enum Code {").nth(1).and_then(|rest| rest.split("\n}").next()).unwrap();
        let names: Vec<&str> = all.lines().filter_map(|line| line.trim().strip_suffix(',')).collect();
        assert!(names.len() > 40, "{names:?}");
        for name in names {
            let mut word = String::new();
            for letter in name.chars() {
                if letter.is_uppercase() && !word.is_empty() {
                    word.push('_');
                }
                word.extend(letter.to_lowercase());
            }
            assert!(page.contains(&format!("`{word}`")), "docs/explain.md does not name {word}");
        }
    }

    #[test]
    fn long_lists_are_counted() {
        let names = |count: usize| (0..count).map(|n| format!("g{n}")).collect::<Vec<_>>();
        assert_eq!(listed(&names(1)), "g0");
        assert_eq!(listed(&names(3)), "g0, g1 and g2");
        assert_eq!(listed(&names(5)), "g0, g1, g2, g3 and g4");
        assert_eq!(listed(&names(8)), "g0, g1, g2, g3, g4 and 3 more");
        assert_eq!(listed(&[]), "");
    }
}
