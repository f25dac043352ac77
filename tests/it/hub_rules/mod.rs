//! The rules of business hubs, one test for each number, through HTTP against a real app on the
//! other side of the wire, on both databases.

mod assets;
mod batches;
mod carried;
mod causes;
mod connecting;
mod deciding;
pub mod drift;
mod explaining;
mod first_check;
mod flat;
mod invitations;
mod items;
mod last_admin;
mod leavers;
mod managers;
mod members;
mod needs_data;
mod parents;
mod partners;
mod people;
mod protected;
mod repair;
mod returning;
pub mod rights;
mod role_files;
mod shapes;
mod statuses;
pub mod sync;
mod table;
mod tasks;
mod teams;
mod undo;
mod waiting;
mod worked;

use scimhub::base::clock::{Clock as _, SystemClock};
use scimhub::base::ids::{MemberId, WorkspaceId};
use scimhub::domain::member::{Bucket, Member, MemberStatus, Presence};
use scimhub::sandbox::Sandbox;
use scimhub::store::{StoreError, hub_members, hubs as hub_rows};
use serde_json::{Value, json};

use crate::hubs::{self, SOON, mending};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, eventually, until_clear};

/// A server, its two clients, a practice app, and one active hub `box` of it.
pub struct Stage {
    pub server: Server,
    _apps: tempfile::TempDir,
    pub admin: Client,
    pub scim: Client,
    pub app: Sandbox,
    pub seats: Client,
}

impl Stage {
    /// The hub's settle time is `settle`.
    pub async fn new(database: &Database, settle: &str) -> Self {
        Self::of_app(database, settle, include_str!("../../../apps/sandbox.toml")).await
    }

    /// The same with the practice app as this manifest describes it.
    pub async fn of_app(database: &Database, settle: &str, manifest: &str) -> Self {
        Self::build(database, settle, manifest, "sandbox").await
    }

    /// The same, its hub of another app of the catalog that the practice app stands for.
    pub async fn of_catalog(database: &Database, settle: &str, app: &str) -> Self {
        Self::build(database, settle, include_str!("../../../apps/sandbox.toml"), app).await
    }

    async fn build(database: &Database, settle: &str, manifest: &str, kind: &str) -> Self {
        let apps = tempfile::tempdir().unwrap();
        std::fs::write(apps.path().join("sandbox.toml"), manifest).unwrap();
        let folder = apps.path().display().to_string();
        let server = Server::start(database, &["--apps", &folder, "--app-network", "127.0.0.0/8"]);
        let (admin, scim) = hubs::clients(&server);
        let app = mending::sandbox();
        let body = json!({"id": "box", "app": kind, "mode": "active", "settle": settle,
            "connection": {"base_url": app.scim("box"), "token": {"secret": "TOKEN"}},
            "secrets": {"TOKEN": mending::GOOD}});
        admin.post("/api/v1/hubs", &body).await.expect(201);
        let seats = Client::new(&app.scim("box"), mending::GOOD);
        Self { server, _apps: apps, admin, scim, app, seats }
    }

    /// Read the app's members and wait until that is taken over.
    pub async fn sync(&self) {
        let task = self.admin.post("/api/v1/hubs/box/sync", &json!({})).await.expect(202).json();
        let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
        eventually("the sync ends", SOON, async || {
            let now = self.admin.get(&path).await.expect(200).json();
            assert_ne!(now["status"], "not_completed", "{now}");
            now["status"] == "completed"
        })
        .await;
    }

    /// An account that somebody made in the app itself; its id there.
    pub async fn account(&self, email: &str, role: &str) -> String {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": email,
            "active": true, "emails": [{"value": email, "type": "work", "primary": true}],
            "roles": [{"value": role, "primary": true}]});
        let path = "/Users";
        let reply = self
            .seats
            .send("POST", path, &[("content-type", "application/scim+json")], Some(body.to_string().into_bytes()))
            .await;
        reply.expect(201).json()["id"].as_str().unwrap().to_owned()
    }

    /// The account as the app has it; `None` when it is gone.
    pub async fn seat(&self, remote: &str) -> Option<Value> {
        let reply = self.seats.get(&format!("/Users/{remote}")).await;
        (reply.status == 200).then(|| reply.json())
    }

    /// The role of the app's account with this userName.
    pub async fn role_in_app(&self, email: &str) -> Option<String> {
        let all = self.seats.get("/Users").await.expect(200).json();
        let found = all["Resources"].as_array().cloned().unwrap_or_default();
        let one = found.into_iter().find(|one| one["userName"] == email)?;
        Some(one["roles"][0]["value"].as_str().unwrap_or_default().to_owned())
    }

    /// Wait until the app shows this role for this person; `None`: no account.
    pub async fn until_role(&self, email: &str, role: Option<&str>) {
        eventually(&format!("{email} is {role:?} in the app"), SOON, async || {
            self.role_in_app(email).await.as_deref() == role
        })
        .await;
    }

    /// People of these names in a group that gives them this role, each with their seat: the group and them.
    pub async fn seated(&self, group: &str, role: &str, names: &[String]) -> (String, Vec<String>) {
        hubs::mapping(&self.admin, "box", &json!({"group": group, "app_role": role})).await;
        let mut people = Vec::new();
        for name in names {
            people.push(hubs::user(&self.scim, name).await);
        }
        let ids: Vec<&str> = people.iter().map(String::as_str).collect();
        let group = hubs::group(&self.scim, group, &ids).await;
        for name in names {
            self.until_role(name, Some(role)).await;
        }
        self.at_rest().await;
        (group, people)
    }

    /// A found account becomes a row as a list of the app's members would write it; our id of it.
    pub async fn found(&self, database: &Database, email: &str, role: &str, presence: Presence) -> (String, String) {
        let remote = self.account(email, role).await;
        let store = database.open();
        let (remote_id, key, role) = (remote.clone(), email.to_owned(), role.to_owned());
        let id = MemberId::from_uuid(uuid::Uuid::now_v7());
        store
            .write(move |tx| {
                let workspace = WorkspaceId(1);
                let hub = hub_rows::by_slug(tx, workspace, "box")?;
                let now = SystemClock::new().now();
                let member = Member {
                    id,
                    hub: hub.id,
                    user: None,
                    remote_id: Some(remote_id.clone()),
                    email_key: Some(key.clone()),
                    display: key.clone(),
                    bucket: Bucket::Unmatched,
                    managed: false,
                    protected: false,
                    status: MemberStatus::UnmatchedUser,
                    hub_role: None,
                    known: presence,
                    known_role: Some(role.clone()),
                    known_assets: Vec::new(),
                    known_at: now,
                    reasons: Vec::new(),
                };
                hub_members::insert(tx, workspace, &member, "sync", now)?;
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        (id.to_string(), remote)
    }

    /// One action on a member.
    pub async fn act(&self, member: &str, verb: &str, body: &Value) -> crate::support::http::Reply {
        self.admin.post(&format!("/api/v1/hubs/box/members/{member}/{verb}"), body).await
    }

    /// The member rows of a bucket.
    pub async fn bucket(&self, bucket: &str) -> Vec<Value> {
        let page = self.admin.get(&format!("/api/v1/hubs/box/members?bucket={bucket}")).await.expect(200).json();
        page["items"].as_array().unwrap().clone()
    }

    /// The member row of a user.
    pub async fn member_of(&self, user: &str) -> Option<Value> {
        let page = self.admin.get("/api/v1/hubs/box/members").await.expect(200).json();
        page["items"].as_array().unwrap().iter().find(|one| one["user"] == user).cloned()
    }

    /// Put or take a member of a group over SCIM.
    pub async fn membership(&self, group: &str, op: &str, user: &str) {
        let body = match op {
            "add" => json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "add", "path": "members", "value": [{"value": user}]}]}),
            _ => json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "remove", "path": format!("members[value eq \"{user}\"]")}]}),
        };
        self.scim.patch(&format!("/scim/v2/Groups/{group}"), &body).await.expect(204);
    }

    /// Everything the planner had to look at was looked at, and nothing is open.
    pub async fn at_rest(&self) {
        until_clear("the hub is at rest", SOON, async || {
            let status = self.admin.get("/api/v1/status").await.expect(200).json();
            let open = self.admin.get("/api/v1/tasks?hub=box&status=open").await.expect(200).json();
            let marks = &status["hubs"][0]["marks"];
            let is_clear = *marks == 0 && open["items"].as_array().is_some_and(Vec::is_empty);
            (!is_clear).then(|| format!("marks: {marks}, open: {}", open["items"]))
        })
        .await;
    }

    /// The kinds of all tasks of the hub, oldest first.
    pub async fn kinds(&self) -> Vec<String> {
        let page = self.admin.get("/api/v1/tasks?hub=box&limit=200").await.expect(200).json();
        let mut kinds: Vec<String> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|task| task["kind"] != "sync" && task["status"] != "superseded")
            .map(|task| task["kind"].as_str().unwrap().to_owned())
            .collect();
        kinds.reverse();
        kinds
    }

    /// The activity records of this kind.
    pub async fn told(&self, kind: &str) -> Vec<Value> {
        let page = self.admin.get("/api/v1/activity?limit=200").await.expect(200).json();
        page["items"].as_array().unwrap().iter().filter(|one| one["kind"] == kind).cloned().collect()
    }
}

/// Put somebody into a group over SCIM.
pub async fn join(scim: &Client, group: &str, user: &str) {
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "add", "path": "members", "value": [{"value": user}]}]});
    scim.patch(&format!("/scim/v2/Groups/{group}"), &body).await.expect(204);
}

/// `active` of a user over SCIM.
pub async fn set_active(scim: &Client, user: &str, active: bool) {
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": active}]});
    scim.patch(&format!("/scim/v2/Users/{user}"), &body).await.expect(200);
}
