//! F-04 on a clock that is moved: outages of any length.
//! No task is lost to an outage, the app is noticed within half a minute of its return, and it is
//! not run over when it comes back.

use std::sync::Arc;
use std::time::Duration;

use scimhub::base::clock::{Micros, TestClock};
use scimhub::base::limits::{ATTEMPTS, RETRY_CAP};
use scimhub::domain::hub::HubPolicy;
use scimhub::domain::problem::Cause;
use scimhub::domain::task::TaskStatus;
use scimhub::engine::connector::FailureClass;
use scimhub::store::problems;

use super::bench::{Behaviour, Bench, Fixed, failure};
use crate::support::{Database, databases, is_long};

const START: Micros = Micros(1_700_000_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
/// As long as the breaker's first pause.
const STEP: Duration = Duration::from_secs(5);
/// Half a minute, and the step in which it is noticed.
const NOTICED: Duration = Duration::from_secs(36);

struct Outage {
    bench: Bench,
    clock: Arc<TestClock>,
}

impl Outage {
    async fn new(database: &Database) -> Self {
        let clock = TestClock::at(START);
        Self { bench: Bench::at(database, clock.clone()).await, clock }
    }

    /// Let time pass step by step, as in a server: sweep, then all that is claimable. How long.
    async fn pass(&self, step: Duration, span: Duration, mut until: impl AsyncFnMut(&Bench) -> bool) -> Duration {
        let mut passed = Duration::ZERO;
        while passed < span && !until(&self.bench).await {
            self.bench.worker.sweep().await.unwrap();
            self.bench.settle().await;
            self.clock.advance(step);
            passed += step;
        }
        passed
    }

    async fn down_for(&self, span: Duration) {
        self.pass(STEP, span, async |_| false).await;
    }

    async fn unavailable(&self) -> Option<i64> {
        let workspace = self.bench.workspace;
        let open = self.bench.worker.store.read(move |conn| problems::open(conn, workspace, 10)).await.unwrap();
        assert!(open.iter().all(|problem| problem.cause == Cause::Unavailable), "{open:?}");
        open.first().map(|problem| problem.occurrences)
    }
}

#[tokio::test]
async fn f04_an_app_that_refuses_connections_for_hours_makes_no_manual_items() {
    for database in databases() {
        for (crowd, roll) in [(1, 0.0), (3, 0.5)] {
            let outage = Outage::new(&database).await;
            let mut bench = outage.bench;
            bench.worker.dice = Arc::new(Fixed(roll));
            let outage = Outage { bench, ..outage };
            let bench = &outage.bench;
            let at = format!("{}: {crowd} tasks, dice {roll}", database.name);
            let hub = bench.hub(&format!("hub-{crowd}-{}", (roll * 100.0) as i32), HubPolicy::default()).await;
            let other = bench.hub(&format!("other-{crowd}-{}", (roll * 100.0) as i32), HubPolicy::default()).await;
            for number in 0..crowd {
                let email = format!("p{number}@{hub}.example");
                bench.app.always(&email, Behaviour::Fail(failure(FailureClass::Unreachable)));
                bench.add(hub, &email).await;
            }
            let done = bench.count(TaskStatus::Completed).await;
            bench.add(other, "other@example.com").await;
            outage.down_for(10 * MINUTE).await;
            assert_eq!(bench.count(TaskStatus::Manual).await, 0, "{at}");
            assert_eq!(bench.count(TaskStatus::Completed).await, done + 1, "{at}: the other hub");
            assert!(outage.unavailable().await.is_some(), "{at}: a person is told once");
            outage.down_for(if is_long() { 24 * 60 * MINUTE } else { 10 * MINUTE }).await;
            assert_eq!(bench.count(TaskStatus::Manual).await, 0, "{at}");
            bench.app.mend();
            let first =
                outage.pass(STEP, MINUTE, async |bench| bench.count(TaskStatus::Completed).await > done + 1).await;
            assert!(first <= NOTICED, "{at}: the first success after {first:?}");
            outage.pass(STEP, MINUTE, async |bench| bench.count(TaskStatus::Completed).await == done + 1 + crowd).await;
            assert_eq!(bench.count(TaskStatus::Completed).await, done + 1 + crowd, "{at}");
            assert_eq!(outage.unavailable().await, None, "{at}: it is over");
            for number in 0..crowd {
                assert_eq!(bench.app.accounts(hub, &format!("p{number}@{hub}.example")).len(), 1, "{at}");
            }
        }
    }
}

/// An app that answers 503 to everything spends attempts; what is set aside for that is taken up
/// again when it is back, also where nothing else would find out.
#[tokio::test]
async fn f04_what_a_long_failure_set_aside_goes_on_by_itself() {
    for database in databases() {
        let outage = Outage::new(&database).await;
        let bench = &outage.bench;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let ids = [bench.add(hub, "ann@example.com").await, bench.add(hub, "bob@example.com").await];
        for email in ["ann@example.com", "bob@example.com"] {
            bench.app.always(email, Behaviour::Fail(failure(FailureClass::Transient)));
        }
        outage.pass(STEP, 60 * MINUTE, async |bench| bench.count(TaskStatus::Manual).await == 2).await;
        assert_eq!(bench.count(TaskStatus::Manual).await, 2, "{}", database.name);
        assert_eq!(bench.load(ids[0]).await.attempts, ATTEMPTS);
        let before = bench.app.calls().len();
        outage.pass(MINUTE, 4 * RETRY_CAP, async |_| false).await;
        let probes = bench.app.calls().len() - before;
        assert!((3..=5).contains(&probes), "{}: {probes} probes in an hour", database.name);
        assert_eq!(bench.count(TaskStatus::Manual).await, 2, "{}", database.name);
        bench.app.mend();
        let back =
            outage.pass(MINUTE, 2 * RETRY_CAP, async |bench| bench.count(TaskStatus::Completed).await == 2).await;
        assert!(back <= RETRY_CAP + 2 * MINUTE, "{}: after {back:?}", database.name);
        assert_eq!(outage.unavailable().await, None, "{}", database.name);
    }
}

/// Ten minutes with many tasks queued: few of them are even tried, and the app is not run over.
#[tokio::test]
async fn f04_a_crowd_waits_out_ten_minutes() {
    let crowd = if is_long() { 10_000 } else { 120 };
    for database in databases() {
        let mut outage = Outage::new(&database).await;
        outage.bench.worker.pace.in_flight = 8;
        let bench = &outage.bench;
        let policy = HubPolicy { calls_per_second: Some(10.0), ..HubPolicy::default() };
        let hub = bench.hub("one", policy).await;
        bench.crowd(hub, crowd).await;
        let emails: Vec<_> = (0..crowd).map(|n| format!("p{n}@{hub}.example")).collect();
        for email in &emails {
            bench.app.always(email, Behaviour::Fail(failure(FailureClass::Unreachable)));
        }
        outage.down_for(10 * MINUTE).await;
        let tried = bench.app.calls().len();
        assert!(tried <= 5 + 10 * 60 / 5, "{}: {tried} calls at an app that is down", database.name);
        assert_eq!(bench.count(TaskStatus::Manual).await, 0, "{}", database.name);
        bench.app.mend();
        let first = outage.pass(STEP, MINUTE, async |bench| bench.count(TaskStatus::Completed).await > 0).await;
        assert!(first <= NOTICED, "{}: the first success after {first:?}", database.name);
        // A tenth of a second at a time: never more calls in a second than twice the rate.
        let mut calls = std::collections::VecDeque::from([bench.app.calls().len()]);
        for _ in 0..crowd * 2 {
            bench.settle().await;
            outage.clock.advance(Duration::from_millis(100));
            calls.push_back(bench.app.calls().len());
            if calls.len() > 10 {
                let earlier = calls.pop_front().unwrap_or_default();
                let rate = calls.back().copied().unwrap_or_default() - earlier;
                assert!(rate <= 20, "{}: {rate} calls in a second", database.name);
            }
            if bench.count(TaskStatus::Completed).await == crowd as i64 {
                break;
            }
        }
        assert_eq!(bench.count(TaskStatus::Completed).await, crowd as i64, "{}", database.name);
        for email in &emails {
            assert_eq!(bench.app.accounts(hub, email).len(), 1, "{email}");
        }
    }
}
