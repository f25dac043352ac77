//! Problems: what stands in the way of many tasks at once (DESIGN.md section 2.13). One per cause
//! and hub, whatever the number of tasks; a closed set, so that each can say what a person must do.

use crate::base::limits::LEAVER_PRESENT;
use crate::domain::hub::HubMode;
use crate::domain::task::TaskKind;

/// Why something in a hub needs a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The app refuses our credential, or none can be read.
    AuthBroken,
    /// This installation's own settings forbid the app's address: plain http, or a network inside.
    AddressRefused,
    /// What is stored does not make a connection.
    ConnectionIncomplete,
    /// The app asks to wait for longer than a day.
    RateLimited,
    /// The credential may not do what is asked.
    Forbidden,
    /// The app has no seat left.
    SeatLimit,
    /// The app could not be reached for a while, or did not answer for so long that tasks were set
    /// aside.
    Unavailable,
    /// People who left are still in the app after a day; at once where a hub that only observes
    /// manages their accounts, because nothing is on its way there that would remove them.
    LeaverPresent,
    /// People who had left were still in the app when its hub was removed. No sync will ever see them
    /// gone, and no task takes them away: it stands until a person says that they are.
    LeaverLeftBehind,
    /// A sync would have marked too many accounts as removed, and applied nothing (R7.6).
    SyncHalted,
    /// People cannot be added because the app must know more of them (section 12.3).
    NeedsData,
}

impl Cause {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::AuthBroken,
        Self::AddressRefused,
        Self::ConnectionIncomplete,
        Self::RateLimited,
        Self::Forbidden,
        Self::SeatLimit,
        Self::Unavailable,
        Self::LeaverPresent,
        Self::LeaverLeftBehind,
        Self::SyncHalted,
        Self::NeedsData,
    ];

    /// The word in the database, the API and the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthBroken => "auth_broken",
            Self::AddressRefused => "address_refused",
            Self::ConnectionIncomplete => "connection_incomplete",
            Self::RateLimited => "rate_limited",
            Self::Forbidden => "forbidden",
            Self::SeatLimit => "seat_limit",
            Self::Unavailable => "unavailable",
            Self::LeaverPresent => "leaver_present",
            Self::LeaverLeftBehind => "leaver_left_behind",
            Self::SyncHalted => "sync_halted",
            Self::NeedsData => "needs_data",
        }
    }

    /// By its stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }

    /// What a person must do, with the hub's name in it.
    pub fn remedy(self, hub: &str) -> String {
        match self {
            Self::AuthBroken => format!(
                "give the hub a working credential: `scimhub secret set {hub} NAME`, or the hub's page; \
                 its tasks go on by themselves"
            ),
            Self::AddressRefused => format!(
                "give '{hub}' an https address that is public; or, for an app inside your own network, start the server \
                 with `--app-network CIDR` (its network): its tasks go on by themselves after either"
            ),
            Self::ConnectionIncomplete => {
                format!(
                    "mend the connection of '{hub}' (a field or secret is missing or wrong); its tasks go on by themselves"
                )
            }
            Self::RateLimited => {
                format!("ask the app for a higher limit, or wait, then `scimhub resume --hub {hub}`")
            }
            Self::Forbidden => format!(
                "give the credential the missing right in the app, then `scimhub resume --hub {hub}`: \
                 the tasks set aside are tried again"
            ),
            Self::SeatLimit => format!(
                "buy or free seats in the app, then `scimhub resume --hub {hub}`: the tasks set aside are tried again"
            ),
            Self::Unavailable => String::from(
                "nothing, if the app comes back: what was set aside is tried again then; else check its address",
            ),
            Self::LeaverPresent => String::from(
                "remove these people in the app by hand, or find out what keeps them (explain says it): \
                 a held removal, a pause, a hub that only observes, a protected account, a failed task",
            ),
            Self::LeaverLeftBehind => format!(
                "remove these people in the app by hand: nothing here does it any more. Then say so: \
                 `POST /api/v1/problems/{hub}/gone` with a note"
            ),
            Self::SyncHalted => format!(
                "look at the members the app lists; if they are really gone, `POST /api/v1/hubs/{hub}/sync` with \
                 {{\"accept_removals\": true}}, or raise policy.sync_threshold_percent and sync again; if not, mend \
                 the connection or the account it uses"
            ),
            Self::NeedsData => format!(
                "give what is missing: `PUT /api/v1/hubs/{hub}/users/USER/fields`, or have the identity provider send the \
                 attribute (policy.create_fields names it); the additions go on by themselves"
            ),
        }
    }

    /// The same where it is known which secrets of the hub nobody has set.
    pub fn remedy_for(self, hub: &str, secrets_missing: &[String]) -> String {
        if self != Self::AuthBroken || secrets_missing.is_empty() {
            return self.remedy(hub);
        }
        format!("set what is not set: {}; its tasks go on by themselves", set_commands(hub, secrets_missing))
    }

    /// The error classes of tasks that were set aside because of it, and are tried again once it is
    /// mended. Tasks of the other causes wait in their lane and need no help.
    pub const fn sets_aside(self) -> &'static [&'static str] {
        match self {
            Self::Forbidden => &["forbidden"],
            Self::SeatLimit => &["seat_limit"],
            Self::Unavailable => &["transient", "unreachable", "ambiguous"],
            Self::AuthBroken
            | Self::AddressRefused
            | Self::ConnectionIncomplete
            | Self::RateLimited
            | Self::LeaverPresent
            | Self::LeaverLeftBehind
            | Self::SyncHalted
            | Self::NeedsData => &[],
        }
    }

    /// The cause behind an error class of a task; classes that concern one task alone have none.
    pub fn of_class(class: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == class || cause.sets_aside().contains(&class))
    }

    /// Whether tasks of this kind cannot get through to the app while it is open.
    pub const fn stands_against(self, kind: TaskKind) -> bool {
        match self {
            Self::AuthBroken
            | Self::AddressRefused
            | Self::ConnectionIncomplete
            | Self::RateLimited
            | Self::Forbidden
            | Self::Unavailable => true,
            // A removal needs no seat, and nothing about the person.
            Self::SeatLimit | Self::NeedsData => matches!(kind, TaskKind::Add),
            Self::LeaverPresent | Self::LeaverLeftBehind | Self::SyncHalted => false,
        }
    }

    /// Whether a person's word that it is mended is enough to close it until it is met again. That
    /// people are gone must be seen.
    pub const fn ends_by_word(self) -> bool {
        match self {
            Self::AuthBroken
            | Self::AddressRefused
            | Self::ConnectionIncomplete
            | Self::RateLimited
            | Self::Forbidden
            | Self::SeatLimit
            | Self::Unavailable => true,
            // Of a removed hub it is said of these people, not of the hub.
            Self::LeaverPresent | Self::LeaverLeftBehind | Self::SyncHalted | Self::NeedsData => false,
        }
    }
}

/// The command that sets each of these secrets.
pub fn set_commands(hub: &str, secrets: &[String]) -> String {
    secrets.iter().map(|name| format!("`scimhub secret set {hub} {name}`")).collect::<Vec<_>>().join(", ")
}

/// What people read of a hub whose secrets are not set; `moved` are the fields of its connection whose
/// change made us forget them.
pub fn secrets_missing(names: &[String], moved: &[String]) -> String {
    let (what, they) = if names.len() == 1 { ("secret", "is not set") } else { ("secrets", "are not set") };
    let why = match moved {
        [] => String::new(),
        moved => format!("; what was given for the old address is not sent to another: {} changed", moved.join(", ")),
    };
    format!("the {what} {} {they}{why}", names.join(", "))
}

/// What people read of a hub in which somebody who left is still present.
pub fn leavers_present(people: i64, mode: HubMode) -> String {
    let noun = if people == 1 { "person who left is" } else { "people who left are" };
    match mode {
        HubMode::Active => {
            format!("{people} {noun} still in the app after {} hours", LEAVER_PRESENT.as_secs() / 3600)
        }
        HubMode::Observe => {
            format!("{people} {noun} still in the app, and the hub only observes: nothing removes them")
        }
    }
}

/// What people read of a hub that was removed with somebody who left still in its app.
pub fn leavers_left_behind(people: i64, label: &str) -> String {
    let noun = if people == 1 { "person who had left was" } else { "people who had left were" };
    format!("{people} {noun} still in the app when its hub '{label}' was removed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_word_and_a_remedy_of_its_own() {
        for cause in Cause::ALL {
            assert_eq!(Cause::from_word(cause.as_str()), Some(cause));
            assert!(cause.remedy("ads").len() > 20);
        }
        assert_eq!(Cause::from_word("weather"), None);
        let two = [String::from("A"), String::from("B")];
        let remedy = Cause::AuthBroken.remedy_for("ads", &two);
        assert!(remedy.contains("`scimhub secret set ads A`, `scimhub secret set ads B`"), "{remedy}");
        assert_eq!(Cause::AuthBroken.remedy_for("ads", &[]), Cause::AuthBroken.remedy("ads"));
        assert_eq!(Cause::SeatLimit.remedy_for("ads", &two), Cause::SeatLimit.remedy("ads"));
    }
}
