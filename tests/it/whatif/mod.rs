//! What-if: previews on real data, the digest that ties a change to one, files in git; on both
//! databases.

mod files;
mod held;
mod moved;
mod previews;
pub mod quiet;
mod stops;
mod truth;

use serde_json::{Value, json};

use crate::support::http::Client;

/// Create a user over SCIM; its id.
pub async fn user(scim: &Client, name: &str) -> String {
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "active": true});
    scim.post("/scim/v2/Users", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

/// Create a group with these members over SCIM; its id.
pub async fn group(scim: &Client, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name,
        "members": members});
    scim.post("/scim/v2/Groups", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

/// A hub whose tasks are done by hand, in this mode.
pub async fn hub(admin: &Client, id: &str, mode: &str) {
    let body = json!({"id": id, "app": "manual", "mode": mode, "settle": "0s"});
    admin.post("/api/v1/hubs", &body).await.expect(201);
}

/// `adds/promotes/demotes/removes` of the first effect.
pub fn counts(plan: &Value) -> [i64; 4] {
    ["adds", "promotes", "demotes", "removes"].map(|name| plan["effects"][0][name].as_i64().unwrap_or(-1))
}

/// `change user from>to`, in the order of names.
pub fn people(plan: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let people = plan["effects"][0]["people"].as_array().cloned().unwrap_or_default();
    let line = |one: &Value| {
        format!("{} {} {}>{}", text(&one["change"]), text(&one["user"]), text(&one["from"]), text(&one["to"]))
    };
    people.iter().map(line).collect()
}

/// The digest of a plan.
pub fn digest(plan: &Value) -> String {
    let digest = plan["digest"].as_str().unwrap_or_default().to_owned();
    assert_eq!(digest.len(), 64, "{plan}");
    digest
}
