//! Changes that share a transaction, where some of them fail: each gets its own answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::prelude::*;
use futures_util::future::join_all;
use scimhub::base::clock::Micros;
use scimhub::base::ids::{SourceId, UserId, WorkspaceId};
use scimhub::scim::user::UserKeys;
use scimhub::store::joint::{Joint, JointWriter};
use scimhub::store::schema::users as rows;
use scimhub::store::{Locks, Store, StoreConfig, StoreError, Tx, users};
use uuid::Uuid;

use crate::support::{databases, eventually};

const WORKSPACE: WorkspaceId = WorkspaceId(1);

/// How it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    Well,
    /// It is refused, and the others are not.
    Refused,
    /// Its statement fails, and with it the transaction.
    Fails,
    Panics,
}

struct Change {
    name: String,
    goes: Goes,
}

impl Joint for Change {
    type Made = String;

    fn locks(&self) -> Locks {
        Locks::rules(WORKSPACE)
    }

    fn write(tx: &mut Tx<'_>, all: &[Self]) -> Result<Vec<Result<String, StoreError>>, StoreError> {
        all.iter()
            .map(|one| match one.goes {
                Goes::Refused => Ok(Err(StoreError::NotFound)),
                Goes::Panics => panic!("as the test wants it"),
                Goes::Fails => {
                    diesel::sql_query("SELECT 1 FROM nowhere").execute(&mut **tx)?;
                    Ok(Ok(one.name.clone()))
                }
                Goes::Well => {
                    let keys = UserKeys {
                        user_name: one.name.clone(),
                        user_name_key: one.name.clone(),
                        display_name_key: None,
                        external_id: None,
                        active: true,
                        emails: Vec::new(),
                    };
                    let id = UserId::from_uuid(Uuid::now_v7());
                    users::insert(tx, WORKSPACE, SourceId(1), id, &keys, "{}", Micros(1))?;
                    Ok(Ok(one.name.clone()))
                }
            })
            .collect()
    }
}

async fn names(store: &Store) -> Vec<String> {
    let all = store.read(|conn| Ok::<_, StoreError>(rows::table.select(rows::user_name_key).load(conn)?));
    let mut all: Vec<String> = all.await.unwrap();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_gets_its_own_answer_whatever_befalls_the_others() {
    for database in databases() {
        let store = database.open();
        let writer = JointWriter::new(store.clone());
        let mut wanted = Vec::new();
        for bad in [Goes::Refused, Goes::Fails, Goes::Panics] {
            let made = join_all((0..100).map(|number| {
                let goes = if number % 25 == 7 { bad } else { Goes::Well };
                let name = format!("{bad:?}-{number:02}");
                if goes == Goes::Well {
                    wanted.push(name.clone());
                }
                let made = writer.write(Change { name: name.clone(), goes });
                async move { (name, goes, made.await) }
            }));
            for (name, goes, made) in made.await {
                match (goes, made) {
                    (Goes::Well, Ok(made)) => assert_eq!(made, name),
                    (Goes::Refused, Err(StoreError::NotFound))
                    | (Goes::Fails, Err(StoreError::Database(_)))
                    | (Goes::Panics, Err(StoreError::Panicked)) => {}
                    (goes, made) => panic!("{}: {name}, which goes {goes:?}: {made:?}", database.name),
                }
            }
        }
        wanted.sort();
        assert_eq!(names(&store).await, wanted, "{}", database.name);
    }
}

/// With one connection, taken by somebody else, those who wait are told in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_for_ever() {
    for database in databases() {
        let wait = Duration::from_millis(300);
        let store = Store::open_with(StoreConfig { connections: 1, wait, ..database.config() }).unwrap();
        if !store.commits_one_by_one() {
            continue;
        }
        let writer = JointWriter::new(store.clone());
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let held = tokio::spawn(async move {
            let read = store.read(move |_| {
                begun.send(()).unwrap();
                released.recv().unwrap();
                Ok::<_, StoreError>(())
            });
            read.await.unwrap();
        });
        has_begun.await.unwrap();
        let change = |number: usize| Change { name: format!("n{number}"), goes: Goes::Well };
        for told in join_all((0..20).map(|number| writer.write(change(number)))).await {
            assert!(matches!(told, Err(StoreError::Unavailable(_))), "{told:?}");
        }
        release.send(()).unwrap();
        held.await.unwrap();
        assert_eq!(writer.write(change(20)).await.unwrap(), "n20");
    }
}

/// What happens at the same time.
#[derive(Default)]
struct Seen {
    under_way: AtomicUsize,
    most: AtomicUsize,
    batches: Mutex<Vec<usize>>,
}

struct Watched(Arc<Seen>);

impl Joint for Watched {
    type Made = ();

    fn locks(&self) -> Locks {
        Locks::rules(WORKSPACE)
    }

    fn write(_: &mut Tx<'_>, all: &[Self]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let Some(Self(seen)) = all.first() else { return Ok(Vec::new()) };
        let now = seen.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(now, Ordering::SeqCst);
        seen.batches.lock().unwrap().push(all.len());
        std::thread::sleep(Duration::from_millis(100));
        seen.under_way.fetch_sub(1, Ordering::SeqCst);
        Ok(all.iter().map(|_| Ok(())).collect())
    }
}

/// A transaction's round trips cost the same however few share it.
#[tokio::test]
async fn few_that_wait_share_the_next_transaction_and_a_crowd_has_two() {
    for database in databases() {
        let store = database.open();
        if !store.commits_one_by_one() {
            continue;
        }
        let writer = JointWriter::new(store);
        for (count, most) in [(1, 1), (20, 3), (200, 10)] {
            let seen = Arc::new(Seen::default());
            for made in join_all((0..count).map(|_| writer.write(Watched(Arc::clone(&seen))))).await {
                made.unwrap();
            }
            let batches = seen.batches.lock().unwrap().clone();
            assert_eq!(batches.iter().sum::<usize>(), count, "{batches:?}");
            assert!(batches.len() <= most, "{count} in {batches:?}");
            assert!(count < 200 || seen.most.load(Ordering::SeqCst) == 2, "a crowd: {batches:?}");
        }
    }
}

/// A change that waits for something itself, such as a name that somebody else is about to take.
struct Stuck {
    waits: bool,
    begun: Arc<AtomicUsize>,
    go_on: Arc<Mutex<std::sync::mpsc::Receiver<()>>>,
}

impl Joint for Stuck {
    type Made = ();

    fn locks(&self) -> Locks {
        Locks::rules(WORKSPACE)
    }

    fn write(_: &mut Tx<'_>, all: &[Self]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        for one in all {
            one.begun.fetch_add(1, Ordering::SeqCst);
            if one.waits {
                one.go_on.lock().unwrap().recv().unwrap();
            }
        }
        std::thread::sleep(Duration::from_millis(50));
        Ok(all.iter().map(|_| Ok(())).collect())
    }
}

/// Few others do not wait for as long as it takes: they are no crowd, but they are late.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_is_stuck_keeps_nobody_else_waiting() {
    for database in databases() {
        let store = database.open();
        if !store.commits_one_by_one() {
            continue;
        }
        let writer = JointWriter::new(store);
        let (begun, (release, go_on)) = (Arc::new(AtomicUsize::new(0)), std::sync::mpsc::channel());
        let go_on = Arc::new(Mutex::new(go_on));
        let change = |waits| Stuck { waits, begun: Arc::clone(&begun), go_on: Arc::clone(&go_on) };
        let stuck = tokio::spawn({
            let (writer, change) = (writer.clone(), change(true));
            async move { writer.write(change).await }
        });
        eventually("it is under way", Duration::from_secs(20), async || begun.load(Ordering::SeqCst) == 1).await;
        // Some come while others have the second place, and find it given up.
        let others = (0..20).map(|number| {
            let made = writer.write(change(false));
            async move {
                tokio::time::sleep(Duration::from_millis(10 * number)).await;
                made.await
            }
        });
        for made in join_all(others).await {
            made.unwrap();
        }
        assert!(!stuck.is_finished());
        release.send(()).unwrap();
        stuck.await.unwrap().unwrap();
    }
}
