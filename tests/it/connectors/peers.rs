//! Real SCIM servers that nobody here wrote: scim2-server (Python) as it comes, without PATCH and
//! without filters; scimmy (Node), a strict one. `tests/peers/install` fetches them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scimhub::connectors::scim::RoleCarrier;
use scimhub::domain::member::Presence;
use scimhub::engine::connector::{Connector as _, FailureClass, Outcome, Seen};
use serde_json::{Value, json};

use super::{add, already, applied, at, connector, context, everybody, remove, scim, settings, suspend, update};
use crate::support::eventually;
use crate::support::http::Client;

const TOKEN: &str = "peer-token";

struct Peer {
    child: Child,
    base: String,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the cache; `None` (or a panic, where nothing may be skipped) when it is not there.
fn installed(path: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("SCIMHUB_TEST_CACHE")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/peers"), PathBuf::from);
    let program = cache.join(path);
    if program.exists() {
        return Some(program);
    }
    let missing = format!("{} is not there; run tests/peers/install", program.display());
    assert!(std::env::var("SCIMHUB_TEST_REQUIRE").as_deref() != Ok("1"), "{missing}");
    // Past the capture of the test harness: a skipped part must be seen.
    let _ = writeln!(std::io::stderr(), "SKIPPED: peer of the connector tests: {missing}");
    None
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// scim2-server with features of its announcement switched off; it then really refuses them.
async fn scim2_server(off: &[&str]) -> Option<Peer> {
    let program = installed("scim2-server/bin/scim2-server")?;
    let port = free_port();
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "--bearer-token", TOKEN]);
    let folder = tempfile::tempdir().unwrap();
    if !off.is_empty() {
        let on = |feature: &str| json!({"supported": !off.contains(&feature)});
        let mut filter = on("filter");
        filter["maxResults"] = json!(200);
        let config = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": on("patch"),
            "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": filter,
            "changePassword": {"supported": false},
            "sort": {"supported": false},
            "etag": on("etag"),
            "authenticationSchemes": [],
        });
        let file = folder.path().join("config.json");
        std::fs::write(&file, config.to_string()).unwrap();
        command.arg("--service-provider-config").arg(file);
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let peer = Peer { child, base: format!("http://127.0.0.1:{port}") };
    eventually("scim2-server", Duration::from_secs(30), async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await;
    Some(peer)
}

fn scimmy() -> Option<Peer> {
    let program = installed("scimmy/server.mjs")?;
    let mut child = Command::new("node")
        .arg(program)
        .args(["0", TOKEN])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("listening on ").expect("scimmy listens").to_owned();
    Some(Peer { child, base: format!("http://127.0.0.1:{port}/scim/v2") })
}

/// A person's whole life in an app.
async fn whole_life(base: &str) {
    let app = scim(base, TOKEN);
    app.check(&context()).await.unwrap();

    let ann = applied(app.apply(&add("ann@example.com", "viewer"), &context()).await.unwrap());
    assert_eq!(ann.role.as_deref(), Some("viewer"));
    assert_eq!(ann.presence, Presence::Active);
    assert_eq!(ann.email.as_deref(), Some("ann@example.com"));
    let again = already(app.apply(&add("ANN@example.com", "viewer"), &context()).await.unwrap());
    assert_eq!(again.remote_id, ann.remote_id, "one person has one account, whatever the case");

    // An add never changes a role silently.
    let held = app.apply(&add("ann@example.com", "editor"), &context()).await.unwrap();
    assert!(matches!(held, Outcome::NeedsRoleChange(ref m) if m.role.as_deref() == Some("viewer")), "{held:?}");
    let raise = at(update("ann@example.com", "editor"), &ann.remote_id);
    assert!(matches!(app.verify(&raise, &context()).await.unwrap(), Seen::DoesNotHold(Some(_))));
    assert_eq!(applied(app.apply(&raise, &context()).await.unwrap()).role.as_deref(), Some("editor"));
    already(app.apply(&raise, &context()).await.unwrap());
    assert!(matches!(app.verify(&raise, &context()).await.unwrap(), Seen::Holds(Some(_))));

    // Suspended keeps the account; adding again wakes the same one.
    let pause = at(suspend("ann@example.com"), &ann.remote_id);
    assert_eq!(applied(app.apply(&pause, &context()).await.unwrap()).presence, Presence::Suspended);
    already(app.apply(&pause, &context()).await.unwrap());
    assert!(matches!(app.verify(&pause, &context()).await.unwrap(), Seen::Holds(_)));
    let back = applied(app.apply(&add("ann@example.com", "viewer"), &context()).await.unwrap());
    assert_eq!((back.remote_id.as_str(), back.role.as_deref()), (ann.remote_id.as_str(), Some("viewer")));
    assert_eq!(back.presence, Presence::Active);

    for person in 0..5 {
        applied(app.apply(&add(&format!("p{person}@example.com"), "viewer"), &context()).await.unwrap());
    }
    assert_eq!(everybody(&app).await.len(), 6);

    let gone = at(remove("ann@example.com"), &ann.remote_id);
    assert!(matches!(app.verify(&gone, &context()).await.unwrap(), Seen::DoesNotHold(Some(_))));
    assert_eq!(app.apply(&gone, &context()).await.unwrap(), Outcome::Applied(None));
    assert_eq!(app.apply(&gone, &context()).await.unwrap(), Outcome::AlreadyInState(None));
    assert_eq!(app.verify(&gone, &context()).await.unwrap(), Seen::Holds(None));
    assert_eq!(everybody(&app).await.len(), 5);

    let stranger = scim(base, "wrong").apply(&add("x@example.com", "viewer"), &context()).await.unwrap_err();
    assert_eq!(stranger.class, FailureClass::AuthBroken, "{stranger:?}");
    assert!(!stranger.detail.contains("wrong"), "{stranger:?}");
}

/// The role is membership in a group of that name.
async fn roles_as_groups(base: &str) {
    let raw = Client::new(base, TOKEN);
    for name in ["viewer", "editor", "admin", "everybody"] {
        let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
        let media = [("content-type", "application/scim+json")];
        raw.send("POST", "/Groups", &media, Some(group.to_string().into_bytes())).await.expect(201);
    }
    let app = connector(scimhub::connectors::scim::Settings { role: RoleCarrier::Groups, ..settings(base, TOKEN) });
    for (person, role) in [("ann@example.com", "viewer"), ("ben@example.com", "admin")] {
        let member = applied(app.apply(&add(person, role), &context()).await.unwrap());
        assert_eq!(member.role.as_deref(), Some(role));
    }
    let ann = applied(app.apply(&update("ann@example.com", "editor"), &context()).await.unwrap());
    assert_eq!(ann.role.as_deref(), Some("editor"));
    already(app.apply(&update("ann@example.com", "editor"), &context()).await.unwrap());

    let groups: Value = raw.get("/Groups").await.expect(200).json();
    let mut shown: Vec<(String, usize)> = groups["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| (g["displayName"].as_str().unwrap().to_owned(), g["members"].as_array().map_or(0, Vec::len)))
        .collect();
    shown.sort();
    let wanted = [("admin", 1), ("editor", 1), ("everybody", 0), ("viewer", 0)];
    assert_eq!(shown, wanted.map(|(name, size)| (name.to_owned(), size)));
    let mut roles: Vec<_> = everybody(&app).await.into_iter().map(|m| m.role).collect();
    roles.sort();
    assert_eq!(roles, [Some(String::from("admin")), Some(String::from("editor"))]);

    let unknown = app.apply(&update("ann@example.com", "owner"), &context()).await.unwrap_err();
    assert_eq!(unknown.class, FailureClass::Invalid, "{unknown:?}");
}

#[tokio::test]
async fn scim2_server_as_it_comes() {
    let Some(peer) = scim2_server(&[]).await else { return };
    whole_life(&peer.base).await;
}

#[tokio::test]
async fn scim2_server_without_patch() {
    let Some(peer) = scim2_server(&["patch"]).await else { return };
    whole_life(&peer.base).await;
}

#[tokio::test]
async fn scim2_server_without_filter() {
    let Some(peer) = scim2_server(&["filter"]).await else { return };
    whole_life(&peer.base).await;
}

#[tokio::test]
async fn scim2_server_with_almost_nothing() {
    let Some(peer) = scim2_server(&["patch", "filter", "etag"]).await else { return };
    whole_life(&peer.base).await;
}

#[tokio::test]
async fn scim2_server_with_roles_as_groups() {
    let Some(peer) = scim2_server(&[]).await else { return };
    roles_as_groups(&peer.base).await;
}

#[tokio::test]
async fn scim2_server_with_roles_as_groups_without_patch() {
    let Some(peer) = scim2_server(&["patch"]).await else { return };
    roles_as_groups(&peer.base).await;
}

#[tokio::test]
async fn scimmy_the_strict_one() {
    let Some(peer) = scimmy() else { return };
    whole_life(&peer.base).await;
}

#[tokio::test]
async fn scimmy_with_roles_as_groups() {
    let Some(peer) = scimmy() else { return };
    roles_as_groups(&peer.base).await;
}
