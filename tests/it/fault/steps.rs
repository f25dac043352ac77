//! F-02: the process ends at every named step of an attempt, for every kind of task; the next
//! process finishes the work, and nothing happens twice.

use std::collections::BTreeSet;
use std::time::Duration;

use scimhub::engine::steps::ATTEMPT_STEPS;
use serde_json::json;

use super::stage::Stage;
use crate::support::{Database, databases, eventually};

const SOON: Duration = Duration::from_secs(60);

/// Where a debug server ends by itself; `after_send` is the moment between the app's work and its
/// answer, which the app makes long and the test kills in.
fn ends_by_itself(step: &str) -> bool {
    step != "after_send"
}

async fn every_step(database: &Database) {
    let stage = Stage::set(database, &["box-one"]);
    let mut inside = BTreeSet::new();
    let mut outside = BTreeSet::new();
    let server = stage.start(&[]);
    let idp = stage.client();
    let group = idp.create_group("staff").await;
    // Enough who stay: a removal among few would be held by the guard.
    let mut first = Vec::new();
    for number in 0..12 {
        let name = format!("stays-{number}@example.com");
        first.push(idp.create_user(&name).await);
        inside.insert(name);
    }
    idp.join(&group, &first).await;
    stage.drained(&server, SOON).await;
    server.kill();

    for step in ATTEMPT_STEPS {
        let name = format!("{}@example.com", step.replace('_', "-"));
        let mut id = None;
        for adding in [true, false] {
            let before = stage.effects();
            let environment = if ends_by_itself(step) {
                vec![("SCIMHUB_FAULT_STEP", step.to_owned())]
            } else {
                let method = if adding { "POST Users" } else { "DELETE Users" };
                stage.app.fault(&json!({"match": method, "times": 1, "delay_after_ms": 60_000})).unwrap();
                Vec::new()
            };
            let mut server = stage.start(&environment);
            match &id {
                None => {
                    let user = idp.create_user(&name).await;
                    idp.join(&group, std::slice::from_ref(&user)).await;
                    id = Some(user);
                }
                Some(user) => idp.deactivate(user).await,
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
            if adding {
                inside.insert(name.clone());
            } else {
                inside.remove(&name);
                outside.insert(name.clone());
            }
            stage.balance(&inside, &outside).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_ending_at_every_step_of_an_attempt() {
    for database in databases() {
        every_step(&database).await;
    }
}
