//! Section 6: how a task fails, and what a person is told.

use serde_json::{Value, json};

use super::Stage;
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn r6_2_a_failure_has_a_code_and_says_what_a_person_must_do() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        stage.app.fault(&json!({"match": "POST /Users", "times": 1, "status": 403})).unwrap();
        hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
        let ann = hubs::user(&stage.scim, "ann@example.com").await;
        hubs::group(&stage.scim, "editors", &[&ann]).await;
        let mut task = Value::Null;
        eventually("the manual item", SOON, async || {
            let path = format!("/api/v1/tasks?user={ann}&status=manual");
            task = stage.admin.get(&path).await.expect(200).json()["items"][0].clone();
            task.is_object()
        })
        .await;
        assert_eq!(task["failure"]["code"], "underpermissioned_account", "{}: {task}", database.name);
        assert!(task["failure"]["remedy"].as_str().unwrap().contains("missing right"), "{task}");
        assert_eq!(task["can_retry"], true, "{task}");
        let retry = format!("/api/v1/tasks/{}/retry", task["id"].as_str().unwrap());
        stage.admin.post(&retry, &json!({})).await.expect(200);
        stage.until_role("ann@example.com", Some("editor")).await;
        stage.at_rest().await;
        let path = format!("/api/v1/tasks?user={ann}&status=completed");
        let done = stage.admin.get(&path).await.expect(200).json()["items"][0].clone();
        assert_eq!((done.get("failure"), &done["can_retry"]), (None, &json!(false)), "{done}");
    }
}
