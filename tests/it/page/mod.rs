//! The page for people: signing in, what it refuses, what it shows, without a script and in a real
//! browser.

mod batches;
mod chromium;
mod drift;
mod escaping;
mod explaining;
mod filters;
mod forms;
mod items;
mod manual;
mod members;
mod pictures;
mod record;
mod session;
mod status;
mod undo;
pub mod visitor;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::Client;
use crate::support::{eventually, server::Server};

/// Waiting for the engine of a real server.
const SOON: Duration = Duration::from_secs(30);

async fn user_named(scim: &Client, name: &str, display: &str) -> String {
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name,
        "displayName": display, "active": true, "emails": [{"value": name, "type": "work", "primary": true}]});
    scim.post("/scim/v2/Users", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

async fn group(scim: &Client, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    let body =
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members});
    scim.post("/scim/v2/Groups", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

async fn leave(scim: &Client, group: &str, people: &[String]) {
    let people: Vec<Value> = people.iter().map(|id| json!({ "value": id })).collect();
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "remove", "path": "members", "value": people}]});
    scim.patch(&format!("/scim/v2/Groups/{group}"), &patch).await.expect(204);
}

async fn manual_hub(admin: &Client, id: &str) {
    let body = json!({"id": id, "app": "manual", "mode": "active", "settle": "0s"});
    admin.post("/api/v1/hubs", &body).await.expect(201);
}

async fn mapping(admin: &Client, hub: &str, body: &Value) {
    let reply = admin.put(&format!("/api/v1/hubs/{hub}/mappings"), body).await;
    assert!(reply.status == 200 || reply.status == 201, "{}", reply.text());
}

/// The tasks of a list, once there are `count` of them.
async fn tasks_of(admin: &Client, query: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v1/tasks?{query}");
    let mut found = Vec::new();
    eventually(&format!("{count} tasks of {query}"), SOON, async || {
        found = admin.get(&path).await.expect(200).json()["items"].as_array().unwrap().clone();
        found.len() == count
    })
    .await;
    found
}

/// A hub in which two of four removals are held; the id of the batch.
async fn held_batch(server: &Server, admin: &Client) -> String {
    held_group(server, admin).await.0
}

/// As [`held_batch`]; the group behind it too, and the four, of whom the last is still in it.
async fn held_group(server: &Server, admin: &Client) -> (String, String, Vec<String>) {
    let scim = server.client("scim");
    manual_hub(admin, "wiki").await;
    mapping(admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
    let mut people = Vec::new();
    for n in 0..4 {
        people.push(user_named(&scim, &format!("p{n}@example.com"), &format!("Person {n}")).await);
    }
    let members: Vec<&str> = people.iter().map(String::as_str).collect();
    let editors = group(&scim, "editors", &members).await;
    for task in tasks_of(admin, "hub=wiki&status=manual", 4).await {
        let path = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
        admin.post(&path, &json!({"note": "done"})).await.expect(200);
    }
    leave(&scim, &editors, &people[..3]).await;
    tasks_of(admin, "hub=wiki&status=held", 2).await;
    let held = admin.get("/api/v1/held").await.expect(200).json();
    (held["items"][0]["id"].as_str().unwrap().to_owned(), editors, people)
}
