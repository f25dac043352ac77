//! Drift: what is otherwise in the app than the mappings say is named, and put right on request after
//! a look, within the guard.

use std::collections::BTreeMap;

use scimhub::sandbox::Sandbox;
use serde_json::{Value, json};

use super::set_active;
use super::sync::{alter, free, hub, member, seats, serve, sync};
use crate::hubs::{self, SOON, clients, mapping, mending};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

const VIEWER: &str = "viewer";

/// A hub `ads` that suspends, with a staff of eight editors; then somebody works in the app itself.
pub struct Drifted {
    pub server: Server,
    pub admin: Client,
    scim: Client,
    app: Sandbox,
    pub people: BTreeMap<&'static str, String>,
}

impl Drifted {
    async fn new(database: &Database) -> Self {
        let server = serve(database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let policy = json!({"deprovision": "suspend", "sync_threshold_percent": 90});
        hub(&admin, &app, "ads", json!({"policy": policy})).await;
        mapping(&admin, "ads", &json!({"group": "staff", "app_role": "editor"})).await;
        let mut people = BTreeMap::new();
        for name in ["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal"] {
            people.insert(name, hubs::user(&scim, &format!("{name}@example.com")).await);
        }
        let names: Vec<&str> = people.values().map(String::as_str).collect();
        hubs::group(&scim, "staff", &names).await;
        let it = Self { server, admin, scim, app, people };
        it.until("everybody has a seat", async || it.held("editor").len() == 8).await;
        it.at_rest().await;
        it
    }

    /// Ann's account is gone, Bob has another role, Cid had left and is switched on again, Dan is kept
    /// on purpose and has another role, and there is an account nobody knows.
    pub async fn behind_our_back(database: &Database) -> Self {
        let it = Self::new(database).await;
        set_active(&it.scim, &it.people["cid"], false).await;
        it.until("Cid is suspended", async || it.account("cid")["active"] == false).await;
        it.at_rest().await;
        let dan = member(&it.admin, "ads", "dan@example.com").await;
        let exempt = format!("/api/v1/hubs/ads/members/{}/exempt", dan["id"].as_str().unwrap());
        it.admin.post(&exempt, &json!({"reason": "kept by contract"})).await.expect(200);

        free(&it.app, "ads", "ann@example.com").await;
        let viewer = json!({"op": "replace", "path": "roles", "value": [{"value": VIEWER, "primary": true}]});
        alter(&it.app, "ads", "bob@example.com", viewer.clone()).await;
        alter(&it.app, "ads", "dan@example.com", viewer).await;
        let on = json!({"op": "replace", "path": "active", "value": true});
        alter(&it.app, "ads", "cid@example.com", on).await;
        seats(&it.app, "ads", &[("zoe@outside.example", VIEWER, true)]).await;
        sync(&it.admin, "ads").await;
        it
    }

    pub async fn until(&self, what: &str, is: impl AsyncFnMut() -> bool) {
        eventually(what, SOON, is).await;
    }

    async fn at_rest(&self) {
        eventually("the hub is at rest", SOON, async || {
            let status = self.admin.get("/api/v1/status").await.expect(200).json();
            let open = self.admin.get("/api/v1/tasks?hub=ads&status=open").await.expect(200).json();
            status["hubs"][0]["marks"] == 0 && open["items"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
    }

    fn accounts(&self) -> Vec<Value> {
        self.app.state()["spaces"]["ads"]["seats"].as_array().cloned().unwrap_or_default()
    }

    pub fn account(&self, name: &str) -> Value {
        let name = format!("{name}@");
        let of = |seat: &Value| seat["userName"].as_str().is_some_and(|user| user.starts_with(&name));
        self.accounts().into_iter().find(of).unwrap_or_default()
    }

    /// The userNames of the app's accounts with this role.
    pub fn held(&self, role: &str) -> Vec<String> {
        let has = |seat: &&Value| seat["roles"][0]["value"] == role || seat["role"] == role;
        self.accounts().iter().filter(has).map(|seat| seat["userName"].as_str().unwrap().to_owned()).collect()
    }

    /// All of the drift, a page of `limit` after the other.
    async fn drift(&self, query: &str, limit: usize) -> Vec<Value> {
        let mut found = Vec::new();
        let mut path = format!("/api/v1/hubs/ads/drift?limit={limit}{query}");
        loop {
            let page = self.admin.get(&path).await.expect(200).json();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{page}");
            found.extend(items.iter().cloned());
            let Some(next) = page["next"].as_str() else { return found };
            path = format!("/api/v1/hubs/ads/drift?limit={limit}{query}&cursor={next}");
        }
    }

    async fn kinds(&self) -> Vec<(String, String, String)> {
        let mut kinds: Vec<_> = self.drift("", 50).await.iter().map(kind).collect();
        kinds.sort();
        kinds
    }
}

fn kind(item: &Value) -> (String, String, String) {
    let text = |field: &str| item[field].as_str().unwrap().to_owned();
    (text("name"), text("kind"), text("standing"))
}

fn is(name: &str, kind: &str, standing: &str) -> (String, String, String) {
    (name.to_owned(), kind.to_owned(), standing.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_8_drift_names_who_is_missing_extra_in_another_role_and_unknown() {
    for database in databases() {
        let it = Drifted::behind_our_back(&database).await;
        let expected = [
            is("ann@example.com", "missing", "open"),
            is("bob@example.com", "wrong_role", "open"),
            is("cid@example.com", "extra", "open"),
            is("dan@example.com", "wrong_role", "kept"),
            is("zoe@outside.example", "unknown", "kept"),
        ];
        assert_eq!(it.kinds().await, expected, "{}", database.name);

        let all = it.drift("", 1).await;
        assert_eq!(all.len(), 5, "{}: page by page it is the same: {all:?}", database.name);
        let of = |name: &str| all.iter().find(|item| item["name"] == format!("{name}@example.com")).unwrap();
        let bob = of("bob");
        assert_eq!((&bob["wanted"], &bob["known"]["role"]), (&json!("editor"), &json!(VIEWER)), "{bob}");
        assert_eq!((&bob["observed"]["role"], &bob["because"]), (&json!(VIEWER), &json!(["group staff"])), "{bob}");
        assert_eq!((&of("cid")["left"], &of("cid")["wanted"]), (&json!(true), &Value::Null), "{}", of("cid"));
        assert_eq!(of("ann")["known"]["state"], "absent", "{}", of("ann"));
        assert!(of("dan")["why"].as_str().unwrap().contains("exempted"), "{}", of("dan"));

        for word in ["missing", "extra", "wrong_role", "unknown"] {
            let some = it.drift(&format!("&kind={word}"), 50).await;
            let expected: Vec<_> = expected.iter().filter(|one| one.1 == word).cloned().collect();
            let mut found: Vec<_> = some.iter().map(kind).collect();
            found.sort();
            assert_eq!(found, expected, "{}", database.name);
        }
        it.admin.get("/api/v1/hubs/ads/drift?kind=strange").await.expect(400);
        it.admin.get("/api/v1/hubs/ads/drift?cursor=person.x").await.expect(400);
        it.admin.get("/api/v1/hubs/other/drift").await.expect(404);
        // It is reported, no more: nothing was planned because of it.
        it.at_rest().await;
        assert_eq!(it.kinds().await, expected, "{}: asking changes nothing", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_8_drift_is_put_right_on_request_for_some_or_all_as_it_was_looked_at() {
    for database in databases() {
        let it = Drifted::behind_our_back(&database).await;
        let (look, act) = ("/api/v1/hubs/ads/drift/repair/preview", "/api/v1/hubs/ads/drift/repair");
        let id = |member: &Value| member["id"].as_str().unwrap().to_owned();
        let bob = id(&member(&it.admin, "ads", "bob@example.com").await);
        let zoe = id(&member(&it.admin, "ads", "zoe@outside.example").await);

        // Nobody's account, nobody at all, and no id: each is named with its place.
        let nobody = uuid::Uuid::now_v7().to_string();
        let wrong = it.admin.post(look, &json!({"members": [bob, zoe], "users": [nobody]})).await.expect(400).json();
        let text = wrong.to_string();
        assert!(text.contains("members/1") && text.contains("users/0") && !text.contains("members/0"), "{text}");
        it.admin.post(look, &json!({"members": ["x"]})).await.expect(400);
        it.admin.post(look, &json!({"members": []})).await.expect(400);

        let some = json!({"members": [bob]});
        let plan = it.admin.post(look, &some).await.expect(200).json();
        let effect = &plan["effects"][0];
        assert_eq!(
            (&effect["promotes"], &effect["adds"], &effect["removes"]),
            (&json!(1), &json!(0), &json!(0)),
            "{plan}"
        );
        let digest = plan["digest"].as_str().unwrap();
        it.admin.post(act, &some).await.expect(400);
        it.admin.post(&format!("{act}?expect={}", "0".repeat(64)), &some).await.expect(409);
        it.admin.post(&format!("{act}?expect={digest}"), &json!({})).await.expect(409);
        assert_eq!(it.held(VIEWER).len(), 3, "{}: nothing happened yet", database.name);
        it.admin.post(&format!("{act}?expect={digest}"), &some).await.expect(200);
        it.until("Bob is an editor", async || it.held("editor").contains(&"bob@example.com".to_owned())).await;
        it.at_rest().await;
        assert_eq!(it.account("ann"), Value::Null, "{}: only who was named", database.name);

        let plan = it.admin.post(look, &json!({})).await.expect(200).json();
        let effect = &plan["effects"][0];
        assert_eq!(
            (&effect["adds"], &effect["removes"], &effect["promotes"]),
            (&json!(1), &json!(1), &json!(0)),
            "{plan}"
        );
        let digest = plan["digest"].as_str().unwrap();
        it.admin.post(&format!("{act}?expect={digest}"), &json!({})).await.expect(200);
        it.until("Ann is back", async || it.account("ann") != Value::Null).await;
        it.until("Cid is suspended again", async || it.account("cid")["active"] == false).await;
        it.at_rest().await;
        let left = [is("dan@example.com", "wrong_role", "kept"), is("zoe@outside.example", "unknown", "kept")];
        assert_eq!(it.kinds().await, left, "{}", database.name);

        let told = it.admin.get("/api/v1/activity?kind=drift.repair").await.expect(200).json();
        let told: Vec<&Value> = told["items"].as_array().unwrap().iter().map(|one| &one["detail"]["people"]).collect();
        assert_eq!(told, [&json!("everybody"), &json!(1)], "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_would_suspend_half_of_a_hub_is_held_and_an_observing_hub_is_left_alone() {
    for database in databases() {
        let it = Drifted::new(&database).await;
        let (look, act) = ("/api/v1/hubs/ads/drift/repair/preview", "/api/v1/hubs/ads/drift/repair");
        // Four of eight leave while nothing is pushed, so that all of it is drift and nothing else.
        it.admin.patch("/api/v1/hubs/ads", &json!({"mode": "observe"})).await.expect(200);
        for name in ["ann", "bob", "cid", "dan"] {
            set_active(&it.scim, &it.people[name], false).await;
        }
        let extra = it.drift("&kind=extra", 50).await;
        assert!(extra.len() == 4 && extra.iter().all(|one| one["standing"] == "open"), "{extra:?}");
        it.admin.post(look, &json!({})).await.expect(409);
        it.admin.post(&format!("{act}?expect={}", "0".repeat(64)), &json!({})).await.expect(409);
        assert_eq!(it.accounts().iter().filter(|one| one["active"] == true).count(), 8, "{}", database.name);

        // Active again, its own plan meets the guard: the fourth would make it half. A repair asked for
        // meets the same one.
        it.admin.patch("/api/v1/hubs/ads", &json!({"mode": "active"})).await.expect(200);
        let active = || it.accounts().iter().filter(|one| one["active"] == true).count();
        let mut held = Value::Null;
        it.until("three are suspended and the fourth is held", async || {
            held = it.admin.get("/api/v1/held").await.expect(200).json()["items"][0].clone();
            held["total"] == 1 && active() == 5
        })
        .await;
        let plan = it.admin.post(look, &json!({})).await.expect(200).json();
        assert_eq!(plan["effects"][0]["removes"], 0, "{}: it is under way: {plan}", database.name);
        let digest = plan["digest"].as_str().unwrap();
        it.admin.post(&format!("{act}?expect={digest}"), &json!({})).await.expect(200);
        it.until("it was looked at again", async || {
            it.admin.get("/api/v1/status").await.expect(200).json()["hubs"][0]["marks"] == 0
        })
        .await;
        let extra = it.drift("&kind=extra", 50).await;
        assert!(extra.len() == 1 && extra[0]["standing"] == "under_way" && extra[0]["task"].is_string(), "{extra:?}");
        assert_eq!(active(), 5, "{}: the guard stands", database.name);
        let id = held["id"].as_str().unwrap();
        it.admin.post(&format!("/api/v1/held/{id}/reject"), &json!({"note": "not these"})).await.expect(200);
        let mut extra = Vec::new();
        it.until("the decision is shown", async || {
            extra = it.drift("&kind=extra", 50).await;
            extra.len() == 1 && extra[0]["standing"] == "kept"
        })
        .await;
        assert!(extra[0]["why"].as_str().unwrap().contains("rejected by"), "{extra:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_8_what_a_changed_mapping_puts_right_besides_is_in_its_preview() {
    for database in databases() {
        let it = Drifted::behind_our_back(&database).await;
        let body = json!({"group": "newcomers", "app_role": "viewer"});
        let plan = it.admin.post("/api/v1/hubs/ads/mappings/preview", &body).await.expect(200).json();
        let people = plan["effects"][0]["people"].as_array().unwrap();
        let shown: Vec<(&str, &str)> =
            people.iter().map(|one| (one["user"].as_str().unwrap(), one["change"].as_str().unwrap())).collect();
        let wanted = [("ann@example.com", "add"), ("bob@example.com", "promote"), ("cid@example.com", "remove")];
        assert_eq!(shown, wanted, "{}: {plan}", database.name);
        let digest = plan["digest"].as_str().unwrap();
        it.admin.put(&format!("/api/v1/hubs/ads/mappings?expect={digest}"), &body).await.expect(201);
        it.until("Ann is back", async || it.account("ann") != Value::Null).await;
        it.until("Bob is an editor", async || it.held("editor").contains(&"bob@example.com".to_owned())).await;
        it.until("Cid is suspended again", async || it.account("cid")["active"] == false).await;
    }
}
