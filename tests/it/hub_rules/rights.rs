//! Who may do what (business-hubs.md section 3), through HTTP with tokens of persons and services.

use serde_json::{Value, json};

use crate::hubs::{self, SOON};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{databases, eventually};

/// A token made by the operator: of a person, or of a service with a role.
pub fn token(server: &Server, flag: &str, value: &str) -> Client {
    let name = format!("t-{}", uuid::Uuid::new_v4().simple());
    let output = server.run(&["token", "create", "--scope", "admin", "--name", &name, flag, value]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    server.watch("a token", text.rsplit('_').next().unwrap());
    Client::new(&server.base, &text)
}

pub fn lacks(reply: &crate::support::http::Reply, action: &str) {
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(reply.json()["needs"]["action"], action, "{}", reply.text());
}

pub fn ids(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn r3_1_a_person_may_what_their_role_and_their_hubs_allow() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        let bob = hubs::user(&scim, "bob@example.com").await;
        hubs::manual_hub(&admin, "ops").await;
        hubs::mapping(&admin, "ops", &json!({"user": "bob@example.com", "hub_role": "manager", "app_role": "member"}))
            .await;
        hubs::tasks(&admin, "hub=ops", 1).await;
        let as_ann = token(&server, "--as", "ann@example.com");
        let as_bob = token(&server, "--as", &bob);

        // A user without a hub: nothing of others, and the refusal says what is missing.
        assert_eq!(ids(&as_ann.get("/api/v1/hubs").await.expect(200).json()), Vec::<String>::new());
        assert_eq!(ids(&as_ann.get("/api/v1/tasks").await.expect(200).json()), Vec::<String>::new());
        lacks(&as_ann.get("/api/v1/hubs/ops").await, "use_hub");
        lacks(&as_ann.get("/api/v1/hubs/ops/members").await, "read_hub");
        lacks(&as_ann.get("/api/v1/tokens").await, "read_tokens");
        lacks(&as_ann.post("/api/v1/sources", &json!({"name": "x"})).await, "change_provisioning");
        as_ann.get("/api/v1/hubs/none").await.expect(404);
        as_ann.get(&format!("/api/v1/hubs/ops/users/{ann}/explain")).await.expect(200);
        lacks(&as_ann.get(&format!("/api/v1/hubs/ops/users/{bob}/explain")).await, "explain_access");

        // Whoever connects a hub is its Owner.
        let body = json!({"id": "hers", "app": "manual", "mode": "active", "settle": "0s"});
        as_ann.post("/api/v1/hubs", &body).await.expect(201);
        as_ann.patch("/api/v1/hubs/hers", &json!({"label": "Hers"})).await.expect(200);
        assert_eq!(ids(&as_ann.get("/api/v1/hubs").await.expect(200).json()), ["hers"]);
        lacks(&as_bob.patch("/api/v1/hubs/hers", &json!({"label": "His"})).await, "edit_hub");

        // A Manager runs people, and makes nobody Owner; a file cannot do what a request may not.
        assert_eq!(as_bob.get("/api/v1/tasks").await.expect(200).json()["items"][0]["hub"], "ops");
        as_bob.get("/api/v1/hubs/ops/members").await.expect(200);
        let share = json!({"user": "ann@example.com", "app_role": "member"});
        hubs::mapping(&as_bob, "ops", &share).await;
        let owner = json!({"user": "ann@example.com", "app_role": "member", "hub_role": "owner"});
        lacks(&as_bob.put("/api/v1/hubs/ops/mappings", &owner).await, "assign_managers");
        lacks(&as_bob.delete("/api/v1/hubs/ops").await, "delete_hub");
        let file = "[[hub]]\nid = \"hers\"\napp = \"manual\"\nlabel = \"Mine now\"\n";
        let wanted = json!({"files": [{"name": "f.toml", "text": file}]});
        lacks(&as_bob.post("/api/v1/apply", &wanted).await, "edit_hub");
        lacks(&as_bob.post("/api/v1/plan", &wanted).await, "edit_hub");
        as_ann.post("/api/v1/apply", &wanted).await.expect(200);

        // Nobody makes a credential that may do more than they.
        lacks(&as_bob.post("/api/v1/tokens", &json!({"name": "n", "scope": "admin"})).await, "manage_tokens");
        let service = token(&server, "--role", "admin");
        service.post("/api/v1/tokens", &json!({"name": "n", "scope": "admin"})).await.expect(403);
        service.post("/api/v1/tokens", &json!({"name": "n", "scope": "admin", "role": "owner"})).await.expect(403);
        service.post("/api/v1/tokens", &json!({"name": "n", "scope": "admin", "role": "admin"})).await.expect(201);

        // An auditor reads everything and changes nothing.
        let auditor = token(&server, "--role", "auditor");
        for path in ["hubs/ops/members", "tasks", "activity", "tokens", "sources", "export"] {
            auditor.get(&format!("/api/v1/{path}")).await.expect(200);
        }
        lacks(&auditor.patch("/api/v1/hubs/ops", &json!({"label": "x"})).await, "edit_hub");
        lacks(&auditor.post("/api/v1/pause", &json!({})).await, "pause_workspace");

        // Deactivated: the token stops, and is shown so.
        let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "active", "value": false}]});
        scim.patch(&format!("/scim/v2/Users/{bob}"), &patch).await.expect(200);
        eventually("bob's token stops", SOON, async || as_bob.get("/api/v1/hubs").await.status == 401).await;
        let tokens = admin.get("/api/v1/tokens?limit=200").await.expect(200).json();
        let his = tokens["items"].as_array().unwrap().iter().find(|one| one["acts_as"] == bob.as_str()).unwrap();
        assert_eq!(his["state"], "person_inactive", "{}: {his}", database.name);
    }
}
