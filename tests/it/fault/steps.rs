//! F-02: the process ends at every named step of an attempt, for every kind of task; the next
//! process finishes the work, and nothing happens twice. `after_send`, between the app's work and
//! its answer, lies inside one call of ours: the app delays its reply and the test kills then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use scimhub::engine::steps::ATTEMPT_STEPS;
use serde_json::json;

use super::stage::Stage;
use crate::support::{Database, databases, eventually};

const SOON: Duration = Duration::from_secs(60);

/// Where a debug server ends by itself.
fn ends_by_itself(step: &str) -> bool {
    step != "after_send"
}

async fn every_step(database: &Database) {
    let stage = Stage::set(database, &["box-one"]);
    let mut inside = BTreeMap::new();
    let mut outside = BTreeSet::new();
    let server = stage.start(&[]);
    let idp = stage.client();
    let staff = idp.create_group("staff").await;
    let watchers = idp.create_group("watchers").await;
    // Enough who stay: a removal among few would be held by the guard.
    let mut first = Vec::new();
    for number in 0..12 {
        let name = format!("stays-{number}@example.com");
        first.push(idp.create_user(&name).await);
        inside.insert(name, "editor");
    }
    idp.join(&staff, &first).await;
    stage.drained(&server, SOON).await;
    server.kill();

    for step in ATTEMPT_STEPS {
        let name = format!("{}@example.com", step.replace('_', "-"));
        let user = {
            let server = stage.start(&[]);
            let user = idp.create_user(&name).await;
            server.kill();
            user
        };
        let me = std::slice::from_ref(&user);
        for (kind, method) in [("add", "POST Users"), ("update_role", "PATCH Users"), ("remove", "DELETE Users")] {
            let before = stage.effects();
            let environment = if ends_by_itself(step) {
                vec![("SCIMHUB_FAULT_STEP", step.to_owned())]
            } else {
                stage.app.fault(&json!({"match": method, "times": 1, "delay_after_ms": 60_000})).unwrap();
                Vec::new()
            };
            let mut server = stage.start(&environment);
            match kind {
                "add" => idp.join(&watchers, me).await,
                "update_role" => idp.join(&staff, me).await,
                _ => idp.deactivate(&user).await,
            }
            if ends_by_itself(step) {
                eventually(&format!("the process ends at {step}"), SOON, async || server.has_ended()).await;
            } else {
                eventually("the app has done it", SOON, async || stage.effects() > before).await;
                server.kill();
            }
            let server = stage.start(&[]);
            stage.drained(&server, SOON).await;
            server.kill();
            match kind {
                "add" => drop(inside.insert(name.clone(), "viewer")),
                "update_role" => drop(inside.insert(name.clone(), "editor")),
                _ => {
                    inside.remove(&name);
                    outside.insert(name.clone());
                }
            }
            stage.balance_of(&inside, &outside).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_ending_at_every_step_of_an_attempt() {
    // Side by side: most of the time is waiting for leases to run out.
    futures_util::future::join_all(databases().iter().map(every_step)).await;
}
