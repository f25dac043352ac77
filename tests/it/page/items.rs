//! Who does an item and until when, said on the page.

use serde_json::json;

use super::chromium::{HARD_TO_READ, overflow, sign_in};
use super::visitor::Visitor;
use super::{group, manual_hub, mapping, tasks_of, user_named};
use crate::support::browser::{Scripts, Setup, browser};
use crate::support::server::Server;
use crate::support::{Database, databases};

/// An item for a person; its id.
async fn item(server: &Server) -> String {
    let (admin, scim) = (server.client("admin"), server.client("scim"));
    manual_hub(&admin, "wiki").await;
    mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
    let ann = user_named(&scim, "ann@example.com", "Ann Adler").await;
    group(&scim, "editors", &[&ann]).await;
    tasks_of(&admin, "hub=wiki&status=manual", 1).await.remove(0)["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_is_given_an_owner_and_a_time_by_a_form() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let id = item(&server).await;
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let reader = Visitor::signed_in(&server.base, &server.token("read")).await;
        let (page, path) = (format!("/tasks/{id}"), format!("/tasks/{id}/item"));
        assert!(me.get(&page).await.expect(200).text().contains("id=\"item\""));
        assert!(!reader.get(&page).await.expect(200).text().contains("id=\"item\""), "a reader acts");
        let proof = me.proof().await;
        reader.post(&path, &[("proof", &reader.proof().await), ("who", "hub")]).await.expect(403);
        me.post(&path, &[("who", "name"), ("owner", "x")]).await.expect(403);
        for (bad, status) in [
            ([("who", "odd"), ("owner", ""), ("due", "keep")], 400),
            ([("who", "name"), ("owner", " "), ("due", "keep")], 400),
            ([("who", "keep"), ("owner", ""), ("due", "2")], 400),
            ([("who", "user"), ("owner", "nobody@example.com"), ("due", "7")], 400),
        ] {
            let mut fields = vec![("proof", proof.as_str())];
            fields.extend(bad);
            me.post(&path, &fields).await.expect(status);
        }
        let task = format!("/api/v1/tasks/{id}");
        let before = admin.get(&task).await.expect(200).json();
        let good = [("proof", proof.as_str()), ("who", "user"), ("owner", "Ann@example.com"), ("due", "7")];
        let on = me.post(&path, &good).await.expect(303);
        let told = me.get(on.header("location").unwrap()).await.expect(200).text();
        assert!(told.contains("It is noted who does it"), "{told}");
        let now = admin.get(&task).await.expect(200).json();
        assert_eq!(now["owner"]["name"], "ann@example.com", "{}: {now}", database.name);
        assert!(now["due"].as_str() > before["due"].as_str(), "{before} then {now}");
        let name = [("proof", proof.as_str()), ("who", "name"), ("owner", "The IT <desk>"), ("due", "keep")];
        me.post(&path, &name).await.expect(303);
        let shown = me.get(&page).await.expect(200).text();
        assert!(shown.contains("The IT &lt;desk&gt;"), "{shown}");
        let kept = admin.get(&task).await.expect(200).json();
        assert_eq!(kept["due"], now["due"], "{}: the time stays", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_a_script_assigns_an_item() {
    let setup = Setup { size: (360, 740), scripts: Scripts::Off, ..Setup::default() };
    let Some(browser) = browser(setup).await else { return };
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let id = item(&server).await;
    sign_in(&browser, &server, "admin").await;
    browser.go(&format!("{}/tasks/{id}", server.base)).await;
    browser.click("#who option[value=name]").await;
    browser.type_into("#owner", "The IT desk").await;
    browser.click("#due option[value='14']").await;
    assert_eq!(browser.run(&overflow(360)).await, json!([]));
    assert_eq!(browser.run(HARD_TO_READ).await, json!([]));
    browser.click("#item button").await;
    browser.until_shown("It is noted who does it").await;
    browser.until_shown("The IT desk").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
