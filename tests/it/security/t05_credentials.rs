//! T-05: an unset secret plus an empty bearer once authenticated. Header and start-up tables.

use super::assert_shaped;
use crate::support::http::Reply;
use crate::support::server::Server;
use crate::support::tls::Authority;
use crate::support::{Database, databases, raw};

/// A path of every zone and kind: SCIM, another version of it, the API, metrics, and a method
/// that an open path does not have.
const PLACES: [(&str, &str); 10] = [
    ("GET", "/scim/v2/Users"),
    ("PATCH", "/scim/v2/Groups/01890a5d-ac96-774b-bcce-b302099a8057"),
    ("GET", "/scim/v2/Nothing"),
    ("GET", "/scim/v9/Users"),
    ("GET", "/api/v1/status"),
    ("POST", "/api/v1/tokens"),
    ("GET", "/api/v1/nothing"),
    ("GET", "/metrics"),
    ("POST", "/readyz"),
    ("PUT", "/scim/v2/ServiceProviderConfig"),
];

/// Header lines that stand for no credential, though a good token is in some of them.
fn no_credential(token: &str) -> Vec<Vec<Vec<u8>>> {
    let line = |value: &str| format!("Authorization: {value}").into_bytes();
    let mut all: Vec<Vec<Vec<u8>>> = [
        String::new(),
        String::from(" "),
        String::from("\t"),
        String::from("Bearer"),
        String::from("Bearer "),
        String::from("Bearer \t "),
        String::from("Bearer null"),
        String::from("Bearer undefined"),
        String::from("Bearer Bearer"),
        String::from("null"),
        format!("Basic {token}"),
        format!("Digest {token}"),
        format!("Negotiate {token}"),
        format!("Token {token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token},{token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer: {token}"),
        format!("Bearer{token}"),
        format!("Bearer Bearer {token}"),
        format!("Bearer {}", token.to_uppercase()),
        format!("Bearer {}", &token[..token.len() - 1]),
        format!("Bearer {token}0"),
        format!("Bearer {}", token.rsplit_once('_').unwrap().0),
        format!("Bearer {}_", token.rsplit_once('_').unwrap().0),
    ]
    .iter()
    .map(|value| vec![line(value)])
    .collect();
    let good = line(&format!("Bearer {token}"));
    all.push(vec![good.clone(), good.clone()]);
    all.push(vec![line(""), good.clone()]);
    all.push(vec![good, line("")]);
    all.push(vec![b"Authorization: Bearer \xff\xfe".to_vec()]);
    all.push(vec![format!("X-Authorization: Bearer {token}").into_bytes()]);
    all.push(vec![format!("Proxy-Authorization: Bearer {token}").into_bytes()]);
    all.push(vec![format!("X-Api-Key: {token}").into_bytes()]);
    all.push(Vec::new());
    all
}

fn good_spellings(token: &str) -> Vec<Vec<u8>> {
    [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER {token}"),
        format!("bEaReR   {token}  "),
        token.to_owned(),
    ]
    .iter()
    .map(|value| format!("Authorization: {value}").into_bytes())
    .collect()
}

/// Hold the header table against a server that `ask` reaches.
fn only_one_readable_token_counts(token: &str, ask: impl Fn(&str, &str, &[&[u8]]) -> Reply) {
    for good in good_spellings(token) {
        ask("GET", "/api/v1/status", &[&good]).expect(200);
    }
    for headers in no_credential(token) {
        let shown = || String::from_utf8_lossy(&headers.concat()).replace(token, "…");
        let headers: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
        for (method, path) in PLACES {
            let reply = ask(method, path, &headers);
            assert_eq!(reply.status, 401, "{method} {path} with {}", shown());
            assert_shaped(&reply, path);
            assert!(reply.header("www-authenticate").is_some_and(|v| v.starts_with("Bearer")), "{method} {path}");
            assert!(!reply.text().contains(token), "{method} {path}");
        }
    }
    for (method, path) in PLACES {
        for query in ["access_token", "token", "bearer_token", "Authorization"] {
            let reply = ask(method, &format!("{path}?{query}={token}"), &[]);
            assert_eq!(reply.status, 401, "{method} {path}: {query} in the query");
        }
    }
}

#[test]
fn t05_only_exactly_one_readable_token_counts() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let token = server.token("admin");
    only_one_readable_token_counts(&token, |method, path, headers| {
        raw::request(&server.base, method, path.as_bytes(), headers, b"")
    });
}

#[test]
fn t05_over_tls_too_only_exactly_one_readable_token_counts() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let (cert, key) = authority.issue().write(database.folder());
    let server =
        Server::start(&database, &["--tls-cert", &cert.to_string_lossy(), "--tls-key", &key.to_string_lossy()]);
    let token = server.token("admin");
    only_one_readable_token_counts(&token, |method, path, headers| {
        authority.request(&server.base, method, path.as_bytes(), headers)
    });
}

#[test]
fn t05_a_server_that_could_leak_tokens_does_not_start() {
    let database = Database::sqlite();
    let cases: [(&[&str], &str); 8] = [
        (&["--listen", "0.0.0.0:0"], "plain HTTP"),
        (&["--listen", "0.0.0.0:0", "--public-url", "https://x.example"], "plain HTTP"),
        (&["--listen", "0.0.0.0:0", "--public-url", "http://x.example", "--trusted-proxy", "10.0.0.0/8"], "plain HTTP"),
        (&["--listen", "0.0.0.0:0", "--trusted-proxy", "everyone"], "not a range"),
        (&["--public-url", "x.example"], "https://"),
        (&["--listen", "nowhere"], "not an address"),
        (&["--listen", "0.0.0.0:0", "--tls-cert", "x.pem"], "--tls-key"),
        (&["--tls-cert", "x.pem", "--tls-key", "x.pem"], "x.pem cannot be read"),
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
fn t05_a_key_that_is_no_key_stops_the_start_and_is_named() {
    for database in databases() {
        drop(Server::start(&database, &[]));
        let file = database.key_file();
        let good = std::fs::read_to_string(&file).unwrap();
        let other = Database::sqlite();
        drop(Server::start(&other, &[]));
        let others = std::fs::read_to_string(other.key_file()).unwrap();
        let base64 = good.trim().rsplit(' ').next().unwrap().to_owned();
        for key in [
            String::new(),
            String::from("\n"),
            String::from("short"),
            String::from("scimhub-key-1"),
            String::from("scimhub-key-1 "),
            "0".repeat(63),
            "g".repeat(64),
            good[..good.len() - 5].to_owned(),
            good[..good.len() / 2].to_owned(),
            good.replace("key-1", "key-2"),
            base64,
            format!("{}AAAA", good.trim()),
            format!("{good}{others}"),
        ] {
            std::fs::write(&file, &key).unwrap();
            let log = Server::try_start(&database, &[]).map(|_| ()).unwrap_err();
            let named = format!("the key file {} cannot be used: it holds no scimhub key", file.display());
            assert!(log.contains(&named), "{}: {key:?}: {log}", database.name);
            assert!(key.len() < 20 || !log.contains(key.trim()), "{}: the key is shown", database.name);
        }
        // The key of another installation, and none where there was one.
        std::fs::write(&file, &others).unwrap();
        let log = Server::try_start(&database, &[]).map(|_| ()).unwrap_err();
        let named = format!("the key in {} is not the one this database was set up with", file.display());
        assert!(log.contains(&named), "{}: {log}", database.name);
        std::fs::remove_file(&file).unwrap();
        let log = Server::try_start(&database, &[]).map(|_| ()).unwrap_err();
        assert!(log.contains(&format!("the key file {} does not exist", file.display())), "{log}");
        assert!(!file.exists(), "no new key was made");
        std::fs::create_dir(&file).unwrap();
        let log = Server::try_start(&database, &[]).map(|_| ()).unwrap_err();
        assert!(log.contains(&format!("the key file {} cannot be used", file.display())), "{log}");
        std::fs::remove_dir(&file).unwrap();
        // Every command that needs the key says the same; the right one heals it.
        std::fs::write(&file, &others).unwrap();
        let output = crate::support::server::scimhub(&database).args(["token", "list"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(&named), "{text}");
        std::fs::write(&file, &good).unwrap();
        drop(Server::start(&database, &[]));
    }
}

#[test]
fn t05_a_key_that_everybody_can_read_is_warned_about() {
    let database = Database::sqlite();
    drop(Server::start(&database, &[]));
    for (mode, warned) in [(0o600, false), (0o640, false), (0o604, true), (0o666, true)] {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(database.key_file(), permissions).unwrap();
        let server = Server::start(&database, &[]);
        server.says("\"serving\"");
        assert_eq!(server.log().contains("everybody on this machine can read the key file"), warned, "{mode:o}");
    }
}

#[test]
fn t05_empty_settings_are_not_taken_for_unset_ones() {
    let database = Database::sqlite();
    for name in [
        "SCIMHUB_LISTEN",
        "SCIMHUB_DATABASE",
        "SCIMHUB_KEY_FILE",
        "SCIMHUB_PUBLIC_URL",
        "SCIMHUB_TLS_CERT",
        "SCIMHUB_TLS_KEY",
        "SCIMHUB_TRUSTED_PROXY",
        "SCIMHUB_DRAIN_DELAY",
        "SCIMHUB_CONFIG",
    ] {
        let output = crate::support::server::scimhub(&database).arg("serve").env(name, "").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{name}: {text}");
        assert!(output.stdout.is_empty() && !text.is_empty(), "{name}: {text}");
    }
    // And an empty token is no token, whoever sends it.
    let server = Server::start(&database, &[]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_scimhub"));
    command.current_dir(database.folder()).env("SCIMHUB_SERVER", &server.base).env("SCIMHUB_TOKEN", "");
    let output = command.args(["token", "list"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("SCIMHUB_TOKEN"), "{text}");
}
