//! Lists of many users that nobody counts to: whatever comes and goes, each page is the one that counting
//! would have found, and the total is right.

use std::time::Duration;

use scimhub::base::clock::TestClock;
use scimhub::base::ids::{SourceId, UserId, WorkspaceId};
use scimhub::base::random::Ids;
use scimhub::scim::user;
use scimhub::store::{StoreError, users};
use serde_json::json;

use super::scim_support::{USERS, make_user};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases};

/// More than two of the steps in which places are remembered.
const CROWD: usize = 1_203;

/// People that came a day ago; their ids in order.
async fn crowd(database: &Database) -> Vec<String> {
    let store = database.open();
    let now = store.clock().now();
    let ids = Ids::new(TestClock::at(now.minus(Duration::from_secs(86_400))));
    let mut ids: Vec<_> = (0..CROWD).map(|_| UserId::from_uuid(ids.next())).collect();
    ids.sort();
    let people: Vec<_> = ids
        .into_iter()
        .enumerate()
        .map(|(n, id)| {
            let document = json!({ "userName": format!("c{n:04}@example.com") });
            let keys = user::keys(document.as_object().unwrap()).unwrap();
            (id, keys, document.to_string())
        })
        .collect();
    let made = people.iter().map(|(id, ..)| id.to_string()).collect();
    store
        .write(move |tx| {
            people.iter().try_for_each(|(id, keys, text)| {
                users::insert(tx, WorkspaceId(1), SourceId(1), *id, keys, text, now).map(|_| ())
            })?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    made
}

/// Every page of this many, in both directions, against what there is.
async fn holds(client: &Client, there: &[String]) {
    for start in [1, 2, 500, 501, 502, 999, 1_000, 1_001, there.len() - 1, there.len(), there.len() + 1, 700, 3] {
        let body = client.get(&format!("{USERS}?startIndex={start}&count=3&attributes=id")).await.expect(200).json();
        assert_eq!(body["totalResults"], there.len(), "startIndex={start}");
        let shown: Vec<&str> =
            body["Resources"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        let wanted: Vec<&str> = there.iter().skip(start - 1).take(3).map(String::as_str).collect();
        assert_eq!(shown, wanted, "startIndex={start} of {}", there.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_page_is_right_whoever_came_or_left_meanwhile() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let mut there = crowd(&database).await;
        holds(&client, &there).await;
        // Somebody who comes is counted at once.
        there.push(make_user(&client, "new@example.com").await);
        holds(&client, &there).await;
        // Whoever leaves moves everybody behind them, however often it happens.
        for gone in [700, 0, 400, there.len() - 4] {
            client.delete(&format!("{USERS}/{}", there.remove(gone))).await.expect(204);
            holds(&client, &there).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_that_are_removed_and_people_that_are_erased_are_not_counted() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (scim, admin) = (server.client("scim"), server.client("admin"));
        let mut there = crowd(&database).await;
        let guest =
            admin.post("/api/v1/guests", &json!({ "email": "guest@elsewhere.example" })).await.expect(201).json();
        there.push(guest["id"].as_str().unwrap().to_owned());
        // An admin's token sees all sources, guests among them.
        holds(&admin, &there).await;
        holds(&scim, &there[..CROWD]).await;
        admin.delete(&format!("/api/v1/guests/{}", there.pop().unwrap())).await.expect(204);
        holds(&admin, &there).await;
        let erased = there.remove(20);
        let operations = json!([{"op": "replace", "path": "active", "value": false}]);
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        let body = json!({"schemas": schemas, "Operations": operations});
        scim.patch(&format!("{USERS}/{erased}"), &body).await.expect(200);
        admin.post(&format!("/api/v1/people/{erased}/erase"), &json!({})).await.expect(200);
        holds(&admin, &there).await;
        holds(&scim, &there).await;
    }
}
