//! A refusal says in which field the mistake is; and who may only look may plan files.

use serde_json::{Value, json};

use super::{clients, manual_hub, user};
use crate::support::databases;
use crate::support::server::Server;

/// The fields that a refusal names.
fn fields(refusal: &Value) -> Vec<String> {
    let errors = refusal["errors"].as_array().unwrap_or_else(|| panic!("no errors: {refusal}"));
    errors.iter().map(|one| one["field"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_names_the_field() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, _) = clients(&server);
        let sandbox = json!({"id": "box", "app": "sandbox", "connection": {"base_url": "https://example.com/scim"}});
        admin.post("/api/v1/hubs", &sandbox).await.expect(201);
        let ahrefs =
            json!({"id": "seo", "app": "ahrefs", "login": "password", "connection": {"unique_identifier": 12}});
        for (path, body, wanted) in [
            ("/api/v1/hubs", json!({"app": "manual"}), "id"),
            ("/api/v1/hubs", json!({"id": "b", "app": "manual", "colour": "red"}), "colour"),
            ("/api/v1/hubs", ahrefs, "connection.unique_identifier"),
            ("/api/v1/tokens", json!({"name": "t", "scope": "read", "as": "nobody@example.com"}), "as"),
        ] {
            let refusal = admin.post(path, &body).await.expect(400).json();
            assert_eq!(fields(&refusal), [wanted], "{}: {refusal}", database.name);
        }
        for (body, wanted) in [
            (json!({"app_role": "viewer"}), "group"),
            (json!({"group": "a", "user": "b", "app_role": "viewer"}), "group"),
            (json!({"group_id": "a", "app_role": "viewer"}), "group_id"),
            (json!({"group": "a", "app_role": "king"}), "app_role"),
            (json!({"group": "a", "app_role": "viewer", "seat": false}), "seat"),
            (json!({"group": "a", "app_role": "viewer", "scope": "colour eq"}), "scope"),
            (json!({"group": "a", "app_role": "viewer", "source": "nowhere"}), "source"),
        ] {
            let refusal = admin.put("/api/v1/hubs/box/mappings", &body).await.expect(400).json();
            assert_eq!(fields(&refusal), [wanted], "{}: {refusal}", database.name);
        }
        let nobody = json!({"name": "t", "scope": "read", "as": "nobody@example.com"});
        let refusal = admin.post("/api/v1/tokens", &nobody);
        let told = refusal.await.json()["detail"].to_string();
        assert!(told.contains("nobody@example.com"), "{told}");
        let query = admin.get("/api/v1/tasks?limit=x").await.expect(400).text();
        assert!(!query.contains("deserialize"), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_over_lines_is_refused_unless_it_is_a_key() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, _) = clients(&server);
        let hub = json!({"id": "box", "app": "sandbox", "login": "sso",
            "connection": {"base_url": "https://example.com/scim", "token": {"secret": "BOX"}}});
        admin.post("/api/v1/hubs", &hub).await.expect(201);
        let path = "/api/v1/hubs/box/secrets/BOX";
        let refusal = admin.put(path, &json!({"value": "one\ntwo"})).await.expect(400).text();
        assert!(refusal.contains("one line") && !refusal.contains("two"), "{refusal}");
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for good in [key, "one\n"] {
            let reply = admin.put(path, &json!({ "value": good })).await;
            assert!(reply.status < 300, "{}: {}", database.name, reply.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_plans_files_and_changes_nothing() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let reader = server.client("read");
        manual_hub(&admin, "wiki").await;
        user(&scim, "ann@example.com").await;
        let text = "[[hub]]\nid = \"wiki\"\napp = \"manual\"\nmode = \"active\"\n\
                    [[hub.mapping]]\nuser = \"ann@example.com\"\napp_role = \"member\"\n";
        let files = json!({"files": [{"name": "hubs.toml", "text": text}]});
        let shown = reader.post("/api/v1/plan", &files).await.expect(200).json();
        assert_eq!(shown["effects"][0]["adds"], 1, "{}: {shown}", database.name);
        reader.post("/api/v1/apply", &files).await.expect(403);
        assert_eq!(admin.get("/api/v1/hubs/wiki/mappings").await.expect(200).json()["items"], json!([]));
    }
}
