//! What endpoints are told of: a closed set of event types, and which activity record is one. One
//! table, so that whoever adds a kind of record decides here whether the world hears of it.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// What happened, in the word that endpoints choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// Somebody got access to a hub's app.
    UserProvisioned,
    /// Somebody's access to a hub's app ended.
    UserDeprovisioned,
    /// Somebody's role in a hub's app changed.
    UserRoleUpdated,
    /// A task ended without effect, or needs a person.
    TaskFailed,
    /// The guard began to hold tasks of a hub for one reason.
    HoldOpened,
    /// Something in a hub began to need a person.
    ProblemOpened,
    /// It is over.
    ProblemClosed,
    /// A sync saw something so unlikely that it changed nothing.
    SyncHalted,
    /// A digest of what people are told; sent to the endpoint that notifications name.
    NotificationDigest,
    /// Somebody tried the endpoint out.
    WebhookTest,
}

impl EventType {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::UserProvisioned,
        Self::UserDeprovisioned,
        Self::UserRoleUpdated,
        Self::TaskFailed,
        Self::HoldOpened,
        Self::ProblemOpened,
        Self::ProblemClosed,
        Self::SyncHalted,
        Self::NotificationDigest,
        Self::WebhookTest,
    ];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserProvisioned => "user.provisioned",
            Self::UserDeprovisioned => "user.deprovisioned",
            Self::UserRoleUpdated => "user.role_updated",
            Self::TaskFailed => "task.failed",
            Self::HoldOpened => "hold.opened",
            Self::ProblemOpened => "problem.opened",
            Self::ProblemClosed => "problem.closed",
            Self::SyncHalted => "sync.halted",
            Self::NotificationDigest => "notification.digest",
            Self::WebhookTest => "webhook.test",
        }
    }

    /// Whether endpoints choose it. The others go to the one endpoint that is meant.
    pub const fn is_chosen(self) -> bool {
        match self {
            Self::UserProvisioned
            | Self::UserDeprovisioned
            | Self::UserRoleUpdated
            | Self::TaskFailed
            | Self::HoldOpened
            | Self::ProblemOpened
            | Self::ProblemClosed
            | Self::SyncHalted => true,
            Self::NotificationDigest | Self::WebhookTest => false,
        }
    }

    /// The event that an activity record is; `None` for what only the record keeps. `detail` is the
    /// record's.
    pub fn of_activity(kind: &str, detail: &Value) -> Option<Self> {
        // What a worker did is told as `task_kind`, what a person did as `kind`.
        let task = detail.get("task_kind").or_else(|| detail.get("kind"));
        let landed = || match task.and_then(Value::as_str) {
            Some("add") => Some(Self::UserProvisioned),
            Some("remove") => Some(Self::UserDeprovisioned),
            Some("update_role") => Some(Self::UserRoleUpdated),
            // A sync tells of nobody, and what is unknown here is told of once it has a word.
            Some(_) | None => None,
        };
        match kind {
            "task.completed" | "task.done_by_hand" => landed(),
            "task.not_completed" | "task.needs_person" => Some(Self::TaskFailed),
            "sync.halted" => Some(Self::SyncHalted),
            _ => None,
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no type an endpoint can choose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no event type; there are {choices}", choices = choices())]
pub struct UnknownType(String);

fn choices() -> String {
    let words = EventType::ALL.into_iter().filter(|one| one.is_chosen()).map(EventType::as_str);
    words.collect::<Vec<_>>().join(", ")
}

impl FromStr for EventType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let found = Self::ALL.into_iter().find(|one| one.is_chosen() && one.as_str() == text);
        found.ok_or_else(|| UnknownType(text.chars().take(64).collect()))
    }
}

/// What an endpoint wants to hear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(Vec<EventType>);

impl Wanted {
    /// These; none of them means all.
    pub fn these(mut types: Vec<EventType>) -> Self {
        types.sort_unstable();
        types.dedup();
        Self(types)
    }

    /// As stored: words with a space between, empty for all.
    pub fn to_stored(&self) -> String {
        self.0.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Read what was stored. Words of a newer version are passed by.
    pub fn from_stored(text: &str) -> Self {
        let known: Vec<_> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
        // Only words of a newer version: still a choice, not all.
        if known.is_empty() && !text.is_empty() { Self(vec![EventType::WebhookTest]) } else { Self(known) }
    }

    /// Whether an event of this type is for the endpoint.
    pub fn holds(&self, event: EventType) -> bool {
        event.is_chosen() && (self.0.is_empty() || self.0.contains(&event))
    }

    /// The words, for people; all of them where all are wanted.
    pub fn words(&self) -> Vec<&'static str> {
        let chosen = EventType::ALL.into_iter().filter(|one| self.holds(*one));
        chosen.map(EventType::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_become_events_by_kind_and_task() {
        let task = |kind: &str| json!({ "task_kind": kind });
        for (kind, detail, event) in [
            ("task.completed", task("add"), Some(EventType::UserProvisioned)),
            ("task.completed", task("remove"), Some(EventType::UserDeprovisioned)),
            ("task.completed", task("update_role"), Some(EventType::UserRoleUpdated)),
            ("task.completed", task("sync"), None),
            ("task.done_by_hand", json!({ "kind": "remove" }), Some(EventType::UserDeprovisioned)),
            ("task.not_completed", task("add"), Some(EventType::TaskFailed)),
            ("task.needs_person", task("add"), Some(EventType::TaskFailed)),
            ("task.cancelled", task("add"), None),
            ("user.created", json!({}), None),
        ] {
            assert_eq!(EventType::of_activity(kind, &detail), event, "{kind} {detail}");
        }
    }

    #[test]
    fn an_endpoint_hears_what_it_chose() {
        let all = Wanted::default();
        assert!(all.holds(EventType::TaskFailed) && !all.holds(EventType::WebhookTest));
        let some = Wanted::these(vec![EventType::ProblemOpened, EventType::HoldOpened, EventType::HoldOpened]);
        assert_eq!(some.to_stored(), "hold.opened problem.opened");
        assert_eq!(Wanted::from_stored(&some.to_stored()), some);
        assert!(some.holds(EventType::HoldOpened) && !some.holds(EventType::TaskFailed));
        let newer = Wanted::from_stored("moon.rose");
        assert!(EventType::ALL.into_iter().all(|event| !newer.holds(event)));
        assert!("webhook.test".parse::<EventType>().is_err());
        assert!("x".parse::<EventType>().unwrap_err().to_string().contains("problem.closed"));
    }
}
