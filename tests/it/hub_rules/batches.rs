//! People with a group each, and the batches that the guard holds of them.

use serde_json::{Value, json};

use super::Stage;
use crate::hubs::{self, SOON};
use crate::support::eventually;

pub fn email(name: &str) -> String {
    format!("{name}@example.com")
}

/// Somebody with a group and a mapping of their own: their id, the group's, the mapping's.
pub async fn with_own_group(stage: &Stage, name: &str, role: &str) -> (String, String, String) {
    let mapping = hubs::mapping(&stage.admin, "box", &json!({"group": format!("g-{name}"), "app_role": role})).await;
    let user = hubs::user(&stage.scim, &email(name)).await;
    let group = hubs::group(&stage.scim, &format!("g-{name}"), &[&user]).await;
    (user, group, mapping)
}

/// The member row's id.
pub async fn member(stage: &Stage, user: &str) -> String {
    let mut found = Value::Null;
    eventually("the member's row", SOON, async || {
        found = stage.member_of(user).await.unwrap_or_default();
        found["known"] == "active"
    })
    .await;
    found["id"].as_str().unwrap().to_owned()
}

/// The open batch of a reason.
pub async fn batch(stage: &Stage, reason: &str) -> Option<Value> {
    let held = stage.admin.get("/api/v1/held").await.expect(200).json();
    held["items"].as_array().unwrap().iter().find(|one| one["reason"] == reason).cloned()
}

/// The same, once it holds this many.
pub async fn batch_of(stage: &Stage, reason: &str, total: usize) -> Value {
    let mut found = Value::Null;
    eventually(&format!("{total} held as {reason}"), SOON, async || {
        found = batch(stage, reason).await.unwrap_or_default();
        found["total"] == total
    })
    .await;
    found
}

pub fn task_of(batch: &Value, user: &str) -> String {
    let tasks = batch["tasks"].as_array().unwrap();
    let one = tasks.iter().find(|task| task["user"] == user).unwrap_or_else(|| panic!("no task of {user}: {batch}"));
    one["id"].as_str().unwrap().to_owned()
}
