//! How requests come: what a client may claim about it, what a proxy may, and what happens to a
//! credential that was sent in the clear (T-05).

use serde_json::json;

use super::{bearer, other_address, serve};
use crate::security::assert_shaped;
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::tls::Authority;
use crate::support::{Database, raw};

/// What clients try in order to be somebody else, or the server somewhere else.
const FORGED: [&[(&str, &str)]; 10] = [
    &[("host", "evil.example")],
    &[("x-forwarded-host", "evil.example")],
    &[("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "http"), ("x-forwarded-port", "81")],
    &[("forwarded", "host=evil.example;proto=http")],
    &[("x-original-host", "evil.example"), ("x-host", "evil.example"), ("x-http-host-override", "evil.example")],
    &[("x-forwarded-server", "evil.example"), ("x-forwarded-prefix", "//evil.example")],
    &[("x-original-url", "/evil.example"), ("x-rewrite-url", "/evil.example")],
    &[("x-forwarded-for", "127.0.0.1"), ("x-real-ip", "127.0.0.1"), ("true-client-ip", "evil.example")],
    &[("origin", "https://evil.example"), ("referer", "https://evil.example/")],
    &[("host", "evil.example:99999"), ("via", "1.1 evil.example")],
];

/// Every address in the replies to requests that make, read and list things.
async fn addresses(client: &Client, headers: &[(&str, &str)], name: &str) -> Vec<String> {
    let with = |more: &[(&'static str, &'static str)]| [headers, more].concat();
    let user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name});
    let media = with(&[("content-type", "application/scim+json")]);
    let made = client.send("POST", "/scim/v2/Users", &media, Some(user.to_string().into_bytes())).await.expect(201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name,
        "members": [{"value": id}]});
    let body = group.to_string().into_bytes();
    let grouped = client.send("POST", "/scim/v2/Groups", &media, Some(body)).await.expect(201);
    let group = grouped.json()["id"].as_str().unwrap().to_owned();
    let mut replies = vec![made, grouped];
    for path in [
        &format!("/scim/v2/Users/{id}"),
        &format!("/scim/v2/Groups/{group}"),
        "/scim/v2/Users?count=5",
        "/scim/v2/ServiceProviderConfig",
        "/scim/v2/ResourceTypes",
        "/scim/v2/Schemas",
    ] {
        replies.push(client.send("GET", path, headers, None).await.expect(200));
    }
    let mut found = Vec::new();
    for reply in replies {
        assert!(!reply.text().contains("evil"), "{headers:?}: {}", reply.text());
        assert!(!reply.headers.iter().any(|(_, value)| value.contains("evil")), "{headers:?}: {:?}", reply.headers);
        found.extend(reply.header("location").map(str::to_owned));
        collect(&reply.json(), &mut found);
    }
    found
}

fn collect(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (name, value) in map {
                match (name.as_str(), value.as_str()) {
                    ("location" | "$ref", Some(text)) => found.push(text.to_owned()),
                    _ => collect(value, found),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn forged_headers_change_no_address() {
    let database = Database::sqlite();
    // Even a proxy that is trusted cannot say where the server is.
    for proxy in ["192.0.2.200", "127.0.0.1"] {
        let server = Server::start(
            &database,
            &["--public-url", "https://scim.example.com:8443/here/", "--trusted-proxy", proxy],
        );
        let client = server.client("scim");
        for (number, forged) in FORGED.iter().enumerate() {
            if proxy == "127.0.0.1" && forged.iter().any(|(_, value)| value.contains("http") && !value.contains(':')) {
                continue; // The trusted proxy says plain HTTP: refused, see below.
            }
            let found = addresses(&client, forged, &format!("p{number}-{proxy}@example.com")).await;
            assert!(found.len() > 10, "{found:?}");
            for address in found {
                assert!(address.starts_with("https://scim.example.com:8443/here/scim/v2/"), "{forged:?}: {address}");
            }
        }
    }
    // Without a public URL it is the address listened on.
    let server = Server::start(&database, &[]);
    let found = addresses(&server.client("scim"), FORGED[0], "own@example.com").await;
    assert!(found.iter().all(|a| a.starts_with(&format!("{}/scim/v2/", server.base))), "{found:?}");
}

/// A server that can be reached from elsewhere over plain HTTP, because a proxy ends TLS in front
/// of it, and an address at which connections to it come from elsewhere. `None`, said loudly,
/// where this machine has no address but loopback.
fn reachable(database: &Database, proxy: Option<&str>) -> Option<(Server, String, String)> {
    let Some(address) = other_address() else {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "SKIPPED: plain HTTP from elsewhere: no address but loopback here");
        return None;
    };
    let address = address.to_string();
    let proxy = proxy.unwrap_or(&address);
    let args = ["--listen", "0.0.0.0:0", "--public-url", "https://scim.example.com", "--trusted-proxy", proxy];
    let server = Server::start(database, &args);
    let elsewhere = server.base.replace("0.0.0.0", &address);
    Some((server, elsewhere, address))
}

const PLACES: [(&str, &str); 7] = [
    ("GET", "/scim/v2/Users"),
    ("POST", "/scim/v2/Users/.search"),
    ("GET", "/scim/v2/Nothing"),
    ("GET", "/scim/v9/Users"),
    ("GET", "/api/v1/status"),
    ("DELETE", "/api/v1/nothing"),
    ("GET", "/metrics"),
];

#[tokio::test]
async fn t05_a_credential_sent_in_the_clear_is_refused_and_not_looked_at() {
    let database = Database::sqlite();
    let Some((server, elsewhere, address)) = reachable(&database, Some("192.0.2.254")) else { return };
    let token = server.token("admin");
    let good = bearer(&token);
    let lies: [&[u8]; 5] = [
        b"X-Forwarded-Proto: https",
        b"Forwarded: for=127.0.0.1;proto=https;by=127.0.0.1",
        b"X-Forwarded-For: 127.0.0.1",
        b"X-Real-IP: 127.0.0.1",
        b"X-Forwarded-Ssl: on",
    ];
    for (method, path) in PLACES {
        let ask = |headers: &[&[u8]]| raw::request(&elsewhere, method, path.as_bytes(), headers, b"");
        for credential in [
            good.as_slice(),
            b"Authorization: Bearer scimhub_admin_0123456789abcdef_0",
            b"Authorization: Bearer two tokens",
            b"Authorization: Basic dTpw",
            b"Authorization: nonsense",
        ] {
            for headers in [vec![credential], [&[credential], &lies[..]].concat(), vec![credential, credential]] {
                let reply = ask(&headers).expect(403);
                assert_shaped(&reply, path);
                assert!(reply.text().contains("over plain HTTP: call the public https address"), "{}", reply.text());
                assert!(!reply.text().contains(&token), "{path}");
            }
        }
        for nothing in [vec![], vec![&b"Authorization:"[..]], vec![&b"Authorization:  "[..]]] {
            let reply = ask(&nothing).expect(401);
            assert_shaped(&reply, path);
        }
    }
    raw::request(&elsewhere, "GET", b"/readyz", &[], b"").expect(200);
    raw::request(&elsewhere, "GET", b"/scim/v2/ServiceProviderConfig", &[], b"").expect(200);
    // Not looked at: had the token been found, its last use would be noted.
    let list = String::from_utf8(server.run(&["token", "list"]).stdout).unwrap();
    let line = list.lines().find(|line| line.contains("admin-")).unwrap();
    assert!(line.trim_end().ends_with('-'), "never used: {line}");
    // The same token from this machine is good.
    let here = server.base.replace("0.0.0.0", "127.0.0.1");
    raw::request(&here, "GET", b"/api/v1/status", &[&good], b"").expect(200);
    let warned = server.says("refused a credential that came over plain HTTP");
    assert!(warned.contains(&format!("\"client\":\"{address}\"")), "{warned}");
}

#[test]
fn a_trusted_proxy_brings_credentials_only_when_it_says_https() {
    let database = Database::sqlite();
    let Some((server, elsewhere, _)) = reachable(&database, None) else { return };
    let good = bearer(&server.token("read"));
    let ask = |headers: &[&[u8]]| {
        raw::request(&elsewhere, "GET", b"/api/v1/status", &[&[good.as_slice()], headers].concat(), b"")
    };
    let https = b"X-Forwarded-Proto: https".as_slice();
    for said in [https, b"X-Forwarded-Proto: HTTPS", b"Forwarded: for=203.0.113.9;proto=https"] {
        ask(&[said]).expect(200);
    }
    let silent = "the trusted proxy must say in X-Forwarded-Proto";
    let clear = "call the public https address";
    for (said, advice) in [
        (&b"X-Forwarded-Proto: http"[..], clear),
        (b"X-Forwarded-Proto: https, http", clear),
        (b"Forwarded: proto=http", clear),
        (b"X-Another: thing", silent),
    ] {
        let reply = ask(&[said]).expect(403);
        assert_shaped(&reply, "/api/v1/status");
        assert!(reply.text().contains(advice), "{}", reply.text());
    }
    // Whoever the proxy names is the client; what stood there before was the client's own claim.
    ask(&[https, b"X-Forwarded-For: 127.0.0.1, 203.0.113.9", b"X-Request-Id: named"]).expect(200);
    let line = server.says("\"request.id\":\"named\"");
    assert!(line.contains("\"client\":\"203.0.113.9\""), "{line}");
}

#[test]
fn a_proxy_on_the_same_machine_works_and_a_command_beside_it_too() {
    let database = Database::sqlite();
    let args = ["--trusted-proxy", "127.0.0.1,::1", "--public-url", "https://scim.example.com"];
    let server = Server::start(&database, &args);
    let good = bearer(&server.token("scim"));
    let ask = |headers: &[&[u8]]| {
        raw::request(&server.base, "GET", b"/scim/v2/Users", &[&[good.as_slice()], headers].concat(), b"")
    };
    ask(&[]).expect(200);
    ask(&[b"X-Forwarded-Proto: https", b"X-Forwarded-For: 203.0.113.9"]).expect(200);
    // The proxy took it over plain HTTP: it was read on the way, though not by us.
    let reply = ask(&[b"X-Forwarded-Proto: http", b"X-Forwarded-For: 203.0.113.9"]).expect(403);
    assert_shaped(&reply, "/scim/v2/Users");
    drop(server);
    // A loopback peer that was not named is a client like any other, and its headers mean nothing.
    let server = Server::start(&database, &[]);
    let good = bearer(&server.token("scim"));
    let headers: [&[u8]; 2] = [&good, b"X-Forwarded-Proto: http"];
    raw::request(&server.base, "GET", b"/scim/v2/Users", &headers, b"").expect(200);
}

#[test]
fn over_tls_a_credential_is_taken_from_everywhere() {
    let database = Database::sqlite();
    let Some(address) = other_address() else { return };
    let authority = Authority::new();
    let server = serve(&database, &authority.issue(), &["--listen", "0.0.0.0:0"]);
    let good = bearer(&server.token("read"));
    let elsewhere = server.base.replace("0.0.0.0", &address.to_string());
    let lie = b"X-Forwarded-Proto: http".as_slice();
    authority.request(&elsewhere, "GET", b"/api/v1/status", &[&good, lie]).expect(200);
    server.says("which nobody can call; set --public-url");
}
