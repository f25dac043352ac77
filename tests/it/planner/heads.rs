//! Seats are counted while attempts end: whoever is added is on the way or in the app, at every moment one
//! of the two.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::prelude::*;
use scimhub::domain::caller::Preset;
use scimhub::domain::task::TaskStatus;
use scimhub::store::schema::{hub_members, tasks};
use scimhub::store::{StoreError, keepers};

use super::world::World;

const PEOPLE: u32 = 100;
const SEATS: u32 = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn rule_05_a_seat_is_counted_once_while_its_addition_ends() {
    for world in World::each(Preset::Okta).await {
        let group = world.group("crew").await;
        world.map_group("crew", "viewer").await;
        let people = world.users(PEOPLE as usize).await;
        world.join(group, &people).await;
        while world.plan().await.tasks > 0 {}
        let queued = world.tasks(&[TaskStatus::Queued]).await;
        assert_eq!(queued.len(), PEOPLE as usize, "{}", world.name());

        let ended = Arc::new(AtomicBool::new(false));
        let (store, workspace, hub, done) = (world.store.clone(), world.workspace, world.hub.id, Arc::clone(&ended));
        let counting = tokio::spawn(async move {
            let mut looks = 0;
            while !done.load(Ordering::SeqCst) {
                // Inside a transaction, as a release counts: on PostgreSQL each statement sees what was committed before it.
                let left = store.write(move |tx| keepers::left(tx, workspace, hub, &[], Some(SEATS))).await.unwrap();
                assert_eq!(left.seats, Some(SEATS - PEOPLE), "after {looks} looks");
                looks += 1;
            }
            looks
        });
        for task in queued {
            let (id, member) = (task.id.bytes(), task.member.unwrap().bytes());
            world
                .write(move |tx| {
                    diesel::update(tasks::table.filter(tasks::id.eq(id.clone())))
                        .set((tasks::status.eq(TaskStatus::Completed.as_str()), tasks::finished_at.eq(Some(1_i64))))
                        .execute(&mut **tx)?;
                    diesel::update(hub_members::table.filter(hub_members::id.eq(member.clone())))
                        .set(hub_members::known_state.eq("active"))
                        .execute(&mut **tx)?;
                    Ok::<_, StoreError>(())
                })
                .await;
        }
        ended.store(true, Ordering::SeqCst);
        assert!(counting.await.unwrap() > 0, "{}", world.name());
    }
}
