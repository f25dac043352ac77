//! Section 4.2: what a member's row says while its task is under way, after it failed and after it
//! succeeded; and what only a moved clock shows of syncs (R7.1, section 7).

use diesel::prelude::*;
use scimhub::base::clock::{Clock as _, SystemClock};
use scimhub::store::StoreError;
use scimhub::store::schema::hubs as hub_table;
use serde_json::{Value, json};

use super::sync::{hub, members, seats, serve, sync};
use crate::hubs::{self, SOON, clients, mapping, mending, user};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

const ANN: &str = "ann@example.com";

async fn status_of(admin: &Client, hub: &str, user: &str) -> Value {
    let all = members(admin, hub).await;
    all.iter().find(|one| one["user"] == user).map_or(Value::Null, |one| one["status"].clone())
}

async fn until(admin: &Client, user: &str, status: &str) {
    eventually(&format!("the row says {status:?}"), SOON, async || status_of(admin, "ads", user).await == status).await;
}

/// The open or refused task of this kind is tried again.
async fn again(admin: &Client, kind: &str, status: &str) {
    let task = hubs::tasks(admin, &format!("hub=ads&kind={kind}&status={status}"), 1).await.remove(0);
    let path = format!("/api/v1/tasks/{}/retry", task["id"].as_str().unwrap());
    admin.post(&path, &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_2_a_failed_task_says_so_on_the_row_until_it_works() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let board = Client::new(&app.base(), mending::GOOD);
        let refuse = async |request: &str, status: u16| {
            let fault = json!({"match": request, "times": 0, "status": status, "body": {"detail": "not like this"}});
            board.post("/_test/faults", &fault).await.expect(200);
        };
        let works = async || drop(board.delete("/_test/faults").await.expect(200));
        hub(&admin, &app, "ads", json!({"login": "sso"})).await;
        for (group, role) in [("viewers", "viewer"), ("editors", "editor")] {
            mapping(&admin, "ads", &json!({"group": group, "app_role": role})).await;
        }
        // Enough who stay: the guard asks before half of a hub goes.
        let mut viewers = Vec::new();
        for name in ["bob", "cid", "dee", "eve"] {
            viewers.push(user(&scim, &format!("{name}@example.com")).await);
        }
        let stay: Vec<&str> = viewers.iter().map(String::as_str).collect();
        let all = hubs::group(&scim, "viewers", &stay).await;
        let editors = hubs::group(&scim, "editors", &[]).await;
        hubs::tasks(&admin, "hub=ads&kind=add&status=completed", 4).await;
        // Refused for good.
        refuse("POST /ads/", 400).await;
        let ann = user(&scim, ANN).await;
        super::join(&scim, &all, &ann).await;
        until(&admin, &ann, "invite_failed").await;
        works().await;
        again(&admin, "add", "not_completed").await;
        until(&admin, &ann, "").await;
        // A person must.
        refuse("PATCH /ads/", 403).await;
        super::join(&scim, &editors, &ann).await;
        until(&admin, &ann, "update_failed").await;
        hubs::tasks(&admin, "hub=ads&kind=update_role&status=manual", 1).await;
        works().await;
        again(&admin, "update_role", "manual").await;
        until(&admin, &ann, "").await;
        refuse("DELETE /ads/", 403).await;
        super::set_active(&scim, &ann, false).await;
        until(&admin, &ann, "deprovisioning_failed").await;
        works().await;
        again(&admin, "remove", "manual").await;
        until(&admin, &ann, "removed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_2_who_joined_with_a_password_is_awaited_at_login() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        hub(&admin, &app, "ads", json!({"login": "password"})).await;
        mapping(&admin, "ads", &json!({"group": "editors", "app_role": "editor"})).await;
        let ann = user(&scim, ANN).await;
        hubs::group(&scim, "editors", &[&ann]).await;
        until(&admin, &ann, "awaiting_user_login").await;
        // A sync that sees the account has nothing to add.
        sync(&admin, "ads").await;
        assert_eq!(status_of(&admin, "ads", &ann).await, "awaiting_user_login", "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_4_a_role_and_a_removal_done_by_hand_are_seen_too() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let board = Client::new(&app.base(), mending::GOOD);
        hub(&admin, &app, "ads", json!({"login": "sso", "policy": {"sync_threshold_percent": 100}})).await;
        for (group, role) in [("viewers", "viewer"), ("editors", "editor")] {
            mapping(&admin, "ads", &json!({"group": group, "app_role": role})).await;
        }
        let mut people = Vec::new();
        for name in ["ann", "bob", "cid", "dee", "eve"] {
            people.push(user(&scim, &format!("{name}@example.com")).await);
        }
        let all: Vec<&str> = people.iter().map(String::as_str).collect();
        hubs::group(&scim, "viewers", &all).await;
        let editors = hubs::group(&scim, "editors", &[]).await;
        hubs::tasks(&admin, "hub=ads&kind=add&status=completed", 5).await;
        for request in ["PATCH /ads/", "DELETE /ads/"] {
            board.post("/_test/faults", &json!({"match": request, "times": 0, "status": 403})).await.expect(200);
        }
        super::join(&scim, &editors, &people[0]).await;
        super::set_active(&scim, &people[1], false).await;
        hubs::tasks(&admin, "hub=ads&status=manual", 2).await;
        assert_eq!(sync(&admin, "ads").await["sync"]["counts"]["closed"], 0, "{}: nothing is done yet", database.name);
        // A person does both in the app.
        board.delete("/_test/faults").await.expect(200);
        let role = json!({"op": "replace", "path": "roles", "value": [{"value": "editor", "primary": true}]});
        super::sync::alter(&app, "ads", ANN, role).await;
        super::sync::free(&app, "ads", "bob@example.com").await;
        let done = sync(&admin, "ads").await;
        assert_eq!(done["sync"]["counts"]["closed"], 2, "{}: {done}", database.name);
        hubs::tasks(&admin, "hub=ads&status=manual", 0).await;
        assert_eq!(status_of(&admin, "ads", &people[0]).await, "", "{}", database.name);
        assert_eq!(status_of(&admin, "ads", &people[1]).await, "removed", "{}", database.name);
        for kind in ["update_role", "remove"] {
            let item = hubs::tasks(&admin, &format!("hub=ads&kind={kind}"), 1).await.remove(0);
            assert_eq!((&item["status"], &item["finished_by"]), (&json!("completed"), &json!("sync")), "{item}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_8_the_service_account_is_not_removed_by_hand_nor_with_a_grant() {
    const ROBOT: &str = "robot@example.com";
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let here = [(ROBOT, "admin", true), ("other@example.com", "viewer", true)];
        seats(&app, "ads", &here).await;
        hub(&admin, &app, "ads", json!({"connection": {"service_account": "Robot@example.com"}})).await;
        sync(&admin, "ads").await;
        let remove = async |email: &str| {
            let id = super::sync::member(&admin, "ads", email).await["id"].as_str().unwrap().to_owned();
            admin.post(&format!("/api/v1/hubs/ads/members/{id}/remove"), &json!({"mode": "hub_and_app"})).await
        };
        let refused = remove(ROBOT).await.expect(409);
        assert!(refused.text().contains("works with"), "{}", refused.text());
        // Somebody of that address joins a group and leaves again, as a leaver does.
        mapping(&admin, "ads", &json!({"group": "editors", "app_role": "admin"})).await;
        let robot = user(&scim, ROBOT).await;
        hubs::group(&scim, "editors", &[&robot]).await;
        hubs::tasks(&admin, "hub=ads&kind=add&status=completed", 1).await;
        super::set_active(&scim, &robot, false).await;
        eventually("nothing is left to plan", SOON, async || {
            admin.get("/api/v1/status").await.expect(200).json()["hubs"][0]["marks"] == 0
        })
        .await;
        hubs::tasks(&admin, "hub=ads&kind=remove", 0).await;
        sync(&admin, "ads").await;
        hubs::tasks(&admin, "hub=ads&kind=remove", 0).await;
        let seats = app.state()["spaces"]["ads"]["seats"].clone();
        assert!(seats.to_string().contains(ROBOT), "{}: {seats}", database.name);
        let refused = remove(ROBOT).await;
        assert_eq!(refused.status, 409, "{}", refused.text());
        // Anybody else's unmatched account is removed.
        let gone = remove("other@example.com").await;
        assert!((200..300).contains(&gone.status), "{}", gone.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_6_a_look_alike_of_another_script_does_not_adopt_the_account() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        seats(&app, "ads", &[(ANN, "admin", true), ("bob@example.com", "viewer", true)]).await;
        hub(&admin, &app, "ads", json!({"login": "sso"})).await;
        sync(&admin, "ads").await;
        mapping(&admin, "ads", &json!({"group": "editors", "app_role": "editor"})).await;
        // Full-width letters: they fold to the same, and are another mailbox.
        let wide = user(&scim, "\u{ff41}\u{ff4e}\u{ff4e}@example.com").await;
        let bob = user(&scim, "Bob@example.com").await;
        hubs::group(&scim, "editors", &[&wide, &bob]).await;
        hubs::tasks(&admin, "hub=ads&kind=update_role&status=completed", 1).await;
        hubs::tasks(&admin, "hub=ads&kind=add&status=completed", 1).await;
        let all = members(&admin, "ads").await;
        let unmatched: Vec<&Value> = all.iter().filter(|one| one["bucket"] == "unmatched").collect();
        assert_eq!(unmatched.len(), 1, "{}: {all:?}", database.name);
        assert_eq!((&unmatched[0]["email"], &unmatched[0]["role"]), (&json!(ANN), &json!("admin")), "{all:?}");
        assert!(all.iter().any(|one| one["user"] == wide.as_str()), "{all:?}");
        let seats = app.state()["spaces"]["ads"]["seats"].as_array().unwrap().clone();
        assert_eq!(seats.len(), 3, "{}: a seat of their own: {seats:?}", database.name);
        let bobs = all.iter().find(|one| one["user"] == bob.as_str()).unwrap();
        assert_eq!((&bobs["role"], &bobs["managed"]), (&json!("editor"), &json!(true)), "{bobs}");
    }
}

/// Set a time of the hub's row back by so many hours, as if they had passed.
async fn hours_pass(database: &Database, hours: i64) {
    let store = database.open();
    let past = SystemClock::new().now().0 - hours * 3_600 * 1_000_000;
    store
        .write(move |tx| {
            diesel::update(hub_table::table)
                .set((hub_table::sync_due_at.eq(past), hub_table::last_synced_at.eq(Some(past))))
                .execute(&mut **tx)?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
}

async fn next_due(database: &Database) -> i64 {
    let store = database.open();
    store.read(|conn| Ok::<_, StoreError>(hub_table::table.select(hub_table::sync_due_at).first(conn)?)).await.unwrap()
}

fn serve_daily(database: &Database) -> Server {
    let daily = [("SCIMHUB_AUTOMATIC_SYNC", String::from("true"))];
    Server::try_start_in(database, &["--app-network", "127.0.0.0/8"], &daily).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_1_a_day_later_it_is_synced_again_and_once_after_days_without_a_server() {
    for database in databases() {
        let server = serve_daily(&database);
        let (admin, _) = clients(&server);
        let app = mending::sandbox();
        seats(&app, "ads", &[(ANN, "editor", true)]).await;
        hub(&admin, &app, "ads", json!({})).await;
        hubs::tasks(&admin, "hub=ads&kind=sync&status=completed", 1).await;
        hours_pass(&database, 1).await;
        hubs::tasks(&admin, "hub=ads&kind=sync&status=completed", 2).await;
        let day = 24 * 3_600 * 1_000_000;
        let now = SystemClock::new().now().0;
        let due = next_due(&database).await;
        assert!(due > now && due <= now + day, "{}: the next is within a day", database.name);
        server.kill();
        hours_pass(&database, 5 * 24).await;
        let server = serve_daily(&database);
        let admin = server.client("admin");
        hubs::tasks(&admin, "hub=ads&kind=sync&status=completed", 3).await;
        assert!(next_due(&database).await > now, "{}: five missed days are one sync", database.name);
        let all = hubs::tasks(&admin, "hub=ads&kind=sync", 3).await;
        assert!(all.iter().all(|one| one["cause"] == "daily_sync"), "{}: {all:?}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn section_7_two_days_without_a_sync_are_told() {
    for database in databases() {
        let server = serve(&database);
        let (admin, _) = clients(&server);
        let app = mending::sandbox();
        hub(&admin, &app, "ads", json!({})).await;
        sync(&admin, "ads").await;
        let status = async || admin.get("/api/v1/hubs/ads").await.expect(200).json()["status"].clone();
        assert_eq!(status().await, "healthy", "{}", database.name);
        hours_pass(&database, 49).await;
        assert_eq!(status().await, "requires_sync", "{}", database.name);
        sync(&admin, "ads").await;
        assert_eq!(status().await, "healthy", "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_09_a_list_that_must_wait_in_the_middle_goes_on_there() {
    for database in databases() {
        let server = serve(&database);
        let (admin, _) = clients(&server);
        let app = mending::sandbox();
        let board = Client::new(&app.base(), mending::GOOD);
        board.post("/_test/seed", &json!({"space": "ads", "people": 450})).await.expect(200);
        let busy = json!({"match": "startIndex=301", "times": 1, "status": 429, "headers": {"Retry-After": "1"}});
        hub(&admin, &app, "ads", json!({})).await;
        board.post("/_test/faults", &busy).await.expect(200);
        let done = sync(&admin, "ads").await;
        assert_eq!((&done["sync"]["seen"], &done["sync"]["counts"]["found"]), (&json!(450), &json!(450)), "{done}");
        assert_eq!(done["attempts"], 1, "{}: waiting costs no attempt: {done}", database.name);
        let log = board.get("/_test/log").await.expect(200).json();
        let asked = |place: &str| {
            let requests = log["requests"].as_array().unwrap();
            requests.iter().filter(|one| one["target"].as_str().unwrap().contains(place)).count()
        };
        assert_eq!(asked("startIndex=301"), 2, "{}: {log}", database.name);
        assert_eq!(asked("startIndex=101"), 1, "{}: what was read is not read again", database.name);
    }
}
