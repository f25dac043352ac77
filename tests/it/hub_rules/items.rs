//! Items for a person: who does one and until when; and the card of failures (R6.8).

use diesel::prelude::*;
use scimhub::base::clock::{Clock as _, SystemClock};
use scimhub::store::StoreError;
use scimhub::store::schema::tasks as task_table;
use serde_json::{Value, json};

use super::Stage;
use crate::hubs::{self, SOON, mending};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

const HOUR: i64 = 3_600_000_000;

fn at(value: &Value) -> i64 {
    scimhub::base::clock::Micros::parse_rfc3339(value.as_str().unwrap()).unwrap().0
}

/// Time passes for all tasks: what they say of times is this much earlier.
async fn age(database: &Database, hours: i64) {
    database
        .open()
        .write(move |tx| {
            diesel::update(task_table::table)
                .set((
                    task_table::modified_at.eq(task_table::modified_at - hours * HOUR),
                    task_table::due_at.eq(task_table::due_at - hours * HOUR),
                ))
                .execute(&mut **tx)?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_has_an_owner_and_a_time_and_both_can_be_changed() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        hubs::manual_hub(&admin, "box").await;
        let boss = hubs::user(&scim, "boss@example.com").await;
        let share = json!({"user": "boss@example.com", "hub_role": "owner", "app_role": "member", "seat": false});
        hubs::mapping(&admin, "box", &share).await;
        hubs::mapping(&admin, "box", &json!({"group": "editors", "app_role": "member"})).await;
        let ann = hubs::user(&scim, "ann@example.com").await;
        let editors = hubs::group(&scim, "editors", &[&ann]).await;
        let item = hubs::tasks(&admin, &format!("user={ann}&status=manual"), 1).await.remove(0);
        let path = format!("/api/v1/tasks/{}", item["id"].as_str().unwrap());
        assert_eq!(at(&item["due"]) - at(&item["created"]), 72 * HOUR, "{}: {item}", database.name);
        assert_eq!(item.get("overdue"), None);
        let wanted = json!({"user": boss, "name": "boss@example.com", "from": "hub"});
        assert_eq!(item["owner"], wanted, "{}: {item}", database.name);

        let change = async |body: Value| admin.patch(&path, &body).await;
        let named = change(json!({"owner": {"user": "ANN@example.com"}})).await.expect(200).json();
        assert_eq!(named["owner"], json!({"user": ann, "name": "ann@example.com", "from": "person"}), "{named}");
        let free = change(json!({"owner": {"name": " The IT desk "}, "due": "2099-01-01T00:00:00Z"})).await;
        assert!(free.expect(400).text().contains("a year ahead"));
        let tomorrow = SystemClock::new().now().plus(std::time::Duration::from_secs(24 * 3_600)).to_rfc3339();
        let free = change(json!({"owner": {"name": " The IT desk "}, "due": tomorrow})).await.expect(200).json();
        assert_eq!((&free["owner"]["name"], &free["due"]), (&json!("The IT desk"), &json!(tomorrow)), "{free}");
        assert_eq!(free["modified"], item["modified"], "it did not move");
        let back = change(json!({"owner": null})).await.expect(200).json();
        assert_eq!((&back["owner"], &back["due"]), (&wanted, &json!(tomorrow)), "{back}");
        change(json!({"due": null})).await.expect(200);
        eventually("the hub's time again", SOON, async || {
            let item = admin.get(&path).await.expect(200).json();
            item["due"].is_string() && at(&item["due"]) - at(&item["modified"]) == 72 * HOUR
        })
        .await;

        for (wrong, code) in [
            (json!({"owner": {"user": "nobody@example.com"}}), 400),
            (json!({"owner": {"user": ann, "name": "x"}}), 400),
            (json!({"owner": {}}), 400),
            (json!({"owner": {"name": " "}}), 400),
            (json!({"owner": {"name": "a\nb"}}), 400),
            (json!({"due": "tomorrow"}), 400),
            (json!({"due": "2020-01-01T00:00:00Z"}), 400),
            (json!({"until": null}), 400),
        ] {
            change(wrong.clone()).await.expect(code);
        }
        let told = admin.get("/api/v1/activity?kind=task.assigned").await.expect(200).json();
        let told = told["items"].as_array().unwrap();
        assert_eq!(told.len(), 4, "{}: {told:?}", database.name);
        assert_eq!(told[2]["detail"]["due"], tomorrow.as_str(), "{told:?}");
        assert_eq!(told[2]["personal"]["owner"], "The IT desk", "{told:?}");
        assert!(!told[2]["detail"].to_string().contains("desk"), "a name is personal: {told:?}");

        // The hub says otherwise: for items from then on.
        for hours in [0, 100_000] {
            admin.patch("/api/v1/hubs/box", &json!({"policy": {"manual_due_hours": hours}})).await.expect(400);
        }
        admin.patch("/api/v1/hubs/box", &json!({"policy": {"manual_due_hours": 4}})).await.expect(200);
        let bob = hubs::user(&scim, "bob@example.com").await;
        super::join(&scim, &editors, &bob).await;
        let his = hubs::tasks(&admin, &format!("user={bob}&status=manual"), 1).await.remove(0);
        assert_eq!(at(&his["due"]) - at(&his["created"]), 4 * HOUR, "{}: {his}", database.name);
        let file = admin.get("/api/v1/export").await.expect(200).text();
        assert!(file.contains("manual_due_hours = 4"), "{file}");

        let done = format!("/api/v1/tasks/{}/done", his["id"].as_str().unwrap());
        admin.post(&done, &json!({})).await.expect(400);
        admin.post(&done, &json!({"note": "by Bo"})).await.expect(200);
        let closed = format!("/api/v1/tasks/{}", his["id"].as_str().unwrap());
        admin.patch(&closed, &json!({"owner": null})).await.expect(409);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_past_its_time_is_overdue_wherever_one_looks() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        for hub in ["box", "other"] {
            hubs::manual_hub(&admin, hub).await;
        }
        admin.patch("/api/v1/hubs/other", &json!({"policy": {"manual_due_hours": 100}})).await.expect(200);
        for hub in ["box", "other"] {
            hubs::mapping(&admin, hub, &json!({"group": "editors", "app_role": "member"})).await;
        }
        let ann = hubs::user(&scim, "ann@example.com").await;
        hubs::group(&scim, "editors", &[&ann]).await;
        hubs::tasks(&admin, "status=manual", 2).await;
        assert_eq!(admin.get("/api/v1/tasks?overdue=true").await.expect(200).json()["items"], json!([]));
        age(&database, 80).await;
        let late = hubs::tasks(&admin, "overdue=true", 1).await.remove(0);
        assert_eq!((&late["hub"], &late["overdue"]), (&json!("box"), &json!(true)), "{}: {late}", database.name);
        let status = admin.get("/api/v1/status").await.expect(200).json();
        let by_hub: Vec<_> = status["hubs"].as_array().unwrap().iter().map(|hub| hub["overdue"].clone()).collect();
        assert_eq!((&status["overdue"], by_hub), (&json!(1), vec![json!(1), json!(0)]), "{status}");
        eventually("the metrics", SOON, async || {
            let text = admin.get("/metrics").await.expect(200).text();
            let seconds = text.lines().find(|line| line.starts_with("scimhub_items_overdue_seconds"));
            let seconds: i64 = seconds.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
            text.contains("scimhub_items_overdue 1") && (28_000..40_000).contains(&seconds)
        })
        .await;
    }
}

/// The card, by group.
async fn card(client: &Client) -> [(i64, i64); 3] {
    let card = client.get("/api/v1/failures").await.expect(200).json();
    let words = ["user_access_termination", "user_access_management", "routine_sync"];
    words.map(|word| {
        let group = card["groups"].as_array().unwrap().iter().find(|one| one["group"] == word).unwrap();
        (group["failures"].as_i64().unwrap(), group["unread"].as_i64().unwrap())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_8_failures_of_seven_days_stand_in_three_groups_until_they_are_read() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (admin, scim) = (&stage.admin, &stage.scim);
        hubs::mapping(admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
        let mut people = Vec::new();
        for name in ["ann", "bob", "cid", "dee", "eve"] {
            people.push(hubs::user(scim, &format!("{name}@example.com")).await);
        }
        let ids: Vec<&str> = people.iter().map(String::as_str).collect();
        let editors = hubs::group(scim, "editors", &ids).await;
        hubs::tasks(admin, "hub=box&kind=add&status=completed", 5).await;
        assert_eq!(card(admin).await, [(0, 0); 3], "{}", database.name);

        for (request, status) in [("POST /Users", 400), ("DELETE /Users", 403), ("GET /Users?", 400)] {
            stage.app.fault(&json!({"match": request, "times": 0, "status": status})).unwrap();
        }
        let fay = hubs::user(scim, "fay@example.com").await;
        super::join(scim, &editors, &fay).await;
        hubs::tasks(admin, "hub=box&kind=add&status=not_completed", 1).await;
        super::set_active(scim, &people[0], false).await;
        let removal = hubs::tasks(admin, "hub=box&kind=remove&status=manual", 1).await.remove(0);
        assert_eq!(card(admin).await, [(1, 1), (1, 1), (0, 0)], "{}", database.name);
        let all = admin.get("/api/v1/failures").await.expect(200).json();
        assert_eq!(all["groups"][0]["newest"][0]["id"], removal["id"], "{all}");

        // One reads of them; another has not.
        admin.post("/api/v1/failures/read", &json!({"group": "all"})).await.expect(400);
        let read = json!({"group": "user_access_termination"});
        let reply = admin.post("/api/v1/failures/read", &read).await.expect(200).json();
        assert_eq!((&reply["groups"][0]["unread"], &reply["groups"][1]["unread"]), (&json!(0), &json!(1)));
        let output = stage.server.run(&["token", "create", "--scope", "admin", "--name", "other"]);
        let token = String::from_utf8(output.stdout).unwrap();
        let other = Client::new(&stage.server.base, token.trim());
        assert_eq!(card(&other).await, [(1, 1), (1, 1), (0, 0)], "{}", database.name);
        admin.post("/api/v1/failures/read", &json!({})).await.expect(200);
        assert_eq!(card(admin).await, [(1, 0), (1, 0), (0, 0)], "{}", database.name);
        assert_eq!(stage.told("failures.read").await.len(), 2);

        // A sync that fails is new; what is mended is no failure any more.
        admin.post("/api/v1/hubs/box/sync", &json!({})).await;
        eventually("the sync failed", SOON, async || {
            let tasks = admin.get("/api/v1/tasks?hub=box&kind=sync&status=not_completed").await.expect(200).json();
            !tasks["items"].as_array().unwrap().is_empty()
        })
        .await;
        assert_eq!(card(admin).await[2], (1, 1), "{}", database.name);
        Client::new(&stage.app.base(), mending::GOOD).delete("/_test/faults").await.expect(200);
        let retry = format!("/api/v1/tasks/{}/retry", removal["id"].as_str().unwrap());
        admin.post(&retry, &json!({})).await.expect(200);
        stage.until_role("ann@example.com", None).await;
        eventually("no removal failed", SOON, async || card(admin).await[0] == (0, 0)).await;

        // What no machine does is work, not a failure; and after seven days the card is empty.
        hubs::manual_hub(admin, "wiki").await;
        hubs::mapping(admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        hubs::tasks(admin, "hub=wiki&status=manual", 5).await;
        assert_eq!(card(admin).await, [(0, 0), (1, 0), (1, 1)], "{}", database.name);
        age(&database, 24 * 7 + 1).await;
        assert_eq!(card(admin).await, [(0, 0); 3], "{}", database.name);
    }
}
