//! T-16: tokens have 256 random bits, are stored as a keyed hash, shown once, and end within a
//! second.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

#[tokio::test]
async fn t16_a_token_is_shown_once_and_nowhere_kept() {
    let database = Database::sqlite();
    let server = Server::start(&database, &["--log", "trace"]);
    let admin = server.client("admin");
    let mut seen = BTreeSet::new();
    for scope in ["scim", "admin", "read"] {
        let made = admin.post("/api/v1/tokens", &json!({"name": "x", "scope": scope})).await.expect(201).json();
        let token = made["token"].as_str().unwrap().to_owned();
        let parts: Vec<_> = token.split('_').collect();
        assert_eq!(&parts[..2], ["scimhub", scope]);
        assert_eq!(parts[3].len(), 64, "256 bits");
        assert!(seen.insert(parts[3].to_owned()) && seen.insert(parts[2].to_owned()));
        Client::new(&server.base, &token).get("/scim/v2/Nothing").await.expect(404);
    }
    let listed = admin.get("/api/v1/tokens").await.expect(200).text();
    let log = server.log();
    let secrets: Vec<_> = seen.iter().filter(|part| part.len() == 64).collect();
    for secret in &secrets {
        assert!(!listed.contains(*secret), "the list shows a secret");
        assert!(!log.contains(*secret), "the log shows a secret");
    }
    server.kill();
    for entry in std::fs::read_dir(database.folder()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{} holds a secret", path.display());
        }
    }
}

#[tokio::test]
async fn t16_several_live_at_once_and_a_revoked_one_stops_within_a_second() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let first = server.client("admin");
        let second = server.client("admin");
        first.get("/api/v1/status").await.expect(200);
        let listed = second.get("/api/v1/tokens").await.expect(200).json();
        let id = listed["items"][0]["id"].as_str().unwrap();
        // Beside the server, so that only the one second of memory can keep it alive.
        let output = server.run(&["token", "revoke", id]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let limit = Duration::from_secs(1);
        eventually("the revoked token's end", limit, async || first.get("/api/v1/status").await.status == 401).await;
        second.get("/api/v1/status").await.expect(200);
        let listed = second.get("/api/v1/tokens").await.expect(200).json();
        assert_eq!(listed["items"][0]["state"], "revoked");
    }
}

#[tokio::test]
async fn t16_no_token_lives_for_ever_unless_told() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = server.client("admin");
    let made = admin.post("/api/v1/tokens", &json!({"name": "a", "scope": "read"})).await.expect(201).json();
    assert!(made["details"]["expires"].is_string());
    let made = admin.post("/api/v1/tokens", &json!({"name": "b", "scope": "read", "ttl": "never"})).await;
    assert!(made.expect(201).json()["details"].get("expires").is_none());
    for ttl in ["", "0d", "-1d", "forever", "99999d"] {
        admin.post("/api/v1/tokens", &json!({"name": "c", "scope": "read", "ttl": ttl})).await.expect(400);
    }
    admin.post("/api/v1/tokens", &json!({"name": "c", "scope": "root"})).await.expect(400);
    admin.post("/api/v1/tokens", &json!({"name": "c d", "scope": "read"})).await.expect(400);
}

#[test]
fn t16_secrets_are_never_compared_with_equals() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let secret = std::fs::read_to_string(root.join("base/secret.rs")).unwrap();
    assert!(!secret.contains("PartialEq"), "Secret must not offer ==");
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|l| !l.trim_start().starts_with("//")) {
                let compares = line.contains("==") || line.contains("!=");
                assert!(!(compares && line.contains(".expose()")), "{}: {line}", path.display());
            }
        }
    }
}
