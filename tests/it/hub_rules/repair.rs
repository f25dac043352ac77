//! Repair: what was taken is granted again, and a hub may ask before a leaver's shares go.

use serde_json::{Value, json};

use super::{Stage, set_active};
use crate::hubs::{self, SOON};
use crate::support::http::Client;
use crate::support::{databases, eventually};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

/// Two people who give the hub a size at which one of them is no half of it.
async fn company(stage: &Stage) {
    hubs::mapping(&stage.admin, "box", &json!({"group": "staff", "app_role": "viewer"})).await;
    let mut staff = Vec::new();
    for name in ["c1@example.com", "c2@example.com", "c3@example.com", "c4@example.com", "c5@example.com"] {
        staff.push(hubs::user(&stage.scim, name).await);
    }
    let staff: Vec<&str> = staff.iter().map(String::as_str).collect();
    hubs::group(&stage.scim, "staff", &staff).await;
    stage.until_role("c5@example.com", Some("viewer")).await;
}

/// The last completed task of this kind about somebody.
async fn last_task(admin: &Client, user: &str, kind: &str) -> Value {
    let path = format!("/api/v1/tasks?hub=box&user={user}&kind={kind}&status=completed");
    let mut found = Vec::new();
    eventually("the task completed", SOON, async || {
        found = admin.get(&path).await.expect(200).json()["items"].as_array().unwrap().clone();
        !found.is_empty()
    })
    .await;
    found.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_of_a_removal_grants_again_what_was_held_and_stays() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        company(&stage).await;
        hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let bob = hubs::user(&stage.scim, BOB).await;
        let editors = hubs::group(&stage.scim, "editors", &[&ann]).await;
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        let added = last_task(&stage.admin, &ann, "add").await;
        let refused = format!("/api/v1/tasks/{}/undo", added["id"].as_str().unwrap());
        stage.admin.get(&refused).await.expect(409);

        stage.membership(&editors, "remove", &ann).await;
        stage.until_role(ANN, None).await;
        let task = last_task(&stage.admin, &ann, "remove").await;
        assert_eq!(task["before"]["role"], "editor", "{}: {task}", database.name);

        let path = format!("/api/v1/tasks/{}/undo", task["id"].as_str().unwrap());
        let look = stage.admin.get(&path).await.expect(200).json();
        assert_eq!(look["effects"][0]["adds"], 1, "{look}");
        assert_eq!(look["effects"][0]["people"][0]["to"], "editor", "{look}");
        let digest = look["digest"].as_str().unwrap().to_owned();
        stage.admin.post(&path, &json!({})).await.expect(400);
        let stale = format!("{path}?expect={}", "0".repeat(64));
        stage.admin.post(&stale, &json!({})).await.expect(409);
        assert_eq!(stage.role_in_app(ANN).await, None, "{}: nothing happened yet", database.name);

        stage.admin.post(&format!("{path}?expect={digest}"), &json!({})).await.expect(200);
        stage.until_role(ANN, Some("editor")).await;
        // The wish is a rule now: whatever makes the planner look again, it stays.
        stage.membership(&editors, "add", &bob).await;
        stage.membership(&editors, "add", &ann).await;
        stage.membership(&editors, "remove", &ann).await;
        stage.until_role(BOB, Some("editor")).await;
        stage.at_rest().await;
        assert_eq!(stage.role_in_app(ANN).await.as_deref(), Some("editor"), "{}", database.name);
        let why = stage.admin.get(&format!("/api/v1/hubs/box/users/{ann}/explain")).await.expect(200).json();
        let share = why["mappings"].as_array().unwrap().iter().find(|one| one["subject"] == format!("user {ANN}"));
        let told = share.unwrap()["ref"].as_str().unwrap();
        assert!(told.contains("undo of task") && told.contains(task["id"].as_str().unwrap()), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_of_a_request_raises_who_was_demoted_and_leaves_out_who_left() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        company(&stage).await;
        hubs::mapping(&stage.admin, "box", &json!({"group": "low", "app_role": "viewer"})).await;
        let high = hubs::mapping(&stage.admin, "box", &json!({"group": "high", "app_role": "editor"})).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let bob = hubs::user(&stage.scim, BOB).await;
        hubs::group(&stage.scim, "low", &[&ann, &bob]).await;
        hubs::group(&stage.scim, "high", &[&ann, &bob]).await;
        stage.until_role(ANN, Some("editor")).await;
        stage.until_role(BOB, Some("editor")).await;
        stage.at_rest().await;

        let reply = stage.admin.delete(&format!("/api/v1/hubs/box/mappings/{high}")).await;
        assert!(reply.status < 300, "{}", reply.text());
        let request = reply.header("x-request-id").unwrap().to_owned();
        stage.until_role(ANN, Some("viewer")).await;
        stage.until_role(BOB, Some("viewer")).await;
        stage.at_rest().await;
        set_active(&stage.scim, &bob, false).await;
        stage.until_role(BOB, None).await;
        stage.at_rest().await;

        let path = format!("/api/v1/requests/{request}/undo");
        let look = stage.admin.get(&path).await.expect(200).json();
        assert_eq!((&look["effects"][0]["promotes"], &look["effects"][0]["adds"]), (&json!(1), &json!(0)), "{look}");
        assert!(look["notes"].to_string().contains("the person left"), "{look}");
        let digest = look["digest"].as_str().unwrap();
        stage.admin.post(&format!("{path}?expect={digest}"), &json!({})).await.expect(200);
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        assert_eq!(stage.role_in_app(BOB).await, None, "{}", database.name);
        stage.admin.get("/api/v1/requests/of-nobody/undo").await.expect(409);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_6_individual_shares_of_a_leaver_are_asked_about_where_the_hub_says_so() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        company(&stage).await;
        stage.admin.patch("/api/v1/hubs/box", &json!({"policy": {"individual": "ask"}})).await.expect(200);
        let ann = hubs::user(&stage.scim, ANN).await;
        let bob = hubs::user(&stage.scim, BOB).await;
        hubs::mapping(&stage.admin, "box", &json!({"user": ANN, "app_role": "editor"})).await;
        hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
        hubs::group(&stage.scim, "editors", &[&bob]).await;
        stage.until_role(ANN, Some("editor")).await;
        stage.until_role(BOB, Some("editor")).await;
        stage.at_rest().await;

        set_active(&stage.scim, &ann, false).await;
        set_active(&stage.scim, &bob, false).await;
        stage.until_role(BOB, None).await;
        let mut held = Value::Null;
        eventually("the batch", SOON, async || {
            held = stage.admin.get("/api/v1/held").await.expect(200).json()["items"].clone();
            held.as_array().is_some_and(|items| items.len() == 1)
        })
        .await;
        assert_eq!((&held[0]["reason"], &held[0]["leavers"]), (&json!("ask_first"), &json!(1)), "{held}");
        assert_eq!(stage.role_in_app(ANN).await.as_deref(), Some("editor"), "{}", database.name);
        let id = held[0]["id"].as_str().unwrap();
        stage.admin.post(&format!("/api/v1/held/{id}/release"), &json!({})).await.expect(200);
        stage.until_role(ANN, None).await;
    }
}
