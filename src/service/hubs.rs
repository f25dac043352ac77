//! Hubs as people manage them through the API.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::hub_changes::{self, connection_value};
use super::hub_view::{self, HubView};
use super::hub_whatif::{self, HubWish};
use super::scribe::Scribe;
use super::whatif::{Digest, look};
use super::{Caller, Context, ServiceError, secrets};
use crate::base::ids::{HubId, HubSlug, WorkspaceId};
use crate::base::nearest;
use crate::base::secret::SecretString;
use crate::domain::catalog::Catalog;
use crate::domain::hub::{ConnectionValue, Hub, HubMode, HubPolicy, Login, Removal, RemovalReason};
use crate::domain::hub_file::text;
use crate::domain::hub_rules::{self as rules, FieldError, Given};
use crate::store::hubs::{self as rows};
use crate::store::rules_lock::rules_change;
use crate::store::{DbConn, StoreError, Tx};

/// A connection field in a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum FieldBody {
    /// The value.
    Plain(String),
    /// `true` or `false`.
    Flag(bool),
    /// `{"secret": NAME}`.
    Reference(ReferenceBody),
    /// Anything else, so that the field is named which is wrong.
    Wrong(serde_json::Value),
}

/// `{"secret": NAME}`; `env` is understood only to be refused with a reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceBody {
    secret: Option<String>,
    env: Option<String>,
}

impl FieldBody {
    fn given(&self, name: &str) -> Result<Given, String> {
        match self {
            Self::Plain(value) => Ok(Given::Plain(value.clone())),
            Self::Flag(flag) => Ok(Given::Plain(flag.to_string())),
            Self::Reference(ReferenceBody { secret: Some(secret), env: None }) => Ok(Given::Secret(secret.clone())),
            Self::Reference(ReferenceBody { secret: None, env: Some(env) }) => Ok(Given::Env(env.clone())),
            Self::Reference(_) | Self::Wrong(serde_json::Value::Object(_)) => {
                Err(format!("connection.{name} must be a text or {{\"secret\": \"NAME\"}}"))
            }
            Self::Wrong(serde_json::Value::Number(_)) => {
                Err(format!("connection.{name} is a number; write it as a text, in quotes"))
            }
            Self::Wrong(_) => {
                Err(format!("connection.{name} must be a text, true or false, or {{\"secret\": \"NAME\"}}"))
            }
        }
    }
}

/// A hub to connect.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewHub {
    id: String,
    app: String,
    label: Option<String>,
    login: Option<Login>,
    mode: Option<HubMode>,
    settle: Option<String>,
    #[serde(default)]
    connection: BTreeMap<String, FieldBody>,
    policy: Option<HubPolicy>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
}

impl NewHub {
    /// What somebody typed to try it, under no name of its own.
    pub(super) fn typed(
        app: &str,
        login: Option<Login>,
        connection: BTreeMap<String, FieldBody>,
        secrets: BTreeMap<String, String>,
    ) -> Self {
        Self {
            id: String::from("typed"),
            app: app.to_owned(),
            label: None,
            login,
            mode: None,
            settle: None,
            connection,
            policy: None,
            secrets,
        }
    }
}

/// What to change of a hub; what is absent stays. A connection field that is null is taken out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubPatch {
    label: Option<String>,
    login: Option<Login>,
    mode: Option<HubMode>,
    paused: Option<bool>,
    settle: Option<String>,
    connection: Option<BTreeMap<String, Option<FieldBody>>>,
    policy: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
}

impl HubPatch {
    /// Only the mode.
    pub fn mode(mode: HubMode) -> Self {
        Self { mode: Some(mode), ..Self::default() }
    }

    /// Only pause or resume.
    pub fn pause(paused: bool) -> Self {
        Self { paused: Some(paused), ..Self::default() }
    }
}

/// A changed hub, and what was forgotten on the way.
#[derive(Clone, Debug, Serialize)]
pub struct HubChanged {
    /// The hub as it is now.
    #[serde(flatten)]
    pub hub: HubView,
    /// Secrets that must be given again, because an address of the connection changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets_cleared: Vec<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The hub of this name in the workspace.
///
/// # Errors
/// [`ServiceError::NotFound`]; a name that could not be one gives the same.
pub(super) fn find(conn: &mut DbConn, workspace: WorkspaceId, slug: &str) -> Result<Hub, ServiceError> {
    match rows::by_slug(conn, workspace, slug) {
        Err(StoreError::NotFound) => Err(ServiceError::NotFound("hub")),
        other => Ok(other?),
    }
}

/// The same, kept from changing until the transaction ends: what is decided on it stays true.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub(super) fn find_locked(tx: &mut Tx<'_>, workspace: WorkspaceId, slug: &str) -> Result<Hub, ServiceError> {
    rows::lock(tx, workspace, slug)?;
    find(tx, workspace, slug)
}

/// The names of hubs by id, for views. A removed hub has none.
pub(super) fn slugs(conn: &mut DbConn, workspace: WorkspaceId) -> Result<BTreeMap<HubId, String>, StoreError> {
    Ok(rows::list(conn, workspace)?.into_iter().map(|hub| (hub.id, hub.slug.to_string())).collect())
}

/// Everything that is wrong with a request, so that it is told at once.
#[derive(Default)]
struct Wrong(Vec<FieldError>);

impl Wrong {
    /// The value, or its mistake noted under `field`.
    fn take<T>(&mut self, field: &str, found: Result<T, String>) -> Option<T> {
        found.map_err(|detail| self.0.push(FieldError::new(field, detail))).ok()
    }

    fn refuse(self) -> Result<(), ServiceError> {
        if self.0.is_empty() { Ok(()) } else { Err(ServiceError::InvalidFields(self.0)) }
    }
}

/// The secrets of a request, each name held against the connection.
fn given_secrets(given: BTreeMap<String, String>, hub: &Hub, wrong: &mut Wrong) -> Vec<(String, SecretString)> {
    let needed = hub.secret_names();
    let mut good = Vec::new();
    for (name, value) in given {
        let field = format!("secrets.{name}");
        let value = SecretString::from(value);
        if !needed.contains(&name) {
            let known: Vec<&str> = needed.iter().map(String::as_str).collect();
            let detail = format!("the connection names no secret '{name}'; {}", nearest::hint(&name, &known));
            wrong.0.push(FieldError::new(field, detail));
        } else if let Err(error) = secrets::check(&value) {
            wrong.0.push(FieldError::new(field, format!("{name}: {error}")));
        } else {
            good.push((name, value));
        }
    }
    good
}

/// Connect a hub. It observes unless the request says `active`.
///
/// # Errors
/// [`ServiceError::InvalidFields`] with everything that is wrong, [`ServiceError::Conflict`],
/// [`ServiceError::TakenFields`].
pub async fn create(context: &Context, caller: &Caller, wanted: NewHub) -> Result<HubView, ServiceError> {
    let (hub, given) = connected(context, wanted)?;
    let (scribe, keyring, catalog) = (Scribe::new(context, caller), context.keyring.clone(), context.catalog.clone());
    let view = context
        .store
        .write(move |tx| {
            // No second hub with the same identifier or account while this one is made.
            rules_change(tx, scribe.workspace)?;
            let app = rules::app(&catalog, &hub.app).map_err(ServiceError::Invalid)?;
            hub_changes::alone(tx, &scribe, app, &hub)?;
            hub_changes::add_hub(tx, &scribe, app, &hub)?;
            secrets::put_all(tx, &scribe, &keyring, &hub, &given)?;
            hub_view::view_of(tx, (&catalog, scribe.now), scribe.workspace, &hub.slug)
        })
        .await?;
    context.nudge.planner();
    Ok(view)
}

/// The hub that a request asks for, and its secrets. Nothing is stored.
///
/// # Errors
/// [`ServiceError::InvalidFields`] with everything that is wrong.
pub(super) fn connected(context: &Context, wanted: NewHub) -> Result<(Hub, Vec<(String, SecretString)>), ServiceError> {
    let mut wrong = Wrong::default();
    let slug = wrong.take(
        "id",
        HubSlug::from_str(&wanted.id)
            .map_err(|_| String::from("id has 1 to 64 characters of a-z, 0-9 and '-', and no '-' at its ends")),
    );
    let settle = wrong.take("settle", settle(wanted.settle.as_deref())).flatten();
    let connection = connection(&wanted.connection, &mut wrong)?;
    let Some(app) = wrong.take("app", rules::app(&context.catalog, &wanted.app)) else {
        return Err(ServiceError::InvalidFields(wrong.0));
    };
    let Some(login) = wanted.login.or_else(|| app.logins.first().copied()) else {
        return Err(ServiceError::Invalid(String::from("login is missing")));
    };
    // A wrong id is told; the rest is looked at under any other.
    let slug = slug
        .map_or_else(|| HubSlug::from_str("x"), Ok)
        .map_err(|_| ServiceError::Invalid(String::from("id is missing")))?;
    let hub = Hub {
        id: HubId::from_uuid(context.ids.next()),
        label: wanted.label.unwrap_or_else(|| slug.to_string()),
        slug,
        app: app.id.clone(),
        login,
        mode: wanted.mode.unwrap_or(HubMode::Observe),
        paused: false,
        settle: settle.unwrap_or_else(|| app.settle()),
        connection,
        policy: wanted.policy.unwrap_or_default(),
        owner: None,
        file_ref: None,
        revision: 1,
    };
    // A field that could not be read is not missing as well.
    let unread: Vec<String> = wrong.0.iter().map(|one| one.field.clone()).collect();
    wrong.0.extend(rules::hub(app, &hub).into_iter().filter(|one| !unread.contains(&one.field)));
    let given = given_secrets(wanted.secrets, &hub, &mut wrong);
    wrong.refuse()?;
    Ok((hub, given))
}

/// The connection of a request; what only a local command may hold is refused at once.
fn connection(
    wanted: &BTreeMap<String, FieldBody>,
    wrong: &mut Wrong,
) -> Result<BTreeMap<String, ConnectionValue>, ServiceError> {
    let mut connection = BTreeMap::new();
    for (name, body) in wanted {
        if let Some(given) = wrong.take(&format!("connection.{name}"), body.given(name)) {
            connection.insert(name.clone(), connection_value(name, &given)?);
        }
    }
    Ok(connection)
}

fn settle(given: Option<&str>) -> Result<Option<std::time::Duration>, String> {
    given.map(text::duration).transpose().map_err(|wrong| format!("settle: {wrong}"))
}

/// Change a hub; with `expect` only where it still means what a preview showed.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::Invalid`] with everything that is wrong,
/// [`ServiceError::Moved`].
pub async fn patch(
    context: &Context,
    caller: &Caller,
    slug: &str,
    patch: HubPatch,
    expect: Option<Digest>,
) -> Result<HubChanged, ServiceError> {
    let (scribe, keyring, catalog) = (Scribe::new(context, caller), context.keyring.clone(), context.catalog.clone());
    let make = hub_whatif::maker(context, &scribe, slug, HubWish::Patch(patch.clone()));
    let (writer, name) = (scribe.clone(), slug.to_owned());
    let changed = look::change(context, &scribe, vec![slug.to_owned()], expect, make, move |tx, _, _| {
        let before = find(tx, writer.workspace, &name)?;
        let (after, given) = wanted(&catalog, &before, &patch)?;
        let mut cleared = Vec::new();
        // R10.5: who signs in another way may be another account in the app.
        let mut notes = if before.login == after.login { Vec::new() } else { vec![hub_changes::other_login(&after)] };
        if !hub_changes::same(&before, &after) {
            let app = rules::app(&catalog, &before.app).map_err(ServiceError::Invalid)?;
            let names: Vec<String> = given.iter().map(|(name, _)| name.clone()).collect();
            let changed = hub_changes::change_hub(tx, &writer, app, &before, &after, &names)?;
            cleared = changed.cleared;
            notes.extend(changed.told);
        }
        if patch.paused == Some(false) {
            hub_changes::let_go_on(tx, &writer, &after)?;
        }
        secrets::put_all(tx, &writer, &keyring, &after, &given)?;
        cleared.retain(|name| !given.iter().any(|(given, _)| given == name));
        Ok(HubChanged {
            hub: hub_view::view_of(tx, (&catalog, writer.now), writer.workspace, &after.slug)?,
            secrets_cleared: cleared,
            notes,
        })
    })
    .await?;
    context.nudge.planner();
    context.nudge.workers();
    Ok(changed)
}

/// The hub that a change asks for, and the secrets it gives.
///
/// # Errors
/// [`ServiceError::Invalid`] with everything that is wrong.
pub(super) fn wanted(
    catalog: &Catalog,
    before: &Hub,
    patch: &HubPatch,
) -> Result<(Hub, Vec<(String, SecretString)>), ServiceError> {
    let app = rules::app(catalog, &before.app).map_err(ServiceError::Invalid)?;
    let (mut after, mut wrong) = (before.clone(), Wrong::default());
    patched(&mut after, patch, &mut wrong)?;
    after.settle = wrong.take("settle", settle(patch.settle.as_deref())).flatten().unwrap_or(before.settle);
    wrong.0.extend(rules::hub(app, &after));
    let given = given_secrets(patch.secrets.clone(), &after, &mut wrong);
    wrong.refuse()?;
    Ok((after, given))
}

fn patched(hub: &mut Hub, patch: &HubPatch, wrong: &mut Wrong) -> Result<(), ServiceError> {
    if let Some(label) = &patch.label {
        hub.label.clone_from(label);
    }
    hub.login = patch.login.unwrap_or(hub.login);
    hub.mode = patch.mode.unwrap_or(hub.mode);
    hub.paused = patch.paused.unwrap_or(hub.paused);
    if let Some(wanted) = &patch.policy
        && let Some(policy) = wrong.take("policy", merged(&hub.policy, wanted))
    {
        hub.policy = policy;
    }
    for (name, body) in patch.connection.iter().flatten() {
        match body {
            None => {
                hub.connection.remove(name);
            }
            Some(body) => {
                if let Some(given) = wrong.take(&format!("connection.{name}"), body.given(name)) {
                    hub.connection.insert(name.clone(), connection_value(name, &given)?);
                }
            }
        }
    }
    Ok(())
}

/// The policy with only the named limits changed.
fn merged(policy: &HubPolicy, wanted: &serde_json::Map<String, serde_json::Value>) -> Result<HubPolicy, String> {
    let wrong = |error: serde_json::Error| format!("policy: {error}");
    let mut all = serde_json::to_value(policy).map_err(wrong)?;
    if let Some(all) = all.as_object_mut() {
        all.extend(wanted.clone());
    }
    serde_json::from_value(all).map_err(wrong)
}

/// Why a hub is forgotten, as a request says it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalBody {
    reason: Option<String>,
    note: Option<String>,
}

impl RemovalBody {
    /// The reason and note of a request.
    pub const fn new(reason: Option<String>, note: Option<String>) -> Self {
        Self { reason, note }
    }

    fn removal(self) -> Result<Removal, ServiceError> {
        let note = super::tasks::note(self.note)?;
        let chosen = RemovalReason::CHOICE.into_iter().find(|reason| self.reason.as_deref() == Some(reason.as_str()));
        let wrong =
            |field: &str, detail: String| Err(ServiceError::InvalidFields(vec![FieldError::new(field, detail)]));
        match chosen {
            None => {
                let all = RemovalReason::CHOICE.map(RemovalReason::as_str).join(", ");
                wrong("reason", format!("say why the hub goes: reason must be one of {all}"))
            }
            Some(RemovalReason::Other) if note.is_none() => {
                wrong("note", String::from("with the reason 'other' the note must say which"))
            }
            Some(reason) => Ok(Removal { reason, note }),
        }
    }
}

/// Forget a hub, for a reason; nothing changes in its app. With `expect` only where it still means
/// what a preview showed.
///
/// # Errors
/// [`ServiceError::NotFound`], [`ServiceError::InvalidFields`] without a reason from the list,
/// [`ServiceError::Moved`].
pub async fn remove(
    context: &Context,
    caller: &Caller,
    slug: &str,
    why: RemovalBody,
    expect: Option<Digest>,
) -> Result<(), ServiceError> {
    let scribe = Scribe::new(context, caller);
    let (workspace, name) = (scribe.workspace, slug.to_owned());
    // First whether it is there: the reason of another tenant's hub is nobody's business.
    context.store.read(move |conn| find(conn, workspace, &name).map(|_| ())).await?;
    let removal = why.removal()?;
    let make = hub_whatif::maker(context, &scribe, slug, HubWish::Remove);
    let (writer, name) = (scribe.clone(), slug.to_owned());
    look::change(context, &scribe, vec![slug.to_owned()], expect, make, move |tx, _, _| {
        let hub = find(tx, writer.workspace, &name)?;
        hub_changes::remove_hub(tx, &writer, &hub, &removal)
    })
    .await
}
