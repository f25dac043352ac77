//! The socket that connectors plug into: six operations, closed sets of outcomes and error
//! classes. The connector classifies, the worker decides; retry policy never lives in a connector.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::base::clock::{Micros, SharedClock};
use crate::base::secret::SecretString;
use crate::domain::hub::Hub;
use crate::domain::mapping::AssetGrant;
use crate::domain::member::Presence;
use crate::domain::task::{Effect, Task};

/// One connected application. Implementations own the wire format, never the retry policy.
#[async_trait]
pub trait Connector: Send + Sync + fmt::Debug {
    /// Stable name used in configuration, metrics and activity.
    fn kind(&self) -> &'static str;

    /// What this hub can do. Pure, no I/O.
    fn describe(&self) -> Capabilities;

    /// Look whether the connection works. Read only.
    ///
    /// # Errors
    /// A [`Failure`] whose class says what a person must mend.
    async fn check(&self, context: &AttemptContext) -> Result<Checked, Failure>;

    /// One page of members, invitations included; `None` starts at the first page.
    ///
    /// # Errors
    /// A classified [`Failure`].
    async fn list(&self, cursor: Option<String>, context: &AttemptContext) -> Result<Page, Failure>;

    /// Make the remote state match `effect`. Apps know no idempotency keys: look up before
    /// creating, treat "already so" as success, never change a role silently on an add.
    ///
    /// # Errors
    /// A classified [`Failure`]; [`FailureClass::Ambiguous`] when the change may have happened.
    async fn apply(&self, effect: &Effect, context: &AttemptContext) -> Result<Outcome, Failure>;

    /// What the app holds now for this intent.
    ///
    /// # Errors
    /// A classified [`Failure`].
    async fn verify(&self, intent: &Effect, context: &AttemptContext) -> Result<Seen, Failure>;
}

/// What one attempt may use.
#[derive(Clone, Debug)]
pub struct AttemptContext {
    /// The id of the attempt, sent along where an app records one, and logged.
    pub op_id: String,
    /// The IdP request behind it, for tracing end to end.
    pub request_id: Option<String>,
    /// On the monotonic clock: do not send anything that changes the app after this.
    pub deadline: Duration,
    /// The clock the deadline is on.
    pub clock: SharedClock,
    /// Named steps where a fault test may stop the process; see [`Steps`].
    pub steps: Arc<dyn Steps>,
}

impl AttemptContext {
    /// Time left before the deadline; zero when it has passed.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.clock.monotonic())
    }

    /// What the app is told as `X-Request-Id`: the id of the IdP's request, so that one id leads
    /// from there to the app's own log; the attempt's where no request is behind it.
    pub fn traced_as(&self) -> &str {
        let plain = |id: &&str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic());
        self.request_id.as_deref().filter(plain).unwrap_or(&self.op_id)
    }

    /// Call right before sending anything that changes the app.
    ///
    /// # Errors
    /// A [`FailureClass::Transient`] failure when the deadline has passed: nothing was sent.
    pub fn before_send(&self) -> Result<(), Failure> {
        if self.left().is_zero() {
            return Err(Failure::new(FailureClass::Transient, "the attempt's deadline passed before sending"));
        }
        self.steps.reached("before_send");
        Ok(())
    }

    /// Call right after a request that changes the app was answered or failed.
    pub fn after_reply(&self) {
        self.steps.reached("after_reply");
    }
}

/// Named places in an attempt or request where a fault test stops the process (F-02).
pub trait Steps: Send + Sync + fmt::Debug {
    /// The process is at this step now.
    fn reached(&self, step: &'static str);
}

/// Nothing happens at any step.
#[derive(Debug, Default)]
pub struct NoSteps;

impl Steps for NoSteps {
    fn reached(&self, _step: &'static str) {}
}

/// What a connector can do for its hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether a list is possible at all.
    pub list: bool,
    /// Whether adds create an invitation first.
    pub invites: bool,
    /// Whether a role can be changed on a pending invitation.
    pub role_change_while_pending: bool,
    /// Whether an account can be suspended instead of removed.
    pub suspend: bool,
    /// Writes in flight the app stands.
    pub write_concurrency: u32,
}

/// What a connection check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The app's name for the connected space.
    pub account: Option<String>,
    /// Seats used and bought, where the app tells.
    pub seats: Option<(u32, u32)>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// An account as the app shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteMember {
    /// The app's stable id.
    pub remote_id: String,
    /// Login name, when the app has one.
    pub user_name: Option<String>,
    /// E-mail as shown, when shown.
    pub email: Option<String>,
    /// Name as shown.
    pub name: Option<String>,
    /// Role id, when the app has roles.
    pub role: Option<String>,
    /// Assets, one grant for each and in order; `None` when the app does not tell.
    pub assets: Option<Vec<AssetGrant>>,
    /// Pending, active, suspended.
    pub presence: Presence,
    /// When an invitation runs out.
    pub expires_at: Option<Micros>,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The accounts.
    pub members: Vec<RemoteMember>,
    /// Pass it to get the next page; `None` at the end.
    pub next: Option<String>,
    /// How many there are in all, when the app tells.
    pub total: Option<u64>,
}

/// How an attempt ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the account as it is now (`None` after a removal).
    Applied(Option<RemoteMember>),
    /// It was so already.
    AlreadyInState(Option<RemoteMember>),
    /// An invitation is out; the person must accept.
    Pending(RemoteMember),
    /// The account exists with another role; an add never changes a role silently. The worker
    /// records the account and lets the planner decide.
    NeedsRoleChange(RemoteMember),
    /// Part is done under this id; the rest must be tried again.
    PartiallyApplied {
        /// The app's id to go on with.
        remote_id: String,
        /// What is missing, for people.
        remaining: String,
    },
    /// The app works on it; ask again after this long.
    InProgress(Duration),
}

/// What the app holds for an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// As wanted.
    Holds(Option<RemoteMember>),
    /// Not as wanted.
    DoesNotHold(Option<RemoteMember>),
    /// The app does not tell.
    Unknown,
}

/// Why an attempt failed, in exactly the distinctions the worker schedules by
/// (connected-apps.md section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// Wait as asked; spends no attempt.
    RateLimited,
    /// Passing; back off.
    Transient,
    /// No connection to the app: nothing was sent, and no task is to blame. Spends no attempt; the
    /// hub's breaker sets the pace.
    Unreachable,
    /// The change may have happened: verify first.
    Ambiguous,
    /// The credential is broken: the hub waits for a person.
    AuthBroken,
    /// This installation's own settings forbid the app's address: the hub waits for a person.
    AddressRefused,
    /// Not allowed: a person must.
    Forbidden,
    /// The thing is not there.
    NotFound,
    /// Somebody else's account is in the way.
    Conflict,
    /// No free seat.
    SeatLimit,
    /// The app refuses this request for good.
    Invalid,
    /// A person must do it in the app.
    NeedsHuman,
    /// This connector cannot do it.
    NotSupported,
}

impl FailureClass {
    /// The word in the database, metrics and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Transient => "transient",
            Self::Unreachable => "unreachable",
            Self::Ambiguous => "ambiguous",
            Self::AuthBroken => "auth_broken",
            Self::AddressRefused => "address_refused",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::SeatLimit => "seat_limit",
            Self::Invalid => "invalid",
            Self::NeedsHuman => "needs_human",
            Self::NotSupported => "not_supported",
        }
    }
}

/// A classified failure. The detail is for people: no secret, no URL query, no body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    /// What the worker goes by.
    pub class: FailureClass,
    /// One sentence for people.
    pub detail: String,
    /// How long the app asks to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without a wait.
    pub fn new(class: FailureClass, detail: impl Into<String>) -> Self {
        Self { class, detail: detail.into(), retry_after: None }
    }

    /// The app asks to wait.
    pub fn rate_limited(retry_after: Option<Duration>, detail: impl Into<String>) -> Self {
        Self { class: FailureClass::RateLimited, detail: detail.into(), retry_after }
    }
}

/// Builds the connector of a hub. The engine gets one from `cli` and knows no kind by name.
pub trait Connectors: Send + Sync {
    /// The connector for this hub, with its secrets opened.
    ///
    /// # Errors
    /// [`FailureClass::AuthBroken`] when a secret is missing, [`FailureClass::AddressRefused`] when the
    /// address may not be called, [`FailureClass::Invalid`] when the app or a connection field is unknown.
    fn connect(&self, hub: &Hub, secrets: &BTreeMap<String, SecretString>) -> Result<Arc<dyn Connector>, Failure>;

    /// Whether the members of this hub's app can be listed at all; else nobody queues a sync.
    fn lists(&self, _hub: &Hub) -> bool {
        false
    }

    /// The instructions for doing this task by hand.
    fn instructions(&self, hub: &Hub, task: &Task) -> String;
}
