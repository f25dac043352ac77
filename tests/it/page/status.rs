//! What the status says of sources and hubs, and tasks over time: at the API, which the page shows.

use std::sync::Arc;

use scimhub::base::clock::SystemClock;
use scimhub::base::secret::SecretString;
use scimhub::sandbox::Sandbox;
use serde_json::{Value, json};

use super::{SOON, group, held_batch, mapping, tasks_of, user_named};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{databases, eventually};

async fn status(client: &Client) -> Value {
    client.get("/api/v1/status").await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_shows_its_failures_in_a_row_and_the_end_of_its_token() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        admin.post("/api/v1/sources", &json!({"name": "okta", "preset": "okta"})).await.expect(201);
        let source = async |name: &str| -> Value {
            let all = status(&admin).await["sources"].as_array().unwrap().clone();
            all.into_iter().find(|source| source["name"] == name).unwrap()
        };
        let fresh = source("okta").await;
        assert_eq!((&fresh["tokens"], &fresh["error_streak"]), (&json!(0), &json!(0)), "{fresh}");
        assert!(fresh.get("last_success").is_none() && fresh.get("token_expires").is_none(), "{fresh}");

        let wanted = json!({"name": "t", "scope": "scim", "source": "okta", "ttl": "10d"});
        let made = admin.post("/api/v1/tokens", &wanted).await.expect(201).json();
        let scim = Client::new(&server.base, made["token"].as_str().unwrap());
        scim.post("/scim/v2/Users", &json!({})).await.expect(400);
        scim.get("/scim/v2/Users/01890a5d-ac96-774b-bcce-b302099a8057").await.expect(404);
        scim.get("/scim/v2/Users?filter=((").await.expect(400);
        // What is looked for and not there is no failure. What is being written down this moment is
        // in neither place.
        let mut failing = json!(null);
        eventually("two failures in a row", SOON, async || {
            failing = source("okta").await;
            failing["error_streak"] == 2
        })
        .await;
        assert_eq!((&failing["tokens"], &failing["token_expires_soon"]), (&json!(1), &json!(true)), "{failing}");
        // Another process of the installation knows of the first one at once, of the others in a minute.
        if database.name == "postgres" {
            let second = Server::start(&database, &[]);
            let there = Client::new(&second.base, &server.token("read"));
            eventually("the streak at another replica", SOON, async || {
                let all = status(&there).await["sources"].as_array().unwrap().clone();
                all.iter().any(|source| source["name"] == "okta" && source["error_streak"] == 1)
            })
            .await;
        }
        scim.get("/scim/v2/Users").await.expect(200);
        let well = source("okta").await;
        assert_eq!(well["error_streak"], 0, "{well}");
        assert!(well["last_success"].is_string(), "{well}");
        assert_eq!(source("default").await["error_streak"], 0, "another source is not touched");

        // A longer token beside it says nothing until it is the one in use.
        let wanted = json!({"name": "t2", "scope": "scim", "source": "okta", "ttl": "90d"});
        let made = admin.post("/api/v1/tokens", &wanted).await.expect(201).json();
        eventually("the use of the first token is noted", SOON, async || {
            source("okta").await["token_expires_soon"] == true
        })
        .await;
        Client::new(&server.base, made["token"].as_str().unwrap()).get("/scim/v2/Users").await.expect(200);
        eventually("the longer one in use", SOON, async || source("okta").await["token_expires_soon"] == false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_shows_what_is_not_through() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        held_batch(&server, &admin).await;
        let all = status(&admin).await;
        let hub = &all["hubs"][0];
        assert_eq!(hub["tasks"], json!({"held": 2, "manual": 1}), "{hub}");
        assert_eq!(hub["unfinished_removals"]["count"], 3, "{hub}");
        assert!(hub["unfinished_removals"]["oldest_seconds"].as_u64().unwrap() < 60, "{hub}");
        assert!(hub.get("progress").is_none(), "nothing is under way: {hub}");
        assert_eq!((&all["held"], &all["tasks"]["completed"]), (&json!(2), &json!(4)), "{all}");
        for (reach, stretches) in [("day", 24), ("hour", 60)] {
            let path = format!("/api/v1/tasks/history?reach={reach}");
            let history = admin.get(&path).await.expect(200).json();
            let found = history["stretches"].as_array().unwrap();
            assert_eq!(found.len(), stretches);
            let sum = |name: &str| found.iter().map(|one| one[name].as_i64().unwrap()).sum::<i64>();
            let sums = ["completed", "held", "manual", "open", "withdrawn", "not_completed"].map(sum);
            assert_eq!(sums, [4, 2, 1, 0, 0, 0], "{}: {history}", database.name);
        }
        admin.get("/api/v1/tasks/history?reach=year").await.expect(400);
        // Another workspace sees none of it.
        assert!(server.run(&["workspace", "create", "acme"]).status.success());
        let other = Client::new(&server.base, &server.token_for("acme", "default", "read"));
        let theirs = status(&other).await;
        assert_eq!((&theirs["hubs"], &theirs["tasks"], &theirs["held"]), (&json!([]), &json!({}), &json!(0)));
        let history = other.get("/api/v1/tasks/history").await.expect(200).json();
        assert!(history["stretches"].as_array().unwrap().iter().all(|one| one["completed"] == 0), "{history}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_shows_failures_in_a_row_and_how_far_its_batch_is() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let clock = Arc::new(SystemClock::new());
        let app = Sandbox::start("127.0.0.1:0", SecretString::from(String::from("t")), clock).unwrap();
        let board = Client::new(&app.base(), "t");
        board.post("/_test/faults", &json!({"match": "POST /Users", "status": 500, "times": 0})).await.expect(200);
        let body = json!({"id": "ads", "app": "sandbox", "mode": "active", "settle": "0s",
            "connection": {"base_url": app.scim("ads"), "token": {"secret": "T"}}, "secrets": {"T": "t"},
            "policy": {"max_in_flight": 1}});
        admin.post("/api/v1/hubs", &body).await.expect(201);
        mapping(&admin, "ads", &json!({"group": "marketing", "app_role": "viewer"})).await;
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(user_named(&scim, &format!("p{n}@example.com"), "P").await);
        }
        group(&scim, "marketing", &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let mut hub = json!(null);
        eventually("failures in a row", SOON, async || {
            hub = status(&admin).await["hubs"][0].clone();
            hub["error_streak"].as_i64().unwrap() >= 2
        })
        .await;
        assert!(hub.get("last_success").is_none(), "{hub}");
        assert_eq!((&hub["progress"]["done"], &hub["progress"]["total"]), (&json!(0), &json!(5)), "{hub}");
        board.delete("/_test/faults").await.expect(200);
        tasks_of(&admin, "hub=ads&status=completed", 5).await;
        let hub = status(&admin).await["hubs"][0].clone();
        assert_eq!(hub["error_streak"], 0, "{hub}");
        assert!(hub["last_success"].is_string() && hub.get("progress").is_none(), "{hub}");
    }
}
