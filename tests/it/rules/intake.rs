//! Rules 1 to 3: what the identity provider is told, what it costs, and how long a removal waits.

use std::time::Duration;

use diesel::prelude::*;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use scimhub::base::clock::Clock as _;
use scimhub::base::ids::UserId;
use scimhub::base::limits::{DIRECT_MARKS, WIDE_MARK_BATCH};
use scimhub::domain::caller::Preset;
use scimhub::domain::catalog::Catalog;
use scimhub::domain::task::TaskStatus;
use scimhub::service::hubs;
use scimhub::store::{StoreError, hubs as hub_rows, marks, schema, wide_marks};
use serde_json::json;

use crate::fault::stage::{Stage, joining, person};
use crate::planner::marking::rows;
use crate::planner::world::{SETTLE, World};
use crate::support::{Refusal, databases, eventually};

const SOON: Duration = Duration::from_secs(60);

/// Users of that name, memberships and marks in the database, whoever serves it.
async fn stored(stage: &Stage<'_>, name: &str) -> (i64, i64, i64) {
    let name = name.to_owned();
    stage
        .store
        .read(move |conn| {
            let users = schema::users::table.filter(schema::users::user_name.eq(name)).count().get_result(conn)?;
            let members = schema::memberships::table.count().get_result(conn)?;
            let marks = schema::reconcile_marks::table.count().get_result(conn)?;
            Ok::<_, StoreError>((users, members, marks))
        })
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_01_acknowledged_means_committed() {
    for database in databases() {
        let stage = Stage::set(&database, &["box-one"]);
        let server = stage.start_as(&[], &["--paused"]);
        let idp = stage.client();
        let ann = idp.create_user("ann@example.com").await;
        let staff = idp.create_group("staff").await;
        idp.join(&staff, std::slice::from_ref(&ann)).await;
        server.kill();
        assert_eq!(stored(&stage, "ann@example.com").await, (1, 1, 1), "{}: answered, then killed", database.name);

        // Where the mark cannot be written the change is not made either.
        let server = stage.start_as(&[], &["--paused"]);
        let bob = idp.create_user("bob@example.com").await;
        let refusal = Refusal::of(&database, "reconcile_marks");
        let path = format!("/scim/v2/Groups/{staff}");
        let answer = idp.once("PATCH", &path, &joining(std::slice::from_ref(&bob))).await;
        refusal.lift();
        assert!(answer.is_some_and(|status| status >= 500), "{}: {answer:?}", database.name);
        assert_eq!(stored(&stage, "bob@example.com").await, (1, 1, 1), "{}: half a change", database.name);

        // "Taken" rests on somebody's create: once it is said, that one is there to stay.
        let eve = person("eve@example.com");
        let mut tries: FuturesUnordered<_> = (0..8).map(|_| idp.ask("POST", "/scim/v2/Users", &eve)).collect();
        let mut refused = false;
        while let Some(answer) = tries.next().await {
            if answer.is_ok_and(|(status, _)| status == 409) {
                refused = true;
                break;
            }
        }
        server.kill();
        assert!(refused, "{}: eight created one userName", database.name);
        assert_eq!(stored(&stage, "eve@example.com").await.0, 1, "{}: refused for nobody", database.name);
        drop(tries);

        // An app that does not answer keeps no identity provider waiting.
        let server = stage.start(&[]);
        assert!(server.run(&["resume"]).status.success());
        let slow = json!({"match": "POST Users", "times": 0, "delay_after_ms": 60_000});
        stage.app.fault(&slow).unwrap();
        idp.join(&staff, std::slice::from_ref(&bob)).await;
        eventually("the app is called and silent", SOON, async || stage.effects() > 0).await;
        let late = tokio::time::timeout(Duration::from_secs(30), idp.create_user("late@example.com")).await;
        assert!(late.is_ok(), "{}: waited for the app", database.name);
    }
}

/// The users with a mark, in the order of keys.
async fn marked(world: &World) -> Vec<Vec<u8>> {
    let workspace = world.workspace;
    world
        .store
        .read(move |conn| {
            let mine = schema::reconcile_marks::table.filter(schema::reconcile_marks::workspace.eq(workspace.0));
            let users = schema::reconcile_marks::user_id;
            Ok::<_, StoreError>(mine.order(users).select(users).load(conn)?)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn rule_02_a_request_costs_its_delta() {
    for world in World::each(Preset::Okta).await {
        let group = world.group("viewers").await;
        world.map_group("viewers", "viewer").await;
        world.plan().await;
        let most = world.users(DIRECT_MARKS).await;
        world.join(group, &most).await;
        assert_eq!(rows(&world).await, (500, 0), "{}: up to 500 pairs are marks", world.name());
        let first = world.mark(most[0]).await.unwrap();
        world.join(group, &most).await;
        assert_eq!(rows(&world).await, (500, 0), "{}: repeated events coalesce", world.name());
        assert_eq!(world.mark(most[0]).await.unwrap().rev, first.rev + 1, "{}", world.name());
        world.settle().await;
        // One more in a group of 500: one row.
        world.join(group, &world.users(1).await).await;
        assert_eq!(rows(&world).await, (1, 0), "{}", world.name());
        world.settle().await;

        let crowd = world.users(DIRECT_MARKS + 1).await;
        world.join(group, &crowd).await;
        assert_eq!(rows(&world).await, (0, 1), "{}: above that one wide mark", world.name());
        let mut all: Vec<Vec<u8>> = most.iter().chain(&crowd).map(|user| user.bytes()).collect();
        all.extend(members(&world).await);
        all.sort();
        all.dedup();
        let batch = usize::try_from(WIDE_MARK_BATCH).unwrap();
        for round in 1..=2 {
            let (workspace, hub, now) = (world.workspace, world.hub.id, world.clock.now());
            world.write(move |tx| wide_marks::expand_batch(tx, workspace, hub, now)).await;
            assert_eq!(marked(&world).await, all[..round * batch], "{}: in key order, 200 at a time", world.name());
        }
        assert_eq!(world.plan().await.tasks, crowd.len(), "{}: and nobody is forgotten", world.name());
        assert_eq!(rows(&world).await, (0, 0), "{}", world.name());
    }
}

/// Everybody the hub has a row for.
async fn members(world: &World) -> Vec<Vec<u8>> {
    world
        .store
        .read(|conn| {
            let users = schema::hub_members::user_id.assume_not_null();
            let known = schema::hub_members::table.filter(schema::hub_members::user_id.is_not_null());
            Ok::<_, StoreError>(known.select(users).load(conn)?)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn rule_03_settling() {
    for world in World::each(Preset::Okta).await {
        let (viewers, people) = world.onboarded("viewer", 12).await;
        let editors = world.group("editor").await;
        world.map_group("editor", "editor").await;
        world.settle().await;
        let done = world.tasks(&[]).await.len();
        let new = async || world.tasks(&[]).await.split_off(done);
        let [ann, bob, cid, dan] = [people[0], people[1], people[2], people[3]];

        // Removed here, added there, in any order: one role update, and an upgrade goes at once.
        world.leave(viewers, &[ann]).await;
        assert_eq!(world.plan().await.tasks, 0, "{}: a removal waits", world.name());
        world.join(editors, &[ann]).await;
        world.join(editors, &[bob]).await;
        world.leave(viewers, &[bob]).await;
        world.plan().await;
        assert_eq!(world.words(&[TaskStatus::Queued]).await, ["UPDATE editor"; 2], "{}", world.name());
        world.settle().await;
        world.clock.advance(SETTLE * 2);
        world.settle().await;
        assert_eq!(new().await.len(), 2, "{}: nothing else follows", world.name());

        // The other way round it is a downgrade, which waits for its moment and is one task too.
        world.leave(editors, &[ann]).await;
        world.clock.advance(SETTLE / 2);
        world.join(viewers, &[ann]).await;
        let settle = world.mark(ann).await.unwrap().settle_until;
        assert_eq!(world.plan().await.tasks, 0, "{}: a downgrade waits", world.name());
        world.clock.advance(Duration::from_micros(u64::try_from(settle.0 - world.clock.now().0 - 1).unwrap()));
        assert_eq!(world.plan().await.tasks, 0, "{}: not a microsecond early", world.name());
        world.clock.advance(Duration::from_micros(1));
        assert_eq!(world.plan().await.tasks, 1, "{}", world.name());
        assert_eq!(world.words(&[TaskStatus::Queued]).await, ["UPDATE viewer"], "{}", world.name());
        world.settle().await;

        // Leavers do not wait: inactive and deleted.
        world.set_active(cid, false).await;
        world.delete_user(dan).await;
        world.plan().await;
        assert_eq!(world.words(&[TaskStatus::Queued]).await, ["REMOVE"; 2], "{}", world.name());
        settle_rows(&world, viewers, people[5]).await;
        defaults(&world).await;
    }
}

/// Earliest due, latest settle, a revision more; deleted only at the revision that was seen.
async fn settle_rows(world: &World, viewers: scimhub::base::ids::GroupId, user: UserId) {
    world.leave(viewers, &[user]).await;
    let seen = world.mark(user).await.unwrap();
    world.clock.advance(Duration::from_secs(5));
    world.join(viewers, &[user]).await;
    let now = world.mark(user).await.unwrap();
    assert_eq!((now.due_at, now.rev), (seen.due_at, seen.rev + 1), "{}", world.name());
    assert!(now.settle_until > seen.settle_until, "{}", world.name());
    let (workspace, hub) = (world.workspace, world.hub.id);
    let deleted = world.write(move |tx| marks::delete_seen(tx, workspace, hub, &[(user, seen.rev)])).await;
    assert_eq!(deleted, 0, "{}: an event nobody looked at was lost", world.name());
}

/// 60 s where adding again is silent, 45 min where it costs an invitation.
async fn defaults(world: &World) {
    let (context, caller) = world.service(Catalog::builtin().unwrap()).await;
    for (app, seconds) in [("sandbox", 60), ("manual", 45 * 60)] {
        let mut wish = json!({"id": format!("new-{app}"), "app": app});
        if app == "sandbox" {
            wish["connection"] = json!({"base_url": "http://127.0.0.1:9/scim/v2", "token": {"secret": "TOKEN"}});
        }
        hubs::create(&context, &caller, serde_json::from_value(wish).unwrap()).await.unwrap();
        let workspace = world.workspace;
        let made =
            world.store.read(move |conn| hub_rows::by_slug(conn, workspace, &format!("new-{app}"))).await.unwrap();
        assert_eq!(made.settle, Duration::from_secs(seconds), "{}: {app}", world.name());
    }
}
