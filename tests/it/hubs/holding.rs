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
async fn join(scim: &Client, group: &str, people: &[String]) {
    let join: Vec<Value> = people.iter().map(|id| json!({ "value": id })).collect();
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "add", "path": "members", "value": join}]});
    scim.patch(&format!("/scim/v2/Groups/{group}"), &patch).await.expect(204);
}

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
        // Only what was shown: somebody else came into the batch since.
        let shown = batch["digest"].clone();
        leave(&scim, &editors, &people[12..13]).await;
        tasks(&admin, "hub=wiki&status=held", 4).await;
        let refusal = admin.post(&release, &json!({ "expect": shown })).await.expect(409).json();
        assert!(refusal["detail"].as_str().unwrap().contains("holds 4 tasks now"), "{refusal}");
        tasks(&admin, "hub=wiki&status=held", 4).await;
        join(&scim, &editors, &people[12..13]).await;
        tasks(&admin, "hub=wiki&status=held", 3).await;
        let again = admin.get("/api/v1/held").await.expect(200).json()["items"][0]["digest"].clone();
        assert_eq!(again, shown, "the same tasks, the same digest");
        let held = admin.get("/api/v1/held").await.expect(200).json();
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
        let wish = json!({"expect": shown, "until": soon.to_rfc3339(), "note": "the team moves to another tool"});
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

/// "Keep her" is said of somebody who is here. When she leaves, it is over; and a leaver is one also
/// when the removal was held before.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_a_leaver_whatever_was_held_or_rejected_before() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let (editors, people) = staffed(&admin, &scim, 20).await;
        leave(&scim, &editors, &people[..5]).await;
        let held = tasks(&admin, "hub=wiki&status=held", 4).await;
        let user = |at: usize| held[at]["user"].as_str().unwrap().to_owned();
        let batch = admin.get("/api/v1/held").await.expect(200).json()["items"][0].clone();
        let reject = format!("/api/v1/held/{}/reject", batch["id"].as_str().unwrap());
        admin.post(&reject, &json!({"tasks": []})).await.expect(400);
        admin.post(&reject, &json!({"tasks": [held[0]["id"]], "note": "keep her"})).await.expect(200);
        tasks(&admin, "hub=wiki&status=held", 3).await;

        // One whose removal is held leaves, one whose removal was rejected leaves.
        deactivate(&scim, &user(1)).await;
        deactivate(&scim, &user(0)).await;
        eventually("two leavers, listed first", SOON, async || {
            let batch = admin.get("/api/v1/held").await.expect(200).json()["items"][0].clone();
            let first: Vec<&str> =
                batch["tasks"].as_array().unwrap()[..2].iter().map(|t| t["user"].as_str().unwrap()).collect();
            batch["leavers"] == 2 && batch["total"] == 4 && first.contains(&&*user(0)) && first.contains(&&*user(1))
        })
        .await;
        let why = admin.get(&format!("/api/v1/hubs/wiki/users/{}/explain", user(1))).await.expect(200).json();
        assert_eq!(why["tasks"][0]["cause"], "deactivated", "{why}");
    }
}

/// In observe no task waits to be sent: activation does what its plan shows, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_goes_back_to_observing_withdraws_what_has_not_begun() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let (editors, people) = staffed(&admin, &scim, 20).await;
        leave(&scim, &editors, &people[..3]).await;
        tasks(&admin, "hub=wiki&status=held", 2).await;
        let batch = admin.get("/api/v1/held").await.expect(200).json()["items"][0]["id"].as_str().unwrap().to_owned();
        admin.patch("/api/v1/hubs/wiki", &json!({"mode": "observe"})).await.expect(200);
        tasks(&admin, "hub=wiki&status=open", 0).await;
        let late = admin.post(&format!("/api/v1/held/{batch}/release"), &json!({})).await;
        assert_eq!(late.expect(200).json()["total"], 0, "there is nothing left to release");
        let plan = admin.get("/api/v1/hubs/wiki/plan").await.expect(200).json();
        assert_eq!(plan["effects"][0]["removes"], 3, "{plan}");
        let path = format!("/api/v1/hubs/wiki?expect={}", plan["digest"].as_str().unwrap());
        admin.patch(&path, &json!({"mode": "active"})).await.expect(200);
        tasks(&admin, "hub=wiki&status=open", 3).await;
        let kinds = kinds(&admin).await;
        for kind in ["hub.observes", "hub.activated"] {
            assert!(kinds.iter().any(|found| found == kind), "{kind} in {kinds:?}");
        }
    }
}

/// A token stops its own workspace, by name; what it cannot stop, it does not pretend to.
#[tokio::test(flavor = "multi_thread")]
async fn stopping_through_a_server_says_what_it_stops() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    assert!(server.run(&["workspace", "create", "other"]).status.success());
    let token = server.token_for("other", "default", "admin");
    let other = Client::new(&server.base, &token);
    let run = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_scimhub"))
            .current_dir(database.folder())
            .env("SCIMHUB_SERVER", &server.base)
            .env("SCIMHUB_TOKEN", &token)
            .args(args)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    for args in [vec!["pause"], vec!["pause", "--workspace", "default"], vec!["resume"]] {
        let (code, told) = run(&args);
        assert_eq!(code, Some(1), "{args:?}: {told}");
        assert!(told.contains("other"), "{args:?}: {told}");
        assert_eq!(
            other.get("/api/v1/status").await.expect(200).json()["workspace"]["paused"],
            json!(false),
            "{args:?}"
        );
    }
    let (code, told) = run(&["pause", "--workspace", "other"]);
    assert_eq!((code, told.trim()), (Some(0), "paused: all hubs of the workspace other"));
    assert_eq!(other.get("/api/v1/status").await.expect(200).json()["workspace"]["paused"], json!(true));
}

/// Two people decide one batch at the same moment: one of them did it, the others are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_decided_once_whoever_is_first() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let (editors, people) = staffed(&admin, &scim, 20).await;
        leave(&scim, &editors, &people[..9]).await;
        tasks(&admin, "hub=wiki&status=held", 8).await;
        let batch = admin.get("/api/v1/held").await.expect(200).json()["items"][0]["id"].as_str().unwrap().to_owned();
        let decide = |word: &str| {
            let (admin, path) = (admin.clone(), format!("/api/v1/held/{batch}/{word}"));
            async move { admin.post(&path, &json!({})).await.status }
        };
        let (a, b, c, d) = tokio::join!(decide("release"), decide("reject"), decide("release"), decide("reject"));
        let mut all = [a, b, c, d];
        all.sort_unstable();
        assert_eq!(all, [200, 409, 409, 409], "{}", database.name);
        let told = kinds(&admin).await;
        let decisions = told.iter().filter(|kind| ["hold.released", "hold.rejected"].contains(&kind.as_str())).count();
        assert_eq!(decisions, 1, "{}: {told:?}", database.name);
    }
}
