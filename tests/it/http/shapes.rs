//! What every reply looks like: errors in one shape per zone, content negotiation, request ids.

use super::scim_support::make_user;
use crate::security::assert_shaped;
use crate::support::http::{Client, Reply};
use crate::support::server::Server;
use crate::support::{Database, raw};

#[tokio::test]
async fn unknown_addresses_and_methods_answer_in_shape() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = server.client("admin");
    for path in ["/scim/v2/Nothing", "/scim/v2", "/scim/v2/", "/scim/Users", "/api/v1/nothing", "/api/v1", "/nothing"] {
        for method in ["GET", "POST", "DELETE", "OPTIONS", "TRACE"] {
            let reply = admin.send(method, path, &[], None).await.expect(404);
            assert_shaped(&reply, path);
        }
    }
    for (method, path) in [("PUT", "/api/v1/status"), ("DELETE", "/healthz"), ("PATCH", "/api/v1/tokens")] {
        let reply = admin.send(method, path, &[], None).await.expect(405);
        assert_shaped(&reply, path);
        assert!(reply.header("allow").is_some_and(|allow| allow.contains("GET")), "{path}");
    }
}

/// Probes and caches ask so, and some identity providers before they begin (RFC 9110 section 9.3.2).
#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let (scim, admin, nobody) = (server.client("scim"), server.client("admin"), Client::anonymous(&server.base));
    let user = make_user(&scim, "ann@example.com").await;
    for (client, path) in [
        (&nobody, "/healthz".to_owned()),
        (&nobody, "/scim/v2/Users".to_owned()),
        (&scim, "/scim/v2/ServiceProviderConfig".to_owned()),
        (&scim, "/scim/v2/Users".to_owned()),
        (&scim, format!("/scim/v2/Users/{user}")),
        (&scim, "/scim/v2/Users/none".to_owned()),
        (&admin, "/api/v1/tasks".to_owned()),
        (&admin, "/api/v1/tasks.csv".to_owned()),
    ] {
        let (get, head) = (client.get(&path).await, client.send("HEAD", &path, &[], None).await);
        let told = |reply: &Reply| (reply.status, reply.header("content-type").map(str::to_owned));
        assert_eq!(told(&head), told(&get), "{path}");
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
        assert_eq!(head.text(), "", "{path}");
    }
}

#[tokio::test]
async fn another_protocol_version_is_refused() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let scim = server.client("scim");
    for path in ["/scim/v1/Users", "/scim/v9/Users", "/scim/v3", "/scim/V2/Users"] {
        let reply = scim.get(path).await.expect(400);
        assert_shaped(&reply, path);
        assert_eq!(reply.json()["scimType"], "invalidVers", "{path}");
    }
}

#[tokio::test]
async fn scim_clients_get_the_media_type_they_ask_for() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let scim = server.client("scim");
    for (accept, status, media) in [
        ("*/*", 404, "application/scim+json"),
        ("application/scim+json", 404, "application/scim+json"),
        ("application/json", 404, "application/json"),
        ("application/json, text/plain, */*", 404, "application/json"),
        ("text/html", 406, "application/scim+json"),
    ] {
        let reply = scim.send("GET", "/scim/v2/Nothing", &[("accept", accept)], None).await.expect(status);
        assert_eq!(reply.header("content-type"), Some(media), "{accept}");
    }
    let reply = raw::request(&server.base, "GET", b"/scim/v2/Users", &[b"Accept: application/json"], b"");
    assert_eq!((reply.status, reply.header("content-type")), (401, Some("application/json")));
}

#[tokio::test]
async fn a_request_keeps_its_id() {
    let database = Database::sqlite();
    let server = Server::start(&database, &["--log", "scimhub=debug"]);
    let admin = server.client("admin");
    let given = async |id: &str| {
        let reply = admin.send("GET", "/api/v1/status", &[("x-request-id", id)], None).await.expect(200);
        reply.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(given("trace-4711").await, "trace-4711");
    for bad in ["", "a b", "<script>", &"a".repeat(200)] {
        let made = given(bad).await;
        assert_ne!(made, bad);
        assert!(made.parse::<uuid::Uuid>().is_ok(), "{made}");
    }
    assert!(server.log().contains("trace-4711"), "the id is in the log");
    // The activity record carries it too.
    let wanted = serde_json::json!({"name": "okta"});
    let headers = [("x-request-id", "trace-4712"), ("content-type", "application/json")];
    let reply = admin.send("POST", "/api/v1/sources", &headers, Some(wanted.to_string().into_bytes())).await;
    assert_eq!(reply.expect(201).header("x-request-id"), Some("trace-4712"));
}
