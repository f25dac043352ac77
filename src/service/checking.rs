//! Whether a connection works: of a hub, with its sealed secrets; or of one that is only being typed,
//! with exactly what was typed (threat T-21). Reads only, and keeps nothing but the record that it was
//! asked.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::FieldError;
use super::hubs::{self, FieldBody, NewHub};
use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, hub_view};
use crate::base::secret::SecretString;
use crate::domain::hub::{Hub, Login};
use crate::domain::problem::Cause;
use crate::store::{problems, secrets};

/// Calls an app to see whether a connection works. The command line plugs the connectors in here.
#[async_trait]
pub trait Prober: Send + Sync + fmt::Debug {
    /// Look, within the time limit of one call.
    async fn probe(&self, hub: &Hub, secrets: &BTreeMap<String, SecretString>) -> Found;
}

/// For commands that never call an app.
#[derive(Debug)]
pub struct NoProber;

#[async_trait]
impl Prober for NoProber {
    async fn probe(&self, _hub: &Hub, _secrets: &BTreeMap<String, SecretString>) -> Found {
        Found::failed("not_supported", "this process calls no apps; ask a running server")
    }
}

/// Whether a connection is looked at as soon as it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstCheck {
    /// Right after connecting, as the first sync is.
    AfterConnecting,
    /// Only when somebody asks.
    Asked,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Whether the app answered as it should.
    pub ok: bool,
    /// The app's name for the connected space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Seats, where the app tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seats: Option<Seats>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Why it does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Trouble>,
}

/// Seats of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Seats {
    /// Taken.
    pub used: u32,
    /// Bought.
    pub total: u32,
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// `auth_broken`, `unreachable` …
    pub class: String,
    /// For people.
    pub detail: String,
}

impl Found {
    /// It does not work.
    pub fn failed(class: &str, detail: impl Into<String>) -> Self {
        Self { error: Some(Trouble { class: class.to_owned(), detail: detail.into() }), ..Self::default() }
    }

    /// Whether the settings of the process that looked forbid the address: nothing was asked of the app.
    pub fn refused_here(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.class == Cause::AddressRefused.as_str())
    }
}

/// A connection that is only being typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedBody {
    login: Option<Login>,
    #[serde(default)]
    connection: BTreeMap<String, FieldBody>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
}

/// Who calls the app, and so whose network and settings the answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedBy {
    /// The server that pushes.
    Server,
    /// A command beside it, with settings of its own.
    Command,
}

impl AskedBy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Command => "command",
        }
    }
}

/// Check a hub as it is. A refusal by the settings of a command alone is answered and not recorded.
///
/// # Errors
/// [`ServiceError::NotFound`]. That the connection does not work is an answer, not an error.
pub async fn of_hub(context: &Context, caller: &Caller, slug: &str, by: AskedBy) -> Result<Found, ServiceError> {
    let (workspace, slug, keyring) = (caller.workspace, slug.to_owned(), context.keyring.clone());
    let (hub, sealed) = context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            let sealed = secrets::open_all(conn, &keyring, workspace, hub.id)?;
            Ok::<_, ServiceError>((hub, sealed))
        })
        .await?;
    let found = context.prober.probe(&hub, &sealed).await;
    // What another process's settings forbid says nothing about the hub: the server has its own.
    if by == AskedBy::Command && found.refused_here() {
        return Ok(found);
    }
    let target = format!("hub:{}", hub.slug);
    tell(context, caller, "hub.checked", (target, by), Some(hub), &found).await?;
    Ok(found)
}

/// Look at a hub that was just connected, after its creation was answered. What stands in the way of every
/// task is a problem at once, and so in the hub's status; an app that is only away is the first sync's to
/// find. A hub whose secrets are still to be given says that already and is not asked about.
///
/// # Errors
/// [`ServiceError::NotFound`] where it is gone again.
pub async fn after_connecting(context: &Context, caller: &Caller, slug: &str) -> Result<(), ServiceError> {
    let shown = hub_view::show(context, caller, slug).await?;
    if !shown.secrets_missing.is_empty() {
        return Ok(());
    }
    let found = of_hub(context, caller, slug, AskedBy::Server).await?;
    let cause = match found.error.as_ref().map(|error| error.class.as_str()) {
        Some("auth_broken" | "forbidden") => Cause::AuthBroken,
        Some("address_refused") => Cause::AddressRefused,
        Some("invalid" | "not_found") => Cause::ConnectionIncomplete,
        Some(_) | None => return Ok(()),
    };
    let message = found.error.map(|error| error.detail).unwrap_or_default();
    let (workspace, slug, now, revision) = (caller.workspace, slug.to_owned(), context.clock.now(), shown.revision);
    context
        .store
        .write(move |tx| {
            let hub = hubs::find_locked(tx, workspace, &slug)?;
            // Whoever mended it meanwhile must not be told of what was.
            if hub.revision == revision {
                problems::report(tx, workspace, hub.id, cause, &message, now)?;
            }
            Ok::<_, ServiceError>(())
        })
        .await
}

/// Check what was typed: no secret of any hub goes out with it, and nothing of it is kept.
///
/// # Errors
/// [`ServiceError::InvalidFields`] with everything that is wrong, a secret that was not typed among it.
pub async fn of_typed(context: &Context, caller: &Caller, app: &str, body: TypedBody) -> Result<Found, ServiceError> {
    let (hub, given) = hubs::connected(context, NewHub::typed(app, body.login, body.connection, body.secrets))?;
    let missing: Vec<FieldError> = hub
        .secret_names()
        .into_iter()
        .filter(|name| !given.iter().any(|(given, _)| given == name))
        .map(|name| {
            let detail = format!("{name} is not given; a check uses only what is typed with it");
            FieldError::new(format!("secrets.{name}"), detail)
        })
        .collect();
    if !missing.is_empty() {
        return Err(ServiceError::InvalidFields(missing));
    }
    let found = context.prober.probe(&hub, &given.into_iter().collect()).await;
    tell(context, caller, "connection.checked", (format!("app:{}", hub.app), AskedBy::Server), None, &found).await?;
    Ok(found)
}

async fn tell(
    context: &Context,
    caller: &Caller,
    kind: &'static str,
    (target, by): (String, AskedBy),
    hub: Option<Hub>,
    found: &Found,
) -> Result<(), ServiceError> {
    let scribe = Scribe::new(context, caller);
    let class = found.error.as_ref().map(|error| error.class.clone());
    let detail = json!({ "ok": found.ok, "class": class, "from": by.as_str() });
    context
        .store
        .write(move |tx| {
            let hub = hub.as_ref().map(|hub| hub.id);
            let about = About { target: &target, hub, detail: detail.clone(), ..About::default() };
            Ok::<_, ServiceError>(scribe.record(tx, kind, about)?)
        })
        .await
}
