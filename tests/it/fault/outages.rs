//! F-04 and F-07 with the real server and a real app: connections refused for a while, and calls
//! that fail in bursts. (`engine::outages` has the hours, on a clock that is moved.)

use std::collections::BTreeSet;
use std::time::Duration;

use scimhub::base::limits::ATTEMPTS;
use scimhub::domain::breaker::OPENS_AFTER;
use scimhub::domain::task::TaskStatus;
use serde_json::json;

use super::stage::Stage;
use crate::support::{Database, Door, databases, eventually, is_long};

const SOON: Duration = Duration::from_secs(120);
/// Tasks a second that the hub's policy lets start; each is a look and a change.
const RATE: usize = 20;

async fn refused(database: &Database) {
    let people = if is_long() { 10_000 } else { 150 };
    let door = std::sync::OnceLock::new();
    let policy = format!("policy = {{ calls_per_second = {RATE}.0, max_in_flight = 4 }}\n");
    let stage = Stage::set_with(database, &["box-one", "box-two"], |app, space| {
        if space == "box-one" {
            let door = door.get_or_init(|| Door::to(&app.base()));
            (format!("{}/{space}/scim/v2", door.base()), policy.clone())
        } else {
            (app.scim(space), String::new())
        }
    });
    let door = door.get().unwrap();
    let server = stage.start(&[]);
    let names = stage.crowd(people).await;
    let done = |space: &str| stage.times(space).len();
    eventually("some are pushed", SOON, async || done("box-one") >= 10).await;
    door.shut();
    let before = done("box-one");
    eventually("the other hub goes on", SOON, async || done("box-two") == people).await;
    // Out for so long that the breaker has tried in vain.
    eventually("it was tried again and is still refused", SOON, async || {
        stage.lane("box-one").await.breaker.count >= OPENS_AFTER + 2
    })
    .await;
    assert!(server.log().contains("\"class\":\"unreachable\""), "{}", database.name);
    let still = stage.tasks(&[TaskStatus::Queued, TaskStatus::Retrying, TaskStatus::Started]).await;
    assert!(still.len() + before + 4 >= people, "{}: {} of {people} wait", database.name, still.len());
    assert!(still.iter().all(|task| task.attempts <= 1), "{}: {still:?}", database.name);
    door.open();
    eventually("the app's return is noticed", SOON, async || done("box-one") > before).await;
    stage.drained(&server, SOON * if is_long() { 10 } else { 1 }).await;
    // Never more in a second than twice the rate.
    let after = stage.times("box-one").split_off(before);
    for (number, start) in after.iter().enumerate() {
        let second = after[number..].iter().take_while(|at| at.since(*start) < Duration::from_secs(1)).count();
        assert!(second <= RATE * 2, "{}: {second} in one second", database.name);
    }
    stage.balance(&names, &BTreeSet::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_an_app_that_refuses_connections_and_comes_back() {
    futures_util::future::join_all(databases().iter().map(refused)).await;
}

async fn bursts(database: &Database) {
    // So many of each: long, five minutes and more of failing calls, for the breaker slows them down.
    let (people, failures) = if is_long() { (5_000, 60) } else { (40, 3) };
    let stage = Stage::set(database, &["box-one"]);
    // The app would take a second account for the same person: only looking first prevents it.
    stage.take_duplicates().await;
    // Three calls in ten fail, whatever they are; of the creations some are carried out and fail.
    for (status, every) in [(500, 11), (502, 13), (503, 12), (504, 14)] {
        stage.app.fault(&json!({"times": failures, "every": every, "status": status})).unwrap();
    }
    stage.app.fault(&json!({"match": "POST Users", "times": failures, "every": 9, "drop": "after_commit"})).unwrap();
    let server = stage.start(&[]);
    let names = stage.crowd(people).await;
    // And a burst that hits everybody.
    eventually("a part is pushed", SOON, async || stage.effects() >= people / 4).await;
    stage.app.fault(&json!({"times": 6, "status": 503})).unwrap();
    stage.drained(&server, SOON * if is_long() { 10 } else { 2 }).await;
    stage.balance(&names, &BTreeSet::new()).await;
    assert_eq!(stage.effects(), people, "{}: each once", database.name);
    let tasks = stage.tasks(&[TaskStatus::Completed]).await;
    assert_eq!(tasks.len(), people, "{}", database.name);
    let most = tasks.iter().map(|task| task.attempts).max().unwrap();
    assert!((2..=ATTEMPTS).contains(&most), "{}: {most} attempts", database.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn f07_three_calls_in_ten_fail_and_bursts_hit_everybody() {
    futures_util::future::join_all(databases().iter().map(bursts)).await;
}
