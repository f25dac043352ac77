//! Rules 4 to 7: what is planned, what the guard keeps back, what a decision ends, one open task.

use std::time::Duration;

use diesel::prelude::*;
use scimhub::base::clock::Clock as _;
use scimhub::base::ids::UserId;
use scimhub::domain::caller::Preset;
use scimhub::domain::decision::DecisionKind;
use scimhub::domain::hub::HubPolicy;
use scimhub::domain::mapping::{Mapping, SubjectName};
use scimhub::domain::member::Presence;
use scimhub::domain::task::{TaskKind, TaskStatus};
use scimhub::engine::connector::FailureClass;
use scimhub::engine::planner::PlannerStep;
use scimhub::store::task_moves::{self, ByHand};
use scimhub::store::tasks;
use scimhub::store::{StoreError, decisions, facts, hub_members, mappings, marks, released, schema};
use serde_json::{Value, json};

use crate::engine::bench::{Behaviour, Bench, failure};
use crate::hubs::{self, holding, mending};
use crate::planner::guarding::reasons;
use crate::planner::world::{SETTLE, World, change};
use crate::support::databases;
use crate::support::server::Server;

/// What an identity provider says about one person and two groups.
#[derive(Clone, Copy, Debug)]
enum Said {
    JoinsViewers,
    LeavesViewers,
    JoinsEditors,
    LeavesEditors,
}

#[tokio::test]
async fn rule_04_level_triggered() {
    use Said::{JoinsEditors, JoinsViewers, LeavesEditors, LeavesViewers};
    // All end with the same rows: an editor who is no viewer.
    let stories: [&[Said]; 6] = [
        &[JoinsEditors],
        &[JoinsEditors, JoinsEditors, LeavesViewers, JoinsEditors],
        &[JoinsViewers, JoinsEditors, LeavesViewers],
        &[JoinsEditors, JoinsViewers, LeavesViewers],
        &[JoinsViewers, LeavesViewers, LeavesViewers, JoinsEditors],
        &[JoinsEditors, JoinsViewers, LeavesEditors, JoinsEditors, LeavesViewers],
    ];
    for world in World::each(Preset::Okta).await {
        world.onboarded("viewer", 12).await;
        let viewers = world.group("some").await;
        let editors = world.group("editor").await;
        world.map_group("some", "viewer").await;
        world.map_group("editor", "editor").await;
        world.settle().await;
        for story in stories {
            for planned_between in [false, true] {
                let who = world.users(1).await;
                for said in story {
                    match said {
                        JoinsViewers => world.join(viewers, &who).await,
                        LeavesViewers => world.leave(viewers, &who).await,
                        JoinsEditors => world.join(editors, &who).await,
                        LeavesEditors => world.leave(editors, &who).await,
                    }
                    if planned_between {
                        world.settle().await;
                    }
                }
                world.clock.advance(SETTLE * 2);
                world.settle().await;
                let member = world.member(who[0]).await.unwrap();
                let told = format!("{}: {story:?}, planned between: {planned_between}", world.name());
                assert_eq!((member.known, member.known_role.as_deref()), (Presence::Active, Some("editor")), "{told}");
                assert_eq!(world.plan().await, PlannerStep::default(), "{told}: at rest");
            }
        }
        // The event says one thing, the rows another: the rows count.
        let (workspace, now) = (world.workspace, world.clock.now());
        let ann = world.tasks(&[TaskStatus::Completed]).await[0].user.unwrap();
        world.write(move |tx| marks::user_changed(tx, workspace, ann, &change("user_deleted", now))).await;
        world.clock.advance(SETTLE * 2);
        assert_eq!(world.plan().await.tasks, 0, "{}: planned from the event", world.name());
        one_planner_at_a_time(&world).await;
    }
}

/// Two replicas share the hubs, never one hub.
async fn one_planner_at_a_time(world: &World) {
    let viewers = world.group("crowd").await;
    world.map_group("crowd", "viewer").await;
    world.settle().await;
    let people = world.users(300).await;
    world.join(viewers, &people).await;
    let second = world.another_planner();
    if world.name() == "postgres" {
        let (workspace, hub) = (world.workspace, world.hub.id);
        let (locked, is_locked) = tokio::sync::oneshot::channel();
        let (go_on, may_go) = std::sync::mpsc::channel::<()>();
        let (mut locked, store) = (Some(locked), world.store.clone());
        let holder = tokio::spawn(async move {
            store
                .write(move |tx| {
                    assert!(facts::lock_hub(tx, workspace, hub)?);
                    if let Some(locked) = locked.take() {
                        locked.send(()).unwrap();
                    }
                    let _ = may_go.recv();
                    Ok::<_, StoreError>(())
                })
                .await
        });
        is_locked.await.unwrap();
        assert_eq!(second.step().await.unwrap(), PlannerStep::default(), "the hub is another planner's");
        drop(go_on);
        holder.await.unwrap().unwrap();
    }
    let (one, two) = tokio::join!(world.planner.step(), second.step());
    let late = world.plan().await;
    assert_eq!(one.unwrap().tasks + two.unwrap().tasks + late.tasks, 300, "{}", world.name());
    assert_eq!(world.tasks(&[TaskStatus::Queued]).await.len(), 300, "{}", world.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_05_the_guard() {
    // (managed, gone at once, let out, why the rest waits)
    let limits = [
        (100, 30, 20, "too_many_removals"),
        (40, 30, 10, "too_many_removals"),
        (4, 3, 1, "half_of_hub"),
        (1_000, 60, 50, "too_many_people"),
    ];
    for (managed, gone, out, why) in limits {
        for world in World::each(Preset::Okta).await {
            let (group, people) = world.onboarded("viewer", managed).await;
            if why == "too_many_people" {
                // So large a share of the hub that only the workspace's own limit is met.
                world.set_policy(HubPolicy { removal_percent: 100, ..HubPolicy::default() }).await;
            }
            world.leave(group, &people[..gone]).await;
            // One of them has left: first in line, and counted like the others.
            world.set_active(people[gone - 1], false).await;
            world.clock.advance(SETTLE + Duration::from_secs(1));
            let step = world.plan().await;
            let told = format!("{gone} of {managed} on {}", world.name());
            assert_eq!((step.tasks, step.held), (gone, gone - out), "{told}");
            assert_eq!(reasons(&world).await, [why], "{told}: one batch");
            let queued = world.tasks(&[TaskStatus::Queued]).await;
            assert!(queued.iter().any(|task| task.user == Some(people[gone - 1])), "{told}: the leaver goes");
        }
    }
    for world in World::each(Preset::Okta).await {
        what_a_person_released_does_not_count(&world).await;
    }
    for world in World::each(Preset::Okta).await {
        world.onboarded("viewer", 12).await;
        let ann = world.user("ann@example.com").await;
        world.map(world.mapping(SubjectName::User("ann@example.com".into()), None, "admin")).await;
        world.settle().await;
        world.set_active(ann, false).await;
        assert_eq!(world.plan().await.held, 1, "{}", world.name());
        assert_eq!(reasons(&world).await, ["last_admin"], "{}", world.name());
    }
    for (policy, why) in [
        (HubPolicy { max_seats: Some(2), ..HubPolicy::default() }, "max_seats"),
        (HubPolicy { addition_limit: Some(2), ..HubPolicy::default() }, "too_many_additions"),
    ] {
        for world in World::each(Preset::Okta).await {
            world.set_policy(policy.clone()).await;
            let group = world.group("viewers").await;
            world.map_group("viewers", "viewer").await;
            world.join(group, &world.users(5).await).await;
            assert_eq!(world.plan().await.held, 3, "{}: {why}", world.name());
            assert_eq!(reasons(&world).await, [why], "{}", world.name());
        }
    }
    a_person_decides().await;
}

/// Of 100, thirty go: twenty out, ten held and released. Fifty come, so that 28 of 140 may go in the
/// window: eight more do, and would not if those released counted.
async fn what_a_person_released_does_not_count(world: &World) {
    let (group, people) = world.onboarded("viewer", 100).await;
    world.leave(group, &people[..30]).await;
    world.clock.advance(SETTLE + Duration::from_secs(1));
    assert_eq!(world.plan().await.held, 10, "{}", world.name());
    let held = world.tasks(&[TaskStatus::Held]).await;
    let (workspace, hold, now) = (world.workspace, held[0].hold.unwrap(), world.clock.now());
    let ids: Vec<_> = held.iter().map(|task| task.id).collect();
    world.write(move |tx| released::release(tx, workspace, hold, &ids, now)).await;
    world.work().await;
    world.join(group, &world.users(50).await).await;
    world.settle().await;
    world.leave(group, &people[30..42]).await;
    world.clock.advance(SETTLE + Duration::from_secs(1));
    let step = world.plan().await;
    assert_eq!((step.tasks, step.held), (12, 4), "{}", world.name());
}

/// The identity provider gets its 2xx; a person releases one, then rejects the rest.
async fn a_person_decides() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let (editors, people) = holding::staffed(&admin, &scim, 20).await;
        // 204 for a removal and 200 for a leaver, checked inside.
        holding::leave(&scim, &editors, &people[..4]).await;
        hubs::tasks(&admin, "hub=wiki&status=held", 3).await;
        holding::deactivate(&scim, &people[10]).await;
        hubs::tasks(&admin, "hub=wiki&status=held", 4).await;
        let batch = admin.get("/api/v1/held").await.expect(200).json()["items"][0].clone();
        assert_eq!(batch["tasks"][0]["user"], people[10].as_str(), "leavers are listed first: {batch}");
        let at = |what: &str| format!("/api/v1/held/{}/{what}", batch["id"].as_str().unwrap());
        let one = json!({"tasks": [batch["tasks"][0]["id"]]});
        let left = admin.post(&at("release"), &one).await.expect(200).json();
        assert_eq!((&left["total"], &left["status"]), (&json!(3), &json!("open")), "{}", database.name);
        let left = admin.post(&at("reject"), &json!({"note": "a mistake"})).await.expect(200).json();
        assert_eq!((&left["total"], &left["status"]), (&json!(0), &json!("rejected")), "{}", database.name);
        hubs::tasks(&admin, "hub=wiki&status=cancelled", 3).await;
        hubs::tasks(&admin, "hub=wiki&status=manual&kind=remove", 2).await;
    }
}

/// Decide against the person's only queued task, as a service does.
async fn decide(world: &World, user: UserId, kind: DecisionKind) {
    let queued = world.tasks(&[TaskStatus::Queued]).await;
    let task = queued.into_iter().find(|task| task.user == Some(user)).unwrap();
    let (workspace, now) = (world.workspace, world.clock.now());
    world
        .write(move |tx| {
            let by = ByHand { actor: "token:1", note: Some("not yet"), now };
            assert!(task_moves::cancel(tx, workspace, task.id, &by)?);
            decisions::record(tx, &task, kind, by.actor, by.note, now)
        })
        .await;
}

async fn look_again(world: &World, user: UserId) -> usize {
    let (workspace, hub, now) = (world.workspace, world.hub.id, world.clock.now());
    world.write(move |tx| marks::touch(tx, workspace, hub, user, now)).await;
    world.plan().await.tasks
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_06_decisions_stick() {
    for world in World::each(Preset::Okta).await {
        let (viewers, people) = world.onboarded("viewer", 12).await;
        let editors = world.group("editor").await;
        let admins = world.group("admin").await;
        let to_editor = world.map_group("editor", "editor").await;
        world.map_group("admin", "admin").await;
        world.settle().await;
        let kinds = [DecisionKind::Rejected, DecisionKind::Cancelled, DecisionKind::Failed];
        for (user, kind) in people.iter().zip(kinds) {
            world.join(editors, &[*user]).await;
            assert_eq!(world.plan().await.tasks, 1, "{}", world.name());
            decide(&world, *user, kind).await;
            world.join(editors, &[*user]).await;
            assert_eq!(look_again(&world, *user).await, 0, "{}: {kind:?} sticks", world.name());
        }
        // Another wish for the first of them,
        world.join(admins, &people[..1]).await;
        assert_eq!(world.plan().await.tasks, 1, "{}: the entitlement changed", world.name());
        // another account than the one decided on for the second,
        let (workspace, now, user) = (world.workspace, world.clock.now(), people[1]);
        let mut member = world.member(user).await.unwrap();
        member.known_role = Some("admin".into());
        world.write(move |tx| hub_members::update(tx, workspace, &member, "sync", now)).await;
        world.clock.advance(SETTLE * 2);
        assert_eq!(look_again(&world, user).await, 1, "{}: what was seen in the app changed", world.name());
        // and another mapping for the third.
        world
            .write(move |tx| {
                let mapping = mappings::load(tx, workspace, to_editor)?;
                let mapping = Mapping { app_role: "admin".into(), ..mapping };
                mappings::update(tx, workspace, &mapping, now)?;
                marks::hub_changed(tx, workspace, mapping.hub, &change("mapping_changed", now))
            })
            .await;
        world.plan().await;
        let queued = world.tasks(&[TaskStatus::Queued]).await;
        assert!(queued.iter().any(|task| task.user == Some(people[2])), "{}: the mapping changed", world.name());
        let _ = viewers;
    }
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        bench.app.next("ann@example.com", Behaviour::Fail(failure(FailureClass::Invalid)));
        bench.add(hub, "ann@example.com").await;
        bench.settle().await;
        let kinds = schema::decisions::table.select(schema::decisions::kind);
        let kept: Vec<String> =
            bench.worker.store.read(move |conn| Ok::<_, StoreError>(kinds.load(conn)?)).await.unwrap();
        assert_eq!(kept, ["failed"], "{}: a refusal for good is a decision", database.name);
    }
    connection_and_retry().await;
}

/// Explain names who decided and why; `retry` ends a decision, and so does another connection.
async fn connection_and_retry() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = hubs::clients(&server);
        let app = mending::sandbox();
        // A credential that no longer works: the tasks wait, and can be cancelled.
        mending::sandbox_hub(&admin, "ads", &app.scim("ads"), "revoked").await;
        let ann = hubs::user(&scim, "ann@example.com").await;
        let bob = hubs::user(&scim, "bob@example.com").await;
        hubs::group(&scim, "editors", &[&ann, &bob]).await;
        let id_of = |tasks: &[Value], user: &str| {
            tasks.iter().find(|task| task["user"] == user).unwrap()["id"].as_str().unwrap().to_owned()
        };
        crate::support::eventually("the hub stands still", hubs::SOON, async || {
            let status = admin.get("/api/v1/status").await.expect(200).json();
            status["hubs"][0]["blocked"] == "auth_broken" && status["tasks"]["queued"] == 2
        })
        .await;
        let open = hubs::tasks(&admin, "hub=ads&status=queued", 2).await;
        for user in [&ann, &bob] {
            let path = format!("/api/v1/tasks/{}/cancel", id_of(&open, user));
            admin.post(&path, &json!({"note": "no seat"})).await.expect(200);
        }
        let why = admin.get(&format!("/api/v1/hubs/ads/users/{ann}/explain")).await.expect(200).json();
        assert_eq!((&why["decision"]["kind"], &why["decision"]["note"]), (&json!("cancelled"), &json!("no seat")));
        assert!(why["decision"]["by"].as_str().unwrap().starts_with("token:"), "{why}");
        // Another name for the hub is no other wish.
        admin.patch("/api/v1/hubs/ads", &json!({"label": "Ads"})).await.expect(200);
        admin.post(&format!("/api/v1/tasks/{}/retry", id_of(&open, &ann)), &json!({})).await.expect(200);
        hubs::tasks(&admin, "hub=ads&status=open", 1).await;
        let other = json!({"connection": {"base_url": app.scim("ads"), "token": {"secret": "OTHER"}},
            "secrets": {"OTHER": mending::GOOD}});
        admin.patch("/api/v1/hubs/ads", &other).await.expect(200);
        hubs::tasks(&admin, "hub=ads&status=completed", 2).await;
    }
}

#[tokio::test]
async fn rule_07_one_open_task() {
    for world in World::each(Preset::Okta).await {
        let (viewers, _) = world.onboarded("viewer", 12).await;
        let editors = world.group("editor").await;
        world.map_group("editor", "editor").await;
        world.settle().await;
        let ann = world.user("ann@example.com").await;
        world.join(viewers, &[ann]).await;
        world.plan().await;
        let first = world.tasks(&[TaskStatus::Queued]).await.remove(0);
        // The database itself takes no second one.
        let twin = scimhub::domain::task::Task {
            id: scimhub::base::ids::TaskId::from_uuid(world.ids.next()),
            ..first.clone()
        };
        let second = world.store.write(move |tx| tasks::insert(tx, &twin)).await;
        assert!(
            matches!(&second, Err(StoreError::Conflict { constraint }) if constraint == "tasks_one_open"),
            "{}: {second:?}",
            world.name()
        );
        // A newer wish takes its place and says so.
        world.join(editors, &[ann]).await;
        assert_eq!(world.plan().await.superseded, 1, "{}", world.name());
        let newer = world.tasks(&[TaskStatus::Queued]).await.remove(0);
        let old = world.tasks(&[TaskStatus::Superseded]).await.remove(0);
        assert_eq!((old.id, old.superseded_by), (first.id, Some(newer.id)), "{}", world.name());
        // While it runs, a wish stays a mark.
        world.put(&newer, TaskStatus::Running).await;
        world.leave(editors, &[ann]).await;
        world.clock.advance(SETTLE * 2);
        assert_eq!(world.plan().await.tasks, 0, "{}", world.name());
        assert!(world.mark(ann).await.is_some_and(|mark| mark.due_at > world.clock.now()), "{}", world.name());
    }
    the_end_of_an_attempt_wakes_the_wish().await;
}

async fn the_end_of_an_attempt_wakes_the_wish() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let task = bench.task(hub, "ann@example.com", TaskKind::Add);
        let (workspace, user) = (bench.workspace, task.user.unwrap());
        let far = bench.now().plus(Duration::from_secs(3_600));
        bench.worker.store.write(move |tx| marks::touch(tx, workspace, hub, user, far)).await.unwrap();
        bench.put(task).await;
        bench.settle().await;
        let mark = bench.worker.store.read(move |conn| marks::of_pair(conn, workspace, hub, user)).await.unwrap();
        assert!(mark.is_some_and(|mark| mark.due_at <= bench.now()), "{}: the wish sleeps on", database.name);
    }
}
