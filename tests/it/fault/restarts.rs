//! F-10: the database is restarted under load, in good order and as in a crash. No success
//! without a commit, 503 that says when to come back, and service again without a restart of ours.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::stage::{Idp, Stage, person};
use crate::support::http::Client;
use crate::support::postgres::{Ending, Postgres};
use crate::support::{Database, eventually, is_long};

const SOON: Duration = Duration::from_secs(60);
const CLIENTS: usize = 3;

async fn push(idp: Idp, group: String, client: usize, done: Arc<AtomicBool>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    while !done.load(Ordering::SeqCst) {
        let name = format!("p{client}-{}@example.com", names.len());
        let user = idp.create_user(&name).await;
        idp.join(&group, &[user]).await;
        names.insert(name);
    }
    names
}

/// Ask again and again, and hold every answer against what may be said; how often it was 503.
async fn watch(client: Client, done: Arc<AtomicBool>, refusals: Arc<AtomicUsize>) {
    let mut number = 0;
    while !done.load(Ordering::SeqCst) {
        number += 1;
        let name = format!("watch-{number}@example.com");
        let reply = client.post("/scim/v2/Users", &person(&name)).await;
        match reply.status {
            201 => assert_eq!(reply.json()["userName"], Value::String(name)),
            503 => {
                assert!(reply.header("retry-after").is_some(), "{reply:?}");
                assert_eq!(reply.json()["status"], "503", "{}", reply.text());
                refusals.fetch_add(1, Ordering::SeqCst);
            }
            other => panic!("{other}: {}", reply.text()),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_the_database_is_restarted_again_and_again() {
    let Some(_) = Database::postgres() else { return };
    let mut postgres = Postgres::own().expect("a server of our own");
    let database = Database::on(&postgres);
    let stage = Stage::set(&database, &["box-one"]);
    let server = stage.start(&[]);
    let group = stage.client().create_group("staff").await;
    let done = Arc::new(AtomicBool::new(false));
    let refusals = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(push(stage.client(), group.clone(), client, Arc::clone(&done))))
        .collect();
    let watching = tokio::spawn(watch(stage.plain(), Arc::clone(&done), Arc::clone(&refusals)));
    let restarts = if is_long() { 50 } else { 2 };
    for restart in 0..restarts {
        let (requests, effects) = (stage.acknowledged() + 10, stage.effects() + 5);
        eventually("the server works", SOON, async || stage.acknowledged() >= requests && stage.effects() >= effects)
            .await;
        let before = refusals.load(Ordering::SeqCst);
        postgres.stop(if restart % 2 == 0 { Ending::Fast } else { Ending::Immediate });
        eventually("a client is told to come back", SOON, async || refusals.load(Ordering::SeqCst) > before).await;
        let ready = Client::anonymous(&server.base).get("/readyz").await;
        assert_eq!(ready.status, 503, "{}", ready.text());
        Client::anonymous(&server.base).get("/healthz").await.expect(200);
        postgres.start_again();
        let requests = stage.acknowledged();
        eventually("service again", SOON, async || stage.acknowledged() > requests).await;
    }
    done.store(true, Ordering::SeqCst);
    watching.await.unwrap();
    let mut inside = BTreeSet::new();
    for client in clients {
        inside.extend(client.await.unwrap());
    }
    stage.drained(&server, SOON).await;
    stage.balance(&inside, &BTreeSet::new()).await;
    let idp = stage.client();
    for name in &inside {
        assert_eq!(idp.found("/scim/v2/Users", "userName", name).await, 1, "{name}");
    }
}
