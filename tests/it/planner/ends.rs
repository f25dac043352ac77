//! A wish that comes while the end of an attempt is being written: whoever writes it has looked for a mark
//! before there was one, and the planner still finds the task open.

use std::sync::mpsc;

use diesel::prelude::*;
use scimhub::base::clock::Clock as _;
use scimhub::domain::caller::Preset;
use scimhub::domain::member::Presence;
use scimhub::domain::task::TaskStatus;
use scimhub::store::{StoreError, hub_members, marks, schema};

use super::world::World;
use crate::support::Database;

#[tokio::test(flavor = "multi_thread")]
async fn rule_07_a_wish_that_meets_an_end_just_being_written_is_planned_at_once() {
    // On SQLite nothing comes between: it has one writer.
    let Some(database) = Database::postgres() else { return };
    let world = World::on(database, Preset::Okta).await;
    let (viewers, admins) = (world.group("viewers").await, world.group("admins").await);
    world.map_group("viewers", "viewer").await;
    world.map_group("admins", "admin").await;
    world.settle().await;
    let user = world.user("ann@example.com").await;
    world.join(viewers, &[user]).await;
    world.plan().await;
    let task = world.tasks(&[TaskStatus::Queued]).await.remove(0);
    world.put(&task, TaskStatus::Started).await;

    let (written, is_written) = mpsc::channel();
    let (commit, may_commit) = mpsc::channel::<()>();
    let (store, workspace, hub, now) = (world.store.clone(), world.workspace, world.hub.id, world.clock.now());
    let ending = tokio::spawn(async move {
        let work = move |tx: &mut scimhub::store::Tx<'_>| {
            diesel::update(schema::tasks::table.find((workspace.0, task.id.bytes())))
                .set(schema::tasks::status.eq(TaskStatus::Completed.as_str()))
                .execute(&mut **tx)?;
            let mut member = hub_members::load(tx, workspace, task.member.unwrap())?;
            member.known = Presence::Active;
            member.known_role = task.effect.role.clone();
            hub_members::update(tx, workspace, &member, "task", now)?;
            marks::wake(tx, workspace, hub, user, now)?;
            written.send(()).unwrap();
            may_commit.recv().unwrap();
            Ok::<_, StoreError>(())
        };
        store.write(work).await
    });
    tokio::task::spawn_blocking(move || is_written.recv()).await.unwrap().unwrap();
    world.join(admins, &[user]).await;
    assert_eq!(world.plan().await.tasks, 0, "the task is still open");
    commit.send(()).unwrap();
    ending.await.unwrap().unwrap();
    assert_eq!(world.plan().await.tasks, 1, "the clock has not moved");
    assert_eq!(world.words(&[TaskStatus::Queued]).await, ["UPDATE admin"]);
}
