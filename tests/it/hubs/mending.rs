//! A hub whose credential broke goes on by itself once a person mends it, through every door there
//! is; and one request id leads from the IdP's call to the app's log.

use std::sync::Arc;

use scimhub::base::clock::SystemClock;
use scimhub::base::secret::SecretString;
use scimhub::sandbox::Sandbox;
use serde_json::{Value, json};

use super::{SOON, clients, group, mapping, tasks, user};
use crate::support::http::Client;
use crate::support::server::{Server, scimhub};
use crate::support::{Database, databases, eventually};

/// The practice app's token.
pub const GOOD: &str = "the-token-that-works";
const PEOPLE: usize = 20;

/// The practice app.
pub fn sandbox() -> Sandbox {
    Sandbox::start("127.0.0.1:0", SecretString::from(String::from(GOOD)), Arc::new(SystemClock::new())).unwrap()
}

/// An active hub of the practice app with this token, fed by the group `editors`.
pub async fn sandbox_hub(admin: &Client, id: &str, base: &str, token: &str) {
    let body = json!({"id": id, "app": "sandbox", "mode": "active", "settle": "0s",
        "connection": {"base_url": base, "token": {"secret": "TOKEN"}}, "secrets": {"TOKEN": token}});
    admin.post("/api/v1/hubs", &body).await.expect(201);
    mapping(admin, id, &json!({"group": "editors", "app_role": "editor"})).await;
}

/// The open problems.
pub async fn problems(admin: &Client) -> Vec<Value> {
    admin.get("/api/v1/problems").await.expect(200).json()["items"].as_array().unwrap().clone()
}

/// Exactly one problem, every task queued as if nothing had been tried, the lane standing still.
async fn stands_still(admin: &Client, cause: &str) {
    eventually("the hub stands still", SOON, async || {
        let status = admin.get("/api/v1/status").await.expect(200).json();
        status["hubs"][0]["blocked"] == cause && status["tasks"]["queued"] == PEOPLE
    })
    .await;
    let open = problems(admin).await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!((&open[0]["hub"], &open[0]["cause"]), (&json!("ads"), &json!(cause)));
    assert_eq!(open[0]["tasks"], PEOPLE, "{open:?}");
    assert!(open[0]["remedy"].as_str().unwrap().contains("scimhub secret set ads"), "{open:?}");
    for task in tasks(admin, "hub=ads&status=queued", PEOPLE).await {
        assert_eq!(task["attempts"], 0, "a broken credential costs no attempt: {task}");
    }
}

async fn goes_on(admin: &Client, how: &str) {
    eventually(&format!("all tasks done after {how}"), SOON, async || {
        admin.get("/api/v1/status").await.expect(200).json()["tasks"]["completed"] == PEOPLE
    })
    .await;
    assert_eq!(problems(admin).await, Vec::<Value>::new(), "{how}");
    let status = admin.get("/api/v1/status").await.expect(200).json();
    assert_eq!(status["hubs"][0].get("blocked"), None, "{how}: {status}");
}

/// The hub's credential as a person may mend it.
#[derive(Clone, Copy, Debug)]
enum Mend {
    Command,
    Api,
    PatchSecret,
    PatchConnection,
    Resume,
}

async fn mend(how: Mend, database: &Database, admin: &Client, app: &Sandbox) {
    match how {
        Mend::Command => {
            let mut child = scimhub(database)
                .args(["secret", "set", "ads", "TOKEN"])
                .stdin(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{GOOD}\n").as_bytes()).unwrap();
            assert!(child.wait().unwrap().success());
        }
        Mend::Api => {
            admin.put("/api/v1/hubs/ads/secrets/TOKEN", &json!({"value": GOOD})).await.expect(204);
        }
        Mend::PatchSecret => {
            admin.patch("/api/v1/hubs/ads", &json!({"secrets": {"TOKEN": GOOD}})).await.expect(200);
        }
        Mend::PatchConnection => {
            let patch = json!({"connection": {"base_url": app.scim("ads"), "token": {"secret": "OTHER"}},
                "secrets": {"OTHER": GOOD}});
            admin.patch("/api/v1/hubs/ads", &patch).await.expect(200);
        }
        // The app itself is put right: nothing changes here, a person only says "go on".
        Mend::Resume => {
            let board = Client::new(&app.base(), GOOD);
            board.delete("/_test/faults").await.expect(200);
            let output = scimhub(database).args(["resume", "--hub", "ads"]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_credential_is_one_problem_and_all_goes_on_once_it_is_mended() {
    for how in [Mend::Command, Mend::Api, Mend::PatchSecret, Mend::PatchConnection, Mend::Resume] {
        for database in databases() {
            let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
            let (admin, scim) = clients(&server);
            let app = sandbox();
            let token = match how {
                Mend::Resume => {
                    let fault = json!({"times": 0, "status": 401});
                    Client::new(&app.base(), GOOD).post("/_test/faults", &fault).await.expect(200);
                    GOOD
                }
                Mend::Command | Mend::Api | Mend::PatchSecret | Mend::PatchConnection => "revoked",
            };
            sandbox_hub(&admin, "ads", &app.scim("ads"), token).await;
            let mut people = Vec::new();
            for n in 0..PEOPLE {
                people.push(user(&scim, &format!("p{n}@example.com")).await);
            }
            let members: Vec<&str> = people.iter().map(String::as_str).collect();
            group(&scim, "editors", &members).await;
            stands_still(&admin, "auth_broken").await;
            mend(how, &database, &admin, &app).await;
            goes_on(&admin, &format!("{how:?} on {}", database.name)).await;
            assert_eq!(app.state()["spaces"]["ads"]["counts"]["create"], PEOPLE);
            let told = admin.get("/api/v1/activity?limit=200").await.expect(200).text();
            assert!(!told.contains(GOOD));
            // Another address: what we know of these people came from the old one, and a preview says so.
            let moved = json!({"connection": {"base_url": app.scim("elsewhere")}});
            let plan = admin.post("/api/v1/hubs/ads/preview", &moved).await.expect(200).json();
            assert!(plan["notes"].to_string().contains("20 people stay known"), "{plan}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_id_leads_from_the_idp_to_the_app() {
    for database in databases() {
        let log = [("SCIMHUB_LOG", String::from("info,scimhub=debug"))];
        let server = Server::try_start_in(&database, &["--app-network", "127.0.0.0/8"], &log).unwrap();
        let (admin, scim) = clients(&server);
        let app = sandbox();
        sandbox_hub(&admin, "ads", &app.scim("ads"), GOOD).await;
        let ann = user(&scim, "ann@example.com").await;
        let editors = group(&scim, "editors", &[]).await;
        let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{"value": ann}]}]});
        // While pushing stands still, the wish is a mark: the id is there already.
        admin.post("/api/v1/pause", &json!({"hub": "ads"})).await.expect(204);
        let reply = scim.patch(&format!("/scim/v2/Groups/{editors}"), &patch).await.expect(204);
        let id = reply.header("x-request-id").unwrap().to_owned();
        let why = admin.get(&format!("/api/v1/hubs/ads/users/{ann}/explain")).await.expect(200).json();
        assert_eq!(why["mark"]["request_id"], id.as_str(), "{why}");
        admin.post("/api/v1/resume", &json!({"hub": "ads"})).await.expect(204);
        let task = tasks(&admin, "hub=ads&status=completed", 1).await.remove(0);
        assert_eq!(task["request_id"], id.as_str(), "{}: {task}", database.name);

        let board = Client::new(&app.base(), GOOD);
        let seen = board.get("/_test/log").await.expect(200).json();
        let calls = seen["requests"].as_array().unwrap();
        assert!(calls.iter().any(|call| call["method"] == "POST"), "{seen}");
        for call in calls {
            assert_eq!(call["request_id"], id.as_str(), "{}: {call}", database.name);
            assert!(call["op_id"].as_str().unwrap().starts_with(task["id"].as_str().unwrap()), "{call}");
        }
        eventually("the attempt in the log", SOON, async || {
            server.log().lines().any(|line| line.contains("attempt ended") && line.contains(&id))
        })
        .await;
    }
}
