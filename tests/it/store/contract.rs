//! What every caller of `store.write`, `read` and `point` relies on, on both databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use scimhub::base::clock::{Clock, SystemClock};
use scimhub::store::schema::settings;
use scimhub::store::{DbConn, Store, StoreError, Tx};

use crate::support::databases;

fn put(conn: &mut DbConn, name: &str, value: &str) -> Result<(), StoreError> {
    diesel::insert_into(settings::table).values((settings::name.eq(name), settings::value.eq(value))).execute(conn)?;
    Ok(())
}

async fn names(store: &Store) -> Vec<String> {
    let load = |conn: &mut DbConn| {
        let found = settings::table.select(settings::name).filter(settings::name.ne("key_check"));
        Ok::<_, StoreError>(found.order(settings::name).load(conn)?)
    };
    store.read(load).await.unwrap()
}

#[tokio::test]
async fn a_write_is_there_afterwards_and_a_failed_one_is_not() {
    for database in databases() {
        let store = database.open();
        store.write(|tx| put(tx, "kept", "1")).await.unwrap();
        let refused: Result<(), StoreError> = store
            .write(|tx| {
                put(tx, "lost", "1")?;
                Err(StoreError::NotFound)
            })
            .await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{}", database.name);
        assert_eq!(names(&store).await, ["kept"], "{}", database.name);
        let again = database.open();
        assert_eq!(names(&again).await, ["kept"], "{}", database.name);
    }
}

#[tokio::test]
async fn a_conflict_names_its_index() {
    for database in databases() {
        let store = database.open();
        store.write(|tx| put(tx, "taken", "1")).await.unwrap();
        let error = store.write(|tx| put(tx, "taken", "2")).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Conflict { constraint } if constraint == "settings_pkey"),
            "{}: {error:?}",
            database.name
        );
    }
}

#[tokio::test]
async fn a_nested_transaction_undoes_only_itself() {
    for database in databases() {
        let store = database.open();
        store
            .write(|tx| {
                put(tx, "outer", "1")?;
                let inner = tx.transaction::<(), StoreError, _>(|conn| {
                    put(conn, "inner", "1")?;
                    put(conn, "outer", "2")
                });
                assert!(matches!(inner, Err(StoreError::Conflict { .. })));
                put(tx, "after", "1")
            })
            .await
            .unwrap();
        assert_eq!(names(&store).await, ["after", "outer"], "{}", database.name);
    }
}

#[tokio::test]
async fn a_swallowed_error_is_never_taken_for_a_commit() {
    for database in databases() {
        let store = database.open();
        store.write(|tx| put(tx, "taken", "1")).await.unwrap();
        let result: Result<(), StoreError> = store
            .write(|tx| {
                put(tx, "mine", "1")?;
                let _ = put(tx, "taken", "2");
                Ok(())
            })
            .await;
        let kept = names(&store).await.contains(&String::from("mine"));
        assert_eq!(result.is_ok(), kept, "{}: {result:?}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_writers_are_all_answered_and_all_durable() {
    const WRITERS: usize = 64;
    const EACH: usize = 10;
    for database in databases() {
        let store = database.open();
        let mut running = Vec::new();
        for writer in 0..WRITERS {
            let store = store.clone();
            running.push(tokio::spawn(async move {
                for number in 0..EACH {
                    let name = format!("{writer:02}-{number:02}");
                    let fails = number % 5 == 4;
                    let given = name.clone();
                    let result = store
                        .write(move |tx| {
                            put(tx, &given, "1")?;
                            if fails { Err(StoreError::NotFound) } else { Ok(()) }
                        })
                        .await;
                    assert_eq!(result.is_err(), fails);
                    let seen = store
                        .point(move |conn| {
                            let found = settings::table.filter(settings::name.eq(name));
                            Ok::<_, StoreError>(found.count().get_result::<i64>(conn)?)
                        })
                        .await
                        .unwrap();
                    assert_eq!(seen == 0, fails, "what was acknowledged is seen at once, what failed never");
                }
            }));
        }
        for writer in running {
            writer.await.unwrap();
        }
        assert_eq!(names(&store).await.len(), WRITERS * EACH / 5 * 4, "{}", database.name);
        drop(store);
        assert_eq!(names(&database.open()).await.len(), WRITERS * EACH / 5 * 4, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_panic_harms_nobody_else() {
    for database in databases() {
        let store = database.open();
        let mut running = Vec::new();
        for number in 0..40 {
            let store = store.clone();
            running.push(tokio::spawn(async move {
                let result: Result<(), StoreError> = store
                    .write(move |tx| {
                        put(tx, &format!("{number:02}"), "1")?;
                        assert!(number % 10 != 3, "on purpose: {number}");
                        Ok(())
                    })
                    .await;
                assert_eq!(matches!(result, Err(StoreError::Panicked)), number % 10 == 3, "{result:?}");
            }));
        }
        for writer in running {
            writer.await.unwrap();
        }
        assert_eq!(names(&store).await.len(), 36, "{}", database.name);
        let read: Result<(), StoreError> = store.read(|_| panic!("on purpose")).await;
        assert!(matches!(read, Err(StoreError::Panicked)));
        assert_eq!(names(&store).await.len(), 36, "{}", database.name);
    }
}

/// SQLite undoes the whole transaction by itself on some failures; a closure that does the same
/// poisons the batch, which is then run one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_poisoned_batch_is_run_again_one_by_one() {
    let database = crate::support::Database::sqlite();
    let store = database.open();
    let runs = Arc::new(AtomicUsize::new(0));
    let mut running = Vec::new();
    for number in 0..30 {
        let (store, runs) = (store.clone(), Arc::clone(&runs));
        running.push(tokio::spawn(async move {
            let work = move |tx: &mut Tx<'_>| {
                runs.fetch_add(1, Ordering::Relaxed);
                put(tx, &format!("{number:02}"), "1")?;
                if number == 7 {
                    tx.batch_execute("ROLLBACK")?;
                }
                Ok::<_, StoreError>(())
            };
            (number, store.write(work).await)
        }));
    }
    for writer in running {
        let (number, result) = writer.await.unwrap();
        assert_eq!(result.is_err(), number == 7, "{number}: {result:?}");
    }
    assert_eq!(names(&store).await.len(), 29);
    assert!(runs.load(Ordering::Relaxed) > 30, "some closures ran again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_is_asked_again_after_a_deadlock() {
    let Some(database) = crate::support::Database::postgres() else { return };
    let store = database.open();
    for name in ["a", "b"] {
        store.write(move |tx| put(tx, name, "0")).await.unwrap();
    }
    let runs = Arc::new(AtomicUsize::new(0));
    let meet = Arc::new(std::sync::Barrier::new(2));
    let both = ["a", "b"].map(|first| {
        let second = if first == "a" { "b" } else { "a" };
        let (store, runs, meet) = (store.clone(), Arc::clone(&runs), Arc::clone(&meet));
        tokio::spawn(async move {
            let mut before = 0;
            store
                .write(move |tx| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    let lock = |conn: &mut DbConn, name: &str| {
                        diesel::update(settings::table.filter(settings::name.eq(name)))
                            .set(settings::value.eq("1"))
                            .execute(conn)
                    };
                    lock(tx, first)?;
                    before += 1;
                    if before == 1 {
                        meet.wait();
                    }
                    lock(tx, second)?;
                    Ok::<_, StoreError>(())
                })
                .await
        })
    });
    for one in both {
        one.await.unwrap().unwrap();
    }
    assert!(runs.load(Ordering::SeqCst) > 2, "one of the two ran again");
}

#[tokio::test]
async fn postgres_connections_that_died_are_replaced() {
    let Some(database) = crate::support::Database::postgres() else { return };
    let store = database.open();
    store.write(|tx| put(tx, "before", "1")).await.unwrap();
    let mut other = diesel::PgConnection::establish(&database.url).unwrap();
    other
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'scimhub'",
        )
        .unwrap();
    store.write(|tx| put(tx, "after", "1")).await.unwrap();
    assert_eq!(names(&store).await, ["after", "before"]);
    let cut: Result<(), StoreError> = store
        .write(|tx| {
            tx.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")?;
            Ok(())
        })
        .await;
    assert!(matches!(cut, Err(StoreError::Unavailable(_))), "{cut:?}");
    store.write(|tx| put(tx, "later", "1")).await.unwrap();
}

#[tokio::test]
async fn a_busy_pool_says_so_in_time() {
    for database in databases() {
        let mut config = database.config();
        (config.connections, config.wait) = (1, Duration::from_millis(50));
        let store = Store::open_with(config).unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let holder = {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .read(move |_| {
                        let _ = held.recv();
                        Ok::<_, StoreError>(())
                    })
                    .await
            })
        };
        // The first read may still be on its way: ask until it is met.
        crate::support::eventually("a busy pool", Duration::from_secs(20), async || {
            matches!(store.read(|_| Ok::<_, StoreError>(())).await, Err(StoreError::Unavailable(_)))
        })
        .await;
        release.send(()).unwrap();
        holder.await.unwrap().unwrap();
        store.read(|_| Ok::<_, StoreError>(())).await.unwrap();
    }
}

#[tokio::test]
async fn reads_cannot_write() {
    for database in databases() {
        let store = database.open();
        assert!(store.read(|conn| put(conn, "x", "1")).await.is_err(), "{}", database.name);
        assert!(names(&store).await.is_empty());
    }
}

#[tokio::test]
async fn lease_time_goes_forward() {
    for database in databases() {
        let store = database.open();
        let handle = store.clone();
        let (first, second) =
            store.write(move |tx| Ok::<_, StoreError>((handle.lease_now(tx)?, handle.lease_now(tx)?))).await.unwrap();
        assert!(first <= second, "{}", database.name);
    }
}

/// Not a test of speed: prints what shared commits are worth on this machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "its one purpose is to print")]
async fn durable_writes_of_many_against_one() {
    for database in databases() {
        let store = database.open();
        let mut rates = Vec::new();
        for callers in [1, 64_usize] {
            let each = if callers == 1 { 300 } else { 60 };
            let clock = SystemClock::new();
            let mut running = Vec::new();
            for caller in 0..callers {
                let store = store.clone();
                running.push(tokio::spawn(async move {
                    for number in 0..each {
                        let name = format!("{callers}-{caller}-{number}");
                        store.write(move |tx| put(tx, &name, &"x".repeat(1000))).await.unwrap();
                    }
                }));
            }
            for one in running {
                one.await.unwrap();
            }
            rates.push((callers * each) as f64 / clock.monotonic().as_secs_f64());
        }
        println!(
            "{}: 1 caller {:.0}/s, 64 callers {:.0}/s, {:.1} x",
            database.name,
            rates[0],
            rates[1],
            rates[1] / rates[0]
        );
    }
}
