//! What a plan shows: hubs and mappings that would change, how names are bound, and for whom.

use serde::{Deserialize, Serialize};

use super::effects::HubEffect;
use super::stops;

/// What happens to a hub or mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Add,
    /// It is there and will be different.
    Change,
    /// It will be removed.
    Remove,
}

/// A hub that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubDiff {
    /// The hub.
    pub hub: String,
    /// What happens.
    pub action: Action,
    /// The names of what differs.
    pub changed: Vec<String>,
}

/// A mapping that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingDiff {
    /// The hub.
    pub hub: String,
    /// `group meta-admins` …
    pub subject: String,
    /// Its filter.
    #[serde(rename = "where")]
    pub scope: Option<String>,
    /// What happens.
    pub action: Action,
    /// What it gives now.
    pub before: Option<String>,
    /// What it will give.
    pub after: Option<String>,
}

/// What a declared mapping is, or will be, bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingShown {
    /// The hub.
    pub hub: String,
    /// `group meta-admins` …
    pub subject: String,
    /// `bound`, `waiting` or `gone`.
    pub state: String,
    /// The SCIM id, and the name now.
    pub to: Option<String>,
}

/// A group that gives its members another workspace role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleDiff {
    /// The group's name.
    pub group: String,
    /// What happens.
    pub action: Action,
    /// What it gives now.
    pub before: Option<String>,
    /// What it will give.
    pub after: Option<String>,
}

/// Somebody whose workspace role becomes another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleChange {
    /// The user's SCIM id.
    pub user: String,
    /// The userName.
    pub name: String,
    /// The role now, whatever gives it.
    pub from: String,
    /// The role then.
    pub to: String,
}

/// What would change, or did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Hubs.
    pub hubs: Vec<HubDiff>,
    /// Mappings.
    pub mappings: Vec<MappingDiff>,
    /// Secrets that would be sealed from the command's environment, as `hub/field`.
    pub secrets: Vec<String>,
    /// Every declared mapping's binding.
    pub bindings: Vec<BindingShown>,
    /// What it means for people, for each hub that changes.
    pub effects: Vec<HubEffect>,
    /// Groups that give a workspace role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleDiff>,
    /// Who has another workspace role by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub role_changes: Vec<RoleChange>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// What the whole answer comes to, in hex: the same for the same wish in the same world. Giving
    /// it back as `expect` makes the change happen only where it still means this.
    #[serde(default)]
    pub digest: String,
    /// Once it was done: the request that did it, by which what it takes can be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

impl Plan {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.hubs.is_empty() && self.mappings.is_empty() && self.secrets.is_empty() && self.roles.is_empty()
    }

    /// The same with what it means for people, and what they should know of that.
    pub(in crate::service) fn meaning(mut self, effects: Vec<HubEffect>, digest: String) -> Self {
        self.notes.extend(stops::warnings(&effects));
        Self { effects, digest, ..self }
    }

    /// The counts of every hub in one line: `ads: adds 12, promotes 3, demotes 40, removes 7`.
    pub fn counts(&self) -> String {
        let hubs: Vec<String> = self.effects.iter().map(|one| format!("{}: {}", one.hub, one.counts())).collect();
        if hubs.is_empty() { String::from("nobody gains, changes or loses anything") } else { hubs.join("; ") }
    }
}
