//! A name binds once, to one group's id (DESIGN.md section 5).

use scimhub::domain::caller::Preset;
use scimhub::domain::mapping::{Binding, SubjectName};
use scimhub::domain::task::TaskStatus;
use scimhub::store::{StoreError, marks, sources};

use scimhub::base::clock::Clock;

use super::world::{World, change};

#[tokio::test]
async fn a_mapping_waits_for_its_group_and_takes_no_second_one() {
    for world in World::each(Preset::Okta).await {
        let mapping = world.map_group("Meta-Admins", "admin").await;
        assert_eq!(world.binding(mapping).await, Binding::Waiting, "{}", world.name());
        let group = world.group("meta-admins").await;
        assert_eq!(world.binding(mapping).await, Binding::Group(group), "{}", world.name());
        // A second group of that name, then a rename of the first: the binding stays.
        world.group("Meta-Admins").await;
        assert_eq!(world.binding(mapping).await, Binding::Group(group), "{}", world.name());
        let (workspace, source, now) = (world.workspace, world.source, world.clock.now());
        world
            .write(move |tx| {
                marks::group_arrived(tx, workspace, source, group, "renamed", None, &change("group_renamed", now))
            })
            .await;
        assert_eq!(world.binding(mapping).await, Binding::Group(group), "{}", world.name());
        let ann = world.user("ann@example.com").await;
        world.join(group, &[ann]).await;
        world.plan().await;
        assert_eq!(world.words(&[TaskStatus::Queued]).await, ["ADD admin"], "{}", world.name());
    }
}

#[tokio::test]
async fn a_name_that_two_sources_bear_needs_the_source() {
    for world in World::each(Preset::Okta).await {
        let (workspace, now) = (world.workspace, world.clock.now());
        let other = world
            .store
            .write(move |tx| {
                Ok::<_, StoreError>(sources::insert(tx, workspace, "second", Preset::Entra, false, now)?.id)
            })
            .await
            .unwrap();
        let here = world.group("sales").await;
        let there = world.group_of(other, "Sales").await;
        let unclear = world.map_group("sales", "viewer").await;
        let name = || SubjectName::Group("sales".into());
        let first = world.map(world.mapping(name(), Some(world.source), "viewer")).await;
        let second = world.map(world.mapping(name(), Some(other), "viewer")).await;
        let by_id = world.map(world.mapping(SubjectName::GroupId(there), None, "viewer")).await;
        assert_eq!(world.binding(unclear).await, Binding::Waiting, "{}", world.name());
        assert_eq!(world.binding(first).await, Binding::Group(here), "{}", world.name());
        assert_eq!(world.binding(second).await, Binding::Group(there), "{}", world.name());
        assert_eq!(world.binding(by_id).await, Binding::Group(there), "{}", world.name());
    }
}

#[tokio::test]
async fn a_share_waits_for_its_user() {
    for world in World::each(Preset::Okta).await {
        let mapping = world.map(world.mapping(SubjectName::User("Ann@Example.com".into()), None, "editor")).await;
        world.plan().await;
        assert_eq!(world.binding(mapping).await, Binding::Waiting, "{}", world.name());
        let ann = world.user("ann@example.com").await;
        assert_eq!(world.binding(mapping).await, Binding::User(ann), "{}", world.name());
        world.plan().await;
        assert_eq!(world.words(&[TaskStatus::Queued]).await, ["ADD editor"], "{}", world.name());
    }
}

#[tokio::test]
async fn a_deleted_group_holds_its_removals_and_its_name_binds_nobody_new() {
    for world in World::each(Preset::Okta).await {
        let (group, people) = world.onboarded("editor", 1).await;
        let mapping = world.tasks(&[]).await[0].reasons[0].mapping;
        world.delete_group(group).await;
        assert_eq!(world.binding(mapping).await, Binding::Gone, "{}", world.name());
        world.group("editor").await;
        assert_eq!(world.binding(mapping).await, Binding::Gone, "{}", world.name());
        world.clock.advance(super::world::SETTLE * 2);
        assert_eq!(world.plan().await.held, 1, "{}", world.name());
        let held = world.tasks(&[TaskStatus::Held]).await;
        let (workspace, id) = (world.workspace, held[0].hold.unwrap());
        let hold = world.store.read(move |conn| scimhub::store::holds::load(conn, workspace, id)).await.unwrap();
        assert_eq!((hold.reason.as_str(), hold.status.as_str()), ("group_deleted", "open"), "{}", world.name());
        // Somebody who leaves the company leaves, whatever became of the group: but a held
        // removal stays in its batch, where leavers are listed first.
        world.set_active(people[0], false).await;
        world.plan().await;
        assert_eq!(world.tasks(&[TaskStatus::Held]).await.len(), 1, "{}", world.name());
    }
}
