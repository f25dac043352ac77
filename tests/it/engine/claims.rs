//! Who gets which task: lanes, fairness, pauses, many claimers, two processes, leases.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::connection::{Connection as _, InstrumentationEvent};
use scimhub::base::clock::{Micros, TestClock};
use scimhub::domain::hub::{HubMode, HubPolicy};
use scimhub::domain::task::{TaskKind, TaskStatus};
use scimhub::engine::run::Engine;
use scimhub::store::claims;
use scimhub::store::lanes::Company;
use scimhub::store::{StoreError, attempts, hubs, task_moves, workspaces};
use tokio_util::sync::CancellationToken;

use super::bench::{Behaviour, Bench, wish};
use crate::support::{databases, eventually};

const SOON: Duration = Duration::from_secs(30);

fn lane_of(most: u32) -> HubPolicy {
    HubPolicy { max_in_flight: most, ..HubPolicy::default() }
}

#[tokio::test]
async fn a_lane_is_never_overfull() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("narrow", lane_of(2)).await;
        bench.crowd(hub, 20).await;
        // The same boot twice: one SQLite file has one serving process.
        let (stop, twin) = (CancellationToken::new(), bench.worker.clone());
        let one = tokio::spawn(Engine::pushing(bench.worker.clone()).run(stop.clone()));
        let two = tokio::spawn(Engine::pushing(twin).run(stop.clone()));
        eventually("all pushed", SOON, async || bench.count(TaskStatus::Completed).await == 20).await;
        stop.cancel();
        one.await.unwrap();
        two.await.unwrap();
        assert!(bench.app.most(hub) <= 2, "{}: {} in flight", database.name, bench.app.most(hub));
    }
}

/// On PostgreSQL each statement is a round trip.
#[tokio::test]
async fn a_claim_of_forty_is_as_many_statements_as_a_claim_of_two() {
    for database in databases().into_iter().filter(|database| database.name == "postgres") {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("wide", lane_of(400)).await;
        bench.crowd(hub, 100).await;
        let mut asked = Vec::new();
        for places in [2, 40] {
            let worker = bench.worker.clone();
            let counted = bench.worker.store.write(move |tx| {
                let statements = Arc::new(AtomicUsize::new(0));
                let counting = Arc::clone(&statements);
                tx.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                    if let InstrumentationEvent::StartQuery { .. } = event {
                        counting.fetch_add(1, Ordering::SeqCst);
                    }
                });
                let wish = wish(&worker, places, Company::Many);
                let claim = claims::claim_across_workspaces(tx, &wish)?;
                tx.set_instrumentation(|_: InstrumentationEvent<'_>| {});
                assert_eq!(claim.tasks.len(), places);
                assert!(claim.tasks.iter().all(|task| task.status == TaskStatus::Started && task.lease_epoch == 1));
                Ok::<_, StoreError>(statements.load(Ordering::SeqCst))
            });
            asked.push(counted.await.unwrap());
        }
        assert_eq!(asked[0], asked[1]);
    }
}

#[tokio::test]
async fn eight_claimers_take_no_task_twice() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let mut all = Vec::new();
        for name in ["a", "b", "c"] {
            let hub = bench.hub(name, lane_of(7)).await;
            bench.crowd(hub, 30).await;
            all.push(hub);
        }
        let claimers: Vec<_> = (0..8)
            .map(|_| {
                let worker = bench.twin();
                tokio::spawn(async move { while worker.step().await.unwrap() > 0 {} })
            })
            .collect();
        for claimer in claimers {
            claimer.await.unwrap();
        }
        bench.settle().await;
        assert_eq!(bench.count(TaskStatus::Completed).await, 90, "{}", database.name);
        let calls = bench.app.calls();
        assert_eq!(calls.len(), 90, "{}: each task is one call", database.name);
        for hub in all {
            for n in 0..30 {
                assert_eq!(bench.app.accounts(hub, &format!("p{n}@{hub}.example")).len(), 1);
            }
        }
    }
}

#[tokio::test]
async fn hubs_and_workspaces_take_turns() {
    for database in databases() {
        let mut bench = Bench::new(&database).await;
        bench.worker.pace.in_flight = 1;
        let now = bench.now();
        let other = bench.worker.store.write(move |tx| workspaces::insert(tx, "other", now)).await.unwrap().id;
        let big = bench.hub("big", lane_of(4)).await;
        let small = bench.hub("small", lane_of(4)).await;
        let far = bench.hub_in(other, "far", lane_of(4)).await;
        bench.crowd(big, 12).await;
        bench.crowd(small, 2).await;
        let mut stranger = bench.task(far, "far@example.com", TaskKind::Add);
        stranger.workspace = other;
        bench.put(stranger).await;
        bench.settle().await;
        let order: Vec<_> = bench.app.calls().iter().map(|call| call.1).collect();
        let last = |hub| order.iter().rposition(|found| *found == hub).unwrap();
        assert!(last(far) <= 2, "{}: the other workspace waited: {order:?}", database.name);
        assert!(last(small) <= 5, "{}: the small hub waited: {order:?}", database.name);
    }
}

#[tokio::test]
async fn smaller_priority_runs_first_and_time_is_respected() {
    for database in databases() {
        let clock = TestClock::at(Micros(1_700_000_000_000_000));
        let mut bench = Bench::at(&database, clock.clone()).await;
        bench.worker.pace.in_flight = 1;
        let hub = bench.hub("one", lane_of(4)).await;
        bench.add(hub, "second@example.com").await;
        let mut leaver = bench.task(hub, "first@example.com", TaskKind::Remove);
        leaver.priority = 0;
        bench.put(leaver).await;
        let mut later = bench.task(hub, "later@example.com", TaskKind::Add);
        later.not_before = bench.now().plus(Duration::from_secs(60));
        bench.put(later).await;
        let mut waiting = bench.task(hub, "waiting@example.com", TaskKind::Add);
        waiting.not_before = bench.now().plus(Duration::from_secs(90));
        waiting.status = TaskStatus::Waiting;
        bench.put(waiting).await;
        bench.settle().await;
        let who = || bench.app.calls().into_iter().map(|call| call.2).collect::<Vec<_>>();
        assert_eq!(who(), ["first@example.com", "second@example.com"], "{}", database.name);
        clock.advance(Duration::from_secs(61));
        bench.settle().await;
        assert_eq!(who().last().unwrap(), "later@example.com");
        clock.advance(Duration::from_secs(30));
        bench.worker.sweep().await.unwrap();
        bench.settle().await;
        assert_eq!(who().last().unwrap(), "waiting@example.com");
    }
}

#[tokio::test]
async fn paused_and_observing_hubs_are_left_alone() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let ids = [bench.hub("observing", lane_of(4)).await, bench.hub("paused", lane_of(4)).await];
        let (workspace, now) = (bench.workspace, bench.now());
        bench
            .worker
            .store
            .write(move |tx| {
                let mut observing = hubs::load(tx, workspace, ids[0])?;
                observing.mode = HubMode::Observe;
                hubs::update(tx, workspace, &observing, now)?;
                let mut paused = hubs::load(tx, workspace, ids[1])?;
                paused.paused = true;
                hubs::update(tx, workspace, &paused, now)
            })
            .await
            .unwrap();
        for hub in ids {
            bench.add(hub, "ann@example.com").await;
        }
        bench.settle().await;
        assert!(bench.app.calls().is_empty(), "{}", database.name);
    }
}

#[tokio::test]
async fn a_worker_whose_lease_was_taken_over_cannot_record() {
    for database in databases() {
        let bench = Bench::new(&database).await.hurry();
        let hub = bench.hub("one", lane_of(4)).await;
        let id = bench.add(hub, "ann@example.com").await;
        let mut slow = bench.worker.claim(9, Company::Many).await.unwrap();
        let slow = slow.tasks.remove(0);
        eventually("the lease runs out", SOON, async || {
            bench.worker.sweep().await.unwrap();
            bench.load(id).await.status == TaskStatus::Retrying
        })
        .await;
        let taken = bench.load(id).await;
        assert!(taken.verify_first && taken.crashes == 1, "{}: {taken:?}", database.name);

        let twin = bench.twin();
        let mut fresh = Vec::new();
        eventually("it is claimed again", SOON, async || {
            fresh.extend(twin.claim(9, Company::Many).await.unwrap().tasks);
            !fresh.is_empty()
        })
        .await;
        let fresh = fresh.remove(0);
        assert_eq!(fresh.lease.epoch, slow.lease.epoch + 1);

        bench.worker.attempt(slow, &CancellationToken::new()).await;
        let after = bench.load(id).await;
        assert_eq!((after.status, after.lease_epoch), (TaskStatus::Started, fresh.lease.epoch), "{}", database.name);
        assert!(bench.app.accounts(hub, "ann@example.com").is_empty(), "nothing is sent after the deadline");

        twin.attempt(fresh, &CancellationToken::new()).await;
        assert_eq!(bench.load(id).await.status, TaskStatus::Completed, "{}", database.name);
        let kinds: Vec<_> = bench.app.calls().iter().map(|call| call.0).collect();
        assert!(kinds.ends_with(&["verify", "apply"]), "{}: {kinds:?}", database.name);
        let workspace = bench.workspace;
        let tries = bench.worker.store.read(move |conn| attempts::list(conn, workspace, id)).await.unwrap();
        let outcomes: Vec<_> = tries.iter().map(|attempt| attempt.outcome.as_deref()).collect();
        assert_eq!(outcomes, [Some("crashed"), Some("applied")], "{}", database.name);
    }
}

#[tokio::test]
async fn a_retry_by_hand_does_not_shorten_the_wait_after_a_crash() {
    for database in databases() {
        let bench = Bench::new(&database).await.hurry();
        let hub = bench.hub("one", lane_of(4)).await;
        let id = bench.add(hub, "ann@example.com").await;
        assert_eq!(bench.twin().claim(9, Company::Many).await.unwrap().tasks.len(), 1);
        eventually("it is taken back", SOON, async || {
            bench.worker.sweep().await.unwrap();
            bench.load(id).await.status == TaskStatus::Retrying
        })
        .await;
        let waits = bench.load(id).await;
        let (workspace, moment) = (bench.workspace, Micros(waits.not_before.0 - 1));
        let retry = async |now: Micros| {
            let by = move |tx: &mut scimhub::store::Tx<'_>| {
                let by = task_moves::ByHand { actor: "token:x", note: None, now };
                task_moves::retry(tx, workspace, id, &by)
            };
            assert!(bench.worker.store.write(by).await.unwrap());
            bench.load(id).await
        };
        // The dead process's call may still be under way: it is not sent again before that must be over.
        let after = retry(moment).await;
        assert_eq!((after.status, after.not_before), (TaskStatus::Queued, waits.not_before), "{}", database.name);
        assert!(after.verify_first, "{}", database.name);
        // Said once more, it is the same.
        assert_eq!(retry(moment).await.not_before, waits.not_before, "{}", database.name);
        let later = waits.not_before.plus(Duration::from_secs(1));
        assert_eq!(retry(later).await.not_before, later, "{}", database.name);
    }
}

#[tokio::test]
async fn stopping_gives_leases_back() {
    for database in databases() {
        let mut bench = Bench::new(&database).await;
        bench.worker.pace.farewell = Duration::from_millis(50);
        let hub = bench.hub("one", lane_of(4)).await;
        let quiet = bench.add(hub, "quiet@example.com").await;
        let sent = bench.add(hub, "sent@example.com").await;
        bench.app.next("quiet@example.com", Behaviour::Hang);
        bench.app.next("sent@example.com", Behaviour::WorkThenHang);
        let stop = CancellationToken::new();
        let engine = tokio::spawn(Engine::pushing(bench.worker.clone()).run(stop.clone()));
        eventually("both are under way", SOON, async || bench.app.calls().len() == 2).await;
        stop.cancel();
        engine.await.unwrap();
        let quiet_task = bench.load(quiet).await;
        assert_eq!((quiet_task.status, quiet_task.verify_first), (TaskStatus::Queued, false), "{}", database.name);
        let sent_task = bench.load(sent).await;
        assert_eq!((sent_task.status, sent_task.verify_first), (TaskStatus::Retrying, true), "{}", database.name);
        assert_eq!((quiet_task.attempts, sent_task.attempts, sent_task.crashes), (0, 0, 0));

        bench.settle().await;
        assert_eq!(bench.load(sent).await.status, TaskStatus::Completed);
        assert_eq!(bench.app.accounts(hub, "sent@example.com").len(), 1, "{}", database.name);
    }
}

#[tokio::test]
async fn two_processes_share_the_work_and_one_dies() {
    for database in databases().into_iter().filter(|database| database.name == "postgres") {
        let bench = Bench::new(&database).await.hurry();
        let other = Bench::at(&database, Arc::clone(&bench.worker.clock)).await.hurry();
        let mut hubs = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let hub = bench.hub(name, lane_of(4)).await;
            bench.crowd(hub, 40).await;
            hubs.push(hub);
        }
        // Both see the same app.
        let mut twin = other.worker.clone();
        twin.connectors = Arc::clone(&bench.worker.connectors);
        let stop = CancellationToken::new();
        let dying = tokio::spawn(Engine::pushing(twin).run(stop.clone()));
        let living = tokio::spawn(Engine::pushing(bench.worker.clone()).run(stop.clone()));
        eventually("some are done", SOON, async || bench.count(TaskStatus::Completed).await > 20).await;
        dying.abort();
        eventually("all are done", SOON, async || bench.count(TaskStatus::Completed).await == 160).await;
        stop.cancel();
        living.await.unwrap();
        for hub in hubs {
            for n in 0..40 {
                let accounts = bench.app.accounts(hub, &format!("p{n}@{hub}.example"));
                assert_eq!(accounts.len(), 1, "one account for one person");
            }
        }
        let left = bench.count(TaskStatus::Started).await + bench.count(TaskStatus::Running).await;
        assert_eq!(left, 0, "nothing is left running");
    }
}

#[tokio::test]
async fn a_hub_that_goes_away_takes_its_attempt_along() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", lane_of(4)).await;
        let id = bench.add(hub, "ann@example.com").await;
        let claimed = bench.worker.claim(1, Company::Many).await.unwrap().tasks.remove(0);
        let workspace = bench.workspace;
        bench.worker.store.write(move |tx| hubs::delete(tx, workspace, hub)).await.unwrap();
        bench.worker.attempt(claimed, &CancellationToken::new()).await;
        assert_eq!(bench.load(id).await.status, TaskStatus::NotCompleted, "{}", database.name);
        let found = bench.worker.store.read(move |conn| hubs::load(conn, workspace, hub)).await;
        assert!(matches!(found, Err(StoreError::NotFound)));
    }
}
