//! F-14: a wall clock that jumps, and a worker that stood still for longer than its lease. Leases
//! and deadlines go by clocks that do not jump; what waits for a time goes on within its wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use scimhub::base::clock::{Clock, Micros};
use scimhub::base::limits::RETRY_CAP;
use scimhub::domain::hub::HubPolicy;
use scimhub::domain::task::TaskStatus;
use scimhub::engine::connector::FailureClass;
use scimhub::store::clock_back;
use scimhub::store::lanes::Company;
use tokio_util::sync::CancellationToken;

use super::bench::{Behaviour, Bench, failure};
use crate::support::databases;

const START: Micros = Micros(1_700_000_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: i64 = 3_600;
const ANN: &str = "ann@example.com";

/// Monotonic time that is moved forward, and a wall clock that somebody sets.
#[derive(Debug, Default)]
struct Set {
    passed: AtomicI64,
    offset: AtomicI64,
}

impl Set {
    fn pass(&self, span: Duration) {
        self.passed.fetch_add(span.as_micros() as i64, Ordering::SeqCst);
    }

    fn jump(&self, seconds: i64) {
        self.offset.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Set {
    fn now(&self) -> Micros {
        Micros(START.0 + self.passed.load(Ordering::SeqCst) + self.offset.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.passed.load(Ordering::SeqCst) as u64)
    }
}

#[tokio::test]
async fn f14_no_lease_is_taken_early_by_the_wall_clock() {
    for database in databases() {
        let clock = Arc::new(Set::default());
        let bench = Bench::at(&database, clock.clone()).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        for jump in [HOUR, 24 * HOUR, -HOUR, -24 * HOUR] {
            let email = format!("jump{jump}@example.com");
            let id = bench.add(hub, &email).await;
            let claimed = bench.worker.claim(1, Company::Many).await.unwrap().tasks.remove(0);
            clock.jump(jump);
            assert_eq!(bench.worker.sweep().await.unwrap(), 0, "{}: {jump}", database.name);
            assert!(bench.worker.claim(1, Company::Many).await.unwrap().tasks.is_empty(), "{}: {jump}", database.name);
            bench.worker.attempt(claimed, &CancellationToken::new()).await;
            let done = bench.load(id).await;
            assert_eq!((done.status, done.crashes), (TaskStatus::Completed, 0), "{}: {jump}", database.name);
            assert_eq!(bench.app.applied(&email), 1);
        }
    }
}

#[tokio::test]
async fn f14_a_worker_that_stood_still_past_its_lease_sends_nothing_and_records_nothing() {
    for database in databases() {
        let clock = Arc::new(Set::default());
        let bench = Bench::at(&database, clock.clone()).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let id = bench.add(hub, ANN).await;
        let mut frozen = bench.worker.clone();
        // PostgreSQL's own clock decides there, and cannot be moved: a lease that is over at once.
        frozen.pace.grace = Duration::ZERO;
        frozen.pace.attempt = Duration::from_millis(1);
        let claimed = frozen.claim(1, Company::Many).await.unwrap().tasks.remove(0);
        clock.pass(MINUTE * 3);
        let other = bench.twin();
        crate::support::eventually("the lease is over", Duration::from_secs(20), async || {
            other.sweep().await.unwrap();
            clock.pass(MINUTE);
            other.step().await.unwrap();
            bench.load(id).await.status == TaskStatus::Completed
        })
        .await;
        let done = bench.load(id).await;
        frozen.attempt(claimed, &CancellationToken::new()).await;
        assert_eq!(bench.load(id).await, done, "{}: the late result is dropped", database.name);
        assert_eq!(bench.app.accounts(hub, ANN).len(), 1, "{}: once", database.name);
    }
}

#[tokio::test]
async fn f14_what_waits_for_a_time_does_not_wait_for_a_clock_to_catch_up() {
    for database in databases() {
        for jump in [-5, -HOUR, -24 * HOUR, HOUR, 24 * HOUR] {
            let clock = Arc::new(Set::default());
            let bench = Bench::at(&database, clock.clone()).await;
            let hub = bench.hub(&format!("jump{}{}", jump.signum() + 1, jump.abs()), HubPolicy::default()).await;
            let email = format!("ann{jump}@example.com");
            bench.app.next(&email, Behaviour::Fail(failure(FailureClass::Transient)));
            bench.app.next(&email, Behaviour::Fail(failure(FailureClass::Transient)));
            let id = bench.add(hub, &email).await;
            // As a server lives: it looks every second, and somebody sets the clock meanwhile.
            bench.worker.sweep().await.unwrap();
            bench.worker.step().await.unwrap();
            let mut waited = Duration::ZERO;
            while bench.load(id).await.status != TaskStatus::Completed {
                // Backwards by five seconds again and again; the great jumps once.
                if waited.is_zero() || jump == -5 {
                    clock.jump(jump);
                }
                clock.pass(MINUTE);
                waited += MINUTE;
                bench.worker.sweep().await.unwrap();
                bench.worker.step().await.unwrap();
                assert!(waited < RETRY_CAP, "{}: {jump}: still {:?}", database.name, bench.load(id).await);
            }
            assert_eq!(bench.load(id).await.attempts, 3, "{}: {jump}", database.name);
        }
    }
}

#[tokio::test]
async fn f14_clocks_of_replicas_that_differ_a_little_move_nothing() {
    for database in databases() {
        let bench = Bench::at(&database, Arc::new(Set::default())).await;
        let seen = [(0, None), (90, None), (10, None), (200, None), (-10_000, Some(10_200)), (-9_990, None)];
        for (at, jump) in seen {
            let now = Micros(START.0 + at * 1_000_000);
            let store = &bench.worker.store;
            let found = store.write(move |tx| clock_back::notice_across_workspaces(tx, now)).await.unwrap();
            assert_eq!(found.map(|jump| jump.as_secs()), jump, "{}: {at}", database.name);
        }
    }
}
