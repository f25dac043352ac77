//! T-24 on real databases: what a wrong push can take away before a person looks.

use std::time::Duration;

use scimhub::domain::caller::Preset;
use scimhub::domain::mapping::SubjectName;
use scimhub::domain::task::TaskStatus;
use scimhub::store::{holds, mappings, marks};

use scimhub::base::clock::Clock;

use super::world::{SETTLE, World, change};

async fn reasons(world: &World) -> Vec<String> {
    let workspace = world.workspace;
    let open = world.store.read(move |conn| holds::all_open(conn, workspace)).await.unwrap();
    open.into_iter().map(|hold| hold.reason).collect()
}

#[tokio::test]
async fn t_24_an_emptied_group_takes_at_most_the_limit_and_the_rest_is_one_batch() {
    for world in World::each(Preset::Okta).await {
        let (group, people) = world.onboarded("viewer", 60).await;
        world.leave(group, &people).await;
        world.clock.advance(SETTLE + Duration::from_secs(1));
        let step = world.plan().await;
        assert_eq!((step.tasks, step.held), (60, 48), "{}", world.name());
        assert_eq!(reasons(&world).await, ["too_many_removals"], "{}", world.name());
        let held = world.tasks(&[TaskStatus::Held]).await;
        assert!(held.iter().all(|task| task.hold == held[0].hold), "{}", world.name());
        // Additions go on meanwhile.
        let more = world.users(3).await;
        world.join(group, &more).await;
        assert_eq!(world.plan().await.held, 0, "{}", world.name());
        // Who is named again is withdrawn from the batch.
        world.join(group, &people).await;
        world.plan().await;
        assert!(world.tasks(&[TaskStatus::Held]).await.is_empty(), "{}", world.name());
    }
}

#[tokio::test]
async fn t_24_removals_one_by_one_meet_the_same_limit_until_the_window_has_passed() {
    for world in World::each(Preset::Okta).await {
        let (group, people) = world.onboarded("viewer", 60).await;
        for user in &people[..20] {
            world.leave(group, &[*user]).await;
        }
        let mut gone = 0;
        world.clock.advance(SETTLE + Duration::from_secs(1));
        for _ in 0..20 {
            world.plan().await;
            gone += world.work().await;
        }
        assert_eq!(gone, 12, "{}", world.name());
        assert_eq!(world.tasks(&[TaskStatus::Held]).await.len(), 8, "{}", world.name());
        world.clock.advance(Duration::from_secs(11 * 60));
        world.leave(group, &[people[30]]).await;
        world.clock.advance(SETTLE + Duration::from_secs(1));
        world.plan().await;
        assert_eq!(world.tasks(&[TaskStatus::Queued]).await.len(), 1, "{}", world.name());
        assert_eq!(world.tasks(&[TaskStatus::Held]).await.len(), 8, "held stays held: {}", world.name());
    }
}

#[tokio::test]
async fn t_24_a_deleted_mapping_and_half_of_a_small_hub() {
    for world in World::each(Preset::Okta).await {
        let (_, people) = world.onboarded("viewer", 4).await;
        let mapping = world.tasks(&[]).await[0].reasons[0].mapping;
        let (workspace, hub, now) = (world.workspace, world.hub.id, world.clock.now());
        world
            .write(move |tx| {
                mappings::delete(tx, workspace, mapping)?;
                marks::hub_changed(tx, workspace, hub, &change("mapping_deleted", now))
            })
            .await;
        world.clock.advance(SETTLE * 2);
        let step = world.plan().await;
        assert_eq!((step.tasks, step.held), (people.len(), 3), "{}", world.name());
        assert_eq!(reasons(&world).await, ["half_of_hub"], "{}", world.name());
    }
}

#[tokio::test]
async fn the_last_admin_stays_and_a_leaver_goes_first() {
    for world in World::each(Preset::Okta).await {
        let (_, _) = world.onboarded("viewer", 30).await;
        let ann = world.user("ann@example.com").await;
        world.map(world.mapping(SubjectName::User("ann@example.com".into()), None, "admin")).await;
        world.settle().await;
        world.set_active(ann, false).await;
        assert_eq!(world.plan().await.held, 1, "{}", world.name());
        assert_eq!(reasons(&world).await, ["last_admin"], "{}", world.name());
    }
}

#[tokio::test]
async fn seats_beyond_the_hubs_number_wait() {
    for world in World::each(Preset::Okta).await {
        let mut hub = world.hub.clone();
        hub.policy.max_seats = Some(2);
        let (workspace, now) = (world.workspace, world.clock.now());
        world.write(move |tx| scimhub::store::hubs::update(tx, workspace, &hub, now)).await;
        let group = world.group("viewers").await;
        world.map_group("viewers", "viewer").await;
        world.join(group, &world.users(3).await).await;
        let step = world.plan().await;
        assert_eq!((step.tasks, step.held), (3, 1), "{}", world.name());
        assert_eq!(reasons(&world).await, ["max_seats"], "{}", world.name());
    }
}
