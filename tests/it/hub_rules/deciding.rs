//! Section 5: from an event of the identity provider, or a person's word, to a task.

use serde_json::json;

use super::Stage;
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

const ANN: &str = "ann@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn r5_8_access_through_a_group_is_the_groups() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let bob = hubs::user(&stage.scim, "bob@example.com").await;
        hubs::group(&stage.scim, "editors", &[&ann]).await;
        hubs::mapping(&stage.admin, "box", &json!({"user": "bob@example.com", "app_role": "viewer"})).await;
        stage.until_role(ANN, Some("editor")).await;
        stage.until_role("bob@example.com", Some("viewer")).await;
        stage.at_rest().await;
        let hers = stage.member_of(&ann).await.unwrap()["id"].as_str().unwrap().to_owned();
        for (verb, body) in
            [("remove", json!({})), ("remove", json!({"mode": "hub_only"})), ("role", json!({"app_role": "viewer"}))]
        {
            let reply = stage.act(&hers, verb, &body).await.expect(409);
            assert!(reply.text().contains("group editors"), "{}: names it: {}", database.name, reply.text());
        }
        // An individual share is a person's to change.
        let his = stage.member_of(&bob).await.unwrap()["id"].as_str().unwrap().to_owned();
        let reply = stage.act(&his, "role", &json!({"app_role": "emperor"})).await.expect(400);
        assert!(reply.text().contains("app_role"), "{}", reply.text());
        stage.act(&his, "role", &json!({"app_role": "admin"})).await.expect(200);
        stage.until_role("bob@example.com", Some("admin")).await;
        stage.at_rest().await;
        assert_eq!(stage.role_in_app(ANN).await.as_deref(), Some("editor"), "{}", database.name);
        assert_eq!(stage.told("member.role_changed").await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_11_a_person_is_removed_in_one_of_two_modes() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let mut people = Vec::new();
        for name in [ANN, "bob@example.com", "cid@example.com", "dan@example.com"] {
            people.push(hubs::user(&stage.scim, name).await);
            hubs::mapping(&stage.admin, "box", &json!({"user": name, "app_role": "editor"})).await;
            stage.until_role(name, Some("editor")).await;
        }
        stage.at_rest().await;
        let hers = stage.member_of(&people[0]).await.unwrap()["id"].as_str().unwrap().to_owned();
        let his = stage.member_of(&people[1]).await.unwrap()["id"].as_str().unwrap().to_owned();
        stage.act(&hers, "remove", &json!({"mode": "everywhere"})).await.expect(400);
        // The account stays, and nobody here minds it any more.
        let row = stage.act(&hers, "remove", &json!({"mode": "hub_only"})).await.expect(200).json();
        assert_eq!((&row["managed"], row.get("task"), row.get("hub_role")), (&json!(false), None, None));
        stage.act(&his, "remove", &json!({"mode": "hub_and_app"})).await.expect(200);
        stage.until_role("bob@example.com", None).await;
        let cid = stage.member_of(&people[2]).await.unwrap()["id"].as_str().unwrap().to_owned();
        stage.act(&cid, "remove", &json!({})).await.expect(200);
        stage.until_role("cid@example.com", None).await;
        stage.at_rest().await;
        assert_eq!(stage.role_in_app(ANN).await.as_deref(), Some("editor"), "{}", database.name);
        assert_eq!(stage.kinds().await, ["add", "add", "add", "add", "remove", "remove"], "{}", database.name);
        // More than the guard lets go in one go, and by hand: nothing is held.
        let held = stage.admin.get("/api/v1/held").await.expect(200).json();
        assert_eq!(held["items"], json!([]), "{}: {held}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_11_hub_only_needs_an_accepted_invitation() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        hubs::manual_hub(&stage.admin, "wiki").await;
        let ann = hubs::user(&stage.scim, ANN).await;
        hubs::mapping(&stage.admin, "wiki", &json!({"user": ANN, "app_role": "member"})).await;
        hubs::tasks(&stage.admin, "hub=wiki&status=manual", 1).await;
        let page = stage.admin.get("/api/v1/hubs/wiki/members").await.expect(200).json();
        let member = page["items"][0]["id"].as_str().unwrap().to_owned();
        let remove = format!("/api/v1/hubs/wiki/members/{member}/remove");
        let reply = stage.admin.post(&remove, &json!({"mode": "hub_only"})).await.expect(409);
        assert!(reply.text().contains("accepted"), "{}", reply.text());
        stage.admin.post(&remove, &json!({"mode": "hub_and_app"})).await.expect(200);
        eventually("the wish is withdrawn", SOON, async || {
            let open = stage.admin.get("/api/v1/tasks?hub=wiki&status=open").await.expect(200).json();
            open["items"] == json!([])
        })
        .await;
        let why = stage.admin.get(&format!("/api/v1/hubs/wiki/users/{ann}/explain")).await.expect(200).json();
        assert_eq!(why["known"]["known"], "absent", "{}: {why}", database.name);
    }
}
