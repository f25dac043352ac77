//! A changed address forgets the secrets that were given for the old one (T-21): the preview says so,
//! the hub says that it can do nothing, and one problem names what to set, until it is set.

use serde_json::{Value, json};

use super::mending::{GOOD, problems, sandbox, sandbox_hub};
use super::{clients, group, tasks, user};
use crate::support::databases;
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_address_says_that_the_hub_stands_still_until_its_secret_is_set_again() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = clients(&server);
        let app = sandbox();
        let ann = user(&scim, "ann@example.com").await;
        group(&scim, "editors", &[&ann]).await;
        sandbox_hub(&admin, "ads", &app.scim("ads"), GOOD).await;
        tasks(&admin, "hub=ads&kind=add&status=completed", 1).await;
        let status = async || {
            let shown = admin.get("/api/v1/hubs/ads").await.expect(200).json()["status"].clone();
            let listed = admin.get("/api/v1/status").await.expect(200).json()["hubs"][0]["status"].clone();
            assert_eq!(shown, listed, "{}", database.name);
            shown
        };
        assert_eq!(status().await, "healthy", "{}", database.name);

        let moved = |space: &str| json!({"connection": {"base_url": app.scim(space)}});
        let file = |space: &str| {
            let text = format!(
                "[[hub]]\nid = \"ads\"\napp = \"sandbox\"\nmode = \"active\"\nsettle = \"0s\"\n\
                 connection = {{ base_url = \"{}\", token = {{ secret = \"TOKEN\" }} }}\n",
                app.scim(space)
            );
            json!({"files": [{"name": "h.toml", "text": text}]})
        };
        let says_it = |notes: &Value| {
            let told = notes.to_string();
            assert!(told.contains("must be given again: TOKEN"), "{told}");
            assert!(told.contains("`scimhub secret set ads TOKEN`; until then the hub stands still"), "{told}");
        };
        says_it(&admin.post("/api/v1/hubs/ads/preview", &moved("second")).await.expect(200).json()["notes"]);
        says_it(&admin.post("/api/v1/plan", &file("second")).await.expect(200).json()["notes"]);
        assert_eq!(problems(&admin).await, Vec::<Value>::new(), "a look changes nothing");

        for door in ["patch", "files"] {
            let space = format!("by-{door}");
            match door {
                "patch" => {
                    let done = admin.patch("/api/v1/hubs/ads", &moved(&space)).await.expect(200).json();
                    assert_eq!(
                        (&done["secrets_cleared"], &done["status"]),
                        (&json!(["TOKEN"]), &json!("review_service_account"))
                    );
                    says_it(&done["notes"]);
                }
                _ => says_it(&admin.post("/api/v1/apply", &file(&space)).await.expect(200).json()["notes"]),
            }
            // No task has met it, and it is told all the same.
            assert_eq!(status().await, "review_service_account", "{}: {door}", database.name);
            let open = problems(&admin).await;
            assert_eq!((open.len(), &open[0]["cause"]), (1, &json!("auth_broken")), "{door}: {open:?}");
            assert_eq!(
                open[0]["message"],
                "the secret TOKEN is not set; what was given for the old address is not sent to another: base_url changed"
            );
            let remedy = open[0]["remedy"].as_str().unwrap();
            assert!(remedy.contains("`scimhub secret set ads TOKEN`"), "{door}: {remedy}");
            // Nobody's word sets a secret.
            admin.post("/api/v1/resume", &json!({"hub": "ads"})).await.expect(204);
            assert_eq!((problems(&admin).await.len(), status().await), (1, json!("review_service_account")), "{door}");
            admin.put("/api/v1/hubs/ads/secrets/TOKEN", &json!({"value": GOOD})).await.expect(204);
            assert_eq!((problems(&admin).await, status().await), (Vec::new(), json!("healthy")), "{door}");
        }

        // Given in the same request, nothing is missing and nothing stands still.
        let mut with = moved("third");
        with["secrets"] = json!({ "TOKEN": GOOD });
        let plan = admin.post("/api/v1/hubs/ads/preview", &with).await.expect(200).json();
        assert!(!plan["notes"].to_string().contains("given again"), "{plan}");
        let done = admin.patch("/api/v1/hubs/ads", &with).await.expect(200).json();
        assert_eq!(done["status"], "healthy", "{done}");
        assert_eq!(problems(&admin).await, Vec::<Value>::new(), "{}", database.name);
    }
}
