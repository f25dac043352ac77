//! Hubs and mappings as people manage them: files, the API, tasks and explain, on both databases.

mod actions;
mod api;
mod files;
pub mod holding;
pub mod mending;
mod moved_address;
mod races;
mod regain;
mod tenants;
mod wrong_fields;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::Client;
use crate::support::{eventually, server::Server};

/// Waiting for the engine of a real server.
pub const SOON: Duration = Duration::from_secs(30);

/// Create a user over SCIM; its id.
pub async fn user(scim: &Client, name: &str) -> String {
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name,
        "active": true, "emails": [{"value": name, "type": "work", "primary": true}]});
    scim.post("/scim/v2/Users", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

/// Create a group with these members over SCIM; its id.
pub async fn group(scim: &Client, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name,
        "members": members});
    scim.post("/scim/v2/Groups", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

/// An active hub whose tasks are done by hand.
pub async fn manual_hub(admin: &Client, id: &str) {
    let body = json!({"id": id, "app": "manual", "mode": "active", "settle": "0s"});
    admin.post("/api/v1/hubs", &body).await.expect(201);
}

/// Put a mapping; its id.
pub async fn mapping(admin: &Client, hub: &str, body: &Value) -> String {
    let reply = admin.put(&format!("/api/v1/hubs/{hub}/mappings"), body).await;
    assert!(reply.status == 200 || reply.status == 201, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

/// The tasks of a list, once there are `count` of them.
pub async fn tasks(admin: &Client, query: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v1/tasks?{query}");
    let mut found = Vec::new();
    eventually(&format!("{count} tasks of {query}"), SOON, async || {
        found = admin.get(&path).await.expect(200).json()["items"].as_array().unwrap().clone();
        found.len() == count
    })
    .await;
    found
}

/// A server with an admin and a SCIM client.
pub fn clients(server: &Server) -> (Client, Client) {
    (server.client("admin"), server.client("scim"))
}
