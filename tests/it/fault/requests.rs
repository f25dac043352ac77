//! F-02: the process ends at every step of a request. Whatever was not acknowledged is whole or
//! absent, never half; a client that sends it again gets the one result, pushed once.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::QueryableByName;
use diesel::RunQueryDsl;
use diesel::sql_types::BigInt;
use scimhub::base::steps::REQUEST_STEPS;
use scimhub::store::StoreError;

use super::stage::{Stage, joining, leaving, person};
use crate::support::{Database, databases, eventually};

const SOON: Duration = Duration::from_secs(60);

/// Each table that a request writes, and the planner's and worker's work that must follow.
const COUNTS: [&str; 7] = [
    "SELECT COUNT(*) AS rows FROM users",
    "SELECT COUNT(*) AS rows FROM user_emails",
    "SELECT COUNT(*) AS rows FROM users WHERE NOT active",
    "SELECT COUNT(*) AS rows FROM memberships",
    "SELECT COUNT(*) AS rows FROM activity WHERE kind NOT LIKE 'task.%'",
    "SELECT COUNT(*) AS rows FROM reconcile_marks",
    "SELECT COUNT(*) AS rows FROM tasks",
];

#[derive(QueryableByName)]
struct Rows {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

async fn counts(stage: &Stage<'_>) -> [i64; COUNTS.len()] {
    stage
        .store
        .read(|conn| {
            let mut all = [0; COUNTS.len()];
            for (count, sql) in all.iter_mut().zip(COUNTS) {
                *count = diesel::sql_query(sql).get_result::<Rows>(conn)?.rows;
            }
            Ok::<_, StoreError>(all)
        })
        .await
        .unwrap()
}

/// Whether the change is there with all that belongs to it; panics when it is half there.
fn is_whole(change: &str, before: [i64; COUNTS.len()], after: [i64; COUNTS.len()]) -> bool {
    let [users, emails, inactive, members, news, marks, tasks] =
        std::array::from_fn(|table| after[table] - before[table]);
    let must = match change {
        "create" => [1, 1, 0, 0],
        "join" => [0, 0, 0, 1],
        _ => [0, 0, 1, 0],
    };
    let rows = [users, emails, inactive, members];
    // A mark, or the task the planner already made of it.
    let to_do = i64::from(marks > 0 || tasks > 0);
    let whole = rows == must;
    assert!(whole || rows == [0; 4], "half a {change}: {rows:?}");
    assert_eq!(news > 0, whole, "{change}: the activity");
    assert_eq!(to_do, i64::from(whole && change != "create"), "{change}: rows {rows:?}, marks {marks}, tasks {tasks}");
    whole
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

    for step in REQUEST_STEPS {
        let name = format!("{}@example.com", step.replace('_', "-"));
        let mut user = String::new();
        for change in ["create", "join", "leave"] {
            let (method, path, body) = match change {
                "create" => ("POST", String::from("/scim/v2/Users"), person(&name)),
                "join" => ("PATCH", format!("/scim/v2/Groups/{group}"), joining(std::slice::from_ref(&user))),
                _ => ("PATCH", format!("/scim/v2/Users/{user}"), leaving()),
            };
            let before = counts(&stage).await;
            let mut server = stage.start(&[("SCIMHUB_FAULT_STEP", step.to_owned())]);
            assert_eq!(idp.once(method, &path, &body).await, None, "{change} was answered at {step}");
            eventually(&format!("the process ends at {step}"), SOON, async || server.has_ended()).await;
            let whole = is_whole(change, before, counts(&stage).await);
            let committed = matches!(step, "after_commit" | "before_reply");
            assert_eq!(whole, committed, "{}: {change} at {step}", database.name);

            // What was committed is pushed even if the client never comes back; else nothing is.
            let server = stage.start(&[]);
            stage.drained(&server, SOON).await;
            if whole {
                note(change, &name, &mut inside, &mut outside);
            }
            stage.balance(&inside, &outside).await;

            // The client asks again and cannot tell the difference.
            match change {
                "create" => user = idp.create_user(&name).await,
                "join" => idp.join(&group, std::slice::from_ref(&user)).await,
                _ => idp.deactivate(&user).await,
            }
            note(change, &name, &mut inside, &mut outside);
            stage.drained(&server, SOON).await;
            stage.balance(&inside, &outside).await;
            assert_eq!(idp.found("/scim/v2/Users", "userName", &name).await, 1, "{change} at {step}");
            server.kill();
        }
    }
}

fn note(change: &str, name: &str, inside: &mut BTreeSet<String>, outside: &mut BTreeSet<String>) {
    match change {
        "create" => {}
        "join" => drop(inside.insert(name.to_owned())),
        _ => {
            inside.remove(name);
            outside.insert(name.to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_ending_at_every_step_of_a_request() {
    // Side by side: most of the time is waiting for processes.
    futures_util::future::join_all(databases().iter().map(every_step)).await;
}
