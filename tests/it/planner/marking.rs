//! Marks coalesce, wide marks expand, and nobody is forgotten.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::prelude::*;
use scimhub::base::clock::Clock;
use scimhub::domain::caller::Preset;
use scimhub::domain::hub::HubMode;
use scimhub::domain::task::TaskStatus;
use scimhub::store::{StoreError, marks, schema};

use super::world::{SETTLE, World, change};

/// Marks and wide marks there are.
pub async fn rows(world: &World) -> (i64, i64) {
    world
        .store
        .read(|conn| {
            let marks: i64 = schema::reconcile_marks::table.count().get_result(conn)?;
            let wide: i64 = schema::wide_marks::table.count().get_result(conn)?;
            Ok::<_, StoreError>((marks, wide))
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn repeated_events_are_one_mark_with_the_earliest_due_and_the_latest_settle() {
    for world in World::each(Preset::Okta).await {
        let group = world.group("viewers").await;
        world.map_group("viewers", "viewer").await;
        world.plan().await;
        let ann = world.user("ann@example.com").await;
        world.join(group, &[ann]).await;
        let first = world.mark(ann).await.unwrap();
        world.clock.advance(Duration::from_secs(5));
        world.join(group, &[ann]).await;
        world.leave(group, &[ann]).await;
        let last = world.mark(ann).await.unwrap();
        assert_eq!(rows(&world).await.0, 1, "{}", world.name());
        assert_eq!(last.due_at, first.due_at, "{}", world.name());
        assert_eq!(last.rev, first.rev + 2, "{}", world.name());
        assert!(last.settle_until > first.settle_until && last.settle_until <= world.clock.now().plus(SETTLE));
        assert_eq!((last.cause.as_str(), last.request_id.as_deref()), ("group_membership", Some("request-1")));
    }
}

#[tokio::test]
async fn a_mark_that_moved_is_not_deleted() {
    for world in World::each(Preset::Okta).await {
        let group = world.group("viewers").await;
        world.map_group("viewers", "viewer").await;
        let ann = world.user("ann@example.com").await;
        world.join(group, &[ann]).await;
        let seen = world.mark(ann).await.unwrap();
        world.join(group, &[ann]).await;
        let (workspace, hub) = (world.workspace, world.hub.id);
        let deleted = world.write(move |tx| marks::delete_seen(tx, workspace, hub, &[(ann, seen.rev)])).await;
        assert_eq!(deleted, 0, "{}", world.name());
        let rev = seen.rev + 1;
        let deleted = world.write(move |tx| marks::delete_seen(tx, workspace, hub, &[(ann, rev)])).await;
        assert_eq!(deleted, 1, "{}", world.name());
    }
}

#[tokio::test]
async fn many_pairs_are_one_wide_mark_and_all_are_planned() {
    for world in World::each(Preset::Okta).await {
        let group = world.group("viewers").await;
        world.map_group("viewers", "viewer").await;
        world.plan().await;
        let people = world.users(620).await;
        world.join(group, &people).await;
        assert_eq!(rows(&world).await, (0, 1), "{}", world.name());
        // A second event before the expansion begins costs no second row.
        world.join(group, &people).await;
        assert_eq!(rows(&world).await, (0, 1), "{}", world.name());
        let step = world.plan().await;
        assert_eq!((step.tasks, step.planned), (620, 620), "{}", world.name());
        assert_eq!(rows(&world).await, (0, 0), "{}", world.name());
        let planned: BTreeSet<_> =
            world.tasks(&[TaskStatus::Queued]).await.iter().filter_map(|task| task.user).collect();
        assert_eq!(planned, people.iter().copied().collect(), "{}", world.name());

        // Everybody out at once: the rows of members are gone, and still nobody is forgotten.
        world.work().await;
        world.plan().await;
        world.leave(group, &people).await;
        assert_eq!(rows(&world).await, (0, 1), "{}", world.name());
        world.clock.advance(SETTLE + Duration::from_secs(1));
        let step = world.plan().await;
        assert_eq!(step.tasks, 620, "{}", world.name());
        assert_eq!(step.tasks - step.held, 50, "fifty people of the workspace go, the rest waits: {}", world.name());
    }
}

#[tokio::test]
async fn a_new_wide_mark_is_written_while_the_old_one_is_being_expanded() {
    for world in World::each(Preset::Okta).await {
        let group = world.group("viewers").await;
        let people = world.users(450).await;
        world.join(group, &people).await;
        world.map_group("viewers", "viewer").await;
        let (workspace, hub, now) = (world.workspace, world.hub.id, world.clock.now());
        world.write(move |tx| scimhub::store::wide_marks::expand_batch(tx, workspace, hub, now)).await;
        assert_eq!(rows(&world).await, (200, 1), "{}", world.name());
        world.write(move |tx| marks::hub_changed(tx, workspace, hub, &change("mapping_changed", now))).await;
        assert_eq!(rows(&world).await, (200, 2), "{}", world.name());
        assert_eq!(world.plan().await.tasks, 450, "{}", world.name());
        assert_eq!(rows(&world).await, (0, 0), "{}", world.name());
    }
}

#[tokio::test]
async fn observing_and_paused_hubs_keep_their_marks_and_get_no_task() {
    for world in World::each(Preset::Okta).await {
        let group = world.group("viewers").await;
        world.map_group("viewers", "viewer").await;
        world.plan().await;
        let ann = world.user("ann@example.com").await;
        let mut hub = world.hub.clone();
        for (mode, paused) in [(HubMode::Observe, false), (HubMode::Active, true)] {
            (hub.mode, hub.paused) = (mode, paused);
            store_hub(&world, &hub).await;
            world.join(group, &[ann]).await;
            let step = world.plan().await;
            assert_eq!((step.planned, step.tasks), (0, 0), "{}", world.name());
            assert!(world.mark(ann).await.is_some(), "{}", world.name());
        }
        (hub.mode, hub.paused) = (HubMode::Active, false);
        store_hub(&world, &hub).await;
        assert_eq!(world.plan().await.tasks, 1, "{}", world.name());
    }
}

/// Store the hub's mode and pause, and nothing else.
pub async fn store_hub(world: &World, hub: &scimhub::domain::hub::Hub) {
    let (workspace, key, hub) = (world.workspace, hub.id, hub.clone());
    world
        .write(move |tx| {
            diesel::update(schema::hubs::table.find((workspace.0, key.bytes())))
                .set((
                    schema::hubs::mode.eq(if hub.mode == HubMode::Active { "active" } else { "observe" }),
                    schema::hubs::paused.eq(hub.paused),
                ))
                .execute(&mut **tx)?;
            Ok(())
        })
        .await;
}

/// What the planner asks for each batch is answered by an index, so that a batch costs the same
/// in a hub with ten tasks and with a million.
#[tokio::test]
async fn the_planners_questions_are_answered_by_an_index() {
    use diesel::sql_types::Text;
    #[derive(QueryableByName)]
    struct Plan {
        #[diesel(sql_type = Text)]
        detail: String,
    }
    let world = World::on(crate::support::Database::sqlite(), Preset::Okta).await;
    let open = "status IN ('queued', 'started', 'running', 'retrying', 'held', 'waiting', 'manual')";
    let cases = [
        (
            format!("SELECT * FROM tasks WHERE workspace = 1 AND hub_id = x'00' AND subject IN ('a', 'b') AND tasks.{open}"),
            "tasks_one_open",
        ),
        (
            "SELECT * FROM reconcile_marks WHERE workspace = 1 AND hub_id = x'00' AND due_at <= 1 ORDER BY due_at, user_id"
                .to_owned(),
            "reconcile_marks_due",
        ),
        (
            "SELECT * FROM hub_members WHERE workspace = 1 AND hub_id = x'00' AND user_id IS NULL AND email_key IN ('a')"
                .to_owned(),
            "hub_members_email",
        ),
        (
            "SELECT user_id FROM hub_members WHERE workspace = 1 AND hub_id = x'00' AND user_id > x'00' ORDER BY user_id"
                .to_owned(),
            "hub_members_user",
        ),
    ];
    for (sql, index) in cases {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let plan: Vec<Plan> =
            world.store.read(move |conn| Ok::<_, StoreError>(diesel::sql_query(explain).load(conn)?)).await.unwrap();
        let text: Vec<&str> = plan.iter().map(|line| line.detail.as_str()).collect();
        assert!(text.iter().any(|line| line.contains(index)), "{sql}: {text:?}");
        assert!(!text.iter().any(|line| line.contains("TEMP B-TREE")), "{sql}: {text:?}");
    }
}
