//! A person who is gone is forgotten on request: no row of any table says who they were, what was done
//! stays, and the sealed record is as good as before.

use std::collections::BTreeSet;

use scimhub::store::erasing::kept::KEPT;
use serde_json::{Value, json};

use crate::hub_rules::rights::token;
use crate::hubs::{SOON, clients, group, manual_hub, mapping, mending, tasks, user};
use crate::support::http::Client;
use crate::support::server::{Server, scimhub};
use crate::support::{Database, databases, dump, eventually};
use crate::telling::mail::run;
use crate::telling::receiver::Receiver;

/// Name, address, userName and the identity provider's id.
const WORDS: [&str; 5] = ["bob@example.com", "b.bauerova", "Roberto", "Bauerova", "ext-5f1c77-bob"];
/// Where their id here may stand: what was done and by whom, and who held what.
const KEEP_THE_ID: [&str; 4] = ["activity", "access_intervals", "tasks", "hub_waits"];

/// How the identity provider says that somebody left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Deleted,
    Deactivated,
}

async fn bob(scim: &Client) -> String {
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "b.bauerova",
        "externalId": "ext-5f1c77-bob", "active": true, "displayName": "Roberto Bauerova",
        "name": {"givenName": "Roberto", "familyName": "Bauerova"},
        "emails": [{"value": "bob@example.com", "type": "work", "primary": true}]});
    scim.post("/scim/v2/Users", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

/// The person's item in the wiki, once it is one, done by hand.
async fn by_hand(admin: &Client, kind: &str, user: &str) {
    let query = format!("hub=wiki&kind={kind}&status=open&user={user}");
    let task = tasks(admin, &query, 1).await;
    let (id, status) = (task[0]["id"].as_str().unwrap(), task[0]["status"].as_str().unwrap());
    if status == "held" {
        let hold = task[0]["hold"].as_str().unwrap();
        let note = json!({"note": "Roberto Bauerova has left", "tasks": [id]});
        admin.post(&format!("/api/v1/held/{hold}/release"), &note).await.expect(200);
    }
    tasks(admin, &format!("hub=wiki&kind={kind}&status=manual&user={user}"), 1).await;
    let note = json!({"note": "done for Roberto Bauerova, bob@example.com"});
    admin.post(&format!("/api/v1/tasks/{id}/done"), &note).await.expect(200);
}

async fn records(admin: &Client, user: &str) -> Vec<Value> {
    let page = admin.get(&format!("/api/v1/activity?limit=200&user={user}")).await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

fn verified(server: &Server) -> String {
    let output = server.run(&["audit", "verify", "--workspace", "default"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What else may stand in a row, as it is written there: of him, and of others who are told of him.
fn plant(database: &Database, bob: &str) {
    let blob = |hex: &str| match database.name {
        "sqlite" => format!("x'{hex}'"),
        _ => format!("'\\x{hex}'::bytea"),
    };
    let (him, other, hub) = (blob(&bob.replace('-', "")), blob(&"a1".repeat(16)), blob(&"b2".repeat(16)));
    let note = "'so says Roberto Bauerova (BOB@example.com)'";
    let ws = "(SELECT id FROM workspaces)";
    let all = [
        ("given_fields", format!("{ws}, {hub}, {him}, 'badge', '4711-b.bauerova', 'cli', 1")),
        ("given_fields", format!("{ws}, {hub}, {other}, 'manager', 'b.bauerova', 'cli', 1")),
        ("told (workspace, key, line, first_told, last_told)", format!("{ws}, 'owner:{bob} problem x', 'l', 1, 1")),
        ("told (workspace, key, line, first_told, last_told)", format!("{ws}, 'webhook problem y', {note}, 1, 1")),
        ("mail_refusals", format!("{ws}, 'owner:{bob}', 'bob@example.com', 1, 1, '550'")),
        ("decisions", format!("{ws}, {hub}, 'user:{bob}', {other}, 'rejected', NULL, 'cli', NULL, 1")),
        ("decisions", format!("{ws}, {hub}, 'remote:7', {other}, 'rejected', NULL, 'cli', {note}, 1")),
        ("sync_seen", format!("{ws}, {other}, 'r7', {other}, 'bob@example.com', 'B', NULL, 'active', NULL, 1, NULL")),
        ("hub_waits", format!("{ws}, {hub}, 1, 2, {note}, 'add', 2, 'user:{bob}'")),
        ("guard_passes", format!("{ws}, {hub}, 'mass', {other}, 9000000000000000, 'cli', {note}, 1")),
        ("holds", format!("{ws}, {other}, {hub}, 'mass', 'closed', 1, 2, 'cli', {note}")),
        ("attempts", format!("{ws}, {other}, 1, 1, 1, 2, 'rejected', 'conflict', {note}")),
        ("leavers", format!("{ws}, {him}, 1")),
        ("problems", format!("{ws}, {hub}, 'credential', {note}, 1, 1, 1, 2")),
    ];
    for (table, values) in all {
        let on_conflict = if table == "leavers" { " ON CONFLICT DO NOTHING" } else { "" };
        run(database, &format!("INSERT INTO {table} VALUES ({values}){on_conflict};"));
    }
}

/// Until nothing stands in the way any more; on the database or through the server.
async fn erased(database: &Database, server: &Server, remote: bool) -> String {
    let mut said = String::new();
    eventually("nothing stands in the way", SOON, async || {
        let mut command = scimhub(database);
        command.args(["person", "erase", "bob@example.com", "--yes"]);
        if remote {
            command.args(["--server", &server.base]).env("SCIMHUB_TOKEN", server.token("admin"));
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        said = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr }).into();
        output.status.success()
    })
    .await;
    said
}

/// Tables of rows, each with its text in lower case. A text may go over several lines.
fn by_table(rows: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in rows.lines() {
        let table = line.split_once(": ").map(|(table, _)| table.trim_start_matches("public."));
        match table.filter(|table| table.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
            Some(table) => found.push((table.to_owned(), line.to_lowercase())),
            None => found.extend(found.last().map(|(table, _)| (table.clone(), line.to_lowercase()))),
        }
    }
    found
}

/// Rows in which one of the words stands, as text or in hexadecimal.
fn naming<'a>(rows: &'a [(String, String)], words: &[&str]) -> Vec<&'a (String, String)> {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let forms: Vec<String> = words.iter().map(|word| word.to_lowercase()).flat_map(|one| [hex(&one), one]).collect();
    rows.iter().filter(|(_, row)| forms.iter().any(|form| row.contains(form.as_str()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_gone_is_forgotten_and_the_record_stays_good() {
    for (number, database) in databases().into_iter().enumerate() {
        let leaving = if number == 0 { Leaving::Deleted } else { Leaving::Deactivated };
        forgotten(&database, leaving, number == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_whom_the_directory_keeps_as_inactive_is_forgotten_too() {
    for (number, database) in databases().into_iter().enumerate() {
        let leaving = if number == 1 { Leaving::Deleted } else { Leaving::Deactivated };
        forgotten(&database, leaving, number == 0).await;
    }
}

async fn forgotten(database: &Database, leaving: Leaving, remote: bool) {
    let server = Server::start(database, &["--app-network", "127.0.0.0/8"]);
    let (admin, scim) = clients(&server);
    let (app, receiver) = (mending::sandbox(), Receiver::start());
    let endpoint = json!({"name": "ops", "url": receiver.url()});
    admin.post("/api/v1/webhooks", &endpoint).await.expect(201);
    mending::sandbox_hub(&admin, "ads", &app.scim("ads"), mending::GOOD).await;
    manual_hub(&admin, "wiki").await;
    mapping(&admin, "wiki", &json!({"group": "authors", "app_role": "member"})).await;
    // A rule that names somebody who has not arrived: its record knows no person yet.
    let rule = mapping(&admin, "ads", &json!({"user": "b.bauerova", "app_role": "viewer"})).await;
    let bob = bob(&scim).await;
    let ann = user(&scim, "ann@example.com").await;
    group(&scim, "editors", &[&bob, &ann]).await;
    group(&scim, "authors", &[&bob, &ann]).await;
    tasks(&admin, "hub=ads&kind=add&status=completed", 2).await;

    // What others say of him, and what he does himself.
    let items = tasks(&admin, "hub=wiki&kind=add&status=manual", 2).await;
    for item in &items {
        let owner = json!({"owner": {"name": "Roberto Bauerova"}});
        admin.patch(&format!("/api/v1/tasks/{}", item["id"].as_str().unwrap()), &owner).await.expect(200);
    }
    by_hand(&admin, "add", &bob).await;
    by_hand(&admin, "add", &ann).await;
    let members = admin.get("/api/v1/hubs/ads/members?bucket=onboarded").await.expect(200).json();
    let member = |user: &str| {
        members["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["user"] == user)
            .unwrap_or_else(|| panic!("{members}"))
            .clone()
    };
    let remote_id = member(&bob)["remote_id"].as_str().unwrap().to_owned();
    let protect = format!("/api/v1/hubs/ads/members/{}/protect", member(&ann)["id"].as_str().unwrap());
    admin.post(&protect, &json!({"reason": "asked by bob@example.com (Roberto Bauerova)"})).await.expect(200);
    admin.put(&format!("/api/v1/people/{bob}/role"), &json!({"role": "admin"})).await.expect(200);
    let as_bob = token(&server, "--as", &bob);
    as_bob.post("/api/v1/failures/read", &json!({})).await.expect(200);
    admin.put(&format!("/api/v1/hubs/wiki/managers/{bob}"), &json!({"role": "owner"})).await.expect(200);
    let secret = json!({"name": "b.bauerova", "scope": "read"});
    admin.post("/api/v1/tokens", &secret).await.expect(201);
    let pending = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "late",
        "members": [{"value": "bob@example.com"}]});
    scim.post("/scim/v2/Groups", &pending).await.expect(201);

    // What must be done first is said, all of it; and nothing is gone.
    let path = format!("/api/v1/people/{bob}/erase");
    let notified = json!({"mail": ["Bob@example.com"]});
    admin.put("/api/v1/notifications", &notified).await.expect(200);
    let refused = admin.post(&path, &json!({})).await.expect(409).json()["detail"].as_str().unwrap().to_owned();
    for word in [
        "deactivate or delete the user",
        "mappings that name them, in ads",
        "their accounts, in ads, wiki",
        "address out of the notifications",
    ] {
        assert!(refused.contains(word), "{refused}");
    }
    assert_eq!(as_bob.post(&path, &json!({})).await.status, 403, "an admin may not");
    admin.put("/api/v1/notifications", &json!({"mail": ["ops@example.com"]})).await.expect(200);
    admin.delete(&format!("/api/v1/hubs/ads/mappings/{rule}")).await.expect(204);
    let address = format!("/scim/v2/Users/{bob}");
    match leaving {
        Leaving::Deleted => scim.delete(&address).await.expect(204),
        Leaving::Deactivated => {
            let operations = json!([{"op": "replace", "path": "active", "value": false}]);
            let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
            scim.patch(&address, &json!({"schemas": schemas, "Operations": operations})).await.expect(200)
        }
    };
    tasks(&admin, "hub=ads&kind=remove&status=completed", 1).await;
    tasks(&admin, "hub=wiki&kind=remove&status=open", 1).await;
    let refused = admin.post(&path, &json!({})).await.expect(409).text();
    assert!(refused.contains("make somebody else Owner of wiki"), "{refused}");
    admin.put(&format!("/api/v1/hubs/wiki/managers/{ann}"), &json!({"role": "owner"})).await.expect(200);
    assert!(refused.contains("open tasks end, or close them, in wiki") && !refused.contains("ads"), "{refused}");
    by_hand(&admin, "remove", &bob).await;
    let careless = server.run(&["person", "erase", &bob]);
    assert!(!careless.status.success() && String::from_utf8_lossy(&careless.stderr).contains("--yes"));

    eventually("all of it is sealed", SOON, async || !verified(&server).contains("more are sealed")).await;
    plant(database, &bob);
    let before = records(&admin, &bob).await;
    let rows = by_table(&dump::rows(database));
    let words: Vec<&str> = WORDS.into_iter().chain([remote_id.as_str()]).collect();
    for word in &words {
        // What the directory forgot with the user is not here any more.
        let forgotten = leaving == Leaving::Deleted && word.starts_with("ext-");
        assert!(forgotten || !naming(&rows, &[word]).is_empty(), "{word} is there to be erased");
    }
    for table in ["tokens", "protections", "task_owners", "holds", "failures_read", "pending_members", "hub_managers"] {
        let found = naming(&rows, &WORDS).into_iter().chain(naming(&rows, &[&bob, &bob.replace('-', "")]));
        let is_there = found.into_iter().any(|(one, _)| one == table);
        // A removal of one of two people is not always held.
        assert!(is_there || table == "holds", "something of him stands in {table}");
    }
    let said = erased(database, &server, remote).await;
    assert!(said.contains(&format!("user {bob}: erased from ")), "{said}");

    let rows = by_table(&dump::rows(database));
    let left = naming(&rows, &words);
    assert!(left.is_empty(), "{} {leaving:?}: {left:?}", database.name);
    let with_id = naming(&rows, &[&bob, &bob.replace('-', "")]);
    let stray: Vec<_> = with_id.iter().filter(|(table, _)| !KEEP_THE_ID.contains(&table.as_str())).collect();
    assert!(stray.is_empty(), "{} {leaving:?}: {stray:?}", database.name);
    assert!(!naming(&rows, &["ann@example.com"]).is_empty(), "nobody else's");
    assert!(!naming(&rows, &["asked by erased (erased)"]).is_empty(), "what else is said of others stays");
    let notes = naming(&rows, &["so says erased (erased)"]).len();
    assert_eq!(notes, 7, "{} {leaving:?}: each without him", database.name);
    let after = records(&admin, &bob).await;
    let fresh = after.len() - before.len();
    assert!(after[..fresh].iter().any(|one| one["kind"] == "person.erased" && one["target"] == format!("user:{bob}")));
    let facts = |all: &[Value]| -> Vec<Value> {
        all.iter().map(|one| json!([one["id"], one["kind"], one["at"], one["actor"], one["detail"]])).collect()
    };
    assert_eq!(facts(&after[fresh..]), facts(&before), "what was done stays");
    assert!(after.iter().all(|one| one["personal"].is_null()));
    eventually("the new records are sealed", SOON, async || !verified(&server).contains("more are sealed")).await;
    assert!(verified(&server).contains("default: good"));
    let report = admin.get(&format!("/api/v1/reports/access?person={bob}")).await.expect(200).json();
    let held = report["items"].as_array().unwrap();
    assert!(held.len() >= 2 && held.iter().all(|one| one["person"] == "erased"), "{report}");
    // The server goes on with what is left: pages of tasks, and the people who stay.
    admin.get("/api/v1/tasks?limit=200").await.expect(200);
    admin.get(&format!("/api/v1/hubs/ads/users/{ann}/explain")).await.expect(200);
    // What was remembered of the token is forgotten within a second.
    eventually("nobody is him", SOON, async || as_bob.get("/api/v1/status").await.status == 401).await;

    // Once more is nothing; the address says nothing to anybody any more.
    let again = admin.post(&path, &json!({})).await.expect(200).json();
    assert_eq!((&again["records"], &again["intervals"], &again["texts"]), (&json!(0), &json!(0), &json!(0)), "{again}");
    admin.post("/api/v1/people/bob@example.com/erase", &json!({})).await.expect(404);
    admin.post("/api/v1/people/01890a5d-ac96-774b-bcce-b302099a8057/erase", &json!({})).await.expect(404);
}

#[test]
fn what_every_table_keeps_of_a_person_is_written_down() {
    for database in databases() {
        let _server = Server::start(&database, &[]);
        let written: BTreeSet<&str> = KEPT.iter().map(|(table, _)| *table).collect();
        assert_eq!(written.len(), KEPT.len(), "no table twice");
        let there = dump::tables(&database);
        let there: BTreeSet<&str> =
            there.iter().map(String::as_str).filter(|one| !one.starts_with("sqlite_")).collect();
        assert_eq!(there, written, "{}: say in store::erasing::kept what becomes of it", database.name);
    }
}
