//! Somebody is deleted at the identity provider and created anew: two users of ours, one account of the
//! app, and a removal beside an addition. One waits for the other. And somebody comes inactive, before
//! their first day.

use serde_json::json;

use super::batches::{batch_of, task_of};
use super::{Stage, join, set_active};
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

/// So that those who return are no half of the hub, nor many at once.
const STAFF: usize = 16;
const RETURNING: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deleted_and_created_anew_keeps_a_seat() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let admin = &stage.admin;
        let names: Vec<String> = (0..STAFF).map(|number| format!("p{number}@example.com")).collect();
        let (group, mut people) = stage.seated("editors", "editor", &names).await;

        // In a queue, as behind an app that does not answer, and then as it comes.
        for queued in [true, false] {
            if queued {
                admin.post("/api/v1/pause", &json!({"hub": "box"})).await.expect(204);
            }
            let mut anew = Vec::new();
            for (name, old) in names.iter().zip(&mut people).take(RETURNING) {
                stage.scim.delete(&format!("/scim/v2/Users/{old}")).await.expect(204);
                *old = hubs::user(&stage.scim, name).await;
                join(&stage.scim, &group, old).await;
                anew.push((name, old.clone()));
            }
            if queued {
                admin.post("/api/v1/resume", &json!({"hub": "box"})).await.expect(204);
            }
            for (name, user) in anew {
                let path = format!("/api/v1/hubs/box/users/{user}/explain");
                let place = format!("{}: {name}, queued: {queued}", database.name);
                eventually(&format!("{place} has a seat again"), SOON, async || {
                    admin.get(&path).await.expect(200).json()["answer"] == "has_access"
                })
                .await;
                stage.at_rest().await;
                assert_eq!(
                    stage.role_in_app(name).await.as_deref(),
                    Some("editor"),
                    "{place}: what explain says is so"
                );
            }
            let manual = admin.get("/api/v1/tasks?hub=box&status=manual").await.expect(200).json();
            assert_eq!(manual["items"], json!([]), "{}", database.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_while_the_removal_is_held_waits_for_it_and_is_told_so() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let admin = &stage.admin;
        let name = "ann@example.com";
        let (group, people) = stage.seated("admins", "admin", &[name.to_owned()]).await;
        let old = &people[0];
        // The last admin there is: the guard asks a person.
        stage.scim.delete(&format!("/scim/v2/Users/{old}")).await.expect(204);
        let new = hubs::user(&stage.scim, name).await;
        join(&stage.scim, &group, &new).await;
        let path = format!("/api/v1/hubs/box/users/{new}/explain");
        eventually("the new one is told why", SOON, async || {
            let why = admin.get(&path).await.expect(200).json();
            let held = admin.get("/api/v1/held").await.expect(200).json()["items"].as_array().unwrap().len() == 1;
            held && why["because"].as_array().unwrap().iter().any(|one| {
                one["code"] == "address_in_use"
                    && one["text"].as_str().unwrap().contains("theirs is made when it is gone")
            })
        })
        .await;
        let open = admin.get("/api/v1/tasks?hub=box&status=open").await.expect(200).json();
        assert_eq!(open["items"].as_array().unwrap().len(), 1, "{}: the removal alone: {open:#}", database.name);

        let held = batch_of(&stage, "last_admin", 1).await;
        let named = json!({"tasks": [task_of(&held, old)], "note": "the same person, anew"});
        admin.post(&format!("/api/v1/held/{}/release", held["id"].as_str().unwrap()), &named).await.expect(200);
        eventually("a seat again", SOON, async || admin.get(&path).await.expect(200).json()["answer"] == "has_access")
            .await;
        stage.at_rest().await;
        assert_eq!(stage.role_in_app(name).await.as_deref(), Some("admin"), "{}", database.name);
        assert_eq!(stage.kinds().await, ["add", "remove", "add"], "{}", database.name);
    }
}

/// Whoever was created inactive was never deactivated: what named them before their first day is not what
/// they held before they left, and waits for nobody's word.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_created_inactive_gets_on_the_first_day_what_waited() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let admin = &stage.admin;
        hubs::mapping(admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
        hubs::mapping(admin, "box", &json!({"user": "bob@example.com", "app_role": "viewer"})).await;
        hubs::group(&stage.scim, "editors", &["ext-ann"]).await;
        let mut people = Vec::new();
        for name in ["ann", "bob"] {
            let body = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("{name}@example.com"),
                "externalId": format!("ext-{name}"), "active": false,
                "emails": [{"value": format!("{name}@example.com"), "type": "work", "primary": true}],
            });
            let made = stage.scim.post("/scim/v2/Users", &body).await.expect(201).json();
            people.push(made["id"].as_str().unwrap().to_owned());
        }
        stage.at_rest().await;
        assert_eq!(stage.kinds().await, Vec::<String>::new(), "{}: not yet", database.name);
        for user in &people {
            set_active(&stage.scim, user, true).await;
        }
        stage.until_role("ann@example.com", Some("editor")).await;
        stage.until_role("bob@example.com", Some("viewer")).await;
        // Deactivated once, both wait for a word, as ever.
        for active in [false, true] {
            for user in &people {
                set_active(&stage.scim, user, active).await;
            }
            stage.until_role("ann@example.com", None).await;
            stage.until_role("bob@example.com", None).await;
            stage.at_rest().await;
        }
    }
}
