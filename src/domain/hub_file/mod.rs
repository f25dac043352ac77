//! Hubs and mappings as a TOML file (DESIGN.md section 5). Reading finds every mistake in one
//! pass and tells its file and line; nothing of a file with a mistake is ever used.

mod read;
mod read_mappings;
mod read_policy;
mod roles;
mod table;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use read::{read, shared, together};
pub use roles::{RoleDecl, RoleSection, read_roles, together_roles, write_roles};
pub use write::write;

pub use super::hub_rules::Given;
pub use crate::base::duration as text;
use crate::domain::hub::{HubMode, HubPolicy, Login};
use crate::domain::mapping::{AssetGrant, HubRole, SubjectName};
use crate::scim::fold;

/// A file larger than this is refused before it is read.
pub const FILE_BYTES: usize = 4 * 1024 * 1024;

/// A mistake in a file: `hubs.toml:12: …`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file's name as given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to do next.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Where something was declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file's name as given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A hub as a file declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct HubDecl {
    /// Where.
    pub place: Place,
    /// Its stable id.
    pub slug: crate::base::ids::HubSlug,
    /// What it is; `None` where the file only names it, to add mappings to a hub that another
    /// file, often another owner's, declares.
    pub settings: Option<Settings>,
    /// Its mappings in the order of the file.
    pub mappings: Vec<MappingDecl>,
}

/// Everything about a hub but its id and mappings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Which app.
    pub app: String,
    /// The name people read.
    pub label: String,
    /// How people sign in.
    pub login: Login,
    /// `None`: a new hub observes, an existing one stays as it is, because a person may have
    /// activated it.
    pub mode: Option<HubMode>,
    /// How long a removal of an active user waits.
    pub settle: Duration,
    /// The connection, as written.
    pub connection: BTreeMap<String, Given>,
    /// Limits.
    pub policy: HubPolicy,
}

/// A mapping as a file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingDecl {
    /// Where.
    pub place: Place,
    /// The group or user.
    pub subject: SubjectName,
    /// The source's name, where a group's name exists in more than one.
    pub source: Option<String>,
    /// The `where` filter.
    pub scope: Option<String>,
    /// The role in the hub.
    pub hub_role: HubRole,
    /// The app's role id.
    pub app_role: String,
    /// Whether it takes a seat.
    pub seat: bool,
    /// Rights on assets.
    pub assets: Vec<AssetGrant>,
}

/// What makes a mapping the same one inside its hub: the subject with names folded as they are
/// matched, its source, and the scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    by: &'static str,
    name: String,
    source: Option<String>,
    scope: String,
}

impl MappingDecl {
    /// The identity inside the hub.
    pub fn identity(&self) -> Identity {
        identity(&self.subject, self.source.as_deref(), self.scope.as_deref())
    }
}

/// The identity of a subject and scope inside a hub.
pub fn identity(subject: &SubjectName, source: Option<&str>, scope: Option<&str>) -> Identity {
    let (by, name) = match subject {
        SubjectName::Group(name) => ("group", fold::user_name(name)),
        SubjectName::GroupId(id) => ("group_id", id.to_string()),
        SubjectName::GroupExternalId(id) => ("external_id", id.clone()),
        SubjectName::User(name) => ("user", fold::user_name(name)),
    };
    Identity { by, name, source: source.map(ToOwned::to_owned), scope: scope.unwrap_or_default().to_owned() }
}

/// The subject as people read it: `group meta-admins`, `user ann@example.com`.
pub fn subject_text(subject: &SubjectName) -> String {
    match subject {
        SubjectName::Group(name) => format!("group {name}"),
        SubjectName::GroupId(id) => format!("group_id {id}"),
        SubjectName::GroupExternalId(id) => format!("external_id {id}"),
        SubjectName::User(name) => format!("user {name}"),
    }
}

#[cfg(test)]
mod tests;
