//! A rehire does not regain an old role by itself; a person may give back what groups gave
//! (DESIGN.md section 8, reactivated user), never an individual share.

use serde_json::json;

use super::{clients, group, manual_hub, mapping, tasks, user};
use crate::support::databases;
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_releases_what_waits_since_a_reactivation() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        manual_hub(&admin, "wiki").await;
        mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        let share = mapping(&admin, "wiki", &json!({"user": "ann@example.com", "app_role": "member"})).await;
        let ann = user(&scim, "ann@example.com").await;
        group(&scim, "editors", &[&ann]).await;
        let release = format!("/api/v1/hubs/wiki/users/{ann}/release");
        admin.post(&release, &json!({})).await.expect(409);
        for (kind, active) in [("add", false), ("remove", true)] {
            let open = tasks(&admin, &format!("hub=wiki&status=manual&kind={kind}"), 1).await;
            let done = format!("/api/v1/tasks/{}/done", open[0]["id"].as_str().unwrap());
            admin.post(&done, &json!({"note": "done"})).await.expect(200);
            let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "replace", "path": "active", "value": active}]});
            scim.patch(&format!("/scim/v2/Users/{ann}"), &patch).await.expect(200);
        }

        // Waiting, and both are told what to do next.
        let explain = format!("/api/v1/hubs/wiki/users/{ann}/explain");
        let why = admin.get(&explain).await.expect(200).json();
        assert_eq!(why["wanted"]["seat"], false, "{why}");
        let told = why["mappings"].to_string();
        assert!(told.contains("/release") && told.contains("make it anew"), "{told}");
        server.client("read").post(&release, &json!({})).await.expect(403);
        admin.post(&release, &json!({})).await.expect(204);
        let back = tasks(&admin, "hub=wiki&status=open", 1).await;
        let reasons = back[0]["reasons"].as_array().unwrap();
        assert_eq!((reasons.len(), &reasons[0]["subject"]), (1, &json!("group editors")));
        admin.post(&release, &json!({})).await.expect(409);
        admin.post("/api/v1/hubs/wiki/users/nobody/release", &json!({})).await.expect(404);

        // A deleted user's share is gone, and a namesake gets it by a person's word alone.
        let path = format!("/api/v1/hubs/wiki/mappings/{share}");
        scim.delete(&format!("/scim/v2/Users/{ann}")).await.expect(204);
        assert_eq!(admin.get(&path).await.expect(200).json()["binding"]["state"], "gone");
        let namesake = user(&scim, "ann@example.com").await;
        assert_eq!(admin.get(&path).await.expect(200).json()["binding"]["state"], "gone");
        let anew = admin.post(&format!("{path}/bind"), &json!({})).await.expect(200).json();
        assert_eq!(anew["binding"]["id"], json!(namesake));
    }
}
