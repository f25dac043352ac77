//! Steering: tasks done, cancelled and tried again by hand, held batches, pausing, explain.

use serde_json::{Value, json};

use super::{SOON, clients, group, manual_hub, mapping, tasks, user};
use crate::support::server::Server;
use crate::support::{databases, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_finishes_withdraws_and_repeats_tasks() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        manual_hub(&admin, "wiki").await;
        mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        let ann = user(&scim, "ann@example.com").await;
        let bob = user(&scim, "bob@example.com").await;
        let editors = group(&scim, "editors", &[&ann, &bob]).await;
        let open = tasks(&admin, "hub=wiki&status=manual", 2).await;
        let of = |tasks: &[Value], user: &str| -> String {
            tasks.iter().find(|t| t["user"] == user).unwrap()["id"].as_str().unwrap().to_owned()
        };
        let (his, hers) = (of(&open, &bob), of(&open, &ann));
        assert!(open[0]["instructions"].as_str().unwrap().contains("invite"));

        // Done needs a note, makes the member what was wanted, and is refused twice.
        let done = format!("/api/v1/tasks/{hers}/done");
        admin.post(&done, &json!({})).await.expect(400);
        let task = admin.post(&done, &json!({"note": "invited in the app"})).await.expect(200).json();
        assert_eq!(task["status"], "completed");
        admin.post(&done, &json!({"note": "again"})).await.expect(409);
        let members = admin.get("/api/v1/hubs/wiki/members?bucket=onboarded").await.expect(200).json();
        let member = members["items"].as_array().unwrap().iter().find(|m| m["user"] == ann.as_str()).unwrap().clone();
        assert_eq!(
            (&member["known"], &member["role"], &member["managed"]),
            (&json!("active"), &json!("member"), &json!(true))
        );
        let access = admin.get(&format!("/api/v1/access?user={ann}&hub=wiki")).await.expect(200).json();
        assert_eq!(
            (&access["items"][0]["role"], &access["items"][0]["evidence"]),
            (&json!("member"), &json!("by_hand"))
        );

        // Cancelled stays cancelled: looking again plans nothing; retry ends the decision.
        let cancel = format!("/api/v1/tasks/{his}/cancel");
        admin.post(&cancel, &json!({"note": "no seat for Bob"})).await.expect(200);
        admin.post(&cancel, &json!({})).await.expect(409);
        let why = admin.get(&format!("/api/v1/hubs/wiki/users/{bob}/explain")).await.expect(200).json();
        assert_eq!(
            (&why["decision"]["kind"], &why["decision"]["note"]),
            (&json!("cancelled"), &json!("no seat for Bob"))
        );
        admin.patch("/api/v1/hubs/wiki", &json!({"policy": {"max_seats": 99}})).await.expect(200);
        eventually("the wide mark is planned", SOON, async || {
            admin.get("/api/v1/status").await.expect(200).json()["hubs"][0]["marks"] == 0
        })
        .await;
        tasks(&admin, "hub=wiki&status=open", 0).await;
        admin.post(&format!("/api/v1/tasks/{his}/retry"), &json!({})).await.expect(200);
        tasks(&admin, "hub=wiki&status=open", 1).await;
        let policy = admin.get("/api/v1/hubs/wiki").await.expect(200).json()["policy"].clone();
        assert_eq!((&policy["max_seats"], &policy["removal_limit"]), (&json!(99), &json!(10)));
        admin.get("/api/v1/tasks?status=nonsense").await.expect(400);
        admin.get("/api/v1/tasks?hub=nowhere").await.expect(404);

        // Paused: the wish waits; resumed: it is planned.
        admin.post("/api/v1/pause", &json!({"hub": "wiki"})).await.expect(204);
        let cid = user(&scim, "cid@example.com").await;
        let join = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{"value": cid}]}]});
        scim.patch(&format!("/scim/v2/Groups/{editors}"), &join).await.expect(204);
        let why = admin.get(&format!("/api/v1/hubs/wiki/users/{cid}/explain")).await.expect(200).json();
        assert!(why["summary"].to_string().contains("when the hub is resumed"), "{why}");
        admin.post("/api/v1/resume", &json!({"hub": "wiki"})).await.expect(204);
        tasks(&admin, "hub=wiki&status=open", 2).await;

        // The operator stops the whole installation, or one workspace of it.
        assert!(server.run(&["pause"]).status.success());
        assert_eq!(admin.get("/api/v1/status").await.expect(200).json()["paused"], json!(true));
        assert!(server.run(&["resume"]).status.success());
        assert!(server.run(&["pause", "--workspace", "default"]).status.success());
        let status = admin.get("/api/v1/status").await.expect(200).json();
        assert_eq!((&status["paused"], &status["workspace"]["paused"]), (&json!(false), &json!(true)));
        admin.post("/api/v1/resume", &json!({})).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_answers_for_present_refused_absent_and_deleted_people() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        manual_hub(&admin, "wiki").await;
        mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        let ann = user(&scim, "ann@example.com").await;
        let bob = user(&scim, "bob@example.com").await;
        group(&scim, "editors", &[&ann]).await;
        let task = tasks(&admin, "hub=wiki&status=manual", 1).await.remove(0);
        let path = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
        admin.post(&path, &json!({"note": "done"})).await.expect(200);
        let explain = async |id: &str| admin.get(&format!("/api/v1/hubs/wiki/users/{id}/explain")).await;
        let here = explain(&ann).await.expect(200).json();
        assert_eq!(here["wanted"]["reasons"][0]["subject"], "group editors");
        assert_eq!((&here["mappings"][0]["applies"], &here["known"]["known"]), (&json!("counts"), &json!("active")));
        assert_eq!(here["tasks"][0]["status"], "completed");
        assert!(here["tasks"][0]["request_id"].is_string(), "the IdP's request is named: {here}");
        let absent = explain(&bob).await.expect(200).json();
        assert_eq!(absent["mappings"][0]["applies"], "not_in_group");
        assert!(absent["summary"][0].as_str().unwrap().contains("no mapping"), "{absent}");
        explain("01890a5d-ac96-774b-bcce-b302099a8057").await.expect(404);
        explain("nobody").await.expect(404);

        scim.delete(&format!("/scim/v2/Users/{ann}")).await.expect(204);
        tasks(&admin, "hub=wiki&kind=remove", 1).await;
        let gone = explain(&ann).await.expect(200).json();
        assert_eq!(gone["user"]["state"], "deleted");
        assert_eq!(gone["access"].as_array().unwrap().len(), 1, "{gone}");
        assert!(gone["activity"].as_array().unwrap().iter().any(|a| a["kind"] == "user.deleted"), "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_batch_shows_who_and_is_released_in_part_and_rejected() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        manual_hub(&admin, "wiki").await;
        mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        let mut people = Vec::new();
        for n in 0..4 {
            people.push(user(&scim, &format!("p{n}@example.com")).await);
        }
        let members: Vec<&str> = people.iter().map(String::as_str).collect();
        let editors = group(&scim, "editors", &members).await;
        for task in tasks(&admin, "hub=wiki&status=manual", 4).await {
            let path = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
            admin.post(&path, &json!({"note": "done"})).await.expect(200);
        }
        // Three of four go at once: one passes, half or more of a small hub is held.
        let leave: Vec<Value> = people[..3].iter().map(|id| json!({ "value": id })).collect();
        let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "remove", "path": "members", "value": leave}]});
        scim.patch(&format!("/scim/v2/Groups/{editors}"), &patch).await.expect(204);
        tasks(&admin, "hub=wiki&status=held", 2).await;
        let held = admin.get("/api/v1/held").await.expect(200).json()["items"][0].clone();
        assert_eq!((&held["hub"], &held["total"]), (&json!("wiki"), &json!(2)));
        let id = held["id"].as_str().unwrap();
        let one = held["tasks"][0]["id"].clone();
        let odd = json!({"tasks": ["01890a5d-ac96-774b-bcce-b302099a8057"]});
        admin.post(&format!("/api/v1/held/{id}/release"), &odd).await.expect(400);
        let left = admin.post(&format!("/api/v1/held/{id}/release"), &json!({"tasks": [one]})).await.expect(200).json();
        assert_eq!((&left["total"], &left["status"]), (&json!(1), &json!("open")));
        let closed = admin.post(&format!("/api/v1/held/{id}/reject"), &json!({"note": "no"})).await.expect(200).json();
        assert_eq!((&closed["total"], &closed["status"]), (&json!(0), &json!("rejected")));
        admin.post(&format!("/api/v1/held/{id}/release"), &json!({})).await.expect(409);
        tasks(&admin, "hub=wiki&status=manual", 2).await;
        tasks(&admin, "hub=wiki&status=cancelled", 1).await;
        admin.get("/api/v1/held").await.expect(200);
    }
}
