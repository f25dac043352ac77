//! T-06 over the admin API: another tenant's hub, mapping, task and person look like unknown ones.

use serde_json::json;

use super::{clients, group, manual_hub, mapping, tasks, user};
use crate::support::databases;
use crate::support::http::Client;
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn t06_no_row_of_another_workspace_is_seen_or_changed() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        manual_hub(&admin, "wiki").await;
        let mapping = mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        let ann = user(&scim, "ann@example.com").await;
        group(&scim, "editors", &[&ann]).await;
        let task = tasks(&admin, "hub=wiki&status=manual", 1).await[0]["id"].as_str().unwrap().to_owned();

        assert!(server.run(&["workspace", "create", "other"]).status.success());
        let stranger = Client::new(&server.base, &server.token_for("other", "default", "admin"));
        let put = json!({"group": "editors", "app_role": "admin"});
        let note = json!({"note": "x"});
        let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
        for (method, path, body) in [
            ("GET", String::from("/api/v1/hubs/wiki"), None),
            ("PATCH", String::from("/api/v1/hubs/wiki"), Some(json!({"label": "x"}))),
            ("DELETE", String::from("/api/v1/hubs/wiki"), None),
            ("GET", String::from("/api/v1/hubs/wiki/members"), None),
            ("GET", String::from("/api/v1/hubs/wiki/mappings"), None),
            ("PUT", String::from("/api/v1/hubs/wiki/mappings"), Some(put.clone())),
            ("PUT", format!("/api/v1/hubs/wiki/mappings/{mapping}"), Some(put)),
            ("DELETE", format!("/api/v1/hubs/wiki/mappings/{mapping}"), None),
            ("PUT", String::from("/api/v1/hubs/wiki/secrets/T"), Some(json!({"value": "x"}))),
            ("GET", format!("/api/v1/hubs/wiki/users/{ann}/explain"), None),
            ("GET", format!("/api/v1/tasks/{task}"), None),
            ("POST", format!("/api/v1/tasks/{task}/done"), Some(note.clone())),
            ("POST", format!("/api/v1/tasks/{task}/cancel"), Some(note.clone())),
            ("POST", format!("/api/v1/tasks/{task}/retry"), Some(json!({}))),
            ("POST", format!("/api/v1/held/{unknown}/release"), Some(json!({}))),
            ("POST", String::from("/api/v1/pause"), Some(json!({"hub": "wiki"}))),
        ] {
            let body = body.map(|body| body.to_string().into_bytes());
            let headers = [("content-type", "application/json")];
            let reply = stranger.send(method, &path, &headers, body.clone()).await.expect(404);
            // The same words as for an id that exists nowhere.
            let other = path.replace("/wiki", "/nowhere").replace(&task, unknown);
            let same = stranger.send(method, &other, &headers, body).await.expect(404);
            assert_eq!(reply.json()["detail"], same.json()["detail"], "{method} {path}");
        }
        for path in ["hubs", "tasks", "held", "access", "problems"] {
            let items = stranger.get(&format!("/api/v1/{path}")).await.expect(200).json()["items"].clone();
            assert_eq!(items, json!([]), "{path}");
        }
        let seen = stranger.get("/api/v1/activity").await.expect(200).text();
        assert!(!seen.contains("wiki") && !seen.contains(&ann), "{seen}");
        let seen = stranger.get("/api/v1/export").await.expect(200).json();
        assert_eq!(seen["text"], "");
        // The same id is free there, and the first stays untouched.
        manual_hub(&stranger, "wiki").await;
        stranger.delete("/api/v1/hubs/wiki?reason=trial").await.expect(204);
        assert_eq!(admin.get("/api/v1/hubs/wiki").await.expect(200).json()["label"], "wiki");
        assert_eq!(admin.get(&format!("/api/v1/tasks/{task}")).await.expect(200).json()["status"], "manual");
    }
}
