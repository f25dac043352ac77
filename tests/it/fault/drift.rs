//! F-09: 500 accounts are lost or changed behind our back. One sync finds all of it in one pass; a
//! hub that repairs puts each right once.

use serde_json::{Value, json};

use crate::hub_rules::sync::{hub, member, serve, sync};
use crate::hubs::{self, SOON, clients, mapping, mending};
use crate::support::http::Client;
use crate::support::{databases, eventually};

const PEOPLE: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn f_09_one_sync_finds_500_drifts_and_each_is_repaired_at_most_once() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let policy = json!({"drift": "repair", "sync_threshold_percent": 50, "max_in_flight": 20});
        hub(&admin, &app, "ads", json!({"policy": policy})).await;
        mapping(&admin, "ads", &json!({"group": "editors", "app_role": "editor"})).await;
        let mut people = Vec::new();
        for n in 0..PEOPLE {
            people.push(hubs::user(&scim, &format!("p{n}@example.com")).await);
        }
        let names: Vec<&str> = people.iter().map(String::as_str).collect();
        hubs::group(&scim, "editors", &names).await;
        let counts = || app.state()["spaces"]["ads"]["counts"].clone();
        let rest = async |what: &str| {
            eventually(what, SOON * 4, async || {
                let status = admin.get("/api/v1/status").await.expect(200).json();
                let open = admin.get("/api/v1/tasks?hub=ads&status=open&limit=1").await.expect(200).json();
                status["hubs"][0]["marks"] == 0 && open["items"].as_array().unwrap().is_empty()
            })
            .await;
        };
        eventually("everybody has a seat", SOON * 4, async || counts()["create"] == PEOPLE).await;
        rest("at rest after the first push").await;

        // Behind our back: 250 are gone, 250 have another role.
        let seats = app.state()["spaces"]["ads"]["seats"].as_array().unwrap().clone();
        let board = Client::new(&app.base(), mending::GOOD);
        let viewer = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
            {"op": "replace", "path": "roles", "value": [{"value": "viewer", "primary": true}]}]});
        for (n, seat) in seats.iter().take(500).enumerate() {
            let path = format!("/ads/scim/v2/Users/{}", seat["id"].as_str().unwrap());
            match n % 2 {
                0 => board.delete(&path).await.expect(204),
                _ => board.patch(&path, &viewer).await.expect(200),
            };
        }
        let done = sync(&admin, "ads").await;
        let found = &done["sync"]["counts"];
        assert_eq!((&found["changed"], &found["removed"]), (&json!(250), &json!(250)), "{}: {done}", database.name);
        eventually("all is put right", SOON * 4, async || {
            counts()["create"] == PEOPLE + 250 && counts()["role"] == 500
        })
        .await;
        rest("at rest after the repair").await;
        // Once each: 250 were changed behind our back and 250 changed back; nothing twice.
        let after = counts();
        assert_eq!((&after["create"], &after["role"]), (&json!(PEOPLE + 250), &json!(500)), "{}", database.name);
        assert_eq!(app.state()["spaces"]["ads"]["duplicates"], 0, "{}", database.name);
        let again = sync(&admin, "ads").await;
        assert_eq!(again["sync"]["counts"]["changed"], 0, "{}: {again}", database.name);
        rest("at rest after another sync").await;
        assert_eq!(counts(), after, "{}: a sync that finds nothing changes nothing", database.name);
        assert_eq!(member(&admin, "ads", "p1@example.com").await["role"], Value::from("editor"));
    }
}
