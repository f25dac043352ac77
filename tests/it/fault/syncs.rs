//! A sync is killed while it reads its app's list, and while it takes the list over: the next process
//! finishes it, no account is there twice, and nobody is taken for gone.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{Stage, TOKEN};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

const SOON: Duration = Duration::from_secs(60);
const PEOPLE: usize = 450;
/// Named places, each reached several times in a list of this length.
const PLACES: [&str; 5] = ["sync_page:1", "sync_page:3", "sync_page:5", "sync_placed:1", "sync_placed:2"];

async fn member_ids(admin: &Client) -> (usize, BTreeSet<String>) {
    let (mut rows, mut ids, mut path) = (0, BTreeSet::new(), String::from("/api/v1/hubs/box-one/members?limit=200"));
    loop {
        let page = admin.get(&path).await.expect(200).json();
        for one in page["items"].as_array().unwrap() {
            assert_eq!(one["known"], "active", "{one}");
            rows += 1;
            ids.insert(one["remote_id"].as_str().unwrap_or_default().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/hubs/box-one/members?limit=200&cursor={next}"),
            None => return (rows, ids),
        }
    }
}

/// Ids sort by time.
async fn newest_sync(admin: &Client) -> String {
    let found = admin.get("/api/v1/tasks?hub=box-one&kind=sync&limit=200").await.expect(200).json();
    let ids = found["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
    ids.max().expect("a sync was asked for")
}

async fn killed_at(stage: &Stage<'_>, place: &str) {
    let mut server: Server = stage.start(&[("SCIMHUB_FAULT_STEP", place.to_owned())]);
    let admin = server.client("admin");
    // Its answer may go down with the process.
    let headers = [("content-type", "application/json")];
    let asked = admin.try_send("POST", "/api/v1/hubs/box-one/sync", &headers, Some(b"{}".to_vec())).await;
    assert!(asked.as_ref().map_or(true, |reply| reply.status == 202), "{asked:?}");
    eventually(&format!("the process ends at {place}"), SOON, async || server.has_ended()).await;
    let server = stage.start(&[]);
    let admin = server.client("admin");
    let path = format!("/api/v1/tasks/{}", newest_sync(&admin).await);
    let mut done = Value::Null;
    eventually(&format!("the sync ends after {place}"), SOON, async || {
        done = admin.get(&path).await.expect(200).json();
        done["status"] == "completed"
    })
    .await;
    let name = &stage.database.name;
    assert_eq!(done["sync"]["seen"], PEOPLE, "{name}: {place}: {done}");
    assert_eq!(done["sync"]["counts"]["removed"], 0, "{name}: {place}: {done}");
    let (rows, ids) = member_ids(&admin).await;
    assert_eq!((rows, ids.len()), (PEOPLE, PEOPLE), "{name}: {place}: each account once");
    server.kill();
}

async fn every_place(database: &Database) {
    let stage = Stage::set(database, &["box-one"]);
    let board = Client::new(&stage.app.base(), TOKEN);
    board.post("/_test/seed", &json!({"space": "box-one", "people": PEOPLE})).await.expect(200);
    // The first finds all accounts, the others know them already.
    for place in PLACES {
        killed_at(&stage, place).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_sync_that_is_killed_anywhere_goes_on() {
    futures_util::future::join_all(databases().iter().map(every_place)).await;
}
