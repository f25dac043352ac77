//! F-19: the server is told to stop while clients write and tasks are pushed: by SIGTERM with a
//! load balancer that looks at `/readyz`, by a second SIGTERM, and by SIGKILL when the grace is
//! over. Nothing acknowledged is lost, no accepted request is answered badly, no task stays running.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use scimhub::domain::task::TaskStatus;
use serde_json::{Value, json};

use super::stage::{Idp, Stage, joining, person};
use crate::support::server::Server;
use crate::support::{Database, databases, eventually, raw};

const SOON: Duration = Duration::from_secs(60);
const WRITERS: usize = 4;

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// SIGTERM; the clients' load balancer turns away when `/readyz` says no.
    Calm,
    /// A second SIGTERM while requests and attempts are under way.
    Twice,
    /// SIGTERM, and SIGKILL before it is done.
    Killed,
}

/// What one writer did in one round.
#[derive(Default)]
struct Done {
    /// Acknowledged whole.
    inside: Vec<String>,
    /// Cut off: must be sent again.
    open: Option<String>,
    /// A request that got no good answer, and why.
    bad: Vec<String>,
}

/// Send once, without a second try, and read the whole answer.
async fn ask(idp: &Idp, method: &str, path: &str, body: &Value, done: &mut Done) -> Option<Value> {
    match idp.ask(method, path, body).await {
        Ok((200..=299, answer)) => Some(answer),
        Ok((status, answer)) => {
            done.bad.push(format!("{method} {path}: {status} {answer}"));
            None
        }
        Err(cut) => {
            done.bad.push(format!("{method} {path}: {cut}"));
            None
        }
    }
}

/// Create people and put them into the group until told to stop, or until an answer fails to come.
async fn write(idp: Idp, group: String, prefix: String, go_on: Arc<AtomicBool>) -> Done {
    let mut done = Done::default();
    for number in 0.. {
        if !go_on.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("{prefix}-{number}@example.com");
        let joined = match ask(&idp, "POST", "/scim/v2/Users", &person(&name), &mut done).await {
            Some(made) => {
                let user = made["id"].as_str().unwrap().to_owned();
                let body = joining(std::slice::from_ref(&user));
                ask(&idp, "PATCH", &format!("/scim/v2/Groups/{group}"), &body, &mut done).await
            }
            None => None,
        };
        if joined.is_none() {
            done.open = Some(name);
            break;
        }
        done.inside.push(name);
    }
    done
}

async fn under_way(stage: &Stage<'_>) -> usize {
    stage.tasks(&[TaskStatus::Started, TaskStatus::Running]).await.len()
}

async fn stopped_again_and_again(database: &Database, rounds: usize) {
    let stage = Stage::set(database, &["box-one", "box-two"]);
    // Slow enough that attempts are under way whenever the signal comes.
    stage.app.fault(&json!({"match": "POST Users", "times": 0, "delay_ms": 40})).unwrap();
    let idp = stage.client();
    let mut server = stage.start_as(&[], &["--drain-delay", "2s"]);
    let group = idp.create_group("staff").await;
    let mut inside = BTreeSet::new();
    for round in 0..rounds {
        let end = [End::Calm, End::Twice, End::Calm, End::Killed][round % 4];
        let go_on = Arc::new(AtomicBool::new(true));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let prefix = format!("r{round}w{writer}");
                tokio::spawn(write(stage.client(), group.clone(), prefix, Arc::clone(&go_on)))
            })
            .collect();
        let effects = stage.effects() + 10 + 7 * round;
        eventually("load, and attempts under way", SOON, async || {
            stage.effects() >= effects && under_way(&stage).await > 0
        })
        .await;
        let status = finish(&mut server, end, &go_on).await;
        let what = format!("{} round {round}, {end:?}", database.name);
        match end {
            End::Calm => assert_eq!(status, Some(0), "{what}:\n{}", server.log_end()),
            End::Twice => assert_eq!(status, Some(1), "{what}:\n{}", server.log_end()),
            End::Killed => assert_eq!(status, None, "{what}"),
        }
        let mut open = Vec::new();
        for writer in writers {
            let done = writer.await.unwrap();
            inside.extend(done.inside);
            open.extend(done.open);
            if end == End::Calm {
                assert_eq!(done.bad, Vec::<String>::new(), "{what}");
            }
            for bad in done.bad {
                // Cut off is what was asked for; an answer, once begun, is whole and no 5xx.
                assert!(bad.contains("no answer"), "{what}: {bad}");
            }
        }
        if end == End::Calm {
            assert_eq!(under_way(&stage).await, 0, "{what}: leases are given back");
        }
        server = stage.start_as(&[], &["--drain-delay", "2s"]);
        for name in open {
            let user = idp.create_user(&name).await;
            idp.join(&group, std::slice::from_ref(&user)).await;
            inside.insert(name);
        }
        stage.drained(&server, SOON).await;
        stage.balance(&inside, &BTreeSet::new()).await;
    }
}

/// End the server; its exit status.
async fn finish(server: &mut Server, end: End, go_on: &AtomicBool) -> Option<i32> {
    server.signal("TERM");
    // What a load balancer does: it asks, and sends nobody there once the answer is no.
    eventually("readiness to fall", SOON, async || {
        raw::request(&server.base, "GET", b"/readyz", &[], b"").status == 503
    })
    .await;
    match end {
        End::Calm => go_on.store(false, Ordering::SeqCst),
        End::Twice => server.signal("TERM"),
        End::Killed => server.signal("KILL"),
    }
    let status = server.ended();
    go_on.store(false, Ordering::SeqCst);
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn f19_stopping_under_load_breaks_no_promise() {
    futures_util::future::join_all(databases().iter().map(|database| {
        let rounds = if database.name == "sqlite" { 10 } else { 3 };
        stopped_again_and_again(database, rounds)
    }))
    .await;
}

/// The app holds on to every request for longer than a stopping server is patient.
#[tokio::test(flavor = "multi_thread")]
async fn f19_what_an_app_does_not_answer_is_given_back_and_taken_up_at_once() {
    for database in databases() {
        let stage = Stage::set(&database, &["box-one"]);
        stage.app.fault(&json!({"match": "POST Users", "times": 3, "delay_after_ms": 600_000})).unwrap();
        // Attempts may take long, leases longer; only the farewell is short.
        let pace = [("SCIMHUB_FAULT_PACE", String::from("300000,300000,300"))];
        let mut server = stage.start(&pace);
        let idp = stage.client();
        let group = idp.create_group("staff").await;
        let names: BTreeSet<_> = (0..3).map(|number| format!("p{number}@example.com")).collect();
        for name in &names {
            let user = idp.create_user(name).await;
            idp.join(&group, &[user]).await;
        }
        eventually("the app has them all", SOON, async || stage.effects() == names.len()).await;
        assert_eq!(under_way(&stage).await, names.len(), "{}", database.name);
        server.signal("TERM");
        assert_eq!(server.ended(), Some(0), "{}", server.log_end());
        assert_eq!(under_way(&stage).await, 0, "{}: given back", database.name);
        // No lease is waited for: it would last ten minutes.
        let server = stage.start(&pace);
        stage.drained(&server, SOON).await;
        stage.balance(&names, &BTreeSet::new()).await;
        assert_eq!(stage.effects(), names.len(), "{}: asked first, made once", database.name);
    }
}
