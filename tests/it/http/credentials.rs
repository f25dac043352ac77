//! Tokens, sources and workspaces on the command line, beside a running server.

use serde_json::json;

use crate::support::databases;
use crate::support::http::Client;
use crate::support::server::Server;

fn failed(server: &Server, args: &[&str]) -> String {
    let output = server.run(args);
    assert!(!output.status.success(), "{args:?}");
    assert!(output.stdout.is_empty(), "{args:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn the_command_line_makes_what_the_server_knows() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        for args in [
            &["workspace", "create", "acme"][..],
            &["source", "create", "okta-prod", "--workspace", "acme", "--preset", "okta"],
        ] {
            let output = server.run(args);
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let token = server.token_for("acme", "okta-prod", "read");
        assert!(token.starts_with("scimhub_read_") && !token.contains('\n'), "the token alone");
        let client = Client::new(&server.base, &token);
        let status = client.get("/api/v1/status").await.expect(200).json();
        assert_eq!(status["workspace"]["name"], "acme");
        let listed = client.get("/api/v1/tokens").await.expect(200).json();
        assert_eq!(listed["items"][0]["source"], "okta-prod");
        let sources = client.get("/api/v1/sources").await.expect(200).json();
        assert_eq!(sources["items"][1]["preset"], "okta");

        let text = failed(&server, &["workspace", "create", "acme"]);
        assert!(text.contains("exists already"), "{text}");
        let text = failed(&server, &["token", "create", "--scope", "scim", "--name", "x", "--workspace", "nobody"]);
        assert!(text.contains("scimhub workspace list"), "{text}");
        let text = failed(&server, &["token", "create", "--scope", "scim", "--name", "x", "--source", "none"]);
        assert!(text.contains("scimhub source list"), "{text}");
        let text = failed(&server, &["token", "create", "--scope", "root", "--name", "x"]);
        assert!(text.contains("scim, admin, read"), "{text}");
        let text = failed(&server, &["token", "create", "--scope", "scim", "--name", "x", "--ttl", "never ever"]);
        assert!(text.contains("never"), "{text}");
        let text = failed(&server, &["token", "revoke", "01890a5d-ac96-774b-bcce-b302099a8057"]);
        assert!(text.contains("token not found"), "{text}");
    }
}

#[tokio::test]
async fn tokens_page_by_cursor() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        for number in 0..4 {
            let wanted = json!({"name": format!("t{number}"), "scope": "read"});
            admin.post("/api/v1/tokens", &wanted).await.expect(201);
        }
        let mut names = Vec::new();
        let mut path = String::from("/api/v1/tokens?limit=2");
        loop {
            let page = admin.get(&path).await.expect(200).json();
            let items = page["items"].as_array().unwrap().clone();
            assert!((1..=2).contains(&items.len()));
            names.extend(items.iter().map(|t| t["name"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/api/v1/tokens?limit=2&cursor={next}");
        }
        assert_eq!(names[1..], ["t0", "t1", "t2", "t3"]);
        admin.get("/api/v1/tokens?cursor=x").await.expect(400);
        admin.get("/api/v1/tokens?limit=x").await.expect(400);
        admin.get("/api/v1/tokens?colour=red").await.expect(400);
    }
}

#[tokio::test]
async fn the_last_use_of_a_token_and_its_source_is_noted() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    let (admin, scim) = (server.client("admin"), server.client("scim"));
    crate::support::eventually("the last use of an admin's token", std::time::Duration::from_secs(10), async || {
        admin.get("/api/v1/tokens").await.expect(200).json()["items"][0]["last_used"].is_string()
    })
    .await;
    // An administrator who looks in is no sign of life of the identity provider.
    let sources = admin.get("/api/v1/sources").await.expect(200).json();
    assert_eq!(sources["items"][0].get("last_request"), None, "{sources}");
    scim.get("/scim/v2/Users").await.expect(200);
    crate::support::eventually("the last use", std::time::Duration::from_secs(10), async || {
        let tokens = admin.get("/api/v1/tokens").await.expect(200).json();
        let sources = admin.get("/api/v1/sources").await.expect(200).json();
        tokens["items"][1]["last_used"].is_string() && sources["items"][0]["last_request"].is_string()
    })
    .await;
}

#[tokio::test]
async fn the_same_commands_work_through_a_running_server() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = server.token("admin");
    let elsewhere = tempfile::tempdir().unwrap();
    let run = |token: &str, args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_scimhub"));
        command.current_dir(elsewhere.path()).env("SCIMHUB_SERVER", &server.base).env("SCIMHUB_TOKEN", token);
        let output = command.args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    assert!(run(&admin, &["source", "create", "okta", "--preset", "okta"]).0);
    let (done, listed, _) = run(&admin, &["source", "list"]);
    assert!(done && listed.contains("okta"), "{listed}");
    let (done, token, _) = run(&admin, &["token", "create", "--scope", "read", "--name", "ci", "--source", "okta"]);
    assert!(done && token.starts_with("scimhub_read_"), "the token alone");
    let (done, listed, _) = run(token.trim(), &["token", "list"]);
    assert!(done && listed.contains("ci"), "{listed}");
    let (done, _, why) = run(token.trim(), &["source", "create", "x"]);
    assert!(!done && why.contains("scope admin"), "{why}");
    let (done, _, why) = run("wrong", &["token", "list"]);
    assert!(!done && why.contains("SCIMHUB_TOKEN"), "{why}");
    let (done, _, why) = run("", &["token", "list"]);
    assert!(!done && why.contains("SCIMHUB_TOKEN"), "{why}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "no database and no key was made here");
}
