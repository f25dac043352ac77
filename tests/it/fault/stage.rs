//! Server, practice app, load and ledger. The clients write down what was acknowledged; the app
//! writes down every effect; at the end both must say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scimhub::base::clock::{Micros, SystemClock};
use scimhub::base::ids::{HubId, WorkspaceId};
use scimhub::base::secret::SecretString;
use scimhub::domain::task::{Task, TaskStatus};
use scimhub::sandbox::Sandbox;
use scimhub::store::lanes::{self, Lane};
use scimhub::store::task_list::{self, TaskFilter};
use scimhub::store::task_moves::{self, ByHand};
use scimhub::store::{Store, facts, hubs, released};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::Database;
use crate::support::http::Client;
use crate::support::server::{Server, scimhub};

/// The app's only credential.
pub const TOKEN: &str = "practice-token-of-the-fault-tests";
/// Attempts and leases end soon, so that what a kill interrupted goes on soon.
const PACE: &str = "1500,300";
/// The workspace every installation begins with.
const WORKSPACE: WorkspaceId = WorkspaceId(1);

/// A server that is killed and started again, with the app beside it.
pub struct Stage<'a> {
    pub database: &'a Database,
    pub app: Sandbox,
    pub spaces: Vec<String>,
    pub store: Store,
    token: String,
    base: watch::Sender<String>,
    acknowledged: Arc<AtomicUsize>,
}

impl<'a> Stage<'a> {
    /// Connect one hub per space, all fed by the group `staff`, before any server runs.
    pub fn set(database: &'a Database, spaces: &[&str]) -> Self {
        Self::set_with(database, spaces, |app, space| (app.scim(space), String::new()))
    }

    /// The same, with each space's base URL and more lines for its hub.
    pub fn set_with(
        database: &'a Database,
        spaces: &[&str],
        reached: impl Fn(&Sandbox, &str) -> (String, String),
    ) -> Self {
        let app = Sandbox::start("127.0.0.1:0", SecretString::new(TOKEN.to_owned()), Arc::new(SystemClock::new()))
            .expect("the practice app");
        let mut file = String::new();
        for space in spaces {
            let (url, more) = reached(&app, space);
            file.push_str(&format!(
                "[[hub]]\nid = \"{space}\"\napp = \"sandbox\"\nlabel = \"{space}\"\nlogin = \"sso\"\nmode = \"active\"\n\
                 settle = \"0s\"\nconnection = {{ base_url = \"{url}\", token = {{ env = \"PRACTICE_TOKEN\" }} }}\n{more}\n  \
                 [[hub.mapping]]\n  group = \"staff\"\n  app_role = \"editor\"\n\n  \
                 [[hub.mapping]]\n  group = \"watchers\"\n  app_role = \"viewer\"\n\n"
            ));
        }
        let path = database.folder().join("hubs.toml");
        std::fs::write(&path, file).unwrap();
        let output = scimhub(database)
            .args(["apply", &path.to_string_lossy()])
            .env("PRACTICE_TOKEN", TOKEN)
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "apply: {}", String::from_utf8_lossy(&output.stderr));
        let output = scimhub(database)
            .args(["token", "create", "--scope", "scim", "--name", "idp"])
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "token: {}", String::from_utf8_lossy(&output.stderr));
        let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self {
            database,
            app,
            spaces: spaces.iter().map(|space| (*space).to_owned()).collect(),
            store: database.open(),
            token,
            base: watch::Sender::new(String::new()),
            acknowledged: Arc::default(),
        }
    }

    /// The app no longer refuses a second account with the same userName.
    pub async fn take_duplicates(&self) {
        let reply = Client::new(&self.app.base(), TOKEN).post("/_test/seed", &json!({"unique": false})).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// Start a server; clients turn to the one started last.
    pub fn start(&self, more: &[(&'static str, String)]) -> Server {
        self.start_as(more, &[])
    }

    /// The same with more arguments.
    pub fn start_as(&self, more: &[(&'static str, String)], args: &[&str]) -> Server {
        let mut environment = vec![("SCIMHUB_FAULT_PACE", PACE.to_owned())];
        environment.extend_from_slice(more);
        let server =
            Server::try_start_in(self.database, &[&["--app-network", "127.0.0.0/8"], args].concat(), &environment)
                .unwrap_or_else(|log| panic!("serve did not start:\n{log}"));
        server.watch("the app's token", TOKEN);
        server.watch("the identity provider's token", self.token.rsplit('_').next().expect("a secret part"));
        self.base.send_replace(server.base.clone());
        server
    }

    /// Clients turn to this server from now on.
    pub fn turn_to(&self, server: &Server) {
        self.base.send_replace(server.base.clone());
    }

    /// A client that never gives up: what was not acknowledged is sent again.
    pub fn client(&self) -> Idp {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Idp {
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap(),
            base: self.base.subscribe(),
            token: self.token.clone(),
            acknowledged: Arc::clone(&self.acknowledged),
        }
    }

    /// A client that sends once and shows the whole answer.
    pub fn plain(&self) -> Client {
        Client::new(&self.base.borrow(), &self.token)
    }

    /// Requests answered with success so far, or found to have been done where the answer was lost.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Changes that took effect in the app so far.
    pub fn effects(&self) -> usize {
        self.spaces.iter().map(|space| effects_of(&self.app.state(), space).len()).sum()
    }

    /// Put as many people into the group `staff`; their names.
    pub async fn crowd(&self, people: usize) -> BTreeSet<String> {
        let idp = self.client();
        let group = idp.create_group("staff").await;
        let mut users = Vec::new();
        let mut names = BTreeSet::new();
        for number in 0..people {
            let name = format!("p{number}@example.com");
            users.push(idp.create_user(&name).await);
            names.insert(name);
        }
        for some in users.chunks(100) {
            idp.join(&group, some).await;
        }
        names
    }

    /// When each change of a space took effect.
    pub fn times(&self, space: &str) -> Vec<Micros> {
        let at = |effect: &Value| Micros::parse_rfc3339(effect["at"].as_str().unwrap()).unwrap();
        effects_of(&self.app.state(), space).iter().map(at).collect()
    }

    /// The hub of this space.
    pub async fn hub(&self, space: &str) -> HubId {
        let slug = space.to_owned();
        self.store.read(move |conn| hubs::by_slug(conn, WORKSPACE, &slug)).await.unwrap().id
    }

    /// How that hub stands.
    pub async fn lane(&self, space: &str) -> Lane {
        let hub = self.hub(space).await;
        self.store.read(move |conn| lanes::load(conn, WORKSPACE, hub)).await.unwrap().expect("a hub has a lane")
    }

    /// All tasks in these statuses.
    pub async fn tasks(&self, statuses: &[TaskStatus]) -> Vec<Task> {
        let filter = TaskFilter { statuses: statuses.to_vec(), ..TaskFilter::default() };
        self.store.read(move |conn| task_list::page(conn, WORKSPACE, &filter, None, 5_000)).await.unwrap()
    }

    /// Wait until nothing is marked, queued or running. What an unlucky series of kills set aside
    /// as poison is tried again, and what the guard holds is released, as an operator would.
    pub async fn drained(&self, server: &Server, deadline: Duration) {
        let clock = Arc::clone(self.store.clock());
        let end = clock.monotonic() + deadline;
        loop {
            let left = self.left().await;
            if left.is_empty() {
                return;
            }
            assert!(
                clock.monotonic() < end,
                "{}: left after {deadline:?}: {left:#?}\nserver:\n{}",
                self.database.name,
                server.log_end()
            );
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// What is still to do, for people.
    async fn left(&self) -> Vec<String> {
        for task in self.tasks(&[TaskStatus::Manual]).await {
            assert_eq!(task.error_class.as_deref(), Some("crashed"), "{task:?}");
            let (id, now) = (task.id, task.modified_at);
            self.store
                .write(move |tx| task_moves::retry(tx, WORKSPACE, id, &ByHand { actor: "test", note: None, now }))
                .await
                .unwrap();
        }
        // Slow adds leave a hub so small that two leavers are half of it: the guard is right to ask.
        for task in self.tasks(&[TaskStatus::Held]).await {
            let (id, hold, now) = (task.id, task.hold.expect("a held task has a hold"), self.store.clock().now());
            self.store.write(move |tx| released::release(tx, WORKSPACE, hold, &[id], now)).await.unwrap();
        }
        let now = self.store.clock().now();
        let marked = self
            .store
            .read(move |conn| facts::due_hubs_across_workspaces(conn, now.plus(Duration::from_secs(3_600))))
            .await
            .unwrap();
        let open: Vec<_> = TaskStatus::ALL.into_iter().filter(|status| status.is_open()).collect();
        let tasks = self.tasks(&open).await;
        let marked = marked.iter().map(|due| format!("marks of hub {}", due.hub));
        marked.chain(tasks.iter().take(5).map(|task| format!("{task:?}"))).collect()
    }

    /// The ledger (threats.md section 3): `inside` have exactly one seat everywhere, `outside`
    /// none, nothing took effect twice, nothing is running, nothing failed.
    pub async fn balance(&self, inside: &BTreeSet<String>, outside: &BTreeSet<String>) {
        let editors = inside.iter().map(|person| (person.clone(), "editor")).collect();
        self.balance_of(&editors, outside).await;
    }

    /// The same where not everybody has the same role.
    pub async fn balance_of(&self, inside: &BTreeMap<String, &str>, outside: &BTreeSet<String>) {
        let name = self.database.name;
        let state = self.app.state();
        for space in &self.spaces {
            let seats = state["spaces"][space]["seats"].as_array().cloned().unwrap_or_default();
            let mut held: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for seat in &seats {
                let role = seat["role"].as_str().unwrap_or_default();
                held.entry(seat["userName"].as_str().unwrap_or_default()).or_default().push(role);
            }
            for (person, role) in inside {
                assert_eq!(held.get(person.as_str()), Some(&vec![*role]), "{name}: {person} in {space}");
            }
            for person in outside {
                assert_eq!(held.get(person.as_str()), None, "{name}: {person} still in {space}");
            }
            assert_eq!(held.len(), inside.len(), "{name}: a seat nobody was acknowledged in {space}");
            let mut there = BTreeSet::new();
            for effect in effects_of(&state, space) {
                let person = effect["userName"].as_str().unwrap_or_default().to_owned();
                match effect["kind"].as_str() {
                    Some("create") => assert!(there.insert(person.clone()), "{name}: {person} twice in {space}"),
                    Some("delete") => assert!(there.remove(&person), "{name}: {person} removed twice in {space}"),
                    _ => {}
                }
            }
        }
        let wrong = [TaskStatus::Started, TaskStatus::Running, TaskStatus::NotCompleted, TaskStatus::Cancelled];
        assert_eq!(self.tasks(&wrong).await, [], "{name}");
    }
}

fn effects_of(state: &Value, space: &str) -> Vec<Value> {
    state["spaces"][space]["effects"].as_array().cloned().unwrap_or_default()
}

/// An identity provider that sends until it is answered.
#[derive(Clone)]
pub struct Idp {
    http: reqwest::Client,
    base: watch::Receiver<String>,
    token: String,
    acknowledged: Arc<AtomicUsize>,
}

impl Idp {
    /// Send once; `None` when the server ended before it answered.
    pub async fn once(&self, method: &str, path: &str, body: &Value) -> Option<u16> {
        let url = format!("{}{path}", *self.base.borrow());
        let answer = self
            .http
            .request(method.parse().unwrap(), url)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/scim+json")
            .body(body.to_string())
            .send()
            .await;
        answer.ok().map(|answer| answer.status().as_u16())
    }

    /// Send once and read the whole answer.
    ///
    /// # Errors
    /// `no answer` when the server ended or was gone before it began one, `broken answer` when it
    /// ended in the middle of one.
    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value), String> {
        let url = format!("{}{path}", *self.base.borrow());
        let answer = self
            .http
            .request(method.parse().unwrap(), url)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/scim+json")
            .body(body.to_string())
            .send()
            .await
            .map_err(|error| format!("no answer: {error:?}"))?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.map_err(|error| format!("broken answer {status}: {error:?}"))?;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Ok((status, body))
    }

    /// How many of `endpoint` have this `key`.
    pub async fn found(&self, endpoint: &str, key: &str, value: &str) -> u64 {
        let (status, answer) = self.send("GET", &format!("{endpoint}?filter={key}%20eq%20%22{value}%22"), None).await;
        assert_eq!(status, 200, "{answer}");
        answer["totalResults"].as_u64().unwrap()
    }

    /// Send until an answer comes; the status and body of that answer.
    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut base = self.base.clone();
        for _ in 0..2_000 {
            let url = format!("{}{path}", *base.borrow_and_update());
            let mut request = self
                .http
                .request(method.parse().unwrap(), url)
                .header("authorization", format!("Bearer {}", self.token))
                .header("content-type", "application/scim+json");
            if let Some(body) = &body {
                request = request.body(body.to_string());
            }
            if let Ok(answer) = request.send().await {
                let status = answer.status().as_u16();
                // Neither did anything: 408 is how a server that could not run for ten seconds greets
                // its next connection.
                if let Ok(bytes) = answer.bytes().await
                    && !matches!(status, 408 | 503)
                {
                    return (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null));
                }
            }
            // The server is gone: on with the next one, or this one in a moment.
            let _ = tokio::time::timeout(Duration::from_millis(50), base.changed()).await;
        }
        panic!("no answer to {method} {path}");
    }

    fn note(&self) {
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
    }

    async fn create(&self, endpoint: &str, key: &str, value: &str, body: Value) -> String {
        let (status, answer) = self.send("POST", endpoint, Some(body)).await;
        if status == 201 {
            self.note();
            return answer["id"].as_str().unwrap().to_owned();
        }
        // Our first try was committed but not answered.
        assert_eq!(status, 409, "{answer}");
        let filter = format!("{endpoint}?filter={key}%20eq%20%22{value}%22");
        let (status, answer) = self.send("GET", &filter, None).await;
        assert_eq!(status, 200, "{answer}");
        let id = answer["Resources"][0]["id"].as_str().unwrap_or_else(|| panic!("409, but not there: {answer}"));
        self.note();
        id.to_owned()
    }

    pub async fn create_user(&self, name: &str) -> String {
        self.create("/scim/v2/Users", "userName", name, person(name)).await
    }

    pub async fn create_group(&self, name: &str) -> String {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
        let (status, answer) = self.send("POST", "/scim/v2/Groups", Some(body)).await;
        assert_eq!(status, 201, "{answer}");
        self.note();
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The id of the one group of this name.
    pub async fn found_group(&self, name: &str) -> String {
        let path = format!("/scim/v2/Groups?filter=displayName%20eq%20%22{name}%22");
        let (status, answer) = self.send("GET", &path, None).await;
        assert_eq!((status, &answer["totalResults"]), (200, &json!(1)), "{answer}");
        answer["Resources"][0]["id"].as_str().unwrap().to_owned()
    }

    pub async fn join(&self, group: &str, users: &[String]) {
        self.patch(&format!("/scim/v2/Groups/{group}"), joining(users)).await;
    }

    pub async fn deactivate(&self, user: &str) {
        self.patch(&format!("/scim/v2/Users/{user}"), leaving()).await;
    }

    async fn patch(&self, path: &str, body: Value) {
        let (status, answer) = self.send("PATCH", path, Some(body)).await;
        assert!(matches!(status, 200 | 204), "{status} {answer}");
        self.note();
    }
}

/// The body that creates this person.
pub fn person(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "active": true,
        "emails": [{"value": name, "type": "work", "primary": true}],
        "name": {"givenName": "P", "familyName": "Erson"},
    })
}

/// The body that adds these to a group.
pub fn joining(users: &[String]) -> Value {
    let members: Vec<_> = users.iter().map(|user| json!({"value": user})).collect();
    patch_of(&json!({"op": "add", "path": "members", "value": members}))
}

/// The body that deactivates a user.
pub fn leaving() -> Value {
    patch_of(&json!({"op": "replace", "path": "active", "value": false}))
}

fn patch_of(operation: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]})
}
