//! One test or more for each threat of the product's threat list, named after it.

mod t02_takeover;
mod t03_routes;
mod t04_paths;
mod t05_credentials;
mod t06_tenants;
mod t08_matrix;
mod t08_table;
mod t16_tokens;
mod t21_addresses;
mod t25_canaries;
mod t25_doors;
mod t30_bodies;

use scimhub::http::respond::Zone;

use crate::support::http::Reply;

/// An error in the shape that its zone promises, with nothing of the inside in it.
#[track_caller]
pub fn assert_shaped(reply: &Reply, path: &str) {
    assert!(reply.header("x-request-id").is_some(), "{path}: no request id");
    if Zone::of(path) == Zone::Page {
        let text = reply.text();
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{path}: {text}");
        assert!(reply.header("content-security-policy").is_some_and(|v| v.contains("default-src 'none'")), "{path}");
        assert!(text.starts_with("<!DOCTYPE html>") && text.contains("<h1>"), "{path}: {text}");
        return;
    }
    let body = reply.json();
    let media = reply.header("content-type").unwrap_or_default();
    if path.starts_with("/scim") {
        assert_eq!(media, "application/scim+json", "{path}: {}", reply.text());
        assert_eq!(body["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error", "{path}");
        assert_eq!(body["status"], reply.status.to_string(), "{path}");
    } else {
        assert_eq!(media, "application/problem+json", "{path}: {}", reply.text());
        assert_eq!(body["status"], reply.status, "{path}");
    }
    assert!(body["detail"].as_str().is_some_and(|d| !d.is_empty()), "{path}: {body}");
}
