//! Who is told of what needs a person, and how telling them goes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError};
use crate::base::duration::{duration, humane};
use crate::base::ids::WebhookId;
use crate::domain::addressee::{OWNER_WAY, Refusal};
use crate::domain::notice::{Condition, is_address};
use crate::store::notices::{self, Recipients, Standing};
use crate::store::{StoreError, mail_refusals, webhooks};

/// Mail addresses of a workspace: whoever wants more has a list at the mail server.
const ADDRESSES: usize = 20;
/// Nobody is reminded more often.
const LEAST_REMIND: Duration = Duration::from_secs(60 * 60);
/// A day unless told.
const REMIND: Duration = Duration::from_secs(24 * 60 * 60);
/// Unless told: some identity providers ask only when something changes, and weekends are quiet.
const SILENT: Duration = Duration::from_secs(72 * 60 * 60);

/// Who is to be told; what is left out gets its default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Mail addresses.
    #[serde(default)]
    pub mail: Vec<String>,
    /// An endpoint's id.
    pub webhook: Option<String>,
    /// Kinds of conditions; none means all.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// `24h`
    pub remind_after: Option<String>,
    /// `72h`; `0s` for never
    pub silent_after: Option<String>,
    /// Whether Owners of hubs are told by mail what their hubs need; they are unless told.
    pub hub_owners: Option<bool>,
}

/// Who is told, and how it goes.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Mail addresses.
    pub mail: Vec<String>,
    /// The endpoint that gets the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookId>,
    /// Kinds of conditions; all of them where all are wanted.
    pub conditions: Vec<&'static str>,
    /// After how long they are reminded.
    pub remind_after: String,
    /// After how long without a request a source counts as silent; `0s` for never.
    pub silent_after: String,
    /// Whether Owners of hubs are told by mail what their hubs need.
    pub hub_owners: bool,
    /// When a mail last went out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_mail: Option<String>,
    /// Why mail does not go out now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Addresses that the mail server refused last time; the others get theirs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
}

/// Somebody whose mail was refused.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// The Owner's user id, where it is one; the address is the directory's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The address, where it is one of the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// What the mail server answered.
    pub error: String,
    /// How often in a row.
    pub tries: i32,
    /// When it is tried again, if there is still something to tell.
    pub next_try: String,
    /// Whether it is tried only once a day by now.
    pub given_up: bool,
}

/// Who is told in the caller's workspace.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn show(context: &Context, caller: &Caller) -> Result<View, ServiceError> {
    let workspace = caller.workspace;
    let (found, refusals) = context
        .store
        .read(move |conn| Ok::<_, StoreError>((notices::load(conn, workspace)?, mail_refusals::all(conn, workspace)?)))
        .await
        .map_err(ServiceError::from)?;
    let nobody = || Recipients {
        mail: vec![],
        webhook: None,
        conditions: vec![],
        remind: REMIND,
        silent: SILENT,
        // Until somebody sets notifications up nobody is told of anything.
        hub_owners: false,
    };
    let (recipients, standing) = found.unwrap_or_else(|| (nobody(), Standing::default()));
    Ok(view(recipients, standing, refusals))
}

/// Say who is told from now on. What was told already is not told again.
///
/// # Errors
/// [`ServiceError::Invalid`] naming the field.
pub async fn put(context: &Context, caller: &Caller, wanted: Wanted) -> Result<View, ServiceError> {
    let recipients = read(wanted)?;
    let scribe = Scribe::new(context, caller);
    let kept = recipients.clone();
    context
        .store
        .write(move |tx| {
            if let Some(webhook) = kept.webhook {
                match webhooks::load(tx, scribe.workspace, webhook) {
                    Ok(_) => {}
                    Err(StoreError::NotFound) => return Err(invalid("webhook", "there is no such webhook")),
                    Err(error) => return Err(error.into()),
                }
            }
            notices::put(tx, scribe.workspace, &kept)?;
            let detail = json!({
                "mail_addresses": kept.mail.len(),
                "webhook": kept.webhook,
                "hub_owners": kept.hub_owners,
                "conditions": kept.conditions.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
            });
            let personal = Some(json!({ "mail": kept.mail }));
            let about = About { target: "notifications", detail, personal, ..About::default() };
            scribe.record(tx, "notifications.changed", about)?;
            Ok::<_, ServiceError>(())
        })
        .await?;
    show(context, caller).await
}

fn invalid(field: &str, why: impl std::fmt::Display) -> ServiceError {
    ServiceError::Invalid(format!("{field}: {why}"))
}

fn read(wanted: Wanted) -> Result<Recipients, ServiceError> {
    if wanted.mail.len() > ADDRESSES {
        return Err(invalid("mail", format_args!("at most {ADDRESSES} addresses")));
    }
    for address in &wanted.mail {
        if !is_address(address) {
            let shown: String = address.chars().take(64).filter(|c| !c.is_control()).collect();
            return Err(invalid("mail", format_args!("'{shown}' is not a mail address such as ops@example.com")));
        }
    }
    let webhook = wanted.webhook.as_deref().map(str::parse).transpose();
    let conditions: Result<Vec<Condition>, _> = wanted.conditions.iter().map(|word| word.parse()).collect();
    let time = |field: &str, text: Option<&String>, default: Duration| match text {
        Some(text) => duration(text).map_err(|why| invalid(field, why)),
        None => Ok(default),
    };
    let remind = time("remind_after", wanted.remind_after.as_ref(), REMIND)?;
    if remind < LEAST_REMIND {
        return Err(invalid("remind_after", "at least 1h"));
    }
    Ok(Recipients {
        webhook: webhook.map_err(|_| invalid("webhook", "it is not the id of a webhook"))?,
        conditions: conditions.map_err(|why| invalid("conditions", why))?,
        remind,
        silent: time("silent_after", wanted.silent_after.as_ref(), SILENT)?,
        mail: wanted.mail,
        hub_owners: wanted.hub_owners.unwrap_or(true),
    })
}

fn view(recipients: Recipients, standing: Standing, refusals: BTreeMap<String, Refusal>) -> View {
    let chosen = |one: &Condition| recipients.conditions.is_empty() || recipients.conditions.contains(one);
    View {
        conditions: Condition::ALL.into_iter().filter(chosen).map(Condition::as_str).collect(),
        mail: recipients.mail,
        webhook: recipients.webhook,
        remind_after: humane(recipients.remind),
        silent_after: humane(recipients.silent),
        hub_owners: recipients.hub_owners,
        last_mail: standing.sent_at.map(|at| at.to_rfc3339()),
        error: standing.error,
        refused: refusals.into_iter().map(refused).collect(),
    }
}

fn refused((way, refusal): (String, Refusal)) -> Refused {
    let user = way.strip_prefix(OWNER_WAY).map(str::to_owned);
    Refused {
        mail: Some(&refusal.mail).filter(|_| user.is_none()).cloned(),
        user,
        tries: refusal.tries,
        next_try: refusal.next_try().to_rfc3339(),
        given_up: refusal.is_given_up(),
        error: refusal.error,
    }
}
