//! What a task says it is for: what a person asked, and of somebody who left that they left, however often
//! the removal is planned.

use serde_json::{Value, json};

use super::{Stage, set_active};
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

/// The newest task of a list that fits, once there is one.
async fn newest(stage: &Stage, query: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    eventually(&format!("a task of {query}"), SOON, async || {
        let page = stage.admin.get(&format!("/api/v1/tasks?{query}")).await.expect(200).json();
        found = page["items"].as_array().unwrap().first().cloned().unwrap_or_default();
        !found.is_null() && fits(&found)
    })
    .await;
    found
}

async fn row(stage: &Stage, user: &str) -> String {
    let mut row = Value::Null;
    eventually("the account's row", SOON, async || {
        row = stage.member_of(user).await.unwrap_or_default();
        row["known"] == "active"
    })
    .await;
    row["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_planned_anew_says_who_asked_and_of_a_leaver_that_they_left() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        hubs::mapping(&stage.admin, "box", &json!({"group": "viewers", "app_role": "viewer"})).await;
        let mut people = Vec::new();
        for name in ["ann", "bob", "cid", "dan", "eve", "fay"] {
            people.push(hubs::user(&stage.scim, &format!("{name}@example.com")).await);
        }
        let ids: Vec<&str> = people.iter().map(String::as_str).collect();
        let viewers = hubs::group(&stage.scim, "viewers", &ids).await;
        let [ann, bob, cid, ..] = &people[..] else { panic!() };
        for name in ["ann", "bob", "cid", "fay"] {
            stage.until_role(&format!("{name}@example.com"), Some("viewer")).await;
        }
        stage.at_rest().await;
        // Ann leaves the company, Bob the group, Cid is deleted: all three are protected, so all is held.
        let mut rows = Vec::new();
        for user in [ann, bob, cid] {
            rows.push(row(&stage, user).await);
            stage.act(rows.last().unwrap(), "protect", &json!({"reason": "audit"})).await.expect(200);
        }
        set_active(&stage.scim, ann, false).await;
        stage.membership(&viewers, "remove", bob).await;
        stage.scim.delete(&format!("/scim/v2/Users/{cid}")).await.expect(204);
        let held = hubs::tasks(&stage.admin, "hub=box&status=held", 3).await;
        for (row, user, cause) in
            [(&rows[0], ann, "deactivated"), (&rows[1], bob, "unprotect"), (&rows[2], cid, "user_deleted")]
        {
            stage.act(row, "unprotect", &json!({"note": "over"})).await.expect(200);
            let was_held = |task: &Value| held.iter().any(|one| one["id"] == task["id"]);
            let anew = newest(&stage, &format!("kind=remove&user={user}"), |task| !was_held(task)).await;
            assert_eq!(anew["cause"], cause, "{}: {anew}", database.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_sent_again_and_a_task_tried_again_say_so() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        stage.app.set_invites(scimhub::sandbox::Invites::On { lasts: None, listed: true });
        hubs::mapping(&stage.admin, "box", &json!({"group": "viewers", "app_role": "viewer"})).await;
        let ann = hubs::user(&stage.scim, "ann@example.com").await;
        hubs::group(&stage.scim, "viewers", &[&ann]).await;
        let of_ann = format!("kind=add&user={ann}");
        let first = newest(&stage, &of_ann, |task| task["status"] == "completed").await;
        assert_eq!(first["cause"], "group_membership", "{first}");
        let member = stage.member_of(&ann).await.unwrap()["id"].as_str().unwrap().to_owned();
        stage.act(&member, "resend", &json!({})).await.expect(200);
        let again = newest(&stage, &of_ann, |task| task["id"] != first["id"]).await;
        assert_eq!(again["cause"], "resend", "{}: {again}", database.name);
        assert!(again["request_id"].is_string(), "by whose request: {again}");
        stage.at_rest().await;

        // Withdrawn by a person, and tried again.
        hubs::manual_hub(&stage.admin, "desk").await;
        let bob = hubs::user(&stage.scim, "bob@example.com").await;
        hubs::mapping(&stage.admin, "desk", &json!({"user": "bob@example.com", "app_role": "editor"})).await;
        let of_bob = format!("kind=add&user={bob}");
        let queued = newest(&stage, &of_bob, |_| true).await;
        let path = |verb: &str| format!("/api/v1/tasks/{}/{verb}", queued["id"].as_str().unwrap());
        stage.admin.post(&path("cancel"), &json!({"note": "not yet"})).await.expect(200);
        stage.admin.post(&path("retry"), &json!({})).await.expect(200);
        let again = newest(&stage, &of_bob, |task| task["id"] != queued["id"]).await;
        assert_eq!(again["cause"], "retry", "{}: {again}", database.name);
    }
}
