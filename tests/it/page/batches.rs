//! A batch on the page: failures first, tried again and withdrawn by one form; the card of failures
//! until it is read; and what is overdue.

use serde_json::{Value, json};

use super::chromium::{HARD_TO_READ, overflow, sign_in};
use super::visitor::Visitor;
use super::{SOON, group, manual_hub, mapping, tasks_of, user_named};
use crate::hubs::mending;
use crate::support::browser::{Scripts, Setup, browser};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

/// A hub in which two of four people could not be added.
async fn failed(server: &Server) -> (scimhub::sandbox::Sandbox, Value) {
    let (admin, scim) = (server.client("admin"), server.client("scim"));
    let app = mending::sandbox();
    let fault = json!({"match": "POST /Users", "times": 2, "status": 400, "body": {"detail": "not <b>so</b>"}});
    app.fault(&fault).unwrap();
    mending::sandbox_hub(&admin, "ads", &app.scim("ads"), mending::GOOD).await;
    let mut people = Vec::new();
    for name in ["Ann Adler", "Bo Berg", "Cy Carl", "Di Dorn"] {
        people.push(user_named(&scim, &format!("{}@example.com", &name[..2].to_lowercase()), name).await);
    }
    let ids: Vec<&str> = people.iter().map(String::as_str).collect();
    group(&scim, "editors", &ids).await;
    let mut parent = Value::Null;
    eventually("two failed", SOON, async || {
        let page = admin.get("/api/v1/tasks?kind=batch").await.expect(200).json();
        parent = page["items"][0].clone();
        parent["progress"] == json!({"total": 4, "done": 2, "failed": 2, "open": 0, "withdrawn": 0})
    })
    .await;
    (app, parent)
}

async fn completed(admin: &Client, parent: &str) {
    eventually("all done", SOON, async || {
        admin.get(&format!("/api/v1/tasks/{parent}")).await.expect(200).json()["status"] == "completed"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_shows_its_failures_and_is_tried_again_by_one_form() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (_app, parent) = failed(&server).await;
        let id = parent["id"].as_str().unwrap();
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let reader = Visitor::signed_in(&server.base, &server.token("read")).await;
        let list = me.get("/tasks?kind=batch").await.expect(200).text();
        assert!(list.contains(&format!("/tasks/{id}")) && list.contains("2 of 4 people done, 2 failed"), "{list}");
        let shown = me.get(&format!("/tasks/{id}")).await.expect(200).text();
        assert!(shown.contains("id=\"failed\"") && !shown.contains("<b>so</b>"), "{}: {shown}", database.name);
        assert!(!reader.get(&format!("/tasks/{id}")).await.expect(200).text().contains("/decide"), "a reader acts");
        let overview = me.get("/").await.expect(200).text();
        assert!(overview.contains("2 new"), "{overview}");
        let proof = me.proof().await;
        reader.post("/failures/read", &[("proof", &reader.proof().await)]).await.expect(403);
        me.post("/failures/read", &[]).await.expect(403);
        me.post("/failures/read", &[("proof", &proof)]).await.expect(303);
        let overview = me.get("/").await.expect(200).text();
        assert!(overview.contains("id=\"failures\"") && !overview.contains("2 new"), "{overview}");
        let decide = format!("/tasks/{id}/decide");
        me.post(&decide, &[("proof", &proof), ("act", "done"), ("note", "x")]).await.expect(409);
        let done = me.post(&decide, &[("proof", &proof), ("act", "retry")]).await.expect(303);
        let told = me.get(done.header("location").unwrap()).await.expect(200).text();
        assert!(told.contains("It will be tried again."), "{told}");
        completed(&server.client("admin"), id).await;
        let child = tasks_of(&server.client("admin"), "hub=ads&status=completed", 4).await.remove(0);
        let child = me.get(&format!("/tasks/{}", child["id"].as_str().unwrap())).await.expect(200).text();
        assert!(child.contains(&format!("href=\"/tasks/{id}\"")), "the way to the batch: {child}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_show_who_does_them_and_until_when() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        manual_hub(&admin, "wiki").await;
        mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        let ann = user_named(&scim, "ann@example.com", "Ann Adler").await;
        group(&scim, "editors", &[&ann]).await;
        let item = tasks_of(&admin, "hub=wiki&status=manual", 1).await.remove(0);
        let path = format!("/api/v1/tasks/{}", item["id"].as_str().unwrap());
        admin.patch(&path, &json!({"owner": {"name": "The IT desk"}})).await.expect(200);
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let shown = me.get("/manual").await.expect(200).text();
        assert!(shown.contains("Owner: The IT desk") && shown.contains("due "), "{}: {shown}", database.name);
        let late = me.get("/manual?overdue=true").await.expect(200).text();
        assert!(late.contains("Nothing to do by hand."), "{late}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_a_script_tries_a_batch_again() {
    for scripts in [Scripts::Off, Scripts::On] {
        let setup = Setup { size: (360, 740), scripts, ..Setup::default() };
        let Some(browser) = browser(setup).await else { return };
        let database = Database::sqlite();
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (_app, parent) = failed(&server).await;
        sign_in(&browser, &server, "admin").await;
        let fits = async |what: &str| {
            assert_eq!(browser.run(&overflow(360)).await, json!([]), "{what}");
            assert_eq!(browser.run(HARD_TO_READ).await, json!([]), "{what}");
            assert_eq!(browser.complaints().await, Vec::<String>::new(), "{what}");
        };
        browser.find("#failures").await;
        fits("the card").await;
        browser.click("#failures form button").await;
        eventually("it is read", SOON, async || {
            let card = server.client("admin").get("/api/v1/failures").await.expect(200).json();
            card["groups"][1]["failures"] == 2
        })
        .await;
        browser.go(&format!("{}/tasks?kind=batch", server.base)).await;
        browser.find("#parents").await;
        fits("the list").await;
        browser.click("#parents td.lead a").await;
        browser.find("#failed").await;
        fits("the batch").await;
        browser.click("form.card button[value=retry]").await;
        browser.until_shown("It will be tried again.").await;
        fits("after the form").await;
        completed(&server.client("admin"), parent["id"].as_str().unwrap()).await;
    }
}
