//! Deliveries to endpoints, by the Standard Webhooks scheme. Rows of the outbox are taken for the
//! length of a lease, sent outside any transaction, and recorded under their epoch. A process that
//! dies in between leaves the row to the next: the same id arrives again, which is what it is for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::base::clock::{Micros, SharedClock};
use crate::base::ids::{WebhookId, WorkspaceId};
use crate::base::limits;
use crate::base::random::{Ids, SharedDice};
use crate::base::secret::SecretString;
use crate::base::steps;
use crate::domain::webhook::{self, Ending, Verdict};
use crate::net::client::{Client, Method, Request};
use crate::net::error::NetError;
use crate::net::url::Target;
use crate::net::wait::retry_after;
use crate::store::activity::{self, Entry};
use crate::store::deliveries::{self, Outcome, State, Taken};
use crate::store::webhooks::{self, Webhook};
use crate::store::{Store, StoreError, duties};

/// How long an event waits at most for somebody to look.
const POLL: Duration = Duration::from_millis(500);
/// Calls under way get this long when the server stops; what is cut off is sent again later.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often old rows are forgotten, and how many in one transaction.
const PRUNE: (Duration, i64) = (Duration::from_secs(60 * 60), 500);
/// Due endpoints looked at in one round.
const ENDPOINTS: i64 = 1_000;

type Endpoint = (WorkspaceId, WebhookId);

/// Sends what is due. Cheap to clone.
#[derive(Clone)]
pub struct Deliverer {
    /// The database.
    pub store: Store,
    /// Calls out, under the installation's address policy.
    pub client: Client,
    /// Where "now" comes from.
    pub clock: SharedClock,
    /// Ids of activity records.
    pub ids: Ids,
    /// Spreads retries.
    pub dice: SharedDice,
}

impl Deliverer {
    /// Send until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut calls = Calls::default();
        let mut round: u32 = 0;
        while !stop.is_cancelled() {
            match self.begin(&mut calls).await {
                Ok(()) => {}
                Err(error) => tracing::error!(%error, "deliveries to endpoints could not be looked for"),
            }
            // Whether it is time says a row that all processes share.
            if round.is_multiple_of(600)
                && let Err(error) = self.prune().await
            {
                tracing::error!(%error, "old deliveries could not be forgotten");
            }
            round = round.wrapping_add(1);
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = calls.one_ends() => {}
                () = stop.cancelled() => {}
            }
        }
        let _ = tokio::time::timeout(FAREWELL, calls.all_end()).await;
    }

    /// Send everything that is due now, and what becomes due meanwhile. Answers how many calls were
    /// made.
    ///
    /// # Errors
    /// [`StoreError`] of a statement.
    pub async fn round(&self) -> Result<usize, StoreError> {
        let mut sent = 0;
        loop {
            let due = self.due().await?;
            let mut found = 0;
            for endpoint in due {
                found += self.serve(endpoint).await?;
            }
            if found == 0 {
                return Ok(sent);
            }
            sent += found;
        }
    }

    async fn due(&self) -> Result<Vec<Endpoint>, StoreError> {
        let now = self.clock.now();
        self.store.read(move |conn| deliveries::due_across_workspaces(conn, now, ENDPOINTS)).await
    }

    /// Start calls of endpoints that nobody here is calling already.
    async fn begin(&self, calls: &mut Calls) -> Result<(), StoreError> {
        if calls.busy.len() >= limits::WEBHOOK_ENDPOINTS {
            return Ok(());
        }
        for endpoint in self.due().await? {
            if calls.busy.len() >= limits::WEBHOOK_ENDPOINTS {
                break;
            }
            if calls.busy.values().any(|one| *one == endpoint) {
                continue;
            }
            let deliverer = self.clone();
            calls.start(endpoint, async move {
                if let Err(error) = deliverer.serve(endpoint).await {
                    tracing::error!(webhook = %endpoint.1, %error, "deliveries could not be taken or recorded");
                }
            });
        }
        Ok(())
    }

    /// One batch for one endpoint: its calls run beside each other.
    async fn serve(&self, (workspace, id): Endpoint) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let keyring = Arc::new(self.store.keyring().clone());
        let (endpoint, secrets, taken) = self
            .store
            .write(move |tx| {
                let endpoint = match webhooks::load(tx, workspace, id) {
                    Ok(endpoint) if endpoint.enabled => endpoint,
                    // Switched off or removed a moment ago.
                    Ok(_) | Err(StoreError::NotFound) => return Ok((None, Vec::new(), Vec::new())),
                    Err(error) => return Err(error),
                };
                let secrets = match webhooks::secrets(tx, &keyring, workspace, id, now) {
                    Ok(secrets) => secrets,
                    // Nothing can be signed: said on every delivery, where people look.
                    Err(StoreError::Corrupt(_)) => Vec::new(),
                    Err(error) => return Err(error),
                };
                let taken = deliveries::take(tx, workspace, id, limits::WEBHOOK_CALLS, now)?;
                Ok::<_, StoreError>((Some(endpoint), secrets, taken))
            })
            .await?;
        let Some(endpoint) = endpoint else { return Ok(0) };
        let (endpoint, secrets) = (Arc::new(endpoint), Arc::new(secrets));
        let count = taken.len();
        let calls = taken.into_iter().map(|taken| self.deliver(Arc::clone(&endpoint), Arc::clone(&secrets), taken));
        for recorded in futures_util::future::join_all(calls).await {
            recorded?;
        }
        Ok(count)
    }

    async fn deliver(
        &self,
        endpoint: Arc<Webhook>,
        secrets: Arc<Vec<SecretString>>,
        taken: Taken,
    ) -> Result<(), StoreError> {
        let (ending, status, error) = if taken.attempts > limits::WEBHOOK_ATTEMPTS {
            // The process ended during the last one.
            (Ending::Lost, None, Some(String::from("the server ended during the last attempt")))
        } else {
            self.call(&endpoint, &secrets, &taken).await
        };
        steps::reached("webhook_sent");
        let now = self.clock.now();
        let verdict = webhook::verdict(ending, taken.attempts, now.since(taken.queued_at), self.dice.roll());
        let (state, due_at) = match verdict {
            Verdict::Delivered => (State::Delivered, now),
            Verdict::Again(pause) => (State::Pending, now.plus(pause)),
            Verdict::Dead | Verdict::Gone => (State::Dead, now),
        };
        tracing::debug!(
            webhook = %taken.webhook, event = %taken.event, attempt = taken.attempts, status, state = state.as_str(),
            "an attempt to tell an endpoint ended"
        );
        if state == State::Dead {
            let why = error.as_deref().unwrap_or_default();
            tracing::warn!(webhook = %taken.webhook, event = %taken.event, why, "an event could not be told and is dead");
        }
        let outcome = Outcome { state, due_at, status, error };
        let record = self.ids.next();
        self.store
            .write(move |tx| {
                if !deliveries::record(tx, &taken, &outcome, now)? {
                    return Ok(());
                }
                match verdict {
                    Verdict::Delivered => webhooks::succeeded(tx, taken.workspace, taken.webhook, now),
                    Verdict::Gone => {
                        let why = "the endpoint answered 410 Gone";
                        webhooks::disable(tx, taken.workspace, taken.webhook, why)?;
                        activity::record(tx, taken.workspace, &switched_off(&taken, record, why, now))
                    }
                    Verdict::Again(_) | Verdict::Dead => Ok(()),
                }
            })
            .await
    }

    async fn call(
        &self,
        endpoint: &Webhook,
        secrets: &[SecretString],
        taken: &Taken,
    ) -> (Ending, Option<u16>, Option<String>) {
        let id = taken.event.to_string();
        let seconds = webhook::seconds(self.clock.now());
        let Some(signature) = webhook::signatures(secrets, &id, seconds, taken.body.as_bytes()) else {
            let why = "the signing secret does not open with this server's key; rotate it";
            return (Ending::Refused, None, Some(why.to_owned()));
        };
        let target = match Target::parse(&endpoint.url) {
            Ok(target) => target,
            Err(error) => return (Ending::Refused, None, Some(error.to_string())),
        };
        let request = Request::new(Method::Post, target)
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature)
            .body("application/json", taken.body.clone().into_bytes())
            .within(limits::WEBHOOK_TIMEOUT);
        match self.client.send(request).await {
            Ok(answer) => {
                let asked = answer.header("retry-after").and_then(|value| retry_after(value, self.clock.now()));
                answered(answer.status, asked)
            }
            // The status came, and with it the answer: nobody reads the rest.
            Err(NetError::Lost { status: Some(status), .. } | NetError::TooLarge { status, .. }) => {
                answered(status, None)
            }
            Err(error @ (NetError::Lost { status: None, .. } | NetError::NotSent { .. })) => {
                (Ending::Lost, None, Some(error.to_string()))
            }
            Err(error @ (NetError::Refused(_) | NetError::NotAllowed(_) | NetError::Setup(_))) => {
                (Ending::Refused, None, Some(error.to_string()))
            }
        }
    }

    /// Forget what nobody looks at any more, where it is time.
    ///
    /// # Errors
    /// [`StoreError`] of a statement.
    pub async fn prune(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let (period, batch) = PRUNE;
        let mine =
            move |tx: &mut crate::store::Tx<'_>| duties::take_across_workspaces(tx, "webhook_prune", period, now);
        if !self.store.write(mine).await? {
            return Ok(0);
        }
        let (delivered, dead) = (now.minus(limits::WEBHOOK_KEPT), now.minus(limits::WEBHOOK_DEAD_KEPT));
        let mut gone = 0;
        loop {
            let some =
                self.store.write(move |tx| deliveries::prune_across_workspaces(tx, delivered, dead, batch)).await?;
            gone += some;
            if some < usize::try_from(batch).unwrap_or(usize::MAX) {
                return Ok(gone);
            }
        }
    }
}

fn answered(status: u16, asked: Option<Duration>) -> (Ending, Option<u16>, Option<String>) {
    let error = (!(200..300).contains(&status)).then(|| format!("the endpoint answered with status {status}"));
    (Ending::Answered(status, asked), Some(status), error)
}

fn switched_off<'a>(taken: &Taken, id: uuid::Uuid, why: &str, at: Micros) -> Entry<'a> {
    Entry {
        id,
        at,
        kind: "webhook.disabled",
        actor: "deliverer",
        target: "webhooks",
        hub: None,
        user: None,
        task: None,
        request_id: None,
        detail: serde_json::json!({ "webhook": taken.webhook, "why": why }),
        personal: None,
    }
}

/// Endpoints that are being called.
#[derive(Default)]
struct Calls {
    running: JoinSet<()>,
    busy: HashMap<Id, Endpoint>,
}

impl Calls {
    fn start(&mut self, endpoint: Endpoint, call: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(call).id();
        self.busy.insert(id, endpoint);
    }

    /// Until one more has ended; never where none is under way.
    async fn one_ends(&mut self) {
        match self.running.join_next_with_id().await {
            Some(ended) => self.forget(&ended),
            None => std::future::pending().await,
        }
    }

    async fn all_end(&mut self) {
        while let Some(ended) = self.running.join_next_with_id().await {
            self.forget(&ended);
        }
    }

    fn forget(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => {
                tracing::error!("a call of an endpoint ended in a panic");
                error.id()
            }
        };
        self.busy.remove(&id);
    }
}
