//! `scimhub hub` and `scimhub webhook`, on the database itself and through a running server.

use std::process::Output;

use serde_json::{Value, json};

use super::receiver::{Answer, Receiver};
use crate::hubs::{self, mending};
use crate::support::server::{Server, scimhub};
use crate::support::{Database, databases};

const LOCAL: [&str; 2] = ["--app-network", "127.0.0.0/8"];

/// The same command beside the server and through it.
async fn run(database: &Database, server: &Server, way: &str, args: &[&str]) -> Output {
    let mut command = scimhub(database);
    command.args(args);
    if way == "server" {
        command.args(["--server", &server.base]).env("SCIMHUB_TOKEN", server.token("admin"));
    }
    // The receiver and the practice app are threads of this process.
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_are_listed_shown_checked_and_synced_from_the_command_line() {
    for database in databases() {
        let server = Server::start(&database, &LOCAL);
        let (admin, scim) = hubs::clients(&server);
        let app = mending::sandbox();
        mending::sandbox_hub(&admin, "ads", &app.scim("ads"), mending::GOOD).await;
        mending::sandbox_hub(&admin, "off", &app.scim("off"), "revoked-token").await;
        let ann = hubs::user(&scim, "ann@example.com").await;
        hubs::group(&scim, "editors", &[&ann]).await;
        for way in ["database", "server"] {
            let all = said(&run(&database, &server, way, &["hub", "list"]).await);
            assert!(all.starts_with("ID") && all.contains("ads") && all.contains("off"), "{all}");
            let shown = said(&run(&database, &server, way, &["hub", "show", "ads"]).await);
            let hub: Value = serde_json::from_str(&shown).unwrap();
            assert_eq!((&hub["app"], &hub["connection"]["token"]), (&json!("sandbox"), &json!({"secret": "TOKEN"})));
            assert!(!shown.contains(mending::GOOD), "a secret only by name");
            assert!(refused(&run(&database, &server, way, &["hub", "show", "none"]).await).contains("hub"));

            let mut check = vec!["hub", "check", "ads"];
            let mut broken = vec!["hub", "check", "off"];
            if way == "database" {
                check.extend(LOCAL);
                broken.extend(LOCAL);
            }
            let works = said(&run(&database, &server, way, &check).await);
            assert!(works.starts_with("ads: the connection works"), "{works}");
            assert!(refused(&run(&database, &server, way, &broken).await).contains("auth_broken"));

            let synced = said(&run(&database, &server, way, &["hub", "sync", "ads"]).await);
            assert!(synced.starts_with("ads: ") && synced.contains("matched"), "{synced}");
            let id = said(&run(&database, &server, way, &["hub", "sync", "ads", "--no-wait"]).await);
            let task = admin.get(&format!("/api/v1/tasks/{id}")).await.expect(200).json();
            assert_eq!(task["kind"], "sync");
        }
        // What only this command's own settings forbid says nothing about the hub, and is not recorded.
        let recorded = async || {
            let told = admin.get("/api/v1/activity?kind=hub.checked&limit=200").await.expect(200).json();
            told["items"].as_array().unwrap().len()
        };
        let before = recorded().await;
        let here = run(&database, &server, "database", &["hub", "check", "ads"]).await;
        let told = String::from_utf8(here.stderr.clone()).unwrap();
        assert_eq!(here.status.code(), Some(3), "{here:?}");
        assert!(told.contains("nothing was recorded") && told.contains("--app-network"), "{told}");
        assert!(!told.contains("does not work"), "{told}");
        assert_eq!(recorded().await, before, "{}", database.name);
        // The configuration file says it for server and command alike.
        std::fs::write(database.folder().join("scimhub.toml"), "app_network = [\"127.0.0.0/8\"]\n").unwrap();
        let works = said(&run(&database, &server, "database", &["hub", "check", "ads"]).await);
        assert!(works.starts_with("ads: the connection works"), "{works}");
        assert_eq!(recorded().await, before + 1);
        hubs::manual_hub(&admin, "byhand").await;
        let cannot = refused(&run(&database, &server, "database", &["hub", "sync", "byhand"]).await);
        assert!(cannot.contains("cannot be read by machine"), "{cannot}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_added_tried_replayed_and_removed_from_the_command_line() {
    for database in databases() {
        let server = Server::start(&database, &LOCAL);
        let receiver = Receiver::start();
        for (number, way) in ["database", "server"].into_iter().enumerate() {
            let name = format!("ops-{way}");
            let url = receiver.url();
            let mut add = vec!["webhook", "add", "--name", &name, "--url", &url, "--type", "task.failed,hold.opened"];
            if way == "database" {
                let refusal = refused(&run(&database, &server, way, &add).await);
                assert!(refusal.contains("url"), "an address inside, and no network was named: {refusal}");
                add.extend(LOCAL);
            }
            let secret = said(&run(&database, &server, way, &add).await);
            server.watch("a signing secret", &secret);
            let all = said(&run(&database, &server, way, &["webhook", "list"]).await);
            assert!(all.contains(&name) && all.contains("task.failed,hold.opened"), "{all}");
            assert!(!all.contains(&secret));

            // Given up at once, and sent again when somebody says so.
            receiver.next(&[Answer::Status(400, "")]);
            let delivery = said(&run(&database, &server, way, &["webhook", "test", &name]).await);
            let calls = receiver.until_called(number * 2 + 1).await;
            assert!(calls.last().unwrap().signed_by(&secret).0);
            let dead = async || said(&run(&database, &server, way, &["webhook", "replay", &name]).await) == "1";
            crate::support::eventually("the dead delivery is queued again", hubs::SOON, dead).await;
            let calls = receiver.until_called(number * 2 + 2).await;
            assert_eq!(calls.last().unwrap().id(), delivery, "under the same id");
            let nothing = run(&database, &server, way, &["webhook", "replay", &name, "--delivery", "none"]).await;
            assert!(refused(&nothing).contains("delivery"));

            said(&run(&database, &server, way, &["webhook", "remove", &name]).await);
            let gone = refused(&run(&database, &server, way, &["webhook", "test", &name]).await);
            assert!(gone.contains("scimhub webhook list"), "{gone}");
        }
        let (admin, _) = hubs::clients(&server);
        assert_eq!(admin.get("/api/v1/webhooks").await.expect(200).json()["items"], json!([]));
    }
}
