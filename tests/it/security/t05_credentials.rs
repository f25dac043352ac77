//! T-05: an unset secret plus an empty bearer once authenticated. Header and start-up tables.

use crate::support::raw;
use crate::support::server::Server;
use crate::support::{Database, databases};

#[test]
fn t05_only_exactly_one_readable_token_counts() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let token = server.token("admin");
    let get = |headers: &[&[u8]]| raw::request(&server.base, "GET", b"/api/v1/status", headers, b"").status;
    let line = |value: &str| format!("Authorization: {value}").into_bytes();

    for good in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER {token}"),
        format!("bEaReR   {token}  "),
        token.clone(),
    ] {
        assert_eq!(get(&[&line(&good)]), 200, "{}", good.replace(&token, "…"));
    }
    for bad in [
        String::new(),
        String::from(" "),
        String::from("\t"),
        String::from("Bearer"),
        String::from("Bearer "),
        String::from("Bearer null"),
        String::from("Bearer undefined"),
        String::from("null"),
        format!("Basic {token}"),
        format!("Token {token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token},{token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer: {token}"),
        format!("Bearer{token}"),
        format!("Bearer {}", token.to_uppercase()),
        format!("Bearer {}", &token[..token.len() - 1]),
        format!("Bearer {token}0"),
    ] {
        assert_eq!(get(&[&line(&bad)]), 401, "{}", bad.replace(&token, "…"));
    }
    let good = line(&format!("Bearer {token}"));
    assert_eq!(get(&[&good, &good]), 401, "repeated");
    assert_eq!(get(&[&line(""), &good]), 401, "empty first");
    assert_eq!(get(&[&good, &line("")]), 401, "empty second");
    assert_eq!(get(&[b"Authorization: Bearer \xff\xfe"]), 401, "no text");
    assert_eq!(get(&[format!("X-Authorization: Bearer {token}").as_bytes()]), 401, "another header");
    let query = format!("/api/v1/status?access_token={token}");
    assert_eq!(raw::request(&server.base, "GET", query.as_bytes(), &[], b"").status, 401, "in the query");
}

#[test]
fn t05_a_server_that_could_leak_tokens_does_not_start() {
    let database = Database::sqlite();
    let cases: [(&[&str], &str); 6] = [
        (&["--listen", "0.0.0.0:0"], "plain HTTP"),
        (&["--listen", "0.0.0.0:0", "--public-url", "https://x.example"], "plain HTTP"),
        (&["--listen", "0.0.0.0:0", "--public-url", "http://x.example", "--trusted-proxy", "10.0.0.0/8"], "plain HTTP"),
        (&["--listen", "0.0.0.0:0", "--trusted-proxy", "everyone"], "not a range"),
        (&["--public-url", "x.example"], "https://"),
        (&["--listen", "nowhere"], "not an address"),
    ];
    for (args, expected) in cases {
        // `--listen` may stand once only, so the binary is started without the usual one.
        let output = crate::support::server::scimhub(&database).arg("serve").args(args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
        assert!(text.contains(expected), "{args:?}: {text}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn t05_a_short_or_missing_key_stops_the_start() {
    for database in databases() {
        for key in ["", "short", &"0".repeat(63), &"g".repeat(64)] {
            std::fs::write(database.key_file(), key).unwrap();
            let log = Server::try_start(&database, &[]).map(|_| ()).unwrap_err();
            assert!(log.contains("key"), "{}: {key:?}: {log}", database.name);
        }
    }
}

#[test]
fn t05_beyond_loopback_only_the_named_proxy_may_bring_a_token() {
    // This machine has no second address to rely on, so the rule is tried on the header that a
    // client might forge: it changes nothing.
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let reply = raw::request(
        &server.base,
        "GET",
        b"/api/v1/status",
        &[b"X-Forwarded-For: 127.0.0.1", b"Forwarded: for=127.0.0.1", b"X-Forwarded-Proto: https"],
        b"",
    );
    assert_eq!(reply.status, 401);
}
