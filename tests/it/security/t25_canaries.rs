//! T-25: secrets leak in logs, errors, metrics, task payloads, audit. A canary in every secret
//! place, flows that work and flows that fail, all of it logged at trace; then everything that came
//! out is searched. (`t25_doors` has the requests.)

use std::sync::Arc;

use scimhub::base::clock::SystemClock;
use scimhub::base::secret::SecretString;
use scimhub::http::extract::caller::Access;
use scimhub::http::routes;
use scimhub::sandbox::Sandbox;
use serde_json::{Value, json};

use super::t25_doors as doors;
use crate::page::visitor::Visitor;
use crate::support::http::{Client, Reply};
use crate::support::server::Server;
use crate::support::{Canaries, Database, databases, dump, eventually};

const SOON: std::time::Duration = std::time::Duration::from_secs(60);
/// What is no secret, and so is found: the search looks in the right places.
const MARKER: &str = "marker.of.the.search";
/// Characters that each encoding writes in another way.
const APP_TOKEN: &str = "app-t0ken/+?\"of'the<practice>app&canary";

/// The canaries, and everything that came out so far.
pub struct Search {
    canaries: Canaries,
    out: Vec<(String, String)>,
}

impl Search {
    /// A new secret for this place, unlike any other.
    pub fn canary(&mut self, server: &Server, place: &str) -> String {
        let secret = format!("c4n/{}+{}", place.replace(' ', "-"), uuid::Uuid::new_v4().simple());
        self.watch(server, place, &secret);
        secret
    }

    /// Look for this secret too.
    pub fn watch(&mut self, server: &Server, place: &str, secret: &str) {
        self.canaries.add(place, secret);
        server.watch(place, secret);
    }

    /// Search this later.
    pub fn take(&mut self, place: &str, text: String) {
        self.out.push((place.to_owned(), text));
    }

    /// Search a whole answer later.
    pub fn reply(&mut self, place: &str, reply: &Reply) {
        self.take(place, format!("{:?}\n{}", reply.headers, reply.text()));
    }

    /// All finds in all places.
    fn finds(&self) -> Vec<String> {
        let in_place = |(place, text): &(String, String)| {
            self.canaries.found_in(text).into_iter().map(|find| format!("{place}: {find}")).collect::<Vec<_>>()
        };
        self.out.iter().flat_map(in_place).collect()
    }
}

/// How an app may repeat our token.
fn repeated(spelling: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let header = format!("Bearer {APP_TOKEN}");
    match spelling {
        "raw" => header,
        "base64" => STANDARD.encode(header),
        "base64url" => URL_SAFE_NO_PAD.encode(APP_TOKEN),
        "hex" => APP_TOKEN.bytes().map(|b| format!("{b:02x}")).collect(),
        "percent" => APP_TOKEN
            .bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect(),
        "json" => serde_json::to_string(APP_TOKEN).unwrap(),
        other => panic!("{other}"),
    }
}

/// One hub for each way in which the app answers with our token.
const RUDE: [(&str, u16, &str); 11] = [
    ("rude-a", 400, "raw"),
    ("rude-b", 400, "base64"),
    ("rude-c", 400, "base64url"),
    ("rude-d", 400, "hex"),
    ("rude-e", 400, "percent"),
    ("rude-f", 400, "json"),
    ("rude-g", 401, "raw"),
    ("rude-h", 403, "raw"),
    ("rude-i", 409, "raw"),
    ("rude-j", 500, "raw"),
    ("rude-k", 302, "raw"),
];

async fn connect(admin: &Client, search: &mut Search, id: &str, base: &str, token: &str) {
    let body = json!({"id": id, "app": "sandbox", "mode": "active", "settle": "0s",
        "connection": {"base_url": base, "token": {"secret": "TOKEN"}}, "secrets": {"TOKEN": token}});
    search.reply("POST hubs", &admin.post("/api/v1/hubs", &body).await.expect(201));
    let mapping = json!({"group": "staff", "app_role": "editor"});
    search.reply("PUT mappings", &admin.put(&format!("/api/v1/hubs/{id}/mappings"), &mapping).await);
}

async fn items(admin: &Client, path: &str) -> Vec<Value> {
    admin.get(path).await.expect(200).json()["items"].as_array().unwrap().clone()
}

/// Every address that can be read, for every hub and task there is.
async fn read_everything(search: &mut Search, server: &Server, user: &str, group: &str) {
    let (admin, scim, read) = (server.client("admin"), server.client("scim"), server.client("read"));
    let visitor = signed_in(search, server).await;
    let word = |item: &Value| item["id"].as_str().unwrap().to_owned();
    let hubs: Vec<_> = items(&admin, "/api/v1/hubs").await.iter().map(word).collect();
    let tasks: Vec<_> = items(&admin, "/api/v1/tasks?limit=100").await.iter().map(word).collect();
    let mut good = 0;
    for route in routes::table().into_iter().filter(|route| route.method == "GET") {
        let path = route.path;
        let ids: Vec<&str> = match path {
            _ if path.starts_with("/scim/v2/Groups/") => vec![group],
            _ if path.contains("/tasks/{id}") => tasks.iter().map(String::as_str).collect(),
            _ if path.contains("/hubs/{") => hubs.iter().map(String::as_str).collect(),
            _ => vec![user],
        };
        for id in ids {
            let path =
                path.replace("{user}", user).replacen("{hub}", id, 1).replace("{id}", id).replace("{mapping}", id);
            let client = if route.access == Access::ScimRead { &scim } else { &admin };
            let reply = if route.access.is_page() { visitor.get(&path).await } else { client.get(&path).await };
            good += usize::from(reply.status == 200);
            search.reply(&format!("GET {path}"), &reply);
            if route.access == Access::ApiRead {
                search.reply(&format!("GET {path} with scope read"), &read.get(&path).await);
            }
        }
    }
    assert!(good > 60, "only {good} addresses could be read");
}

async fn signed_in(search: &mut Search, server: &Server) -> Visitor {
    let token = server.token("admin");
    let secret = token.rsplit('_').next().unwrap();
    search.canaries.add("the token of the page", secret);
    let visitor = Visitor::signed_in(&server.base, &token).await;
    let (_, session) = visitor.cookie.split_once('=').unwrap();
    assert!(!session.contains(secret));
    search.watch(server, "the page's session", session);
    visitor
}

async fn search(database: &Database) {
    let server = Server::start(database, &["--app-network", "127.0.0.0/8"]);
    let mut search = Search { canaries: Canaries::default(), out: Vec::new() };
    if let Some(password) = database.password() {
        search.canaries.add("the database's password", password);
    }
    let key = std::fs::read_to_string(database.key_file()).unwrap();
    search.watch(&server, "the key file", key.split_whitespace().last().unwrap());
    search.watch(&server, "the app's token", APP_TOKEN);
    let [admin, scim, read] = ["admin", "scim", "read"].map(|scope| {
        let token = server.token(scope);
        search.canaries.add(scope, token.rsplit('_').next().unwrap());
        Client::new(&server.base, &token)
    });
    let app =
        Sandbox::start("127.0.0.1:0", SecretString::from(APP_TOKEN.to_owned()), Arc::new(SystemClock::new())).unwrap();
    let board = Client::new(&app.base(), APP_TOKEN);
    connect(&admin, &mut search, "good", &app.scim("good"), APP_TOKEN).await;
    for (hub, status, spelling) in RUDE {
        let said = repeated(spelling);
        let fault = json!({"match": format!("POST {hub}"), "times": 0, "status": status,
            "headers": {"location": format!("{}/?t={}", app.base(), repeated("percent")), "www-authenticate": repeated("base64")},
            "body": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string(),
                "detail": format!("{} {MARKER} got {said}.", "before"), "message": said}});
        board.post("/_test/faults", &fault).await.expect(200);
        connect(&admin, &mut search, hub, &app.scim(hub), APP_TOKEN).await;
    }
    let lost = json!({"match": "POST lost", "times": 1, "drop": "after_commit"});
    board.post("/_test/faults", &lost).await.expect(200);
    connect(&admin, &mut search, "lost", &app.scim("lost"), APP_TOKEN).await;
    // Nobody is there; and one that takes no credential of ours.
    let [gone, wrong] = ["gone", "wrong"].map(|hub| search.canary(&server, &format!("the token of {hub}")));
    connect(&admin, &mut search, "gone", "http://127.0.0.1:9/scim/v2", &gone).await;
    connect(&admin, &mut search, "wrong", &app.scim("wrong"), &wrong).await;

    doors::secrets(database, &server, &mut search, &admin).await;
    let (user, group) = doors::people(&server, &mut search, &scim).await;
    doors::wrong_bodies(&server, &mut search, &scim, &admin).await;
    doors::wrong_credentials(&server, &mut search, &read).await;
    doors::commands(database, &server, &mut search);

    eventually("every hub's app was called", SOON, async || {
        let tasks = items(&admin, "/api/v1/tasks?limit=100").await;
        let failed = |hub: &str| tasks.iter().any(|task| task["hub"] == hub && task["error"]["class"].is_string());
        let done = |hub: &str| tasks.iter().any(|task| task["hub"] == hub && task["status"] == "completed");
        RUDE.iter().all(|(hub, ..)| failed(hub)) && failed("gone") && failed("wrong") && done("good") && done("lost")
    })
    .await;
    read_everything(&mut search, &server, &user, &group).await;
    let held = dump(database);
    assert!(held.contains(MARKER) && held.contains("rude-a"), "{}: the dump is empty", database.name);
    for trace in ["***", "repeats the credential"] {
        assert!(held.contains(trace), "{}: no app repeated the token", database.name);
    }
    search.take("the database", held);
    for place in ["GET /api/v1/tasks", "GET /tasks", "GET /api/v1/activity", "GET /api/v1/export"] {
        assert!(search.out.iter().any(|(at, text)| at.starts_with(place) && text.len() > 200), "{place} was not read");
    }
    let (ended, log) = server.stop();
    assert!(ended && log.contains("\"TRACE\""), "{}", database.name);
    search.take("the log", log);
    let finds = search.finds();
    assert!(finds.is_empty(), "{}: {} finds:\n{}", database.name, finds.len(), finds.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t25_no_secret_comes_out_anywhere() {
    for database in databases() {
        search(&database).await;
    }
}
