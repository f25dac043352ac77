//! A member: an account in a hub's app, and what is known and observed of it.

use serde::{Deserialize, Serialize};

use crate::base::clock::Micros;
use crate::base::ids::{HubId, MappingId, MemberId, UserId};
use crate::domain::mapping::{AssetGrant, HubRole};
use crate::domain::task::TaskKind;

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

impl Bucket {
    const ALL: [Self; 4] = [Self::Onboarded, Self::Unmatched, Self::Guest, Self::Exempted];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Onboarded => "onboarded",
            Self::Unmatched => "unmatched",
            Self::Guest => "guest",
            Self::Exempted => "exempted",
        }
    }

    /// A bucket by its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bucket| bucket.as_str() == word)
    }
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

impl Presence {
    const ALL: [Self; 4] = [Self::Absent, Self::Pending, Self::Active, Self::Suspended];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// A presence by its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|presence| presence.as_str() == word)
    }
}

/// What people read about an account beside its bucket (business-hubs.md section 4.2): what is under
/// way or went wrong with it. The word on the wire and in the database is [`MemberStatus::as_str`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberStatus {
    /// Nothing to report; the empty word.
    #[default]
    Settled,
    /// Found by a sync, nobody here.
    UnmatchedUser,
    /// Kept on purpose.
    Exempted,
    /// Granted through a collection, not claimed.
    PendingUserClaim,
    /// An add task waits for data about the person (section 12.3).
    NeedsData,
    /// An add task is queued or runs.
    Inviting,
    /// The app's invitation is out.
    PendingInviteClaim,
    /// The app's invitation ran out.
    InviteExpired,
    /// The add task failed.
    InviteFailed,
    /// Joined; the person's credentials are not saved yet (password login).
    AwaitingUserLogin,
    /// A role task is queued or runs.
    AwaitingUpdate,
    /// The role task failed.
    UpdateFailed,
    /// A remove task is queued or runs.
    AwaitingDeprovisioning,
    /// The remove task failed.
    DeprovisioningFailed,
    /// The sync could not place this account: two claims on one person, or one on two.
    SyncFailed,
    /// Gone from the app, whoever did it.
    Removed,
}

impl MemberStatus {
    /// All there are.
    pub const ALL: [Self; 16] = [
        Self::Settled,
        Self::UnmatchedUser,
        Self::Exempted,
        Self::PendingUserClaim,
        Self::NeedsData,
        Self::Inviting,
        Self::PendingInviteClaim,
        Self::InviteExpired,
        Self::InviteFailed,
        Self::AwaitingUserLogin,
        Self::AwaitingUpdate,
        Self::UpdateFailed,
        Self::AwaitingDeprovisioning,
        Self::DeprovisioningFailed,
        Self::SyncFailed,
        Self::Removed,
    ];

    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "",
            Self::UnmatchedUser => "unmatched_user",
            Self::Exempted => "exempted",
            Self::PendingUserClaim => "pending_user_claim",
            Self::NeedsData => "needs_data",
            Self::Inviting => "inviting",
            Self::PendingInviteClaim => "pending_invite_claim",
            Self::InviteExpired => "invite_expired",
            Self::InviteFailed => "invite_failed",
            Self::AwaitingUserLogin => "awaiting_user_login",
            Self::AwaitingUpdate => "awaiting_update",
            Self::UpdateFailed => "update_failed",
            Self::AwaitingDeprovisioning => "awaiting_deprovisioning",
            Self::DeprovisioningFailed => "deprovisioning_failed",
            Self::SyncFailed => "sync_failed",
            Self::Removed => "removed",
        }
    }

    /// By its stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// What an open task of this kind shows; a sync is nobody's.
    pub const fn under_way(kind: TaskKind) -> Self {
        match kind {
            TaskKind::Add => Self::Inviting,
            TaskKind::UpdateRole => Self::AwaitingUpdate,
            TaskKind::Remove => Self::AwaitingDeprovisioning,
            TaskKind::Sync => Self::Settled,
        }
    }

    /// What a task of this kind leaves when it failed or waits for a person.
    pub const fn failed(kind: TaskKind) -> Self {
        match kind {
            TaskKind::Add => Self::InviteFailed,
            TaskKind::UpdateRole => Self::UpdateFailed,
            TaskKind::Remove => Self::DeprovisioningFailed,
            TaskKind::Sync => Self::Settled,
        }
    }

    /// Whether it tells of an open task, and goes with it.
    pub const fn is_under_way(self) -> bool {
        match self {
            Self::NeedsData | Self::Inviting | Self::AwaitingUpdate | Self::AwaitingDeprovisioning => true,
            Self::Settled
            | Self::UnmatchedUser
            | Self::Exempted
            | Self::PendingUserClaim
            | Self::PendingInviteClaim
            | Self::InviteExpired
            | Self::InviteFailed
            | Self::AwaitingUserLogin
            | Self::UpdateFailed
            | Self::DeprovisioningFailed
            | Self::SyncFailed
            | Self::Removed => false,
        }
    }
}

impl MemberStatus {
    /// Whether it tells of a task that failed; over once the app is as wanted.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::InviteFailed | Self::UpdateFailed | Self::DeprovisioningFailed => true,
            Self::Settled
            | Self::UnmatchedUser
            | Self::Exempted
            | Self::PendingUserClaim
            | Self::NeedsData
            | Self::Inviting
            | Self::PendingInviteClaim
            | Self::InviteExpired
            | Self::AwaitingUserLogin
            | Self::AwaitingUpdate
            | Self::AwaitingDeprovisioning
            | Self::SyncFailed
            | Self::Removed => false,
        }
    }
}

impl Serialize for MemberStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
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

/// How a subject begins that is one person: an individual share.
pub const ONE_PERSON: &str = "user ";

impl Reason {
    /// Whether it is an individual share, given to one person and not to a group.
    pub fn is_share(&self) -> bool {
        self.subject.starts_with(ONE_PERSON)
    }
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
    /// What is under way or went wrong (section 4.2).
    pub status: MemberStatus,
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

impl Member {
    /// Whether a person asked for another invitation (R6.6). What went away by itself, or by a task of
    /// ours, leaves no id of the app behind; only asking again does, so that the one that is out is found.
    pub fn is_invited_again(&self) -> bool {
        self.user.is_some() && self.known == Presence::Absent && self.remote_id.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_word_of_its_own() {
        for status in MemberStatus::ALL {
            assert_eq!(MemberStatus::from_word(status.as_str()), Some(status));
        }
        assert_eq!(MemberStatus::from_word("fine"), None);
    }
}
