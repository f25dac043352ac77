//! An app of the catalog, as its manifest (`apps/*.toml`) describes it (DESIGN.md section 4).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::hub::Login;

/// One kind of external application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// `meta-business`, `scim` …
    pub id: String,
    /// The name people read.
    pub name: String,
    /// Which connector drives it: `scim`, `manual` …
    pub connector: String,
    /// How people may sign in.
    pub logins: Vec<Login>,
    /// Settling time where a hub gives none, in seconds (DESIGN.md section 2.3).
    pub settle_seconds: u64,
    /// What a person must fill in to connect.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// Roles, ranked; an empty list means the app has none.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Whether any role id is accepted besides the listed ones (roles found at sync).
    #[serde(default)]
    pub open_roles: bool,
    /// What can be automated; the rest becomes a manual item (R5.17).
    pub tasks: SupportedTasks,
    /// Kinds of assets a mapping may name.
    #[serde(default)]
    pub assets: Vec<String>,
    /// Whether a role can be changed before the invitation is accepted (R4.12).
    #[serde(default)]
    pub role_change_while_pending: bool,
    /// What a person does by hand, by task kind (`add`, `update_role`, `remove`). Placeholders:
    /// `{email}`, `{name}`, `{role}`, `{hub}`.
    #[serde(default)]
    pub instructions: BTreeMap<String, String>,
    /// Settings for the connector.
    #[serde(default)]
    pub settings: BTreeMap<String, toml::Value>,
}

impl App {
    /// The settle time where a hub sets none.
    pub fn settle(&self) -> Duration {
        Duration::from_secs(self.settle_seconds)
    }

    /// The ids of the roles that make somebody an admin.
    pub fn admin_roles(&self) -> Vec<String> {
        self.roles.iter().filter(|role| role.admin).map(|role| role.id.clone()).collect()
    }

    /// A role by id.
    pub fn role(&self, id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }
}

/// A connection field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The key below `connection`.
    pub name: String,
    /// What people read.
    pub label: String,
    /// Whether it may be left out.
    #[serde(default)]
    pub optional: bool,
    /// Whether it must be a secret reference, and never a plain value.
    #[serde(default)]
    pub secret: bool,
    /// The form of a plain value.
    #[serde(default)]
    pub format: FieldFormat,
}

/// What a plain value must look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldFormat {
    /// Anything without control characters, at most 1,000 characters.
    #[default]
    Text,
    /// An http or https URL.
    Url,
    /// Digits only.
    Digits,
    /// 3 to 30 letters and digits (business-hubs.md section 2.1).
    UniqueIdentifier,
    /// `true` or `false`.
    Flag,
}

/// A role of an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The app's id.
    pub id: String,
    /// What people read.
    pub label: String,
    /// Higher wins (R5.1).
    pub rank: i32,
    /// Admin or owner: the guard keeps the last one.
    #[serde(default)]
    pub admin: bool,
}

/// The supported-task matrix of business-hubs.md section 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportedTasks {
    /// Read all members.
    pub sync: bool,
    /// Create or invite.
    pub add: bool,
    /// Change the role.
    pub update_role: bool,
    /// Remove.
    pub remove: bool,
}
