//! T-19: somebody who leaves is blocked everywhere before anything else happens anywhere, also where
//! every app is out, others are in line, and the server dies in between; and only their own source
//! may say that they left.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use scimhub::domain::task::{TaskKind, TaskStatus};
use serde_json::Value;

use super::stage::{Stage, leaving};
use crate::support::http::Client;
use crate::support::{Database, Door, databases, eventually};

const SOON: Duration = Duration::from_secs(120);
const SPACES: [&str; 3] = ["box-one", "box-two", "box-three"];
const STAFF: usize = 12;
const NEWCOMERS: usize = 10;

fn effects(stage: &Stage<'_>, space: &str) -> Vec<Value> {
    stage.app.state()["spaces"][space]["effects"].as_array().cloned().unwrap_or_default()
}

async fn blocked_first(database: &Database) {
    let doors: Mutex<Vec<Door>> = Mutex::default();
    let stage = Stage::set_with(database, &SPACES, |app, space| {
        let door = Door::to(&app.base());
        let url = format!("{}/{space}/scim/v2", door.base());
        doors.lock().unwrap().push(door);
        // One app blocks, the others take the seat away; each hears one call at a time.
        let deprovision = if space == "box-one" { "suspend" } else { "remove" };
        (url, format!("policy = {{ max_in_flight = 1, deprovision = \"{deprovision}\" }}\n"))
    });
    let doors = doors.into_inner().unwrap();
    let server = stage.start(&[]);
    let names = stage.crowd(STAFF).await;
    stage.drained(&server, SOON).await;
    let idp = stage.client();
    let ann = idp.create_user("p0@example.com").await;

    // Another source knows nothing of her, and says nothing about her.
    assert!(server.run(&["source", "create", "other"]).status.success());
    let stranger = Client::new(&server.base, &server.token_for("default", "other", "scim"));
    let path = format!("/scim/v2/Users/{ann}");
    stranger.delete(&path).await.expect(404);
    stranger.patch(&path, &leaving()).await.expect(404);
    stage.drained(&server, SOON).await;
    stage.balance(&names, &BTreeSet::new()).await;

    // All apps are out, and newcomers are in line for each of them.
    doors.iter().for_each(Door::shut);
    let group = idp.found_group("staff").await;
    let mut newcomers = Vec::new();
    for number in 0..NEWCOMERS {
        newcomers.push(idp.create_user(&format!("n{number}@example.com")).await);
    }
    idp.join(&group, &newcomers).await;
    let waiting = [TaskStatus::Queued, TaskStatus::Started, TaskStatus::Running, TaskStatus::Retrying];
    eventually("newcomers are in line", SOON, async || stage.tasks(&waiting).await.len() == NEWCOMERS * SPACES.len())
        .await;

    // She leaves: acknowledged, and the server is gone before it planned or pushed a thing.
    idp.deactivate(&ann).await;
    server.kill();
    let server = stage.start(&[]);
    eventually("her removals are in line", SOON, async || {
        let open = stage.tasks(&waiting).await;
        open.iter().filter(|task| task.effect.kind == TaskKind::Remove).count() == SPACES.len()
    })
    .await;
    // What was claimed before her removals were planned has met the closed doors: from now on no newcomer
    // is begun while she is in line.
    eventually("no newcomer is under way", SOON, async || {
        let under_way = stage.tasks(&[TaskStatus::Started, TaskStatus::Running]).await;
        under_way.iter().all(|task| task.effect.kind == TaskKind::Remove)
    })
    .await;
    let before: Vec<usize> = SPACES.iter().map(|space| effects(&stage, space).len()).collect();
    doors.iter().for_each(Door::open);
    stage.drained(&server, SOON).await;
    for (space, before) in SPACES.iter().zip(before) {
        let after = effects(&stage, space).split_off(before);
        assert!(after.len() > NEWCOMERS, "{}: {space}: {after:?}", database.name);
        assert_eq!(
            after[0]["userName"], "p0@example.com",
            "{}: {space} heard of others first: {after:?}",
            database.name
        );
        let state = stage.app.state();
        let seats = state["spaces"][*space]["seats"].as_array().unwrap();
        let hers: Vec<_> = seats.iter().filter(|seat| seat["userName"] == "p0@example.com").collect();
        match *space {
            "box-one" => assert_eq!((hers.len(), &hers[0]["active"]), (1, &Value::Bool(false)), "{hers:?}"),
            _ => assert!(hers.is_empty(), "{}: {space}: {hers:?}", database.name),
        }
        assert_eq!(seats.len() - hers.len(), STAFF - 1 + NEWCOMERS, "{}: {space}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_19_a_leaver_is_blocked_everywhere_before_anything_else_and_by_their_own_source_alone() {
    futures_util::future::join_all(databases().iter().map(blocked_first)).await;
}
