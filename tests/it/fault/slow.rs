//! F-05 and F-06 with the real server and a real app: an app that answers late or never though it
//! did the work, and one that asks to wait. (`connectors::faults` has every spelling of the wish,
//! `engine::outcomes` its end on a clock that is moved.)

use std::collections::BTreeSet;
use std::time::Duration;

use scimhub::base::clock::Micros;
use scimhub::domain::task::TaskStatus;
use scimhub::store::{DbConn, StoreError, attempts};
use serde_json::json;

use super::stage::Stage;
use crate::support::{Database, databases, eventually, is_long};

const SOON: Duration = Duration::from_secs(120);
/// What the stage's servers give one attempt.
const ATTEMPT_MS: u64 = 1_500;

/// Late by half the time an attempt has, by all of it, by twice as much, and never: the change is
/// made each time.
async fn late(database: &Database) {
    let people = if is_long() { 2_000 } else { 24 };
    let stage = Stage::set(database, &["box-late", "box-quick"]);
    // The app would take a second account for the same person: only looking first prevents it.
    stage.take_duplicates().await;
    // Two in five calls end in doubt, a few more are slow.
    let some = people / 8;
    for (every, fault) in [
        (7, json!({"delay_after_ms": ATTEMPT_MS})),
        (7, json!({"delay_after_ms": ATTEMPT_MS * 2})),
        (7, json!({"drop": "after_commit"})),
        (2, json!({"delay_after_ms": ATTEMPT_MS / 2})),
    ] {
        let mut fault = fault;
        fault["match"] = json!("POST box-late/scim/v2/Users");
        fault["every"] = json!(every);
        fault["times"] = json!(some);
        stage.app.fault(&fault).unwrap();
    }
    let server = stage.start(&[]);
    let names = stage.crowd(people).await;
    eventually("the other app's people are in", SOON, async || stage.times("box-quick").len() == people).await;
    // The other app's tasks were made in the same moments and stood in no queue behind these.
    let quick = stage.times("box-quick").into_iter().max().unwrap();
    stage.drained(&server, SOON * if is_long() { 10 } else { 1 }).await;
    let slow = stage.times("box-late");
    let after = slow.iter().filter(|at| **at > quick).count();
    assert!(after * 4 > people, "{}: only {after} of {people} came after the quick app's last", database.name);
    stage.balance(&names, &BTreeSet::new()).await;
    assert_eq!(slow.len(), people, "{}: each once", database.name);
    let done = stage.tasks(&[TaskStatus::Completed]).await;
    let again = done.iter().filter(|task| task.attempts > 1 || task.verify_first).count();
    assert!(again > some, "{}: {again} were looked at again", database.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn f05_late_and_lost_answers_make_no_second_account_and_delay_nobody_else() {
    futures_util::future::join_all(databases().iter().map(late)).await;
}

/// When each attempt of this space's hub began.
async fn beginnings(stage: &Stage<'_>, space: &str) -> Vec<Micros> {
    let hub = stage.hub(space).await;
    let tasks = stage.tasks(&TaskStatus::ALL).await.into_iter().filter(move |task| task.hub == hub);
    let list = move |conn: &mut DbConn| {
        tasks.map(|task| attempts::list(conn, task.workspace, task.id)).collect::<Result<Vec<_>, StoreError>>()
    };
    let attempts = stage.store.read(list).await.unwrap();
    attempts.iter().flatten().map(|attempt| attempt.started_at).collect()
}

/// One app asks to wait two seconds, another one a year.
async fn asked_to_wait(database: &Database) {
    let people = if is_long() { 2_000 } else { 12 };
    let stage = Stage::set(database, &["box-busy", "box-year"]);
    stage
        .app
        .fault(&json!({"match": "POST box-busy/scim/v2/Users", "times": 3, "every": 3, "status": 429,
        "headers": {"retry-after": "2"}}))
        .unwrap();
    stage
        .app
        .fault(&json!({"match": "POST box-year/scim/v2/Users", "status": 429,
        "headers": {"retry-after": "31536000"}}))
        .unwrap();
    // An attempt that ran out of time on a busy machine would count as one, which a wish does not.
    let server = stage.start(&[("SCIMHUB_FAULT_PACE", String::from("30000,300"))]);
    let names = stage.crowd(people).await;
    let blocked = async || stage.lane("box-year").await.blocked_reason;
    eventually("the hub that was asked for a year stands still", SOON, async || blocked().await.is_some()).await;
    // From when a wish was seen in the hub's lane until it is over. Calls that were under way when it
    // came may still arrive; nothing begins any more.
    let mut quiet = Vec::new();
    eventually("the busy app got everybody", SOON, async || {
        let until = stage.lane("box-busy").await.next_allowed_at;
        let seen = stage.store.clock().now();
        if until > seen {
            quiet.push((seen, until));
        }
        stage.times("box-busy").len() == people
    })
    .await;
    assert!(!quiet.is_empty(), "{}: nobody waited", database.name);
    let began = beginnings(&stage, "box-busy").await;
    for (seen, until) in quiet {
        let early: Vec<_> = began.iter().filter(|at| **at > seen && **at < until).collect();
        assert_eq!(early, [&Micros(0); 0], "{}: while asked to wait from {seen:?} to {until:?}", database.name);
    }
    // A year is nothing to wait for by oneself: a person says go on, and it does.
    let under_way = stage.times("box-year").len();
    assert!(under_way < 4, "{}: {under_way} more calls than may be under way at once", database.name);
    let output = server.run(&["resume", "--hub", "box-year"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    stage.drained(&server, SOON).await;
    stage.balance(&names, &BTreeSet::new()).await;
    let spent = stage.tasks(&[TaskStatus::Completed]).await.iter().map(|task| task.attempts).max();
    assert_eq!(spent, Some(1), "{}: waiting costs no attempt", database.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_an_app_that_asks_to_wait_is_left_alone_for_as_long() {
    futures_util::future::join_all(databases().iter().map(asked_to_wait)).await;
}
