//! R4.1 R4.7 R4.8 R4.11, R6.4 and section 7: what a sync sees, believes, takes over and leaves alone.

use scimhub::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::hubs::{self, SOON, clients, holding, mapping, mending, user};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

/// A server that may call the practice app, and syncs only when asked.
pub fn serve(database: &Database) -> Server {
    Server::start(database, &["--app-network", "127.0.0.0/8"])
}

/// One that syncs by itself too.
fn serve_daily(database: &Database) -> Server {
    let daily = [("SCIMHUB_AUTOMATIC_SYNC", String::from("true"))];
    Server::try_start_in(database, &["--app-network", "127.0.0.0/8"], &daily).unwrap()
}

/// A hub of the practice app without mappings; `more` is merged into the request.
pub async fn hub(admin: &Client, app: &Sandbox, id: &str, more: Value) {
    let mut body = json!({"id": id, "app": "sandbox", "mode": "active", "settle": "0s",
        "connection": {"base_url": app.scim(id), "token": {"secret": "TOKEN"}}, "secrets": {"TOKEN": mending::GOOD}});
    for (name, value) in more.as_object().unwrap() {
        match (&mut body[name], value) {
            (Value::Object(into), Value::Object(from)) => into.extend(from.clone()),
            (into, value) => *into = value.clone(),
        }
    }
    admin.post("/api/v1/hubs", &body).await.expect(201);
}

/// Put accounts into a space of the practice app: e-mail, role, active.
pub async fn seats(app: &Sandbox, space: &str, seats: &[(&str, &str, bool)]) {
    let users: Vec<Value> = seats
        .iter()
        .map(|(email, role, active)| {
            json!({"userName": email, "active": active, "emails": [{"value": email, "primary": true}],
                "roles": [{"value": role, "primary": true}]})
        })
        .collect();
    let seed = json!({"space": space, "unique": false, "users": users});
    Client::new(&app.base(), mending::GOOD).post("/_test/seed", &seed).await.expect(200);
}

fn seat_id(app: &Sandbox, space: &str, email: &str) -> String {
    let state = app.state();
    let seats = state["spaces"][space]["seats"].as_array().unwrap();
    let seat = seats.iter().find(|seat| seat["userName"] == email).unwrap_or_else(|| panic!("no {email} in {state}"));
    seat["id"].as_str().unwrap().to_owned()
}

/// Somebody frees a seat in the app itself.
pub async fn free(app: &Sandbox, space: &str, email: &str) {
    let path = format!("/{space}/scim/v2/Users/{}", seat_id(app, space, email));
    Client::new(&app.base(), mending::GOOD).delete(&path).await.expect(204);
}

/// Somebody changes an account in the app itself.
pub async fn alter(app: &Sandbox, space: &str, email: &str, operation: Value) {
    let path = format!("/{space}/scim/v2/Users/{}", seat_id(app, space, email));
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
    Client::new(&app.base(), mending::GOOD).patch(&path, &patch).await.expect(200);
}

fn role_of(role: &str) -> Value {
    json!({"op": "replace", "path": "roles", "value": [{"value": role, "primary": true}]})
}

/// Wait for a task's end.
pub async fn closed(admin: &Client, task: &str) -> Value {
    let mut found = Value::Null;
    eventually("the sync's end", SOON, async || {
        found = admin.get(&format!("/api/v1/tasks/{task}")).await.expect(200).json();
        ["completed", "not_completed", "cancelled"].contains(&found["status"].as_str().unwrap())
    })
    .await;
    found
}

/// Sync a hub and wait for the end.
pub async fn sync_with(admin: &Client, hub: &str, body: Value) -> Value {
    let task = admin.post(&format!("/api/v1/hubs/{hub}/sync"), &body).await.expect(202).json();
    closed(admin, task["id"].as_str().unwrap()).await
}

/// The same, which must complete.
pub async fn sync(admin: &Client, hub: &str) -> Value {
    let task = sync_with(admin, hub, json!({})).await;
    assert_eq!(task["status"], "completed", "{task}");
    task
}

/// All members of a hub.
pub async fn members(admin: &Client, hub: &str) -> Vec<Value> {
    let page = admin.get(&format!("/api/v1/hubs/{hub}/members?limit=500")).await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

/// The member with this address.
pub async fn member(admin: &Client, hub: &str, email: &str) -> Value {
    let all = members(admin, hub).await;
    let one = all.iter().find(|one| one["email"] == email || one["display"] == email);
    one.unwrap_or_else(|| panic!("no {email} among {all:?}")).clone()
}

/// A person from outside, by `userType`.
async fn guest(scim: &Client, name: &str) -> String {
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "userType": "guest",
        "active": true, "emails": [{"value": name, "type": "work", "primary": true}]});
    scim.post("/scim/v2/Users", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_1_a_sync_matches_by_equal_e_mail_without_case_and_folds_nothing_else() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let ann = user(&scim, "Ann@Example.com").await;
        user(&scim, "bob@example.com").await;
        let gus = guest(&scim, "gus@outside.example").await;
        let here = [
            ("ANN@example.COM", "editor", true),
            ("bob+ads@example.com", "viewer", true),
            ("b.ob@example.com", "viewer", true),
            ("gus@outside.example", "viewer", true),
        ];
        seats(&app, "ads", &here).await;
        hub(&admin, &app, "ads", json!({})).await;
        let done = sync(&admin, "ads").await;
        assert_eq!((&done["sync"]["seen"], &done["sync"]["total"]), (&json!(4), &json!(4)), "{done}");
        assert_eq!(done["sync"]["counts"]["matched"], 2, "{done}");
        let found = member(&admin, "ads", "ann@example.com").await;
        assert_eq!(
            (&found["user"], &found["bucket"], &found["hub_role"]),
            (&json!(ann), &json!("onboarded"), &json!("collaborator"))
        );
        assert_eq!(
            (&found["known"], &found["role"], &found["managed"]),
            (&json!("active"), &json!("editor"), &json!(false))
        );
        assert_eq!(found["observed"]["role"], "editor", "{found}");
        let outside = member(&admin, "ads", "gus@outside.example").await;
        assert_eq!((&outside["user"], &outside["bucket"]), (&json!(gus), &json!("guest")), "{}", database.name);
        for other in ["bob+ads@example.com", "b.ob@example.com"] {
            let one = member(&admin, "ads", other).await;
            assert_eq!((&one["bucket"], &one["status"]), (&json!("unmatched"), &json!("unmatched_user")), "{one}");
        }
        // Who held what is known to auditors from the first sync on.
        let access = admin.get(&format!("/api/v1/access?user={ann}")).await.expect(200).json();
        assert_eq!(access["items"][0]["evidence"], "sync", "{access}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_7_accounts_disabled_in_the_app_are_not_matched() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let ann = user(&scim, "ann@example.com").await;
        seats(&app, "ads", &[("ann@example.com", "editor", false)]).await;
        hub(&admin, &app, "ads", json!({})).await;
        sync(&admin, "ads").await;
        let found = member(&admin, "ads", "ann@example.com").await;
        assert_eq!((&found["bucket"], &found["known"]), (&json!("unmatched"), &json!("suspended")), "{found}");
        // Enabled again, it is a match like any other.
        alter(&app, "ads", "ann@example.com", json!({"op": "replace", "path": "active", "value": true})).await;
        sync(&admin, "ads").await;
        assert_eq!(member(&admin, "ads", "ann@example.com").await["user"], ann, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_8_the_service_account_is_onboarded_and_never_a_target() {
    for database in databases() {
        let server = serve(&database);
        let (admin, _) = clients(&server);
        let app = mending::sandbox();
        seats(&app, "ads", &[("robot@example.com", "admin", true), ("other@example.com", "viewer", true)]).await;
        hub(&admin, &app, "ads", json!({"connection": {"service_account": "Robot@example.com"}})).await;
        sync(&admin, "ads").await;
        let robot = member(&admin, "ads", "robot@example.com").await;
        assert_eq!(
            (&robot["bucket"], &robot["protected"], &robot["managed"]),
            (&json!("onboarded"), &json!(true), &json!(false))
        );
        assert_eq!(member(&admin, "ads", "other@example.com").await["bucket"], "unmatched");
        let unmatched = admin.get("/api/v1/hubs/ads/members?bucket=unmatched").await.expect(200).json();
        assert!(!unmatched.to_string().contains("robot"), "{}: {unmatched}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_11_two_claims_on_one_person_are_a_conflict_that_is_reported() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let bob = user(&scim, "bob@example.com").await;
        user(&scim, "ann@example.com").await;
        seats(
            &app,
            "ads",
            &[
                ("ann@example.com", "editor", true),
                ("ANN@example.com", "viewer", true),
                ("bob@example.com", "viewer", true),
            ],
        )
        .await;
        hub(&admin, &app, "ads", json!({})).await;
        let done = sync(&admin, "ads").await;
        assert_eq!(done["sync"]["counts"]["conflicts"], 2, "{done}");
        let claims: Vec<Value> =
            members(&admin, "ads").await.into_iter().filter(|one| one["email"] == "ann@example.com").collect();
        assert_eq!(claims.len(), 2);
        for one in &claims {
            assert_eq!(
                (&one["bucket"], &one["status"], one.get("user")),
                (&json!("unmatched"), &json!("sync_failed"), None)
            );
        }
        // A second account of somebody who has one already.
        assert_eq!(member(&admin, "ads", "bob@example.com").await["user"], bob);
        seats(&app, "ads", &[("bob@EXAMPLE.com", "admin", true)]).await;
        sync(&admin, "ads").await;
        let bobs: Vec<Value> =
            members(&admin, "ads").await.into_iter().filter(|one| one["email"] == "bob@example.com").collect();
        assert_eq!(bobs.iter().filter(|one| one["user"] == bob).count(), 1, "{bobs:?}");
        assert_eq!(bobs.iter().filter(|one| one["status"] == "sync_failed").count(), 1, "{bobs:?}");
        assert!(holding::kinds(&admin).await.iter().any(|kind| kind == "member.conflict"), "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_4_a_sync_that_sees_the_wanted_state_closes_the_manual_item() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let board = Client::new(&app.base(), mending::GOOD);
        hub(&admin, &app, "ads", json!({})).await;
        mapping(&admin, "ads", &json!({"group": "editors", "app_role": "editor"})).await;
        // The app refuses additions: a person must.
        board.post("/_test/faults", &json!({"match": "POST /ads/", "times": 0, "status": 403})).await.expect(200);
        let ann = user(&scim, "ann@example.com").await;
        hubs::group(&scim, "editors", &[&ann]).await;
        let item = hubs::tasks(&admin, "hub=ads&status=manual", 1).await.remove(0);
        // Not done yet: it stays open.
        sync(&admin, "ads").await;
        hubs::tasks(&admin, "hub=ads&status=manual", 1).await;
        seats(&app, "ads", &[("ann@example.com", "editor", true)]).await;
        let done = sync(&admin, "ads").await;
        assert_eq!(done["sync"]["counts"]["closed"], 1, "{}: {done}", database.name);
        let item = admin.get(&format!("/api/v1/tasks/{}", item["id"].as_str().unwrap())).await.expect(200).json();
        assert_eq!((&item["status"], &item["finished_by"]), (&json!("completed"), &json!("sync")), "{item}");
        let found = member(&admin, "ads", "ann@example.com").await;
        assert_eq!((&found["user"], &found["managed"], &found["known"]), (&json!(ann), &json!(true), &json!("active")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_1_a_hub_is_synced_once_after_connecting_and_again_on_demand() {
    for database in databases() {
        let server = serve_daily(&database);
        let (admin, _) = clients(&server);
        let app = mending::sandbox();
        seats(&app, "ads", &[("ann@example.com", "editor", true)]).await;
        hub(&admin, &app, "ads", json!({"mode": "observe"})).await;
        let first = hubs::tasks(&admin, "hub=ads&kind=sync&status=completed", 1).await.remove(0);
        assert_eq!(first["cause"], "daily_sync", "{}", database.name);
        assert_eq!(members(&admin, "ads").await.len(), 1, "{}: a hub that observes is read", database.name);
        sync(&admin, "ads").await;
        hubs::tasks(&admin, "hub=ads&kind=sync&status=completed", 2).await;
        // An app that cannot be read says what to do instead, and nothing is queued for it.
        hubs::manual_hub(&admin, "by-hand").await;
        let refused = admin.post("/api/v1/hubs/by-hand/sync", &json!({})).await.expect(409).json();
        assert!(refused["detail"].as_str().unwrap().contains("mark each"), "{refused}");
        // A paused hub is read on a person's word; nothing is pushed.
        admin.post("/api/v1/pause", &json!({"hub": "ads"})).await.expect(204);
        sync(&admin, "ads").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_2_and_r7_3_a_sync_reads_all_pages_and_is_a_task_of_the_log_with_its_progress() {
    for database in databases() {
        let server = serve(&database);
        let (admin, _) = clients(&server);
        let app = mending::sandbox();
        let board = Client::new(&app.base(), mending::GOOD);
        board.post("/_test/seed", &json!({"space": "ads", "people": 1_234})).await.expect(200);
        hub(&admin, &app, "ads", json!({})).await;
        let done = sync(&admin, "ads").await;
        assert_eq!((&done["kind"], &done["subject"]), (&json!("sync"), &json!("sync")), "{done}");
        assert_eq!((&done["sync"]["seen"], &done["sync"]["total"]), (&json!(1_234), &json!(1_234)), "{done}");
        assert_eq!((&done["sync"]["phase"], &done["sync"]["counts"]["found"]), (&json!("done"), &json!(1_234)));
        let status = admin.get("/api/v1/status").await.expect(200).json();
        assert_eq!(status["hubs"][0]["members"]["unmatched"], 1_234, "{}: {status}", database.name);
        assert!(status["hubs"][0]["last_synced"].is_string());
        let told = holding::kinds(&admin).await;
        assert!(["hub.sync_requested", "hub.synced"].iter().all(|kind| told.iter().any(|one| one == kind)), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_4_somebody_who_arrives_later_is_matched_by_the_next_sync() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        seats(&app, "ads", &[("ann@example.com", "editor", true)]).await;
        hub(&admin, &app, "ads", json!({})).await;
        sync(&admin, "ads").await;
        let before = member(&admin, "ads", "ann@example.com").await;
        assert_eq!(before["bucket"], "unmatched");
        let ann = user(&scim, "ann@example.com").await;
        sync(&admin, "ads").await;
        let after = member(&admin, "ads", "ann@example.com").await;
        assert_eq!((&after["user"], &after["id"]), (&json!(ann), &before["id"]), "{}: the same row", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_5_and_r7_8_changes_in_the_app_are_taken_over_and_undone_only_where_the_hub_says_repair() {
    for drift in ["report", "repair"] {
        for database in databases() {
            let server = serve(&database);
            let (admin, scim) = clients(&server);
            let app = mending::sandbox();
            let policy = json!({"drift": drift, "sync_threshold_percent": 100});
            hub(&admin, &app, "ads", json!({"policy": policy})).await;
            mapping(&admin, "ads", &json!({"group": "editors", "app_role": "editor"})).await;
            let (ann, bob) = (user(&scim, "ann@example.com").await, user(&scim, "bob@example.com").await);
            hubs::group(&scim, "editors", &[&ann, &bob]).await;
            hubs::tasks(&admin, "hub=ads&kind=add&status=completed", 2).await;
            alter(&app, "ads", "ann@example.com", role_of("viewer")).await;
            free(&app, "ads", "bob@example.com").await;
            let done = sync(&admin, "ads").await;
            assert_eq!(done["sync"]["counts"]["changed"], 1, "{drift}: {done}");
            assert_eq!(done["sync"]["counts"]["removed"], 1, "{drift}: {done}");
            let tag = format!("{drift} on {}", database.name);
            match drift {
                "report" => {
                    let found = member(&admin, "ads", "ann@example.com").await;
                    assert_eq!((&found["role"], &found["known"]), (&json!("viewer"), &json!("active")), "{tag}");
                    let gone = member(&admin, "ads", "bob@example.com").await;
                    assert_eq!((&gone["known"], &gone["status"]), (&json!("absent"), &json!("removed")), "{tag}");
                    // The planner has its turn: somebody else's task is made and done, theirs are not.
                    user(&scim, "eve@example.com").await;
                    let tasks = hubs::tasks(&admin, "hub=ads&kind=add", 2).await.len();
                    assert_eq!(tasks, 2, "{tag}");
                    hubs::tasks(&admin, "hub=ads&kind=update_role", 0).await;
                }
                _ => {
                    hubs::tasks(&admin, "hub=ads&kind=update_role&status=completed", 1).await;
                    hubs::tasks(&admin, "hub=ads&kind=add&status=completed", 3).await;
                    let state = app.state()["spaces"]["ads"]["seats"].to_string();
                    assert!(state.contains("bob@example.com") && !state.contains("viewer"), "{tag}: {state}");
                    let access = admin.get(&format!("/api/v1/access?user={bob}")).await.expect(200).json();
                    assert!(access.to_string().contains("gone_in_app"), "{tag}: {access}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_6_a_sync_that_would_remove_more_than_the_threshold_applies_nothing() {
    for database in databases() {
        let server = serve(&database);
        let (admin, _) = clients(&server);
        let app = mending::sandbox();
        let names: Vec<String> = (0..10).map(|n| format!("p{n}@example.com")).collect();
        let all: Vec<(&str, &str, bool)> = names.iter().map(|name| (name.as_str(), "viewer", true)).collect();
        seats(&app, "ads", &all).await;
        hub(&admin, &app, "ads", json!({})).await;
        sync(&admin, "ads").await;
        // Two of ten are not more than 20 %.
        for name in &names[..2] {
            free(&app, "ads", name).await;
        }
        assert_eq!(sync(&admin, "ads").await["sync"]["counts"]["removed"], 2, "{}", database.name);
        // Two of eight are.
        for name in &names[2..4] {
            free(&app, "ads", name).await;
        }
        alter(&app, "ads", &names[9], role_of("admin")).await;
        let halted = sync_with(&admin, "ads", json!({})).await;
        assert_eq!(
            (&halted["status"], &halted["error"]["class"]),
            (&json!("not_completed"), &json!("sync_halted")),
            "{halted}"
        );
        assert_eq!(member(&admin, "ads", &names[2]).await["known"], "active", "nothing is applied");
        assert_eq!(member(&admin, "ads", &names[9]).await["role"], "viewer", "nothing is applied");
        let open = mending::problems(&admin).await;
        assert_eq!((open.len(), &open[0]["cause"]), (1, &json!("sync_halted")), "{open:?}");
        assert!(open[0]["message"].as_str().unwrap().contains("2 of 8"), "{open:?}");
        let hub = admin.get("/api/v1/hubs/ads").await.expect(200).json();
        assert_eq!(hub["status"], "under_review", "{hub}");
        assert!(holding::kinds(&admin).await.iter().any(|kind| kind == "sync.halted"));
        // A person's word, once.
        let forced = sync_with(&admin, "ads", json!({"accept_removals": true})).await;
        assert_eq!(
            (&forced["status"], &forced["sync"]["counts"]["removed"]),
            (&json!("completed"), &json!(2)),
            "{forced}"
        );
        assert!(mending::problems(&admin).await.is_empty(), "{}", database.name);
        // Or a higher threshold.
        for name in &names[4..7] {
            free(&app, "ads", name).await;
        }
        assert_eq!(sync_with(&admin, "ads", json!({})).await["status"], "not_completed");
        admin.patch("/api/v1/hubs/ads", &json!({"policy": {"sync_threshold_percent": 50}})).await.expect(200);
        assert_eq!(sync(&admin, "ads").await["sync"]["counts"]["removed"], 3, "{}", database.name);
        admin.patch("/api/v1/hubs/ads", &json!({"policy": {"sync_threshold_percent": 101}})).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_7_somebody_who_left_and_is_still_in_the_app_is_found_and_matched() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let ann = user(&scim, "ann@example.com").await;
        holding::deactivate(&scim, &ann).await;
        seats(&app, "ads", &[("ann@example.com", "editor", true)]).await;
        hub(&admin, &app, "ads", json!({})).await;
        sync(&admin, "ads").await;
        let found = member(&admin, "ads", "ann@example.com").await;
        assert_eq!(
            (&found["user"], &found["known"], &found["managed"]),
            (&json!(ann), &json!("active"), &json!(false))
        );
        // Never removed by automation: the account was not ours.
        hubs::tasks(&admin, "hub=ads&kind=remove", 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_9_a_second_sync_is_folded_into_the_open_one() {
    for database in databases() {
        let server = serve(&database);
        let (admin, _) = clients(&server);
        let app = mending::sandbox();
        let board = Client::new(&app.base(), mending::GOOD);
        // It waits for its turn a while: the app asks for time.
        let busy = json!({"times": 2, "status": 429, "headers": {"Retry-After": "1"}});
        board.post("/_test/faults", &busy).await.expect(200);
        hub(&admin, &app, "ads", json!({})).await;
        let first = admin.post("/api/v1/hubs/ads/sync", &json!({})).await.expect(202).json();
        let second = admin.post("/api/v1/hubs/ads/sync", &json!({"accept_removals": true})).await.expect(202).json();
        assert_eq!(first["id"], second["id"], "{}", database.name);
        assert_eq!(second["sync"]["accept_removals"], true, "{second}");
        let done = closed(&admin, first["id"].as_str().unwrap()).await;
        assert_eq!(done["status"], "completed", "{done}");
        hubs::tasks(&admin, "hub=ads&kind=sync", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn section_7_every_status_of_a_hub_is_reached() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let board = Client::new(&app.base(), mending::GOOD);
        let status = async |hub: &str| {
            let shown = admin.get(&format!("/api/v1/hubs/{hub}")).await.expect(200).json()["status"].clone();
            let all = admin.get("/api/v1/status").await.expect(200).json();
            let listed = all["hubs"].as_array().unwrap().iter().find(|one| one["id"] == hub).unwrap()["status"].clone();
            // Read one after the other: around a change they may differ.
            if shown == listed { shown } else { json!("changing") }
        };
        hub(&admin, &app, "ads", json!({})).await;
        assert_eq!(status("ads").await, "under_validation", "{}", database.name);
        sync(&admin, "ads").await;
        assert_eq!(status("ads").await, "healthy");
        hub(&admin, &app, "second", json!({})).await;
        assert_eq!(status("second").await, "healthy", "later hubs of the app skip the validation");
        admin.post("/api/v1/pause", &json!({"hub": "ads"})).await.expect(204);
        assert_eq!(status("ads").await, "disabled");
        admin.post("/api/v1/resume", &json!({"hub": "ads"})).await.expect(204);
        board.post("/_test/faults", &json!({"times": 0, "status": 401})).await.expect(200);
        admin.post("/api/v1/hubs/ads/sync", &json!({})).await.expect(202);
        eventually("the credential is refused", SOON, async || status("ads").await == "review_service_account").await;
        board.delete("/_test/faults").await.expect(200);
        admin.post("/api/v1/resume", &json!({"hub": "ads"})).await.expect(204);
        eventually("it is well again", SOON, async || status("ads").await == "healthy").await;
        // The app has no seat left: the plan must be changed before tasks go on.
        let full = json!({"match": "POST /ads/", "times": 0, "status": 403,
            "body": {"detail": "no free seat: all seats of this plan are taken"}});
        board.post("/_test/faults", &full).await.expect(200);
        mapping(&admin, "ads", &json!({"group": "editors", "app_role": "editor"})).await;
        let ann = user(&scim, "ann@example.com").await;
        hubs::group(&scim, "editors", &[&ann]).await;
        eventually("no seat is left", SOON, async || {
            ["review_configuration", "review_service_account"].contains(&status("ads").await.as_str().unwrap())
        })
        .await;
    }
}
