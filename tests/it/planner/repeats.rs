//! F-03 for the planner: a batch planned twice writes no second task, and a batch whose write
//! failed leaves its marks and no task behind.

use scimhub::base::clock::Clock as _;
use scimhub::domain::caller::Preset;
use scimhub::domain::task::TaskStatus;
use scimhub::engine::planner::PlannerStep;
use scimhub::store::marks;

use super::world::{SETTLE, World, change};
use crate::support::Refusal;

#[tokio::test]
async fn f03_a_batch_planned_twice_or_failing_once_makes_one_task() {
    for world in World::each(Preset::Okta).await {
        let group = world.group("staff").await;
        world.map_group("staff", "editor").await;
        world.settle().await;
        for (round, table) in ["tasks", "reconcile_marks", "activity"].into_iter().enumerate() {
            let user = world.user(&format!("{table}@example.com")).await;
            world.join(group, &[user]).await;
            world.clock.advance(SETTLE * 2);
            let refusal = Refusal::of(&world.database, table);
            let failed = world.planner.step().await;
            refusal.lift();
            let mine = async || {
                let open = world.tasks(&[TaskStatus::Queued]).await;
                open.iter().filter(|task| task.user == Some(user)).count()
            };
            // Whatever is not written by a plan does not count as refused.
            if failed.is_err() {
                assert_eq!(mine().await, 0, "{}: half a plan, {table}", world.name());
                assert!(world.mark(user).await.is_some(), "{}: the mark is lost, {table}", world.name());
            } else {
                assert_eq!(table, "activity", "{}: {table} is not written", world.name());
            }
            world.plan().await;
            assert_eq!(mine().await, 1, "{}: {table}", world.name());
            assert_eq!(world.plan().await, PlannerStep::default(), "{}: {table}", world.name());
            // Marked again, as after a lost acknowledgement: the open task is enough.
            let (workspace, now) = (world.workspace, world.clock.now());
            world.write(move |tx| marks::user_changed(tx, workspace, user, &change("again", now))).await;
            world.clock.advance(SETTLE * 2);
            world.plan().await;
            assert_eq!(mine().await, 1, "{}: a second task, {table}", world.name());
            assert_eq!(world.tasks(&[TaskStatus::Queued]).await.len(), round + 1, "{}", world.name());
        }
    }
}
