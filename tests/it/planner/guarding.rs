//! T-24 on real databases: what a wrong push can take away before a person looks.

use std::time::Duration;

use diesel::prelude::*;
use scimhub::base::clock::Clock;
use scimhub::base::ids::HoldId;
use scimhub::domain::caller::Preset;
use scimhub::domain::guard::HoldReason;
use scimhub::domain::hub::HubPolicy;
use scimhub::domain::mapping::{Mapping, SubjectName};
use scimhub::domain::member::Presence;
use scimhub::domain::task::TaskStatus;
use scimhub::store::passes::{self, Pass};
use scimhub::store::{StoreError, holds, mappings, marks};

use super::world::{SETTLE, World, change};
use crate::support::Database;

/// Why each open batch of the workspace is held.
pub async fn reasons(world: &World) -> Vec<String> {
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
async fn t_24_a_wish_that_changes_before_it_was_met_counts_once() {
    for world in World::each(Preset::Okta).await {
        let (viewers, people) = world.onboarded("viewer", 4).await;
        let editors = world.group("editors").await;
        world.map_group("editors", "editor").await;
        world.join(editors, &people[..1]).await;
        world.settle().await;
        let mut planned = Vec::new();
        for (group, user) in [(editors, people[0]), (viewers, people[0]), (viewers, people[1])] {
            world.leave(group, &[user]).await;
            world.clock.advance(SETTLE + Duration::from_secs(1));
            let step = world.plan().await;
            planned.push((step.tasks, step.superseded, step.held));
        }
        // Demoted, then to be removed instead: one of four. The next one would be half of them.
        assert_eq!(planned, [(1, 0, 0), (1, 1, 0), (1, 0, 1)], "{}", world.name());
        assert_eq!(reasons(&world).await, ["half_of_hub"], "{}", world.name());
    }
}

#[tokio::test]
async fn an_addition_in_another_role_before_it_was_made_takes_no_second_seat() {
    for world in World::each(Preset::Okta).await {
        let limits = HubPolicy { max_seats: Some(2), addition_limit: Some(2), ..HubPolicy::default() };
        world.set_policy(limits).await;
        let [viewers, editors] = [world.group("viewers").await, world.group("editors").await];
        world.map_group("viewers", "viewer").await;
        world.map_group("editors", "editor").await;
        let people = world.users(2).await;
        world.join(viewers, &people).await;
        let step = world.plan().await;
        assert_eq!((step.tasks, step.held), (2, 0), "{}", world.name());
        world.join(editors, &people[..1]).await;
        let step = world.plan().await;
        assert_eq!((step.tasks, step.superseded, step.held), (1, 1, 0), "{}", world.name());
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
async fn seats_beyond_the_hubs_number_wait_until_one_is_free() {
    for world in World::each(Preset::Okta).await {
        world.set_policy(HubPolicy { max_seats: Some(2), ..HubPolicy::default() }).await;
        let group = world.group("viewers").await;
        world.map_group("viewers", "viewer").await;
        let people = world.users(4).await;
        world.join(group, &people).await;
        let step = world.plan().await;
        assert_eq!((step.tasks, step.held), (4, 2), "{}", world.name());
        assert_eq!(reasons(&world).await, ["max_seats"], "{}", world.name());
        world.work().await;
        // Looked at again without a free seat: nothing moves, nothing is written anew.
        let held = world.tasks(&[TaskStatus::Held]).await;
        world.join(group, &people).await;
        assert_eq!(world.plan().await.tasks, 0, "{}", world.name());
        assert_eq!(world.tasks(&[TaskStatus::Held]).await, held, "{}", world.name());
        // Somebody leaves: the one who waited longest gets the seat.
        let first = held[0].user.unwrap();
        let seated = world.tasks(&[TaskStatus::Completed]).await[0].user.unwrap();
        world.set_active(seated, false).await;
        world.settle().await;
        assert_eq!(world.member(first).await.unwrap().known, Presence::Active, "{}", world.name());
        assert_eq!(world.tasks(&[TaskStatus::Held]).await.len(), 1, "{}", world.name());
        // A larger number is a person's word: the last one goes too.
        world.set_policy(HubPolicy { max_seats: Some(3), ..HubPolicy::default() }).await;
        world.settle().await;
        assert!(world.tasks(&[TaskStatus::Held]).await.is_empty(), "{}", world.name());
    }
}

#[tokio::test]
async fn a_burst_of_additions_waits_for_a_person_also_when_its_window_is_over() {
    for world in World::each(Preset::Okta).await {
        world.set_policy(HubPolicy { addition_limit: Some(3), ..HubPolicy::default() }).await;
        let group = world.group("viewers").await;
        world.map_group("viewers", "viewer").await;
        let people = world.users(5).await;
        for user in &people {
            world.join(group, &[*user]).await;
            world.plan().await;
            world.work().await;
        }
        assert_eq!(world.tasks(&[TaskStatus::Completed]).await.len(), 3, "{}", world.name());
        assert_eq!(reasons(&world).await, ["too_many_additions"], "{}", world.name());
        world.clock.advance(Duration::from_secs(3_600));
        world.join(group, &people).await;
        world.settle().await;
        assert_eq!(world.tasks(&[TaskStatus::Held]).await.len(), 2, "{}", world.name());
        // Others are counted in the new window.
        world.join(group, &world.users(1).await).await;
        assert_eq!(world.plan().await.held, 0, "{}", world.name());
    }
}

/// T-24 as it stands: a thousand requests that take one person each, two replicas planning, and four
/// hubs that each alone would let ever more go. What is pushed before anything is held is the limit.
#[tokio::test]
async fn t_24_a_thousand_leavers_one_by_one_with_two_replicas_planning() {
    for world in World::each(Preset::Okta).await {
        let others = [world.another_hub("two").await, world.another_hub("three").await];
        let group = world.group("viewer").await;
        world.map_group("viewer", "viewer").await;
        for hub in &others {
            world
                .map(Mapping { hub: hub.id, ..world.mapping(SubjectName::Group("viewer".into()), None, "viewer") })
                .await;
        }
        let people = world.users(1_000).await;
        world.join(group, &people).await;
        world.settle().await;
        let second = world.another_planner();
        let seated = world.tasks(&[TaskStatus::Completed]).await.len();
        assert_eq!(seated, 3_000, "{}", world.name());
        for some in people.chunks(10) {
            for user in some {
                world.set_active(*user, false).await;
            }
            let (one, two) = tokio::join!(world.planner.step(), second.step());
            one.unwrap();
            two.unwrap();
            world.work().await;
        }
        world.settle().await;
        let removed = world.tasks(&[TaskStatus::Completed]).await.split_off(seated);
        let gone: std::collections::BTreeSet<_> = removed.iter().filter_map(|task| task.user).collect();
        assert_eq!(gone.len(), 50, "5 % of 1,000 people: {}", world.name());
        // Who goes, goes everywhere.
        assert_eq!(removed.len(), 150, "{}", world.name());
        let held = world.tasks(&[TaskStatus::Held]).await;
        assert_eq!(held.len(), 2_850, "{}", world.name());
        assert_eq!(reasons(&world).await, ["too_many_people"; 3], "{}", world.name());
        assert!(world.tasks(&[TaskStatus::Queued, TaskStatus::Waiting]).await.is_empty(), "{}", world.name());
    }
}

#[tokio::test]
async fn what_a_person_lets_pass_until_a_time_goes_out_uncounted_and_is_held_again_after() {
    for world in World::each(Preset::Okta).await {
        let (group, people) = world.onboarded("viewer", 60).await;
        let (workspace, hub, until) = (world.workspace, world.hub.id, world.clock.now().plus(SETTLE * 20));
        let hold = HoldId::from_uuid(world.ids.next());
        let now = world.clock.now();
        world
            .write(move |tx| {
                let reason = HoldReason::TooMany;
                let pass = Pass { hub, reason, hold, until, given_by: "test".into(), note: None };
                passes::give(tx, workspace, &pass, now)
            })
            .await;
        world.leave(group, &people[..20]).await;
        world.clock.advance(SETTLE + Duration::from_secs(1));
        let step = world.plan().await;
        assert_eq!((step.tasks, step.held), (20, 0), "{}", world.name());
        let queued = world.tasks(&[TaskStatus::Queued]).await;
        assert_eq!(queued.iter().filter(|task| task.hold == Some(hold)).count(), 8, "{}", world.name());
        world.work().await;
        world.clock.advance(SETTLE * 20);
        world.leave(group, &people[20..40]).await;
        world.clock.advance(SETTLE + Duration::from_secs(1));
        // 40 are left: ten go, as if nothing had happened before.
        assert_eq!(world.plan().await.held, 10, "{}", world.name());
    }
}

/// The window is counted in an index that holds what was let out and nothing else.
#[tokio::test]
async fn counting_the_window_reads_only_what_the_guard_let_out() {
    let world = World::on(Database::sqlite(), Preset::Okta).await;
    let statement = "SELECT COUNT(*) FROM tasks WHERE workspace = 1 AND created_at > 2 AND hub_id = x'00' \
        AND hold_id IS NULL AND (kind = 'remove' OR priority = 20) AND cause <> 'by_hand' \
        AND status NOT IN ('held', 'superseded', 'cancelled')";
    let plan: Vec<Step> = world
        .store
        .read(move |conn| Ok::<_, StoreError>(diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(conn)?))
        .await
        .unwrap();
    assert!(plan.iter().all(|step| step.detail.contains("INDEX tasks_taken")), "{plan:?}");
}

#[derive(Debug, QueryableByName)]
struct Step {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}
