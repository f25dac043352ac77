//! A member: an account in a hub's app, and what is known and observed of it.

use serde::{Deserialize, Serialize};

use crate::base::clock::Micros;
use crate::base::ids::{HubId, MappingId, MemberId, UserId};
use crate::domain::mapping::{AssetGrant, HubRole};

/// Where an account stands with us (business-hubs.md section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// Matched to a user of the workspace.
    Onboarded,
    /// Found in the app, nobody here.
    Unmatched,
    /// Matched to a guest.
    Guest,
    /// Kept on purpose; no task ever touches it (R4.5).
    Exempted,
}

/// What an account is in the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Not there.
    Absent,
    /// Invited, not accepted.
    Pending,
    /// There and usable.
    Active,
    /// There, blocked.
    Suspended,
}

/// Why somebody holds an entitlement: one mapping that gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// The rule.
    pub mapping: MappingId,
    /// The subject as people know it: `group meta-admins`, `user ann@example.com`.
    pub subject: String,
    /// The app role this rule alone would give.
    pub app_role: String,
}

/// One account in one hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Our id.
    pub id: MemberId,
    /// Its hub.
    pub hub: HubId,
    /// The person, when matched or created by us. Survives the user's SCIM DELETE.
    pub user: Option<UserId>,
    /// The app's stable id: the binding, once known (threat T-02).
    pub remote_id: Option<String>,
    /// Folded e-mail, for matching and for people.
    pub email_key: Option<String>,
    /// The name people read.
    pub display: String,
    /// Where it stands.
    pub bucket: Bucket,
    /// Made by a task of ours, reached by a mapping, or adopted. Anything else is never removed
    /// or demoted by automation.
    pub managed: bool,
    /// Never removed or demoted without a person.
    pub protected: bool,
    /// The words of business-hubs.md section 4.2 (`inviting`, `awaiting_update` …); empty when
    /// there is nothing to report.
    pub status: String,
    /// The role in the hub.
    pub hub_role: Option<HubRole>,
    /// What we know: the newer of the last finished task and the last sync.
    pub known: Presence,
    /// The known app role.
    pub known_role: Option<String>,
    /// Known assets.
    pub known_assets: Vec<AssetGrant>,
    /// When that became known.
    pub known_at: Micros,
    /// The reasons under which it was last granted.
    pub reasons: Vec<Reason>,
}
