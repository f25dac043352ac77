//! Notifications: what needs a person, as one message that lists all of it. One process of the
//! installation looks at a time. The endpoint and each address of mail are ways with a memory of their
//! own, so that none that is down keeps another waiting and nothing is told twice elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::base::clock::{Micros, SharedClock};
use crate::base::ids::{EventId, WebhookId, WorkspaceId};
use crate::base::limits::TOKEN_EXPIRES_SOON;
use crate::base::random::Ids;
use crate::domain::addressee::{Addressee, OWNER_WAY, Refusal};
use crate::domain::event::EventType;
use crate::domain::notice::{self, Digest, Notice, Told};
use crate::net::mail::Mailer;
use crate::store::notices::{self, Recipients, Standing};
use crate::store::{DbConn, Store, StoreError, Tx, duties, hub_owners, mail_refusals, outbox, workspaces};

/// How often conditions are looked at: a problem that mends itself within it is never told.
const PERIOD: Duration = Duration::from_secs(60);
/// How often a process asks whether it is time.
const LOOK: Duration = Duration::from_secs(5);

/// Between two looks whether it is time. With debug assertions `SCIMHUB_FAULT_LOOK` in milliseconds
/// changes it, so that a test of many rounds need not wait for each.
fn between_looks() -> Duration {
    #[cfg(debug_assertions)]
    if let Some(ms) = std::env::var("SCIMHUB_FAULT_LOOK").ok().and_then(|ms| ms.parse().ok()) {
        return Duration::from_millis(ms);
    }
    LOOK
}

/// Tells people. Cheap to clone.
#[derive(Clone)]
pub struct Notifier {
    /// The database.
    pub store: Store,
    /// Where mail goes out; `None` where the installation has no mail server.
    pub mailer: Option<Mailer>,
    /// Where "now" comes from.
    pub clock: SharedClock,
    /// Ids of events.
    pub ids: Ids,
    /// What links begin with, without a slash at the end.
    pub base_url: Arc<str>,
}

/// What is known of one workspace when it is looked at.
#[derive(Debug)]
pub(super) struct Look {
    pub name: String,
    pub recipients: Recipients,
    pub standing: Standing,
    pub holds: Vec<Notice>,
    /// What was told, by the way it was.
    pub told: BTreeMap<String, Vec<Told>>,
    /// Who is told by mail: the workspace's list before the Owners of hubs.
    pub addressees: Vec<Addressee>,
    /// Which of them were refused.
    pub refusals: BTreeMap<String, Refusal>,
}

impl Look {
    pub fn told(&self, way: &str) -> &[Told] {
        self.told.get(way).map_or(&[], Vec::as_slice)
    }
}

impl Notifier {
    /// Tell until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.round().await {
                tracing::error!(%error, "notifications could not be looked at");
            }
            tokio::select! {
                () = tokio::time::sleep(between_looks()) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Look at every workspace, where it is time. Answers whether it was.
    ///
    /// # Errors
    /// [`StoreError`] of a statement.
    pub async fn round(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mine = move |tx: &mut Tx<'_>| duties::take_across_workspaces(tx, "notify", PERIOD, now);
        if !self.store.write(mine).await? {
            return Ok(false);
        }
        for workspace in self.store.read(notices::told_across_workspaces).await? {
            // One that fails keeps nobody else from being told.
            if let Err(error) = self.tell(workspace, now).await {
                tracing::error!(workspace = workspace.0, %error, "people of a workspace could not be told");
            }
        }
        Ok(true)
    }

    async fn tell(&self, workspace: WorkspaceId, now: Micros) -> Result<(), StoreError> {
        let Some(look) = self.store.read(move |conn| look(conn, workspace, now)).await? else { return Ok(()) };
        if let Some(webhook) = look.recipients.webhook {
            let Recipients { conditions, remind, .. } = &look.recipients;
            let digest = Digest::of(look.holds.clone(), look.told("webhook"), conditions, *remind, now);
            if !digest.is_empty() {
                self.by_webhook(workspace, webhook, &look.name, digest, now).await?;
            }
        }
        self.by_mail(workspace, &look, now).await
    }

    /// In one transaction: an event of the outbox, and that it was told.
    async fn by_webhook(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        name: &str,
        digest: Digest,
        now: Micros,
    ) -> Result<(), StoreError> {
        let id = EventId::from_uuid(self.ids.next());
        let text = digest.text(&self.base_url, name);
        let data = Map::from_iter([
            (String::from("new"), shown(&digest.new, &self.base_url)),
            (String::from("again"), shown(&digest.again, &self.base_url)),
            (String::from("over"), digest.over.iter().map(|one| json!({ "key": one.key, "line": one.line })).collect()),
            (String::from("text"), json!(text)),
        ]);
        self.store
            .write(move |tx| {
                let event = (id, EventType::NotificationDigest);
                outbox::to_one(tx, workspace, webhook, event, data.clone(), now)?;
                remember(tx, workspace, "webhook", &digest, now)
            })
            .await
    }
}

fn look(conn: &mut DbConn, workspace: WorkspaceId, now: Micros) -> Result<Option<Look>, StoreError> {
    let Some((recipients, standing)) = notices::load(conn, workspace)? else { return Ok(None) };
    let facts = notices::facts(conn, workspace, now)?;
    let holds = notice::conditions(&facts, recipients.silent, TOKEN_EXPIRES_SOON, now);
    let told = notices::told(conn, workspace)?;
    let mut addressees: Vec<Addressee> = recipients.mail.iter().map(|mail| Addressee::listed(mail)).collect();
    if recipients.hub_owners {
        // Hubs where something is so, and those where something was: its end is told as well.
        let of_told = told.iter().filter(|(way, _)| way.starts_with(OWNER_WAY)).flat_map(|(_, all)| all);
        let mut hubs: BTreeSet<&str> = of_told.filter_map(|one| notice::hub_of(&one.key)).collect();
        hubs.extend(holds.iter().filter_map(|notice| notice.hub.as_deref()));
        let owners = hub_owners::of_hubs(conn, workspace, &hubs)?;
        // Whoever hears of everything by the list hears of nothing twice.
        let hears_all = |mail: &String| {
            recipients.conditions.is_empty() && recipients.mail.iter().any(|one| one.eq_ignore_ascii_case(mail))
        };
        addressees.extend(owners.into_iter().filter(|owner| !hears_all(&owner.mail)));
    }
    Ok(Some(Look {
        name: workspaces::load(conn, workspace)?.name,
        refusals: mail_refusals::all(conn, workspace)?,
        holds,
        told,
        addressees,
        recipients,
        standing,
    }))
}

fn shown(all: &[Notice], base_url: &str) -> Value {
    let one = |notice: &Notice| {
        json!({
            "condition": notice.condition.as_str(),
            "key": notice.key,
            "line": notice.line,
            "remedy": notice.remedy,
            "link": format!("{base_url}{}", notice.path),
        })
    };
    all.iter().map(one).collect()
}

pub(super) fn remember(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    way: &str,
    digest: &Digest,
    now: Micros,
) -> Result<(), StoreError> {
    let told = digest.new.iter().chain(&digest.again).map(|notice| (notice.key.as_str(), notice.line.as_str()));
    notices::told_now(tx, workspace, way, told, now)?;
    notices::over(tx, workspace, way, digest.over.iter().map(|one| one.key.as_str()))
}
