//! Who wrote a record (T-29): what somebody puts into the database by hand is never taken for ours, whatever
//! of a rightful record it is made of; and what versions before marks wrote still is.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use scimhub::base::clock::TestClock;
use scimhub::store::origins::{self, Found};
use scimhub::store::{Purpose, Store, StoreConfig, StoreError, seals};
use uuid::Uuid;

use super::tampering::{Record, without_triggers};
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

/// Bytes, as SQL.
fn bytes(database: &Database, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if database.name == "sqlite" { format!("X'{hex}'") } else { format!("decode('{hex}', 'hex')") }
}

/// A record made of another one: as F18 of the newcomer's round, a release of yesterday by somebody.
fn forged(database: &Database, workspace: i64, of: i64, mark: &str) -> String {
    let id = bytes(database, Uuid::now_v7().as_bytes());
    format!(
        "INSERT INTO activity (workspace, id, at, kind, actor, target, hub_id, user_id, task_id, request_id, detail, \
         personal, personal_digest, mark) SELECT workspace, {id}, at - 86400000000, 'held.released', 'user:ann', target, \
         hub_id, user_id, task_id, request_id, detail, personal, personal_digest, {mark} \
         FROM activity WHERE workspace = {workspace} AND seq = {of}"
    )
}

async fn found(record: &Record) -> Vec<Found> {
    let workspace = record.workspace;
    record.store.read(move |conn| origins::first_foreign(conn, workspace, 100)).await.unwrap()
}

async fn places(record: &Record) -> Vec<i64> {
    found(record).await.iter().map(|found| found.seq).collect()
}

#[tokio::test]
async fn t29_a_record_that_is_put_in_before_it_is_sealed_is_never_ours() {
    for database in databases() {
        let record = Record::new(&database, "one").await;
        let at = record.workspace.0;
        record.append(5).await;
        record.sealing.step().await.unwrap();
        for mark in ["NULL", "mark", "hash", "personal_digest", &bytes(&database, &[0; 32]), &bytes(&database, &[])] {
            record.tamper(forged(&database, at, 3, mark)).await.unwrap();
        }
        record.append(3).await;
        record.sealing.step().await.unwrap();
        // Each has a place, and so has everything behind them.
        assert_eq!(record.check().await, Ok(14), "{}", database.name);
        assert_eq!(places(&record).await, [6, 7, 8, 9, 10, 11], "{}", database.name);
        let verified = record.verify().await;
        let broken = verified.broken.expect("not good");
        assert!(broken.seq == 6 && broken.what.contains("not ours"), "{}: {broken:?}", database.name);
        assert!(verified.foreign == Some(6) && verified.broken_too.is_none(), "{}", database.name);

        // A record of ours that was changed besides is named as well; and no flag hides what was sealed.
        without_triggers(&record.store).await;
        record.tamper(format!("UPDATE activity SET actor = 'cli' WHERE workspace = {at} AND seq = 13")).await.unwrap();
        let verified = record.verify().await;
        let seqs = (verified.broken.unwrap().seq, verified.broken_too.unwrap().seq);
        assert_eq!(seqs, (6, 13), "{}", database.name);
        record.tamper(format!("UPDATE activity SET foreign_at = NULL WHERE workspace = {at}")).await.unwrap();
        let broken = record.verify().await.broken.unwrap();
        assert!(broken.seq == 6 && broken.what.contains("was changed"), "{}: {broken:?}", database.name);
        record.tamper(format!("UPDATE activity SET foreign_at = 1 WHERE workspace = {at} AND seq = 2")).await.unwrap();
        assert_eq!(record.verify().await.broken.unwrap().seq, 2, "{}: said to be another's", database.name);
    }
}

#[tokio::test]
async fn t29_a_record_that_is_changed_before_it_is_sealed_is_not_ours_and_erasing_changes_none() {
    for database in databases() {
        let record = Record::new(&database, "one").await;
        let other = Record::new(&database, "other").await;
        record.append(4).await;
        other.append(1).await;
        without_triggers(&record.store).await;
        let at = record.workspace.0;
        let one = |number: i64| format!("WHERE workspace = {at} AND target = 'user:{number}'");
        // Before they have a place: erased, its personal data changed, itself changed; and one of elsewhere.
        for statement in [
            format!("UPDATE activity SET personal = NULL {}", one(0)),
            format!("UPDATE activity SET personal = '{{}}' {}", one(1)),
            format!("UPDATE activity SET detail = '{{}}' {}", one(2)),
            format!("UPDATE activity SET workspace = {at} WHERE workspace = {}", other.workspace.0),
        ] {
            record.tamper(statement).await.unwrap();
        }
        record.sealing.step().await.unwrap();
        assert_eq!(record.check().await, Ok(5), "{}", database.name);
        assert_eq!(places(&record).await, [2, 3, 5], "{}", database.name);
    }
}

/// Someone who has the database at their hands and neither key nor server: as F18 and F17 tried it.
#[tokio::test(flavor = "multi_thread")]
async fn t29_a_running_server_says_who_did_not_write_a_record_and_goes_on() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = crate::hubs::clients(&server);
        for number in 0..5 {
            crate::hubs::user(&scim, &format!("p{number}@example.com")).await;
        }
        let store = database.open();
        let workspace = scimhub::store::workspaces::DEFAULT;
        let sealed = async || {
            eventually("everything is sealed", Duration::from_secs(20), async || {
                store.read(move |conn| seals::waiting(conn, workspace)).await.unwrap() == 0
            })
            .await;
        };
        sealed().await;
        let run = |args: &[&str]| {
            let output = crate::support::server::scimhub(&database).args(args).output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        assert!(run(&["audit", "verify"]).0, "{}", database.name);
        let statement = forged(&database, workspace.0, 3, "mark");
        store.write(move |tx| Ok::<_, StoreError>(tx.batch_execute(&statement)?)).await.unwrap();
        sealed().await;
        crate::hubs::user(&scim, "after@example.com").await;
        sealed().await;

        let first = store.read(move |conn| origins::first_foreign(conn, workspace, 1)).await.unwrap().remove(0);
        let (good, said) = run(&["audit", "verify"]);
        let named = format!("default: BROKEN at record {}: it is not ours", first.seq);
        assert!(!good && said.contains(&named), "{}: {said}", database.name);
        assert!(said.contains("1 not written by this installation"), "{}: {said}", database.name);
        assert!(said.contains("all others are as they were sealed"), "{}: {said}", database.name);
        let _ = server.says("that this installation did not write");
        let list = admin.get("/api/v1/activity?limit=200").await.expect(200).json();
        let flagged: Vec<_> = list["items"].as_array().unwrap().iter().filter(|one| one["not_ours"] == true).collect();
        assert!(flagged.len() == 1 && flagged[0]["kind"] == "held.released", "{}: {flagged:?}", database.name);
        let me = crate::page::visitor::Visitor::signed_in(&server.base, &server.token("read")).await;
        let page = me.get("/activity?kind=held.released").await.expect(200).text();
        assert!(page.contains("not ours: put into the database"), "{}: {page}", database.name);
        let status = admin.get("/api/v1/status").await.expect(200).json();
        assert_eq!(status["attention"][0]["kind"], "foreign_records", "{}: {status}", database.name);
        eventually("it is counted", Duration::from_secs(60), async || {
            let metrics = admin.get("/metrics").await.expect(200).text();
            metrics.contains("scimhub_activity_foreign_records 1")
        })
        .await;
    }
}

#[tokio::test]
async fn t29_emptying_the_record_is_refused_on_postgresql() {
    let Some(database) = Database::postgres() else { return };
    let record = Record::new(&database, "one").await;
    record.append(3).await;
    record.sealing.step().await.unwrap();
    for tables in ["activity", "activity, activity_heads", "activity_heads", "activity_checkpoints"] {
        let refused = record.tamper(format!("TRUNCATE {tables}")).await.unwrap_err();
        assert!(refused.contains("never changed"), "{tables}: {refused}");
    }
    assert_eq!(record.check().await, Ok(3));
}

/// The database as the version before marks had it: without the migration, and with its rows as they were.
fn downgrade(database: &Database) {
    let mut statements = String::new();
    for (trigger, table) in [
        ("activity_marked_once", "activity"),
        ("activity_foreign_once", "activity"),
        ("activity_heads_deleted", "activity_heads"),
        ("activity_checkpoints_deleted", "activity_checkpoints"),
        ("activity_emptied", "activity"),
        ("activity_heads_emptied", "activity_heads"),
        ("activity_checkpoints_emptied", "activity_checkpoints"),
    ] {
        match database.name {
            "sqlite" if trigger.ends_with("_emptied") => {}
            "sqlite" => statements += &format!("DROP TRIGGER {trigger};"),
            _ => statements += &format!("DROP TRIGGER {trigger} ON {table};"),
        }
    }
    // It digested personal data no sooner than it sealed.
    statements += "DROP INDEX activity_foreign; UPDATE activity SET personal_digest = NULL WHERE seq IS NULL; \
        ALTER TABLE activity DROP COLUMN mark; ALTER TABLE activity DROP COLUMN foreign_at; \
        DELETE FROM __diesel_schema_migrations WHERE version = '0029';";
    match database.url.strip_prefix("sqlite:") {
        Some(file) => {
            let mut conn = SqliteConnection::establish(file).unwrap();
            conn.batch_execute("PRAGMA busy_timeout = 10000;").unwrap();
            conn.batch_execute(&statements).unwrap();
        }
        None => PgConnection::establish(&database.url).unwrap().batch_execute(&statements).unwrap(),
    }
}

#[tokio::test]
async fn records_of_the_version_before_marks_are_ours_and_their_time_ends() {
    for database in databases() {
        for purpose in [Purpose::Command, Purpose::Serve] {
            let name = if purpose == Purpose::Serve { "serve" } else { "command" };
            let before = Record::new(&database, name).await;
            let (workspace, start) = (before.workspace, before.store.clock().now());
            before.append(4).await;
            before.sealing.step().await.unwrap();
            before.append(3).await;
            drop(before);
            downgrade(&database);

            let clock = TestClock::at(start);
            let config = StoreConfig { purpose, clock: clock.clone(), ..database.config() };
            let store = Store::open_with(config).unwrap();
            let record = Record::over(store, name, workspace);
            assert_eq!(record.check().await, Ok(7), "{}: what waited has its place already", database.name);
            // An earlier version that goes on beside this one: nowhere where a file is served.
            let is_alone = database.name == "sqlite" && purpose == Purpose::Serve;
            record.tamper(forged(&database, workspace.0, 3, "NULL")).await.unwrap();
            record.tamper(forged(&database, workspace.0, 3, "personal_digest")).await.unwrap();
            record.sealing.step().await.unwrap();
            let wrong = if is_alone { vec![8, 9] } else { vec![9] };
            assert_eq!(places(&record).await, wrong, "{}", database.name);
            clock.advance(Duration::from_secs(61 * 60));
            record.tamper(forged(&database, workspace.0, 3, "NULL")).await.unwrap();
            // Nobody makes that time longer, or begins it again.
            let later = record.store.clock().now().plus(Duration::from_secs(1_000));
            record
                .tamper(format!(
                    "UPDATE settings SET value = '{}' || substr(value, 17) WHERE name = 'record_unmarked_until'",
                    later.0
                ))
                .await
                .unwrap();
            record.append(1).await;
            record.sealing.step().await.unwrap();
            assert_eq!(places(&record).await.last(), Some(&10), "{}", database.name);
            assert_eq!(record.check().await, Ok(11), "{}", database.name);
            // Opened again, it is as it is.
            let again = database.open();
            let unsealed = again.read(move |conn| seals::waiting(conn, workspace)).await.unwrap();
            assert_eq!(unsealed, 0, "{}", database.name);
        }
    }
}
