//! Connecting a hub: what is asked, what is told when it is wrong, and what two hubs never share.

use serde_json::{Value, json};

use crate::hubs::clients;
use crate::support::databases;
use crate::support::server::{Server, scimhub};

/// The errors of a refusal, by field.
fn errors(reply: &Value) -> Vec<&str> {
    reply["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn section_2_1_every_wrong_field_is_named_at_once() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, _) = clients(&server);
        let bad = json!({"id": "Not A Slug", "app": "linkedin-business", "label": " ", "login": "sso",
            "settle": "soon", "policy": {"removal_percent": 101},
            "connection": {"business_id": "123", "busines_id": "x", "service_account": "two words"},
            "secrets": {"TOKEN": "never-shown-anywhere"}});
        let told = admin.post("/api/v1/hubs", &bad).await.expect(400);
        assert_eq!(told.header("content-type"), Some("application/problem+json"));
        let told = told.json();
        let mut found = errors(&told);
        found.sort_unstable();
        let wanted = [
            "connection.busines_id",
            "connection.business_id",
            "connection.service_account",
            "id",
            "label",
            "policy",
            "secrets.TOKEN",
            "settle",
        ];
        assert_eq!(found, wanted, "{told}");
        assert!(told.to_string().contains("it must have 19 digits; this has 3"), "{told}");
        assert!(!told.to_string().contains("never-shown"), "{told}");

        // The forms of section 12.1, each wrong once and right once.
        for (app, login, connection, field) in [
            ("google-ads", "sso", json!({"mcc_id": "123-456-7890"}), Some("mcc_id")),
            ("google-ads", "sso", json!({"mcc_id": "1234567890"}), None),
            ("github", "sso", json!({"organization": "-acme"}), Some("organization")),
            ("github", "sso", json!({"organization": "acme-corp"}), None),
            ("adyen", "sso", json!({"unique_identifier": "acme1", "environment": "live"}), Some("environment")),
            ("adyen", "sso", json!({"unique_identifier": "acme1", "environment": "production"}), None),
            ("ahrefs", "password", json!({"unique_identifier": "ab"}), Some("unique_identifier")),
            ("ahrefs", "password", json!({"unique_identifier": "a".repeat(31)}), Some("unique_identifier")),
            ("ahrefs", "password", json!({"unique_identifier": "ab-c"}), Some("unique_identifier")),
            ("ahrefs", "password", json!({"unique_identifier": "abc"}), None),
            ("meta-business", "sso", json!({"business_id": "12a"}), Some("business_id")),
            ("meta-business", "sso", json!({"business_id": "12", "access_token": "EAAB"}), Some("access_token")),
            ("meta-business", "sso", json!({"business_id": "12"}), None),
        ] {
            let body = json!({"id": app, "app": app, "login": login, "connection": connection});
            let reply = admin.post("/api/v1/hubs", &body).await;
            match field {
                Some(field) => {
                    let told = reply.expect(400).json();
                    assert_eq!(errors(&told), [format!("connection.{field}")], "{told}");
                }
                None => {
                    reply.expect(201);
                }
            }
        }
        // Ahrefs knows passwords only; an edit is held against the same rules.
        let told = admin.patch("/api/v1/hubs/ahrefs", &json!({"login": "sso"})).await.expect(400).json();
        assert_eq!(errors(&told), ["login"], "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_3_one_account_serves_one_hub_and_one_identifier_names_one() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, _) = clients(&server);
        let hub = |id: &str, identifier: &str, account: &str| {
            json!({"id": id, "app": "ahrefs",
                "connection": {"unique_identifier": identifier, "service_account": account}})
        };
        admin.post("/api/v1/hubs", &hub("one", "acme1", "svc@example.com")).await.expect(201);
        let told = admin.post("/api/v1/hubs", &hub("two", "ACME1", "Svc@Example.com")).await.expect(409).json();
        assert_eq!(errors(&told), ["connection.unique_identifier", "connection.service_account"], "{told}");
        assert!(told["detail"].as_str().unwrap().contains("'one'"), "{told}");
        admin.post("/api/v1/hubs", &hub("two", "acme2", "two@example.com")).await.expect(201);
        // By an edit, and by the preview of one, as well.
        let wish = json!({"connection": {"service_account": "svc@example.com"}});
        for (method, path) in [("PATCH", "/api/v1/hubs/two"), ("POST", "/api/v1/hubs/two/preview")] {
            let headers = [("content-type", "application/json")];
            let reply = admin.send(method, path, &headers, Some(wish.to_string().into_bytes())).await;
            assert_eq!(errors(&reply.expect(409).json()), ["connection.service_account"], "{method}");
        }
        // Taking it from there first makes it free: choosing another disconnects the old one.
        let other = json!({"connection": {"service_account": "other@example.com"}});
        admin.patch("/api/v1/hubs/one", &other).await.expect(200);
        admin.patch("/api/v1/hubs/two", &wish).await.expect(200);
        // Another app's account of the same name is another account.
        let chat = json!({"id": "chat", "app": "chatgpt",
            "connection": {"business_id": "Acme", "service_account": "svc@example.com"}});
        admin.post("/api/v1/hubs", &chat).await.expect(201);

        // Files: against each other with file and line, and against what is there.
        let file = |id: &str, identifier: &str| {
            format!(
                "[[hub]]\nid = \"{id}\"\napp = \"ahrefs\"\nconnection = {{ unique_identifier = \"{identifier}\" }}\n"
            )
        };
        let both = format!("{}\n{}", file("three", "acme3"), file("four", "Acme3"));
        let body = |text: &str| json!({"files": [{"name": "h.toml", "text": text}]});
        for path in ["/api/v1/plan", "/api/v1/apply"] {
            let told = admin.post(path, &body(&both)).await.expect(400).text();
            assert!(told.contains("h.toml:6: connection.unique_identifier") && told.contains("h.toml:1"), "{told}");
            let told = admin.post(path, &body(&file("five", "acme1"))).await.expect(409).text();
            assert!(told.contains("h.toml:1") && told.contains("'one'"), "{told}");
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("h.toml"), &both).unwrap();
        let checked = scimhub(&database).arg("validate").arg(folder.path()).output().unwrap();
        assert!(!checked.status.success());
        assert!(String::from_utf8_lossy(&checked.stderr).contains("h.toml:6"), "{checked:?}");
        // Under a new id in the same apply, the old one pruned, it is nobody else's.
        let owned = |text: &str, prune: bool| json!({"files": [{"name": "h.toml", "text": text}], "owner": "ads", "prune": prune});
        admin.post("/api/v1/apply", &owned(&file("three", "acme3"), false)).await.expect(200);
        admin.post("/api/v1/apply", &owned(&file("renamed", "acme3"), true)).await.expect(200);
        admin.get("/api/v1/hubs/three").await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_made_at_once_never_get_the_same_identifier() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, _) = clients(&server);
        let bodies: Vec<Value> = (0..8)
            .map(|n| json!({"id": format!("h{n}"), "app": "ahrefs", "connection": {"unique_identifier": "acme1"}}))
            .collect();
        let replies = futures_of(&admin, &bodies).await;
        let made = replies.iter().filter(|status| **status == 201).count();
        let refused = replies.iter().filter(|status| **status == 409).count();
        assert_eq!((made, refused), (1, 7), "{}: {replies:?}", database.name);
    }
}

async fn futures_of(admin: &crate::support::http::Client, bodies: &[Value]) -> Vec<u16> {
    let running: Vec<_> = bodies
        .iter()
        .cloned()
        .map(|body| {
            let admin = admin.clone();
            tokio::spawn(async move { admin.post("/api/v1/hubs", &body).await.status })
        })
        .collect();
    let mut replies = Vec::new();
    for one in running {
        replies.push(one.await.unwrap());
    }
    replies
}

#[tokio::test(flavor = "multi_thread")]
async fn section_7_removing_a_hub_asks_for_a_reason_and_changes_nothing_in_the_app() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = clients(&server);
        let app = crate::hubs::mending::sandbox();
        crate::hubs::mending::sandbox_hub(&admin, "ads", &app.scim("ads"), crate::hubs::mending::GOOD).await;
        let made = admin.get("/api/v1/hubs/ads").await.expect(200).json();
        assert!(made["created_by"].as_str().unwrap().starts_with("token:"), "{made}");
        let ann = crate::hubs::user(&scim, "ann@example.com").await;
        crate::hubs::group(&scim, "editors", &[&ann]).await;
        crate::hubs::tasks(&admin, "hub=ads&kind=add&status=completed", 1).await;
        for (query, field) in
            [("", "reason"), ("?reason=boredom", "reason"), ("?reason=pruned", "reason"), ("?reason=other", "note")]
        {
            let told = admin.delete(&format!("/api/v1/hubs/ads{query}")).await.expect(400).json();
            assert_eq!(errors(&told), [field], "{query}: {told}");
        }
        let told = admin.delete("/api/v1/hubs/ads").await.expect(400).text();
        assert!(told.contains("no_longer_used, replaced, wrong_connection, trial, managed_elsewhere, other"), "{told}");
        admin.delete("/api/v1/hubs/nowhere").await.expect(404);
        let log = crate::support::http::Client::new(&app.base(), crate::hubs::mending::GOOD);
        let before = log.get("/_test/log").await.expect(200).json()["requests"].as_array().unwrap().len();
        admin.delete("/api/v1/hubs/ads?reason=other&note=sold%20to%20Acme").await.expect(204);
        admin.get("/api/v1/hubs/ads").await.expect(404);
        // The account is still there, and so is what auditors ask for.
        let after = log.get("/_test/log").await.expect(200).json()["requests"].as_array().unwrap().len();
        assert_eq!(before, after, "removing a hub calls nobody");
        assert_eq!(app.state()["spaces"]["ads"]["counts"]["create"], 1);
        let access = admin.get("/api/v1/access").await.expect(200).text();
        assert!(access.contains(&ann), "{access}");
        let told = admin.get("/api/v1/activity?limit=200").await.expect(200).json();
        let record = told["items"].as_array().unwrap().iter().find(|one| one["kind"] == "hub.removed").unwrap().clone();
        assert_eq!(record["detail"]["reason"], "other", "{record}");

        // Files give their own reason.
        let file = "[[hub]]\nid = \"wiki\"\napp = \"manual\"\n";
        let body = json!({"files": [{"name": "h.toml", "text": file}], "owner": "it"});
        admin.post("/api/v1/apply", &body).await.expect(200);
        let none = json!({"files": [{"name": "h.toml", "text": ""}], "owner": "it", "prune": true});
        admin.post("/api/v1/apply", &none).await.expect(200);
        let told = admin.get("/api/v1/activity?limit=200").await.expect(200).text();
        assert!(told.contains("\"pruned\""), "{told}");
    }
}

/// A number where a text is wanted is the field's mistake, told with the others.
#[tokio::test(flavor = "multi_thread")]
async fn section_2_1_a_value_of_another_type_is_told_with_its_field() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        for (value, words) in [(json!(123_456), "in quotes"), (json!(null), "a text"), (json!(["1"]), "a text")] {
            let body = json!({"id": "m1", "app": "meta-business", "label": "", "connection": {"business_id": value}});
            let reply = admin.post("/api/v1/hubs", &body).await.expect(400).json();
            let errors = reply["errors"].as_array().unwrap();
            let fields: Vec<&str> = errors.iter().map(|one| one["field"].as_str().unwrap()).collect();
            assert!(
                fields.contains(&"connection.business_id") && fields.contains(&"label"),
                "{}: {reply}",
                database.name
            );
            assert!(reply.to_string().contains(words), "{}: {reply}", database.name);
        }
    }
}
