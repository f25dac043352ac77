//! The guard as a person meets it: a batch released until a time, the pass ended early, and pushing
//! stopped in the whole installation. All of it is on record.

use serde_json::{Value, json};

use super::{SOON, clients, group, manual_hub, mapping, tasks, user};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{databases, eventually};

/// A hub with `count` people in it, and their group.
pub async fn staffed(admin: &Client, scim: &Client, count: usize) -> (String, Vec<String>) {
    manual_hub(admin, "wiki").await;
    let policy = json!({"policy": {"removal_limit": 1, "removal_percent": 1}});
    admin.patch("/api/v1/hubs/wiki", &policy).await.expect(200);
    mapping(admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
    let mut people = Vec::new();
    for n in 0..count {
        people.push(user(scim, &format!("p{n}@example.com")).await);
    }
    let members: Vec<&str> = people.iter().map(String::as_str).collect();
    let editors = group(scim, "editors", &members).await;
    for task in tasks(admin, "hub=wiki&status=manual", count).await {
        let path = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
        admin.post(&path, &json!({"note": "done"})).await.expect(200);
    }
    (editors, people)
}

/// Take these out of a group.
pub async fn leave(scim: &Client, group: &str, people: &[String]) {
    let leave: Vec<Value> = people.iter().map(|id| json!({ "value": id })).collect();
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "remove", "path": "members", "value": leave}]});
    scim.patch(&format!("/scim/v2/Groups/{group}"), &patch).await.expect(204);
}

/// The identity provider says they left.
pub async fn deactivate(scim: &Client, person: &str) {
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}]});
    scim.patch(&format!("/scim/v2/Users/{person}"), &patch).await.expect(200);
}

/// What the record holds.
pub async fn kinds(admin: &Client) -> Vec<String> {
    let found = admin.get("/api/v1/activity?limit=200").await.expect(200).json();
    found["items"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_released_until_a_time_and_the_pass_is_ended_early() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let (editors, people) = staffed(&admin, &scim, 20).await;
        leave(&scim, &editors, &people[..3]).await;
        tasks(&admin, "hub=wiki&status=held", 2).await;
        deactivate(&scim, &people[10]).await;
        tasks(&admin, "hub=wiki&status=held", 3).await;
        let held = admin.get("/api/v1/held").await.expect(200).json();
        let batch = &held["items"][0];
        assert_eq!(
            (&batch["reason"], &batch["total"], &batch["leavers"]),
            (&json!("too_many_removals"), &json!(3), &json!(1))
        );
        assert_eq!(batch["tasks"][0]["user"], people[10].as_str(), "who left is listed first");
        assert!(batch["why"].as_str().unwrap().contains("share of removals"), "{batch}");
        assert_eq!(held["passes"], json!([]));

        eventually("the held tasks among the metrics", SOON, async || {
            let text = admin.get("/metrics").await.expect(200).text();
            text.contains("scimhub_tasks_held{reason=\"too_many_removals\"} 3")
                && text.contains("scimhub_tasks_held{reason=\"last_admin\"} 0")
        })
        .await;
        let status = admin.get("/api/v1/status").await.expect(200).json();
        assert_eq!((&status["held"], &status["hubs"][0]["tasks"]["held"]), (&json!(3), &json!(3)), "{status}");

        let release = format!("/api/v1/held/{}/release", batch["id"].as_str().unwrap());
        let now = admin.get("/api/v1/status").await.expect(200).json()["now"].as_str().unwrap().to_owned();
        let one = &batch["tasks"][0]["id"];
        for wrong in [
            json!({ "until": now }),
            json!({"until": "tomorrow"}),
            json!({"until": "2999-01-01T00:00:00Z"}),
            json!({"until": "2999-01-01T00:00:00Z", "tasks": [one]}),
        ] {
            let refusal = admin.post(&release, &wrong).await.expect(400).json();
            assert!(refusal["detail"].as_str().unwrap().contains("until"), "{refusal}");
        }
        let reject = release.replace("/release", "/reject");
        admin.post(&reject, &json!({"until": "2999-01-01T00:00:00Z"})).await.expect(400);
        assert_eq!(admin.get("/api/v1/held").await.expect(200).json(), held, "nothing was half done");

        let soon =
            scimhub::base::clock::Micros::parse_rfc3339(&now).unwrap().plus(std::time::Duration::from_secs(3_600));
        let wish = json!({"until": soon.to_rfc3339(), "note": "the team moves to another tool"});
        let done = admin.post(&release, &wish).await.expect(200).json();
        assert_eq!((&done["status"], &done["total"]), (&json!("released"), &json!(0)));
        let passes = admin.get("/api/v1/held").await.expect(200).json()["passes"].clone();
        assert_eq!((&passes[0]["hub"], &passes[0]["reason"]), (&json!("wiki"), &json!("too_many_removals")));
        assert_eq!(passes[0]["note"], "the team moves to another tool");
        // What else meets the limit goes out; another limit still holds.
        leave(&scim, &editors, &people[3..6]).await;
        tasks(&admin, "hub=wiki&status=manual&kind=remove", 7).await;
        tasks(&admin, "hub=wiki&status=held", 0).await;

        let pass = format!("/api/v1/held/{}/pass", passes[0]["hold"].as_str().unwrap());
        admin.delete(&pass).await.expect(204);
        admin.delete(&pass).await.expect(404);
        leave(&scim, &editors, &people[6..8]).await;
        tasks(&admin, "hub=wiki&status=held", 2).await;
        let kinds = kinds(&admin).await;
        for kind in ["hold.pass_given", "hold.released", "hold.pass_ended"] {
            assert!(kinds.iter().any(|found| found == kind), "{kind} in {kinds:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_installation_plans_nothing_and_says_so_on_record() {
    for database in databases() {
        let server = Server::start(&database, &["--paused"]);
        let (admin, scim) = clients(&server);
        manual_hub(&admin, "wiki").await;
        mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        let ann = user(&scim, "ann@example.com").await;
        group(&scim, "editors", &[&ann]).await;
        let status = admin.get("/api/v1/status").await.expect(200).json();
        assert_eq!((&status["paused"], &status["hubs"][0]["marks"]), (&json!(true), &json!(1)));
        let why = admin.get(&format!("/api/v1/hubs/wiki/users/{ann}/explain")).await.expect(200).json();
        assert!(why["summary"].to_string().contains("when pushing is resumed"), "{why}");
        assert!(server.run(&["resume"]).status.success());
        tasks(&admin, "hub=wiki&status=open", 1).await;
        eventually("pausing and resuming on record", SOON, async || {
            let kinds = kinds(&admin).await;
            ["installation.paused", "installation.resumed"].iter().all(|kind| kinds.iter().any(|found| found == kind))
        })
        .await;
    }
}
