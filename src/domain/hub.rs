//! A hub: one connected space of an app (DESIGN.md section 1).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::ids::{HubId, HubSlug};
use crate::base::limits::ITEM_HOURS;

/// Whether a hub may change its app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubMode {
    /// List, match, plan and show; never write a task (DESIGN.md section 2.10).
    Observe,
    /// Push.
    Active,
}

/// How people sign in to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// Through the IdP.
    Sso,
    /// With the app's own password.
    Password,
}

/// One field of a hub's connection: plain, or a reference to a sealed secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ConnectionValue {
    /// `{ secret = "META_TOKEN" }`: the name under which `secret set` sealed it.
    Secret {
        /// The secret's name.
        secret: String,
    },
    /// An ordinary value.
    Plain(String),
}

/// What an owner decides about a hub beyond its connection. Missing keys mean the default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HubPolicy {
    /// Hold removals beyond this many in ten minutes (together with the share).
    pub removal_limit: u32,
    /// Hold removals beyond this share of the managed members, in percent.
    pub removal_percent: u32,
    /// Never hold more seats than this; `None` for no limit.
    pub max_seats: Option<u32>,
    /// Hold additions beyond this many in ten minutes; `None` for no limit, so that a first push of
    /// a whole department is one step.
    pub addition_limit: Option<u32>,
    /// What becomes of a member without entitlement.
    pub deprovision: Deprovision,
    /// What becomes of individual shares of somebody who left.
    pub individual: Individual,
    /// Calls in flight at once, over the whole cluster.
    pub max_in_flight: u32,
    /// Calls a second, over the whole cluster; `None` for no limit of ours.
    pub calls_per_second: Option<f64>,
    /// A sync that would mark more than this share of the known accounts as removed applies nothing
    /// (R7.6), in percent.
    pub sync_threshold_percent: u32,
    /// What becomes of a change that somebody made in the app (R7.8).
    pub drift: Drift,
    /// From which attribute of a user a create field of the app is read, where it is another than the
    /// manifest's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub create_fields: BTreeMap<String, String>,
    /// Roles that automation neither gives nor takes without a person (T-08), beside those that the
    /// app's manifest protects.
    pub protected_roles: Vec<String>,
    /// Hours that a person has for what must be done by hand, from when it becomes an item.
    pub manual_due_hours: u32,
}

impl HubPolicy {
    /// How long a person has for an item by hand.
    pub fn manual_due(&self) -> Duration {
        Duration::from_secs(u64::from(self.manual_due_hours) * 3_600)
    }
}

impl Default for HubPolicy {
    fn default() -> Self {
        Self {
            removal_limit: 10,
            removal_percent: 20,
            max_seats: None,
            addition_limit: None,
            deprovision: Deprovision::Remove,
            individual: Individual::Remove,
            max_in_flight: 4,
            calls_per_second: None,
            sync_threshold_percent: 20,
            drift: Drift::Report,
            create_fields: BTreeMap::new(),
            protected_roles: Vec::new(),
            manual_due_hours: ITEM_HOURS,
        }
    }
}

/// Remove frees the seat; suspend keeps the account (DESIGN.md section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deprovision {
    /// Remove the account or its seat.
    Remove,
    /// Suspend where the app can.
    Suspend,
}

/// What becomes of what somebody who left held by individual shares alone (DESIGN.md section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Individual {
    /// It ends at once, as what groups give does.
    Remove,
    /// It waits for a person's word, held as `ask_first`.
    Ask,
}

/// Whether what somebody changed in the app is put right by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// It is taken over into the picture; the next event or a person puts it right.
    Report,
    /// The sync that finds it makes the planner look again.
    Repair,
}

/// Why a hub is forgotten, chosen from a list (business-hubs.md section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalReason {
    /// Nobody uses the app any more.
    NoLongerUsed,
    /// Another hub takes its place.
    Replaced,
    /// It was connected to the wrong space, or wrongly.
    WrongConnection,
    /// It was a trial.
    Trial,
    /// People are managed some other way from now on.
    ManagedElsewhere,
    /// As the note says.
    Other,
    /// Not in the files any more; only files give it.
    Pruned,
}

impl RemovalReason {
    /// What a person chooses from.
    pub const CHOICE: [Self; 6] =
        [Self::NoLongerUsed, Self::Replaced, Self::WrongConnection, Self::Trial, Self::ManagedElsewhere, Self::Other];

    /// The word on the wire and in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoLongerUsed => "no_longer_used",
            Self::Replaced => "replaced",
            Self::WrongConnection => "wrong_connection",
            Self::Trial => "trial",
            Self::ManagedElsewhere => "managed_elsewhere",
            Self::Other => "other",
            Self::Pruned => "pruned",
        }
    }
}

/// Why a hub is forgotten, and what the person said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// From the list.
    pub reason: RemovalReason,
    /// In a person's words; needed with [`RemovalReason::Other`].
    pub note: Option<String>,
}

/// A hub as stored, without its secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct Hub {
    /// Our id.
    pub id: HubId,
    /// The id in files and in the API.
    pub slug: HubSlug,
    /// Which app of the catalog.
    pub app: String,
    /// The name people read.
    pub label: String,
    /// How people sign in.
    pub login: Login,
    /// Observe or active.
    pub mode: HubMode,
    /// Whether a person stopped pushing.
    pub paused: bool,
    /// How long a removal or downgrade of an active user waits (DESIGN.md section 2.3).
    pub settle: Duration,
    /// Connection fields by the manifest's names.
    pub connection: BTreeMap<String, ConnectionValue>,
    /// Limits and choices.
    pub policy: HubPolicy,
    /// Whose file manages it.
    pub owner: Option<String>,
    /// The commit it came with.
    pub file_ref: Option<String>,
    /// Counts changes.
    pub revision: i64,
}

impl Hub {
    /// The names of the secrets that its connection refers to.
    pub fn secret_names(&self) -> BTreeSet<String> {
        let named = self.connection.values().filter_map(|value| match value {
            ConnectionValue::Secret { secret } => Some(secret.clone()),
            ConnectionValue::Plain(_) => None,
        });
        named.collect()
    }
}
