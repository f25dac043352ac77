//! Shapes of apps, each through the real server with the practice app behind it: what an app does not
//! offer becomes an item for a person, and nothing of it is ever sent (R5.17, business-hubs.md
//! section 12).

use std::path::Path;

use scimhub::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::hubs::mending::{GOOD, sandbox};
use crate::hubs::{clients, group, mapping, tasks, user};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{databases, eventually};

/// Manifests of apps that the practice app stands in for, each with one thing that it does not offer.
fn manifests(folder: &Path) {
    let sandbox = include_str!("../../../apps/sandbox.toml");
    let shape = |id: &str, more: &str, from: &str, to: &str| {
        let text = sandbox.replace("id = \"sandbox\"", &format!("id = \"{id}\"{more}"));
        assert!(text.contains(from), "{from}");
        std::fs::write(folder.join(format!("{id}.toml")), text.replace(from, to)).unwrap();
    };
    shape("no-remove", "", "remove = true", "remove = false");
    shape("no-add", "", "add = true", "add = false");
    shape("no-update", "", "update_role = true", "update_role = false");
    shape("as-viewer", "", "label = \"Viewer\"", "label = \"Viewer\"\ndefault_on_add = true");
    shape("no-way-back", "\nreinvite = false", "rank = 1", "rank = 1");
    shape("fixed-admin", "", "admin = true", "admin = true\nupdatable = false");
    shape("by-login", "", "[instructions]", "[tasks_with.sso]\nadd = false\nupdate_role = false\n\n[instructions]");
}

struct Stage {
    admin: Client,
    scim: Client,
    app: Sandbox,
    ann: String,
    viewers: String,
    editors: String,
    admins: String,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn patch(&self, group: &str, op: &str) {
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": op, "path": "members", "value": [{"value": self.ann}]}]});
        self.scim.patch(&format!("/scim/v2/Groups/{group}"), &body).await.expect(204);
    }

    async fn hub(&self, app: &str, login: &str) {
        let body = json!({"id": app, "app": app, "mode": "active", "settle": "0s", "login": login,
            "connection": {"base_url": self.app.scim(app), "token": {"secret": "TOKEN"}},
            "secrets": {"TOKEN": GOOD}});
        self.admin.post("/api/v1/hubs", &body).await.expect(201);
        for (group, role) in [("viewers", "viewer"), ("editors", "editor"), ("admins", "admin")] {
            mapping(&self.admin, app, &json!({"group": group, "app_role": role})).await;
        }
    }

    async fn one(&self, hub: &str, kind: &str, status: &str) -> Value {
        tasks(&self.admin, &format!("hub={hub}&kind={kind}&status={status}"), 1).await.remove(0)
    }

    async fn done(&self, task: &Value) {
        let path = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
        self.admin.post(&path, &json!({"note": "done in the app"})).await.expect(200);
    }

    /// What was asked of the app for this hub: creations, changes, removals.
    fn counts(&self, hub: &str) -> Value {
        self.app.state()["spaces"][hub]["counts"].clone()
    }
}

async fn stages(test: impl AsyncFn(Stage)) {
    for database in databases() {
        let folder = tempfile::tempdir().unwrap();
        manifests(folder.path());
        let apps = folder.path().display().to_string();
        let server = Server::start(&database, &["--apps", &apps, "--app-network", "127.0.0.0/8"]);
        let (admin, scim) = clients(&server);
        let ann = user(&scim, "ann@example.com").await;
        let viewers = group(&scim, "viewers", &[]).await;
        let editors = group(&scim, "editors", &[]).await;
        let admins = group(&scim, "admins", &[]).await;
        let stage =
            Stage { admin, scim, app: sandbox(), ann, viewers, editors, admins, _server: server, _folder: folder };
        test(stage).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_17_an_app_without_removal_gives_an_item_for_a_person() {
    stages(async |on| {
        on.hub("no-remove", "sso").await;
        on.patch(&on.editors, "add").await;
        on.one("no-remove", "add", "completed").await;
        on.patch(&on.editors, "remove").await;
        let item = on.one("no-remove", "remove", "manual").await;
        assert!(item["instructions"].as_str().unwrap().contains("remove ann@example.com"), "{item}");
        assert_eq!((&item["attempts"], on.counts("no-remove")["delete"].as_i64().unwrap_or(0)), (&json!(0), 0));
        on.done(&item).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_17_an_app_without_addition_gives_an_item_and_then_goes_on_by_itself() {
    stages(async |on| {
        on.hub("no-add", "sso").await;
        on.patch(&on.editors, "add").await;
        let item = on.one("no-add", "add", "manual").await;
        assert_eq!(on.counts("no-add")["create"].as_i64().unwrap_or(0), 0);
        on.done(&item).await;
        // Believed to be there, so what follows is automated again.
        on.patch(&on.editors, "remove").await;
        on.one("no-add", "remove", "completed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_17_an_app_without_role_update_gives_an_item_for_the_role_alone() {
    stages(async |on| {
        on.hub("no-update", "sso").await;
        on.patch(&on.viewers, "add").await;
        on.one("no-update", "add", "completed").await;
        on.patch(&on.admins, "add").await;
        let item = on.one("no-update", "update_role", "manual").await;
        assert_eq!(item["role"], "admin", "{item}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_17_a_role_that_no_update_gives_is_an_item_and_the_others_are_not() {
    stages(async |on| {
        on.hub("fixed-admin", "sso").await;
        on.patch(&on.viewers, "add").await;
        on.one("fixed-admin", "add", "completed").await;
        on.patch(&on.editors, "add").await;
        on.one("fixed-admin", "update_role", "completed").await;
        on.patch(&on.admins, "add").await;
        assert_eq!(on.one("fixed-admin", "update_role", "manual").await["role"], "admin");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_12_3_who_is_added_with_the_apps_default_role_gets_the_wanted_one_by_an_update() {
    stages(async |on| {
        on.hub("as-viewer", "sso").await;
        on.patch(&on.editors, "add").await;
        let add = on.one("as-viewer", "add", "completed").await;
        assert_eq!(add["role"], "viewer", "{add}");
        let update = on.one("as-viewer", "update_role", "completed").await;
        assert_eq!(update["role"], "editor", "{update}");
        eventually("the member is an editor", crate::hubs::SOON, async || {
            let members = on.admin.get("/api/v1/hubs/as-viewer/members").await.expect(200).json();
            members["items"][0]["known_role"] == "editor" || members["items"][0]["role"] == "editor"
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_12_3_who_was_removed_and_cannot_be_invited_again_is_an_item() {
    stages(async |on| {
        on.hub("no-way-back", "sso").await;
        on.patch(&on.viewers, "add").await;
        on.one("no-way-back", "add", "completed").await;
        on.patch(&on.viewers, "remove").await;
        on.one("no-way-back", "remove", "completed").await;
        on.patch(&on.viewers, "add").await;
        on.one("no-way-back", "add", "manual").await;
        // Another role wanted meanwhile is no reason to try.
        on.patch(&on.editors, "add").await;
        eventually("the item wants the other role", crate::hubs::SOON, async || {
            let open = on.admin.get("/api/v1/tasks?hub=no-way-back&status=open").await.expect(200).json();
            open["items"][0]["role"] == "editor" && open["items"][0]["status"] == "manual"
        })
        .await;
        assert_eq!(on.counts("no-way-back")["create"], 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_5_what_is_possible_depends_on_the_login_method() {
    stages(async |on| {
        on.hub("by-login", "sso").await;
        on.patch(&on.viewers, "add").await;
        on.one("by-login", "add", "manual").await;
        let apps = on.admin.get("/api/v1/apps").await.expect(200).json();
        let app = apps["items"].as_array().unwrap().iter().find(|app| app["id"] == "by-login").unwrap().clone();
        assert_eq!(app["offers"]["sso"], json!(["sync", "remove"]), "{app}");
        assert_eq!(app["offers"]["password"], json!(["sync", "add", "update_role", "remove"]), "{app}");
        // R10.5: another method, and the same wish is automated.
        let changed = on.admin.patch("/api/v1/hubs/by-login", &json!({"login": "password"})).await.expect(200).json();
        assert!(changed["notes"].to_string().contains("sync the hub"), "{changed}");
        on.one("by-login", "add", "completed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_12_1_a_seed_app_is_driven_by_hand_and_says_what_it_offers() {
    stages(async |on| {
        let tower = json!({"id": "tower", "app": "tower", "mode": "active", "settle": "0s",
            "connection": {"unique_identifier": "tower1"}});
        on.admin.post("/api/v1/hubs", &tower).await.expect(201);
        // One role only: no other can be mapped, so no role is ever changed.
        let other = json!({"group": "viewers", "app_role": "admin"});
        let told = on.admin.put("/api/v1/hubs/tower/mappings", &other).await.expect(400).text();
        assert!(told.contains("Tower has no role"), "{told}");
        mapping(&on.admin, "tower", &json!({"group": "viewers", "app_role": "member"})).await;
        on.patch(&on.viewers, "add").await;
        on.one("tower", "add", "manual").await;

        let chat = json!({"id": "chat", "app": "chatgpt", "mode": "active", "settle": "0s",
            "connection": {"business_id": "Acme"}});
        on.admin.post("/api/v1/hubs", &chat).await.expect(201);
        mapping(&on.admin, "chat", &json!({"group": "viewers", "app_role": "owner"})).await;
        let item = on.one("chat", "add", "manual").await;
        assert!(item["instructions"].as_str().unwrap().contains("as Owner"), "{item}");
        // Ahrefs lets nobody become owner.
        let ahrefs = json!({"id": "seo", "app": "ahrefs", "connection": {"unique_identifier": "acme1"}});
        on.admin.post("/api/v1/hubs", &ahrefs).await.expect(201);
        let owner = json!({"group": "viewers", "app_role": "owner"});
        let told = on.admin.put("/api/v1/hubs/seo/mappings", &owner).await.expect(400).text();
        assert!(told.contains("only be given inside the app"), "{told}");
    })
    .await;
}
