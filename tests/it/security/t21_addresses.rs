//! T-21: a secret given for one address never goes to another. A stand-in writes down every request
//! that reaches it, headers and all.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::hubs::{clients, group, mapping, tasks, user};
use crate::support::databases;
use crate::support::server::Server;

/// Somebody who listens on an address of their own, and answers nothing useful.
struct Listener {
    base: String,
    heard: Arc<Mutex<String>>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(String::new()));
        let notes = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let mut head = [0_u8; 8192];
                let read = stream.read(&mut head).unwrap_or(0);
                notes.lock().unwrap().push_str(&String::from_utf8_lossy(&head[..read]));
                let _ =
                    stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { base, heard }
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }
}

const OLD: &str = "the-old-secret-of-the-old-address";
const NEW: &str = "the-new-secret-of-the-new-address";

#[tokio::test(flavor = "multi_thread")]
async fn t21_no_old_secret_reaches_a_new_address_by_any_door() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = clients(&server);
        server.watch("the old secret", OLD);
        server.watch("the new secret", NEW);
        let ann = user(&scim, "ann@example.com").await;
        group(&scim, "editors", &[&ann]).await;
        for door in ["patch", "file"] {
            let (first, second) = (Listener::start(), Listener::start());
            let hub = |base: &str| {
                format!(
                    "[[hub]]\nid = \"{door}\"\napp = \"sandbox\"\nmode = \"active\"\nsettle = \"0s\"\n\
                     connection = {{ base_url = \"{base}\", token = {{ secret = \"TOKEN\" }} }}\n"
                )
            };
            let file = |base: &str| json!({"files": [{"name": "h.toml", "text": hub(base)}]});
            admin.post("/api/v1/apply", &file(&first.base)).await.expect(200);
            let path = format!("/api/v1/hubs/{door}");
            admin.put(&format!("{path}/secrets/TOKEN"), &json!({ "value": OLD })).await.expect(204);
            // It goes where it was given for.
            let found = admin.post(&format!("{path}/check"), &json!({})).await.expect(200).json();
            assert_eq!((&found["ok"], &found["error"]["class"]), (&json!(false), &json!("auth_broken")), "{found}");
            assert!(first.heard().contains(OLD), "{}", first.heard());

            let moved = json!({"connection": {"base_url": second.base}});
            let previews = match door {
                "patch" => admin.post(&format!("{path}/preview"), &moved).await,
                _ => admin.post("/api/v1/plan", &file(&second.base)).await,
            };
            let said = previews.expect(200).text();
            assert!(said.contains("must be given again") && said.contains("TOKEN"), "{said}");
            match door {
                "patch" => admin.patch(&path, &moved).await.expect(200),
                _ => admin.post("/api/v1/apply", &file(&second.base)).await.expect(200),
            };
            // By a person's check, by a task, by a sync: nothing is sent without a secret.
            let found = admin.post(&format!("{path}/check"), &json!({})).await.expect(200).json();
            assert_eq!(found["ok"], false, "{found}");
            mapping(&admin, door, &json!({"group": "editors", "app_role": "editor"})).await;
            tasks(&admin, &format!("hub={door}&kind=add&status=open"), 1).await;
            crate::support::eventually("the hub stands still", crate::hubs::SOON, async || {
                let problems = admin.get("/api/v1/problems").await.expect(200).text();
                problems.contains(&format!("\"{door}\"")) && problems.contains("auth_broken")
            })
            .await;
            assert_eq!(second.heard(), "", "{door}: nothing may go out without a secret");
            // Given anew in the same request, the new one goes out, and the old one nowhere.
            let third = Listener::start();
            let moved = json!({"connection": {"base_url": third.base}, "secrets": {"TOKEN": NEW}});
            admin.patch(&path, &moved).await.expect(200);
            admin.post(&format!("{path}/check"), &json!({})).await.expect(200);
            assert!(third.heard().contains(NEW) && !third.heard().contains(OLD), "{}", third.heard());
            assert!(!second.heard().contains(OLD), "{}", second.heard());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t21_a_connection_that_is_only_typed_is_tried_with_what_is_typed() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, _) = clients(&server);
        server.watch("the old secret", OLD);
        server.watch("the new secret", NEW);
        let stored = json!({"id": "box", "app": "sandbox",
            "connection": {"base_url": "http://127.0.0.1:9/scim", "token": {"secret": "TOKEN"}},
            "secrets": {"TOKEN": OLD}});
        admin.post("/api/v1/hubs", &stored).await.expect(201);
        let there = Listener::start();
        let typed = |secrets: serde_json::Value| json!({"connection": {"base_url": there.base, "token": {"secret": "TOKEN"}}, "secrets": secrets});
        // A secret of the same name is sealed here, and is not what was typed.
        let told = admin.post("/api/v1/apps/sandbox/check", &typed(json!({}))).await.expect(400).json();
        assert_eq!(told["errors"][0]["field"], "secrets.TOKEN", "{told}");
        assert_eq!(there.heard(), "");
        let found = admin.post("/api/v1/apps/sandbox/check", &typed(json!({"TOKEN": NEW}))).await.expect(200).json();
        assert_eq!(found["error"]["class"], "auth_broken", "{found}");
        assert!(there.heard().contains(NEW) && !there.heard().contains(OLD), "{}", there.heard());
        // Nothing is kept of it, and the record says that it was asked, without what was typed.
        let hubs = admin.get("/api/v1/hubs").await.expect(200).json();
        assert_eq!(hubs["items"].as_array().unwrap().len(), 1, "{hubs}");
        let told = admin.get("/api/v1/activity").await.expect(200).text();
        assert!(told.contains("connection.checked") && !told.contains(NEW), "{told}");

        // A practice app that answers: what it says about itself.
        let app = crate::hubs::mending::sandbox();
        let good = json!({"connection": {"base_url": app.scim("x"), "token": {"secret": "T"}},
            "secrets": {"T": crate::hubs::mending::GOOD}});
        let found = admin.post("/api/v1/apps/sandbox/check", &good).await.expect(200).json();
        assert_eq!(found["ok"], true, "{found}");
        // A reader may not try addresses.
        server.client("read").post("/api/v1/apps/sandbox/check", &good).await.expect(403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t21_a_check_calls_no_private_address() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, _) = clients(&server);
        let there = Listener::start();
        let typed = json!({"connection": {"base_url": there.base}});
        let found = admin.post("/api/v1/apps/sandbox/check", &typed).await.expect(200).json();
        assert_eq!((&found["ok"], there.heard().as_str()), (&json!(false), ""), "{found}");
    }
}
