//! A hub's accounts on the page: a sync asked for, the tabs, and what a person does with one account,
//! without a script and in a real browser of a phone's width.

use std::sync::Arc;

use scimhub::base::clock::SystemClock;
use scimhub::base::secret::SecretString;
use scimhub::sandbox::Sandbox;
use serde_json::{Value, json};

use super::chromium::{HARD_TO_READ, overflow, sign_in};
use super::visitor::Visitor;
use super::{SOON, user_named};
use crate::support::browser::{Scripts, Setup, browser};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

const APP_TOKEN: &str = "sandbox-token";
const EVIL: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;";

/// A hub whose app has this account already.
async fn hub_with(admin: &Client, email: &str, display: &str) -> Sandbox {
    let clock = Arc::new(SystemClock::new());
    let app = Sandbox::start("127.0.0.1:0", SecretString::from(String::from(APP_TOKEN)), clock).unwrap();
    let body = json!({"id": "ads", "label": "Marketing ads", "app": "sandbox", "mode": "active", "settle": "0s",
        "connection": {"base_url": app.scim("ads"), "token": {"secret": "TOKEN"}}, "secrets": {"TOKEN": APP_TOKEN}});
    admin.post("/api/v1/hubs", &body).await.expect(201);
    let seat = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": email,
        "displayName": display, "active": true, "emails": [{"value": email, "type": "work", "primary": true}],
        "roles": [{"value": "viewer", "primary": true}]});
    let headers = [("content-type", "application/scim+json")];
    let seats = Client::new(&app.scim("ads"), APP_TOKEN);
    seats.send("POST", "/Users", &headers, Some(seat.to_string().into_bytes())).await.expect(201);
    app
}

/// The accounts of a bucket, once there is one.
async fn one_in(admin: &Client, bucket: &str) -> Value {
    let mut found = Vec::new();
    eventually(&format!("one account in {bucket}"), SOON, async || {
        let path = format!("/api/v1/hubs/ads/members?bucket={bucket}");
        found = admin.get(&path).await.expect(200).json()["items"].as_array().unwrap().clone();
        found.len() == 1
    })
    .await;
    found.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_found_matched_and_exempted_by_forms() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let _app = hub_with(&admin, "ann.other@example.com", EVIL).await;
        let ann = user_named(&scim, "ann@example.com", "Ann").await;
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let reader = Visitor::signed_in(&server.base, &server.token("read")).await;
        let proof = me.proof().await;
        let overview = me.get("/").await.expect(200).text();
        assert!(overview.contains("href=\"/hubs/ads\""), "{overview}");
        let hub = me.get("/hubs/ads").await.expect(200).text();
        assert!(hub.contains("under validation") && hub.contains("never") && hub.contains("Sync now"), "{hub}");
        assert!(!reader.get("/hubs/ads").await.expect(200).text().contains("Sync now"), "a reader cannot act");

        me.post("/hubs/ads/sync", &[]).await.expect(403);
        reader.post("/hubs/ads/sync", &[("proof", &reader.proof().await)]).await.expect(403);
        let open = admin.get("/api/v1/tasks?hub=ads&kind=sync").await.expect(200).json();
        assert_eq!(open["items"], json!([]), "{}: nothing was asked for", database.name);
        let asked = me.post("/hubs/ads/sync", &[("proof", &proof)]).await.expect(303);
        let told = me.get(asked.header("location").unwrap()).await.expect(200).text();
        assert!(told.contains("A sync is asked for."), "{told}");
        assert!(!me.get("/hubs/ads?done=sync").await.expect(200).text().contains("is asked for"), "a made-up link");

        let member = one_in(&admin, "unmatched").await["id"].as_str().unwrap().to_owned();
        let page = format!("/hubs/ads/members/{member}");
        let tab = me.get("/hubs/ads/members?bucket=unmatched").await.expect(200).text();
        assert!(tab.contains(&page) && tab.contains("nobody here") && tab.contains("viewer"), "{tab}");
        super::escaping::assert_harmless("the tab", &tab);
        assert!(me.get("/hubs/ads/members").await.expect(200).text().contains("No account here."));
        me.get("/hubs/ads/members?bucket=%3Cscript%3E").await.expect(400);
        me.get("/hubs/nowhere").await.expect(404);
        me.get(&format!("/hubs/nowhere/members/{member}")).await.expect(404);

        let act = format!("{page}/act");
        let shown = me.get(&page).await.expect(200).text();
        super::escaping::assert_harmless("the account", &shown);
        assert!(shown.contains(&format!("action=\"{act}\"")), "{shown}");
        assert!(!reader.get(&page).await.expect(200).text().contains("action=\"/hubs/ads/members"));
        let matched = |user: &'static str| vec![("act", "match"), ("user", user), ("hub_role", "manager")];
        me.post(&act, &matched("ann@example.com")).await.expect(403);
        let own = [("proof", reader.proof().await)];
        reader.post(&act, &[("proof", own[0].1.as_str()), ("act", "exempt"), ("reason", "x")]).await.expect(403);

        // What is refused is said in its form, with what was filled in.
        let with = |mut fields: Vec<(&'static str, &'static str)>| {
            fields.sort_unstable();
            fields
        };
        let send = async |fields: Vec<(&'static str, &'static str)>| {
            let mut all = vec![("proof", proof.as_str())];
            all.extend(with(fields));
            me.post(&act, &all).await
        };
        let wrong = send(matched("nobody@example.com")).await.expect(404).text();
        assert!(wrong.contains("role=\"alert\"") && wrong.contains("user not found"), "{wrong}");
        assert!(wrong.contains("value=\"nobody@example.com\""), "{wrong}");
        assert!(wrong.contains("<option value=\"manager\" selected>"), "{wrong}");
        let blank = send(vec![("act", "exempt"), ("reason", " ")]).await.expect(400).text();
        assert!(blank.contains("role=\"alert\"") && blank.contains("reason"), "{blank}");
        send(vec![("act", "erase")]).await.expect(400);
        let untouched = one_in(&admin, "unmatched").await;
        assert_eq!(untouched["id"], member.as_str(), "{}", database.name);

        let done = send(matched("ann@example.com")).await.expect(303);
        let told = me.get(done.header("location").unwrap()).await.expect(200).text();
        assert!(told.contains("this person&#39;s account") || told.contains("this person's account"), "{told}");
        assert!(told.contains(&format!("/hubs/ads/users/{ann}")), "the way to explain: {told}");
        assert_eq!(one_in(&admin, "onboarded").await["id"], member.as_str());
        send(vec![("act", "exempt"), ("reason", EVIL)]).await.expect(303);
        assert_eq!(one_in(&admin, "exempted").await["exempt_reason"], EVIL);
        super::escaping::assert_harmless("the reason", &me.get(&page).await.expect(200).text());
        send(vec![("act", "unexempt")]).await.expect(303);
        let twice = send(vec![("act", "unexempt")]).await.expect(409).text();
        assert!(twice.contains("Ann") || twice.contains("exempt"), "{twice}");
        assert_eq!(one_in(&admin, "onboarded").await["id"], member.as_str());
    }
}

/// What each of the further forms does is done by the use case and seen through the API.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_claimed_kept_given_another_role_and_removed_by_forms() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let app = hub_with(&admin, "ann.other@example.com", "Ann").await;
        let ann = user_named(&scim, "ann@example.com", "Ann").await;
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let proof = me.proof().await;
        me.post("/hubs/ads/sync", &[("proof", &proof)]).await.expect(303);
        let member = one_in(&admin, "unmatched").await["id"].as_str().unwrap().to_owned();
        let page = format!("/hubs/ads/members/{member}");
        let send = async |to: &str, fields: &[(&'static str, &'static str)]| {
            let all: Vec<(&str, &str)> =
                [("proof", proof.as_str())].into_iter().chain(fields.iter().copied()).collect();
            me.post(&format!("{page}/{to}"), &all).await
        };
        let offered = async || {
            let shown = me.get(&page).await.expect(200).text();
            let forms = ["match", "claim", "adopt", "role", "resend", "exempt", "unexempt", "remove"];
            forms.into_iter().filter(|form| shown.contains(&format!("id=\"{form}\""))).collect::<Vec<_>>()
        };
        assert_eq!(offered().await, ["match", "claim", "exempt", "remove"], "{}", database.name);

        // This credential is no person's: the form says that somebody must be named.
        let nobody = send("claim", &[("user", " ")]).await.expect(400).text();
        assert!(nobody.contains("role=\"alert\"") && nobody.contains("say who claims"), "{nobody}");
        send("claim", &[("user", "ann@example.com")]).await.expect(303);
        let row = one_in(&admin, "onboarded").await;
        assert_eq!((&row["user"], &row["hub_role"]), (&json!(ann), &json!("owner")), "{}", database.name);
        let share = json!({"user": "ann@example.com", "app_role": "editor"});
        super::mapping(&admin, "ads", &share).await;
        let role_in_app = async |role: &str| {
            let seats = Client::new(&app.scim("ads"), APP_TOKEN);
            eventually(&format!("{} has {role} in the app", database.name), SOON, async || {
                let found = seats.get("/Users?filter=userName%20eq%20%22ann.other%40example.com%22").await.json();
                found["Resources"][0]["roles"][0]["value"] == role
            })
            .await;
        };
        role_in_app("editor").await;
        let emperor = send("act", &[("act", "role"), ("app_role", "emperor")]).await.expect(400).text();
        assert!(emperor.contains("value=\"emperor\"") && emperor.contains("app_role"), "{emperor}");
        let done = send("act", &[("act", "role"), ("app_role", "admin")]).await.expect(303);
        let told = me.get(done.header("location").unwrap()).await.expect(200).text();
        assert!(told.contains("what this share says now"), "{told}");
        role_in_app("admin").await;
        // The app has it a moment before the task that gave it is closed.
        super::tasks_of(&admin, "hub=ads&status=open", 0).await;
        let none = send("act", &[("act", "resend")]).await.expect(409).text();
        assert!(none.contains("no invitation"), "no invitation is open, said without its form: {none}");
        let twice = send("act", &[("act", "adopt")]).await;
        assert!(matches!(twice.status, 409), "{}: a managed account is not adopted: {}", database.name, twice.text());
        let wrong = send("act", &[("act", "remove"), ("mode", "everywhere")]).await.expect(400).text();
        assert!(wrong.contains("hub_and_app"), "{wrong}");
        send("act", &[("act", "remove"), ("mode", "hub_and_app")]).await.expect(303);
        eventually("the account is gone from the app", SOON, async || {
            let seats = Client::new(&app.scim("ads"), APP_TOKEN);
            seats.get("/Users").await.json()["totalResults"] == 0
        })
        .await;
    }
}

/// Protected and let go in a real browser of a phone's width, with a script and without.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_protected_and_one_change_let_out_in_a_browser() {
    for scripts in [Scripts::Off, Scripts::On] {
        let setup = Setup { size: (360, 740), scripts, ..Setup::default() };
        let Some(browser) = browser(setup).await else { return };
        let database = Database::sqlite();
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let app = hub_with(&admin, "bob.other@example.com", "Bob").await;
        let ann = user_named(&scim, "ann@example.com", "Ann").await;
        let group = super::group(&scim, "editors", &[&ann]).await;
        super::mapping(&admin, "ads", &json!({"group": "editors", "app_role": "editor"})).await;
        let mut row = Value::Null;
        eventually("ann is there", SOON, async || {
            row = admin.get("/api/v1/hubs/ads/members").await.expect(200).json()["items"][0].clone();
            row["known"] == "active"
        })
        .await;
        let fits = async |what: &str| {
            assert_eq!(browser.run(&overflow(360)).await, json!([]), "{what}");
            assert_eq!(browser.run(HARD_TO_READ).await, json!([]), "{what}");
            assert_eq!(browser.complaints().await, Vec::<String>::new(), "{what}");
        };
        let page = format!("{}/hubs/ads/members/{}", server.base, row["id"].as_str().unwrap());
        sign_in(&browser, &server, "admin").await;
        browser.go(&page).await;
        browser.type_into("#why-protect", "runs the ads").await;
        browser.click("#protect button").await;
        browser.until_shown("waits for a person").await;
        browser.until_shown("runs the ads").await;
        fits("protected").await;

        let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "members", "value": []}]});
        scim.patch(&format!("/scim/v2/Groups/{group}"), &patch).await.expect(204);
        eventually("it is held", SOON, async || {
            admin.get("/api/v1/held").await.expect(200).json()["items"][0]["reason"] == "protected_member"
        })
        .await;
        browser.go(&page).await;
        browser.find("#held").await;
        fits("held").await;
        browser.click("#held a[href^='/held#']").await;
        browser.until_shown("runs the ads").await;
        fits("the held batch").await;
        browser.click(".held .actions a.primary").await;
        browser.until_shown("what is protected stays protected").await;
        fits("asking").await;
        browser.click("input[name='which'][value='ticked']").await;
        browser.click("input[name='task']").await;
        browser.click("form button.primary").await;
        browser.until_shown("Released.").await;
        eventually("it went out", SOON, async || {
            let seats = Client::new(&app.scim("ads"), APP_TOKEN);
            seats.get("/Users").await.json()["totalResults"] == 1
        })
        .await;
        browser.go(&page).await;
        browser.find("#unprotect").await;
        browser.click("#unprotect button").await;
        browser.until_shown("not protected any more").await;
        assert_eq!(admin.get("/api/v1/hubs/ads/members").await.expect(200).json()["items"][0]["protected"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_a_script_goes_from_the_overview_to_a_matched_account() {
    for scripts in [Scripts::Off, Scripts::On] {
        let setup = Setup { size: (360, 740), scripts, ..Setup::default() };
        let Some(browser) = browser(setup).await else { return };
        let database = Database::sqlite();
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let long = "a-person-with-a-very-long-name-that-has-no-place-to-break-at-all@subsidiary.example.com";
        let _app = hub_with(&admin, long, &"Wolfeschlegelsteinhausenbergerdorff".repeat(3)).await;
        user_named(&scim, "ann@example.com", "Ann").await;
        sign_in(&browser, &server, "admin").await;
        browser.click("#hub-ads h3 a").await;
        browser.click("#sync").await;
        browser.until_shown("A sync is asked for.").await;
        one_in(&admin, "unmatched").await;
        browser.click(".tabs a[href$='bucket=unmatched']").await;
        browser.find("#members").await;
        let fits = async |what: &str| {
            assert_eq!(browser.run(&overflow(360)).await, json!([]), "{what}");
            assert_eq!(browser.run(HARD_TO_READ).await, json!([]), "{what}");
            assert_eq!(browser.complaints().await, Vec::<String>::new(), "{what}");
        };
        fits("the tab").await;
        browser.click("#members td.lead a").await;
        browser.find("#match").await;
        fits("the account").await;
        browser.type_into("#match-user", "ann@example.com").await;
        browser.click("#match button").await;
        browser.until_shown("person's account now").await;
        fits("after the form").await;
        one_in(&admin, "onboarded").await;
        browser.go(&format!("{}/hubs/ads", server.base)).await;
        browser.find("#members").await;
        fits("the hub").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_and_held_is_not_as_it_should_be_and_what_cannot_be_read_is_not_synced() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        super::held_batch(&server, &admin).await;
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let page = me.get("/hubs/wiki").await.expect(200).text();
        let rows: Vec<&str> = page.split("<tr ").skip(1).collect();
        let held = rows.iter().filter(|row| row.contains(">held<")).count();
        assert_eq!(held, 2, "{}: {page}", database.name);
        for row in &rows {
            assert!(!(row.contains(">held<") && row.contains("as it should be")), "{}: {row}", database.name);
        }
        assert!(rows.iter().any(|row| row.contains("as it should be")), "{page}");
        assert!(!page.contains("/hubs/wiki/sync") && page.contains("cannot be read by machine"), "{page}");
        assert_eq!(admin.get("/api/v1/hubs/wiki").await.expect(200).json()["syncs"], false);
    }
}
