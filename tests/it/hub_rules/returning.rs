//! Somebody is deleted at the identity provider and created anew: two users of ours, one account of the
//! app, and a removal beside an addition. One waits for the other.

use serde_json::json;

use super::{Stage, join};
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
        hubs::mapping(admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
        let name = |number: usize| format!("p{number}@example.com");
        let mut people = Vec::new();
        for number in 0..STAFF {
            people.push(hubs::user(&stage.scim, &name(number)).await);
        }
        let ids: Vec<&str> = people.iter().map(String::as_str).collect();
        let group = hubs::group(&stage.scim, "editors", &ids).await;
        for number in 0..STAFF {
            stage.until_role(&name(number), Some("editor")).await;
        }
        stage.at_rest().await;

        // In a queue, as behind an app that does not answer, and then as it comes.
        for queued in [true, false] {
            if queued {
                admin.post("/api/v1/pause", &json!({"hub": "box"})).await.expect(204);
            }
            let mut anew = Vec::new();
            for (number, old) in people.iter_mut().enumerate().take(RETURNING) {
                stage.scim.delete(&format!("/scim/v2/Users/{old}")).await.expect(204);
                *old = hubs::user(&stage.scim, &name(number)).await;
                join(&stage.scim, &group, old).await;
                anew.push((name(number), old.clone()));
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
                    stage.role_in_app(&name).await.as_deref(),
                    Some("editor"),
                    "{place}: what explain says is so"
                );
            }
            let manual = admin.get("/api/v1/tasks?hub=box&status=manual").await.expect(200).json();
            assert_eq!(manual["items"], json!([]), "{}", database.name);
        }
    }
}
