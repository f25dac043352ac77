//! Endpoints through the API of the real server, and the events of real work.

use diesel::connection::{Connection as _, SimpleConnection as _};
use serde_json::{Value, json};

use super::receiver::{self, Answer, Receiver};
use super::{deliveries, endpoint, trial};
use crate::hubs::{self, SOON, mending};
use crate::support::canary::Canaries;
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

const LOCAL: [&str; 2] = ["--app-network", "127.0.0.0/8"];

/// The bodies of this type that arrived.
fn of_type(receiver: &Receiver, kind: &str) -> Vec<Value> {
    let all = receiver.calls().into_iter().map(|call| call.json());
    all.filter(|body| body["type"] == kind).collect()
}

async fn until_told(receiver: &Receiver, kind: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} × {kind}"), SOON, async || of_type(receiver, kind).len() >= count).await;
    let all = of_type(receiver, kind);
    assert_eq!(all.len(), count, "{kind}: {all:?}");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_people_is_told_signed_and_without_a_secret() {
    for database in databases() {
        let server = Server::start(&database, &LOCAL);
        let (admin, scim) = hubs::clients(&server);
        let (receiver, app) = (Receiver::start(), mending::sandbox());
        let (id, secret) = endpoint(&server, &admin, &receiver, &[]).await;

        // A credential that does not work is one problem, and its end is told too.
        mending::sandbox_hub(&admin, "ads", &app.scim("ads"), "revoked-token").await;
        let mut people = Vec::new();
        for name in ["ann", "bob", "cid", "dee"] {
            people.push(hubs::user(&scim, &format!("{name}@example.com")).await);
        }
        let members: Vec<&str> = people.iter().map(String::as_str).collect();
        let group = hubs::group(&scim, "editors", &members).await;
        let opened = until_told(&receiver, "problem.opened", 1).await.remove(0);
        assert_eq!(opened["data"]["problem"]["cause"], "auth_broken", "{opened}");
        assert!(opened["data"]["problem"]["remedy"].as_str().unwrap().contains("secret set ads"), "{opened}");
        admin.put("/api/v1/hubs/ads/secrets/TOKEN", &json!({ "value": mending::GOOD })).await.expect(204);
        let closed = until_told(&receiver, "problem.closed", 1).await.remove(0);
        assert_eq!(closed["data"]["hub"]["id"], "ads");

        let got = until_told(&receiver, "user.provisioned", 4).await;
        let ann = got.iter().find(|body| body["data"]["user"]["name"] == "ann@example.com").expect("Ann");
        assert_eq!(ann["data"]["user"]["id"], people[0].as_str());
        assert_eq!((&ann["data"]["hub"]["app"], &ann["data"]["workspace"]), (&json!("sandbox"), &json!("default")));
        assert_eq!(ann["data"]["task"]["kind"], "add");

        crate::hub_rules::set_active(&scim, &people[0], false).await;
        let gone = until_told(&receiver, "user.deprovisioned", 1).await.remove(0);
        assert_eq!(gone["data"]["user"]["name"], "ann@example.com");

        // The whole rest of the hub at once: held, and told once however many tasks there are.
        scim.delete(&format!("/scim/v2/Groups/{group}")).await.expect(204);
        let held = until_told(&receiver, "hold.opened", 1).await.remove(0);
        assert!(held["data"]["hold"]["reason"].is_string() && held["data"]["hold"]["id"].is_string(), "{held}");

        // A credential without the right: set aside for a person, with the code and what to do.
        let fault = json!({"times": 0, "status": 403});
        Client::new(&app.base(), mending::GOOD).post("/_test/faults", &fault).await.expect(200);
        mending::sandbox_hub(&admin, "box", &app.scim("box"), mending::GOOD).await;
        hubs::mapping(&admin, "box", &json!({"user": "bob@example.com", "app_role": "viewer"})).await;
        let failed = until_told(&receiver, "task.failed", 1).await.remove(0);
        assert_eq!(
            (&failed["data"]["task"]["code"], &failed["data"]["hub"]["id"]),
            (&json!("forbidden"), &json!("box"))
        );
        assert!(failed["data"]["task"]["remedy"].as_str().unwrap().contains("resume --hub box"), "{failed}");
        assert_eq!(failed["data"]["user"]["name"], "bob@example.com");

        let mut canaries = Canaries::default();
        canaries.add("the app's token", mending::GOOD);
        canaries.add("a refused token", "revoked-token");
        canaries.add("a signing secret", &secret);
        let calls = receiver.calls();
        for call in &calls {
            assert_eq!(call.signed_by(&secret), (true, 1), "{}", call.head);
            assert!(call.head.starts_with("POST "), "{}", call.head);
            assert_eq!(call.headers["content-type"], "application/json");
            canaries.assert_absent("a call of an endpoint", &format!("{}\n{}", call.head, call.json()));
        }
        let mut ids: Vec<&str> = calls.iter().map(receiver::Call::id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), calls.len(), "{}: every event once", database.name);
        eventually("all recorded", SOON, async || {
            deliveries(&admin, &id, "?limit=200").await.iter().all(|one| one["status"] == "delivered")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_made_changed_turned_off_and_removed() {
    for database in databases() {
        let server = Server::start(&database, &LOCAL);
        let (admin, reader) = (server.client("admin"), server.client("read"));
        let receiver = Receiver::start();
        let url = receiver.url();
        for (body, field) in [
            (json!({"name": "a b", "url": url}), "name of a webhook"),
            (json!({"name": "x", "url": "nothing"}), "url: "),
            (json!({"name": "x", "url": "https://u:p@example.com/"}), "url: "),
            (json!({"name": "x", "url": "http://example.com:99999/"}), "url: "),
            (json!({"name": "x", "url": url, "types": ["moon.rose"]}), "types: "),
            (json!({"name": "x", "url": url, "types": ["webhook.test"]}), "types: "),
            (json!({"name": "x", "url": url, "secret": "mine"}), "secret"),
        ] {
            let refused = admin.post("/api/v1/webhooks", &body).await.expect(400).json();
            assert!(refused["detail"].as_str().unwrap().contains(field), "{refused}");
        }
        // All that is wrong at once, field by field.
        let body = json!({"name": "a b", "url": "nothing", "types": ["moon.rose"]});
        let refused = admin.post("/api/v1/webhooks", &body).await.expect(400).json();
        let fields: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|one| one["field"].clone()).collect();
        assert_eq!(fields, ["name", "url", "types"], "{refused}");
        assert_eq!(admin.get("/api/v1/webhooks").await.expect(200).json()["items"], json!([]));

        let (id, secret) = endpoint(&server, &admin, &receiver, &["hold.opened", "task.failed"]).await;
        assert!(secret.starts_with("whsec_"));
        // A name stands for one endpoint, however it is written; another choice of events is none of its business.
        let name = admin.get(&format!("/api/v1/webhooks/{id}")).await.expect(200).json()["name"].clone();
        let same = name.as_str().unwrap().to_uppercase();
        let refused = admin.post("/api/v1/webhooks", &json!({"name": same, "url": url})).await.expect(409).json();
        assert_eq!(refused["errors"][0]["field"], "name", "{}: {refused}", database.name);
        let other = admin.post("/api/v1/webhooks", &json!({"name": "b", "url": url, "types": []})).await.expect(201);
        let other = format!("/api/v1/webhooks/{}", other.json()["id"].as_str().unwrap());
        let all = admin.get(&other).await.expect(200).json()["types"].as_array().unwrap().len();
        assert!(all > 5, "an empty list is everything: {all}");
        let refused = admin.patch(&other, &json!({"name": name, "url": "nothing"})).await.expect(400).json();
        assert_eq!(refused["errors"][0]["field"], "url", "{refused}");
        let refused = admin.patch(&other, &json!({"name": name})).await.expect(409).json();
        assert_eq!(refused["errors"][0]["field"], "name", "{refused}");
        admin.patch(&other, &json!({"name": "B"})).await.expect(200);
        admin.delete(&other).await.expect(204);
        let path = format!("/api/v1/webhooks/{id}");
        let seen = admin.get(&path).await.expect(200);
        assert!(!seen.text().contains(&secret) && seen.json().get("secret").is_none());
        assert_eq!(seen.json()["types"], json!(["task.failed", "hold.opened"]));
        let read = reader.get(&path).await.expect(200).text();
        assert!(!read.contains(receiver::KEY), "a path may be a key: {read}");
        reader.post(&format!("{path}/test"), &json!({})).await.expect(403);

        let first = trial(&admin, &id).await;
        let call = receiver.until_called(1).await.remove(0);
        assert_eq!((call.id(), call.json()["type"].as_str()), (first.as_str(), Some("webhook.test")));

        let turned = admin.post(&format!("{path}/rotate"), &json!({})).await.expect(200).json();
        let newer = turned["secret"].as_str().unwrap().to_owned();
        server.watch("a newer signing secret", &newer);
        assert!(turned["old_secret_until"].is_string() && newer != secret);
        trial(&admin, &id).await;
        let call = receiver.until_called(2).await.remove(1);
        assert_eq!((call.signed_by(&secret), call.signed_by(&newer)), ((true, 2), (true, 2)));

        admin.patch(&path, &json!({"enabled": false, "types": []})).await.expect(200);
        admin.post(&format!("{path}/test"), &json!({})).await.expect(409);
        let on = admin.patch(&path, &json!({"enabled": true})).await.expect(200).json();
        assert_eq!(on["types"].as_array().unwrap().len(), 8, "{on}");
        let told = admin.get("/api/v1/activity?kind=webhook.").await.expect(200).text();
        for kind in ["webhook.created", "webhook.tested", "webhook.rotated", "webhook.changed"] {
            assert!(told.contains(kind), "{kind}: {told}");
        }
        assert!(!told.contains(receiver::KEY) && !told.contains(&secret));
        admin.delete(&path).await.expect(204);
        admin.get(&path).await.expect(404);
        admin.delete(&path).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_are_shown_paged_and_replayed_under_their_ids() {
    for database in databases() {
        let server = Server::start(&database, &LOCAL);
        let admin = server.client("admin");
        let receiver = Receiver::start();
        let (id, _) = endpoint(&server, &admin, &receiver, &[]).await;
        receiver.always(Answer::Status(400, ""));
        let mut sent = Vec::new();
        for _ in 0..3 {
            sent.push(trial(&admin, &id).await);
        }
        let not_told = async || admin.get("/api/v1/status").await.expect(200).json()["not_told"].clone();
        eventually("three dead ones", SOON, async || not_told().await["dead_deliveries"] == 3).await;
        let page = admin.get(&format!("/api/v1/webhooks/{id}/deliveries?status=dead&limit=2")).await.expect(200).json();
        let next =
            format!("/api/v1/webhooks/{id}/deliveries?status=dead&limit=2&cursor={}", page["next"].as_str().unwrap());
        let rest = admin.get(&next).await.expect(200).json();
        assert_eq!((page["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (2, 1));
        assert!(rest.get("next").is_none());
        assert_eq!((&rest["items"][0]["id"], &rest["items"][0]["answer"]), (&json!(sent[0]), &json!(400)));
        admin.get(&format!("/api/v1/webhooks/{id}/deliveries?status=late")).await.expect(400);

        receiver.always(Answer::Status(200, ""));
        let one = format!("/api/v1/webhooks/{id}/deliveries/{}/replay", sent[1]);
        assert_eq!(admin.post(&one, &json!({})).await.expect(202).json()["replayed"], 1);
        eventually("two dead ones", SOON, async || not_told().await["dead_deliveries"] == 2).await;
        receiver.until_called(4).await;
        let all = format!("/api/v1/webhooks/{id}/deliveries/replay");
        assert_eq!(admin.post(&all, &json!({})).await.expect(202).json()["replayed"], 2);
        let ids: Vec<String> = receiver.until_called(6).await[3..].iter().map(|call| call.id().to_owned()).collect();
        assert_eq!(ids[0], sent[1]);
        assert!(ids.contains(&sent[0]) && ids.contains(&sent[2]), "{ids:?}");
        let unknown = format!("/api/v1/webhooks/{id}/deliveries/01890a5d-ac96-774b-bcce-b302099a8057/replay");
        admin.post(&unknown, &json!({})).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t23_no_endpoint_leads_into_a_private_network() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let receiver = Receiver::start();
        for url in [
            receiver.url(),
            receiver.url().replace("http:", "https:"),
            String::from("https://169.254.169.254/latest/meta-data"),
            String::from("https://[::ffff:10.0.0.1]/"),
            String::from("https://2130706433/"),
            String::from("http://example.com/"),
        ] {
            let refused = admin.post("/api/v1/webhooks", &json!({"name": "x", "url": url})).await.expect(400).json();
            assert!(refused["detail"].as_str().unwrap().starts_with("url: "), "{url}: {refused}");
        }
        // A name is judged by what it stands for when it is called.
        let named = receiver.url().replace("http://127.0.0.1", "https://localhost");
        let made = admin.post("/api/v1/webhooks", &json!({"name": "x", "url": named})).await.expect(201).json();
        let id = made["id"].as_str().unwrap();
        trial(&admin, id).await;
        let mut dead = Vec::new();
        eventually("refused when called", SOON, async || {
            dead = deliveries(&admin, id, "?status=dead").await;
            dead.len() == 1
        })
        .await;
        assert!(dead[0]["error"].as_str().unwrap().contains("not public"), "{dead:?}");
        let path = format!("/api/v1/webhooks/{id}");
        admin.patch(&path, &json!({ "url": receiver.url() })).await.expect(400);
        assert_eq!(receiver.calls().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t06_endpoints_of_another_workspace_are_neither_seen_nor_told() {
    for database in databases() {
        let server = Server::start(&database, &LOCAL);
        let (admin, scim) = hubs::clients(&server);
        assert!(server.run(&["workspace", "create", "other"]).status.success());
        let stranger = Client::new(&server.base, &server.token_for("other", "default", "admin"));
        let (ours, theirs) = (Receiver::start(), Receiver::start());
        let (id, _) = endpoint(&server, &admin, &ours, &[]).await;
        let (foreign, _) = endpoint(&server, &stranger, &theirs, &[]).await;
        let delivery = trial(&admin, &id).await;
        ours.until_called(1).await;
        let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
        for (method, tail, body) in [
            ("GET", String::new(), None),
            ("PATCH", String::new(), Some(json!({"enabled": false}))),
            ("DELETE", String::new(), None),
            ("POST", String::from("/rotate"), Some(json!({}))),
            ("POST", String::from("/test"), Some(json!({}))),
            ("GET", String::from("/deliveries"), None),
            ("POST", String::from("/deliveries/replay"), Some(json!({}))),
            ("POST", format!("/deliveries/{delivery}/replay"), Some(json!({}))),
        ] {
            let body = body.map(|body| body.to_string().into_bytes());
            let headers = [("content-type", "application/json")];
            let path = format!("/api/v1/webhooks/{id}{tail}");
            let reply = stranger.send(method, &path, &headers, body.clone()).await.expect(404);
            let path = format!("/api/v1/webhooks/{unknown}{tail}");
            let same = stranger.send(method, &path, &headers, body).await.expect(404);
            assert_eq!(reply.json()["detail"], same.json()["detail"], "{method} {tail}");
        }
        // Theirs cannot reach ours through their own endpoint either.
        let mixed = format!("/api/v1/webhooks/{foreign}/deliveries/{delivery}/replay");
        stranger.post(&mixed, &json!({})).await.expect(404);

        let app = mending::sandbox();
        mending::sandbox_hub(&admin, "ads", &app.scim("ads"), "revoked-token").await;
        hubs::mapping(&admin, "ads", &json!({"user": "ann@example.com", "app_role": "viewer"})).await;
        hubs::user(&scim, "ann@example.com").await;
        until_told(&ours, "problem.opened", 1).await;
        trial(&stranger, &foreign).await;
        let calls = theirs.until_called(1).await;
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!(calls[0].json()["data"]["workspace"], "other");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_sends_the_same_event_again() {
    for database in databases() {
        let receiver = Receiver::start();
        // It ends as hard as `kill -9` between the answer and its record.
        let fault = [("SCIMHUB_FAULT_STEP", String::from("webhook_sent"))];
        let mut server = Server::try_start_in(&database, &LOCAL, &fault).unwrap();
        let admin = server.client("admin");
        let (id, _) = endpoint(&server, &admin, &receiver, &[]).await;
        let event = trial(&admin, &id).await;
        eventually("its end", SOON, async || server.has_ended()).await;
        assert_eq!(receiver.calls().len(), 1);
        drop(server);
        run_out(&database);
        let server = Server::start(&database, &LOCAL);
        let calls = receiver.until_called(2).await;
        assert_eq!((calls[0].id(), calls[1].id()), (event.as_str(), event.as_str()), "{}", database.name);
        assert_eq!(calls[0].body, calls[1].body);
        let admin = server.client("admin");
        eventually("its record", SOON, async || {
            let all = deliveries(&admin, &id, "").await;
            all.len() == 1 && all[0]["status"] == "delivered" && all[0]["attempts"] == 2
        })
        .await;
    }
}

/// The lease of everything that was taken is over, as it is a minute later.
fn run_out(database: &Database) {
    let sql = "UPDATE webhook_deliveries SET due_at = 0;";
    match database.url.strip_prefix("sqlite:") {
        Some(file) => {
            let mut conn = diesel::SqliteConnection::establish(file).unwrap();
            conn.batch_execute(&format!("PRAGMA busy_timeout = 10000; {sql}")).unwrap();
        }
        None => diesel::PgConnection::establish(&database.url).unwrap().batch_execute(sql).unwrap(),
    }
}
