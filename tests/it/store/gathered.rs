//! Reads of a user by id are gathered on PostgreSQL: many in one statement, each with its own answer.
//! The same is held against SQLite where it applies, whose reads run inline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use futures_util::future::join_all;
use scimhub::base::clock::{Clock as _, Micros, SystemClock};
use scimhub::base::ids::{GroupId, SourceId, UserId, WorkspaceId};
use scimhub::scim::group::GroupKeys;
use scimhub::scim::user::UserKeys;
use scimhub::store::memberships::{self, Member, MemberKind};
use scimhub::store::reach::Reach;
use scimhub::store::{DbConn, Store, StoreConfig, StoreError, Tx, groups, user_with_groups, users};
use uuid::Uuid;

use crate::support::postgres::{Ending, Postgres};
use crate::support::{Database, databases, eventually};

const HERE: WorkspaceId = WorkspaceId(1);
const THERE: WorkspaceId = WorkspaceId(2);
const SOURCE: SourceId = SourceId(1);
const SOON: Duration = Duration::from_secs(30);

fn keys(name: &str) -> UserKeys {
    UserKeys {
        user_name: name.into(),
        user_name_key: name.into(),
        display_name_key: None,
        external_id: None,
        active: true,
        emails: Vec::new(),
    }
}

fn make(tx: &mut Tx<'_>, workspace: WorkspaceId, name: &str) -> Result<UserId, StoreError> {
    let id = UserId::from_uuid(Uuid::now_v7());
    users::insert(tx, workspace, SOURCE, id, &keys(name), &format!("{{\"userName\":\"{name}\"}}"), Micros(1))?;
    Ok(id)
}

/// People of a workspace with their names, each in a group of its own name.
async fn people(store: &Store, workspace: WorkspaceId, count: usize) -> Vec<(UserId, String)> {
    let made = store.write(move |tx| {
        (0..count)
            .map(|number| {
                let name = format!("{number}-of-{}", workspace.0);
                let id = make(tx, workspace, &name)?;
                let group = GroupId::from_uuid(Uuid::now_v7());
                let keys = GroupKeys { display_name: name.clone(), display_name_key: name.clone(), external_id: None };
                groups::insert(tx, workspace, SOURCE, group, &keys, "{}", Micros(1))?;
                let member = Member { id: id.uuid(), kind: MemberKind::User };
                memberships::add(tx, workspace, group, &[member], Micros(1))?;
                Ok::<_, StoreError>((id, name))
            })
            .collect()
    });
    made.await.unwrap()
}

async fn name_of(store: &Store, workspace: WorkspaceId, id: UserId) -> Result<String, StoreError> {
    let (row, groups) = user_with_groups::read(store, workspace, Reach::Source(SOURCE), id).await?;
    assert_eq!(row.id, id, "somebody else's row");
    let names: Vec<String> = groups.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, std::slice::from_ref(&row.user_name), "the groups of the same person");
    Ok(row.user_name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_each_get_their_own() {
    for database in databases() {
        let store = database.open();
        let (ours, theirs) = (people(&store, HERE, 150).await, people(&store, THERE, 150).await);
        let mut asked = Vec::new();
        for ((id, name), (other, other_name)) in ours.iter().zip(&theirs) {
            for (workspace, id, wanted) in [
                (HERE, *id, Some(name)),
                (THERE, *other, Some(other_name)),
                // Somebody of another workspace, and nobody.
                (HERE, *other, None),
                (THERE, *id, None),
                (HERE, UserId::from_uuid(Uuid::now_v7()), None),
                // The same person asked for twice.
                (HERE, *id, Some(name)),
            ] {
                let (store, wanted) = (store.clone(), wanted.cloned());
                asked.push(tokio::spawn(async move {
                    let found = name_of(&store, workspace, id).await;
                    match (&found, wanted) {
                        (Ok(name), Some(wanted)) => assert_eq!(*name, wanted),
                        (Err(StoreError::NotFound), None) => {}
                        (found, wanted) => panic!("{found:?} where {wanted:?}"),
                    }
                }));
            }
        }
        for one in asked {
            one.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_sees_every_change_that_was_acknowledged_before() {
    for database in databases() {
        let store = database.open();
        let all = people(&store, HERE, 24).await;
        let mut running = Vec::new();
        for (id, _) in all {
            let store = store.clone();
            running.push(tokio::spawn(async move {
                for round in 2..30 {
                    let wrote = store.write(move |tx| {
                        let row = users::load_for_update(tx, HERE, Reach::Source(SOURCE), id)?;
                        users::replace(tx, HERE, &row, &keys(&row.user_name), "{}", Micros(round))
                    });
                    let version = wrote.await.unwrap().version;
                    assert_eq!(version, round);
                    let read = user_with_groups::read(&store, HERE, Reach::Source(SOURCE), id).await.unwrap();
                    assert_eq!(read.0.version, version, "{id}");
                }
                store
                    .write(move |tx| {
                        memberships::remove_everywhere(tx, HERE, id.uuid(), Micros(99))?;
                        users::delete(tx, HERE, id, Micros(99))
                    })
                    .await
                    .unwrap();
                let gone = user_with_groups::read(&store, HERE, Reach::Source(SOURCE), id).await;
                assert!(matches!(gone, Err(StoreError::NotFound)), "{gone:?}");
            }));
        }
        for one in running {
            one.await.unwrap();
        }
    }
}

fn end_others(conn: &mut DbConn) -> Result<(), StoreError> {
    Ok(conn.batch_execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_end_are_replaced_and_give_no_wrong_answer() {
    let Some(database) = Database::postgres() else { return };
    let store = database.open();
    let all = people(&store, HERE, 64).await;
    // Idle ones, unseen by the next reads.
    join_all(all.iter().map(|(id, _)| name_of(&store, HERE, *id))).await;
    database.open().read(end_others).await.unwrap();
    for (answer, (_, name)) in join_all(all.iter().map(|(id, _)| name_of(&store, HERE, *id))).await.iter().zip(&all) {
        assert_eq!(answer.as_ref().unwrap(), name);
    }
    // In the middle of work: answered rightly or told to come again.
    let killer = database.open();
    let enough = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&enough);
    let killing = tokio::spawn(async move {
        while !until.load(Ordering::Relaxed) {
            killer.read(end_others).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    // As long as it takes on a busy machine: without an answer in the middle nothing was shown.
    let (mut answered, mut rounds) = (0, 0);
    while rounds < 20 || (answered == 0 && rounds < 2_000) {
        rounds += 1;
        for (answer, (_, name)) in join_all(all.iter().map(|(id, _)| name_of(&store, HERE, *id))).await.iter().zip(&all)
        {
            match answer {
                Ok(found) => {
                    answered += 1;
                    assert_eq!(found, name);
                }
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
        }
    }
    enough.store(true, Ordering::Relaxed);
    killing.await.unwrap();
    assert!(answered > 0, "{rounds} rounds");
    assert_eq!(name_of(&store, HERE, all[0].0).await.unwrap(), all[0].1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_server_all_that_wait_are_told_and_afterwards_reads_go_on() {
    let mut server = match Postgres::own() {
        Ok(server) => server,
        Err(why) => {
            assert!(Database::postgres().is_none(), "{why}");
            return;
        }
    };
    let database = Database::on(&server);
    let store = database.open();
    let all = people(&store, HERE, 100).await;
    assert_eq!(name_of(&store, HERE, all[0].0).await.unwrap(), all[0].1);
    server.stop(Ending::Immediate);
    eventually("the server is gone", SOON, async || PgConnection::establish(&database.url).is_err()).await;
    let clock = SystemClock::new();
    for answer in join_all(all.iter().map(|(id, _)| name_of(&store, HERE, *id))).await {
        assert!(matches!(&answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    assert!(clock.monotonic() < SOON, "told in time");
    server.start_again();
    eventually("reads go on", SOON, async || {
        join_all(all.iter().map(|(id, _)| name_of(&store, HERE, *id))).await.iter().all(Result::is_ok)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_does_not_answer_is_reported_in_time() {
    let Some(database) = Database::postgres() else { return };
    let store = Store::open_with(StoreConfig { wait: Duration::from_secs(1), ..database.config() }).unwrap();
    let all = people(&store, HERE, 5).await;
    let mut other = PgConnection::establish(&database.url).unwrap();
    other.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").unwrap();
    let clock = SystemClock::new();
    for answer in join_all(all.iter().map(|(id, _)| name_of(&store, HERE, *id))).await {
        assert!(matches!(&answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    assert!(clock.monotonic() < Duration::from_secs(4), "{:?}", clock.monotonic());
    other.batch_execute("ROLLBACK").unwrap();
    eventually("reads go on", SOON, async || name_of(&store, HERE, all[0].0).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_row_that_cannot_be_read_fails_no_other_read() {
    let Some(database) = Database::postgres() else { return };
    let store = database.open();
    let all = people(&store, HERE, 60).await;
    let broken = all[30].1.clone();
    let mut other = PgConnection::establish(&database.url).unwrap();
    other
        .batch_execute(&format!(
            "CREATE FUNCTION damaged() RETURNS BIGINT LANGUAGE plpgsql AS $$ BEGIN RAISE 'damaged'; END $$; \
             ALTER TABLE users RENAME TO stored; CREATE VIEW users AS SELECT workspace, id, source, user_name, \
             external_id, active, deactivated_at, CASE WHEN user_name = '{broken}' THEN damaged() ELSE version END \
             AS version, created_at, modified_at, document FROM stored"
        ))
        .unwrap();
    for (answer, (_, name)) in join_all(all.iter().map(|(id, _)| name_of(&store, HERE, *id))).await.iter().zip(&all) {
        match answer {
            Ok(found) => assert!(found == name && *name != broken),
            Err(error) => assert!(*name == broken && matches!(error, StoreError::Database(_)), "{name}: {error:?}"),
        }
    }
}

#[derive(Clone, Copy, QueryableByName)]
struct Counts {
    #[diesel(sql_type = BigInt)]
    whole: i64,
    #[diesel(sql_type = BigInt)]
    by_key: i64,
    #[diesel(sql_type = BigInt)]
    written: i64,
}

/// T-32: a plan that was made while the tables were empty is kept; it must not read them whole later.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_never_goes_through_a_table() {
    let Some(database) = Database::postgres() else { return };
    let store = database.open();
    let mut other = PgConnection::establish(&database.url).unwrap();
    other.batch_execute("ANALYZE users, memberships, user_groups").unwrap();
    let mut counts = move || -> Counts {
        let sql = "SELECT sum(seq_scan)::BIGINT AS whole, sum(idx_scan)::BIGINT AS by_key, \
                   sum(n_tup_ins)::BIGINT AS written FROM pg_stat_user_tables \
                   WHERE relname IN ('users', 'memberships', 'user_groups')";
        diesel::sql_query(sql).get_result(&mut other).unwrap()
    };
    let nobody = name_of(&store, HERE, UserId::from_uuid(Uuid::now_v7())).await;
    assert!(matches!(nobody, Err(StoreError::NotFound)), "{nobody:?}");
    // A connection's counts are all in when it ends.
    let writer = database.open();
    let all = people(&writer, HERE, 300).await;
    drop(writer);
    eventually("the counts of the writes", SOON, async || counts().written >= 900).await;
    let before = counts();
    for answer in join_all(all.iter().map(|(id, _)| name_of(&store, HERE, *id))).await {
        answer.unwrap();
    }
    drop(store);
    eventually("the counts of the reads", SOON, async || counts().by_key >= before.by_key + 900).await;
    assert_eq!(counts().whole, before.whole, "tables read whole");
}
