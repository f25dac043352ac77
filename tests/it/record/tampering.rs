//! T-29 on real databases: whoever can change rows cannot hide it. (`domain::seal` has a thousand
//! random cases.) The database itself refuses what only a person around the program could do, so
//! the tampering takes its triggers off first.

use std::sync::Arc;
use std::time::Duration;

use diesel::RunQueryDsl as _;
use scimhub::base::ids::WorkspaceId;
use scimhub::base::nudge::Nudge;
use scimhub::domain::caller::Preset;
use scimhub::domain::catalog::Catalog;
use scimhub::domain::seal::{Broken, Sealed, Walk};
use scimhub::engine::sealing::Sealing;
use scimhub::service::Context;
use scimhub::service::audit::{self, Verified, Verify};
use scimhub::service::workspaces::local_caller;
use scimhub::store::activity::{self, Entry};
use scimhub::store::{DbConn, Store, StoreError, seals, sources, workspaces};
use serde_json::json;

use crate::support::server::Server;
use crate::support::{Database, databases};

pub(super) struct Record {
    pub store: Store,
    pub sealing: Sealing,
    pub workspace: WorkspaceId,
    name: &'static str,
}

impl Record {
    pub async fn new(database: &Database, name: &'static str) -> Self {
        let store = database.open();
        let now = store.clock().now();
        let workspace = store
            .write(move |tx| {
                let workspace = workspaces::insert(tx, name, now)?.id;
                sources::insert(tx, workspace, "default", Preset::Okta, false, now)?;
                Ok::<_, StoreError>(workspace)
            })
            .await
            .unwrap();
        Self::over(store, name, workspace)
    }

    /// One there is already.
    pub fn over(store: Store, name: &'static str, workspace: WorkspaceId) -> Self {
        let sealer = store.keyring().sealer();
        let sealing = Sealing { store: store.clone(), clock: store.clock().clone(), sealer };
        Self { store, sealing, workspace, name }
    }

    pub async fn append(&self, count: usize) {
        let (workspace, now) = (self.workspace, self.store.clock().now());
        self.store
            .write(move |tx| {
                for number in 0..count {
                    let entry = Entry {
                        id: uuid::Uuid::now_v7(),
                        at: now,
                        kind: "user.created",
                        actor: "token:1",
                        target: &format!("user:{number}"),
                        hub: None,
                        user: None,
                        task: None,
                        request_id: Some("request"),
                        detail: json!({ "number": number }),
                        personal: Some(json!({"userName": format!("p{number}@example.com")})),
                    };
                    activity::record(tx, workspace, &entry)?;
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }

    /// Around the program: as somebody with the database's password would.
    pub async fn tamper(&self, statement: String) -> Result<(), String> {
        self.store
            .write(move |tx| {
                diesel::sql_query(statement.as_str()).execute(&mut **tx)?;
                Ok::<_, StoreError>(())
            })
            .await
            .map_err(|error| format!("{error:?}"))
    }

    pub async fn check(&self) -> Result<i64, Broken> {
        let (workspace, sealer) = (self.workspace, self.sealing.sealer.clone());
        let (head, records): (_, Vec<Sealed>) = self
            .store
            .read(move |conn| {
                Ok::<_, StoreError>((seals::head(conn, workspace)?, seals::page(conn, workspace, 0, 100_000)?))
            })
            .await
            .unwrap();
        let mut walk = Walk::new(sealer, workspace.0, None);
        records.iter().try_for_each(|record| walk.step(record))?;
        walk.end(head.as_ref())?;
        Ok(walk.seq())
    }

    /// As `scimhub audit verify` does.
    pub async fn verify(&self) -> Verified {
        let catalog = Arc::new(Catalog::builtin().unwrap());
        let context = Context::new(self.store.clone(), catalog, Nudge::default(), "http://test");
        let caller = local_caller(&context, self.name).await.unwrap();
        audit::verify(&context, &caller, Verify::default()).await.unwrap()
    }
}

/// What the database itself refuses by, and the table it stands on.
const TRIGGERS: [(&str, &str); 8] = [
    ("activity_written_once", "activity"),
    ("activity_marked_once", "activity"),
    ("activity_sealed_once", "activity"),
    ("activity_foreign_once", "activity"),
    ("activity_personal", "activity"),
    ("activity_deleted", "activity"),
    ("activity_heads_deleted", "activity_heads"),
    ("activity_checkpoints_deleted", "activity_checkpoints"),
];

pub(super) async fn without_triggers(store: &Store) {
    store
        .write(|tx| {
            for (trigger, table) in TRIGGERS {
                let on = if matches!(&mut **tx, DbConn::Postgres(_)) { format!(" ON {table}") } else { String::new() };
                diesel::sql_query(format!("DROP TRIGGER {trigger}{on}")).execute(&mut **tx)?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn t29_the_first_bad_record_is_named_on_both_databases() {
    for database in databases() {
        let record = Record::new(&database, "one").await;
        let other = Record::new(&database, "other").await;
        let at = record.workspace.0;
        record.append(40).await;
        other.append(40).await;
        record.sealing.step().await.unwrap();
        assert_eq!(record.check().await, Ok(40), "{}", database.name);

        // The program's own connection cannot do any of it by mistake.
        for statement in [
            format!("UPDATE activity SET actor = 'cli' WHERE workspace = {at} AND seq = 7"),
            format!("UPDATE activity SET hash = NULL WHERE workspace = {at} AND seq = 7"),
            format!("UPDATE activity SET personal = '{{}}' WHERE workspace = {at} AND seq = 7"),
            format!("UPDATE activity SET mark = NULL WHERE workspace = {at} AND seq = 7"),
            format!("UPDATE activity SET foreign_at = 1 WHERE workspace = {at} AND seq = 7"),
            format!("DELETE FROM activity WHERE workspace = {at} AND seq = 7"),
            format!("DELETE FROM activity_heads WHERE workspace = {at}"),
        ] {
            assert!(record.tamper(statement.clone()).await.is_err(), "{}: {statement}", database.name);
        }
        // Erasing personal data is no tampering.
        record.tamper(format!("UPDATE activity SET personal = NULL WHERE workspace = {at} AND seq = 3")).await.unwrap();
        assert_eq!(record.check().await, Ok(40), "{}", database.name);

        without_triggers(&record.store).await;
        let cases = [
            ("UPDATE activity SET actor = 'cli' WHERE workspace = $1 AND seq = 30", 30),
            ("UPDATE activity SET personal = '{}' WHERE workspace = $1 AND seq = 25", 25),
            ("DELETE FROM activity WHERE workspace = $1 AND seq = 20", 20),
            (
                "UPDATE activity SET seq = CASE seq WHEN 10 THEN -15 ELSE -10 END WHERE workspace = $1 AND seq IN (10, 15)",
                10,
            ),
            ("UPDATE activity SET seq = -seq WHERE workspace = $1 AND seq < 0", 10),
            ("DELETE FROM activity WHERE workspace = $1 AND seq = 1", 1),
        ];
        for (statement, first) in cases {
            record.tamper(statement.replace("$1", &at.to_string())).await.unwrap();
            // Two steps of one swap: the first takes both places away.
            let found = record.check().await.unwrap_err();
            assert_eq!(found.seq, first, "{}: {statement}: {found}", database.name);
        }

        // The other workspace: its end cut, and a chain with nothing left.
        let there = other.workspace.0;
        other.tamper(format!("DELETE FROM activity WHERE workspace = {there} AND seq > 35")).await.unwrap();
        assert_eq!(other.check().await.unwrap_err().seq, 36, "{}", database.name);
        other.tamper(format!("UPDATE activity_heads SET seq = 35 WHERE workspace = {there}")).await.unwrap();
        assert!(other.check().await.unwrap_err().what.contains("not signed"), "{}", database.name);
        // Nobody seals on behind an end that somebody else wrote.
        other.append(1).await;
        assert!(other.sealing.step().await.is_err(), "{}", database.name);
    }
}

#[tokio::test]
async fn t29_a_record_copied_from_another_workspace_does_not_fit() {
    for database in databases() {
        let (record, other) = (Record::new(&database, "one").await, Record::new(&database, "other").await);
        record.append(9).await;
        other.append(9).await;
        record.sealing.step().await.unwrap();
        without_triggers(&record.store).await;
        let (here, there) = (record.workspace.0, other.workspace.0);
        record.tamper(format!("DELETE FROM activity WHERE workspace = {here} AND seq = 5")).await.unwrap();
        record
            .tamper(format!("UPDATE activity SET workspace = {here} WHERE workspace = {there} AND seq = 5"))
            .await
            .unwrap();
        assert_eq!(record.check().await.unwrap_err().seq, 5, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t29_many_writers_and_two_sealers_leave_no_gap_and_no_fork() {
    for database in databases() {
        let record = Record::new(&database, "busy").await;
        // A second process on PostgreSQL; on SQLite a second sealer beside the first.
        let second = Sealing { store: database.open(), ..record.sealing.clone() };
        let writers = (0..4).map(|_| async {
            for _ in 0..50 {
                record.append(50).await;
            }
        });
        let sealers = [record.sealing.clone(), second];
        let sealing = sealers.iter().map(|sealing| async {
            for _ in 0..200 {
                sealing.step().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        tokio::join!(futures_util::future::join_all(writers), futures_util::future::join_all(sealing));
        record.sealing.step().await.unwrap();
        assert_eq!(record.check().await, Ok(10_000), "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_seals_and_the_command_says_whether_it_is_good() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let scim = server.client("scim");
        for number in 0..5 {
            crate::hubs::user(&scim, &format!("p{number}@example.com")).await;
        }
        let store = database.open();
        let workspace = store.read(|conn| workspaces::by_name(conn, "default")).await.unwrap().unwrap().id;
        crate::support::eventually("everything is sealed", Duration::from_secs(20), async || {
            store.read(move |conn| seals::waiting(conn, workspace)).await.unwrap() == 0
        })
        .await;
        let output = server.run(&["audit", "verify"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("default: good, "), "{}: {said}", database.name);
        let kept = database.folder().join("checkpoint.json");
        let output = server.run(&["audit", "checkpoint"]);
        std::fs::write(&kept, &output.stdout).unwrap();
        let kept = kept.to_string_lossy().into_owned();
        let checked = server.run(&["audit", "verify", "--checkpoint", &kept]);
        assert!(checked.status.success(), "{}: {}", database.name, String::from_utf8_lossy(&checked.stderr));

        // Through the API, without the database: with a token that can only read.
        let reader = server.token("read");
        let remote = crate::support::server::scimhub(&database)
            .args(["audit", "verify", "--server", &server.base])
            .env("SCIMHUB_TOKEN", reader)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&remote.stdout).into_owned();
        assert!(remote.status.success() && said.contains("good, "), "{}: {said}", database.name);

        // Somebody cuts the end and puts an older, rightly signed end in its place: a checkpoint shows it, and
        // where those of the database went too, only what was kept elsewhere.
        drop(server);
        without_triggers(&store).await;
        let sealer = store.keyring().sealer();
        store
            .write(move |tx| {
                let head = seals::head(tx, workspace)?.unwrap();
                let (seq, hash) = (head.seq - 2, seals::hash_of(tx, workspace, head.seq - 2)?.unwrap());
                let signature = sealer.sign_head(workspace.0, seq, &hash, 0).to_vec();
                diesel::sql_query(format!("DELETE FROM activity WHERE seq > {seq}")).execute(&mut **tx)?;
                diesel::sql_query("UPDATE activity_heads SET seq = $1, hash = $2, signature = $3")
                    .bind::<diesel::sql_types::BigInt, _>(seq)
                    .bind::<diesel::sql_types::Binary, _>(hash)
                    .bind::<diesel::sql_types::Binary, _>(signature)
                    .execute(&mut **tx)?;
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let run = |args: &[&str]| crate::support::server::scimhub(&database).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&run(&["audit", "verify"]).stdout).into_owned();
        assert!(said.contains("BROKEN at record"), "{}: a checkpoint here shows it: {said}", database.name);
        let without = |table: &'static str| {
            let statement = format!("DELETE FROM {table}");
            store.write(move |tx| {
                diesel::sql_query(statement.as_str()).execute(&mut **tx)?;
                Ok::<_, StoreError>(())
            })
        };
        for table in ["activity", "activity_heads"] {
            without(table).await.unwrap();
        }
        let said = String::from_utf8_lossy(&run(&["audit", "verify"]).stdout).into_owned();
        assert!(said.contains("BROKEN at record 1"), "{}: all of it is gone: {said}", database.name);
        without("activity_checkpoints").await.unwrap();
        assert!(run(&["audit", "verify"]).status.success(), "{}: nothing else can show it", database.name);
        let output = run(&["audit", "verify", "--checkpoint", &kept]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success() && said.contains("BROKEN at record"), "{}: {said}", database.name);
    }
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_goes_behind_a_checkpoint_and_the_rest_is_good() {
    for database in databases() {
        let record = Record::new(&database, "old").await;
        record.append(30).await;
        record.sealing.step().await.unwrap();
        let (workspace, sealer, now) = (record.workspace, record.sealing.sealer.clone(), record.store.clock().now());
        let by = sealer.clone();
        record.store.write(move |tx| seals::checkpoint(tx, workspace, &by, now)).await.unwrap().unwrap();
        record.append(10).await;
        record.sealing.step().await.unwrap();
        let cut = record
            .store
            .write(move |tx| seals::cut(tx, workspace, &sealer, now.plus(Duration::from_secs(1)), 1_000))
            .await
            .unwrap();
        assert_eq!(cut, 30, "{}", database.name);
        let found = record.verify().await;
        assert!(found.done && found.broken.is_none(), "{}: {found:?}", database.name);
        assert_eq!((found.begins, found.seq), (30, 40), "{}", database.name);
    }
}
