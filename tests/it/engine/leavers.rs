//! People who left and are still present: an open problem after a day, whatever keeps them.

use std::time::Duration;

use scimhub::base::clock::{Micros, TestClock};
use scimhub::domain::hub::{HubMode, HubPolicy};
use scimhub::domain::member::{Bucket, Presence};
use scimhub::domain::problem::Cause;
use scimhub::domain::task::TaskKind;
use scimhub::store::problems::Problem;
use scimhub::store::{StoreError, hub_members, leavers, problems};

use super::bench::Bench;
use crate::support::databases;

const START: Micros = Micros(1_700_000_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

async fn open(bench: &Bench) -> Vec<Problem> {
    let workspace = bench.workspace;
    bench.worker.store.read(move |conn| problems::open(conn, workspace, 10)).await.unwrap()
}

#[tokio::test]
async fn a_leaver_still_present_after_a_day_is_a_problem_until_gone() {
    for database in databases() {
        let clock = TestClock::at(START);
        let bench = Bench::at(&database, clock.clone()).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let mut people = Vec::new();
        for name in ["ann", "bob", "cid", "dan"] {
            let task = bench.task(hub, &format!("{name}@example.com"), TaskKind::Add);
            people.push(task.user.unwrap());
            bench.put(task).await;
        }
        bench.settle().await;
        // Dan stays with the company; of the others one is exempted and one suspended.
        let (workspace, now, gone) = (bench.workspace, bench.now(), people[..3].to_vec());
        bench
            .worker
            .store
            .write(move |tx| {
                for user in &gone {
                    leavers::left(tx, workspace, *user, now)?;
                }
                let mut exempt = hub_members::by_user(tx, workspace, hub, gone[1])?.unwrap();
                exempt.bucket = Bucket::Exempted;
                hub_members::update(tx, workspace, &exempt, "test", now)?;
                let mut suspended = hub_members::by_user(tx, workspace, hub, gone[2])?.unwrap();
                suspended.known = Presence::Suspended;
                hub_members::update(tx, workspace, &suspended, "test", now)
            })
            .await
            .unwrap();
        clock.advance(HOUR * 23);
        assert!(bench.worker.look_for_leavers().await.unwrap(), "{}", database.name);
        assert_eq!(open(&bench).await, [], "{}: a day is not over", database.name);

        clock.advance(HOUR * 2);
        assert!(bench.twin().look_for_leavers().await.unwrap(), "{}", database.name);
        assert!(!bench.worker.look_for_leavers().await.unwrap(), "{}: one process at a time", database.name);
        let found = open(&bench).await;
        assert_eq!(found.len(), 1, "{}: {found:?}", database.name);
        assert_eq!((found[0].cause, found[0].occurrences), (Cause::LeaverPresent, 1), "{}", database.name);
        let since = bench.now().minus(HOUR * 24);
        let who =
            bench.worker.store.read(move |conn| leavers::present_in(conn, workspace, hub, since, 10)).await.unwrap();
        assert_eq!(who.iter().map(|one| one.user).collect::<Vec<_>>(), [people[0]], "{}", database.name);

        // Seen once more, it is the same problem; gone, it is closed; back at work, it is none.
        clock.advance(HOUR);
        bench.worker.look_for_leavers().await.unwrap();
        assert_eq!(open(&bench).await[0].opened_at, found[0].opened_at, "{}", database.name);
        let ann = people[0];
        bench.worker.store.write(move |tx| leavers::returned(tx, workspace, ann)).await.unwrap();
        clock.advance(HOUR);
        bench.worker.look_for_leavers().await.unwrap();
        assert_eq!(open(&bench).await, [], "{}", database.name);
    }
}

/// Of a hub that was removed nobody is found by looking, and its members' rows stay for auditors. Who had
/// left before is a problem of the removal, until they come back or a person says that they are gone.
#[tokio::test]
async fn a_removed_hub_has_no_leavers() {
    for database in databases() {
        let clock = TestClock::at(START);
        let bench = Bench::at(&database, clock.clone()).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let task = bench.task(hub, "ann@example.com", TaskKind::Add);
        let (workspace, user, now) = (bench.workspace, task.user.unwrap(), bench.now());
        bench.put(task).await;
        bench.settle().await;
        bench
            .worker
            .store
            .write(move |tx| {
                leavers::left(tx, workspace, user, now)?;
                scimhub::store::hubs::delete(tx, workspace, hub)?;
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        clock.advance(HOUR * 25);
        bench.worker.look_for_leavers().await.unwrap();
        assert_eq!(open(&bench).await, [], "{}", database.name);

        let at = bench.now();
        bench
            .worker
            .store
            .write(move |tx| problems::state(tx, workspace, hub, Cause::LeaverLeftBehind, "one is there", 1, at))
            .await
            .unwrap();
        clock.advance(HOUR);
        bench.worker.look_for_leavers().await.unwrap();
        assert_eq!(open(&bench).await.len(), 1, "{}: still there", database.name);
        bench.worker.store.write(move |tx| leavers::returned(tx, workspace, user)).await.unwrap();
        clock.advance(HOUR);
        bench.worker.look_for_leavers().await.unwrap();
        assert_eq!(open(&bench).await, [], "{}: back at work", database.name);
    }
}

/// Nothing is on its way in a hub that observes: there is no day to wait for.
#[tokio::test]
async fn a_managed_leaver_of_a_hub_that_observes_is_a_problem_before_a_day_is_over() {
    for database in databases() {
        let clock = TestClock::at(START);
        let bench = Bench::at(&database, clock.clone()).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let task = bench.task(hub, "ann@example.com", TaskKind::Add);
        let (workspace, user, now) = (bench.workspace, task.user.unwrap(), bench.now());
        bench.put(task).await;
        bench.settle().await;
        let mode = async |mode: HubMode| {
            let write = move |tx: &mut scimhub::store::Tx<'_>| {
                let mut hub = scimhub::store::hubs::load(tx, workspace, hub)?;
                hub.mode = mode;
                scimhub::store::hubs::update(tx, workspace, &hub, now)
            };
            bench.worker.store.write(write).await.unwrap();
        };
        bench.worker.store.write(move |tx| leavers::left(tx, workspace, user, now)).await.unwrap();
        clock.advance(HOUR);
        bench.worker.look_for_leavers().await.unwrap();
        assert_eq!(open(&bench).await, [], "{}: their removal is on its way", database.name);
        mode(HubMode::Observe).await;
        clock.advance(HOUR);
        bench.worker.look_for_leavers().await.unwrap();
        let found = open(&bench).await;
        assert_eq!((found.len(), found[0].cause), (1, Cause::LeaverPresent), "{}", database.name);
        assert!(found[0].message.contains("only observes"), "{found:?}");
        mode(HubMode::Active).await;
        clock.advance(HOUR);
        bench.worker.look_for_leavers().await.unwrap();
        assert_eq!(open(&bench).await, [], "{}", database.name);
    }
}
