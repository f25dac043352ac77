//! Answers that come late, wrong or not at all. However it goes: one person, one account.

use scimhub::engine::connector::{Connector as _, FailureClass, Outcome, Seen};
use serde_json::json;

use super::sandbox::{TOKEN, start};
use super::{add, already, applied, at, context, remove, scim, update};

/// Accounts and effects of one person in the space `ads`.
fn effects(sandbox: &scimhub::sandbox::Sandbox, kind: &str) -> u64 {
    sandbox.state()["spaces"]["ads"]["counts"][kind].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn f05_a_lost_reply_leaves_exactly_one_account() {
    let sandbox = start();
    let app = scim(&sandbox.scim("ads"), TOKEN);
    // Even an app that would take a second account of the same name gets no second one.
    let board = crate::support::http::Client::new(&sandbox.base(), TOKEN);
    board.post("/_test/seed", &json!({"space": "ads", "unique": false})).await.expect(200);
    sandbox.fault(&json!({"match": "POST /Users", "drop": "after_commit"})).unwrap();
    let wish = add("ann@example.com", "viewer");
    let lost = app.apply(&wish, &context()).await.unwrap_err();
    assert_eq!(lost.class, FailureClass::Ambiguous, "{lost:?}");
    assert!(matches!(app.verify(&wish, &context()).await.unwrap(), Seen::Holds(Some(_))));
    already(app.apply(&wish, &context()).await.unwrap());
    assert_eq!(effects(&sandbox, "create"), 1);
}

#[tokio::test]
async fn f05_a_reply_after_the_time_out_leaves_exactly_one_account() {
    let sandbox = start();
    let app = scim(&sandbox.scim("ads"), TOKEN);
    sandbox.fault(&json!({"match": "POST /Users", "delay_after_ms": 2_000})).unwrap();
    let wish = add("ann@example.com", "viewer");
    let late = app.apply(&wish, &context()).await.unwrap_err();
    assert_eq!(late.class, FailureClass::Ambiguous, "{late:?}");
    already(app.apply(&wish, &context()).await.unwrap());
    assert_eq!(effects(&sandbox, "create"), 1);
}

#[tokio::test]
async fn f05_lost_replies_of_changes_and_removals_are_looked_at() {
    let sandbox = start();
    let app = scim(&sandbox.scim("ads"), TOKEN);
    let ann = applied(app.apply(&add("ann@example.com", "viewer"), &context()).await.unwrap());
    for (fault, wish) in [
        ("PATCH", at(update("ann@example.com", "editor"), &ann.remote_id)),
        ("DELETE", at(remove("ann@example.com"), &ann.remote_id)),
    ] {
        sandbox.fault(&json!({"match": fault, "drop": "after_commit"})).unwrap();
        assert_eq!(app.apply(&wish, &context()).await.unwrap_err().class, FailureClass::Ambiguous);
        assert!(matches!(app.verify(&wish, &context()).await.unwrap(), Seen::Holds(_)));
        assert!(matches!(app.apply(&wish, &context()).await.unwrap(), Outcome::AlreadyInState(_)));
    }
    assert_eq!((effects(&sandbox, "role"), effects(&sandbox, "delete")), (1, 1));
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_work_is_ambiguous_too() {
    let sandbox = start();
    let app = scim(&sandbox.scim("ads"), TOKEN);
    sandbox.fault(&json!({"match": "POST /Users", "drop": "before"})).unwrap();
    let wish = add("ann@example.com", "viewer");
    assert_eq!(app.apply(&wish, &context()).await.unwrap_err().class, FailureClass::Ambiguous);
    assert_eq!(app.verify(&wish, &context()).await.unwrap(), Seen::DoesNotHold(None));
    applied(app.apply(&wish, &context()).await.unwrap());
    assert_eq!(effects(&sandbox, "create"), 1);
}

#[tokio::test]
async fn f06_limits_and_f07_passing_errors_have_their_classes() {
    let sandbox = start();
    let app = scim(&sandbox.scim("ads"), TOKEN);
    app.check(&context()).await.unwrap();
    let wish = add("ann@example.com", "viewer");
    for (status, headers, class, wait) in [
        (429, json!({"retry-after": "7"}), FailureClass::RateLimited, Some(7)),
        (429, json!({"retry-after": "-1"}), FailureClass::RateLimited, Some(60)),
        (429, json!({"retry-after": "soon"}), FailureClass::RateLimited, Some(60)),
        (429, json!({}), FailureClass::RateLimited, Some(60)),
        (429, json!({"retry-after": "31536000"}), FailureClass::RateLimited, Some(31_536_000)),
        (500, json!({}), FailureClass::Transient, None),
        (503, json!({"retry-after": "3"}), FailureClass::Transient, Some(3)),
        (504, json!({}), FailureClass::Ambiguous, None),
        (401, json!({}), FailureClass::AuthBroken, None),
        (403, json!({}), FailureClass::Forbidden, None),
        (302, json!({"location": "http://127.0.0.1:1/"}), FailureClass::AuthBroken, None),
    ] {
        sandbox.fault(&json!({"match": "POST /Users", "status": status, "headers": headers})).unwrap();
        let failure = app.apply(&wish, &context()).await.unwrap_err();
        assert_eq!(failure.class, class, "{status}: {failure:?}");
        assert_eq!(failure.retry_after.map(|w| w.as_secs()), wait, "{status}: {failure:?}");
    }
    let date = "Fri, 01 Jan 2100 00:00:00 GMT";
    sandbox.fault(&json!({"match": "POST", "status": 429, "headers": {"retry-after": date}})).unwrap();
    let failure = app.apply(&wish, &context()).await.unwrap_err();
    assert!(failure.retry_after.is_some_and(|w| w.as_secs() > 86_400), "{failure:?}");
    applied(app.apply(&wish, &context()).await.unwrap());
    assert_eq!(effects(&sandbox, "create"), 1);
}

#[tokio::test]
async fn no_free_seat_is_a_class_of_its_own() {
    let sandbox = start();
    let board = crate::support::http::Client::new(&sandbox.base(), TOKEN);
    board.post("/_test/seed", &json!({"space": "ads", "max_seats": 0})).await.expect(200);
    let full =
        scim(&sandbox.scim("ads"), TOKEN).apply(&add("ann@example.com", "viewer"), &context()).await.unwrap_err();
    assert_eq!(full.class, FailureClass::SeatLimit, "{full:?}");
}

#[tokio::test]
async fn an_unknown_role_is_refused_for_good() {
    let sandbox = start();
    let failure =
        scim(&sandbox.scim("ads"), TOKEN).apply(&add("ann@example.com", "king"), &context()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Invalid, "{failure:?}");
    assert!(failure.detail.contains("king"), "{failure:?}");
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let sandbox = start();
    let app = scim(&sandbox.scim("ads"), TOKEN);
    app.check(&context()).await.unwrap();
    let late = super::AttemptContext { deadline: std::time::Duration::ZERO, ..context() };
    let failure = app.apply(&add("ann@example.com", "viewer"), &late).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Transient, "{failure:?}");
    assert_eq!(effects(&sandbox, "create"), 0);
}

#[tokio::test]
async fn an_app_that_is_not_there_is_unreachable() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure =
        scim(&format!("http://{gone}/scim"), "x").apply(&add("a@b.c", "viewer"), &context()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unreachable, "{failure:?}");
}
