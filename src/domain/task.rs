//! A task: one change to push to one hub, and its states (DESIGN.md sections 1 and 5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::clock::Micros;
use crate::base::ids::{BootId, HoldId, HubId, MemberId, TaskId, UserId, WorkspaceId};
use crate::domain::mapping::{AssetGrant, HubRole};
use crate::domain::member::{Member, Presence, Reason};

/// What a task does in the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Read all members.
    Sync,
    /// Create or invite.
    Add,
    /// Change the role.
    UpdateRole,
    /// Remove or suspend.
    Remove,
}

impl TaskKind {
    /// Every kind, in the order people read them.
    pub const ALL: [Self; 4] = [Self::Sync, Self::Add, Self::UpdateRole, Self::Remove];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Add => "add",
            Self::UpdateRole => "update_role",
            Self::Remove => "remove",
        }
    }

    /// Read the word back; `None` for any other word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Where a task stands, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Not begun.
    Queued,
    /// Claimed by a worker, nothing sent yet.
    Started,
    /// The app may have been called.
    Running,
    /// Failed in passing; tried again at `not_before`.
    Retrying,
    /// The guard waits for a person.
    Held,
    /// Not before a time, or for an acceptance.
    Waiting,
    /// A person must do it in the app.
    Manual,
    /// Done.
    Completed,
    /// Failed for good.
    NotCompleted,
    /// Replaced by a newer wish before it started.
    Superseded,
    /// Withdrawn by a person or because nothing was left to do.
    Cancelled,
}

impl TaskStatus {
    /// Every status, in the order people read them.
    pub const ALL: [Self; 11] = [
        Self::Queued,
        Self::Started,
        Self::Running,
        Self::Retrying,
        Self::Held,
        Self::Waiting,
        Self::Manual,
        Self::Completed,
        Self::NotCompleted,
        Self::Superseded,
        Self::Cancelled,
    ];

    /// Read the word back; `None` for any other word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Started => "started",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Manual => "manual",
            Self::Completed => "completed",
            Self::NotCompleted => "not_completed",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it still wants something; at most one open task per (hub, subject).
    pub const fn is_open(self) -> bool {
        match self {
            Self::Queued
            | Self::Started
            | Self::Running
            | Self::Retrying
            | Self::Held
            | Self::Waiting
            | Self::Manual => true,
            Self::Completed | Self::NotCompleted | Self::Superseded | Self::Cancelled => false,
        }
    }

    /// Whether a newer wish may replace it: nothing of it can be at the app.
    pub const fn is_replaceable(self) -> bool {
        match self {
            Self::Queued | Self::Held | Self::Waiting | Self::Manual => true,
            Self::Retrying
            | Self::Started
            | Self::Running
            | Self::Completed
            | Self::NotCompleted
            | Self::Superseded
            | Self::Cancelled => false,
        }
    }
}

/// What to make true in the app: the payload of a task. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// What to do.
    pub kind: TaskKind,
    /// For whom.
    pub principal: Principal,
    /// The app's id of the account, when known.
    pub remote_id: Option<String>,
    /// The wanted app role; for a removal, the one held.
    pub role: Option<String>,
    /// Wanted assets.
    #[serde(default)]
    pub assets: Vec<AssetGrant>,
    /// The wanted role in the hub.
    pub hub_role: Option<HubRole>,
    /// For a removal: suspend instead of remove.
    #[serde(default)]
    pub suspend: bool,
    /// For an addition: an invitation that is out already is not enough, a person asked for another (R6.6).
    #[serde(default, skip_serializing_if = "is_false")]
    pub again: bool,
    /// For an addition: what the app must know beside the principal, by the create field's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
    /// What was held before, of a removal or change of role: what `undo` grants again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Before>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Effect {
    /// An effect of this kind that says nothing but for whom.
    pub const fn new(kind: TaskKind, principal: Principal) -> Self {
        Self {
            kind,
            principal,
            remote_id: None,
            role: None,
            assets: Vec::new(),
            hub_role: None,
            suspend: false,
            again: false,
            extra: BTreeMap::new(),
            before: None,
        }
    }

    /// The app role held before and the one wanted, as far as the plan knew: what a removal takes, what an
    /// addition gives.
    pub fn from_and_to(&self) -> (Option<&str>, Option<&str>) {
        let held = self.before.as_ref().and_then(|before| before.role.as_deref());
        match self.kind {
            TaskKind::Remove => (held.or(self.role.as_deref()), None),
            TaskKind::Add => (None, self.role.as_deref()),
            TaskKind::UpdateRole | TaskKind::Sync => (held, self.role.as_deref()),
        }
    }
}

/// What an account held when a task was planned that takes it away or changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The app role.
    pub role: Option<String>,
    /// The assets.
    #[serde(default)]
    pub assets: Vec<AssetGrant>,
    /// The role in the hub.
    pub hub_role: Option<HubRole>,
}

impl Before {
    /// What this account is known to hold now; `None` where it is not there.
    pub fn of(member: &Member) -> Option<Box<Self>> {
        match member.known {
            Presence::Absent => None,
            Presence::Pending | Presence::Active | Presence::Suspended => Some(Box::new(Self {
                role: member.known_role.clone(),
                assets: member.known_assets.clone(),
                hub_role: member.hub_role,
            })),
        }
    }
}

/// The person, as an app needs to know them. A snapshot taken when the task was planned, so that
/// a removal still works after the user's SCIM DELETE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// What apps are told as `externalId`: the user's id here, which outlives every rename. Tasks
    /// planned by earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// SCIM userName.
    pub user_name: String,
    /// The work e-mail, else the primary, else the first, else the userName where it looks like one.
    pub email: String,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub family_name: Option<String>,
    /// What people read.
    pub display_name: Option<String>,
}

/// A task as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its tenant.
    pub workspace: WorkspaceId,
    /// Its id.
    pub id: TaskId,
    /// Where.
    pub hub: HubId,
    /// For whom: `user:<id>`, `remote:<app's id>`, or `sync`.
    pub subject: String,
    /// The user, when there is one.
    pub user: Option<UserId>,
    /// The member row.
    pub member: Option<MemberId>,
    /// Where it stands.
    pub status: TaskStatus,
    /// Why it was made: `group_membership`, `deactivated`, `deleted`, `mapping_changed` …
    pub cause: String,
    /// The IdP request that led here.
    pub request_id: Option<String>,
    /// What to make true.
    pub effect: Effect,
    /// The mappings behind it.
    pub reasons: Vec<Reason>,
    /// Smaller runs first; leavers are 0.
    pub priority: i32,
    /// Not claimed earlier than this.
    pub not_before: Micros,
    /// Attempts spent.
    pub attempts: i32,
    /// How often a process died while it ran.
    pub crashes: i32,
    /// An attempt may have been sent: look at the app before acting (DESIGN.md section 2.8).
    pub verify_first: bool,
    /// Who runs it.
    pub lease_boot: Option<BootId>,
    /// Fencing token: grows with every claim.
    pub lease_epoch: i64,
    /// The batch it is held in.
    pub hold: Option<HoldId>,
    /// The newer wish.
    pub superseded_by: Option<TaskId>,
    /// The class of the last failure.
    pub error_class: Option<String>,
    /// What went wrong, for people.
    pub error_detail: Option<String>,
    /// What a person must do.
    pub instructions: Option<String>,
    /// When it was planned.
    pub created_at: Micros,
    /// When it last moved.
    pub modified_at: Micros,
    /// When it closed.
    pub finished_at: Option<Micros>,
    /// Who closed it.
    pub closing: Option<Closing>,
    /// The parent it is nested in (R5.13).
    pub parent: Option<TaskId>,
    /// Until when it should be done by hand, once it is an item for a person.
    pub due_at: Option<Micros>,
}

/// Who closed a task, and what they said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// `worker`, `planner`, or a person's word such as `token:<id>`.
    pub actor: String,
    /// In a person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Closing {
    /// As it is kept: one word, or an object where there is a note too.
    pub fn read(kept: &str) -> Self {
        serde_json::from_str(kept).unwrap_or_else(|_| Self { actor: kept.to_owned(), note: None })
    }
}
