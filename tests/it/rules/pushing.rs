//! Rules 8, 9, 12 and 13: crashes, what a person must do, retries, and one problem for one cause.

use std::sync::Arc;
use std::time::Duration;

use scimhub::base::clock::{Clock as _, Micros, TestClock};
use scimhub::base::ids::{HubId, MemberId, UserId};
use scimhub::base::limits::{ATTEMPTS, LEAVER_PRESENT, RETRY_AFTER_CAP};
use scimhub::domain::hub::HubPolicy;
use scimhub::domain::member::{Bucket, Member, MemberStatus, Presence};
use scimhub::domain::problem::Cause;
use scimhub::domain::task::{TaskKind, TaskStatus};
use scimhub::engine::connector::{Failure, FailureClass};
use scimhub::store::lanes::Company;
use scimhub::store::{StoreError, hub_members, lanes, leavers, problems};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::engine::bench::{Behaviour, Bench, Fixed, failure};
use crate::engine::outcomes::causes;
use crate::hubs;
use crate::support::server::Server;
use crate::support::{databases, eventually};

const SOON: Duration = Duration::from_secs(30);
const START: Micros = Micros(1_700_000_000_000_000);
const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

#[tokio::test]
async fn rule_08_a_crash_may_have_sent() {
    for database in databases() {
        let bench = Bench::new(&database).await.hurry();
        let hub = bench.hub("one", HubPolicy::default()).await;
        // The process dies after the app did the work and before anybody heard of it.
        bench.app.next(ANN, Behaviour::WorkThenHang);
        let id = bench.add(hub, ANN).await;
        let claimed = bench.worker.claim(1, Company::Many).await.unwrap().tasks.remove(0);
        let deadline = claimed.deadline;
        assert!(bench.worker.pace.attempt < bench.worker.pace.lease(), "a deadline lies before its lease's end");
        let worker = bench.worker.clone();
        let dying = tokio::spawn(async move { worker.attempt(claimed, &CancellationToken::new()).await });
        eventually("the app has done it", SOON, async || bench.app.accounts(hub, ANN).len() == 1).await;
        dying.abort();
        // Another process knows of a SQLite file that its last one is gone; here it may be alive.
        bench.worker.sweep().await.unwrap();
        let status = bench.load(id).await.status;
        if bench.worker.clock.monotonic() < deadline {
            assert!(status != TaskStatus::Retrying, "{}: taken from somebody who may still send", database.name);
        }
        let twin = bench.twin();
        eventually("the lease runs out", SOON, async || {
            twin.sweep().await.unwrap();
            bench.load(id).await.status == TaskStatus::Retrying
        })
        .await;
        assert!(bench.load(id).await.verify_first, "{}", database.name);
        eventually("it is done", SOON, async || {
            twin.step().await.unwrap();
            bench.load(id).await.status == TaskStatus::Completed
        })
        .await;
        let calls: Vec<_> = bench.app.calls().iter().map(|call| call.0).collect();
        assert_eq!(calls, ["apply", "verify"], "{}: looked first, and did nothing twice", database.name);
        assert_eq!(bench.app.accounts(hub, ANN).len(), 1, "{}", database.name);

        // Somebody slow finds the deadline passed right before sending.
        let id = bench.add(hub, BOB).await;
        let slow = bench.worker.claim(1, Company::Many).await.unwrap().tasks.remove(0);
        eventually("the deadline", SOON, async || bench.worker.clock.monotonic() > slow.deadline).await;
        bench.worker.attempt(slow, &CancellationToken::new()).await;
        assert!(bench.app.accounts(hub, BOB).is_empty(), "{}: sent after the deadline", database.name);
        eventually("the next one does it", SOON, async || {
            twin.sweep().await.unwrap();
            twin.step().await.unwrap();
            bench.load(id).await.status == TaskStatus::Completed
        })
        .await;
        assert_eq!(bench.app.accounts(hub, BOB).len(), 1, "{}", database.name);
    }
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains("**The window that remains.**"), "the README names what cannot be prevented");
}

/// The other way such an item ends, a sync that sees the wanted state, has no test here: nothing
/// syncs yet.
#[tokio::test(flavor = "multi_thread")]
async fn rule_09_what_cannot_be_done_is_a_manual_item() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        bench.app.next(ANN, Behaviour::Fail(failure(FailureClass::NeedsHuman)));
        let id = bench.add(hub, ANN).await;
        bench.settle().await;
        let task = bench.load(id).await;
        assert_eq!(task.status, TaskStatus::Manual, "{}: neither done nor forgotten", database.name);
        assert_eq!(task.instructions.as_deref(), Some("add ann@example.com in one"), "{}", database.name);

        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        hubs::manual_hub(&admin, "wiki").await;
        hubs::mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        let ann = hubs::user(&scim, ANN).await;
        hubs::group(&scim, "editors", &[&ann]).await;
        let item = hubs::tasks(&admin, "hub=wiki&status=manual", 1).await.remove(0);
        let steps = item["instructions"].as_str().unwrap();
        assert!(steps.contains(ANN), "{}: steps for that person: {steps}", database.name);
        let done = format!("/api/v1/tasks/{}/done", item["id"].as_str().unwrap());
        admin.post(&done, &json!({})).await.expect(400);
        hubs::tasks(&admin, "hub=wiki&status=manual", 1).await;
        admin.post(&done, &json!({"note": "invited her"})).await.expect(200);
        let why = admin.get(&format!("/api/v1/hubs/wiki/users/{ann}/explain")).await.expect(200).json();
        assert_eq!((&why["known"]["known"], &why["known"]["role"]), (&json!("active"), &json!("member")));
        assert_eq!(why["access"][0]["evidence"], "by_hand", "{}: {why}", database.name);
    }
}

#[tokio::test]
async fn rule_12_retries() {
    for database in databases() {
        let clock = TestClock::at(START);
        let mut bench = Bench::at(&database, clock.clone()).await;
        // The largest number the dice show: each pause at its ceiling.
        bench.worker.dice = Arc::new(Fixed(1.0));
        let hub = bench.hub("one", HubPolicy::default()).await;
        bench.app.always(ANN, Behaviour::Fail(failure(FailureClass::Transient)));
        let id = bench.add(hub, ANN).await;
        let mut pauses = Vec::new();
        for attempt in 1..=ATTEMPTS {
            bench.settle().await;
            let task = bench.load(id).await;
            assert_eq!(task.attempts, attempt, "{}", database.name);
            pauses.push((task.not_before.0 - clock.now().0) / 1_000_000);
            clock.advance(Duration::from_secs(16 * 60));
        }
        pauses.pop();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900], "{}", database.name);
        assert_eq!(bench.load(id).await.status, TaskStatus::Manual, "{}: the twelfth asks a person", database.name);
        assert_eq!(scimhub::domain::retry::pause(4, 0.0), Duration::ZERO, "full jitter");

        rate_limits(&bench, &clock).await;
    }
}

/// A rate limit spends no attempt and is waited out, up to a day; beyond it the hub stands still
/// and says so. What waits by a rule of its app may wait for longer.
async fn rate_limits(bench: &Bench, clock: &TestClock) {
    let day = RETRY_AFTER_CAP;
    let hub = bench.hub("two", HubPolicy { max_in_flight: 1, ..HubPolicy::default() }).await;
    bench.app.next(BOB, Behaviour::Fail(Failure::rate_limited(Some(day), "tomorrow")));
    let id = bench.add(hub, BOB).await;
    bench.settle().await;
    assert_eq!(bench.load(id).await.attempts, 0, "{}", bench.database);
    clock.advance(day - Duration::from_secs(1));
    bench.settle().await;
    assert_eq!(bench.app.applied(BOB), 1, "{}: called too early", bench.database);
    clock.advance(Duration::from_secs(1));
    bench.settle().await;
    assert_eq!(bench.load(id).await.status, TaskStatus::Completed, "{}", bench.database);
    assert_eq!(bench.lane(hub).await.blocked_reason, None, "{}", bench.database);

    let week = Duration::from_secs(7 * 24 * 60 * 60);
    let mut waiting = bench.task(hub, "cid@example.com", TaskKind::Add);
    (waiting.status, waiting.not_before) = (TaskStatus::Waiting, bench.now().plus(week));
    let waiting = bench.put(waiting).await;
    clock.advance(week - Duration::from_secs(1));
    bench.worker.sweep().await.unwrap();
    bench.settle().await;
    assert_eq!(bench.app.applied("cid@example.com"), 0, "{}: seven days are seven days", bench.database);
    clock.advance(Duration::from_secs(1));
    bench.worker.sweep().await.unwrap();
    bench.settle().await;
    assert_eq!(bench.load(waiting).await.status, TaskStatus::Completed, "{}", bench.database);

    let more = day + Duration::from_secs(1);
    bench.app.next("eve@example.com", Behaviour::Fail(Failure::rate_limited(Some(more), "later")));
    let eve = bench.add(hub, "eve@example.com").await;
    bench.settle().await;
    assert_eq!((bench.load(eve).await.attempts, bench.load(eve).await.status), (0, TaskStatus::Queued));
    assert_eq!(bench.lane(hub).await.blocked_reason.as_deref(), Some("rate_limited"), "{}", bench.database);
    assert!(causes(bench).await.contains(&"rate_limited"), "{}: nobody is told", bench.database);
}

#[tokio::test]
async fn rule_13_many_failures_one_cause() {
    for database in databases() {
        let clock = TestClock::at(START);
        let bench = Bench::at(&database, clock.clone()).await;
        let (dead, other) =
            (bench.hub("dead", HubPolicy::default()).await, bench.hub("other", HubPolicy::default()).await);
        let people: Vec<String> = (0..200).map(|number| format!("p{number}@example.com")).collect();
        for email in &people {
            bench.app.always(email, Behaviour::Fail(failure(FailureClass::AuthBroken)));
            bench.add(dead, email).await;
        }
        bench.add(other, ANN).await;
        bench.settle().await;
        assert_eq!(causes(&bench).await, ["auth_broken"], "{}: a dead token is one problem", database.name);
        assert_eq!(bench.count(TaskStatus::Queued).await, 200, "{}: and nothing is lost", database.name);
        assert_eq!(bench.count(TaskStatus::Completed).await, 1, "{}: other hubs go on", database.name);

        // As `secret set` and `resume` do.
        bench.app.mend();
        let (workspace, now) = (bench.workspace, bench.now());
        bench
            .worker
            .store
            .write(move |tx| {
                problems::close(tx, workspace, dead, Some(Cause::AuthBroken), now)?;
                lanes::unblock(tx, workspace, dead)
            })
            .await
            .unwrap();
        bench.settle().await;
        assert_eq!(bench.count(TaskStatus::Completed).await, 201, "{}: its tasks go on", database.name);
        assert!(causes(&bench).await.is_empty(), "{}", database.name);
        a_leaver_still_present(&bench, &clock, dead).await;
    }
}

async fn a_leaver_still_present(bench: &Bench, clock: &TestClock, hub: HubId) {
    let (workspace, now) = (bench.workspace, bench.now());
    let user = UserId::from_uuid(bench.worker.ids.next());
    let member = Member {
        id: MemberId::from_uuid(bench.worker.ids.next()),
        hub,
        user: Some(user),
        remote_id: Some("r-leaver".into()),
        email_key: None,
        display: "Lea Ver".into(),
        bucket: Bucket::Onboarded,
        // Whatever keeps them: here that nobody manages the account.
        managed: false,
        protected: false,
        status: MemberStatus::Settled,
        hub_role: None,
        known: Presence::Active,
        known_role: None,
        known_assets: Vec::new(),
        known_at: now,
        reasons: Vec::new(),
    };
    let id = member.id;
    bench
        .worker
        .store
        .write(move |tx| {
            hub_members::insert(tx, workspace, &member, "sync", now)?;
            leavers::left(tx, workspace, user, now)
        })
        .await
        .unwrap();
    clock.advance(LEAVER_PRESENT - Duration::from_secs(1));
    assert!(bench.worker.look_for_leavers().await.unwrap(), "{}", bench.database);
    assert!(causes(bench).await.is_empty(), "{}: a day has not passed", bench.database);
    clock.advance(Duration::from_secs(60 * 60));
    assert!(bench.worker.look_for_leavers().await.unwrap(), "{}", bench.database);
    assert_eq!(causes(bench).await, ["leaver_present"], "{}", bench.database);
    // Nobody's word closes it, only their absence.
    let now = bench.now();
    bench
        .worker
        .store
        .write(move |tx| {
            let mut member = hub_members::load(tx, workspace, id)?;
            member.known = Presence::Absent;
            hub_members::update(tx, workspace, &member, "sync", now)?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    clock.advance(Duration::from_secs(60 * 60));
    bench.worker.look_for_leavers().await.unwrap();
    assert!(causes(bench).await.is_empty(), "{}", bench.database);
}
