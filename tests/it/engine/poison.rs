//! F-17: tasks that panic, kill the process, never end, or cannot be read are set aside with the
//! reason, and the good ones complete meanwhile.

use std::time::Duration;

use diesel::prelude::*;
use scimhub::base::limits::{ATTEMPTS, CRASHES};
use scimhub::domain::hub::HubPolicy;
use scimhub::domain::task::{TaskKind, TaskStatus};
use scimhub::engine::run::Engine;
use scimhub::store::StoreError;
use scimhub::store::lanes::Company;
use scimhub::store::schema::tasks;
use tokio_util::sync::CancellationToken;

use super::bench::{Behaviour, Bench};
use crate::support::{databases, eventually};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn f17_poison_is_set_aside_and_good_tasks_complete() {
    for database in databases() {
        let bench = Bench::new(&database).await.hurry();
        let hub = bench.hub("one", HubPolicy::default()).await;
        let calm = bench.hub("two", HubPolicy::default()).await;
        bench.app.always("panics@example.com", Behaviour::Panic);
        bench.app.always("hangs@example.com", Behaviour::Hang);
        let panics = bench.add(hub, "panics@example.com").await;
        // Two attempts are left: all twelve would wait for the breaker's pauses.
        let mut hangs = bench.task(calm, "hangs@example.com", TaskKind::Add);
        hangs.attempts = ATTEMPTS - 2;
        let hangs = bench.put(hangs).await;
        let newer = bench.add(hub, "newer@example.com").await;
        bench
            .worker
            .store
            .write(move |tx| {
                diesel::update(tasks::table)
                    .filter(tasks::id.eq(newer.bytes()))
                    .set(tasks::payload.eq("{\"kind\":\"teleport\",\"to\":\"mars\"}"))
                    .execute(&mut **tx)?;
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        bench.crowd(hub, 60).await;
        let stop = CancellationToken::new();
        let engine = tokio::spawn(Engine::pushing(bench.worker.clone()).run(stop.clone()));
        eventually("good tasks complete", SOON, async || bench.count(TaskStatus::Completed).await == 60).await;
        eventually("poison is set aside", SOON, async || bench.count(TaskStatus::Manual).await == 3).await;
        stop.cancel();
        engine.await.unwrap();

        let panics = bench.load(panics).await;
        assert_eq!((panics.crashes, panics.error_class.as_deref()), (CRASHES, Some("crashed")), "{}", database.name);
        assert!(panics.error_detail.unwrap().contains("set aside after 3 crashes"));
        assert_eq!(bench.load(hangs).await.attempts, ATTEMPTS, "{}", database.name);
        assert_eq!(bench.load(newer).await.error_class.as_deref(), Some("unreadable"), "{}", database.name);
    }
}

#[tokio::test]
async fn f17_a_task_that_kills_its_process_runs_alone_before_it_is_set_aside() {
    for database in databases() {
        let bench = Bench::new(&database).await.hurry();
        let hub = bench.hub("one", HubPolicy::default()).await;
        let killer = bench.add(hub, "killer@example.com").await;
        let neighbour = bench.add(hub, "neighbour@example.com").await;
        for round in 1..=CRASHES {
            // A process that claims and dies: nothing of it is ever recorded.
            let dying = bench.twin();
            let mut taken = 0;
            eventually("it is claimed", SOON, async || {
                let many = dying.claim(9, Company::Many).await.unwrap().tasks.len();
                taken += if many > 0 { many } else { dying.claim(9, Company::Alone).await.unwrap().tasks.len() };
                taken > 0
            })
            .await;
            eventually("it is taken back", SOON, async || {
                bench.worker.sweep().await.unwrap();
                let task = bench.load(killer).await;
                task.crashes >= round && task.status != TaskStatus::Started
            })
            .await;
            if round < CRASHES {
                let back = bench.load(killer).await;
                assert!(back.verify_first, "{}: looked at before acting", database.name);
            }
            if round == 1 {
                // The neighbour had bad luck once and is done in the next good round.
                let good = bench.twin();
                let mut neighbour_task = Vec::new();
                eventually("both are ready again", SOON, async || {
                    neighbour_task.extend(good.claim(9, Company::Many).await.unwrap().tasks);
                    neighbour_task.len() == 2
                })
                .await;
                for claimed in neighbour_task {
                    if claimed.task.id == neighbour {
                        good.attempt(claimed, &CancellationToken::new()).await;
                    }
                }
                eventually("the killer is taken back", SOON, async || {
                    bench.worker.sweep().await.unwrap();
                    bench.load(killer).await.crashes == 2
                })
                .await;
                assert!(bench.worker.claim(9, Company::Many).await.unwrap().tasks.is_empty(), "only alone now");
            }
            if bench.load(killer).await.status == TaskStatus::Manual {
                break;
            }
        }
        let killer = bench.load(killer).await;
        assert_eq!((killer.status, killer.crashes), (TaskStatus::Manual, CRASHES), "{}", database.name);
        assert_eq!(killer.effect.kind, TaskKind::Add);
        assert_eq!(bench.load(neighbour).await.status, TaskStatus::Completed, "{}", database.name);
        assert_eq!(bench.app.accounts(hub, "neighbour@example.com").len(), 1);
    }
}
