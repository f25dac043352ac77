//! The last admin of an app goes by name only, whatever else it was held with (DESIGN.md section 2.5).

use serde_json::{Value, json};

use super::batches::{batch, batch_of, email, member, task_of, with_own_group};
use super::{Stage, set_active};
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

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
        let names: Vec<String> = (0..5).map(|number| email(&format!("a{number}"))).collect();
        let (group, people) = stage.seated("admins", "admin", &names).await;

        empty(&stage, &group).await;
        let half = batch_of(&stage, "half_of_hub", 2).await;
        let last = batch_of(&stage, "last_admin", 1).await;
        let done = stage.admin.post(&release_of(&half), &json!({"expect": half["digest"]})).await.expect(200).json();
        assert_eq!((&done["status"], &done["total"]), (&json!("released"), &json!(0)), "{done}");
        let user = last["tasks"][0]["user"].as_str().unwrap();
        for (name, id) in names.iter().zip(&people) {
            if id != user {
                stage.until_role(name, None).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn t_24_a_suspended_admin_is_none_and_shields_nobody() {
    for suspends in [false, true] {
        for database in databases() {
            let stage = Stage::new(&database, "0s").await;
            let deprovision = if suspends { "suspend" } else { "remove" };
            let policy = json!({"deprovision": deprovision, "sync_threshold_percent": 100});
            stage.admin.patch("/api/v1/hubs/box", &json!({ "policy": policy })).await.expect(200);
            for name in ["v1", "v2", "v3", "v4", "v5"] {
                with_own_group(&stage, name, "viewer").await;
            }
            let (ann, ..) = with_own_group(&stage, "ann", "admin").await;
            let (bob, ..) = with_own_group(&stage, "bob", "admin").await;
            member(&stage, &ann).await;
            member(&stage, &bob).await;
            stage.at_rest().await;
            if suspends {
                set_active(&stage.scim, &bob, false).await;
                eventually("bob is suspended", SOON, async || {
                    stage.member_of(&bob).await.is_some_and(|row| row["known"] == "suspended")
                })
                .await;
            } else {
                // Somebody switches him off in the app itself.
                let remote = stage.member_of(&bob).await.unwrap()["remote_id"].as_str().unwrap().to_owned();
                let off = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                    "Operations": [{"op": "replace", "path": "active", "value": false}]});
                let headers = [("content-type", "application/scim+json")];
                let path = format!("/Users/{remote}");
                let done = stage.seats.send("PATCH", &path, &headers, Some(off.to_string().into_bytes())).await;
                assert!(done.status < 300, "{}", done.text());
                stage.sync().await;
            }
            set_active(&stage.scim, &ann, false).await;
            let last = batch_of(&stage, "last_admin", 1).await;
            assert_eq!(task_of(&last, &ann), last["tasks"][0]["id"].as_str().unwrap(), "{}", database.name);
            assert_eq!(stage.role_in_app(&email("ann")).await.as_deref(), Some("admin"), "{}", database.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_many_additions_takes_no_seat_beyond_the_hubs_number() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let policy = json!({"addition_limit": 2, "max_seats": 4});
        stage.admin.patch("/api/v1/hubs/box", &json!({ "policy": policy })).await.expect(200);
        hubs::mapping(&stage.admin, "box", &json!({"group": "crew", "app_role": "viewer"})).await;
        let mut people = Vec::new();
        for number in 0..6 {
            people.push(hubs::user(&stage.scim, &email(&format!("c{number}"))).await);
        }
        let members: Vec<&str> = people.iter().map(String::as_str).collect();
        hubs::group(&stage.scim, "crew", &members).await;
        let many = batch_of(&stage, "too_many_additions", 4).await;
        let done = stage.admin.post(&release_of(&many), &json!({"expect": many["digest"]})).await.expect(200).json();
        let kept = &done["kept_back"][0];
        assert_eq!((&kept["reason"], kept["tasks"].as_array().unwrap().len()), (&json!("max_seats"), 2), "{done}");
        eventually("four seats", SOON, async || {
            let found = stage.seats.get("/Users").await.expect(200).json();
            found["Resources"].as_array().is_some_and(|all| all.len() == 4)
        })
        .await;
        let full = batch_of(&stage, "max_seats", 2).await;
        assert_eq!(full["id"], kept["hold"], "{}: {full}", database.name);
    }
}
