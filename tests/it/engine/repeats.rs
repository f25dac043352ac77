//! F-03: every step of an attempt done twice, and every database write of it failing once. The
//! second time is harmless, the failure costs time only: one effect, and nothing left running.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scimhub::base::ids::TaskId;
use scimhub::domain::hub::HubPolicy;
use scimhub::domain::task::{TaskKind, TaskStatus};
use scimhub::domain::task_states::TaskEvent;
use scimhub::engine::connector::Steps;
use scimhub::store::lanes::Company;
use scimhub::store::leases::{self, Change};
use scimhub::store::{StoreError, attempts};
use tokio_util::sync::CancellationToken;

use super::bench::Bench;
use crate::support::{Database, Refusal, databases, eventually};

const SOON: Duration = Duration::from_secs(30);
const ANN: &str = "ann@example.com";

/// Everything an attempt may write, from its claim to its record.
const WRITTEN: [&str; 7] =
    ["tasks", "attempts", "hub_lanes", "hub_members", "access_intervals", "reconcile_marks", "activity"];

async fn outcomes(bench: &Bench, id: TaskId) -> Vec<Option<String>> {
    let workspace = bench.workspace;
    let tries = bench.worker.store.read(move |conn| attempts::list(conn, workspace, id)).await.unwrap();
    tries.into_iter().map(|attempt| attempt.outcome).collect()
}

#[tokio::test]
async fn f03_every_step_twice() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let store = &bench.worker.store;
        let hub = bench.hub("one", HubPolicy::default()).await;

        let mut later = bench.task(hub, ANN, TaskKind::Add);
        later.status = TaskStatus::Waiting;
        let id = bench.put(later).await;
        let now = bench.now();
        for released in [1, 0] {
            let count = store.write(move |tx| leases::release_waiting_across_workspaces(tx, now)).await;
            assert_eq!(count.unwrap(), released, "{}: release", database.name);
        }

        let first = bench.worker.claim(9, Company::Many).await.unwrap().tasks.remove(0);
        let claimed = bench.load(id).await;
        assert!(bench.worker.claim(9, Company::Many).await.unwrap().tasks.is_empty(), "{}: claim", database.name);
        assert_eq!(bench.load(id).await, claimed, "{}: a second claim changes nothing", database.name);
        assert_eq!(outcomes(&bench, id).await, [None]);

        let lease = first.lease;
        for _ in 0..2 {
            store.write(move |tx| leases::show_running(tx, &lease, now)).await.unwrap();
            assert_eq!(bench.load(id).await.status, TaskStatus::Running, "{}", database.name);
        }

        let give_back = Change { spent: 1, ..Change::new(TaskEvent::TryAgain, now) };
        let again = give_back.clone();
        store.write(move |tx| leases::end(tx, &lease, &again)).await.unwrap();
        let given_back = bench.load(id).await;
        assert_eq!(given_back.attempts, 1);
        let second = store.write(move |tx| leases::end(tx, &lease, &give_back)).await;
        assert!(matches!(second, Err(StoreError::LeaseLost(_))), "{}: {second:?}", database.name);
        store.write(move |tx| leases::show_running(tx, &lease, now)).await.unwrap();
        assert_eq!(bench.load(id).await, given_back, "{}: the attempt is not counted twice", database.name);

        let claimed = bench.worker.claim(9, Company::Many).await.unwrap().tasks.remove(0);
        let lease = claimed.lease;
        bench.worker.attempt(claimed, &CancellationToken::new()).await;
        let done = bench.load(id).await;
        assert_eq!(done.status, TaskStatus::Completed, "{}", database.name);
        for event in [TaskEvent::Landed, TaskEvent::TryAgain, TaskEvent::Refused] {
            let change = Change::new(event, now);
            let second = store.write(move |tx| leases::end(tx, &lease, &change)).await;
            assert!(matches!(second, Err(StoreError::LeaseLost(_))), "{}: {second:?}", database.name);
        }
        store.write(move |tx| leases::show_running(tx, &lease, now)).await.unwrap();
        assert_eq!(bench.worker.sweep().await.unwrap(), 0, "{}: nothing is left to take back", database.name);
        assert_eq!(bench.load(id).await, done, "{}: done stays done", database.name);
        assert_eq!(bench.app.accounts(hub, ANN).len(), 1);
    }
}

/// Lifts a refusal when the record is tried for the second time.
#[derive(Debug)]
struct Mend {
    refusal: Mutex<Option<Refusal>>,
    records: AtomicUsize,
}

impl Steps for Mend {
    fn reached(&self, step: &'static str) {
        if step == "before_record" && self.records.fetch_add(1, Ordering::SeqCst) == 1 {
            drop(self.refusal.lock().unwrap().take());
        }
    }
}

/// Answers which of claim and record met the refusal.
async fn with_refusal(database: &Database, table: &'static str) -> Vec<&'static str> {
    let mut met = Vec::new();
    let mut bench = Bench::new(database).await;
    let hub = bench.hub(&table.replace('_', "-"), HubPolicy::default()).await;
    let id = bench.add(hub, ANN).await;
    let queued = bench.load(id).await;

    let refusal = Refusal::of(database, table);
    let mut claimed = match bench.worker.claim(9, Company::Many).await {
        Ok(taken) => taken.tasks,
        Err(_) => {
            met.push("claim");
            assert_eq!(bench.load(id).await, queued, "{}: half a claim, {table}", database.name);
            assert_eq!(outcomes(&bench, id).await, [], "{}: half a claim, {table}", database.name);
            Vec::new()
        }
    };
    refusal.lift();
    if claimed.is_empty() {
        claimed = bench.worker.claim(9, Company::Many).await.unwrap().tasks;
    }
    let claimed = claimed.remove(0);

    let refusal = Mutex::new(Some(Refusal::of(database, table)));
    let mend = Arc::new(Mend { refusal, records: AtomicUsize::new(0) });
    bench.worker.steps = mend.clone();
    bench.worker.attempt(claimed, &CancellationToken::new()).await;
    drop(mend.refusal.lock().unwrap().take());
    match mend.records.load(Ordering::SeqCst) {
        1 => {}
        2 => met.push("record"),
        more => panic!("{}: {table}: recorded {more} times", database.name),
    }
    let done = bench.load(id).await;
    assert_eq!((done.status, done.lease_boot, done.attempts), (TaskStatus::Completed, None, 1), "{table}");
    assert_eq!(outcomes(&bench, id).await, [Some(String::from("applied"))], "{}: {table}", database.name);
    assert_eq!((bench.app.applied(ANN), bench.app.accounts(hub, ANN).len()), (1, 1), "{table}");
    met
}

#[tokio::test]
async fn f03_every_write_of_claim_and_record_fails_once() {
    for database in databases() {
        let mut met = BTreeSet::new();
        for table in WRITTEN {
            met.extend(with_refusal(&database, table).await.into_iter().map(|step| (step, table)));
        }
        // Or the test shows nothing.
        let claim = [("claim", "tasks"), ("claim", "attempts"), ("claim", "hub_lanes")];
        let record = [("record", "tasks"), ("record", "attempts"), ("record", "hub_members"), ("record", "activity")];
        for write in claim.into_iter().chain(record) {
            assert!(met.contains(&write), "{}: {write:?} was never refused: {met:?}", database.name);
        }
    }
}

#[tokio::test]
async fn f03_every_write_of_taking_back_fails_once() {
    for database in databases() {
        for table in ["tasks", "attempts", "activity"] {
            let bench = Bench::new(&database).await.hurry();
            let hub = bench.hub(table, HubPolicy::default()).await;
            let id = bench.add(hub, ANN).await;
            // A process that claims and dies.
            assert_eq!(bench.twin().claim(9, Company::Many).await.unwrap().tasks.len(), 1);
            let held = bench.load(id).await;
            let refusal = Refusal::of(&database, table);
            let mut taken = Ok(0);
            eventually("the lease ran out", SOON, async || {
                taken = bench.worker.sweep().await;
                !matches!(taken, Ok(0))
            })
            .await;
            assert!(taken.is_err(), "{}: {table} is not written: {taken:?}", database.name);
            assert_eq!(bench.load(id).await, held, "{}: half taken back, {table}", database.name);
            refusal.lift();
            assert_eq!(bench.worker.sweep().await.unwrap(), 1, "{}: {table}", database.name);
            let back = bench.load(id).await;
            assert_eq!((back.status, back.crashes, back.verify_first), (TaskStatus::Retrying, 1, true), "{table}");
            assert_eq!(bench.worker.sweep().await.unwrap(), 0, "{}: taken back twice, {table}", database.name);
            assert_eq!(bench.load(id).await, back, "{}: {table}", database.name);
            eventually("it is done", SOON, async || {
                bench.worker.step().await.unwrap();
                bench.load(id).await.status == TaskStatus::Completed
            })
            .await;
            assert_eq!(bench.app.accounts(hub, ANN).len(), 1, "{}: {table}", database.name);
            assert_eq!(bench.count(TaskStatus::Started).await + bench.count(TaskStatus::Running).await, 0);
        }
    }
}
