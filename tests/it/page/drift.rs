//! Drift on a hub's page: what differs is listed, and put right for some or all after a look by name.

use serde_json::json;

use super::chromium::{HARD_TO_READ, overflow, sign_in};
use super::visitor::{Visitor, after, proof};
use crate::hub_rules::drift::Drifted;
use crate::support::browser::{Scripts, Setup, browser};
use crate::support::{Database, databases};

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_listed_and_what_is_ticked_is_put_right_after_a_look() {
    for database in databases() {
        let it = Drifted::behind_our_back(&database).await;
        let me = Visitor::signed_in(&it.server.base, &it.server.token("admin")).await;
        let reader = Visitor::signed_in(&it.server.base, &it.server.token("read")).await;
        assert!(me.get("/hubs/ads").await.expect(200).text().contains("href=\"/hubs/ads/drift\""));
        let all = me.get("/hubs/ads/drift").await.expect(200).text();
        for name in ["ann@", "bob@", "cid@", "dan@", "zoe@"] {
            assert!(all.contains(name), "{}: {name} in {all}", database.name);
        }
        assert!(!all.contains("eve@"), "who is as wanted is no drift: {all}");
        let missing = me.get("/hubs/ads/drift?kind=missing").await.expect(200).text();
        assert!(missing.contains("ann@") && !missing.contains("bob@"), "{missing}");
        me.get("/hubs/ads/drift?kind=odd").await.expect(400);
        let seen = reader.get("/hubs/ads/drift").await.expect(200).text();
        assert!(seen.contains("ann@") && !seen.contains("/drift/look"), "a reader acts: {seen}");

        let (look, repair) = ("/hubs/ads/drift/look", "/hubs/ads/drift/repair");
        let (ann, mine) = (it.people["ann"].as_str(), proof(&all));
        for path in [look, repair] {
            reader.post(path, &[("proof", &reader.proof().await), ("which", "all")]).await.expect(403);
            me.post(path, &[("which", "all")]).await.expect(403);
            let told = me.post(path, &[("proof", &mine), ("which", "ticked")]).await.expect(400).text();
            assert!(told.contains("nobody is ticked"), "{told}");
        }
        me.post(repair, &[("proof", &mine), ("which", "all")]).await.expect(400);
        let ticked = [("proof", mine.as_str()), ("which", "ticked"), ("user", ann)];
        let shown = me.post(look, &ticked).await.expect(200).text();
        assert!(shown.contains("ann@") && shown.contains("gets an account") && !shown.contains("bob@"), "{shown}");
        let expect = after(&shown, "name=\"expect\" value=\"", "\"").expect("a digest").to_owned();
        let bobs = [("proof", mine.as_str()), ("which", "all"), ("expect", &expect)];
        let told = me.post(repair, &bobs).await.expect(409).text();
        assert!(told.contains("look again"), "the digest is of what was shown: {told}");
        assert!(it.account("ann").is_null(), "{}: nothing happened yet", database.name);

        let done = [("proof", mine.as_str()), ("which", "ticked"), ("user", ann), ("expect", &expect)];
        let on = me.post(repair, &done).await.expect(303);
        let told = me.get(on.header("location").unwrap()).await.expect(200).text();
        assert!(told.contains("It is being put right"), "{told}");
        it.until("Ann is back", async || !it.account("ann").is_null()).await;
        assert_eq!(it.held("viewer").len(), 3, "{}: nobody else was touched", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_put_right_by_clicking() {
    for scripts in [Scripts::Off, Scripts::On] {
        let Some(browser) = browser(Setup { size: (360, 740), scripts, ..Setup::default() }).await else { return };
        let database = Database::sqlite();
        let it = Drifted::behind_our_back(&database).await;
        sign_in(&browser, &it.server, "admin").await;
        let fits = async |what: &str| {
            assert_eq!(browser.run(&overflow(360)).await, json!([]), "{what}");
            assert_eq!(browser.run(HARD_TO_READ).await, json!([]), "{what}");
            assert_eq!(browser.complaints().await, Vec::<String>::new(), "{what}");
        };
        browser.go(&format!("{}/hubs/ads", it.server.base)).await;
        browser.click("a[href='/hubs/ads/drift']").await;
        browser.find("#drift").await;
        fits("the list").await;
        browser.click("input[value=ticked]").await;
        browser.click(&format!("input[name=user][value='{}']", it.people["bob"])).await;
        browser.click("main form button.primary").await;
        browser.until_shown("role rises").await;
        fits("the look").await;
        assert!(it.held("viewer").iter().any(|one| one.starts_with("bob@")), "nothing happened yet");
        browser.click("main form button.primary").await;
        browser.until_shown("It is being put right").await;
        fits("afterwards").await;
        it.until("Bob is an editor again", async || it.held("editor").iter().any(|one| one.starts_with("bob@"))).await;
    }
}
