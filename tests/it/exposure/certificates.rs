//! Which certificates and keys a server starts with, and what it says about the others.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use rustls::ProtocolVersion;

use super::{bearer, serve, text};
use crate::support::Database;
use crate::support::http::Client;
use crate::support::server::{Server, scimhub};
use crate::support::tls::{Authority, KeyForm, pem};

#[test]
fn every_usual_form_of_key_serves_a_chain_that_a_strict_client_accepts() {
    let database = Database::sqlite();
    let authority = Authority::new();
    for form in [KeyForm::Pkcs8, KeyForm::Sec1, KeyForm::RsaPkcs8, KeyForm::Pkcs1, KeyForm::Ed25519] {
        let issued = authority.issue_as(form, (2020, 2090));
        let server = serve(&database, &issued, &[]);
        assert!(server.base.starts_with("https://127.0.0.1:"), "{}", server.base);
        let mut line = authority.connect(&server.base).unwrap_or_else(|why| panic!("{form:?}: {why}"));
        assert_eq!(line.certificate(), issued.der, "{form:?}");
        line.ask("GET", b"/readyz", &[]).unwrap().expect(200);
        let stranger = Authority::new().connect(&server.base).map(|_| ()).unwrap_err();
        assert!(stranger.contains("certificate"), "another authority's client: {stranger}");
    }
}

#[test]
fn tls_1_2_and_1_3_are_spoken_and_the_protocol_is_http_1_1() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let server = serve(&database, &authority.issue(), &[]);
    for (version, expected) in
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let line = authority.connect_as(&server.base, &[version], &["h2", "http/1.1"]).unwrap();
        assert_eq!((line.version(), line.protocol().as_deref()), (expected, Some("http/1.1")));
    }
    assert!(authority.connect_as(&server.base, rustls::ALL_VERSIONS, &["h2"]).is_err(), "h2 alone");
    let mut silent = authority.connect_as(&server.base, rustls::ALL_VERSIONS, &[]).unwrap();
    silent.ask("GET", b"/healthz", &[]).unwrap().expect(200);
}

#[test]
fn scim_goes_over_tls_and_locations_say_https() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let server = serve(&database, &authority.issue(), &[]);
    let token = bearer(&server.token("scim"));
    let mut line = authority.connect(&server.base).unwrap();
    line.ask("GET", b"/scim/v2/Users", &[]).unwrap().expect(401);
    let reply = line.ask("GET", b"/scim/v2/ResourceTypes", &[&token, b"Host: evil.example"]);
    // Two Host headers are no request at all; the connection is closed.
    assert!(reply.is_err() || reply.unwrap().status == 400);
    let mut line = authority.connect(&server.base).unwrap();
    let reply = line.ask("GET", b"/scim/v2/ResourceTypes", &[&token]).unwrap().expect(200);
    assert!(reply.text().contains(&format!("\"{}/scim/v2/ResourceTypes/User\"", server.base)), "{}", reply.text());
    assert_eq!(reply.header("strict-transport-security"), Some("max-age=2592000"));
}

#[tokio::test]
async fn plain_http_gets_nothing_from_a_tls_port_and_sends_no_hsts_by_itself() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let server = serve(&database, &authority.issue(), &[]);
    let plain = server.base.replace("https://", "http://");
    let answer = crate::support::raw::exchange(&plain, b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    // The handshake of a good client is not held up by it.
    authority.request(&server.base, "GET", b"/healthz", &[]).expect(200);
    drop(server);
    let server = Server::start(&database, &[]);
    let reply = Client::anonymous(&server.base).get("/healthz").await.expect(200);
    assert_eq!(reply.header("strict-transport-security"), None);
}

#[test]
fn t30_clients_that_never_greet_do_not_keep_others_waiting() {
    const SILENT: usize = 600;
    let database = Database::sqlite();
    let authority = Authority::new();
    let server = serve(&database, &authority.issue(), &[]);
    let address = server.base.trim_start_matches("https://");
    // Shown once the good client was answered while all the silent ones were still being waited
    // for; a machine too slow for that within the handshake's time-out tries again.
    let shown = (0..5).any(|_| {
        let mut silent: Vec<_> = (0..SILENT).map(|_| TcpStream::connect(address).unwrap()).collect();
        authority.request(&server.base, "GET", b"/healthz", &[]).expect(200);
        silent.iter_mut().all(|stream| {
            stream.set_nonblocking(true).unwrap();
            stream.read(&mut [0u8; 1]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        })
    });
    assert!(shown, "a good client is served only when the time of silent ones is up");
}

#[test]
fn what_is_wrong_with_the_files_is_said_with_their_names() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let good = authority.issue();
    let other = authority.issue();
    let (first, rest) = good.cert.split_at(good.cert.find("-----END").unwrap() + "-----END CERTIFICATE-----\n".len());
    let swapped = format!("{rest}{first}");
    let encrypted = pem("ENCRYPTED PRIVATE KEY", &[0x30; 90]);
    let rubbish = pem("CERTIFICATE", b"no DER at all");
    let cut = &good.cert[..good.cert.len() - 40];
    let spoilt = good.key.replacen("\nM", "\n%", 1);
    let huge = "x".repeat(1024 * 1024 + 1);
    for (cert, key, expected) in [
        ("", good.key.as_str(), &["cert.pem holds no certificate"][..]),
        ("hello", &good.key, &["cert.pem holds no certificate"]),
        (&good.key, &good.key, &["cert.pem holds no certificate"]),
        (cut, &good.key, &["cert.pem is cut off"]),
        (&rubbish, &good.key, &["cert.pem holds something that is not an X.509 certificate"]),
        (&huge, &good.key, &["cert.pem is larger than"]),
        (&swapped, &good.key, &["cert.pem must begin with the server's own certificate"]),
        (&good.cert, "", &["key.pem holds no private key"]),
        (&good.cert, &good.cert, &["key.pem holds no private key"]),
        (&good.cert, &encrypted, &["key.pem is protected by a password"]),
        (&good.cert, &spoilt, &["key.pem is damaged"]),
        (&good.cert, &pem("PRIVATE KEY", &[0x30; 90]), &["key.pem holds a key that cannot be used"]),
        (&good.cert, &other.key, &["key.pem does not belong to the certificate in", "cert.pem"]),
        ("", "", &["cert.pem holds no certificate", "key.pem holds no private key"]),
    ] {
        let (cert_file, key_file) = (database.folder().join("cert.pem"), database.folder().join("key.pem"));
        std::fs::write(&cert_file, cert).unwrap();
        std::fs::write(&key_file, key).unwrap();
        let text = refused(&database, &["--tls-cert", &text(&cert_file), "--tls-key", &text(&key_file)]);
        for part in expected {
            assert!(text.contains(part), "{part}: {text}");
        }
        for key in [&good.key, &other.key, &spoilt] {
            assert!(key.lines().nth(2).is_none_or(|line| !text.contains(line)), "a line of the key: {text}");
        }
    }
    let text = refused(&database, &["--tls-cert", "absent.crt", "--tls-key", "absent.key", "--listen", "nowhere"]);
    for part in ["absent.crt cannot be read", "absent.key cannot be read", "listen: 'nowhere'"] {
        assert!(text.contains(part), "all at once, {part}: {text}");
    }
    std::fs::write(database.folder().join("scimhub.toml"), "lisen = \"x\"\npaused = 1\ndrain_delay = \"9h\"").unwrap();
    let text = refused(&database, &["--tls-cert", "absent.crt", "--tls-key", "absent.key", "--log", "a=b=c"]);
    for part in ["did you mean 'listen'?", "'paused'", "drain_delay: at most", "absent.crt", "absent.key", "log: "] {
        assert!(text.contains(part), "the file's mistakes too, {part}: {text}");
    }
    std::fs::remove_file(database.folder().join("scimhub.toml")).unwrap();
    let text = refused(&database, &["--tls-cert", "/", "--tls-key", "/"]);
    assert!(text.contains("tls_cert: / cannot be read"), "{text}");
    for (half, missing) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
        assert!(refused(&database, &[half, "x.pem"]).contains(missing), "{half}");
    }
    assert!(!database.key_file().exists(), "nothing was made");
}

fn refused(database: &Database, args: &[&str]) -> String {
    let output = scimhub(database).arg("serve").args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
    assert!(output.stdout.is_empty(), "{args:?}");
    text
}

#[test]
fn files_come_from_flag_environment_and_file_in_that_order() {
    let database = Database::sqlite();
    let folder = database.folder();
    let authority = Authority::new();
    let issued: Vec<_> = (0..3).map(|_| authority.issue()).collect();
    for (number, issued) in issued.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.crt")), &issued.cert).unwrap();
        std::fs::write(folder.join(format!("{number}.key")), &issued.key).unwrap();
    }
    let config = "tls_cert = \"0.crt\"\ntls_key = \"0.key\"\ndrain_delay = \"0s\"\n";
    std::fs::write(folder.join("scimhub.toml"), config).unwrap();
    let environment = [("SCIMHUB_TLS_CERT", String::from("1.crt")), ("SCIMHUB_TLS_KEY", String::from("1.key"))];
    let flags = ["--tls-cert", "2.crt", "--tls-key", "2.key"];
    for (args, environment, expected) in
        [(&[][..], &[][..], 0), (&[][..], &environment[..], 1), (&flags[..], &environment[..], 2)]
    {
        let server = Server::try_start_in(&database, args, environment).unwrap();
        let shown = authority.connect(&server.base).unwrap().certificate();
        assert_eq!(issued.iter().position(|i| i.der == shown), Some(expected));
    }
}

#[test]
fn a_certificate_near_or_past_its_end_is_served_and_complained_about() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let server = serve(&database, &authority.issue_as(KeyForm::Pkcs8, (2019, 2020)), &[]);
    server.says("ended at 2020-01-01T00:00:00.000Z: clients will refuse it");
    let why = authority.connect(&server.base).map(|_| ()).unwrap_err();
    assert!(why.to_lowercase().contains("expired"), "{why}");
    drop(server);
    let server = serve(&database, &authority.issue_as(KeyForm::Pkcs8, (2080, 2090)), &[]);
    server.says("begins only at 2080-01-01");
}

#[test]
fn a_key_that_everybody_can_read_is_warned_about() {
    let database = Database::sqlite();
    let (cert, key) = Authority::new().issue().write(database.folder());
    for (mode, warned) in [(0o644, true), (0o640, false), (0o600, false)] {
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let server = Server::start(&database, &["--tls-cert", &text(&cert), "--tls-key", &text(&key)]);
        server.says("\"serving\"");
        assert_eq!(server.log().contains("everybody on this machine can read the TLS key"), warned, "{mode:o}");
    }
}
