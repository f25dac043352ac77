//! T-32: a long queue delays nobody else. One hub, or one workspace, has 100,000 tasks; another
//! has one. Order and counts are asserted, and the rows that a claim touches, never time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::{Connection, InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use scimhub::base::clock::{Micros, TestClock};
use scimhub::base::ids::{HubId, WorkspaceId};
use scimhub::base::limits::{LEAVER_AWAITED, LEAVER_TRIES, REDUCTION_LETS};
use scimhub::domain::breaker::{Breaker, State};
use scimhub::domain::hub::{HubMode, HubPolicy};
use scimhub::domain::plan::{PRIORITY_LEAVER, PRIORITY_REDUCE};
use scimhub::domain::task::{Task, TaskKind, TaskStatus};
use scimhub::engine::run::Engine;
use scimhub::store::claims::{self, Wish};
use scimhub::store::lanes::{self, Company, Locked};
use scimhub::store::{DbConn, StoreError, Tx, hubs, workspaces};
use tokio_util::sync::CancellationToken;

use super::bench::{Behaviour, Bench, wish};
use crate::support::{Database, databases, eventually};

const SOON: Duration = Duration::from_secs(30);
const FLOOD: usize = 100_000;

fn lane_of(most: u32) -> HubPolicy {
    HubPolicy { max_in_flight: most, ..HubPolicy::default() }
}

impl Bench {
    /// Queue `count` adds in a hub: one through the store, the others as copies of its row.
    async fn flood(&self, workspace: WorkspaceId, hub: HubId, count: usize) {
        let mut first = self.task(hub, "flood@example.com", TaskKind::Add);
        first.workspace = workspace;
        let id = self.put(first).await;
        let (numbers, new_id, own) = match self.database {
            "sqlite" => (
                format!("WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {}) ", count - 1),
                "randomblob(16)",
                format!("x'{}'", hex(&id.bytes())),
            ),
            _ => (
                format!("WITH n AS (SELECT generate_series(1, {}) AS n) ", count - 1),
                "decode(md5(n.n::TEXT || encode(t.id, 'hex')), 'hex')",
                format!("'\\x{}'", hex(&id.bytes())),
            ),
        };
        let sql = format!(
            "{numbers} INSERT INTO tasks (workspace, id, hub_id, subject, user_id, kind, status, cause, payload, reasons, \
             priority, not_before, created_at, modified_at) SELECT t.workspace, {new_id}, t.hub_id, t.subject || n.n, \
             t.user_id, t.kind, t.status, t.cause, t.payload, t.reasons, t.priority, t.not_before + n.n, t.created_at, \
             t.modified_at FROM tasks t, n WHERE t.id = {own}"
        );
        self.worker.store.write(move |tx| Ok::<_, StoreError>(tx.batch_execute(&sql)?)).await.unwrap();
    }

    /// Claim one; of which hub, and about whom.
    async fn next(&self) -> (HubId, String) {
        let mut taken = self.worker.claim(1, Company::Many).await.unwrap().tasks;
        let task = taken.pop().expect("something is ready").task;
        (task.hub, task.effect.principal.email)
    }

    /// Claim once, at most `most`; how many tasks of which hub.
    async fn claimed(&self, most: usize) -> BTreeMap<HubId, usize> {
        let mut found = BTreeMap::new();
        for claimed in self.worker.claim(most, Company::Many).await.unwrap().tasks {
            *found.entry(claimed.task.hub).or_default() += 1;
        }
        found
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test]
async fn t32_a_queue_of_100000_delays_no_other_hub_and_no_other_workspace() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let now = bench.now();
        let other = bench.worker.store.write(move |tx| workspaces::insert(tx, "other", now)).await.unwrap().id;
        let big = bench.hub("big", lane_of(400)).await;
        let small = bench.hub("small", lane_of(4)).await;
        let far = bench.hub_in(other, "far", lane_of(4)).await;
        bench.flood(bench.workspace, big, FLOOD).await;

        // Nobody else: the big one has every turn.
        for _ in 0..3 {
            assert_eq!(bench.claimed(10).await, BTreeMap::from([(big, 10)]), "{}", database.name);
        }
        // A hub with a single task is next, though 99,970 were there before it; then the turns go on.
        bench.add(small, "one@example.com").await;
        assert_eq!(bench.claimed(10).await, BTreeMap::from([(small, 1)]), "{}: next in line", database.name);
        assert_eq!(bench.claimed(10).await, BTreeMap::from([(big, 10)]), "{}", database.name);
        // Also where it was served last: at most one turn of the other lies between.
        bench.add(small, "two@example.com").await;
        bench.claimed(10).await;
        bench.add(small, "three@example.com").await;
        let turns = [bench.claimed(10).await, bench.claimed(10).await];
        assert!(turns.contains(&BTreeMap::from([(small, 1)])), "{}: {turns:?}", database.name);

        // The same between workspaces.
        let mut stranger = bench.task(far, "far@example.com", TaskKind::Add);
        stranger.workspace = other;
        bench.put(stranger).await;
        assert_eq!(bench.claimed(10).await, BTreeMap::from([(far, 1)]), "{}: the other workspace", database.name);
        assert_eq!(bench.claimed(10).await, BTreeMap::from([(big, 10)]), "{}", database.name);
    }
}

/// Who left goes first: before what waits longer in their hub, before hubs of the workspace whose turn it
/// would be, and between leavers the hubs take turns. Another workspace keeps its turns.
#[tokio::test]
async fn removals_of_leavers_go_before_everything_else_of_the_workspace() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let now = bench.now();
        let other = bench.worker.store.write(move |tx| workspaces::insert(tx, "other", now)).await.unwrap().id;
        let [a, b, c] =
            [bench.hub("a", lane_of(40)).await, bench.hub("b", lane_of(40)).await, bench.hub("c", lane_of(40)).await];
        let far = bench.hub_in(other, "far", lane_of(40)).await;
        for hub in [a, b, c] {
            bench.crowd(hub, 20).await;
        }
        // The hubs have had turns: A's is next, C's the last.
        let turns = [bench.next().await, bench.next().await, bench.next().await].map(|(hub, _)| hub);
        assert_eq!(turns, [a, b, c], "{}", database.name);

        // Somebody stays and loses something, somebody left: two of B, one of C, all put last of all.
        for (hub, email, priority) in [
            (b, "stays@example.com", PRIORITY_REDUCE),
            (b, "left-1@example.com", PRIORITY_LEAVER),
            (c, "left-2@example.com", PRIORITY_LEAVER),
            (b, "left-3@example.com", PRIORITY_LEAVER),
        ] {
            bench.put(Task { priority, ..bench.task(hub, email, TaskKind::Remove) }).await;
        }
        let gone: Vec<_> = [bench.next().await, bench.next().await, bench.next().await].into();
        let wanted = [(b, "left-1@example.com"), (c, "left-2@example.com"), (b, "left-3@example.com")]
            .map(|(h, e)| (h, e.to_owned()));
        assert_eq!(gone, wanted, "{}: leavers, and their hubs by turns", database.name);
        assert_eq!(bench.next().await.0, a, "{}: then whose turn it was", database.name);

        // One that left waits for nobody of its workspace, and another workspace's turn comes all the same.
        let mut stranger = bench.task(far, "far@example.com", TaskKind::Add);
        stranger.workspace = other;
        bench.put(stranger).await;
        for number in 4..9 {
            let email = format!("left-{number}@example.com");
            bench.put(Task { priority: PRIORITY_LEAVER, ..bench.task(c, &email, TaskKind::Remove) }).await;
        }
        let first = [bench.next().await, bench.next().await].map(|(hub, _)| hub);
        assert!(first.contains(&far) && first.contains(&c), "{}: {first:?}", database.name);
        for _ in 0..4 {
            assert_eq!(bench.next().await.0, c, "{}", database.name);
        }
    }
}

/// Whoever arrives goes before somebody who only moves, and not for as long as people keep arriving.
#[tokio::test]
async fn a_removal_lets_those_go_first_who_come_soon_after_it_and_nobody_else() {
    for database in databases() {
        let clock = TestClock::at(Micros(1_700_000_000_000_000));
        let bench = Bench::at(&database, clock.clone()).await;
        let hub = bench.hub("a", lane_of(40)).await;
        let remove = |email: &str, priority| Task { priority, ..bench.task(hub, email, TaskKind::Remove) };
        bench.put(remove("moves@example.com", PRIORITY_REDUCE)).await;
        clock.advance(REDUCTION_LETS / 2);
        bench.add(hub, "soon@example.com").await;
        clock.advance(REDUCTION_LETS);
        for late in ["late-1@example.com", "late-2@example.com"] {
            bench.add(hub, late).await;
            clock.advance(Duration::from_millis(1));
        }
        bench.put(remove("moves-too@example.com", PRIORITY_REDUCE)).await;
        bench.put(remove("left@example.com", PRIORITY_LEAVER)).await;
        let mut order = Vec::new();
        for _ in 0..6 {
            order.push(bench.next().await.1.trim_end_matches("@example.com").to_owned());
        }
        assert_eq!(order, ["left", "soon", "moves", "late-1", "late-2", "moves-too"], "{}", database.name);
    }
}

/// A removal of a leaver that was tried in vain is not overtaken while it waits to be tried again soon; one
/// that keeps failing holds nobody up, and other hubs never wait for it.
#[tokio::test]
async fn a_hub_waits_for_a_leaver_that_is_tried_again_soon_and_not_for_one_that_keeps_failing() {
    for database in databases() {
        let clock = TestClock::at(Micros(1_700_000_000_000_000));
        let bench = Bench::at(&database, clock.clone()).await;
        let [a, b] = [bench.hub("a", lane_of(40)).await, bench.hub("b", lane_of(40)).await];
        for hub in [a, b] {
            bench.crowd(hub, 10).await;
        }
        let second = Duration::from_secs(1);
        let retrying = |email: &str, attempts, pause| Task {
            priority: PRIORITY_LEAVER,
            status: TaskStatus::Retrying,
            attempts,
            not_before: bench.now().plus(pause),
            ..bench.task(a, email, TaskKind::Remove)
        };
        // Far off, or tried too often: the hub goes on.
        bench.put(retrying("often@example.com", LEAVER_TRIES + 1, second * 4)).await;
        bench.put(retrying("late@example.com", 1, LEAVER_AWAITED + second)).await;
        let turns = [bench.next().await.0, bench.next().await.0];
        assert_eq!(BTreeSet::from(turns), BTreeSet::from([a, b]), "{}", database.name);
        // Soon: only the other hub goes on until then, and then it is first.
        bench.put(retrying("soon@example.com", 2, second * 3)).await;
        for _ in 0..3 {
            assert_eq!(bench.next().await.0, b, "{}", database.name);
        }
        clock.advance(second * 3);
        assert_eq!(bench.next().await, (a, String::from("soon@example.com")), "{}", database.name);
    }
}

/// The same through a worker: of everything that was queued before, the app is told of leavers first.
#[tokio::test]
async fn an_app_hears_of_leavers_before_everything_that_was_queued_before() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let [a, b] = [bench.hub("a", lane_of(1)).await, bench.hub("b", lane_of(1)).await];
        for hub in [a, b] {
            bench.crowd(hub, 15).await;
        }
        for hub in [a, b] {
            for number in 0..3 {
                let email = format!("left-{number}@example.com");
                bench.put(Task { priority: PRIORITY_LEAVER, ..bench.task(hub, &email, TaskKind::Remove) }).await;
            }
        }
        bench.settle().await;
        let calls: Vec<_> = bench.app.calls().into_iter().filter(|call| call.0 == "apply").collect();
        assert_eq!(calls.len(), 36, "{}", database.name);
        for hub in [a, b] {
            let first: Vec<_> = calls.iter().filter(|call| call.1 == hub).take(3).map(|call| call.3).collect();
            assert_eq!(first, [TaskKind::Remove; 3], "{}: {calls:?}", database.name);
        }
    }
}

#[derive(QueryableByName)]
struct Touched {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// Rows of `tasks` and entries of its indexes that this connection has read lately.
const TOUCHED: &str = "SELECT (pg_stat_get_xact_tuples_returned('tasks'::regclass) \
     + pg_stat_get_xact_tuples_fetched('tasks'::regclass) \
     + COALESCE((SELECT SUM(pg_stat_get_xact_tuples_returned(i.indexrelid)) FROM pg_index i \
         WHERE i.indrelid = 'tasks'::regclass), 0))::BIGINT AS rows";

/// Ends a transaction without keeping anything.
enum Undo {
    Counted(usize, i64),
    Failed(StoreError),
}

impl From<StoreError> for Undo {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<diesel::result::Error> for Undo {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Bench {
    /// Claim ten and undo it: how many were taken, and how many rows of `tasks` that read
    /// (PostgreSQL).
    async fn cost_of_a_claim(&self) -> (usize, i64) {
        let worker = self.worker.clone();
        let ended = self.worker.store.write(move |tx| {
            let touched = |conn: &mut DbConn| diesel::sql_query(TOUCHED).get_result::<Touched>(conn);
            let before = touched(tx)?.rows;
            let wish = wish(&worker, 10, Company::Many);
            let wish = Wish { now: wish.now.plus(Duration::from_secs(1)), ..wish };
            let claim = claims::claim_across_workspaces(tx, &wish)?;
            Err::<(), _>(Undo::Counted(claim.tasks.len(), touched(tx)?.rows - before))
        });
        match ended.await {
            Err(Undo::Counted(taken, touched)) => (taken, touched),
            Err(Undo::Failed(error)) => panic!("{error}"),
            Ok(()) => unreachable!("it is always undone"),
        }
    }
}

async fn observe(bench: &Bench, hub: HubId) {
    let (workspace, now) = (bench.workspace, bench.now());
    bench
        .worker
        .store
        .write(move |tx| {
            let mut observing = hubs::load(tx, workspace, hub)?;
            observing.mode = HubMode::Observe;
            hubs::update(tx, workspace, &observing, now)
        })
        .await
        .unwrap();
}

/// A claim reads as many rows from 100,000 as from 100.
#[tokio::test]
async fn t32_the_cost_of_a_claim_does_not_grow_with_the_queue() {
    for database in databases().into_iter().filter(|database| database.name == "postgres") {
        let bench = Bench::new(&database).await;
        for name in ["a", "b", "c"] {
            let hub = bench.hub(name, lane_of(400)).await;
            bench.flood(bench.workspace, hub, 100).await;
        }
        let (taken, few) = bench.cost_of_a_claim().await;
        assert_eq!(taken, 10);
        let big = bench.hub("big", lane_of(400)).await;
        bench.flood(bench.workspace, big, FLOOD).await;
        for round in 0..8 {
            let (taken, many) = bench.cost_of_a_claim().await;
            assert_eq!(taken, 10, "round {round}");
            assert!(many <= few + 100, "{many} rows were read for ten tasks, {few} before the flood");
        }
        let _: Result<(), StoreError> = bench.worker.store.write(|tx| Ok(tx.batch_execute("ANALYZE tasks")?)).await;
        for _ in 0..4 {
            let (_, many) = bench.cost_of_a_claim().await;
            assert!(many <= few + 100, "{many} rows were read after ANALYZE, {few} before the flood");
        }
        for email in ["moves@example.com", "moves-too@example.com"] {
            let moves = bench.task(big, email, TaskKind::Remove);
            bench.put(Task { priority: PRIORITY_REDUCE, ..moves }).await;
            for _ in 0..4 {
                let (_, many) = bench.cost_of_a_claim().await;
                assert!(many <= few + 100, "{many} rows were read beside a removal, {few} before the flood");
            }
        }
        observe(&bench, big).await;
        for _ in 0..4 {
            let (_, many) = bench.cost_of_a_claim().await;
            assert!(many <= few + 100, "{many} rows were read beside an observed hub, {few} before the flood");
        }
    }
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// On SQLite nothing counts rows; but a claim's statements look every task up by the whole of an
/// index's leading columns, so none of them reads a queue.
#[tokio::test]
async fn t32_a_claim_on_sqlite_only_searches() {
    let database = Database::sqlite();
    let bench = Bench::new(&database).await;
    let hub = bench.hub("one", lane_of(400)).await;
    bench.crowd(hub, 20).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    for company in [Company::Many, Company::Alone] {
        let (worker, asked) = (bench.worker.clone(), Arc::clone(&asked));
        bench
            .worker
            .store
            .write(move |tx| {
                let noting = Arc::clone(&asked);
                tx.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                    if let InstrumentationEvent::StartQuery { query, .. } = event {
                        noting.lock().unwrap().push(query.to_string());
                    }
                });
                claims::claim_across_workspaces(tx, &wish(&worker, 10, company))?;
                tx.set_instrumentation(|_: InstrumentationEvent<'_>| {});
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }
    let asked: BTreeSet<_> =
        asked.lock().unwrap().iter().map(|sql| sql.split("-- binds").next().unwrap().to_owned()).collect();
    assert!(asked.iter().any(|sql| sql.contains("INDEXED BY tasks_ready")), "{asked:?}");
    for sql in asked {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let steps: Vec<Step> = bench
            .worker
            .store
            .read(move |conn| Ok::<_, StoreError>(diesel::sql_query(explain).load(conn)?))
            .await
            .unwrap();
        for Step { detail } in steps {
            let words: Vec<_> = detail.split(' ').collect();
            let of_tasks = matches!(words.as_slice(), [_, "t" | "r" | "tasks", ..]);
            let by_key = ["(workspace=? AND hub_id=?", "(workspace=? AND id=?"].iter().any(|key| detail.contains(key));
            assert!(!of_tasks || (words[0] == "SEARCH" && by_key), "{detail}\nin {sql}");
        }
    }
}

#[tokio::test]
async fn t32_hubs_on_trial_do_not_hide_one_that_can_be_served() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let workspace = bench.workspace;
        let healthy = bench.hub("healthy", lane_of(4)).await;
        bench.add(healthy, "first@example.com").await;
        assert_eq!(bench.claimed(10).await, BTreeMap::from([(healthy, 1)]));
        // More than a claim looks at: their apps are down, and each has its one trial under way.
        for number in 0..40 {
            let hub = bench.hub(&format!("down-{number}"), lane_of(4)).await;
            bench.crowd(hub, 3).await;
            let tripped = move |tx: &mut Tx<'_>| {
                let mut lane = lanes::lock(tx, workspace, hub, Locked::Wait)?.unwrap();
                lane.breaker = Breaker { state: State::Open, count: 5, until: Micros(1) };
                lanes::save(tx, workspace, hub, &lane)
            };
            bench.worker.store.write(tripped).await.unwrap();
            assert_eq!(bench.claimed(10).await, BTreeMap::from([(hub, 1)]), "{}: one trial", database.name);
        }
        bench.add(healthy, "second@example.com").await;
        assert_eq!(bench.claimed(10).await, BTreeMap::from([(healthy, 1)]), "{}", database.name);
        assert_eq!(bench.claimed(10).await, BTreeMap::new(), "{}: nobody tries twice at once", database.name);
    }
}

/// Thirty hubs whose apps never answer could hold every place of the process.
#[tokio::test]
async fn t32_a_workspace_of_silent_apps_leaves_places_for_others() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let now = bench.now();
        for number in 0..30 {
            let hub = bench.hub(&format!("silent-{number}"), lane_of(4)).await;
            for person in 0..4 {
                let email = format!("p{person}@silent-{number}.example");
                bench.app.always(&email, Behaviour::Hang);
                bench.add(hub, &email).await;
            }
        }
        let stop = CancellationToken::new();
        let engine = tokio::spawn(Engine::pushing(bench.worker.clone()).run(stop.clone()));
        let places = bench.worker.pace.in_flight;
        eventually("its share is taken", SOON, async || bench.app.calls().len() >= places / 2).await;
        let other = bench.worker.store.write(move |tx| workspaces::insert(tx, "other", now)).await.unwrap().id;
        let far = bench.hub_in(other, "far", lane_of(4)).await;
        let mut stranger = bench.task(far, "far@example.com", TaskKind::Add);
        stranger.workspace = other;
        bench.put(stranger).await;
        eventually("the other workspace's task is started", SOON, async || bench.app.applied("far@example.com") > 0)
            .await;
        let before = bench.app.calls().iter().filter(|call| call.1 != far).count();
        assert!(before < places, "{}: {before} of {places} places", database.name);
        engine.abort();
    }
}

/// A hub with a limit of calls a second goes at that pace, however rarely work is looked for.
#[tokio::test]
async fn a_limited_hub_is_served_as_often_as_it_may_be() {
    for database in databases() {
        let mut bench = Bench::new(&database).await;
        bench.worker.pace.poll = Duration::from_secs(600);
        let policy = HubPolicy { calls_per_second: Some(40.0), ..lane_of(4) };
        let hub = bench.hub("limited", policy).await;
        bench.crowd(hub, 12).await;
        let stop = CancellationToken::new();
        let engine = tokio::spawn(Engine::pushing(bench.worker.clone()).run(stop.clone()));
        eventually("all are pushed", SOON, async || bench.count(TaskStatus::Completed).await == 12).await;
        stop.cancel();
        engine.await.unwrap();
    }
}
