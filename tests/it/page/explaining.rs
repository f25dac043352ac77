//! Asking on the page why somebody has, had or lacks access, in a real browser of a phone's width, with
//! and without a script.

use scimhub::base::clock::{Clock as _, SystemClock};
use serde_json::json;

use super::chromium::{HARD_TO_READ, overflow, sign_in};
use super::{group, leave, manual_hub, mapping, tasks_of, user_named};
use crate::support::Database;
use crate::support::browser::{Scripts, Setup, browser};
use crate::support::http::Client;
use crate::support::server::Server;

async fn done(admin: &Client, kind: &str) {
    let item = tasks_of(admin, &format!("hub=wiki&status=manual&kind={kind}"), 1).await.remove(0);
    let path = format!("/api/v1/tasks/{}/done", item["id"].as_str().unwrap());
    admin.post(&path, &json!({"note": "in the app"})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_past_and_an_absence_are_asked_for_in_a_browser() {
    for (scripts, size) in [(Scripts::Off, (360, 740)), (Scripts::On, (360, 740)), (Scripts::On, (1180, 800))] {
        let Some(browser) = browser(Setup { size, scripts, ..Setup::default() }).await else { return };
        let database = Database::sqlite();
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        manual_hub(&admin, "wiki").await;
        mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        let ann = user_named(&scim, "ann@example.com", "Ann").await;
        user_named(&scim, "bob@example.com", "Bob").await;
        let editors = group(&scim, "editors", &[&ann]).await;
        done(&admin, "add").await;
        leave(&scim, &editors, &[ann]).await;
        done(&admin, "remove").await;

        let fits = async |what: &str| {
            assert_eq!(browser.run(&overflow(size.0)).await, json!([]), "{what} at {size:?}");
            assert_eq!(browser.run(HARD_TO_READ).await, json!([]), "{what} at {size:?}");
            assert_eq!(browser.complaints().await, Vec::<String>::new(), "{what}");
        };
        sign_in(&browser, &server, "read").await;
        for (name, now, then) in [
            ("ann@example.com", "what they held (member) was taken", "given at that moment by group editors (member)"),
            ("bob@example.com", "it would come with group editors (member)", "held nothing in this hub on"),
        ] {
            browser.go(&format!("{}/hubs/wiki", server.base)).await;
            browser.click("main a[href='/people?hub=wiki']").await;
            browser.type_into("#q", name).await;
            browser.click("main form.search button").await;
            browser.until_shown(now).await;
            fits(now).await;
            let today = SystemClock::new().now().to_rfc3339();
            browser.run(&format!("document.getElementById('at').value = '{}'; return true", &today[..10])).await;
            browser.click("#moment button").await;
            browser.until_shown(then).await;
            browser.find("#picture svg").await;
            fits(then).await;
            browser.click("#moment a").await;
            browser.until_shown(now).await;
        }
    }
}
