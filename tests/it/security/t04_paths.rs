//! T-04: a percent-encoded path that reaches a handler but slips past the check. The check goes by
//! the routed resource, and ids have one spelling.

use scimhub::http::extract::caller::Access;
use scimhub::http::routes;

use super::assert_shaped;
use crate::support::Database;
use crate::support::raw;
use crate::support::server::Server;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Other spellings of one path.
fn tricks(path: &str) -> Vec<Vec<u8>> {
    let bytes = path.as_bytes();
    let mut all: Vec<Vec<u8>> = Vec::new();
    let last = path.rfind('/').unwrap();
    let (front, tail) = path.split_at(last);
    // The page's `/` has no letter to write in another way.
    if let Some(first) = tail.as_bytes().get(1) {
        let rest = &tail[2..];
        all.push(format!("{front}/%{first:02x}{rest}").into_bytes());
        all.push(format!("{front}/%25{first:02x}{rest}").into_bytes());
        all.push(format!("/%{:02x}{}", bytes[1], &path[2..]).into_bytes());
    }
    for middle in ["/%2e%2e", "/%2e", "/..", "/.", "/", "/%2f", "/%00", "/;x=1"] {
        all.push(format!("{front}{middle}{tail}").into_bytes());
    }
    for end in ["/", "//", "/.", "/..", ".", "%2e", ";x", ";x=1", "%00", "%20", "%2f", "%3f", "%23", "%0d%0a", "%c0%ae"]
    {
        all.push(format!("{path}{end}").into_bytes());
    }
    all.push(path.to_uppercase().into_bytes());
    all.push(path.to_lowercase().into_bytes());
    all.push(path.replace('/', "%2f").into_bytes());
    all.push(path.replacen('/', "\\", 2).into_bytes());
    all.push(format!("/x/..{path}").into_bytes());
    all.push(format!("//host{path}").into_bytes());
    all.push(format!("http://other.example{path}").into_bytes());
    all.push([bytes, b"\xc0\xaf"].concat());
    all.push([bytes, b"%ff"].concat());
    all
}

#[test]
fn t04_no_spelling_of_a_path_passes_without_a_token() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    for route in routes::table() {
        let path = route.path.replace("{id}", ID);
        let is_open = route.access == Access::Open;
        for target in tricks(&path) {
            let shown = String::from_utf8_lossy(&target).into_owned();
            let answer = raw::exchange(
                &server.base,
                &[
                    route.method.as_str().as_bytes(),
                    b" ",
                    &target,
                    b" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
                ]
                .concat(),
            );
            let status = String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|s| s.parse::<u16>().ok());
            // Bytes that are no HTTP at all may simply be hung up on.
            let Some(status) = status else { continue };
            assert!(is_open || status >= 400, "{} {shown}: {status}", route.method);
        }
    }
    assert_eq!(raw::request(&server.base, "GET", b"/healthz", &[], b"").status, 200, "still there");
}

#[test]
fn t04_an_id_has_one_spelling() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = format!("Authorization: Bearer {}", server.token("admin"));
    let listed = raw::request(&server.base, "GET", b"/api/v1/tokens", &[admin.as_bytes()], b"").json();
    let id = listed["items"][0]["id"].as_str().unwrap();
    let spellings = [
        id.to_uppercase(),
        id.replace('-', ""),
        format!("{{{id}}}"),
        format!("{id}%20"),
        format!("{id}%00"),
        format!("urn:uuid:{id}"),
        format!("..%2f{id}"),
        format!("{id};x"),
        format!("{id}."),
        String::from("1"),
    ];
    for other in spellings {
        let target = format!("/api/v1/tokens/{other}");
        let reply = raw::request(&server.base, "DELETE", target.as_bytes(), &[admin.as_bytes()], b"");
        assert!(matches!(reply.status, 400 | 404), "{other}: {}", reply.status);
        if reply.status == 404 {
            assert_shaped(&reply, &target);
        }
    }
    // The token still works: nothing of the above named it.
    let reply = raw::request(&server.base, "GET", b"/api/v1/status", &[admin.as_bytes()], b"");
    assert_eq!(reply.status, 200);
}

#[test]
fn t04_a_slash_at_the_end_is_the_same_address() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = format!("Authorization: Bearer {}", server.token("admin"));
    for (target, status) in [("/api/v1/status/", 200), ("/api/v1/%73tatus", 200), ("/api/v1//status", 404)] {
        let reply = raw::request(&server.base, "GET", target.as_bytes(), &[admin.as_bytes()], b"");
        assert_eq!(reply.status, status, "{target}");
    }
}
