//! From marks to tasks: settling, one open task, superseding, what waits and what ends.

use std::time::Duration;

use diesel::prelude::*;
use scimhub::base::clock::Clock;
use scimhub::base::ids::MemberId;
use scimhub::domain::caller::Preset;
use scimhub::domain::decision::DecisionKind;
use scimhub::domain::mapping::SubjectName;
use scimhub::domain::member::{Bucket, Member, MemberStatus, Presence};
use scimhub::domain::task::TaskStatus;
use scimhub::store::{StoreError, decisions, hub_members, marks, schema, task_moves};

use super::world::{SETTLE, World};

#[tokio::test]
async fn a_move_between_groups_is_one_update_in_either_order() {
    for leave_first in [true, false] {
        for world in World::each(Preset::Okta).await {
            let (viewers, people) = world.onboarded("viewer", 1).await;
            let editors = world.group("editor").await;
            world.map_group("editor", "editor").await;
            world.settle().await;
            if leave_first {
                world.leave(viewers, &people).await;
                world.plan().await;
                world.join(editors, &people).await;
            } else {
                world.join(editors, &people).await;
                world.plan().await;
                world.leave(viewers, &people).await;
            }
            world.settle().await;
            world.clock.advance(SETTLE * 2);
            world.settle().await;
            let words = world.words(&[TaskStatus::Completed]).await;
            assert_eq!(words, ["ADD viewer", "UPDATE editor"], "{} {leave_first}", world.name());
            assert_eq!(world.words(&[]).await.len(), 2, "nothing else was ever planned: {}", world.name());
        }
    }
}

#[tokio::test]
async fn a_removal_waits_out_the_settle_time_and_a_leaver_does_not() {
    for world in World::each(Preset::Okta).await {
        let (group, people) = world.onboarded("viewer", 2).await;
        world.leave(group, &people[..1]).await;
        world.plan().await;
        assert!(world.words(&[TaskStatus::Queued]).await.is_empty(), "{}", world.name());
        world.set_active(people[1], false).await;
        world.plan().await;
        let queued = world.tasks(&[TaskStatus::Queued]).await;
        assert_eq!((queued.len(), queued[0].user, queued[0].priority), (1, Some(people[1]), 0), "{}", world.name());
        world.work().await;
        world.clock.advance(SETTLE + Duration::from_secs(1));
        world.plan().await;
        let queued = world.tasks(&[TaskStatus::Queued]).await;
        assert_eq!((queued.len(), queued[0].user), (1, Some(people[0])), "{}", world.name());
        assert_eq!(
            world.member(people[0]).await.unwrap().status,
            MemberStatus::AwaitingDeprovisioning,
            "{}",
            world.name()
        );
    }
}

#[tokio::test]
async fn one_open_task_and_a_newer_wish_replaces_it_with_a_link() {
    for world in World::each(Preset::Okta).await {
        let viewers = world.group("viewers").await;
        let editors = world.group("editors").await;
        world.map_group("viewers", "viewer").await;
        world.map_group("editors", "editor").await;
        world.settle().await;
        let ann = world.user("ann@example.com").await;
        world.join(viewers, &[ann]).await;
        world.plan().await;
        world.join(viewers, &[ann]).await;
        assert_eq!(world.plan().await.tasks, 0, "replayed: no second task: {}", world.name());
        world.join(editors, &[ann]).await;
        assert_eq!(world.plan().await.superseded, 1, "{}", world.name());
        let old = &world.tasks(&[TaskStatus::Superseded]).await[0];
        let new = &world.tasks(&[TaskStatus::Queued]).await[0];
        assert_eq!(old.superseded_by, Some(new.id), "{}", world.name());
        assert_eq!(new.effect.role.as_deref(), Some("editor"), "{}", world.name());
        assert_eq!(new.reasons.len(), 2, "both mappings count: {}", world.name());
        // Out of both before anything was pushed: the wish is withdrawn, nothing is removed.
        world.leave(viewers, &[ann]).await;
        world.leave(editors, &[ann]).await;
        world.plan().await;
        let open: Vec<_> = TaskStatus::ALL.into_iter().filter(|status| status.is_open()).collect();
        assert!(world.words(&open).await.is_empty(), "{}", world.name());
        assert_eq!(world.member(ann).await.unwrap().status, MemberStatus::Settled, "{}", world.name());
    }
}

#[tokio::test]
async fn while_an_attempt_runs_the_wish_stays_a_mark() {
    for world in World::each(Preset::Okta).await {
        let viewers = world.group("viewers").await;
        let editors = world.group("editors").await;
        world.map_group("viewers", "viewer").await;
        world.map_group("editors", "editor").await;
        world.settle().await;
        let ann = world.user("ann@example.com").await;
        world.join(viewers, &[ann]).await;
        world.plan().await;
        let task = world.tasks(&[TaskStatus::Queued]).await.remove(0);
        world.put(&task, TaskStatus::Running).await;
        world.join(editors, &[ann]).await;
        assert_eq!(world.plan().await.tasks, 0, "{}", world.name());
        assert!(world.mark(ann).await.unwrap().due_at > world.clock.now(), "{}", world.name());
        // The attempt ends, and makes the mark due in its own transaction.
        world.put(&task, TaskStatus::Queued).await;
        world.work().await;
        assert_eq!(world.plan().await.tasks, 1, "{}", world.name());
        assert_eq!(world.words(&[TaskStatus::Queued]).await, ["UPDATE editor"], "{}", world.name());
    }
}

#[tokio::test]
async fn what_comes_back_after_a_reactivation_depends_on_the_preset() {
    for (preset, regained) in [(Preset::Entra, 1), (Preset::Okta, 0), (Preset::Generic, 0)] {
        for world in World::each(preset).await {
            let (group, people) = world.onboarded("viewer", 1).await;
            let ann = people[0];
            world.set_active(ann, false).await;
            world.settle().await;
            assert_eq!(world.member(ann).await.unwrap().known, Presence::Absent, "{}", world.name());
            world.set_active(ann, true).await;
            assert_eq!(world.plan().await.tasks, regained, "{preset:?} on {}", world.name());
            world.join(group, &[ann]).await;
            world.settle().await;
            assert_eq!(world.member(ann).await.unwrap().known, Presence::Active, "{preset:?} on {}", world.name());
        }
    }
}

#[tokio::test]
async fn a_deleted_user_is_removed_with_what_the_last_task_knew() {
    for world in World::each(Preset::Okta).await {
        let group = world.group("viewers").await;
        world.map_group("viewers", "viewer").await;
        let ann = world
            .user_with(
                "Ann.B",
                serde_json::json!({"userName": "Ann.B", "displayName": "Ann B.",
                    "emails": [{"value": "ann@home.example"}, {"value": "Ann@Work.example", "type": "work"}]}),
            )
            .await;
        world.join(group, &[ann]).await;
        world.settle().await;
        world.delete_user(ann).await;
        world.plan().await;
        let task = world.tasks(&[TaskStatus::Queued]).await.remove(0);
        assert_eq!(super::world::word(&task), "REMOVE", "{}", world.name());
        assert_eq!(task.effect.principal.user_name, "Ann.B", "{}", world.name());
        assert_eq!(task.effect.principal.email, "Ann@Work.example", "{}", world.name());
        assert_eq!((task.priority, task.cause.as_str()), (0, "user_deleted"), "{}", world.name());
    }
}

#[tokio::test]
async fn an_account_found_in_the_app_is_matched_by_its_email() {
    for world in World::each(Preset::Okta).await {
        let group = world.group("editors").await;
        world.map_group("editors", "editor").await;
        let account = |bucket, email: &str| Member {
            id: MemberId::from_uuid(world.ids.next()),
            hub: world.hub.id,
            user: None,
            remote_id: Some(format!("remote-{email}")),
            email_key: Some(email.into()),
            display: email.into(),
            bucket,
            managed: false,
            protected: false,
            status: MemberStatus::Settled,
            hub_role: None,
            known: Presence::Active,
            known_role: Some("viewer".into()),
            known_assets: Vec::new(),
            known_at: world.clock.now(),
            reasons: Vec::new(),
        };
        let found = account(Bucket::Unmatched, "ann@example.com");
        let kept = account(Bucket::Exempted, "bob@example.com");
        let (workspace, rows) = (world.workspace, [found.clone(), kept.clone()]);
        let now = world.clock.now();
        world
            .write(move |tx| rows.iter().try_for_each(|row| hub_members::insert(tx, workspace, row, "sync", now)))
            .await;
        let ann = world.user("Ann@Example.com").await;
        world.join(group, &[ann]).await;
        world.plan().await;
        assert_eq!(world.words(&[TaskStatus::Queued]).await, ["UPDATE editor"], "no invitation: {}", world.name());
        let member = world.member(ann).await.unwrap();
        assert_eq!((member.id, member.managed, member.bucket), (found.id, true, Bucket::Onboarded), "{}", world.name());

        let bob = world.user("bob@example.com").await;
        world.join(group, &[bob]).await;
        world.plan().await;
        let id = kept.id;
        let still = world.store.read(move |conn| hub_members::load(conn, workspace, id)).await.unwrap();
        assert_eq!(still, kept, "an exempted account is never touched: {}", world.name());
    }
}

#[tokio::test]
async fn a_cancelled_wish_is_not_planned_again_until_it_changes() {
    for world in World::each(Preset::Okta).await {
        let viewers = world.group("viewers").await;
        let editors = world.group("editors").await;
        world.map_group("viewers", "viewer").await;
        world.map_group("editors", "editor").await;
        world.settle().await;
        let ann = world.user("ann@example.com").await;
        world.join(viewers, &[ann]).await;
        world.plan().await;
        let task = world.tasks(&[TaskStatus::Queued]).await.remove(0);
        let (workspace, now, kept) = (world.workspace, world.clock.now(), task.clone());
        world
            .write(move |tx| {
                let by = task_moves::ByHand { actor: "token:1", note: Some("not yet"), now };
                assert!(task_moves::cancel(tx, workspace, kept.id, &by)?);
                decisions::record(tx, &kept, DecisionKind::Cancelled, by.actor, by.note, now)
            })
            .await;
        world.join(viewers, &[ann]).await;
        assert_eq!(world.plan().await.tasks, 0, "{}", world.name());
        world.join(editors, &[ann]).await;
        assert_eq!(world.plan().await.tasks, 1, "{}", world.name());
        let left: i64 = world
            .store
            .read(|conn| Ok::<_, StoreError>(schema::decisions::table.count().get_result(conn)?))
            .await
            .unwrap();
        assert_eq!(left, 0, "the decision ended with the wish: {}", world.name());
    }
}

#[tokio::test]
async fn a_share_gives_access_alone_and_asks_for_a_person_after_a_deactivation() {
    for world in World::each(Preset::Entra).await {
        let ann = world.user("ann@example.com").await;
        world.map(world.mapping(SubjectName::User("ann@example.com".into()), None, "admin")).await;
        world.settle().await;
        assert_eq!(world.member(ann).await.unwrap().known_role.as_deref(), Some("admin"), "{}", world.name());
        // The last admin of a hub is held even when leaving; two admins are not one.
        world.user("bob@example.com").await;
        world.map(world.mapping(SubjectName::User("bob@example.com".into()), None, "admin")).await;
        world.settle().await;
        world.set_active(ann, false).await;
        world.settle().await;
        world.set_active(ann, true).await;
        assert_eq!(world.plan().await.tasks, 0, "not even from Entra: {}", world.name());
        let (workspace, hub) = (world.workspace, world.hub.id);
        let now = world.clock.now();
        world.write(move |tx| marks::touch(tx, workspace, hub, ann, now)).await;
        assert_eq!(world.plan().await.tasks, 0, "{}", world.name());
    }
}
