//! Mappings: standing rules from a group or a user to a role in a hub (DESIGN.md section 5).

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use serde::{Deserialize, Serialize};

use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, MappingId, SourceId, UserId};

/// What a rule is about, as the file or the API named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectName {
    /// `group = "meta-admins"`: a displayName; binds once to that group's id.
    Group(String),
    /// `group_id = "…"`: a SCIM id.
    GroupId(GroupId),
    /// `external_id = "…"`: the IdP's id of a group.
    GroupExternalId(String),
    /// `user = "ann@example.com"`: an individual share, by userName.
    User(String),
}

/// Whether the rule has found its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The group or user has not arrived yet.
    Waiting,
    /// Bound to this group; a rename does not move it.
    Group(GroupId),
    /// Bound to this user.
    User(UserId),
    /// The bound group was deleted: its removals are held, and a person must bind it anew.
    Gone,
}

/// What a person may do with the hub itself (business-hubs.md section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubRole {
    /// Uses the app.
    Collaborator,
    /// Runs the hub's people; may have no seat.
    Manager,
    /// Runs the hub; may have no seat.
    Owner,
}

/// Rights on one thing inside the app (an ad account, a page …).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetGrant {
    /// The kind, as the app's manifest names it.
    pub kind: String,
    /// The app's id of the asset.
    pub id: String,
    /// Named actions; empty means full permission.
    #[serde(default)]
    pub tasks: Vec<String>,
}

/// One standing rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Our id; the identity in files is (hub, subject, `scope`).
    pub id: MappingId,
    /// The hub it gives access to.
    pub hub: HubId,
    /// The subject as named.
    pub subject: SubjectName,
    /// Which source's groups a name may bind to; `None` when the name is unambiguous.
    pub source: Option<SourceId>,
    /// The subject as found.
    pub binding: Binding,
    /// The `where` filter on the user, as written; `None` for everybody.
    pub scope: Option<String>,
    /// The role in the hub.
    pub hub_role: HubRole,
    /// The app's role id.
    pub app_role: String,
    /// Whether it takes a seat in the app.
    pub seat: bool,
    /// Rights on assets.
    pub assets: Vec<AssetGrant>,
    /// Whose file manages it (`apply --owner`).
    pub owner: Option<String>,
    /// The commit it came with (`apply --ref`).
    pub file_ref: Option<String>,
    /// When a person or file last said so; an individual share counts only if that is after the
    /// user's last deactivation (DESIGN.md section 8).
    pub confirmed_at: Micros,
}
