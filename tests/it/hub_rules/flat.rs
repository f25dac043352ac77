//! Apps without ranks: their roles are permissions that add up (R5.1), in `entitlements` of the practice
//! app, where somebody else keeps elements of their own.

use scimhub::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::hubs::{self, SOON, mending};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

const ANN: &str = "ann@example.com";

/// The practice app with permissions instead of ranked roles. A cashier may not be the auditor.
fn manifest() -> String {
    let sandbox = include_str!("../../../apps/sandbox.toml");
    let (head, rest) = sandbox.split_once("[[roles]]").unwrap();
    let (_, tasks) = rest.split_once("[tasks]").unwrap();
    let head = head.replace("id = \"sandbox\"", "id = \"flat\"\nranked = false");
    let role = |id: &str, more: &str| format!("[[roles]]\nid = \"{id}\"\nlabel = \"The {id}\"\n{more}\n");
    let roles = [
        role("audit", "incompatible = [\"pay\"]"),
        role("manage", "admin = true"),
        role("pay", ""),
        role("read", ""),
        role("write", ""),
    ];
    let rest = tasks.replace("[settings]\n", "[settings]\nrole_attribute = \"entitlements\"\n");
    format!("{head}{}[tasks]{rest}", roles.concat())
}

struct Stage {
    admin: Client,
    scim: Client,
    seats: Client,
    ann: String,
    _app: Sandbox,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new(database: &Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("flat.toml"), manifest()).unwrap();
        let apps = folder.path().to_str().unwrap();
        let server = Server::start(database, &["--app-network", "127.0.0.0/8", "--apps", apps]);
        let (admin, scim) = hubs::clients(&server);
        let app = mending::sandbox();
        let body = json!({"id": "box", "app": "flat", "mode": "active", "settle": "0s",
            "policy": {"drift": "repair", "sync_threshold_percent": 100},
            "connection": {"base_url": app.scim("box"), "token": {"secret": "TOKEN"}},
            "secrets": {"TOKEN": mending::GOOD}});
        admin.post("/api/v1/hubs", &body).await.expect(201);
        let seats = Client::new(&app.scim("box"), mending::GOOD);
        let ann = hubs::user(&scim, ANN).await;
        // The others keep one person far from being half of the hub, and Ann from being its last admin.
        for name in ["boss@example.com", "chief@example.com", "coo@example.com", "cfo@example.com", "cto@example.com"] {
            hubs::user(&scim, name).await;
            hubs::mapping(&admin, "box", &json!({"user": name, "app_role": "manage + read"})).await;
        }
        Self { admin, scim, seats, ann, _app: app, _server: server, _folder: folder }
    }

    /// A group that gives this, with or without Ann.
    async fn group(&self, name: &str, role: &str, members: &[&str]) -> String {
        let group = hubs::group(&self.scim, name, members).await;
        hubs::mapping(&self.admin, "box", &json!({"group": name, "app_role": role})).await;
        group
    }

    async fn ann(&self, group: &str, op: &str) {
        let operation = match op {
            "add" => json!({"op": "add", "path": "members", "value": [{"value": self.ann}]}),
            _ => json!({"op": "remove", "path": format!("members[value eq \"{}\"]", self.ann)}),
        };
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
        self.scim.patch(&format!("/scim/v2/Groups/{group}"), &body).await.expect(204);
    }

    async fn seat(&self, email: &str) -> Option<Value> {
        let all = self.seats.get("/Users").await.expect(200).json();
        all["Resources"].as_array().cloned().unwrap_or_default().into_iter().find(|one| one["userName"] == email)
    }

    /// The values of somebody's `entitlements` in the app, in order.
    async fn held(&self, email: &str) -> Vec<String> {
        let seat = self.seat(email).await.unwrap_or_default();
        let elements = seat["entitlements"].as_array().cloned().unwrap_or_default();
        let mut held: Vec<String> = elements.iter().map(|one| one["value"].as_str().unwrap().to_owned()).collect();
        held.sort();
        held
    }

    async fn until(&self, email: &str, wanted: &[&str]) {
        eventually(&format!("{email} holds {wanted:?}"), SOON, async || self.held(email).await == wanted).await;
    }

    async fn at_rest(&self) {
        eventually("the hub is at rest", SOON, async || {
            let status = self.admin.get("/api/v1/status").await.expect(200).json();
            let open = self.admin.get("/api/v1/tasks?hub=box&status=open").await.expect(200).json();
            status["hubs"][0]["marks"] == 0 && open["items"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
    }

    async fn explain(&self) -> Value {
        self.admin.get(&format!("/api/v1/hubs/box/users/{}/explain", self.ann)).await.expect(200).json()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_1_independent_permissions_are_united() {
    for database in databases() {
        let stage = Stage::new(&database).await;
        let readers = stage.group("readers", "read", &[&stage.ann]).await;
        stage.until(ANN, &["read"]).await;
        // More is given at once; "read" in the second group as well changes nothing.
        let writers = stage.group("writers", "write+read", &[&stage.ann]).await;
        stage.until(ANN, &["read", "write"]).await;
        stage.until("cfo@example.com", &["manage", "read"]).await;
        stage.at_rest().await;
        let why = stage.explain().await;
        assert_eq!(why["wanted"]["role"], "read+write", "{}: {why}", database.name);
        assert_eq!(why["known"]["role"], "read+write", "{}: {why}", database.name);

        // Somebody gives her something in the app that is none of ours, and takes one of ours.
        let id = stage.seat(ANN).await.unwrap()["id"].as_str().unwrap().to_owned();
        let theirs = json!({"value": "theirs", "type": "other", "primary": true});
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "entitlements", "value": [theirs, {"value": "write"}]}]});
        let kind = [("content-type", "application/scim+json")];
        let sent = stage.seats.send("PATCH", &format!("/Users/{id}"), &kind, Some(body.to_string().into_bytes())).await;
        assert!(matches!(sent.status, 200 | 204), "{}", sent.text());
        stage.admin.post("/api/v1/hubs/box/sync", &json!({})).await.expect(202);
        stage.until(ANN, &["read", "theirs", "write"]).await;
        stage.at_rest().await;
        let known = stage.explain().await["known"]["role"].clone();
        assert_eq!(known, "read+write", "{}: what is theirs is not seen as ours", database.name);

        // Losing one of two, then the other: one update, then the account goes.
        stage.ann(&writers, "remove").await;
        stage.until(ANN, &["read", "theirs"]).await;
        stage.at_rest().await;
        let elements = stage.seat(ANN).await.unwrap()["entitlements"].clone();
        assert!(elements.as_array().unwrap().contains(&theirs), "{}: {elements}", database.name);
        stage.ann(&readers, "remove").await;
        eventually("Ann has gone", SOON, async || stage.seat(ANN).await.is_none()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_1_incompatible_permissions_are_refused_when_mapped_and_give_way_later() {
    for database in databases() {
        let stage = Stage::new(&database).await;
        let wrong = json!({"user": ANN, "app_role": "read+pay+audit"});
        let reply = stage.admin.put("/api/v1/hubs/box/mappings", &wrong).await.expect(400).json();
        assert_eq!(reply["errors"][0]["field"], "app_role", "{}: {reply}", database.name);
        let detail = reply["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("'audit'") && detail.contains("'pay'"), "{reply}");
        let unknown = json!({"user": ANN, "app_role": "read+fly"});
        assert!(stage.admin.put("/api/v1/hubs/box/mappings", &unknown).await.expect(400).text().contains("fly"));

        // The one already held wins, though the other has the smaller id.
        let cashiers = stage.group("cashiers", "pay+read", &[&stage.ann]).await;
        stage.until(ANN, &["pay", "read"]).await;
        let auditors = stage.group("auditors", "audit", &[&stage.ann]).await;
        eventually("the other is refused", SOON, async || {
            let why = stage.explain().await;
            let rules = why["mappings"].as_array().unwrap();
            rules.iter().any(|rule| {
                let told = rule["why"].as_str().unwrap();
                rule["app_role"] == "audit" && rule["applies"] == "refused" && told.contains("pay excludes audit")
            })
        })
        .await;
        stage.at_rest().await;
        let why = stage.explain().await;
        assert_eq!(why["wanted"]["role"], "pay+read", "{}: {why}", database.name);
        assert!(why["summary"].to_string().contains("audit is refused: pay excludes it"), "{why}");
        assert_eq!(stage.held(ANN).await, ["pay", "read"], "{}", database.name);
        // What excluded it goes: it is given.
        stage.ann(&cashiers, "remove").await;
        stage.until(ANN, &["audit"]).await;
        stage.ann(&auditors, "remove").await;
        stage.ann(&cashiers, "add").await;
        stage.until(ANN, &["pay", "read"]).await;
        stage.at_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_1_of_permissions_that_come_together_the_smallest_id_is_given() {
    for database in databases() {
        let stage = Stage::new(&database).await;
        stage.group("cashiers", "pay", &[]).await;
        stage.group("auditors", "audit", &[]).await;
        // Both in one moment: a group of both mapped while the hub rests.
        stage.admin.post("/api/v1/pause", &json!({"hub": "box"})).await.expect(204);
        let page = stage.scim.get("/scim/v2/Groups").await.expect(200).json();
        for group in page["Resources"].as_array().unwrap() {
            stage.ann(group["id"].as_str().unwrap(), "add").await;
        }
        stage.admin.post("/api/v1/resume", &json!({"hub": "box"})).await.expect(204);
        stage.until(ANN, &["audit"]).await;
        stage.at_rest().await;
        assert_eq!(stage.held(ANN).await, ["audit"], "{}", database.name);
    }
}
