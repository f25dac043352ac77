//! R5.13 and section 6.3: what one cause makes in a hub is one parent with one task per person, and a
//! parent says how its children stand.

use serde_json::{Value, json};

use super::Stage;
use crate::hubs::{self, SOON, mending};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{databases, eventually};

const PEOPLE: [&str; 5] = ["ann", "bob", "cid", "dee", "eve"];

/// The parents of the hub `box`, newest first.
async fn parents(admin: &Client) -> Vec<Value> {
    admin.get("/api/v1/tasks?kind=batch&hub=box").await.expect(200).json()["items"].as_array().unwrap().clone()
}

/// The newest parent, once it is so.
async fn until(admin: &Client, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    eventually(what, SOON, async || {
        found = parents(admin).await.into_iter().next().unwrap_or_default();
        found.is_object() && is(&found)
    })
    .await;
    found
}

fn numbers(parent: &Value) -> [i64; 5] {
    ["total", "done", "failed", "open", "withdrawn"].map(|name| parent["progress"][name].as_i64().unwrap())
}

fn path(parent: &Value) -> String {
    format!("/api/v1/tasks/{}", parent["id"].as_str().unwrap())
}

/// Five people and the mapping that gives a group of them a role.
async fn people(stage: &Stage) -> Vec<String> {
    hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
    let mut people = Vec::new();
    for name in PEOPLE {
        people.push(hubs::user(&stage.scim, &format!("{name}@example.com")).await);
    }
    people
}

async fn push(stage: &Stage, name: &str, people: &[String]) -> String {
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    hubs::group(&stage.scim, name, &people).await
}

async fn mend(stage: &Stage) {
    Client::new(&stage.app.base(), mending::GOOD).delete("/_test/faults").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_13_a_push_of_many_is_one_parent_with_a_task_for_each_person() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let people = people(&stage).await;
        let editors = push(&stage, "editors", &people).await;
        let parent = until(&stage.admin, "all done", |one| one["status"] == "completed").await;
        assert_eq!(numbers(&parent), [5, 5, 0, 0, 0], "{}: {parent}", database.name);
        assert_eq!((&parent["kind"], &parent["hub"]), (&json!("batch"), &json!("box")));

        // Its children, a page at a time, each once.
        let mut seen = Vec::new();
        let mut next = String::new();
        loop {
            let page = stage.admin.get(&format!("{}?limit=2{next}", path(&parent))).await.expect(200).json();
            for child in page["children"]["items"].as_array().unwrap() {
                assert_eq!(child["parent"], parent["id"], "{child}");
                assert_eq!(child["request_id"], parent["request_id"], "{child}");
                seen.push(child["user"].as_str().unwrap().to_owned());
            }
            let Some(cursor) = page["children"]["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        let (mut wanted, count) = (people.clone(), seen.len());
        wanted.sort();
        seen.sort();
        assert_eq!((seen, count), (wanted, 5));
        let listed = format!("/api/v1/tasks?parent={}&status=completed", parent["id"].as_str().unwrap());
        assert_eq!(stage.admin.get(&listed).await.expect(200).json()["items"].as_array().unwrap().len(), 5);

        // One person alone is no batch, and the same push again makes nothing.
        let fay = hubs::user(&stage.scim, "fay@example.com").await;
        stage.membership(&editors, "add", &fay).await;
        stage.until_role("fay@example.com", Some("editor")).await;
        stage.membership(&editors, "add", &fay).await;
        stage.at_rest().await;
        assert_eq!(parents(&stage.admin).await.len(), 1, "{}", database.name);
        let alone = stage.admin.get(&format!("/api/v1/tasks?user={fay}")).await.expect(200).json();
        assert_eq!(alone["items"][0].get("parent"), None, "{alone}");

        // Whoever may not see the hub's tasks sees no parent of them either.
        stage.admin.get("/api/v1/tasks?kind=batch&status=open").await.expect(400);
        stage.admin.get(&format!("{}?status=none", path(&parent))).await.expect(400);
        stage.admin.get("/api/v1/tasks/01890a5d-ac96-774b-bcce-b302099a8057").await.expect(404);
        stage.admin.post(&format!("{}/retry", path(&parent)), &json!({})).await.expect(409);
        stage.admin.post(&format!("{}/cancel", path(&parent)), &json!({})).await.expect(409);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_13_what_settles_later_stands_below_the_same_parent() {
    for database in databases() {
        let stage = Stage::new(&database, "1s").await;
        let mut all = people(&stage).await;
        let editors = push(&stage, "editors", &all).await;
        until(&stage.admin, "all done", |one| one["status"] == "completed").await;
        // One joins and one leaves with one request: the removal waits, the addition does not.
        let fay = hubs::user(&stage.scim, "fay@example.com").await;
        let gone = std::mem::replace(&mut all[0], fay);
        let members: Vec<Value> = all.iter().map(|id| json!({ "value": id })).collect();
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "editors",
            "members": members});
        stage.scim.put(&format!("/scim/v2/Groups/{editors}"), &body).await.expect(200);
        let parent =
            until(&stage.admin, "both done", |one| one["cause"] != "" && numbers(one) == [2, 2, 0, 0, 0]).await;
        let children = stage.admin.get(&path(&parent)).await.expect(200).json()["children"]["items"].clone();
        let kinds: Vec<_> = children.as_array().unwrap().iter().map(|one| one["kind"].clone()).collect();
        assert_eq!(kinds, ["remove", "add"], "{}: {children}", database.name);
        assert_eq!(children[0]["user"], gone.as_str());
        assert_eq!(parents(&stage.admin).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_13_what_failed_of_a_parent_is_tried_again_with_one_action() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let fault = json!({"match": "POST /Users", "times": 2, "status": 400, "body": {"detail": "not like this"}});
        stage.app.fault(&fault).unwrap();
        let people = people(&stage).await;
        push(&stage, "editors", &people).await;
        let parent = until(&stage.admin, "two failed", |one| numbers(one) == [5, 3, 2, 0, 0]).await;
        assert_eq!(parent["status"], "not_completed", "{}: {parent}", database.name);
        let detail = stage.admin.get(&path(&parent)).await.expect(200).json();
        assert_eq!(detail["failed"].as_array().unwrap().len(), 2, "failures first: {detail}");
        assert!(detail["failed"][0]["failure"]["remedy"].is_string(), "{detail}");

        let reply = stage.admin.post(&format!("{}/retry", path(&parent)), &json!({})).await.expect(200).json();
        assert_eq!(reply["id"], parent["id"]);
        let after = until(&stage.admin, "all done", |one| one["status"] == "completed").await;
        assert_eq!((numbers(&after), &after["id"]), ([5, 5, 0, 0, 0], &parent["id"]), "{}", database.name);
        for task in detail["failed"].as_array().unwrap() {
            let old = stage.admin.get(&format!("/api/v1/tasks/{}", task["id"].as_str().unwrap())).await.expect(200);
            let old = old.json();
            let new = format!("/api/v1/tasks/{}", old["superseded_by"].as_str().expect("tried again as"));
            let new = stage.admin.get(&new).await.expect(200).json();
            assert_eq!((&new["user"], &new["status"]), (&old["user"], &json!("completed")), "{new}");
        }
        let told = stage.told("tasks.retried").await;
        assert_eq!(told.len(), 1, "{}: {told:?}", database.name);
        assert_eq!(
            (&told[0]["detail"]["tasks"], told[0]["target"].as_str()),
            (&json!(2), Some(format!("task:{}", parent["id"].as_str().unwrap()).as_str()))
        );
        stage.admin.post(&format!("{}/retry", path(&parent)), &json!({})).await.expect(409);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_13_what_is_open_of_a_parent_is_withdrawn_with_one_action_and_stays_so() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        hubs::manual_hub(&admin, "box").await;
        hubs::mapping(&admin, "box", &json!({"group": "editors", "app_role": "member"})).await;
        let mut people = Vec::new();
        for name in PEOPLE {
            people.push(hubs::user(&scim, &format!("{name}@example.com")).await);
        }
        let ids: Vec<&str> = people.iter().map(String::as_str).collect();
        let editors = hubs::group(&scim, "editors", &ids).await;
        let parent = until(&admin, "five items", |one| numbers(one) == [5, 0, 0, 5, 0]).await;
        assert_eq!(parent["status"], "manual", "{}: {parent}", database.name);
        let item = hubs::tasks(&admin, "hub=box&status=manual", 5).await.remove(0);
        let done = format!("/api/v1/tasks/{}/done", item["id"].as_str().unwrap());
        admin.post(&done, &json!({"note": " "})).await.expect(400);
        admin.post(&done, &json!({"note": "Bo did it"})).await.expect(200);
        // Whether it is done is said of each person; nothing of it failed.
        let note = json!({"note": "all of them"});
        admin.post(&format!("{}/done", path(&parent)), &note).await.expect(409);
        admin.post(&format!("{}/retry", path(&parent)), &json!({})).await.expect(409);

        let cancelled = admin.post(&format!("{}/cancel", path(&parent)), &json!({"note": "no"})).await.expect(200);
        let cancelled = cancelled.json();
        assert_eq!((numbers(&cancelled), &cancelled["status"]), ([5, 1, 0, 0, 4], &json!("completed")));
        let told = admin.get("/api/v1/activity?kind=tasks.cancelled").await.expect(200).json();
        assert_eq!(told["items"][0]["detail"]["tasks"], 4, "{}: {told}", database.name);
        assert_eq!(told["items"].as_array().unwrap().len(), 1);
        // Everybody is looked at again: what was withdrawn does not come back, only who is new is added.
        admin.patch("/api/v1/hubs/box", &json!({"policy": {"removal_limit": 11}})).await.expect(200);
        let fay = hubs::user(&scim, "fay@example.com").await;
        super::join(&scim, &editors, &fay).await;
        eventually("looked at again", SOON, async || {
            let mine = admin.get(&format!("/api/v1/tasks?user={fay}")).await.expect(200).json();
            let status = admin.get("/api/v1/status").await.expect(200).json();
            !mine["items"].as_array().unwrap().is_empty() && status["hubs"][0]["marks"] == 0
        })
        .await;
        let open = admin.get("/api/v1/tasks?hub=box&status=open").await.expect(200).json();
        let open: Vec<_> = open["items"].as_array().unwrap().iter().map(|one| one["user"].clone()).collect();
        assert_eq!(open, [fay], "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn section_6_3_every_status_of_a_task_and_of_its_parent_is_reached() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let slowly = json!({"policy": {"max_in_flight": 1}});
        stage.admin.patch("/api/v1/hubs/box", &slowly).await.expect(200);
        // A credential that does not work: nothing begins.
        stage.app.fault(&json!({"times": 0, "status": 401})).unwrap();
        let people = people(&stage).await;
        let editors = push(&stage, "editors", &people).await;
        eventually("the hub stands still", SOON, async || {
            let status = stage.admin.get("/api/v1/status").await.expect(200).json();
            status["hubs"][0]["blocked"] == "auth_broken"
        })
        .await;
        let parent = until(&stage.admin, "queued", |one| one["status"] == "queued").await;
        assert_eq!(numbers(&parent), [5, 0, 0, 5, 0], "{}", database.name);

        // One at a time, each long enough to be seen: started, then running.
        mend(&stage).await;
        stage.app.fault(&json!({"match": "POST /Users", "times": 2, "delay_ms": 1_800})).unwrap();
        stage.admin.post("/api/v1/resume", &json!({"hub": "box"})).await.expect(204);
        for status in ["started", "running"] {
            until(&stage.admin, status, |one| one["status"] == status).await;
            let children = stage.admin.get(&format!("{}?status={status}", path(&parent))).await.expect(200).json();
            let found = children["children"]["items"].as_array().unwrap();
            assert!(found.iter().all(|one| one["status"] == status), "{}: {children}", database.name);
        }
        let all = until(&stage.admin, "completed", |one| one["status"] == "completed").await;
        assert_eq!(numbers(&all), [5, 5, 0, 0, 0], "{}", database.name);

        // An app that fails in passing: retrying, until somebody says that it is mended.
        stage.app.fault(&json!({"match": "PATCH /Users", "times": 0, "status": 503})).unwrap();
        hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "admin"})).await;
        let changed = until(&stage.admin, "retrying", |one| one["status"] == "retrying").await;
        assert_ne!(changed["id"], parent["id"], "another cause is another parent");
        let retrying = hubs::tasks(&stage.admin, "hub=box&status=retrying&kind=update_role&limit=1", 1).await.remove(0);
        assert_eq!(retrying["parent"], changed["id"], "{retrying}");
        mend(&stage).await;
        stage.admin.post(&format!("{}/retry", path(&changed)), &json!({})).await.expect(200);
        let done = until(&stage.admin, "completed again", |one| one["status"] == "completed").await;
        assert_eq!((numbers(&done), &done["id"]), ([5, 5, 0, 0, 0], &changed["id"]), "{}", database.name);

        // Four of five leave with one request: the guard lets few go and holds the rest, until a person
        // says no.
        let leave: Vec<Value> = people[..4].iter().map(|id| json!({ "value": id })).collect();
        let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "remove", "path": "members", "value": leave}]});
        stage.scim.patch(&format!("/scim/v2/Groups/{editors}"), &patch).await.expect(204);
        let held = until(&stage.admin, "held", |one| one["status"] == "held").await;
        let [total, done, failed, open, withdrawn] = numbers(&held);
        assert_eq!((total, failed, withdrawn), (4, 0, 0), "{}: {held}", database.name);
        for batch in stage.admin.get("/api/v1/held").await.expect(200).json()["items"].as_array().unwrap() {
            let reject = format!("/api/v1/held/{}/reject", batch["id"].as_str().unwrap());
            stage.admin.post(&reject, &json!({})).await.expect(200);
        }
        let rejected = until(&stage.admin, "nothing open", |one| one["progress"]["open"] == 0).await;
        assert_eq!(numbers(&rejected), [4, done, 0, 0, open], "{}", database.name);
        let end = if done > 0 { "completed" } else { "cancelled" };
        assert_eq!((&rejected["status"], &rejected["id"]), (&json!(end), &held["id"]), "{}", database.name);
    }
}
