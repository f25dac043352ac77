//! The time in which an app refuses changes after it was connected (Meta: seven days after a new system
//! user), and a person's word that it need not be waited for.

use serde_json::{Value, json};

use crate::hubs::{SOON, clients, group, mapping, tasks, user};
use crate::support::server::Server;
use crate::support::{databases, eventually};

fn hub(token: bool) -> Value {
    let mut body = json!({"id": "meta", "app": "meta-business", "mode": "active", "settle": "0s",
        "connection": {"business_id": "1234567890"}});
    if token {
        body["connection"]["access_token"] = json!({"secret": "META"});
        body["secrets"] = json!({"META": "token-of-a-system-user"});
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn section_12_1_meta_waits_seven_days_and_a_person_may_say_that_it_need_not() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let made = admin.post("/api/v1/hubs", &hub(true)).await.expect(201).json();
        let until = made["waiting"]["until"].as_str().unwrap().to_owned();
        assert!(made["waiting"]["reason"].as_str().unwrap().contains("seven days"), "{made}");
        mapping(&admin, "meta", &json!({"group": "editors", "app_role": "EMPLOYEE"})).await;
        let ann = user(&scim, "ann@example.com").await;
        group(&scim, "editors", &[&ann]).await;
        let task = tasks(&admin, "hub=meta&status=waiting", 1).await.remove(0);
        assert_eq!(task["not_before"], until.as_str(), "{task}");
        assert_eq!(task["error"]["class"], "waiting_rule", "{task}");
        assert!(task["error"]["detail"].as_str().unwrap().contains("Meta may refuse"), "{task}");
        assert_eq!(task["attempts"], 0, "waiting spends nothing");
        // Looked at again it stays the same task; status and explain say why.
        let again = json!({"group": "editors", "app_role": "EMPLOYEE", "hub_role": "owner"});
        mapping(&admin, "meta", &again).await;
        let status = admin.get("/api/v1/status").await.expect(200).json();
        assert_eq!(status["hubs"][0]["waiting"]["until"], until.as_str(), "{status}");
        let why = admin.get(&format!("/api/v1/hubs/meta/users/{ann}/explain")).await.expect(200).text();
        assert!(why.contains("Meta may refuse changes"), "{why}");
        // One task alone cannot be pushed past it.
        // What is planned anew meanwhile has another id.
        let mut told = String::new();
        crate::support::eventually("a task alone is not pushed past it", crate::hubs::SOON, async || {
            let open = tasks(&admin, "hub=meta&status=waiting", 1).await.remove(0);
            let retry = format!("/api/v1/tasks/{}/retry", open["id"].as_str().unwrap());
            told = admin.post(&retry, &json!({})).await.expect(409).text();
            told.contains("waiting/override")
        })
        .await;

        let note = json!({"note": "the system user is a year old"});
        server.client("read").post("/api/v1/hubs/meta/waiting/override", &note).await.expect(403);
        for blank in [json!({}), json!({"note": " "}), json!({"note": "\u{200b}"})] {
            admin.post("/api/v1/hubs/meta/waiting/override", &blank).await.expect(400);
        }
        let ended = admin.post("/api/v1/hubs/meta/waiting/override", &note).await.expect(200).json();
        assert_eq!(ended["released"], 1, "{ended}");
        let item = tasks(&admin, "hub=meta&status=manual", 1).await.remove(0);
        assert!(item["instructions"].as_str().unwrap().contains("Meta Business settings"), "{item}");
        assert!(item.get("error").is_none(), "{item}");
        admin.post("/api/v1/hubs/meta/waiting/override", &note).await.expect(409);
        assert!(admin.get("/api/v1/hubs/meta").await.expect(200).json().get("waiting").is_none());
        let told = admin.get("/api/v1/activity?limit=200").await.expect(200).json();
        let told: Vec<&Value> = told["items"].as_array().unwrap().iter().collect();
        let record = told.iter().find(|one| one["kind"] == "hub.waiting_overridden").unwrap();
        assert!(record["actor"].as_str().unwrap().starts_with("token:"), "{record}");
        // What is planned afterwards does not wait.
        let bob = user(&scim, "bob@example.com").await;
        group(&scim, "others", &[&bob]).await;
        mapping(&admin, "meta", &json!({"group": "others", "app_role": "EMPLOYEE"})).await;
        tasks(&admin, "hub=meta&status=manual", 2).await;
        // Another system user: it begins again.
        let other = json!({"connection": {"access_token": {"secret": "OTHER"}}, "secrets": {"OTHER": "another"}});
        let again = admin.patch("/api/v1/hubs/meta", &other).await.expect(200).json();
        assert!(again["waiting"]["until"].as_str().unwrap() > until.as_str(), "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_system_user_nothing_waits() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let made = admin.post("/api/v1/hubs", &hub(false)).await.expect(201).json();
        assert!(made.get("waiting").is_none(), "{made}");
        mapping(&admin, "meta", &json!({"group": "editors", "app_role": "EMPLOYEE"})).await;
        let ann = user(&scim, "ann@example.com").await;
        group(&scim, "editors", &[&ann]).await;
        tasks(&admin, "hub=meta&status=manual", 1).await;
    }
}

/// The time itself, short enough to be waited for: what the machine does goes to the app, what a person
/// does becomes an item, each by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_by_itself() {
    for database in databases() {
        let folder = tempfile::tempdir().unwrap();
        let rule =
            "[waiting]\nfield = \"base_url\"\nseconds = 4\ntasks = [\"add\"]\nreason = \"It is slow.\"\n\n[tasks]";
        let slow =
            include_str!("../../../apps/sandbox.toml").replace("\"sandbox\"", "\"slow\"").replace("[tasks]", rule);
        std::fs::write(folder.path().join("slow.toml"), slow.replace("= \"Sandbox\"", "= \"Slow\"")).unwrap();
        let apps = folder.path().display().to_string();
        let server = Server::start(&database, &["--apps", &apps, "--app-network", "127.0.0.0/8"]);
        let (admin, scim) = clients(&server);
        let app = crate::hubs::mending::sandbox();
        let ann = user(&scim, "ann@example.com").await;
        group(&scim, "editors", &[&ann]).await;
        let body = json!({"id": "slow", "app": "slow", "mode": "active", "settle": "0s",
            "connection": {"base_url": app.scim("slow"), "token": {"secret": "TOKEN"}},
            "secrets": {"TOKEN": crate::hubs::mending::GOOD}});
        admin.post("/api/v1/hubs", &body).await.expect(201);
        mapping(&admin, "slow", &json!({"group": "editors", "app_role": "editor"})).await;
        let task = tasks(&admin, "hub=slow&kind=add&status=waiting", 1).await.remove(0);
        assert_eq!(app.state()["spaces"]["slow"]["counts"]["create"].as_i64().unwrap_or(0), 0);
        eventually("the task goes on by itself", SOON, async || {
            let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
            admin.get(&path).await.expect(200).json()["status"] == "completed"
        })
        .await;
    }
}
