//! The last admin of an app goes by name only, whatever else it was held with (DESIGN.md section 2.5).

use serde_json::{Value, json};

use super::Stage;
use super::batches::{batch, batch_of, email, member, task_of, with_own_group};
use crate::hubs;
use crate::support::databases;

async fn empty(stage: &Stage, group: &str) {
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "members", "value": []}]});
    stage.scim.patch(&format!("/scim/v2/Groups/{group}"), &body).await.expect(204);
}

fn release_of(batch: &Value) -> String {
    format!("/api/v1/held/{}/release", batch["id"].as_str().unwrap())
}

async fn by_name(stage: &Stage, held: &Value, user: &str) {
    assert_eq!(held["one_by_one"], true, "{held}");
    for body in [json!({}), json!({"expect": held["digest"]})] {
        let refused = stage.admin.post(&release_of(held), &body).await.expect(400);
        assert!(refused.text().contains("name those that shall go out once"), "{}", refused.text());
    }
    let until = stage.admin.post(&release_of(held), &json!({"until": "2999-01-01T00:00:00Z"})).await.expect(400);
    assert!(until.text().contains("until"), "{}", until.text());
    let named = json!({"tasks": [task_of(held, user)], "note": "the app is given up"});
    let done = stage.admin.post(&release_of(held), &named).await.expect(200).json();
    assert_eq!((&done["status"], done.get("kept_back")), (&json!("released"), None), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_24_a_mass_removal_released_whole_leaves_the_last_admin() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        hubs::mapping(&stage.admin, "box", &json!({"group": "admins", "app_role": "admin"})).await;
        let mut people = Vec::new();
        for number in 0..5 {
            people.push(hubs::user(&stage.scim, &email(&format!("a{number}"))).await);
        }
        let members: Vec<&str> = people.iter().map(String::as_str).collect();
        let group = hubs::group(&stage.scim, "admins", &members).await;
        for number in 0..5 {
            stage.until_role(&email(&format!("a{number}")), Some("admin")).await;
        }
        stage.at_rest().await;

        empty(&stage, &group).await;
        let half = batch_of(&stage, "half_of_hub", 2).await;
        let last = batch_of(&stage, "last_admin", 1).await;
        let done = stage.admin.post(&release_of(&half), &json!({"expect": half["digest"]})).await.expect(200).json();
        assert_eq!((&done["status"], &done["total"]), (&json!("released"), &json!(0)), "{done}");
        let user = last["tasks"][0]["user"].as_str().unwrap();
        for (number, id) in people.iter().enumerate() {
            if id != user {
                stage.until_role(&email(&format!("a{number}")), None).await;
            }
        }
        let name = last["tasks"][0]["person"]["user_name"].as_str().unwrap();
        assert_eq!(stage.role_in_app(name).await.as_deref(), Some("admin"), "{}: one admin stays", database.name);
        by_name(&stage, &last, user).await;
        stage.until_role(name, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_24_who_became_the_last_admin_while_held_is_kept_back_from_the_release() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        stage.admin.patch("/api/v1/hubs/box", &json!({"policy": {"sync_threshold_percent": 100}})).await.expect(200);
        let mut others = Vec::new();
        for name in ["v1", "v2", "v3"] {
            others.push(with_own_group(&stage, name, "viewer").await);
        }
        let (ann, anns, _) = with_own_group(&stage, "ann", "admin").await;
        let (bob, ..) = with_own_group(&stage, "bob", "admin").await;
        member(&stage, &ann).await;
        member(&stage, &bob).await;
        stage.at_rest().await;
        // Two of five go, then half of the hub is reached.
        for (user, group, _) in &others[..2] {
            stage.membership(group, "remove", user).await;
        }
        stage.until_role(&email("v1"), None).await;
        stage.until_role(&email("v2"), None).await;
        stage.membership(&others[2].1, "remove", &others[2].0).await;
        stage.membership(&anns, "remove", &ann).await;
        let half = batch_of(&stage, "half_of_hub", 2).await;
        assert!(batch(&stage, "last_admin").await.is_none(), "{}: bob is one too", database.name);
        // Somebody takes the other one out in the app meanwhile.
        let remote = stage.member_of(&bob).await.unwrap()["remote_id"].as_str().unwrap().to_owned();
        stage.seats.delete(&format!("/Users/{remote}")).await.expect(204);
        stage.sync().await;

        let done = stage.admin.post(&release_of(&half), &json!({"expect": half["digest"]})).await.expect(200).json();
        let kept = &done["kept_back"][0];
        assert_eq!((&done["status"], &kept["reason"]), (&json!("released"), &json!("last_admin")), "{done}");
        assert_eq!(kept["tasks"], json!([task_of(&half, &ann)]), "{done}");
        stage.until_role(&email("v3"), None).await;
        let last = batch_of(&stage, "last_admin", 1).await;
        assert_eq!(last["id"], kept["hold"], "{last}");
        assert_eq!(stage.role_in_app(&email("ann")).await.as_deref(), Some("admin"), "{}", database.name);
        let told = stage.told("hold.released").await;
        assert_eq!(
            (&told[0]["detail"]["tasks"], &told[0]["detail"]["kept_back"][0]["reason"]),
            (&json!(1), &json!("last_admin"))
        );
        by_name(&stage, &last, &ann).await;
        stage.until_role(&email("ann"), None).await;
    }
}
