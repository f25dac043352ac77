//! How often and how long it is tried, with a clock that moves only when told and a real endpoint.

use std::sync::Arc;
use std::time::Duration;

use scimhub::base::clock::{Clock as _, Micros, TestClock};
use scimhub::base::ids::{EventId, WebhookId, WorkspaceId};
use scimhub::base::limits;
use scimhub::base::random::{Dice, Ids};
use scimhub::base::secret::{Secret, SecretString};
use scimhub::domain::event::{EventType, Wanted};
use scimhub::domain::webhook::secret_text;
use scimhub::net::addresses::AddressPolicy;
use scimhub::net::client::{Client, Timeouts, system_lookup};
use scimhub::service::workspaces;
use scimhub::store::deliveries::{self, Delivery, State};
use scimhub::store::webhooks::{self, Webhook};
use scimhub::store::{Store, StoreError, outbox};
use scimhub::tell::deliver::Deliverer;

use super::receiver::{Answer, Receiver};
use crate::support::{Database, databases, eventually};

const WORKSPACE: WorkspaceId = WorkspaceId(1);
const TOMORROW: Duration = Duration::from_secs(24 * 60 * 60);

struct Steady;

impl Dice for Steady {
    fn roll(&self) -> f64 {
        0.0
    }
}

/// One process of the server, as far as it tells endpoints.
struct Process {
    store: Store,
    clock: Arc<TestClock>,
    deliverer: Deliverer,
}

impl Process {
    async fn start(database: &Database, clock: &Arc<TestClock>) -> Self {
        let mut config = database.config();
        config.clock = Arc::clone(clock) as _;
        let store = Store::open_with(config).unwrap();
        workspaces::ensure_default(&store, clock.now()).await.unwrap();
        let timeouts = Timeouts { connect: Duration::from_secs(5), call: Duration::from_millis(400) };
        let client = Client::with(AddressPolicy::with_loopback(), timeouts, &system_lookup()).unwrap();
        let ids = Ids::new(Arc::clone(clock) as _);
        let deliverer =
            Deliverer { store: store.clone(), client, clock: Arc::clone(clock) as _, ids, dice: Arc::new(Steady) };
        Self { store, clock: Arc::clone(clock), deliverer }
    }

    fn id(&self) -> uuid::Uuid {
        Ids::new(Arc::clone(&self.clock) as _).next()
    }

    async fn endpoint(&self, url: &str, secret: &SecretString) -> WebhookId {
        let webhook = Webhook {
            id: WebhookId::from_uuid(self.id()),
            name: String::from("ops"),
            url: url.to_owned(),
            wanted: Wanted::default(),
            enabled: true,
            disabled_why: None,
            old_until: None,
            created_at: self.clock.now(),
            last_success_at: None,
        };
        let (id, secret, keyring) = (webhook.id, secret.clone(), self.store.keyring().clone());
        self.store.write(move |tx| webhooks::insert(tx, &keyring, WORKSPACE, &webhook, &secret)).await.unwrap();
        id
    }

    async fn event(&self, to: WebhookId) -> EventId {
        let (id, now) = (EventId::from_uuid(self.id()), self.clock.now());
        let write = move |tx: &mut scimhub::store::Tx<'_>| {
            outbox::to_one(tx, WORKSPACE, to, (id, EventType::WebhookTest), serde_json::Map::new(), now)
        };
        self.store.write(write).await.unwrap();
        id
    }

    async fn all(&self, of: WebhookId) -> Vec<Delivery> {
        self.store
            .read(move |conn| deliveries::page(conn, WORKSPACE, of, None, None, 200))
            .await
            .map_err(|error: StoreError| error)
            .unwrap()
    }

    async fn one(&self, of: WebhookId) -> Delivery {
        self.all(of).await.remove(0)
    }
}

fn clock() -> Arc<TestClock> {
    TestClock::at(Micros(1_763_867_400_000_000))
}

fn secret(byte: u8) -> SecretString {
    secret_text(&Secret::new([byte; 32]))
}

#[tokio::test(flavor = "multi_thread")]
async fn six_attempts_come_further_apart_under_one_id_and_then_it_is_dead() {
    for database in databases() {
        let (receiver, clock) = (Receiver::start(), clock());
        let process = Process::start(&database, &clock).await;
        let webhook = process.endpoint(&receiver.url(), &secret(7)).await;
        let event = process.event(webhook).await;
        receiver.next(&[
            Answer::Status(500, ""),
            Answer::Reset,
            Answer::Status(429, ""),
            Answer::Silence,
            Answer::Status(408, ""),
            Answer::Status(503, ""),
        ]);
        let pauses = [60, 240, 960, 3_840, 15_360];
        for (attempt, pause) in pauses.into_iter().enumerate() {
            assert_eq!(process.deliverer.round().await.unwrap(), 1, "{}: attempt {attempt}", database.name);
            let one = process.one(webhook).await;
            assert_eq!((one.state, one.due_at), (State::Pending, clock.now().plus(Duration::from_secs(pause))));
            assert!(one.error.is_some(), "{one:?}");
            clock.advance(Duration::from_secs(pause - 1));
            assert_eq!(process.deliverer.round().await.unwrap(), 0, "not a second early");
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(process.deliverer.round().await.unwrap(), 1);
        let dead = process.one(webhook).await;
        assert_eq!((dead.state, dead.attempts, dead.status), (State::Dead, 6, Some(503)), "{}", database.name);
        let calls = receiver.calls();
        assert_eq!(calls.len(), 6);
        let mut moments = Vec::new();
        for call in &calls {
            assert_eq!(call.id(), event.to_string());
            assert_eq!(call.signed_by(secret(7).expose()), (true, 1));
            assert_eq!(call.signed_by(secret(8).expose()), (false, 1));
            moments.push(call.headers["webhook-timestamp"].parse::<i64>().unwrap());
        }
        assert!(moments.is_sorted_by(|a, b| a < b), "each attempt is signed anew: {moments:?}");
        clock.advance(TOMORROW);
        assert_eq!(process.deliverer.round().await.unwrap(), 0, "dead is dead");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_succeed_is_dead_at_once_and_410_switches_the_endpoint_off() {
    for database in databases() {
        let (receiver, clock) = (Receiver::start(), clock());
        let process = Process::start(&database, &clock).await;
        let webhook = process.endpoint(&receiver.url(), &secret(7)).await;
        for status in [301, 400, 401, 404, 422] {
            clock.advance(Duration::from_secs(1));
            process.event(webhook).await;
            receiver.next(&[Answer::Status(status, "location: http://127.0.0.1:1/\r\n")]);
            assert_eq!(process.deliverer.round().await.unwrap(), 1);
            let one = process.one(webhook).await;
            assert_eq!((one.state, one.status), (State::Dead, Some(i32::from(status))), "{}", database.name);
        }
        clock.advance(Duration::from_secs(1));
        process.event(webhook).await;
        receiver.next(&[Answer::Status(503, "retry-after: 7200\r\n")]);
        process.deliverer.round().await.unwrap();
        let one = process.one(webhook).await;
        assert_eq!((one.state, one.due_at), (State::Pending, clock.now().plus(Duration::from_secs(7_200))));

        clock.advance(Duration::from_secs(1));
        process.event(webhook).await;
        receiver.always(Answer::Status(410, ""));
        process.deliverer.round().await.unwrap();
        assert_eq!(process.one(webhook).await.state, State::Dead);
        let seen = receiver.calls().len();
        process.event(webhook).await;
        clock.advance(TOMORROW);
        assert_eq!(process.deliverer.round().await.unwrap(), 0, "{}: nothing goes there", database.name);
        assert_eq!(receiver.calls().len(), seen);
        let off = process.store.read(move |conn| webhooks::load(conn, WORKSPACE, webhook)).await;
        let off = off.map_err(|error: StoreError| error).unwrap();
        assert!(!off.enabled && off.disabled_why.unwrap().contains("410"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_between_sending_and_recording_leaves_the_same_id_to_the_next() {
    for database in databases() {
        let (receiver, clock) = (Receiver::start(), clock());
        let first = Process::start(&database, &clock).await;
        let webhook = first.endpoint(&receiver.url(), &secret(7)).await;
        let event = first.event(webhook).await;
        receiver.next(&[Answer::Silence]);
        let sending = tokio::spawn({
            let deliverer = first.deliverer.clone();
            async move { deliverer.round().await }
        });
        receiver.until_called(1).await;
        // Gone with the answer still on its way: nothing of it is recorded.
        sending.abort();
        let _ = sending.await;
        let next = Process::start(&database, &clock).await;
        assert_eq!(next.deliverer.round().await.unwrap(), 0, "{}: it is leased", database.name);
        clock.advance(limits::WEBHOOK_LEASE);
        assert_eq!(next.deliverer.round().await.unwrap(), 1);
        let ids: Vec<String> = receiver.calls().iter().map(|call| call.id().to_owned()).collect();
        assert_eq!(ids, [event.to_string(), event.to_string()]);
        let one = next.one(webhook).await;
        assert_eq!((one.state, one.attempts), (State::Delivered, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_overtaken_changes_nothing() {
    for database in databases() {
        let (receiver, clock) = (Receiver::start(), clock());
        let process = Process::start(&database, &clock).await;
        let webhook = process.endpoint(&receiver.url(), &secret(7)).await;
        process.event(webhook).await;
        let now = clock.now();
        let take = move |tx: &mut scimhub::store::Tx<'_>| deliveries::take(tx, WORKSPACE, webhook, 8, now);
        let slow = process.store.write(take).await.unwrap().remove(0);
        clock.advance(limits::WEBHOOK_LEASE);
        assert_eq!(process.deliverer.round().await.unwrap(), 1);
        let outcome =
            deliveries::Outcome { state: State::Dead, due_at: now, status: Some(500), error: Some("late".into()) };
        let late = process.store.write(move |tx| deliveries::record(tx, &slow, &outcome, now)).await;
        assert!(!late.map_err(|error: StoreError| error).unwrap(), "{}", database.name);
        assert_eq!(process.one(webhook).await.state, State::Delivered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_work_and_nothing_arrives_twice() {
    for database in databases() {
        let (receiver, clock) = (Receiver::start(), clock());
        let one = Process::start(&database, &clock).await;
        let two = Process::start(&database, &clock).await;
        let webhook = one.endpoint(&receiver.url(), &secret(7)).await;
        for _ in 0..40 {
            one.event(webhook).await;
        }
        let (a, b) = tokio::join!(one.deliverer.round(), two.deliverer.round());
        assert_eq!(a.unwrap() + b.unwrap(), 40, "{}", database.name);
        let mut ids: Vec<String> = receiver.calls().iter().map(|call| call.id().to_owned()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), receiver.calls().len()), (40, 40), "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_endpoint_keeps_nobody_waiting() {
    for database in databases() {
        let (slow, quick, clock) = (Receiver::start(), Receiver::start(), clock());
        slow.always(Answer::Silence);
        let process = Process::start(&database, &clock).await;
        let stuck = process.endpoint(&slow.url(), &secret(1)).await;
        let other = process.endpoint(&quick.url(), &secret(2)).await;
        for _ in 0..50 {
            process.event(stuck).await;
        }
        process.event(other).await;
        let stop = tokio_util::sync::CancellationToken::new();
        let running = tokio::spawn(process.deliverer.clone().run(stop.clone()));
        quick.until_called(1).await;
        // Not even its second batch has begun when the other one has its event.
        assert!(slow.calls().len() <= 16, "{}: {}", database.name, slow.calls().len());
        stop.cancel();
        running.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_both_secrets_sign_for_a_day() {
    for database in databases() {
        let (receiver, clock) = (Receiver::start(), clock());
        let process = Process::start(&database, &clock).await;
        let webhook = process.endpoint(&receiver.url(), &secret(1)).await;
        let (keyring, until) = (process.store.keyring().clone(), clock.now().plus(limits::WEBHOOK_OVERLAP));
        process
            .store
            .write(move |tx| webhooks::rotate(tx, &keyring, WORKSPACE, webhook, &secret(2), until))
            .await
            .unwrap();
        process.event(webhook).await;
        process.deliverer.round().await.unwrap();
        clock.advance(TOMORROW);
        process.event(webhook).await;
        process.deliverer.round().await.unwrap();
        let calls = receiver.calls();
        let (old, new) = (secret(1), secret(2));
        assert_eq!(calls[0].signed_by(old.expose()), (true, 2), "{}", database.name);
        assert_eq!(calls[0].signed_by(new.expose()), (true, 2));
        assert_eq!(calls[1].signed_by(old.expose()), (false, 1));
        assert_eq!(calls[1].signed_by(new.expose()), (true, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_rows_go_after_a_week_and_dead_ones_after_a_month() {
    for database in databases() {
        let (receiver, clock) = (Receiver::start(), clock());
        let process = Process::start(&database, &clock).await;
        let webhook = process.endpoint(&receiver.url(), &secret(1)).await;
        receiver.next(&[Answer::Status(404, "")]);
        for _ in 0..2 {
            process.event(webhook).await;
            process.deliverer.round().await.unwrap();
            clock.advance(Duration::from_millis(1));
        }
        process.event(webhook).await;
        assert_eq!(process.deliverer.prune().await.unwrap(), 0);
        clock.advance(limits::WEBHOOK_KEPT + Duration::from_secs(1));
        assert_eq!(process.deliverer.prune().await.unwrap(), 1, "{}", database.name);
        let states: Vec<State> = process.all(webhook).await.iter().map(|one| one.state).collect();
        assert_eq!(states, [State::Pending, State::Dead]);
        clock.advance(limits::WEBHOOK_DEAD_KEPT);
        assert_eq!(process.deliverer.prune().await.unwrap(), 1);
        // What nobody could send yet is never forgotten.
        eventually("the rest", Duration::from_secs(1), async || process.all(webhook).await.len() == 1).await;
    }
}
