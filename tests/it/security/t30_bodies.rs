//! T-30: bodies that are too large, too deep, too slow or misframed, with and without a length.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use scimhub::base::limits;
use serde_json::json;

use super::assert_shaped;
use crate::support::server::Server;
use crate::support::{Database, raw};

/// A body of exactly `length` bytes that is JSON and no source.
fn body_of(length: usize) -> Vec<u8> {
    let frame = br#"{"name":""}"#.len();
    format!(r#"{{"name":"{}"}}"#, "x".repeat(length - frame)).into_bytes()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    for chunk in body.chunks(60_000) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

#[test]
fn t30_the_size_limit_holds_with_and_without_a_length() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let token = format!("Authorization: Bearer {}", server.token("admin"));
    let media: &[u8] = b"Content-Type: application/json";
    for (length, status) in [(limits::BODY_BYTES - 1, 400), (limits::BODY_BYTES, 400), (limits::BODY_BYTES + 1, 413)] {
        let body = body_of(length);
        let declared = format!("Content-Length: {length}");
        let headers: [&[u8]; 3] = [token.as_bytes(), media, declared.as_bytes()];
        let reply = raw::request(&server.base, "POST", b"/api/v1/sources", &headers, &body);
        assert_eq!(reply.status, status, "{length} bytes with a length");
        assert_shaped(&reply, "/api/v1/sources");
        let headers: [&[u8]; 3] = [token.as_bytes(), media, b"Transfer-Encoding: chunked"];
        let reply = raw::request(&server.base, "POST", b"/api/v1/sources", &headers, &chunked(&body));
        assert_eq!(reply.status, status, "{length} bytes in chunks");
        assert_shaped(&reply, "/api/v1/sources");
    }
}

#[tokio::test]
async fn t30_media_types_encodings_depth_and_repeated_keys() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = server.client("admin");
    let send = async |headers: &[(&str, &str)], body: &str| {
        let reply = admin.send("POST", "/api/v1/sources", headers, Some(body.as_bytes().to_vec())).await;
        if reply.status != 201 {
            assert_shaped(&reply, "/api/v1/sources");
        }
        reply.status
    };
    let json_type = [("content-type", "application/json")];
    assert_eq!(send(&[("content-type", "application/json; charset=utf-8")], r#"{"name":"a"}"#).await, 201);
    assert_eq!(send(&[("content-type", "Application/JSON")], r#"{"name":"b"}"#).await, 201);
    for media in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "json"] {
        assert_eq!(send(&[("content-type", media)], r#"{"name":"c"}"#).await, 415, "{media}");
    }
    let zipped = [("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(send(&zipped, r#"{"name":"c"}"#).await, 415);
    let deep = format!("{{\"name\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["", "{", "[]", "\"x\"", "null", r#"{"name":"c","name":"d"}"#, "{\"name\":\"\\u0000\"}", &deep] {
        assert_eq!(send(&json_type, body).await, 400, "{:.40}", body);
    }
    let reply = admin.send("POST", "/api/v1/sources", &json_type, Some(b"{\"name\":\"\xff\"}".to_vec())).await;
    reply.expect(400);
    admin.get("/api/v1/status").await.expect(200);
}

#[tokio::test]
async fn t30_an_address_that_is_too_long_is_refused() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = server.client("admin");
    let scim = server.client("scim");
    for (client, path) in [(&admin, "/api/v1/status"), (&scim, "/scim/v2/Users")] {
        let reply = client.get(&format!("{path}?x={}", "y".repeat(limits::URL_BYTES))).await.expect(414);
        assert_shaped(&reply, path);
    }
    // Beyond what the HTTP reader buffers there is no path to take a shape from: 4xx and the end.
    let huge = format!("/scim/v2/Users?x={}", "y".repeat(1_000_000));
    let answer = raw::exchange(&server.base, format!("GET {huge} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes());
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{:.80}", String::from_utf8_lossy(&answer));
    admin.get("/api/v1/status").await.expect(200);
}

#[tokio::test]
async fn t30_five_hundred_slow_connections_do_not_stop_a_good_one() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = server.client("admin");
    let address = server.base.trim_start_matches("http://").to_owned();
    let slow: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).expect("a connection");
            stream.write_all(b"POST /api/v1/sources HTTP/1.1\r\nHost: t\r\nContent-Len").expect("half a head");
            stream
        })
        .collect();
    for number in 0..20 {
        admin.post("/api/v1/sources", &json!({"name": format!("s{number}")})).await.expect(201);
    }
    // A head that never ends is given up on.
    let mut first = slow.into_iter().next().unwrap();
    first.set_read_timeout(Some(limits::HEAD_TIMEOUT + Duration::from_secs(10))).unwrap();
    let mut answer = Vec::new();
    first.read_to_end(&mut answer).expect("the server hangs up");
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{:.80}", String::from_utf8_lossy(&answer));
}

#[test]
fn t30_a_body_that_never_comes_blocks_nobody_and_ends() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let token = server.token("admin");
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /api/v1/sources HTTP/1.1\r\nHost: t\r\nAuthorization: {token}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{\"na"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.set_read_timeout(Some(limits::BODY_TIMEOUT + Duration::from_secs(10))).unwrap();
    let mut buffer = [0u8; 4096];
    let count = stream.read(&mut buffer).expect("an answer in time");
    let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    assert!(text.contains("application/problem+json"), "{text}");
}

#[tokio::test]
async fn t30_groups_may_be_larger_than_users() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let scim = server.client("scim");
    let media = [("content-type", "application/scim+json")];
    for (path, limit) in [("/scim/v2/Users", limits::BODY_BYTES), ("/scim/v2/Groups", limits::LARGE_BODY_BYTES)] {
        for (length, fits) in [(limit, true), (limit + 1, false)] {
            let reply = scim.send("POST", path, &media, Some(body_of(length))).await;
            // What fits is no user and no group, and is refused for that.
            let status = if fits { 400 } else { 413 };
            assert_eq!(reply.status, status, "{path} with {length} bytes");
            assert_shaped(&reply, path);
        }
    }
    for body in ["{\"userName\":\"a\",\"userName\":\"b\"}", "{", "[]", "\"x\""] {
        let reply = scim.send("POST", "/scim/v2/Users", &media, Some(body.into())).await.expect(400);
        assert_eq!(reply.json()["scimType"], "invalidSyntax", "{body}");
    }
}
