//! What the SCIM tests share: bodies, and making users and groups.

use serde_json::{Value, json};

use crate::support::http::{Client, Reply};

pub const USERS: &str = "/scim/v2/Users";
pub const GROUPS: &str = "/scim/v2/Groups";

pub fn user(user_name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": user_name,
        "active": true,
        "emails": [{ "value": user_name, "type": "work", "primary": true }],
    })
}

pub fn group(name: &str, members: &[&str]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": name,
        "members": members.iter().map(|id| json!({ "value": id })).collect::<Vec<_>>(),
    })
}

pub fn patch(operations: Value) -> Value {
    let mut body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"] });
    body["Operations"] = operations;
    body
}

pub fn add_members<S: AsRef<str>>(ids: &[S]) -> Value {
    let values: Vec<Value> = ids.iter().map(|id| json!({ "value": id.as_ref() })).collect();
    patch(json!([{ "op": "add", "path": "members", "value": values }]))
}

pub fn id_of(reply: &Reply) -> String {
    reply.json()["id"].as_str().expect("an id").to_owned()
}

pub async fn make_user(client: &Client, user_name: &str) -> String {
    id_of(&client.post(USERS, &user(user_name)).await.expect(201))
}

pub async fn make_group(client: &Client, name: &str, members: &[&str]) -> String {
    id_of(&client.post(GROUPS, &group(name, members)).await.expect(201))
}

/// The ids of a group's members, sorted.
pub async fn members(client: &Client, id: &str) -> Vec<String> {
    let body = client.get(&format!("{GROUPS}/{id}")).await.expect(200).json();
    let mut ids: Vec<String> = body["members"]
        .as_array()
        .map(|all| all.iter().map(|m| m["value"].as_str().unwrap().to_owned()).collect())
        .unwrap_or_default();
    ids.sort();
    ids
}

pub fn sorted<S: AsRef<str>>(ids: &[S]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(|id| id.as_ref().to_owned()).collect();
    ids.sort();
    ids
}

/// A filter, percent-encoded into a query.
pub fn filtered(endpoint: &str, filter: &str) -> String {
    let mut query = String::new();
    for byte in filter.bytes() {
        if byte.is_ascii_alphanumeric() {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{endpoint}?filter={query}")
}
