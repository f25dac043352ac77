//! Many users arrive at once and share transactions: each gets its own answer, nobody's is lost, and what
//! waits for one of them finds them among the others.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use diesel::prelude::*;
use futures_util::future::join_all;
use scimhub::base::ids::{SourceId, UserId, WorkspaceId};
use scimhub::scim::query::Projection;
use scimhub::service::shown::Conditions;
use scimhub::service::{Caller, ServiceError, groups, users};
use scimhub::store::rules_lock::rules_change;
use scimhub::store::schema::{activity, leavers, user_emails, users as rows};
use scimhub::store::{Store, StoreError};
use serde_json::json;

use super::scim_arrivals::{create, groups_of, share, team, with};
use super::scim_marks::Bench;
use super::scim_support::{add_members, user};
use crate::support::{Cut, Database, Proxy, databases, eventually};

const WORKSPACE: WorkspaceId = WorkspaceId(1);
const SOON: Duration = Duration::from_secs(30);

/// Everybody there is by name, each with as many e-mail rows and records as it should have.
async fn whole(store: &Store, workspace: WorkspaceId) -> Vec<(String, UserId)> {
    let found = store.read(move |conn| {
        let of = |ids: Vec<Vec<u8>>, id: &[u8]| ids.iter().filter(|other| *other == id).count();
        let all: Vec<(String, Vec<u8>)> = rows::table
            .filter(rows::workspace.eq(workspace.0))
            .order(rows::user_name_key)
            .select((rows::user_name_key, rows::id))
            .load(conn)?;
        let emails: Vec<Vec<u8>> = user_emails::table.select(user_emails::user_id).load(conn)?;
        let told: Vec<Option<Vec<u8>>> =
            activity::table.filter(activity::kind.eq("user.created")).select(activity::user_id).load(conn)?;
        let told: Vec<Vec<u8>> = told.into_iter().flatten().collect();
        for (name, id) in &all {
            assert_eq!((of(emails.clone(), id), of(told.clone(), id)), (1, 1), "e-mails and records of {name}");
        }
        if workspace == WORKSPACE {
            assert_eq!((emails.len(), told.len()), (all.len(), all.len()), "of somebody who is not there");
        }
        Ok::<_, StoreError>(all)
    });
    let named = |(name, id): (String, Vec<u8>)| (name, UserId::from_bytes(&id).unwrap());
    found.await.unwrap().into_iter().map(named).collect()
}

fn is_taken(made: &Result<UserId, ServiceError>) -> bool {
    matches!(made, Err(ServiceError::Scim(e)) if e.status == 409 && e.to_string().contains("userName"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_arrives_and_everybody_is_there() {
    for database in databases() {
        let bench = Arc::new(Bench::open(&database).await);
        let mut arriving = Vec::new();
        for number in 0..200 {
            let bench = Arc::clone(&bench);
            arriving.push(tokio::spawn(async move {
                let name = format!("p{number:03}@x");
                let body = with(user(&name), &json!({"active": number % 10 > 0, "externalId": format!("e{number}")}));
                (name, create(&bench, body).await.unwrap())
            }));
        }
        let mut made = Vec::new();
        for one in arriving {
            made.push(one.await.unwrap());
        }
        made.sort();
        assert_eq!(whole(&bench.context.store, WORKSPACE).await, made, "{}", database.name);
        let left =
            bench.context.store.read(|conn| Ok::<_, StoreError>(leavers::table.count().get_result::<i64>(conn)?));
        assert_eq!(left.await.unwrap(), 20);
        assert!(bench.marked().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_taken_name_refuses_nobody_else() {
    for database in databases() {
        let bench = Bench::open(&database).await;
        create(&bench, user("taken@x")).await.unwrap();
        // One name is another's, and one is asked for by several at once.
        let names = (0..60).map(|number| match number {
            17 => String::from("Taken@X"),
            20 | 30 | 40 | 50 => String::from("twice@x"),
            _ => format!("p{number:02}@x"),
        });
        let names: Vec<String> = names.collect();
        let made = join_all(names.iter().map(|name| create(&bench, user(name)))).await;
        let refused = names.iter().zip(&made).filter(|(_, made)| is_taken(made)).map(|(name, _)| name.as_str());
        assert_eq!(refused.collect::<Vec<_>>(), ["Taken@X", "twice@x", "twice@x", "twice@x"], "{}", database.name);
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 56);
        assert_eq!(whole(&bench.context.store, WORKSPACE).await.len(), 57);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_one_of_a_crowd_finds_them() {
    for database in databases() {
        let bench = Bench::open(&database).await;
        let named: Vec<String> = (0..60).step_by(3).map(|number| format!("e{number}")).collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        team(&bench, "Team", &named).await;
        team(&bench, "Other", &named[..4]).await;
        share(&bench, "p01@x").await;
        let made = join_all((0..60).map(|number| {
            let more = json!({ "externalId": format!("e{number}") });
            create(&bench, with(user(&format!("p{number:02}@x")), &more))
        }));
        let mut marked = Vec::new();
        for (number, id) in made.await.into_iter().enumerate() {
            let id = id.unwrap();
            let wanted: &[&str] = match number {
                0 | 3 | 6 | 9 => &["Other", "Team"],
                _ if number % 3 == 0 => &["Team"],
                _ => &[],
            };
            assert_eq!(groups_of(&bench, id).await, wanted, "{} {number}", database.name);
            if number == 1 || !wanted.is_empty() {
                marked.push(id.to_string());
            }
        }
        marked.sort();
        assert_eq!(bench.marked().await, marked);
        // Two with one externalId: what waits for it joins one of them.
        team(&bench, "Last", &["same"]).await;
        let made = join_all(
            (0..8)
                .map(|number| create(&bench, with(user(&format!("same-{number}@x")), &json!({"externalId": "same"})))),
        );
        let mut joined = Vec::new();
        for id in made.await {
            joined.extend(groups_of(&bench, id.unwrap()).await);
        }
        assert_eq!(joined, ["Last"]);
    }
}

#[tokio::test]
async fn a_crowd_costs_few_round_trips() {
    let Some(database) = Database::postgres() else { return };
    let proxy = Proxy::before(&database);
    let bench = Bench::open(&database.behind(&proxy)).await;
    let mut least = usize::MAX;
    for round in 0..8 {
        proxy.count();
        let made = join_all((0..64).map(|number| create(&bench, user(&format!("p{round}-{number}@x"))))).await;
        least = least.min(proxy.counted());
        assert!(made.iter().all(Result::is_ok));
    }
    // Two go at once and alone, and the others share a transaction or two.
    assert!(least <= 4 * 4, "{least}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cut_connection_halves_nobody_and_loses_nobody() {
    let Some(database) = Database::postgres() else { return };
    let proxy = Proxy::before(&database);
    let bench = Bench::open(&database.behind(&proxy)).await;
    let mut there = 0;
    for (round, cut) in [Cut::BeforeStatement, Cut::BeforeReply].into_iter().cycle().take(32).enumerate() {
        let names: Vec<String> = (0..24).map(|number| format!("p{round:02}-{number:02}@x")).collect();
        proxy.arm(round / 2 + 1, cut);
        let made = join_all(names.iter().map(|name| create(&bench, user(name)))).await;
        proxy.disarm();
        let all = whole(&bench.context.store, WORKSPACE).await;
        for (name, made) in names.iter().zip(made) {
            let found = all.iter().find(|(other, _)| other == name).map(|(_, id)| *id);
            match made {
                Ok(id) => assert_eq!(found, Some(id), "{name} was acknowledged ({cut:?})"),
                Err(ServiceError::Store(error)) => assert!(error.is_transient(), "{name}: {error:?}"),
                Err(other) => panic!("{name}: {other:?}"),
            }
        }
        assert!(all.len() >= there, "somebody is gone");
        there = all.len();
    }
    assert!(there > 24 * 16, "most are served by another connection: {there}");
}

/// A group that names people who are not there yet, while those it waits for arrive: neither may wait for the
/// other holding what that one waits for. Here PostgreSQL would not notice for an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn people_arrive_while_their_groups_name_others_to_come() {
    for database in databases() {
        if let Ok(mut conn) = PgConnection::establish(&database.url) {
            let never = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''1h''', \
                 current_database()); END $$";
            diesel::sql_query(never).execute(&mut conn).unwrap();
        }
        let bench = Bench::open(&database).await;
        for round in 0..12 {
            let named: Vec<String> = (0..8).map(|number| format!("e{round}-{number}")).collect();
            let named: Vec<&str> = named.iter().map(String::as_str).collect();
            let group = team(&bench, &format!("Group {round}"), &named).await;
            let arriving = join_all(
                named
                    .iter()
                    .map(|name| create(&bench, with(user(&format!("{name}@x")), &json!({ "externalId": name })))),
            );
            let naming = join_all((0..8).map(|number| {
                let unknown = add_members(&[format!("never-{round}-{number}")]);
                let (bench, group) = (&bench, &group);
                async move {
                    let (all, free) = (Projection::all(), Conditions::default());
                    groups::patch(&bench.context, &bench.caller, group, unknown, free, all).await.map(|_| ())
                }
            }));
            let (arrived, named) = futures_util::future::join(arriving, naming).await;
            for changed in named {
                changed.unwrap_or_else(|error| panic!("{}: {error:?}", database.name));
            }
            for id in arrived {
                let id = id.unwrap_or_else(|error| panic!("{}: {error:?}", database.name));
                assert_eq!(groups_of(&bench, id).await, [format!("Group {round}")]);
            }
        }
    }
}

/// A workspace whose rules are being changed for long keeps its own people waiting, and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_workspace_that_is_held_up_holds_up_no_other() {
    let Some(database) = Database::postgres() else { return };
    let bench = Arc::new(Bench::open(&database).await);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let (store, begun, released) = (bench.context.store.clone(), Mutex::new(Some(begun)), Mutex::new(released));
    let ruling = tokio::spawn(async move {
        let ruled = store.write(move |tx| {
            rules_change(tx, WORKSPACE)?;
            begun.lock().unwrap().take().unwrap().send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
            Ok::<_, StoreError>(())
        });
        ruled.await.unwrap();
    });
    has_begun.await.unwrap();
    let waiting: Vec<_> = (0..40)
        .map(|number| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { create(&bench, user(&format!("here-{number}@x"))).await })
        })
        .collect();
    // Some hang up.
    waiting.iter().skip(20).for_each(tokio::task::JoinHandle::abort);
    let there = Caller { workspace: WorkspaceId(2), source: SourceId(2), ..bench.caller.clone() };
    let made = (0..40)
        .map(|number| users::create(&bench.context, &there, user(&format!("there-{number}@x")), Projection::all()));
    for made in tokio::time::timeout(SOON, join_all(made)).await.expect("the others are served meanwhile") {
        made.unwrap();
    }
    assert_eq!(whole(&bench.context.store, WorkspaceId(2)).await.len(), 40);
    assert!(!waiting[0].is_finished());
    release.send(()).unwrap();
    ruling.await.unwrap();
    let mut arrived = 0;
    for one in waiting {
        match one.await {
            Ok(made) => drop(made.unwrap()),
            Err(hung_up) => {
                assert!(hung_up.is_cancelled());
                continue;
            }
        }
        arrived += 1;
    }
    assert!(arrived >= 20);
    // Nobody waits for a turn that somebody who hung up has taken along.
    create(&bench, user("last@x")).await.unwrap();
    eventually("those who were begun are there", SOON, async || {
        let count = rows::table.filter(rows::workspace.eq(WORKSPACE.0)).count();
        bench.context.store.read(move |conn| Ok::<_, StoreError>(count.get_result::<i64>(conn)?)).await.unwrap() > 20
    })
    .await;
}
