//! Rules 10 and 11: nothing is pushed before a person says so, and everything can be asked for.

use scimhub::domain::caller::Preset;
use scimhub::domain::hub::{Hub, HubMode};
use scimhub::domain::task::TaskStatus;
use scimhub::service::hub_whatif::{self, HubWish};
use scimhub::service::hubs as hub_service;
use serde_json::{Value, json};

use crate::fault::stage::joining;
use crate::hubs::{self, SOON, holding, mending};
use crate::planner::guarding::reasons;
use crate::planner::marking::{rows, store_hub};
use crate::planner::world::{SETTLE, World};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{databases, eventually};

/// Calls of the app that change something in this space.
async fn changes(app: &Client, space: &str) -> usize {
    let seen = app.get("/_test/log").await.expect(200).json();
    let calls = seen["requests"].as_array().cloned().unwrap_or_default();
    let changes =
        |call: &&Value| call["method"] != "GET" && call["target"].as_str().unwrap_or_default().contains(space);
    calls.iter().filter(changes).count()
}

async fn status(admin: &Client, hub: &str) -> Value {
    let status = admin.get("/api/v1/status").await.expect(200).json();
    let hubs = status["hubs"].as_array().cloned().unwrap_or_default();
    hubs.into_iter().find(|one| one["id"] == hub).unwrap_or_else(|| panic!("no {hub} in {status}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_observe_first() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = hubs::clients(&server);
        let app = mending::sandbox();
        let board = Client::new(&app.base(), mending::GOOD);
        let new = json!({"id": "box-new", "app": "sandbox", "settle": "0s",
            "connection": {"base_url": app.scim("box-new"), "token": {"secret": "TOKEN"}},
            "secrets": {"TOKEN": mending::GOOD}});
        let made = admin.post("/api/v1/hubs", &new).await.expect(201).json();
        assert_eq!(made["mode"], "observe", "{}: a new hub observes", database.name);
        hubs::mapping(&admin, "box-new", &json!({"group": "editors", "app_role": "editor"})).await;
        // Another hub of the same group is active: once it is done, this one had its turn too.
        mending::sandbox_hub(&admin, "box-old", &app.scim("box-old"), mending::GOOD).await;
        let ann = hubs::user(&scim, "ann@example.com").await;
        let editors = hubs::group(&scim, "editors", &[&ann]).await;
        hubs::tasks(&admin, "hub=box-old&status=completed", 1).await;
        hubs::tasks(&admin, "hub=box-new", 0).await;
        assert_eq!(status(&admin, "box-new").await["marks"], 1, "{}: the marks stay", database.name);
        assert_eq!(changes(&board, "box-new").await, 0, "{}", database.name);

        let shown = admin.get("/api/v1/hubs/box-new/plan").await.expect(200).json();
        assert_eq!(shown["effects"][0]["people"][0]["user"], "ann@example.com", "{shown}");
        let path = format!("/api/v1/hubs/box-new?expect={}", shown["digest"].as_str().unwrap());
        admin.patch(&path, &json!({"mode": "active"})).await.expect(200);
        hubs::tasks(&admin, "hub=box-new&status=completed", 1).await;
        assert_eq!(changes(&board, "box-new").await, 1, "{}: what was shown, once", database.name);

        // Pushing stops per hub, workspace and installation; the identity provider goes on.
        for (number, level) in ["hub", "workspace", "installation"].into_iter().enumerate() {
            let body = if level == "hub" { json!({"hub": "box-new"}) } else { json!({}) };
            if level == "installation" {
                assert!(server.run(&["pause"]).status.success());
            } else {
                admin.post("/api/v1/pause", &body).await.expect(204);
            }
            let user = hubs::user(&scim, &format!("paused-{level}@example.com")).await;
            scim.patch(&format!("/scim/v2/Groups/{editors}"), &joining(&[user])).await.expect(204);
            eventually("a mark waits", SOON, async || status(&admin, "box-new").await["marks"] == 1).await;
            if level == "hub" {
                hubs::tasks(&admin, "hub=box-old&status=completed", 2).await;
            }
            hubs::tasks(&admin, "hub=box-new", 1 + number).await;
            assert_eq!(changes(&board, "box-new").await, 1 + number, "{}: {level}", database.name);
            if level == "installation" {
                assert!(server.run(&["resume"]).status.success());
            } else {
                admin.post("/api/v1/resume", &body).await.expect(204);
            }
            hubs::tasks(&admin, "hub=box-new&status=completed", 2 + number).await;
        }
        let told = holding::kinds(&admin).await;
        for kind in
            ["hub.paused", "workspace.paused", "workspace.resumed", "installation.paused", "installation.resumed"]
        {
            assert!(told.iter().any(|found| found == kind), "{}: {kind} in {told:?}", database.name);
        }
    }
    for world in World::each(Preset::Okta).await {
        the_first_plan_passes_the_guard(&world).await;
    }
}

async fn the_first_plan_passes_the_guard(world: &World) {
    let (group, people) = world.onboarded("viewer", 40).await;
    store_hub(world, &Hub { mode: HubMode::Observe, ..world.hub.clone() }).await;
    world.leave(group, &people).await;
    world.clock.advance(SETTLE * 2);
    assert_eq!(world.plan().await.tasks, 0, "{}", world.name());
    let (context, caller) = world.service(world.catalog()).await;
    let wish = || serde_json::from_value(json!({"mode": "active"})).unwrap();
    let plan = hub_whatif::preview(&context, &caller, "ads", HubWish::Patch(wish())).await.unwrap();
    let before = rows(world).await.1;
    hub_service::patch(&context, &caller, "ads", wish(), Some(plan.digest.parse().unwrap())).await.unwrap();
    assert_eq!(rows(world).await.1, before + 1, "{}: activation is a wide mark", world.name());
    world.clock.advance(SETTLE * 2);
    world.settle().await;
    assert_eq!(world.tasks(&[TaskStatus::Held]).await.len(), 30, "{}", world.name());
    assert_eq!(reasons(world).await, ["too_many_removals"], "{}", world.name());
}

/// What the last sync saw is the end of the chain; nothing syncs yet, so it stops at what is known.
#[tokio::test(flavor = "multi_thread")]
async fn rule_11_why_is_answered_from_rows() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = hubs::clients(&server);
        let app = mending::sandbox();
        mending::sandbox_hub(&admin, "ads", &app.scim("ads"), mending::GOOD).await;
        let ann = hubs::user(&scim, "ann@example.com").await;
        let bob = hubs::user(&scim, "bob@example.com").await;
        let mut stay = Vec::new();
        for number in 0..12 {
            stay.push(hubs::user(&scim, &format!("stays-{number}@example.com")).await);
        }
        let names: Vec<&str> = stay.iter().map(String::as_str).collect();
        let editors = hubs::group(&scim, "editors", &names).await;
        let path = format!("/scim/v2/Groups/{editors}");
        let reply = scim.patch(&path, &joining(std::slice::from_ref(&ann))).await.expect(204);
        let request = reply.header("x-request-id").unwrap().to_owned();
        hubs::tasks(&admin, "hub=ads&status=completed", 13).await;
        let explain = async |user: &str| {
            let why = admin.get(&format!("/api/v1/hubs/ads/users/{user}/explain")).await.expect(200).json();
            assert!(!why["summary"].as_array().unwrap().is_empty(), "{}: {why}", database.name);
            why
        };

        // Present: request, membership, mapping, entitlement, task, attempt, account.
        let here = explain(&ann).await;
        assert!(here["activity"].to_string().contains(&request), "{}: the request: {here}", database.name);
        let mapping = &here["mappings"][0];
        assert_eq!((&mapping["subject"], &mapping["applies"]), (&json!("group editors"), &json!("counts")));
        assert!(mapping["member_since"].is_string(), "{}: the membership: {here}", database.name);
        assert_eq!(here["wanted"]["role"], "editor", "{}", database.name);
        assert_eq!(here["wanted"]["reasons"][0]["mapping"], mapping["id"], "{}: {here}", database.name);
        let task = &here["tasks"][0];
        assert_eq!((&task["status"], &task["request_id"]), (&json!("completed"), &json!(request)));
        assert_eq!(task["tries"][0]["outcome"], "applied", "{}: {task}", database.name);
        assert_eq!((&here["known"]["known"], &here["known"]["role"]), (&json!("active"), &json!("editor")));

        // Absent.
        let absent = explain(&bob).await;
        assert_eq!(absent["mappings"][0]["applies"], "not_in_group", "{}", database.name);
        assert_eq!((&absent["wanted"]["seat"], &absent["tasks"]), (&json!(false), &json!([])), "{}", database.name);

        // Past, also of somebody who is deleted: two leave, few enough for the guard.
        holding::deactivate(&scim, &ann).await;
        scim.delete(&format!("/scim/v2/Users/{}", stay[0])).await.expect(204);
        hubs::tasks(&admin, "hub=ads&status=completed&kind=remove", 2).await;
        for (user, state) in [(&ann, "inactive"), (&stay[0], "deleted")] {
            let past = explain(user).await;
            assert_eq!(past["user"]["state"], state, "{}", database.name);
            assert_eq!(past["known"]["known"], "absent", "{}", database.name);
            let interval = &past["access"][0];
            assert!(interval["from"].is_string() && interval["to"].is_string(), "{}: {past}", database.name);
            assert_eq!(interval["role"], "editor", "{}", database.name);
        }
    }
}
