//! The practice app itself: its page, its strictness, its switchboard.

use std::sync::Arc;

use scimhub::base::clock::SystemClock;
use scimhub::base::secret::SecretString;
use scimhub::sandbox::Sandbox;
use serde_json::{Value, json};

use super::{add, applied, context, scim};
use crate::support::http::Client;
use scimhub::engine::connector::Connector as _;

pub(super) const TOKEN: &str = "sandbox-token";

pub(super) fn start() -> Sandbox {
    Sandbox::start("127.0.0.1:0", SecretString::from(String::from(TOKEN)), Arc::new(SystemClock::new())).unwrap()
}

#[tokio::test]
async fn the_page_shows_who_has_a_seat() {
    let sandbox = start();
    applied(scim(&sandbox.scim("ads"), TOKEN).apply(&add("ann@example.com", "editor"), &context()).await.unwrap());
    let page = Client::anonymous(&sandbox.base()).get("/").await.expect(200).text();
    for part in ["viewport", "ads", "1 seat", "ann@example.com", "editor", "active"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn the_switchboard_wants_the_token_and_counts_effects() {
    let sandbox = start();
    Client::anonymous(&sandbox.base()).get("/_test/state").await.expect(401);
    let board = Client::new(&sandbox.base(), TOKEN);
    let seed = json!({"space": "ads", "people": 3_000, "users": [{"userName": "ann@example.com"}]});
    assert_eq!(board.post("/_test/seed", &seed).await.expect(200).json()["seats"], 3_001);
    board.post("/_test/faults", &json!({"match": "POST", "stat": 1})).await.expect(400);
    let state: Value = board.get("/_test/state").await.expect(200).json();
    assert_eq!(state["spaces"]["ads"]["counts"]["create"], 3_001);
    assert_eq!(state["spaces"]["ads"]["duplicates"], 0);
    board.post("/_test/reset", &json!({})).await.expect(200);
    assert_eq!(sandbox.state(), json!({"spaces": {}}));
    let log: Value = board.get("/_test/log").await.expect(200).json();
    assert!(!log.to_string().contains(TOKEN));
}

#[tokio::test]
async fn it_refuses_what_a_strict_app_refuses() {
    let sandbox = start();
    let app = Client::new(&sandbox.base(), TOKEN);
    let users = "/scim/v2/Users";
    Client::anonymous(&sandbox.base()).get(users).await.expect(401);
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    let ann = app
        .post(users, &json!({"schemas": [core], "userName": "ann@example.com", "roles": [{"value": "viewer"}]}))
        .await
        .expect(201)
        .json();
    let one = format!("{users}/{}", ann["id"].as_str().unwrap());
    for (body, kind) in [
        (json!({"userName": "ben@example.com"}), "invalidSyntax"),
        (json!({"schemas": [core]}), "invalidValue"),
        (json!({"schemas": [core], "userName": "ben@example.com", "active": "True"}), "invalidValue"),
        (json!({"schemas": [core], "userName": "ben@example.com", "title": null}), "invalidValue"),
        (json!({"schemas": [core], "userName": "ben@example.com", "roles": [{"value": "king"}]}), "invalidValue"),
        (json!({"schemas": [core], "userName": "ANN@example.com"}), "uniqueness"),
    ] {
        let refused = app.post(users, &body).await.json();
        assert_eq!(refused["scimType"], kind, "{body}");
    }
    let patch = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    for (operation, kind) in [
        (json!({"op": "Replace", "path": "active", "value": false}), "invalidSyntax"),
        (json!({"op": "replace", "path": "active", "value": "False"}), "invalidValue"),
        (json!({"op": "replace", "path": "active"}), "invalidValue"),
        (json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "x"}), "invalidPath"),
        (json!({"op": "remove", "value": []}), "noTarget"),
    ] {
        let refused = app.patch(&one, &json!({"schemas": [patch], "Operations": [operation]})).await.expect(400).json();
        assert_eq!(refused["scimType"], kind, "{operation}");
    }
    app.send("PATCH", &one, &[("content-type", "text/plain")], Some(b"{}".to_vec())).await.expect(415);
    app.send("DELETE", &one, &[("if-match", "W/\"9\"")], None).await.expect(412);
    app.get(&format!("{users}?filter=title%20co%20%22x%22")).await.expect(400);
    app.delete(&one).await.expect(204);
    app.delete(&one).await.expect(404);
}
