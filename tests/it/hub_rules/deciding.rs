//! Section 5: from an event of the identity provider, or a person's word, to a task.

use serde_json::json;

use super::{Stage, set_active};
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

const ANN: &str = "ann@example.com";

/// Three groups for the three ranks of the practice app.
struct Ranks {
    ann: String,
    viewers: String,
    editors: String,
    admins: String,
}

/// Ann and the groups, all mapped. The others keep one person far from being half of the hub.
async fn ranks(stage: &Stage) -> Ranks {
    for (group, role) in [("viewers", "viewer"), ("editors", "editor"), ("admins", "admin")] {
        hubs::mapping(&stage.admin, "box", &json!({"group": group, "app_role": role})).await;
    }
    let ann = hubs::user(&stage.scim, ANN).await;
    let viewers = hubs::group(&stage.scim, "viewers", &[]).await;
    let editors = hubs::group(&stage.scim, "editors", &[]).await;
    let mut others = Vec::new();
    for name in ["boss@example.com", "chief@example.com", "coo@example.com", "cfo@example.com", "cto@example.com"] {
        others.push(hubs::user(&stage.scim, name).await);
    }
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let admins = hubs::group(&stage.scim, "admins", &others).await;
    stage.until_role("cto@example.com", Some("admin")).await;
    stage.at_rest().await;
    Ranks { ann, viewers, editors, admins }
}

/// Rules 5.1 to 5.5 are one story about Ann; each stands in its own test.
#[tokio::test(flavor = "multi_thread")]
async fn r5_1_the_highest_role_wins() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ranks = ranks(&stage).await;
        stage.membership(&ranks.admins, "add", &ranks.ann).await;
        stage.until_role(ANN, Some("admin")).await;
        // Written last, and lower.
        stage.membership(&ranks.viewers, "add", &ranks.ann).await;
        stage.at_rest().await;
        assert_eq!(stage.role_in_app(ANN).await.as_deref(), Some("admin"), "{}", database.name);
        assert_eq!(stage.kinds().await.iter().filter(|kind| *kind != "add").count(), 0, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_2_an_upgrade_is_early() {
    for database in databases() {
        let stage = Stage::new(&database, "1h").await;
        let ranks = ranks(&stage).await;
        stage.membership(&ranks.viewers, "add", &ranks.ann).await;
        stage.until_role(ANN, Some("viewer")).await;
        // The settle time is an hour, and an upgrade does not wait for it.
        stage.membership(&ranks.editors, "add", &ranks.ann).await;
        stage.until_role(ANN, Some("editor")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_3_a_downgrade_is_late() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ranks = ranks(&stage).await;
        stage.membership(&ranks.editors, "add", &ranks.ann).await;
        stage.until_role(ANN, Some("editor")).await;
        stage.membership(&ranks.viewers, "add", &ranks.ann).await;
        stage.at_rest().await;
        assert_eq!(stage.role_in_app(ANN).await.as_deref(), Some("editor"), "{}: the old one stands", database.name);
        stage.membership(&ranks.editors, "remove", &ranks.ann).await;
        stage.until_role(ANN, Some("viewer")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_4_a_move_in_either_order_is_one_update() {
    for database in databases() {
        let stage = Stage::new(&database, "2s").await;
        let ranks = ranks(&stage).await;
        stage.membership(&ranks.editors, "add", &ranks.ann).await;
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        // The wrong order: out first. The settle time absorbs it.
        stage.membership(&ranks.editors, "remove", &ranks.ann).await;
        stage.membership(&ranks.viewers, "add", &ranks.ann).await;
        stage.until_role(ANN, Some("viewer")).await;
        stage.at_rest().await;
        let kinds = stage.kinds().await;
        assert!(!kinds.contains(&String::from("remove")), "{}: {kinds:?}", database.name);
        assert_eq!(kinds.iter().filter(|kind| *kind == "update_role").count(), 1, "{}: {kinds:?}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_5_leaving_a_group_has_three_outcomes() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ranks = ranks(&stage).await;
        hubs::mapping(&stage.admin, "box", &json!({"group": "writers", "app_role": "editor"})).await;
        let writers = hubs::group(&stage.scim, "writers", &[]).await;
        for group in [&ranks.editors, &writers, &ranks.viewers] {
            stage.membership(group, "add", &ranks.ann).await;
        }
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        let before = stage.kinds().await.len();
        stage.membership(&writers, "remove", &ranks.ann).await;
        stage.at_rest().await;
        assert_eq!(stage.kinds().await.len(), before, "{}: another group gives the same", database.name);
        stage.membership(&ranks.editors, "remove", &ranks.ann).await;
        stage.until_role(ANN, Some("viewer")).await;
        stage.membership(&ranks.viewers, "remove", &ranks.ann).await;
        stage.until_role(ANN, None).await;
        stage.at_rest().await;
        assert_eq!(stage.kinds().await.split_off(before), ["update_role", "remove"], "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_6_deactivation_or_deletion_ends_every_access() {
    for database in databases() {
        let stage = Stage::new(&database, "1h").await;
        let ranks = ranks(&stage).await;
        hubs::mapping(&stage.admin, "box", &json!({"user": ANN, "app_role": "viewer"})).await;
        stage.membership(&ranks.editors, "add", &ranks.ann).await;
        stage.until_role(ANN, Some("editor")).await;
        set_active(&stage.scim, &ranks.ann, false).await;
        stage.until_role(ANN, None).await;
        let bob = hubs::user(&stage.scim, "bob@example.com").await;
        stage.membership(&ranks.editors, "add", &bob).await;
        stage.until_role("bob@example.com", Some("editor")).await;
        stage.scim.delete(&format!("/scim/v2/Users/{bob}")).await.expect(204);
        stage.until_role("bob@example.com", None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_7_a_group_gives_its_roles_to_every_member() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        hubs::mapping(&stage.admin, "box", &json!({"group": "leads", "app_role": "editor", "hub_role": "owner"})).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let leads = hubs::group(&stage.scim, "leads", &[&ann]).await;
        stage.until_role(ANN, Some("editor")).await;
        let bob = hubs::user(&stage.scim, "bob@example.com").await;
        stage.membership(&leads, "add", &bob).await;
        stage.until_role("bob@example.com", Some("editor")).await;
        stage.at_rest().await;
        for user in [&ann, &bob] {
            assert_eq!(stage.member_of(user).await.unwrap()["hub_role"], "owner", "{}", database.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_9_another_role_for_a_group_lists_whom_it_affects_first() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ranks = ranks(&stage).await;
        let bob = hubs::user(&stage.scim, "bob@example.com").await;
        for user in [&ranks.ann, &bob] {
            stage.membership(&ranks.viewers, "add", user).await;
        }
        // Bob is an editor anyway: the change is none for him.
        stage.membership(&ranks.editors, "add", &bob).await;
        stage.until_role(ANN, Some("viewer")).await;
        stage.until_role("bob@example.com", Some("editor")).await;
        stage.at_rest().await;
        let change = json!({"group": "viewers", "app_role": "editor"});
        let preview = stage.admin.post("/api/v1/hubs/box/mappings/preview", &change).await.expect(200).json();
        let people = preview["effects"][0]["people"].as_array().unwrap().clone();
        assert_eq!(people.len(), 1, "{}: {preview}", database.name);
        assert_eq!(people[0]["user"], ANN, "{}", database.name);
        let put = format!("/api/v1/hubs/box/mappings?expect={}", preview["digest"].as_str().unwrap());
        // The world moved: one more would be affected, so nothing is changed.
        let cid = hubs::user(&stage.scim, "cid@example.com").await;
        stage.membership(&ranks.viewers, "add", &cid).await;
        stage.until_role("cid@example.com", Some("viewer")).await;
        stage.at_rest().await;
        stage.admin.put(&put, &change).await.expect(409);
        let preview = stage.admin.post("/api/v1/hubs/box/mappings/preview", &change).await.expect(200).json();
        let put = format!("/api/v1/hubs/box/mappings?expect={}", preview["digest"].as_str().unwrap());
        stage.admin.put(&put, &change).await.expect(200);
        stage.until_role(ANN, Some("editor")).await;
        stage.until_role("cid@example.com", Some("editor")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_15_the_same_event_again_is_no_second_task() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ranks = ranks(&stage).await;
        for _ in 0..3 {
            stage.membership(&ranks.editors, "add", &ranks.ann).await;
        }
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        let before = stage.kinds().await.len();
        stage.membership(&ranks.editors, "add", &ranks.ann).await;
        stage.at_rest().await;
        assert_eq!(stage.kinds().await.len(), before, "{}", database.name);
        assert_eq!(before, 6, "{}: five admins and one editor", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_16_one_open_task_and_a_newer_wish_replaces_it() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        hubs::manual_hub(&stage.admin, "wiki").await;
        hubs::mapping(&stage.admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        hubs::mapping(&stage.admin, "wiki", &json!({"group": "admins", "app_role": "admin"})).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        hubs::group(&stage.scim, "editors", &[&ann]).await;
        hubs::tasks(&stage.admin, "hub=wiki&status=manual", 1).await;
        hubs::group(&stage.scim, "admins", &[&ann]).await;
        let replaced = hubs::tasks(&stage.admin, "hub=wiki&status=superseded", 1).await.remove(0);
        let open = hubs::tasks(&stage.admin, "hub=wiki&status=open", 1).await.remove(0);
        assert_eq!((&replaced["superseded_by"], &open["role"]), (&open["id"], &json!("admin")), "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_1_a_removed_guest_loses_their_seats() {
    for database in databases() {
        let stage = Stage::new(&database, "1h").await;
        ranks(&stage).await;
        let guest = hubs::user(&stage.scim, "guest@partner.test").await;
        hubs::mapping(&stage.admin, "box", &json!({"user": "guest@partner.test", "app_role": "viewer"})).await;
        stage.until_role("guest@partner.test", Some("viewer")).await;
        set_active(&stage.scim, &guest, false).await;
        stage.until_role("guest@partner.test", None).await;
    }
}

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
