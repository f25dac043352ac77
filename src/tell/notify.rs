//! Notifications: what needs a person, as one message that lists all of it. One process of the
//! installation looks at a time. Mail and endpoint are two ways with a memory of their own, so that
//! a mail server that is down keeps nobody else waiting and nothing is told twice elsewhere.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::base::clock::{Micros, SharedClock};
use crate::base::ids::{EventId, WebhookId, WorkspaceId};
use crate::base::limits::TOKEN_EXPIRES_SOON;
use crate::base::random::Ids;
use crate::domain::event::EventType;
use crate::domain::notice::{self, Digest, Notice};
use crate::net::mail::{MailError, Mailer};
use crate::store::notices::{self, Recipients, Standing};
use crate::store::{Store, StoreError, Tx, duties, outbox, workspaces};

/// How often conditions are looked at: a problem that mends itself within it is never told.
const PERIOD: Duration = Duration::from_secs(60);
/// How often a process asks whether it is time.
const LOOK: Duration = Duration::from_secs(5);
/// How long to rest after mail did not go out.
const REST: Duration = Duration::from_secs(5 * 60);

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
struct Look {
    name: String,
    recipients: Recipients,
    standing: Standing,
    holds: Vec<Notice>,
    by_mail: Vec<notice::Told>,
    by_webhook: Vec<notice::Told>,
}

impl Notifier {
    /// Tell until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.round().await {
                tracing::error!(%error, "notifications could not be looked at");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
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
            let digest = digest(&look, &look.by_webhook, now);
            if !digest.is_empty() {
                self.by_webhook(workspace, webhook, &look.name, digest, now).await?;
            }
        }
        let rests = look.standing.failed_at.is_some_and(|at| now.since(at) < REST);
        if look.recipients.mail.is_empty() || rests {
            return Ok(());
        }
        let digest = digest(&look, &look.by_mail, now);
        if digest.is_empty() { Ok(()) } else { self.by_mail(workspace, look, digest, now).await }
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

    /// First the mail, then that it was told: who dies in between tells twice, never not at all.
    async fn by_mail(&self, workspace: WorkspaceId, look: Look, digest: Digest, now: Micros) -> Result<(), StoreError> {
        let (subject, text) = (digest.subject(&look.name), digest.text(&self.base_url, &look.name));
        let sent = match self.mailer.clone() {
            None => Err(MailError::Settings(String::from("no mail server is set up; see --smtp-url"))),
            Some(mailer) => {
                let (to, id) = (look.recipients.mail, self.ids.next());
                tokio::task::spawn_blocking(move || mailer.send(&to, &subject, &text, (id, now)))
                    .await
                    .unwrap_or_else(|_| Err(MailError::Failed(String::from("sending it ended in a panic"))))
            }
        };
        let error = sent.err().map(|error| error.to_string());
        match &error {
            Some(why) => tracing::warn!(workspace = workspace.0, why, "a notification did not go out"),
            None => tracing::info!(workspace = workspace.0, new = digest.new.len(), "told people by mail"),
        }
        self.store
            .write(move |tx| {
                notices::mailed(tx, workspace, error.as_deref(), now)?;
                if error.is_none() { remember(tx, workspace, "mail", &digest, now) } else { Ok(()) }
            })
            .await
    }
}

fn look(conn: &mut crate::store::DbConn, workspace: WorkspaceId, now: Micros) -> Result<Option<Look>, StoreError> {
    let Some((recipients, standing)) = notices::load(conn, workspace)? else { return Ok(None) };
    let facts = notices::facts(conn, workspace, now)?;
    Ok(Some(Look {
        name: workspaces::load(conn, workspace)?.name,
        holds: notice::conditions(&facts, recipients.silent, TOKEN_EXPIRES_SOON, now),
        by_mail: notices::told_by(conn, workspace, "mail")?,
        by_webhook: notices::told_by(conn, workspace, "webhook")?,
        recipients,
        standing,
    }))
}

fn digest(look: &Look, told: &[notice::Told], now: Micros) -> Digest {
    let Recipients { conditions, remind, .. } = &look.recipients;
    Digest::of(look.holds.clone(), told, conditions, *remind, now)
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

fn remember(
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
