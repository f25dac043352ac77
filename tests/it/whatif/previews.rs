//! `POST …/mappings/preview`, `POST …/preview`, `GET …/plan` and what they are tied to.

use std::time::Duration;

use serde_json::{Value, json};

use super::{counts, digest, group, hub, people, user};
use crate::support::databases;
use crate::support::eventually;
use crate::support::http::Client;
use crate::support::server::Server;

const SOON: Duration = Duration::from_secs(30);

async fn open_tasks(admin: &Client, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    eventually("the tasks", SOON, async || {
        let page = admin.get("/api/v1/tasks?status=manual&limit=100").await.expect(200).json();
        found = page["items"].as_array().unwrap().clone();
        found.len() == count
    })
    .await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_previewed_with_names_and_applied_under_its_digest() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let ann = user(&scim, "ann@example.com").await;
        let bob = user(&scim, "bob@example.com").await;
        let staff = group(&scim, "staff", &[&ann, &bob]).await;
        hub(&admin, "wiki", "active").await;
        let body = json!({"group": "staff", "app_role": "member"});
        let plan = admin.post("/api/v1/hubs/wiki/mappings/preview", &body).await.expect(200).json();
        assert_eq!(counts(&plan), [2, 0, 0, 0], "{plan}");
        assert_eq!(people(&plan), ["add ann@example.com ->member", "add bob@example.com ->member"]);
        assert_eq!(plan["effects"][0]["manual"], 2, "the app cannot do it by machine");
        assert_eq!(plan["effects"][0]["people"][0]["because"], json!(["group staff"]));
        let again = admin.post("/api/v1/hubs/wiki/mappings/preview", &body).await.expect(200).json();
        assert_eq!(again, plan, "the same world and wish: the same answer, {}", database.name);
        let listed = json!({"changes": [{ "put": body }]});
        let listed = admin.post("/api/v1/hubs/wiki/mappings/preview", &listed).await.expect(200).json();
        assert_eq!(digest(&listed), digest(&plan), "a list of one is that one");

        // The world moves: refused with the new counts, and nothing is changed.
        let cleo = user(&scim, "cleo@example.com").await;
        let add = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{ "value": cleo }]}]});
        scim.patch(&format!("/scim/v2/Groups/{staff}"), &add).await.expect(204);
        let path = format!("/api/v1/hubs/wiki/mappings?expect={}", digest(&plan));
        let refused = admin.put(&path, &body).await.expect(409);
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        let problem = refused.json();
        assert_eq!(problem["effects"][0]["adds"], 3, "{problem}");
        assert!(problem["effects"][0].get("people").is_none(), "counts, not names: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("adds 3"), "{problem}");
        assert_eq!(admin.get("/api/v1/hubs/wiki/mappings").await.json()["items"], json!([]));

        // The digest it told is the one of a new look, and it holds.
        let now = admin.post("/api/v1/hubs/wiki/mappings/preview", &body).await.expect(200).json();
        assert_eq!(problem["digest"], now["digest"]);
        let made = admin.put(&format!("/api/v1/hubs/wiki/mappings?expect={}", digest(&now)), &body).await.expect(201);
        open_tasks(&admin, 3).await;

        // Deleting it: what is not done yet is withdrawn. The digest is of this change alone.
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let plan = admin
            .post("/api/v1/hubs/wiki/mappings/preview", &json!({"changes": [{ "remove": id }]}))
            .await
            .expect(200)
            .json();
        assert_eq!(plan["effects"][0]["withdraws"], 3, "{plan}");
        let of_put = digest(&now);
        admin.delete(&format!("/api/v1/hubs/wiki/mappings/{id}?expect={of_put}")).await.expect(409);
        admin.delete(&format!("/api/v1/hubs/wiki/mappings/{id}?expect={}", digest(&plan))).await.expect(204);
        open_tasks(&admin, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_observes_shows_its_plan_and_is_activated_by_its_digest() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim, read) = (server.client("admin"), server.client("scim"), server.client("read"));
        let ann = user(&scim, "ann@example.com").await;
        let staff = group(&scim, "staff", &[&ann]).await;
        hub(&admin, "wiki", "observe").await;
        admin.put("/api/v1/hubs/wiki/mappings", &json!({"group": "staff", "app_role": "member"})).await.expect(201);
        let shown = read.get("/api/v1/hubs/wiki/plan").await.expect(200).json();
        assert_eq!(people(&shown), ["add ann@example.com ->member"], "{shown}");
        let wish = json!({"mode": "active"});
        let preview = admin.post("/api/v1/hubs/wiki/preview", &wish).await.expect(200).json();
        assert_eq!(preview, shown, "the shown plan is what activation would do");
        // Nothing is planned while it observes, also when it is looked at.
        open_tasks(&admin, 0).await;

        let bob = user(&scim, "bob@example.com").await;
        let add = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{ "value": bob }]}]});
        scim.patch(&format!("/scim/v2/Groups/{staff}"), &add).await.expect(204);
        let path = |digest: &str| format!("/api/v1/hubs/wiki?expect={digest}");
        let refused = admin.patch(&path(&digest(&shown)), &wish).await.expect(409).json();
        assert_eq!(refused["effects"][0]["adds"], 2, "{refused}");
        assert_eq!(admin.get("/api/v1/hubs/wiki").await.json()["mode"], "observe");
        let shown = read.get("/api/v1/hubs/wiki/plan").await.expect(200).json();
        // The digest of one hub activates no other, and no other change of this one.
        hub(&admin, "other", "observe").await;
        admin.patch(&format!("/api/v1/hubs/other?expect={}", digest(&shown)), &wish).await.expect(409);
        admin.patch(&path(&digest(&shown)), &json!({"mode": "active", "label": "W"})).await.expect(409);
        let done = admin.patch(&path(&digest(&shown)), &wish).await.expect(200).json();
        assert_eq!(done["mode"], "active");
        let tasks = open_tasks(&admin, 2).await;
        assert!(tasks.iter().all(|task| task["cause"] == "hub_activated"), "{tasks:?}");
        // What an active hub would do now: nothing that is not under way already.
        let now = read.get("/api/v1/hubs/wiki/plan").await.expect(200).json();
        assert_eq!((counts(&now), now["hubs"].as_array().unwrap().len()), ([0, 0, 0, 0], 0), "{now}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_and_a_removal_of_a_hub_are_previewed() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let ann = user(&scim, "ann@example.com").await;
        group(&scim, "staff", &[&ann]).await;
        hub(&admin, "wiki", "active").await;
        admin.put("/api/v1/hubs/wiki/mappings", &json!({"group": "staff", "app_role": "member"})).await.expect(201);
        let task = open_tasks(&admin, 1).await[0]["id"].as_str().unwrap().to_owned();
        admin.post(&format!("/api/v1/tasks/{task}/done"), &json!({"note": "made"})).await.expect(200);

        let label = admin.post("/api/v1/hubs/wiki/preview", &json!({"label": "Wiki!"})).await.expect(200).json();
        assert_eq!(label["hubs"][0]["changed"], json!(["label"]), "{label}");
        assert_eq!(label["effects"], json!([]), "a label reaches nobody");
        let none = admin.post("/api/v1/hubs/wiki/preview", &json!({})).await.expect(200).json();
        assert_eq!(none["hubs"], json!([]), "{none}");
        let policy = json!({"policy": {"deprovision": "suspend"}});
        let policy = admin.post("/api/v1/hubs/wiki/preview", &policy).await.expect(200).json();
        assert_eq!(policy["hubs"][0]["changed"], json!(["policy"]), "{policy}");

        let gone = admin.post("/api/v1/hubs/wiki/preview", &json!({"remove": true})).await.expect(200).json();
        assert_eq!(gone["effects"][0]["stays"], 1, "the account stays in the app: {gone}");
        assert_eq!(counts(&gone), [0, 0, 0, 0]);
        assert!(gone["notes"][0].as_str().unwrap().contains("nothing changes in the app"), "{gone}");
        admin.delete(&format!("/api/v1/hubs/wiki?reason=trial&expect={}", digest(&label))).await.expect(409);
        admin.delete(&format!("/api/v1/hubs/wiki?reason=trial&expect={}", digest(&gone))).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_mappings_change_together_or_not_at_all() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let ann = user(&scim, "ann@example.com").await;
        let bob = user(&scim, "bob@example.com").await;
        group(&scim, "a", &[&ann]).await;
        group(&scim, "b", &[&bob]).await;
        hub(&admin, "wiki", "active").await;
        let put = |name: &str| json!({"put": {"group": name, "app_role": "member"}});
        let a = admin.put("/api/v1/hubs/wiki/mappings", &put("a")["put"]).await.expect(201).json();
        let id = a["id"].as_str().unwrap();
        let changes = json!({"changes": [{"remove": id}, put("b")]});
        let plan = admin.post("/api/v1/hubs/wiki/mappings/preview", &changes).await.expect(200).json();
        let path = format!("/api/v1/hubs/wiki/mappings?expect={}", digest(&plan));
        let wrong = json!({"changes": [{"remove": id}, {"put": {"group": "b"}}]});
        let told = admin.patch("/api/v1/hubs/wiki/mappings", &wrong).await.expect(400).json();
        assert!(told["detail"].as_str().unwrap().contains("changes[1]"), "{told}");
        let listed = admin.get("/api/v1/hubs/wiki/mappings").await.json();
        assert_eq!(listed["items"][0]["group"], "a", "nothing of a wrong list happened: {listed}");
        admin.patch(&path, &changes).await.expect(200);
        let listed = admin.get("/api/v1/hubs/wiki/mappings").await.json();
        assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["group"]), (1, &json!("b")));
        for twice in
            [json!([put("b"), put("B")]), json!([]), json!([put("c"), {"put": {"group": "C", "app_role": "admin"}}])]
        {
            admin.patch("/api/v1/hubs/wiki/mappings", &json!({ "changes": twice })).await.expect(400);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_precise_error_and_changes_nothing() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, read) = (server.client("admin"), server.client("read"));
        hub(&admin, "wiki", "observe").await;
        let good = json!({"group": "staff", "app_role": "member"});
        let made = admin.put("/api/v1/hubs/wiki/mappings", &good).await.expect(201).json();
        let id = made["id"].as_str().unwrap();
        let unknown = "01890000-0000-7000-8000-000000000000";
        let cases = [
            ("/api/v1/hubs/nowhere/mappings/preview", good.clone(), 404, "hub not found"),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"group": "staff", "app_rolle": "x"}), 400, "app_rolle"),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"app_role": "member"}), 400, "needs a subject"),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"group": "g", "user": "u"}), 400, "one subject"),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"group": "g", "where": "x eq"}), 400, "where"),
            (
                "/api/v1/hubs/wiki/mappings/preview",
                json!({"group": "g", "app_role": "member", "source": "okat"}),
                400,
                "okat",
            ),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"group_id": "7", "app_role": "member"}), 400, "SCIM id"),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"changes": []}), 400, "1 to 200"),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"changes": [{"remove": unknown}]}), 404, "mapping not found"),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"changes": [{"remove": "7"}]}), 404, "mapping not found"),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"changes": [{"bind": id}]}), 409, "no group staff to bind"),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"changes": [{"drop": id}]}), 400, "drop"),
            ("/api/v1/hubs/wiki/mappings/preview", json!({"changes": [], "more": 1}), 400, "more"),
            ("/api/v1/hubs/wiki/mappings/preview", json!([1]), 400, "must be a JSON object"),
            ("/api/v1/hubs/wiki/preview", json!({"mode": "on"}), 400, "expected `observe` or `active`"),
            ("/api/v1/hubs/wiki/preview", json!({"remove": false}), 400, "remove"),
            ("/api/v1/hubs/wiki/preview", json!({"policy": {"removal_percent": 120}}), 400, "0 to 100"),
            ("/api/v1/hubs/wiki/preview", json!({"login": "password", "settle": "an hour"}), 400, "settle"),
            ("/api/v1/hubs/wiki/preview", json!({"secrets": {"X": "hunter2"}}), 400, "names no secret"),
            ("/api/v1/hubs/nowhere/preview", json!({}), 404, "hub not found"),
        ];
        for (path, body, status, part) in cases {
            let reply = admin.post(path, &body).await;
            assert_eq!(reply.status, status, "{path} {body}: {}", reply.text());
            assert!(reply.text().contains(part), "{path} {body}: {}", reply.text());
            assert!(!reply.text().contains("hunter2"), "{}", reply.text());
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{path} {body}");
        }
        // A digest of the wrong form, and a misspelled one, which must not be no check at all.
        let zeros = "0".repeat(64);
        for query in [
            "expect=",
            "expect=abc",
            "expct=abc",
            &format!("expect={}", "g".repeat(64)),
            &format!("expect={zeros}&x=1"),
        ] {
            admin.put(&format!("/api/v1/hubs/wiki/mappings?{query}"), &good).await.expect(400);
            admin.put(&format!("/api/v1/hubs/wiki/mappings/{id}?{query}"), &good).await.expect(400);
            admin.patch(&format!("/api/v1/hubs/wiki?{query}"), &json!({"label": "x"})).await.expect(400);
            admin.delete(&format!("/api/v1/hubs/wiki/mappings/{id}?{query}")).await.expect(400);
            admin.delete(&format!("/api/v1/hubs/wiki?{query}")).await.expect(400);
            admin.post(&format!("/api/v1/apply?{query}"), &json!({"files": []})).await.expect(400);
        }
        admin.delete(&format!("/api/v1/hubs/wiki?reason=trial&expect={zeros}")).await.expect(409);
        admin.post(&format!("/api/v1/apply?expect={zeros}"), &json!({"files": []})).await.expect(409);
        // Looking at what the planner would do is for `read`; asking what-if is for `admin`.
        read.get("/api/v1/hubs/wiki/plan").await.expect(200);
        read.post("/api/v1/hubs/wiki/preview", &json!({})).await.expect(403);
        read.post("/api/v1/hubs/wiki/mappings/preview", &good).await.expect(403);
        let listed = admin.get("/api/v1/hubs/wiki/mappings").await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(admin.get("/api/v1/hubs/wiki").await.json()["label"], "wiki");
    }
}
