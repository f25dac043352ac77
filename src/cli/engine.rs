//! The engine as `serve` and `demo` run it: planner, workers and sweeper over the connectors, with
//! its counters among the metrics.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::Context as _;
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use crate::base::network::Network;
use crate::base::random::SystemDice;
use crate::connectors::Registry;
use crate::domain::guard::HoldReason;
use crate::domain::problem::Cause;
use crate::domain::task::TaskKind;
use crate::engine::lease::Pace;
use crate::engine::planner::Planner;
use crate::engine::recording::Recording;
use crate::engine::run::Engine;
use crate::engine::sealing::Sealing;
use crate::engine::steps;
use crate::engine::worker::{Meter, Worker};
use crate::net::addresses::AddressPolicy;
use crate::net::client::Client;
use crate::net::mail::Mailer;
use crate::net::url::Target;
use crate::service::audit::sealer;
use crate::service::{Context, MayCall};
use crate::store::secrets;
use crate::telemetry::metrics;
use crate::tell::deliver::Deliverer;
use crate::tell::notify::Notifier;

/// An engine over the database and catalog of `context`, which may call public addresses and those
/// in `networks`.
///
/// # Errors
/// When no HTTP client can be made.
pub fn engine(context: &Context, networks: Vec<Network>) -> anyhow::Result<Engine> {
    let client = Client::new(AddressPolicy { networks }).context("no HTTP client")?;
    let Context { store, clock, ids, nudge, catalog, keyring, .. } = context.clone();
    let sealing = Sealing { store: store.clone(), clock: Arc::clone(&clock), sealer: sealer(context) };
    let planner = Planner::new(store.clone(), Arc::clone(&catalog), Arc::clone(&clock), ids.clone(), nudge.clone());
    let worker = Worker {
        boot: store.boot(),
        connectors: Arc::new(Registry::new(catalog, client)),
        secrets: Arc::new(move |workspace, hub, stored| secrets::open(&keyring, workspace, hub, stored)),
        store,
        clock,
        ids,
        dice: Arc::new(SystemDice),
        nudge,
        steps: steps::from_environment(),
        pace: Pace::of_server(),
        meter: Arc::new(Counters),
        recording: Recording::default(),
    };
    Ok(Engine::new(planner, worker).sealing(sealing))
}

/// What tells endpoints of events; they may be where apps may.
///
/// # Errors
/// When no HTTP client can be made.
pub fn deliverer(context: &Context, networks: Vec<Network>) -> anyhow::Result<Deliverer> {
    let client = Client::new(AddressPolicy { networks }).context("no HTTP client")?;
    let Context { store, clock, ids, .. } = context.clone();
    Ok(Deliverer { store, client, clock, ids, dice: Arc::new(SystemDice) })
}

/// What tells people of what needs them.
pub fn notifier(context: &Context, mailer: Option<Mailer>) -> Notifier {
    let Context { store, clock, ids, base_url, .. } = context.clone();
    Notifier { store, mailer, clock, ids, base_url }
}

/// Whether an address that a person typed may be called, as far as that can be told without a call.
pub fn may_call(networks: Vec<Network>) -> MayCall {
    let policy = AddressPolicy { networks };
    Arc::new(move |url| Target::parse(url).and_then(|url| url.check(&policy)).map_err(|error| error.to_string()))
}

static ATTEMPTS: LazyLock<IntCounterVec> =
    LazyLock::new(|| metrics::counter("scimhub_attempts_total", "Attempts that ended.", &["kind", "outcome"]));
static ATTEMPT_SECONDS: LazyLock<HistogramVec> =
    LazyLock::new(|| metrics::seconds("scimhub_attempt_seconds", "Time of an attempt.", &["kind"]));
static READY: LazyLock<IntGaugeVec> =
    LazyLock::new(|| metrics::gauge("scimhub_tasks_ready", "Tasks that could be started now.", &[]));
static OLDEST: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge("scimhub_tasks_oldest_ready_seconds", "How long the oldest of them has been ready.", &[])
});

static HELD: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge("scimhub_tasks_held", "Tasks the guard holds until a person decides.", &["reason"])
});
static HELD_SECONDS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge("scimhub_tasks_held_seconds", "How long the oldest such batch has waited.", &["reason"])
});
static OVERDUE: LazyLock<IntGaugeVec> =
    LazyLock::new(|| metrics::gauge("scimhub_items_overdue", "Items for a person that are past their time.", &[]));
static OVERDUE_SECONDS: LazyLock<IntGaugeVec> =
    LazyLock::new(|| metrics::gauge("scimhub_items_overdue_seconds", "How long the first of them has been.", &[]));
static FOREIGN: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Activity records that this installation did not write: somebody put them into the database.";
    metrics::gauge("scimhub_activity_foreign_records", help, &[])
});
static PROBLEMS: LazyLock<IntGaugeVec> =
    LazyLock::new(|| metrics::gauge("scimhub_problems_open", "Hubs with an open problem.", &["cause"]));

/// The engine's counters among the metrics.
#[derive(Debug)]
struct Counters;

impl Meter for Counters {
    fn attempt(&self, kind: TaskKind, outcome: &'static str, took: Duration) {
        ATTEMPTS.with_label_values(&[kind.as_str(), outcome]).inc();
        ATTEMPT_SECONDS.with_label_values(&[kind.as_str()]).observe(took.as_secs_f64());
    }

    fn queue(&self, ready: i64, oldest: Duration) {
        let none: [&str; 0] = [];
        READY.with_label_values(&none).set(ready);
        OLDEST.with_label_values(&none).set(seconds(oldest));
    }

    fn held(&self, reason: HoldReason, tasks: i64, oldest: Duration) {
        HELD.with_label_values(&[reason.as_str()]).set(tasks);
        HELD_SECONDS.with_label_values(&[reason.as_str()]).set(seconds(oldest));
    }

    fn problems(&self, cause: Cause, hubs: i64) {
        PROBLEMS.with_label_values(&[cause.as_str()]).set(hubs);
    }

    fn overdue(&self, items: i64, first: Duration) {
        let none: [&str; 0] = [];
        OVERDUE.with_label_values(&none).set(items);
        OVERDUE_SECONDS.with_label_values(&none).set(seconds(first));
    }

    fn foreign_records(&self, records: i64) {
        let none: [&str; 0] = [];
        FOREIGN.with_label_values(&none).set(records);
    }
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}
