//! F-15: two servers on one PostgreSQL, both claiming. One is frozen for longer than its leases
//! and goes on, the other is killed: every effect once, in order, nothing left running; the
//! frozen one's late results are refused; and neither is idle while work waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use serde_json::json;

use super::stage::Stage;
use crate::support::server::Server;
use crate::support::{Database, eventually, is_long};

const SOON: Duration = Duration::from_secs(120);
/// People who leave again; few enough for the guard.
const LEAVERS: usize = 5;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
struct Held {
    #[diesel(sql_type = Binary)]
    boot: Vec<u8>,
    #[diesel(sql_type = Binary)]
    task: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
}

/// Who runs what, as the database has it.
fn held(database: &Database) -> BTreeSet<Held> {
    let mut conn = PgConnection::establish(&database.url).unwrap();
    let sql = "SELECT lease_boot AS boot, id AS task, lease_epoch AS epoch FROM tasks \
               WHERE status IN ('started', 'running') AND lease_boot IS NOT NULL";
    diesel::sql_query(sql).load::<Held>(&mut conn).unwrap().into_iter().collect()
}

/// Attempts that this server has ended, by its own metrics.
async fn attempts(server: &Server) -> u64 {
    let text = server.client("read").get("/metrics").await.expect(200).text();
    let lines = text.lines().filter(|line| line.starts_with("scimhub_attempts_total"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).map(|count| count as u64).sum()
}

/// Both end attempts, and there is still something to do.
async fn both_work(stage: &Stage<'_>, servers: [&Server; 2], all: usize) {
    let before = [attempts(servers[0]).await, attempts(servers[1]).await];
    eventually("both servers work", SOON, async || {
        let now = [attempts(servers[0]).await, attempts(servers[1]).await];
        now.iter().zip(before).all(|(now, before)| *now >= before + 5)
    })
    .await;
    assert!(stage.effects() < all, "the queue was empty before both had worked");
}

/// Each account's effects: made once, only ever promoted, and a removal is the last.
fn assert_in_order(stage: &Stage<'_>) {
    let state = stage.app.state();
    for space in &stage.spaces {
        let mut told: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for effect in state["spaces"][space]["effects"].as_array().unwrap() {
            let word = |key: &str| effect[key].as_str().unwrap_or_default();
            told.entry(word("userName")).or_default().push((word("kind"), word("role")));
        }
        for (person, effects) in told {
            let kinds: Vec<_> = effects.iter().map(|(kind, _)| *kind).collect();
            let in_order = [&["create"][..], &["create", "role"], &["create", "delete"], &["create", "role", "delete"]];
            assert!(in_order.contains(&kinds.as_slice()), "{person} in {space}: {effects:?}");
            assert!(!effects.contains(&("role", "viewer")), "{person} in {space} was demoted: {effects:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_two_servers_one_frozen_and_one_killed() {
    let Some(database) = Database::postgres() else { return };
    let people = if is_long() { 25_000 } else { 500 };
    let stage = Stage::set(&database, &["box-one", "box-two", "box-three", "box-four"]);
    stage.take_duplicates().await;
    // An app that takes a moment, so that something is under way when a server is stopped.
    stage.app.fault(&json!({"match": "POST Users", "times": 0, "delay_after_ms": 60})).unwrap();
    let frozen = stage.start(&[]);
    let idp = stage.client();
    let staff = idp.create_group("staff").await;
    let watchers = idp.create_group("watchers").await;
    let mut users = Vec::new();
    let mut roles = BTreeMap::new();
    for number in 0..people {
        let name = format!("p{number}@example.com");
        users.push(idp.create_user(&name).await);
        roles.insert(name, if number % 4 == 0 { "editor" } else { "viewer" });
    }
    for some in users.chunks(100) {
        idp.join(&watchers, some).await;
    }
    let all = people * 4;
    let mut own = None;
    eventually("the first server works", SOON, async || {
        own = held(&database).first().map(|held| held.boot.clone());
        own.is_some()
    })
    .await;
    let own = own.unwrap();
    let dying = stage.start(&[]);
    both_work(&stage, [&frozen, &dying], all).await;

    // Frozen with attempts under way.
    let mut lost = BTreeSet::new();
    eventually("it is frozen in the middle of something", SOON, async || {
        frozen.freeze();
        // A commit that it sent right before is not lost: it arrives, and then there may be nothing
        // left under way.
        let sent = held(&database);
        tokio::time::sleep(Duration::from_millis(200)).await;
        lost = held(&database).into_iter().filter(|held| held.boot == own && sent.contains(held)).collect();
        if lost.is_empty() {
            frozen.thaw();
        }
        !lost.is_empty()
    })
    .await;
    let before = stage.effects();
    eventually("its tasks are taken over", SOON, async || held(&database).is_disjoint(&lost)).await;
    eventually("the other goes on alone", SOON, async || stage.effects() >= (before + 40).min(all)).await;
    // What changes meanwhile waits behind what is under way for the same account.
    for (number, user) in users.iter().enumerate() {
        if number % 4 == 0 {
            idp.join(&staff, std::slice::from_ref(user)).await;
        }
    }
    frozen.thaw();
    eventually("its late results are refused", SOON, async || {
        frozen.log().contains("the lease was taken over; the result is dropped")
    })
    .await;
    let thawed = frozen;
    both_work(&stage, [&thawed, &dying], all + people).await;

    dying.kill();
    stage.turn_to(&thawed);
    let mut outside = BTreeSet::new();
    for (number, user) in users.iter().enumerate().take(LEAVERS) {
        let name = format!("p{number}@example.com");
        idp.deactivate(user).await;
        roles.remove(&name);
        outside.insert(name);
    }
    stage.drained(&thawed, SOON * if is_long() { 60 } else { 2 }).await;
    stage.balance_of(&roles, &outside).await;
    assert_in_order(&stage);
    drop(thawed);
}
