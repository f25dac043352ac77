//! Looking changes nothing: no row of any table differs after every kind of preview.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::{PgConnection, SqliteConnection};
use serde_json::json;

use super::{group, hub, user};
use crate::support::dump::lines;
use crate::support::server::{Server, scimhub};
use crate::support::{Database, databases, eventually};

/// When a credential was used is told by every request, also by one that only looks; the sealer
/// gives records their place in its own time.
const BESIDE_THE_POINT: [&str; 5] = ["last_used_at", "last_request_at", "seq", "hash", "foreign_at"];
/// What the server keeps for itself, whatever anybody asks.
const OWN: [&str; 3] = ["activity_heads", "activity_checkpoints", "duties"];

/// Every row of every table as text, sorted.
pub fn dump(database: &Database) -> Vec<String> {
    match database.url.strip_prefix("sqlite:") {
        Some(file) => {
            let mut conn = SqliteConnection::establish(file).unwrap();
            conn.batch_execute("PRAGMA busy_timeout = 10000;").unwrap();
            let tables = lines(&mut conn, "SELECT name AS line FROM sqlite_schema WHERE type = 'table' ORDER BY name");
            let mut all = Vec::new();
            for table in tables.into_iter().filter(|table| !OWN.contains(&table.as_str())) {
                let columns = lines(&mut conn, &format!("SELECT name AS line FROM pragma_table_info('{table}')"));
                let columns: Vec<String> = columns
                    .iter()
                    .filter(|name| !BESIDE_THE_POINT.contains(&name.as_str()))
                    .map(|name| format!("quote(\"{name}\")"))
                    .collect();
                let sql = format!("SELECT '{table}: ' || {} AS line FROM \"{table}\"", columns.join(" || ',' || "));
                all.extend(lines(&mut conn, &sql));
            }
            all.sort();
            all
        }
        None => {
            let mut conn = PgConnection::establish(&database.url).unwrap();
            let tables = lines(
                &mut conn,
                "SELECT table_name::text AS line FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
            );
            let minus: String = BESIDE_THE_POINT.map(|name| format!(" - '{name}'")).concat();
            let mut all = Vec::new();
            for table in tables.into_iter().filter(|table| !OWN.contains(&table.as_str())) {
                let sql = format!("SELECT '{table}: ' || (to_jsonb(t){minus})::text AS line FROM \"{table}\" t");
                all.extend(lines(&mut conn, &sql));
            }
            all.sort();
            all
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_preview_and_no_refused_change_writes_a_row() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let ann = user(&scim, "ann@example.com").await;
        let bob = user(&scim, "bob@example.com").await;
        group(&scim, "staff", &[&ann, &bob]).await;
        for (id, mode) in [("wiki", "observe"), ("chat", "active")] {
            hub(&admin, id, mode).await;
            let body = json!({"group": "staff", "app_role": "member"});
            admin.put(&format!("/api/v1/hubs/{id}/mappings"), &body).await.expect(201);
        }
        let file = "[[hub]]\nid = \"wiki\"\napp = \"manual\"\nmode = \"active\"\n[[hub.mapping]]\nuser = \"ann@example.com\"\n\
                    app_role = \"member\"\n[[hub]]\nid = \"new\"\napp = \"manual\"\n";
        std::fs::write(database.folder().join("hubs.toml"), file).unwrap();
        // What the planner does by itself is done before.
        eventually("the plan of the active hub", Duration::from_secs(30), async || {
            let tasks = admin.get("/api/v1/tasks?status=manual").await.expect(200).json();
            tasks["items"].as_array().unwrap().len() == 2
        })
        .await;
        let before = dump(&database);
        assert!(before.iter().any(|row| row.starts_with("mappings: ")), "{before:?}");
        let zeros = "0".repeat(64);
        for id in ["wiki", "chat"] {
            let at = |rest: &str| format!("/api/v1/hubs/{id}{rest}");
            admin.get(&at("/plan")).await.expect(200);
            let share = json!({"user": "bob@example.com", "app_role": "member"});
            admin.post(&at("/mappings/preview"), &share).await.expect(200);
            for body in [
                json!({"mode": "active"}),
                json!({"mode": "observe"}),
                json!({"remove": true}),
                json!({"paused": true}),
            ] {
                admin.post(&at("/preview"), &body).await.expect(200);
            }
            admin.put(&at(&format!("/mappings?expect={zeros}")), &share).await.expect(409);
            admin.patch(&at(&format!("?expect={zeros}")), &json!({"label": "x"})).await.expect(409);
            admin.delete(&at(&format!("?reason=trial&expect={zeros}"))).await.expect(409);
        }
        let files = json!({"files": [{"name": "hubs.toml", "text": file}], "prune": true});
        admin.post("/api/v1/plan", &files).await.expect(200);
        admin.post(&format!("/api/v1/apply?expect={zeros}"), &files).await.expect(409);
        // The commands on the database itself, beside the server.
        for (args, code) in [(vec!["plan"], 2), (vec!["apply", "--expect", &zeros], 1)] {
            let output = scimhub(&database).args(args).args(["hubs.toml", "--prune"]).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let after = dump(&database);
        let differs: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
        assert!(after == before, "{}: {differs:?}", database.name);
    }
}
