//! T-20: whoever has nothing but the activity record can write down again who was to have what, and
//! who held what in which hub from when to when, exactly as the tables say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::hubs::{SOON, clients, group, mapping, mending, user};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{databases, eventually};

const PEOPLE: usize = 12;
const STEPS: usize = 40;

/// A small generator of our own: the same day each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

async fn all(client: &Client, path: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{path}?limit=200{cursor}")).await.expect(200).json();
        found.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Account, user, hub, role, from, to, first task, last task.
type Held = (String, String, String, String, String, String, String, String);

/// What an account holds since when: user, hub, role, from, first task.
type Open = (String, String, String, String, String);

/// What the record says.
#[derive(Default)]
struct Told {
    active: BTreeMap<String, bool>,
    groups: BTreeMap<String, (String, BTreeSet<String>)>,
    /// Mapping → hub, subject, role.
    mappings: BTreeMap<String, (String, String, String)>,
    /// Account → the person it was matched to.
    matched: BTreeMap<String, String>,
    /// Account → the person it was made for.
    owners: BTreeMap<String, String>,
    open: BTreeMap<String, Open>,
    closed: BTreeSet<Held>,
}

impl Told {
    fn hear(&mut self, record: &Value) {
        let kind = record["kind"].as_str().unwrap();
        let (family, id) = record["target"].as_str().unwrap().split_once(':').unwrap_or_default();
        let detail = &record["detail"];
        assert!(record["actor"].is_string() && record["at"].is_string(), "{record}");
        match kind {
            "user.deleted" => {
                self.active.remove(id);
                for (_, members) in self.groups.values_mut() {
                    members.remove(id);
                }
            }
            _ if kind.starts_with("user.") && detail["active"].is_boolean() => {
                self.active.insert(id.to_owned(), detail["active"].as_bool().unwrap());
            }
            "group.deleted" => {
                self.groups.remove(id);
            }
            _ if kind.starts_with("group.") => {
                let group = self.groups.entry(id.to_owned()).or_default();
                group.0 = text(&detail["displayName"]);
                group.1.extend(detail["added"].as_array().into_iter().flatten().map(text));
                for gone in detail["removed"].as_array().into_iter().flatten() {
                    group.1.remove(gone.as_str().unwrap());
                }
            }
            "mapping.removed" => {
                self.mappings.remove(id);
            }
            _ if family == "mapping" => {
                let rule = (text(&detail["hub"]), text(&detail["subject"]), text(&detail["app_role"]));
                self.mappings.insert(id.to_owned(), rule);
            }
            "task.completed" | "task.done_by_hand" if detail["task_kind"] != "sync" => self.land(record),
            "task.completed" => assert!(detail["landed"].is_null(), "a sync tells account by account: {record}"),
            "member.matched" => {
                self.matched.insert(id.to_owned(), text(&record["user"]));
            }
            "members.found_in_app" => {
                for account in detail["accounts"].as_array().unwrap() {
                    let member = text(&account["member"]);
                    let owner = self.matched.get(&member).or_else(|| self.owners.get(&member));
                    let user = owner.cloned().unwrap_or_default();
                    self.now_holds(record, &member, user, &text(&account["known"]), text(&account["role"]));
                }
            }
            "member.changed_in_app" => {
                let after = &detail["after"];
                self.now_holds(record, id, text(&record["user"]), &text(&after["known"]), text(&after["role"]));
            }
            "member.gone_in_app" => self.now_holds(record, id, text(&record["user"]), "absent", String::new()),
            _ => {}
        }
    }

    fn land(&mut self, record: &Value) {
        let landed = &record["detail"]["landed"];
        assert!(landed["member"].is_string() && record["task"].is_string(), "{record}");
        let presence = landed["presence"].as_str().unwrap();
        if presence == "active" {
            let mappings = landed["mappings"].as_array().unwrap();
            assert!(mappings.iter().all(|id| id.is_string()) && !mappings.is_empty(), "{record}");
        }
        self.now_holds(
            record,
            landed["member"].as_str().unwrap(),
            text(&record["user"]),
            presence,
            text(&landed["role"]),
        );
    }

    fn now_holds(&mut self, record: &Value, member: &str, user: String, presence: &str, role: String) {
        if !user.is_empty() {
            self.owners.insert(member.to_owned(), user.clone());
        }
        let (at, task) = (text(&record["at"]), text(&record["task"]));
        let before = match presence {
            "active" if self.open.get(member).is_some_and(|open| open.2 == role) => None,
            "active" => {
                let now = (user, text(&record["hub"]), role, at.clone(), task.clone());
                self.open.insert(member.to_owned(), now)
            }
            "absent" | "suspended" => self.open.remove(member),
            _ => None,
        };
        if let Some((user, hub, role, from, first)) = before {
            self.closed.insert((member.to_owned(), user, hub, role, from, at, first, task));
        }
    }

    fn held(&self) -> BTreeSet<Held> {
        let open = self.open.iter().map(|(member, (user, hub, role, from, task))| {
            let [member, user, hub, role, from, task] = [member, user, hub, role, from, task].map(String::clone);
            (member, user, hub, role, from, String::new(), task, String::new())
        });
        self.closed.iter().cloned().chain(open).collect()
    }

    /// Hub and user → role.
    fn wanted(&self) -> BTreeMap<(String, String), String> {
        let mut wanted = BTreeMap::new();
        for (hub, subject, role) in self.mappings.values() {
            for (name, members) in self.groups.values().filter(|(name, _)| subject.ends_with(name.as_str())) {
                assert!(!name.is_empty());
                for user in members.iter().filter(|user| self.active.get(*user) == Some(&true)) {
                    wanted.insert((hub.clone(), user.clone()), role.clone());
                }
            }
        }
        wanted
    }
}

fn in_table(rows: &[Value]) -> BTreeSet<Held> {
    rows.iter()
        .map(|row| {
            let [member, user, hub, role, from, to, first, last] =
                ["member", "user", "hub", "role", "from", "to", "from_task", "to_task"].map(|name| text(&row[name]));
            (member, user, hub, role, from, to, first, last)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_a_days_record_rebuilds_who_was_to_have_what_and_who_held_it() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        for (hub, name) in [("ads", "editors"), ("wiki", "writers")] {
            let body = json!({"id": hub, "app": "sandbox", "mode": "active", "settle": "0s",
                "policy": {"sync_threshold_percent": 100},
                "connection": {"base_url": app.scim(hub), "token": {"secret": "TOKEN"}},
                "secrets": {"TOKEN": mending::GOOD}});
            admin.post("/api/v1/hubs", &body).await.expect(201);
            mapping(&admin, hub, &json!({"group": name, "app_role": "editor"})).await;
        }
        let mut people = Vec::new();
        for n in 0..PEOPLE {
            people.push(user(&scim, &format!("p{n}@example.com")).await);
        }
        let members: Vec<&str> = people.iter().map(String::as_str).collect();
        let groups = [group(&scim, "editors", &members[..8]).await, group(&scim, "writers", &members[4..]).await];
        quiet(&admin).await;
        let mut dice = Dice(7);
        for step in 0..STEPS {
            day(&mut dice, &admin, &scim, &mut people, &groups).await;
            if step % 4 == 0 {
                quiet(&admin).await;
            }
        }
        quiet(&admin).await;
        in_the_app(&admin, &Client::new(&app.scim("ads"), mending::GOOD)).await;
        quiet(&admin).await;

        let mut record = all(&admin, "/api/v1/activity").await;
        record.reverse();
        let mut told = Told::default();
        record.iter().for_each(|one| told.hear(one));
        let access = all(&admin, "/api/v1/access").await;
        assert_eq!(told.held(), in_table(&access), "{}: who held what", database.name);
        assert!(told.closed.len() >= 3, "a day in which things happen: {}", told.closed.len());
        let wanted = told.wanted();
        for (hub, user) in ["ads", "wiki"].iter().flat_map(|hub| people.iter().map(move |user| (*hub, user))) {
            let why = admin.get(&format!("/api/v1/hubs/{hub}/users/{user}/explain")).await.expect(200).json();
            let role = wanted.get(&(hub.to_owned(), user.clone()));
            assert_eq!(
                why["wanted"]["role"].as_str(),
                role.map(String::as_str),
                "{}: {user} in {hub}: {why}",
                database.name
            );
        }
        let whole = serde_json::to_string(&record).unwrap();
        assert!(!whole.contains(mending::GOOD), "no secret");
    }
}

/// What people do in the app itself, as two syncs see it.
async fn in_the_app(admin: &Client, seats: &Client) {
    let media = [("content-type", "application/scim+json")];
    let mut there = Vec::new();
    for name in ["p0@example.com", "stranger@example.com", "passing@example.com"] {
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "active": true,
            "emails": [{"value": name, "type": "work", "primary": true}],
            "roles": [{"value": "viewer", "primary": true}]});
        let made = seats.send("POST", "/Users", &media, Some(body.to_string().into_bytes())).await;
        // Somebody may have a seat by now.
        there.extend((made.status == 201).then(|| made.json()["id"].as_str().unwrap().to_owned()));
    }
    sync(admin).await;
    let role = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
        {"op": "replace", "path": "roles", "value": [{"value": "admin", "primary": true}]}]});
    let to = format!("/Users/{}", there[there.len() - 2]);
    let reply = seats.send("PATCH", &to, &media, Some(role.to_string().into_bytes())).await;
    assert!(reply.status < 300, "{}", reply.text());
    seats.delete(&format!("/Users/{}", there[there.len() - 1])).await.expect(204);
    sync(admin).await;
}

async fn sync(admin: &Client) {
    let task = admin.post("/api/v1/hubs/ads/sync", &json!({})).await.expect(202).json();
    let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
    eventually("the sync ends", SOON, async || admin.get(&path).await.expect(200).json()["status"] == "completed")
        .await;
}

/// Nothing left to do but what waits for a person.
async fn quiet(admin: &Client) {
    eventually("the engine is through", SOON, async || {
        let status = admin.get("/api/v1/status").await.expect(200).json();
        let tasks = &status["tasks"];
        let busy: u64 =
            ["queued", "started", "running", "retrying", "waiting"].iter().filter_map(|s| tasks[*s].as_u64()).sum();
        let marks = status["hubs"].as_array().unwrap().iter().filter_map(|hub| hub["marks"].as_u64()).sum::<u64>();
        busy == 0 && marks == 0
    })
    .await;
}

/// One thing that happens.
async fn day(dice: &mut Dice, admin: &Client, scim: &Client, people: &mut Vec<String>, groups: &[String; 2]) {
    let who = people[dice.below(people.len())].clone();
    let group = &groups[dice.below(2)];
    let patch = |operation: Value| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
    match dice.below(8) {
        0 | 1 => {
            let join = patch(json!({"op": "add", "path": "members", "value": [{"value": who}]}));
            scim.patch(&format!("/scim/v2/Groups/{group}"), &join).await.expect(204);
        }
        2 => {
            let leave = patch(json!({"op": "remove", "path": format!("members[value eq \"{who}\"]")}));
            scim.patch(&format!("/scim/v2/Groups/{group}"), &leave).await;
        }
        3 => {
            let off = patch(json!({"op": "replace", "path": "active", "value": false}));
            scim.patch(&format!("/scim/v2/Users/{who}"), &off).await.expect(200);
        }
        4 if people.len() > 8 => {
            scim.delete(&format!("/scim/v2/Users/{who}")).await.expect(204);
            people.retain(|one| *one != who);
        }
        5 => people.push(user(scim, &format!("n{}@example.com", dice.below(1_000_000))).await),
        6 => {
            let role = ["viewer", "editor", "admin"][dice.below(3)];
            let (hub, name) = [("ads", "editors"), ("wiki", "writers")][dice.below(2)];
            mapping(admin, hub, &json!({"group": name, "app_role": role})).await;
        }
        _ => {
            let held = admin.get("/api/v1/held").await.expect(200).json();
            for hold in held["items"].as_array().unwrap() {
                let path = format!("/api/v1/held/{}/release", hold["id"].as_str().unwrap());
                admin.post(&path, &json!({"note": "go"})).await;
            }
        }
    }
}
