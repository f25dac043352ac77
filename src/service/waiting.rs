//! The waiting rule of a hub's app: when it begins, and a person's word that it need not be waited for.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, hubs, tasks};
use crate::domain::app::App;
use crate::domain::hub::Hub;
use crate::store::waits::{self, Wait};
use crate::store::{StoreError, Tx};

/// A wait as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct WaitingView {
    /// RFC 3339.
    pub since: String,
    /// RFC 3339.
    pub until: String,
    /// Why.
    pub reason: String,
}

impl WaitingView {
    pub(super) fn of(wait: &Wait) -> Self {
        Self { since: wait.since.to_rfc3339(), until: wait.until.to_rfc3339(), reason: wait.reason.clone() }
    }
}

/// Why a wait is ended early.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideBody {
    note: Option<String>,
}

/// What ending it did.
#[derive(Clone, Debug, Serialize)]
pub struct Overridden {
    /// Tasks that go on now.
    pub released: usize,
}

/// The wait begins where the field that starts it is there for the first time, or is another.
///
/// # Errors
/// A failed statement.
pub(super) fn begin(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    app: &App,
    before: Option<&Hub>,
    after: &Hub,
) -> Result<(), StoreError> {
    let Some(rule) = &app.waiting else { return Ok(()) };
    let Some(value) = after.connection.get(&rule.field) else { return Ok(()) };
    if before.is_some_and(|before| before.connection.get(&rule.field) == Some(value)) {
        return Ok(());
    }
    let until = scribe.now.plus(rule.lasts());
    let wait = Wait { since: scribe.now, until, reason: rule.reason.clone(), kinds: rule.tasks.clone() };
    waits::begin(tx, scribe.workspace, after.id, &wait)?;
    waits::hold_back(tx, scribe.workspace, after.id, &wait, None, scribe.now)
}

/// Go on before the time is over, on a person's word.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] where nothing waits.
pub async fn end(
    context: &Context,
    caller: &Caller,
    slug: &str,
    body: OverrideBody,
) -> Result<Overridden, ServiceError> {
    let Some(note) = tasks::note(body.note)? else {
        return Err(ServiceError::Invalid(String::from("note: say why the app will not refuse; it is recorded")));
    };
    let (scribe, slug) = (Scribe::new(context, caller), slug.to_owned());
    let ended = context
        .store
        .write(move |tx| {
            let hub = hubs::find_locked(tx, scribe.workspace, &slug)?;
            let Some(released) = waits::end(tx, scribe.workspace, hub.id, &scribe.actor, scribe.now)? else {
                return Err(ServiceError::Conflict(format!("the hub '{slug}' does not wait for its app")));
            };
            let target = format!("hub:{slug}");
            let detail = json!({ "app": hub.app, "released": released });
            let personal = Some(json!({ "note": note }));
            let about = About { target: &target, hub: Some(hub.id), detail, personal, ..About::default() };
            scribe.record(tx, "hub.waiting_overridden", about)?;
            Ok(Overridden { released })
        })
        .await?;
    context.nudge.planner();
    context.nudge.workers();
    Ok(ended)
}
