//! A hub is checked right after it was connected, and its status says how that went (section 7).

use serde_json::json;

use crate::hubs::mending::{GOOD, problems, sandbox, sandbox_hub};
use crate::hubs::{self, SOON, clients};
use crate::support::server::Server;
use crate::support::{databases, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn section_7_a_new_hub_is_checked_at_once_and_its_status_says_how_it_went() {
    for database in databases() {
        let daily = [("SCIMHUB_AUTOMATIC_SYNC", String::from("true"))];
        let server = Server::try_start_in(&database, &["--app-network", "127.0.0.0/8"], &daily).unwrap();
        let (admin, _) = clients(&server);
        let app = sandbox();
        let connect = async |id: &str, token: Option<&str>| {
            let mut body = json!({"id": id, "app": "sandbox",
                "connection": {"base_url": app.scim(id), "token": {"secret": "TOKEN"}}});
            if let Some(token) = token {
                body["secrets"] = json!({ "TOKEN": token });
            }
            admin.post("/api/v1/hubs", &body).await.expect(201).json()["status"].clone()
        };
        let until = async |id: &str, wanted: &str| {
            eventually(&format!("{id} is {wanted}"), SOON, async || {
                admin.get(&format!("/api/v1/hubs/{id}")).await.expect(200).json()["status"] == wanted
            })
            .await;
        };
        // Answered before anything was asked of the app.
        assert_eq!(connect("wrong", Some("revoked")).await, "under_validation", "{}", database.name);
        until("wrong", "review_service_account").await;
        eventually("the check is on record", SOON, async || {
            let all = admin.get("/api/v1/activity?kind=hub.checked").await.expect(200).json();
            all["items"].as_array().unwrap().iter().any(|one| one["detail"]["class"] == "auth_broken")
        })
        .await;
        let open = problems(&admin).await;
        assert!(open.iter().any(|one| one["hub"] == "wrong" && one["cause"] == "auth_broken"), "{open:?}");
        // Mended, and proven by the sync that follows: the problem is over.
        admin.put("/api/v1/hubs/wrong/secrets/TOKEN", &json!({"value": GOOD})).await.expect(204);
        admin.post("/api/v1/hubs/wrong/sync", &json!({})).await.expect(202);
        until("wrong", "healthy").await;
        assert_eq!(problems(&admin).await.len(), 0, "{}", database.name);

        connect("right", Some(GOOD)).await;
        until("right", "healthy").await;
        hubs::tasks(&admin, "hub=right&kind=sync&status=completed", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_server_may_not_call_is_no_broken_credential() {
    for database in databases() {
        let app = sandbox();
        let daily = [("SCIMHUB_AUTOMATIC_SYNC", String::from("true"))];
        let server = Server::try_start_in(&database, &[], &daily).unwrap();
        let (admin, scim) = clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        hubs::group(&scim, "editors", &[&ann]).await;
        sandbox_hub(&admin, "box", &app.scim("box"), GOOD).await;
        eventually("the problem is named", SOON, async || problems(&admin).await.len() == 1).await;
        let problem = problems(&admin).await.remove(0);
        assert_eq!(problem["cause"], "address_refused", "{}: {problem}", database.name);
        let (message, remedy) = (problem["message"].as_str().unwrap(), problem["remedy"].as_str().unwrap());
        assert!(message.contains("https") && remedy.contains("--app-network"), "{problem}");
        assert!(!remedy.contains("credential"), "{problem}");
        let typed = json!({"connection": {"base_url": "https://10.0.0.8/scim", "token": {"secret": "T"}}, "secrets": {"T": "x"}});
        let found = admin.post("/api/v1/apps/sandbox/check", &typed).await.expect(200).json();
        assert_eq!(found["error"]["class"], "address_refused", "{found}");
        let checked = admin.post("/api/v1/hubs/box/check", &json!({})).await.expect(200).json();
        assert_eq!(checked["error"]["class"], "address_refused", "{checked}");
        eventually("its task stands still, untried", SOON, async || {
            let status = admin.get("/api/v1/status").await.expect(200).json();
            status["hubs"][0]["blocked"] == "address_refused" && status["hubs"][0]["status"] == "review_configuration"
        })
        .await;
        let task = hubs::tasks(&admin, "hub=box&kind=add&status=open", 1).await.remove(0);
        assert_eq!(task["failure"]["code"], "address_refused", "{task}");

        // Allowed from now on: nobody must say so twice.
        assert!(server.stop().0);
        let server = Server::try_start_in(&database, &["--app-network", "127.0.0.0/8"], &daily).unwrap();
        let admin = server.client("admin");
        hubs::tasks(&admin, "hub=box&kind=add&status=completed", 1).await;
        eventually("the problem is over", SOON, async || problems(&admin).await.is_empty()).await;
        let told = admin.get("/api/v1/activity?kind=hub.unblocked").await.expect(200).json();
        assert_eq!(told["items"][0]["actor"], "server", "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_of_files_is_checked_like_one_of_the_api_and_never_fails_an_apply() {
    for database in databases() {
        let app = sandbox();
        let daily = [("SCIMHUB_AUTOMATIC_SYNC", String::from("true"))];
        let server = Server::try_start_in(&database, &["--app-network", "127.0.0.0/8"], &daily).unwrap();
        let (admin, _) = clients(&server);
        let file = |id: &str| {
            format!(
                "[[hub]]\nid = \"{id}\"\napp = \"sandbox\"\nconnection = {{ base_url = \"{}\", token = {{ env = \"APP\" }} }}\n",
                app.scim(id)
            )
        };
        let apply = async |id: &str, token: &str, more: &[&str]| {
            let path = database.folder().join(format!("{id}.toml"));
            std::fs::write(&path, file(id)).unwrap();
            let mut command = crate::support::server::scimhub(&database);
            command.args(["apply", path.to_str().unwrap()]).args(more).env("APP", token);
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        // A pipeline that may not call the app says so, and is done.
        let told = apply("far", GOOD, &[]).await;
        assert!(told.contains("far: not checked: this command may not call its address"), "{told}");
        std::fs::write(database.folder().join("scimhub.toml"), "app_network = [\"127.0.0.0/8\"]\n").unwrap();
        let told = apply("near", GOOD, &[]).await;
        assert!(told.contains("near: the connection works"), "{told}");
        let told = apply("wrong", "revoked", &[]).await;
        assert!(told.contains("wrong: the connection does not work yet (auth_broken)"), "{told}");
        let told = apply("quiet", "revoked", &["--no-check"]).await;
        assert!(!told.contains("quiet: the connection"), "{told}");

        // Through the server, which may not resolve an environment: its secret comes later.
        let text = file("through").replace("{ env = \"APP\" }", "{ secret = \"TOKEN\" }");
        let path = database.folder().join("through.toml");
        std::fs::write(&path, text).unwrap();
        let mut command = crate::support::server::scimhub(&database);
        command.args(["apply", path.to_str().unwrap(), "--server", &server.base]);
        command.env("SCIMHUB_TOKEN", server.token("admin"));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && told.contains("through: not checked: give its secrets first"), "{told}");
        let open = json!({"files": [{"name": "x.toml", "text": format!(
            "[[hub]]\nid = \"open\"\napp = \"scim\"\nconnection = {{ base_url = \"{}\" }}\n", app.scim("open")
        )}]});
        admin.post("/api/v1/apply", &open).await.expect(200);
        eventually("the server has looked at it", SOON, async || {
            let all = admin.get("/api/v1/activity?kind=hub.checked&limit=200").await.expect(200).json();
            all["items"].as_array().unwrap().iter().any(|one| one["target"] == "hub:open")
        })
        .await;
    }
}
