//! F-15: two servers on one PostgreSQL, both claiming. One is frozen for longer than its leases
//! and goes on, the other is killed: every effect once, in order, nothing left running; the
//! frozen one's late results are refused; and neither is idle while work waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use serde_json::json;

use super::stage::{Idp, Stage};
use crate::support::http::Client;
use crate::support::{Database, eventually, is_long};

const SOON: Duration = Duration::from_secs(120);
/// People who leave again; few enough for the guard.
const LEAVERS: usize = 5;
/// Tasks that wait at least while the servers are looked at: a second or two of work.
const AT_HAND: usize = 400;

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

/// Attempts that a server has ended, by its own metrics.
async fn attempts(server: &Client) -> u64 {
    let mut text = String::new();
    // One that could not run for ten seconds takes its next connection for one that is slow to ask (408).
    eventually("metrics are answered", SOON, async || {
        let reply = server.get("/metrics").await;
        text = reply.text();
        reply.status == 200
    })
    .await;
    let lines = text.lines().filter(|line| line.starts_with("scimhub_attempts_total"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).map(|count| count as u64).sum()
}

/// People who keep arriving, so that no server can be idle for want of work.
struct Arrivals<'a> {
    stage: &'a Stage<'a>,
    idp: Idp,
    watchers: String,
    users: Vec<String>,
    roles: BTreeMap<String, &'static str>,
}

impl Arrivals<'_> {
    async fn arrive(&mut self, people: usize) {
        let already = self.users.len();
        for number in already..already + people {
            let name = format!("p{number}@example.com");
            self.users.push(self.idp.create_user(&name).await);
            self.roles.insert(name, "viewer");
        }
        for some in self.users[already..].chunks(100) {
            self.idp.join(&self.watchers, some).await;
        }
    }

    /// Every fourth of those who are there is promoted.
    async fn promote(&mut self, staff: &str) {
        for (number, user) in self.users.iter().enumerate().step_by(4) {
            self.idp.join(staff, std::slice::from_ref(user)).await;
            self.roles.insert(format!("p{number}@example.com"), "editor");
        }
    }

    /// However fast the servers are beside this test, they do not run out of tasks.
    async fn keep_coming(&mut self) {
        let spaces = self.stage.spaces.len();
        // Roles count as effects too: rather too many arrive than too few.
        if (self.users.len() * spaces).saturating_sub(self.stage.effects()) < AT_HAND {
            self.arrive(AT_HAND / spaces).await;
        }
    }

    /// Both servers end attempts.
    async fn until_both_work(&mut self, servers: &[Client; 2]) {
        let before = [attempts(&servers[0]).await, attempts(&servers[1]).await];
        eventually("both servers work", SOON, async || {
            self.keep_coming().await;
            let now = [attempts(&servers[0]).await, attempts(&servers[1]).await];
            now.iter().zip(before).all(|(now, before)| *now >= before + 5)
        })
        .await;
    }
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
    let mut arrivals = Arrivals { stage: &stage, idp, watchers, users: Vec::new(), roles: BTreeMap::new() };
    arrivals.arrive(people).await;
    let mut own = None;
    eventually("the first server works", SOON, async || {
        own = held(&database).first().map(|held| held.boot.clone());
        own.is_some()
    })
    .await;
    let own = own.unwrap();
    let dying = stage.start(&[]);
    let both = [frozen.client("read"), dying.client("read")];
    arrivals.until_both_work(&both).await;

    // Frozen with attempts under way.
    let mut lost = BTreeSet::new();
    eventually("it is frozen in the middle of something", SOON, async || {
        arrivals.keep_coming().await;
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
    eventually("the other goes on alone", SOON, async || {
        arrivals.keep_coming().await;
        stage.effects() >= before + 40
    })
    .await;
    // What changes meanwhile waits behind what is under way for the same account.
    arrivals.promote(&staff).await;
    frozen.thaw();
    eventually("its late results are refused", SOON, async || {
        frozen.log().contains("the lease was taken over; the result is dropped")
    })
    .await;
    let thawed = frozen;
    arrivals.until_both_work(&both).await;

    dying.kill();
    stage.turn_to(&thawed);
    let Arrivals { idp, users, mut roles, .. } = arrivals;
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
