//! Workspace roles and hub rights, by strength.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::mapping::HubRole;

/// What a person or a service is in the workspace, the weakest first. Where several sources give a
/// person roles, the strongest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Outside the corporate directory; sees what is their own.
    Guest,
    /// Signs in to apps and nothing else.
    LoginOnly,
    /// Everybody else: connects hubs, runs those they own.
    User,
    /// Reads everything, changes nothing; given on purpose, so it outranks what everybody has.
    Auditor,
    /// Roles, guests, credentials, the whole log.
    Admin,
    /// As an admin, and may look into every hub.
    SuperAdmin,
    /// The one person who sets up provisioning and hands the workspace on.
    Owner,
}

/// The text names no role of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the role must be one of guest, login_only, user, auditor, admin, super_admin, owner, not '{0}'")]
pub struct UnknownRole(String);

impl Role {
    /// All roles, the weakest first.
    pub const ALL: [Self; 7] =
        [Self::Guest, Self::LoginOnly, Self::User, Self::Auditor, Self::Admin, Self::SuperAdmin, Self::Owner];

    /// The word in the table, on the command line and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::LoginOnly => "login_only",
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
            Self::SuperAdmin => "super_admin",
            Self::Owner => "owner",
        }
    }

    /// The strongest right a person of this role may hold in a hub, whatever gives it: guests and
    /// login-only people are never Owner of anything, and an auditor changes nothing.
    pub const fn hub_ceiling(self) -> HubRight {
        match self {
            Self::Guest | Self::LoginOnly | Self::Auditor => HubRight::Collaborator,
            Self::User | Self::Admin | Self::SuperAdmin | Self::Owner => HubRight::Owner,
        }
    }

    /// The right a service of this role has in every hub: one that administers runs them all,
    /// because no mapping can reach a service.
    pub const fn service_right(self) -> Option<HubRight> {
        match self {
            Self::Guest | Self::LoginOnly | Self::User | Self::Auditor => None,
            Self::Admin | Self::SuperAdmin | Self::Owner => Some(HubRight::Owner),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole(text.chars().take(64).collect()))
    }
}

/// What a person may do with one hub, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubRight {
    /// Uses the app.
    Collaborator,
    /// Made Owner or Manager without being given the hub's service account: user-management tasks
    /// and nothing else.
    SecurityManager,
    /// Runs people and syncs.
    Manager,
    /// Everything.
    Owner,
}

impl HubRight {
    /// All rights, the weakest first.
    pub const ALL: [Self; 4] = [Self::Collaborator, Self::SecurityManager, Self::Manager, Self::Owner];

    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Collaborator => "collaborator",
            Self::SecurityManager => "security_manager",
            Self::Manager => "manager",
            Self::Owner => "owner",
        }
    }

    /// The right that a hub role gives; `entrusted` says whether its holder was given the hub's
    /// service account, or the hub needs none.
    pub const fn of(role: HubRole, entrusted: bool) -> Self {
        match (role, entrusted) {
            (HubRole::Collaborator, _) => Self::Collaborator,
            (HubRole::Manager | HubRole::Owner, false) => Self::SecurityManager,
            (HubRole::Manager, true) => Self::Manager,
            (HubRole::Owner, true) => Self::Owner,
        }
    }
}

impl fmt::Display for HubRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
