//! F-10: the connection to PostgreSQL is cut at every statement of a request that writes, before
//! the server hears of it and after it was carried out. Nothing half, nothing acknowledged that is
//! not there, a 503 that says when to come back, and the next request is served.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde_json::Value;

use super::stage::{Stage, joining, person};
use crate::support::http::Reply;
use crate::support::{Cut, Database, Proxy, eventually};

const SOON: Duration = Duration::from_secs(60);
/// More round trips than any request here makes.
const STATEMENTS: usize = 80;

#[derive(QueryableByName)]
struct Rows {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// Past the proxy.
fn count(database: &Database, sql: &str) -> i64 {
    let mut conn = PgConnection::establish(&database.url).unwrap();
    diesel::sql_query(sql).get_result::<Rows>(&mut conn).unwrap().rows
}

/// What a request left: its resource's row, what belongs to it, and its activity.
fn left(database: &Database, change: &str, name: &str, user: &str, request: &str) -> [i64; 3] {
    let bytes = user.replace('-', "");
    let (row, belongs) = match change {
        "create" => (
            format!("SELECT COUNT(*) AS rows FROM users WHERE user_name_key = '{name}'"),
            format!("SELECT COUNT(*) AS rows FROM user_emails WHERE email_key = '{name}'"),
        ),
        _ => (
            format!("SELECT COUNT(*) AS rows FROM memberships WHERE member_id = '\\x{bytes}'"),
            format!(
                "SELECT (SELECT COUNT(*) FROM reconcile_marks WHERE user_id = '\\x{bytes}') \
                     + (SELECT COUNT(*) FROM tasks WHERE user_id = '\\x{bytes}') AS rows"
            ),
        ),
    };
    let news =
        format!("SELECT COUNT(*) AS rows FROM activity WHERE request_id = '{request}' AND kind NOT LIKE 'task.%'");
    [row, belongs, news].map(|sql| count(database, &sql).min(1))
}

fn assert_come_back(reply: &Reply, at: &str) {
    assert_eq!(reply.status, 503, "{at}: {}", reply.text());
    assert!(reply.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok_and(|wait| wait > 0)), "{at}");
    assert_eq!(reply.header("content-type"), Some("application/scim+json"), "{at}");
    let body = reply.json();
    assert_eq!(body["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error", "{at}: {body}");
    assert_eq!(body["status"], "503", "{at}: {body}");
}

struct Cutting<'a> {
    database: &'a Database,
    stage: &'a Stage<'a>,
    proxy: &'a Proxy,
    group: String,
    inside: BTreeSet<String>,
    /// Requests that were cut.
    cuts: usize,
}

impl Cutting<'_> {
    /// Send `change` with a cut at statement `n`. Answers whether there is no such statement.
    async fn one(&mut self, change: &str, cut: Cut, n: usize) -> bool {
        let idp = self.stage.client();
        // The server's own statements, now and then, may be the n-th: then it is asked again.
        for time in 0..8 {
            let name = format!("{change}-{n}-{time}-{}@example.com", cut == Cut::BeforeReply).to_lowercase();
            let at = format!("{change}, {cut:?}, statement {n}");
            let request = name.replace('@', "-at-");
            let mut user = match change {
                "create" => String::from("00000000-0000-7000-8000-000000000000"),
                _ => idp.create_user(&name).await,
            };
            let (method, path, body) = match change {
                "create" => ("POST", String::from("/scim/v2/Users"), person(&name)),
                _ => ("PATCH", format!("/scim/v2/Groups/{}", self.group), joining(std::slice::from_ref(&user))),
            };
            let body = body.to_string().into_bytes();
            let headers = [("content-type", "application/scim+json"), ("x-request-id", request.as_str())];
            self.proxy.arm(n, cut);
            let reply = self.stage.plain().send(method, &path, &headers, Some(body)).await;
            let was_cut = self.proxy.disarm();
            let acknowledged = matches!(reply.status, 200..=299);
            let now = left(self.database, change, &name, &user, &request);
            assert!(now == [0; 3] || now == [1; 3], "{at}: half of it is there: {now:?}");
            if acknowledged {
                assert_eq!(now, [1; 3], "{at}: acknowledged");
                if change == "create" {
                    let answer: Value = reply.json();
                    assert_eq!(answer["userName"], name.as_str(), "{at}");
                }
            } else {
                assert_come_back(&reply, &at);
                self.cuts += 1;
            }
            // The same request again, as a client that was told to come back does.
            match change {
                "create" => user = idp.create_user(&name).await,
                _ => idp.join(&self.group, std::slice::from_ref(&user)).await,
            }
            if change != "create" {
                self.inside.insert(name.clone());
            }
            assert_eq!(idp.found("/scim/v2/Users", "userName", &name).await, 1, "{at}: {user}");
            match (acknowledged, was_cut) {
                (false, _) => return false,
                (true, false) => return true,
                (true, true) => {}
            }
        }
        // Acknowledged each time although cut: the first statement on a connection that turns out
        // to be dead is asked again on another.
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_connection_cut_in_every_statement_of_a_request() {
    let Some(database) = Database::postgres() else { return };
    let proxy = Proxy::before(&database);
    let behind = database.behind(&proxy);
    let stage = Stage::set(&behind, &["box-one"]);
    let server = stage.start(&[]);
    let group = stage.client().create_group("staff").await;
    let mut cutting =
        Cutting { database: &database, stage: &stage, proxy: &proxy, group, inside: BTreeSet::new(), cuts: 0 };
    for change in ["create", "join"] {
        for cut in [Cut::BeforeStatement, Cut::BeforeReply] {
            let before = cutting.cuts;
            let mut end = 0;
            for n in 1..STATEMENTS {
                if cutting.one(change, cut, n).await {
                    end = n;
                    break;
                }
            }
            let cuts = cutting.cuts - before;
            assert!(end > 0, "{change} makes more than {STATEMENTS} statements");
            // Begin with the locks, write the rows, the activity, commit: a create has no more than these, and its
            // beginning is made again unseen on another connection.
            let least = if change == "create" { 3 } else { 4 };
            assert!(cuts >= least, "{change}: only {cuts} statements were cut");
        }
    }
    // All connections at once, the one that listens for nudges too.
    proxy.cut_all();
    let listening = "SELECT COUNT(*) AS rows FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND query ~ '^(LISTEN|NOTIFY|SELECT pg_backend_pid)'";
    eventually("somebody listens for nudges again", SOON, async || count(&database, listening) == 1).await;
    stage.drained(&server, SOON).await;
    let inside = std::mem::take(&mut cutting.inside);
    stage.balance(&inside, &BTreeSet::new()).await;
}
