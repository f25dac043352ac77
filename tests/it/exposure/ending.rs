//! The way a server leaves: not ready first, then no new connections, then nothing under way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{bearer, serve};
use crate::security::assert_shaped;
use crate::support::server::Server;
use crate::support::tls::Authority;
use crate::support::{Database, raw, until};

const SOON: Duration = Duration::from_secs(20);

fn is_ready(base: &str) -> bool {
    raw::request(base, "GET", b"/readyz", &[], b"").status == 200
}

#[test]
fn readiness_falls_first_and_whoever_comes_is_still_answered() {
    let database = Database::sqlite();
    let mut server = Server::start(&database, &["--drain-delay", "5min"]);
    let token = String::from_utf8(bearer(&server.token("read"))).unwrap();
    let host = server.base.trim_start_matches("http://").to_owned();
    let mut kept = TcpStream::connect(&host).unwrap();
    kept.set_read_timeout(Some(SOON)).unwrap();
    let request = format!("GET /api/v1/status HTTP/1.1\r\nHost: t\r\n{token}\r\n\r\n");
    kept.write_all(request.as_bytes()).unwrap();
    let mut first = [0u8; 8192];
    let count = kept.read(&mut first).unwrap();
    assert!(!String::from_utf8_lossy(&first[..count]).contains("connection: close"));
    assert!(is_ready(&server.base));

    server.signal("TERM");
    until("not ready", SOON, || !is_ready(&server.base));
    let reply = raw::request(&server.base, "GET", b"/readyz", &[], b"").expect(503);
    assert_shaped(&reply, "/readyz");
    assert!(reply.text().contains("stopping"), "{}", reply.text());
    // It lives, and takes new connections and their requests as before.
    raw::request(&server.base, "GET", b"/healthz", &[], b"").expect(200);
    let answer = raw::exchange(&server.base, request.as_bytes());
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    // A connection from before gets its answer and learns that it was the last.
    kept.write_all(request.as_bytes()).unwrap();
    let mut last = String::new();
    kept.read_to_string(&mut last).unwrap();
    assert!(last.starts_with("HTTP/1.1 200") && last.contains("connection: close"), "{last}");

    // Nobody has to wait for it: a second signal ends it at once.
    assert!(!server.has_ended());
    server.signal("TERM");
    assert_eq!(server.ended(), Some(1));
    assert!(server.log().contains("told twice to stop"), "{}", server.log_end());
}

#[test]
fn idle_connections_do_not_hold_the_end_up() {
    let database = Database::sqlite();
    let authority = Authority::new();
    for with_tls in [false, true] {
        let more = ["--drain-delay", "100ms"];
        let mut server =
            if with_tls { serve(&database, &authority.issue(), &more) } else { Server::start(&database, &more) };
        let mut idle_tls = Vec::new();
        let mut idle = Vec::new();
        for _ in 0..5 {
            if with_tls {
                let mut line = authority.connect(&server.base).unwrap();
                line.ask("GET", b"/healthz", &[]).unwrap().expect(200);
                idle_tls.push(line);
            }
            // One that never sent a byte, over TLS not even a greeting.
            idle.push(TcpStream::connect(server.base.split_once("//").unwrap().1).unwrap());
        }
        server.signal("TERM");
        let mut gone = false;
        // Below DRAIN (30 s), which would be the end of patience with a request under way.
        until("the end", Duration::from_secs(15), || {
            gone = gone || server.has_ended();
            gone
        });
        assert_eq!(server.ended(), Some(0), "{}", server.log_end());
        assert!(idle_tls.iter_mut().all(crate::support::tls::Line::is_closed));
    }
}

#[test]
fn a_request_under_way_is_finished_over_tls_while_nobody_new_is_let_in() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let mut server = serve(&database, &authority.issue(), &[]);
    let token = bearer(&server.token("admin"));
    let mut line = authority.connect(&server.base).unwrap();
    let body = br#"{"name":"late"}"#;
    let length = format!("Content-Length: {}", body.len());
    let head = [&token, &b"Content-Type: application/json"[..], length.as_bytes(), b"Expect: 100-continue"];
    // The server asks for the body: the request has begun.
    line.ask("POST", b"/api/v1/sources", &head).unwrap().expect(100);
    server.signal("TERM");
    until("nobody new", SOON, || TcpStream::connect(server.base.trim_start_matches("https://")).is_err());
    assert!(!server.has_ended());
    line.write(body).unwrap();
    let reply = line.reply().unwrap().expect(201);
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(line.is_closed());
    assert_eq!(server.ended(), Some(0), "{}", server.log_end());
    assert!(server.log().contains("stopped"));
}

/// A log shipper that died must not keep the server from ending: the line that says so has nobody
/// left to read it.
#[test]
fn a_server_whose_log_nobody_reads_ends_when_told() {
    let database = Database::sqlite();
    let mut child = crate::support::server::scimhub(&database)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    assert!(line.contains("listening on"), "{line}");
    drop(child.stderr.take());
    let told = std::process::Command::new("/bin/kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let mut status = None;
    until("the end of the server", Duration::from_secs(60), || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert!(status.unwrap().success(), "{status:?}");
}
