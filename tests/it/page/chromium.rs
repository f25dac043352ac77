//! The page in a real headless Chromium: it moves without being loaded again, acts when clicked,
//! fits a phone, can be read by everybody, breaks none of its own rules, and works with scripts
//! switched off.

use std::sync::Arc;

use scimhub::base::clock::SystemClock;
use scimhub::base::secret::SecretString;
use scimhub::sandbox::Sandbox;
use serde_json::json;

use super::{SOON, group, held_batch, leave, mapping, tasks_of, user_named};
use crate::support::browser::{Browser, Scripts, Setup, browser};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

const APP_TOKEN: &str = "sandbox-token";

/// A practice app that takes its time, and an active hub for it with one call at a time.
async fn slow_hub(admin: &Client, delay_ms: u64) -> Sandbox {
    let clock = Arc::new(SystemClock::new());
    let app = Sandbox::start("127.0.0.1:0", SecretString::from(String::from(APP_TOKEN)), clock).unwrap();
    let board = Client::new(&app.base(), APP_TOKEN);
    let slow = json!({"match": "POST /Users", "delay_ms": delay_ms, "times": 0});
    board.post("/_test/faults", &slow).await.expect(200);
    let body = json!({"id": "ads", "label": "Marketing ads", "app": "sandbox", "mode": "active", "settle": "0s",
        "connection": {"base_url": app.scim("ads"), "token": {"secret": "TOKEN"}}, "secrets": {"TOKEN": APP_TOKEN},
        "policy": {"max_in_flight": 1}});
    admin.post("/api/v1/hubs", &body).await.expect(201);
    mapping(admin, "ads", &json!({"group": "marketing", "app_role": "viewer"})).await;
    app
}

pub(super) async fn sign_in(browser: &Browser, server: &Server, scope: &str) {
    browser.go(&format!("{}/sign-in", server.base)).await;
    browser.type_into("#token", &server.token(scope)).await;
    browser.click("main button[type=submit]").await;
    browser.find("#tiles").await;
}

async fn people(scim: &Client, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(user_named(scim, &format!("person-{n}@example.com"), &format!("Person {n}")).await);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_and_their_batch_move_without_loading_the_page_again() {
    for database in databases() {
        let Some(browser) = browser(Setup::default()).await else { return };
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let _app = slow_hub(&admin, 250).await;
        sign_in(&browser, &server, "read").await;
        browser.click("nav a[href='/tasks']").await;
        browser.until_shown("No tasks here.").await;
        browser.run("window.since = 'before'").await;
        let ids = people(&scim, 30).await;
        group(&scim, "marketing", &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;

        let mut seen: Vec<(i64, i64)> = Vec::new();
        let bar = "const bar = document.querySelector('#batches progress'); return bar && [bar.value, bar.max]";
        eventually("the batch's bar at two places", SOON, async || {
            let now = browser.run(bar).await;
            if let (Some(done), Some(total)) = (now[0].as_f64(), now[1].as_f64()) {
                let now = (done as i64, total as i64);
                if seen.last() != Some(&now) {
                    seen.push(now);
                }
            }
            seen.len() >= 3
        })
        .await;
        assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{}: the bar only grows: {seen:?}", database.name);
        assert!(seen.iter().all(|(done, total)| done <= total && *total <= 30), "{seen:?}");
        let done = "return document.querySelectorAll('#tasks .badge.good').length";
        eventually("every row completed", SOON * 2, async || browser.run(done).await == json!(30)).await;
        browser.until_shown("completed").await;
        assert_eq!(browser.run("return window.since").await, json!("before"), "it was never loaded again");
        assert_eq!(browser.run("return document.querySelectorAll('#batches progress').length").await, json!(0));
        assert_eq!(browser.complaints().await, Vec::<String>::new());

        // From a row to the picture of the whole path.
        browser.click("#tasks td.lead a").await;
        browser.find("#picture svg.wide").await;
        let boxes =
            browser.run("return [...document.querySelectorAll('svg.wide .step')].map(e => e.textContent)").await;
        for step in ["Identity provider", "Membership", "Mapping", "Entitlement", "Task", "Attempts", "Seat in the app"]
        {
            assert!(boxes.as_array().unwrap().contains(&json!(step)), "{step}: {boxes}");
        }
        assert_eq!(browser.run("return document.querySelectorAll('svg.wide .cut').length").await, json!(0));
        browser.click("nav a[href='/history']").await;
        browser.find("svg.chart rect.completed").await;
        assert_eq!(browser.complaints().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_batch_is_released_and_rejected_by_clicking() {
    for scripts in [Scripts::On, Scripts::Off] {
        let Some(browser) = browser(Setup { scripts, ..Setup::default() }).await else { return };
        let database = Database::sqlite();
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let hold = held_batch(&server, &admin).await;
        sign_in(&browser, &server, "admin").await;
        browser.click("nav a[href='/held']").await;
        browser.click(&format!("a[href='/held/{hold}/release']")).await;
        browser.click("input[value=ticked]").await;
        browser.click("tbody input[type=checkbox]").await;
        browser.type_into("#note", "asked their lead").await;
        browser.click("main button.primary").await;
        browser.until_shown("1 task is still held").await;
        tasks_of(&admin, "hub=wiki&status=held", 1).await;

        browser.click(&format!("a[href='/held/{hold}/reject']")).await;
        browser.click("input[value=all]").await;
        browser.click("main button.danger").await;
        browser.until_shown("Rejected").await;
        browser.until_shown("Nothing is held.").await;
        assert!(browser.text("#decided li").await.contains("rejected"));
        tasks_of(&admin, "hub=wiki&status=cancelled", 1).await;
        assert_eq!(browser.complaints().await, Vec::<String>::new());

        // The cookie is nothing a script could read; without a script times are UTC.
        let cookie = browser.cookie("scimhub").await.expect("the session's cookie");
        assert_eq!((&cookie["httpOnly"], &cookie["sameSite"]), (&json!(true), &json!("Strict")));
        assert_eq!(browser.run("return document.cookie").await, json!(""));
        browser.go(&format!("{}/", server.base)).await;
        let shown = browser.text(".title time").await;
        assert_eq!(shown.ends_with("UTC"), scripts == Scripts::Off, "{scripts:?}: {shown}");
        browser.click("button.quiet").await;
        browser.find("#token").await;
        assert!(browser.cookie("scimhub").await.is_none(), "signed out");
    }
}

/// Everything there is to see: an app, people in and out, a batch that is held, a removal by hand.
async fn a_full_house(server: &Server) -> (Sandbox, String, Vec<String>) {
    let (admin, scim) = (server.client("admin"), server.client("scim"));
    let hold = held_batch(server, &admin).await;
    let app = slow_hub(&admin, 0).await;
    // A label in one word, as somebody pastes it, on everything that shows a hub.
    let label = "Wolfeschlegelsteinhausenbergerdorff".repeat(3);
    let body = json!({"id": "long", "label": &label[..92], "app": "manual", "mode": "active", "settle": "0s"});
    admin.post("/api/v1/hubs", &body).await.expect(201);
    mapping(&admin, "long", &json!({"group": "marketing", "app_role": "viewer"})).await;
    let long = "a-person-with-a-very-long-name-that-has-no-place-to-break-at-all@subsidiary.example.com";
    let mut ids = people(&scim, 3).await;
    ids.push(user_named(&scim, long, "Wolfeschlegelsteinhausenbergerdorff the Elder of Nowhere").await);
    let marketing = group(&scim, "marketing", &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    tasks_of(&admin, "hub=ads&status=completed", 4).await;
    leave(&scim, &marketing, &ids[..1]).await;
    tasks_of(&admin, "hub=ads&kind=remove", 1).await;
    (app, hold, ids)
}

fn views(hold: &str, ids: &[String], task: &str) -> Vec<String> {
    vec![
        String::from("/"),
        String::from("/tasks"),
        String::from("/tasks?hub=long"),
        String::from("/manual"),
        String::from("/hubs/long"),
        String::from("/hubs/ads/members?bucket=onboarded"),
        format!("/hubs/long/users/{}", ids[3]),
        format!("/tasks/{task}"),
        String::from("/held"),
        format!("/held/{hold}/release"),
        String::from("/people?q=person"),
        format!("/people/{}", ids[3]),
        format!("/hubs/ads/users/{}", ids[3]),
        format!("/hubs/ads/users/{}", ids[0]),
        format!("/hubs/wiki/users/{}", ids[1]),
        String::from("/history?reach=hour"),
        String::from("/activity"),
    ]
}

/// What is wider than the page, if anything is.
pub(super) fn overflow(width: u32) -> String {
    format!(
        "const wide = document.documentElement; if (wide.scrollWidth <= {width} && innerWidth <= {width}) return []; \
         return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > {width} + 1) \
         .map(e => e.tagName + '.' + (e.getAttribute('class') ?? '') + ' ' + e.textContent.slice(0, 40))"
    )
}

/// What reaches out of its card.
const OUT_OF_ITS_CARD: &str = "
    return [...document.querySelectorAll('.card')].flatMap(card => [...card.querySelectorAll('*')]
        .filter(e => !e.closest('svg') && e.getClientRects().length
            && e.getBoundingClientRect().right > card.getBoundingClientRect().right + 1)
        .map(e => e.tagName + ' ' + e.textContent.slice(0, 40)))";

/// Words too pale for their ground (WCAG 2.1, 1.4.3: 4.5 to 1), and fields without a name.
pub(super) const HARD_TO_READ: &str = "
    const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 }); \
        return .2126 * r + .7152 * g + .0722 * b };
    const colour = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
    const ground = e => { for (; e; e = e.parentElement) { const c = colour(getComputedStyle(e).backgroundColor); \
        if (c.length === 3 || c[3] === 1) return c.slice(0, 3) } return [255, 255, 255] };
    const found = [];
    for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.nodeValue.trim());
        if (!own || e.closest('svg') || !e.offsetParent) continue;
        const [a, b] = [light(colour(getComputedStyle(e).color).slice(0, 3)), light(ground(e))];
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (ratio < 4.5) found.push(e.tagName + ' ' + e.textContent.trim().slice(0, 30) + ' ' + ratio.toFixed(2));
    }
    for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
        if (!e.hidden && !e.labels?.length && !e.getAttribute('aria-label')) found.push('no label: ' + e.outerHTML);
    }
    return found";

#[tokio::test(flavor = "multi_thread")]
async fn every_view_fits_a_phone_and_can_be_read_by_everybody() {
    let database = Database::sqlite();
    let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
    let (_app, hold, ids) = a_full_house(&server).await;
    let task =
        tasks_of(&server.client("admin"), "hub=wiki&status=manual", 1).await[0]["id"].as_str().unwrap().to_owned();
    for (size, dark) in [((360, 740), false), ((1200, 900), true), ((768, 900), false)] {
        let Some(browser) = browser(Setup { size, dark, ..Setup::default() }).await else { return };
        browser.go(&format!("{}/sign-in", server.base)).await;
        assert_eq!(browser.run(HARD_TO_READ).await, json!([]), "signing in");
        sign_in(&browser, &server, "admin").await;
        if dark {
            let ground = browser.run("return getComputedStyle(document.body).backgroundColor").await;
            assert_eq!(ground, json!("rgb(18, 21, 28)"), "the reader prefers dark pages");
        }
        for path in views(&hold, &ids, &task) {
            browser.go(&format!("{}{path}", server.base)).await;
            browser.find("main h1").await;
            assert_eq!(browser.run(&overflow(size.0)).await, json!([]), "{path} at {size:?}");
            assert_eq!(browser.run(OUT_OF_ITS_CARD).await, json!([]), "{path} at {size:?}");
            assert_eq!(browser.run("return innerWidth").await, json!(size.0), "{path}: the size of the page");
            assert_eq!(browser.run(HARD_TO_READ).await, json!([]), "{path}, dark: {dark}");
            assert_eq!(browser.complaints().await, Vec::<String>::new(), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_link_of_the_path_is_drawn_broken() {
    let Some(browser) = browser(Setup::default()).await else { return };
    let database = Database::sqlite();
    let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
    let (_app, _hold, ids) = a_full_house(&server).await;
    sign_in(&browser, &server, "read").await;
    // Person 0 is in no group of this hub any more.
    browser.go(&format!("{}/hubs/ads/users/{}", server.base, ids[0])).await;
    browser.find("svg.wide .cut").await;
    browser.until_shown("no mapping of this hub gives this person access").await;
    let name = browser.run("return document.querySelector('svg.wide').getAttribute('aria-label')").await;
    assert!(name.as_str().unwrap().contains("no mapping of this hub"), "{name}");
    // Found by the beginning of a name, or straight by an e-mail.
    browser.click("nav a[href='/people']").await;
    browser.type_into("#q", "person-").await;
    browser.click("form.search button").await;
    browser.until_shown("person-2@example.com").await;
    browser.go(&format!("{}/people?q=person-2@example.com", server.base)).await;
    assert!(browser.url().await.ends_with(&format!("/people/{}", ids[2])), "one person found is shown at once");
    browser.click("a[href^='/hubs/ads/users/']").await;
    browser.find("#picture").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_is_told_and_a_token_that_ends_signs_out() {
    let Some(browser) = browser(Setup::default()).await else { return };
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = server.client("admin");
    let made = admin.post("/api/v1/tokens", &json!({"name": "me", "scope": "read"})).await.expect(201).json();
    browser.go(&format!("{}/sign-in", server.base)).await;
    browser.type_into("#token", made["token"].as_str().unwrap()).await;
    browser.click("main button[type=submit]").await;
    browser.find("#tiles").await;
    let path = format!("/api/v1/tokens/{}", made["details"]["id"].as_str().unwrap());
    admin.delete(&path).await.expect(204);
    browser.until_shown("expired or was revoked").await;
    sign_in(&browser, &server, "read").await;
    server.kill();
    browser.until_shown("The server cannot be reached").await;
}
