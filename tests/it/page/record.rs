//! The activity record as a list: filters, pages, CSV with the same filters, facts in words, and nobody
//! sees more of it than through the API.

use serde_json::{Value, json};

use super::chromium::{HARD_TO_READ, overflow, sign_in};
use super::visitor::{Visitor, after};
use super::{group, manual_hub, mapping, tasks_of, user_named};
use crate::support::browser::{Scripts, Setup, browser};
use crate::support::server::Server;
use crate::support::{Database, databases};

/// Ann and Anna are in; Bob too, who manages the hub.
async fn story(server: &Server) -> [String; 3] {
    let (admin, scim) = (server.client("admin"), server.client("scim"));
    manual_hub(&admin, "wiki").await;
    mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
    let ann = user_named(&scim, "ann@example.com", "Ann Adler").await;
    let anna = user_named(&scim, "anna@example.com", "Anna Arndt").await;
    let bob = user_named(&scim, "bob@example.com", "Bob Berg").await;
    mapping(&admin, "wiki", &json!({"user": "bob@example.com", "hub_role": "manager", "app_role": "member"})).await;
    group(&scim, "editors", &[&ann, &anna]).await;
    for task in tasks_of(&admin, "hub=wiki&status=manual", 3).await {
        let path = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
        admin.post(&path, &json!({"note": "as <b>asked</b>"})).await.expect(200);
    }
    [ann, anna, bob]
}

/// Somebody signed in with a token of a person.
async fn person(server: &Server, name: &str) -> (Visitor, String) {
    let output = server.run(&["token", "create", "--scope", "admin", "--name", &name.replace('@', "-"), "--as", name]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    server.watch("a token", token.rsplit('_').next().unwrap());
    (Visitor::signed_in(&server.base, &token).await, token)
}

fn rows(page: &str) -> usize {
    page.matches("<tr id=\"record-").count()
}

async fn shown(me: &Visitor, query: &str) -> String {
    me.get(&format!("/activity?{query}")).await.expect(200).text()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_a_list_with_filters_pages_and_csv() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let [ann, _, bob] = story(&server).await;
        let me = Visitor::signed_in(&server.base, &server.token("read")).await;

        let all = shown(&me, "").await;
        for words in ["task done by hand", "user came in", "mapping added", "hub connected", "by hand", "the planner"] {
            assert!(all.contains(words), "{}: {words}: {all}", database.name);
        }
        assert!(all.contains("as &lt;b&gt;asked") && !all.contains("as <b>asked"), "notes are text: {all}");
        assert!(all.contains(&format!("href=\"/hubs/wiki/users/{ann}\">ann@example.com</a>")), "{all}");
        assert!(all.contains("<dt>kind of task</dt>") || all.contains("<dt>role</dt>"), "facts in words: {all}");

        let api = async |query: &str| {
            let page = admin.get(&format!("/api/v1/activity?limit=200&{query}")).await.expect(200).json();
            page["items"].as_array().unwrap().len()
        };
        let day = "2001-01-01";
        let of_ann = format!("user={ann}");
        for (page, same) in [
            ("hub=wiki&person=&kind=&actor=&from=&to=", "hub=wiki"),
            ("person=ann@example.com", &*of_ann),
            (&of_ann, &of_ann),
            ("person=bob", &*format!("user={bob}")),
            ("kind=task.", "kind=task."),
            ("kind=task.done_by_hand&hub=wiki", "kind=task.done_by_hand&hub=wiki"),
            ("actor=planner", "actor=planner"),
            ("actor=token:", "actor=token:"),
            (&format!("from={day}&to={day}"), &format!("from={day}&to={day}")),
        ] {
            let text = shown(&me, page).await;
            assert_eq!(rows(&text), api(same).await, "{}: {page}: {text}", database.name);
            let csv = me.get(&format!("/activity?{page}&format=csv")).await.expect(200);
            assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
            let through_the_api = admin.get(&format!("/api/v1/activity?{same}&format=csv")).await.expect(200).text();
            assert_eq!(csv.text(), through_the_api, "{}: {page}", database.name);
        }
        assert!(shown(&me, "from=2001-01-01&to=2001-01-01").await.contains("No records here."));
        let one = shown(&me, "hub=wiki&kind=task.done_by_hand&person=ann%40example.com").await;
        assert!(
            one.contains("value=\"task.done_by_hand\" selected") && one.contains("value=\"ann@example.com\""),
            "{one}"
        );
        let link = after(&one, "id=\"csv\" href=\"", "\"").unwrap().replace("&amp;", "&");
        assert_eq!(me.get(&link).await.expect(200).text().lines().count(), 2, "its filters go with it: {link}");

        // Two begin like that: which one is meant?
        let several = shown(&me, "hub=wiki&person=ann%40").await;
        assert!(rows(&several) > 0, "only one begins with that: {several}");
        let several = shown(&me, "hub=wiki&person=an").await;
        assert!(several.contains("2 people may be meant") && rows(&several) == 0, "{several}");
        let link = after(&several, "id=\"who\"><li><a href=\"", "\"").unwrap().replace("&amp;", "&");
        assert!(link.contains("hub=wiki") && rows(&me.get(&link).await.expect(200).text()) > 0, "{link}");
        assert!(shown(&me, "person=nobody@example.com").await.contains("Nobody by that name or e-mail."));
        for bad in ["from=yesterday", "colour=red", "cursor=x", "format=pdf"] {
            me.get(&format!("/activity?{bad}")).await.expect(400);
        }
        me.get("/activity?hub=none").await.expect(404);

        // Pages of fifty, all of them once.
        for _ in 0..30 {
            for paused in [true, false] {
                admin.patch("/api/v1/hubs/wiki", &json!({"paused": paused})).await.expect(200);
            }
        }
        let total = api("hub=wiki&kind=hub.").await;
        let (mut path, mut seen, mut pages) = (String::from("/activity?hub=wiki&kind=hub."), 0, 0);
        loop {
            let text = me.get(&path).await.expect(200).text();
            (seen, pages) = (seen + rows(&text), pages + 1);
            assert_eq!(text.contains(">Newest</a>"), pages > 1, "{text}");
            match after(&text, "rel=\"next\" href=\"", "\"") {
                Some(next) => path = next.replace("&amp;", "&"),
                None => break,
            }
        }
        assert!(total > 60 && seen == total && pages == 2, "{}: {seen} of {total} on {pages}", database.name);

        // The ways here.
        let task = tasks_of(&admin, "hub=wiki&status=completed", 3).await.remove(0);
        for (path, to) in [
            (String::from("/hubs/wiki"), String::from("/activity?hub=wiki")),
            (format!("/people/{ann}"), format!("/activity?user={ann}")),
            (format!("/tasks/{}", task["id"].as_str().unwrap()), String::from("/activity?hub=wiki&amp;user=")),
        ] {
            let page = me.get(&path).await.expect(200).text();
            assert!(page.contains(&format!("href=\"{to}")), "{path}: {page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_more_of_the_record_than_through_the_api() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, [ann, anna, bob]) = (server.client("admin"), story(&server).await);
        manual_hub(&admin, "ops").await;
        let ids = |page: &Value| -> Vec<String> {
            let items = page["items"].as_array().unwrap();
            items.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
        };
        for name in ["ann@example.com", "bob@example.com"] {
            let (me, token) = person(&server, name).await;
            let client = crate::support::http::Client::new(&server.base, &token);
            let theirs = ids(&client.get("/api/v1/activity?limit=200").await.expect(200).json());
            let page = shown(&me, "").await;
            assert_eq!(rows(&page), theirs.len().min(50), "{name}: {page}");
            assert!(theirs.iter().take(50).all(|id| page.contains(&format!("record-{id}"))), "{name}");
            assert!(!page.contains("hubs/ops"), "{name} sees another hub: {page}");
            let csv = me.get("/activity?format=csv").await.expect(200).text();
            assert_eq!(csv.lines().count(), theirs.len() + 1, "{name}: {csv}");
        }
        // Ann runs nothing: she sees herself, and is not told who else there is.
        let (me, _) = person(&server, "ann@example.com").await;
        let page = shown(&me, "").await;
        assert!(rows(&page) > 0 && !page.contains(&anna) && !page.contains(&bob), "{page}");
        assert!(!page.contains("bob@example.com"), "{page}");
        let strip = |text: String, asked: &str| text.replace(asked, "X").replace(&asked.replace('@', "%40"), "X");
        let there = strip(shown(&me, "person=anna@example.com").await, "anna@example.com");
        let nobody = strip(shown(&me, "person=zoe@example.com").await, "zoe@example.com");
        let main = |page: &str| after(page, "<main", "</main>").unwrap().to_owned();
        assert_eq!(main(&there), main(&nobody), "{}", database.name);
        let several = shown(&me, "person=an").await;
        assert!(several.contains("No records here.") && !several.contains("may be meant"), "{several}");
        assert!(rows(&shown(&me, &format!("user={ann}")).await) > 0);
        // Bob manages the hub: he sees its people by name.
        let (me, _) = person(&server, "bob@example.com").await;
        let page = shown(&me, "person=anna@example.com").await;
        assert!(rows(&page) > 0 && page.contains("anna@example.com</a>"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_a_script_reads_the_record() {
    for scripts in [Scripts::Off, Scripts::On] {
        let setup = Setup { size: (360, 740), scripts, ..Setup::default() };
        let Some(browser) = browser(setup).await else { return };
        let database = Database::sqlite();
        let server = Server::start(&database, &[]);
        story(&server).await;
        sign_in(&browser, &server, "read").await;
        let fits = async |what: &str| {
            assert_eq!(browser.run(&overflow(360)).await, json!([]), "{what}");
            assert_eq!(browser.run(HARD_TO_READ).await, json!([]), "{what}");
            assert_eq!(browser.complaints().await, Vec::<String>::new(), "{what}");
        };
        browser.click("nav a[href='/activity']").await;
        browser.find("#record").await;
        fits("the list").await;
        browser.type_into("#person", "ann@example.com").await;
        browser.click("form.filters button").await;
        browser.find("#person[value='ann@example.com']").await;
        browser.click("#record details summary").await;
        assert_eq!(browser.run("return document.querySelectorAll('#record details[open]').length").await, json!(1));
        fits("the facts of one").await;
        browser.click("#record td.lead a").await;
        let url = browser.url().await;
        assert!(url.contains("kind=") && url.contains("user="), "narrowed to its kind: {url}");
        fits("narrowed").await;
    }
}
