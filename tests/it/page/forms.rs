//! Forms of other sites, of other sessions, of people who may only look: nothing changes.

use serde_json::Value;

use super::visitor::{FORM, Visitor, form};
use super::{held_batch, held_group, leave, tasks_of};
use crate::support::databases;
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn csrf_only_our_own_form_of_this_session_acts() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let hold = held_batch(&server, &admin).await;
        let before = admin.get("/api/v1/held").await.expect(200).json();
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let other = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let (mine, others) = (me.proof().await, other.proof().await);
        assert_ne!(mine, others);
        let port = server.base.rsplit(':').next().unwrap();
        let evil_port = format!("http://127.0.0.1:{}", if port == "1" { "2" } else { "1" });
        let paths = [
            format!("/held/{hold}/release"),
            format!("/held/{hold}/reject"),
            format!("/tasks/{}/decide", before["items"][0]["tasks"][0]["id"].as_str().unwrap()),
        ];
        for path in &paths {
            let fields = |proof: &'static str| vec![("proof", proof), ("which", "all"), ("act", "cancel")];
            let own = [("which", "all"), ("act", "cancel"), ("proof", mine.as_str())];
            let foreign = [("which", "all"), ("act", "cancel"), ("proof", others.as_str())];
            for (what, reply) in [
                ("no proof", me.post(path, &[("which", "all"), ("act", "cancel")]).await),
                ("an empty proof", me.post(path, &fields("")).await),
                ("a wrong proof", me.post(path, &fields("AAAA")).await),
                ("another session's proof", me.post(path, &foreign).await),
                ("cross-site", me.post_with(path, &own, &[("sec-fetch-site", "cross-site")]).await),
                ("same-site", me.post_with(path, &own, &[("sec-fetch-site", "same-site")]).await),
                ("a foreign origin", me.post_with(path, &own, &[("origin", "https://evil.example")]).await),
                ("another port", me.post_with(path, &own, &[("origin", &evil_port)]).await),
                ("no origin at all", me.post_with(path, &own, &[("origin", "null")]).await),
            ] {
                assert_eq!(reply.status, 403, "{}: {path} with {what}: {}", database.name, reply.text());
            }
            let query = format!("{path}?proof={mine}&which=all&act=cancel");
            let got = me.get(&query).await;
            assert!(matches!(got.status, 200 | 400 | 404 | 405), "GET {path}: {}", got.status);
            let stranger = Visitor::new(&server.base);
            stranger.post(path, &own).await.expect(401);
            let cookie = [("cookie", me.cookie.as_str()), ("content-type", "text/plain")];
            me.client.send("POST", path, &cookie, Some(form(&own))).await.expect(415);
            for method in ["PUT", "PATCH", "DELETE"] {
                let headers = [("cookie", me.cookie.as_str()), FORM];
                me.client.send(method, path, &headers, Some(form(&own))).await.expect(405);
            }
        }
        me.post_with("/sign-out", &[("proof", "x")], &[]).await.expect(403);
        let token = server.token("admin");
        let forced = Visitor::new(&server.base);
        let reply =
            forced.post_with("/sign-in", &[("token", &token)], &[("sec-fetch-site", "cross-site")]).await.expect(403);
        assert!(reply.header("set-cookie").is_none(), "nobody is signed in from another site");
        assert_eq!(admin.get("/api/v1/held").await.expect(200).json(), before, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_sees_no_buttons_and_is_refused() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let hold = held_batch(&server, &admin).await;
        let before = admin.get("/api/v1/held").await.expect(200).json();
        let task = before["items"][0]["tasks"][0]["id"].as_str().unwrap().to_owned();
        let reader = Visitor::signed_in(&server.base, &server.token("read")).await;
        let proof = reader.proof().await;
        for path in [String::from("/held"), format!("/tasks/{task}")] {
            let page = reader.get(&path).await.expect(200).text();
            assert!(!page.contains("/release") && !page.contains("/reject") && !page.contains("/decide"), "{page}");
            assert_eq!(page.matches("<form").count(), 1, "signing out is the only form of {path}");
        }
        for verdict in ["release", "reject"] {
            let path = format!("/held/{hold}/{verdict}");
            reader.get(&path).await.expect(403);
            let told = reader.post(&path, &[("proof", &proof), ("which", "all")]).await.expect(403);
            assert!(told.text().contains("may only look"), "{}", told.text());
        }
        reader.post(&format!("/tasks/{task}/decide"), &[("proof", &proof), ("act", "cancel")]).await.expect(403);
        assert_eq!(admin.get("/api/v1/held").await.expect(200).json(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_fields_are_told_and_change_nothing() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = server.client("admin");
    let hold = held_batch(&server, &admin).await;
    let before = admin.get("/api/v1/held").await.expect(200).json();
    let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
    let proof = me.proof().await;
    let path = format!("/held/{hold}/release");
    let long = "x".repeat(2_001);
    for (fields, part) in [
        (vec![], "choose all"),
        (vec![("which", "some")], "choose all"),
        (vec![("which", "ticked")], "nobody is ticked"),
        (vec![("which", "ticked"), ("task", "x")], "tasks must be ids"),
        (vec![("which", "ticked"), ("task", "01890a5d-ac96-774b-bcce-b302099a8057")], "not held in this batch"),
        (vec![("which", "all")], "does not say what it showed"),
        (vec![("which", "all"), ("expect", "x"), ("note", long.as_str())], "at most 2000"),
        (vec![("which", "all"), ("expect", "x"), ("note", "\u{1b}[31m")], "plain text"),
    ] {
        let mut fields = fields;
        fields.push(("proof", &proof));
        let told = me.post(&path, &fields).await.expect(400).text();
        assert!(told.contains(part), "{part}: {told}");
    }
    let all = [("proof", proof.as_str()), ("which", "all"), ("expect", "x")];
    me.post("/held/01890a5d-ac96-774b-bcce-b302099a8057/release", &all).await.expect(404);
    me.post(&format!("/held/{hold}/explode"), &[("proof", &proof), ("which", "all")]).await.expect(404);
    for path in
        ["/tasks?status=nonsense", "/tasks?colour=red", "/tasks?cursor=x", "/history?reach=year", "/held?left=x"]
    {
        me.get(path).await.expect(400);
    }
    for path in ["/tasks/x", "/people/x", "/hubs/none/users/x", "/tasks?hub=none", "/held/x/release", "/tasks/x/y/z"] {
        me.get(path).await.expect(404);
    }
    assert_eq!(admin.get("/api/v1/held").await.expect(200).json(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_script_one_walks_from_signing_in_to_a_release() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let hold = held_batch(&server, &admin).await;
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let overview = me.get("/").await.expect(200).text();
        assert!(overview.contains("held for a person") && overview.contains("http-equiv=\"refresh\""), "{overview}");
        let list = me.get("/held").await.expect(200).text();
        let link = format!("/held/{hold}/release");
        assert!(list.contains(&format!("href=\"{link}\"")) && list.contains("half or more of the hub"), "{list}");
        let ask = me.get(&link).await.expect(200).text();
        assert!(ask.contains(&format!("action=\"{link}\"")), "{ask}");
        let first = super::visitor::after(&ask, "name=\"task\" value=\"", "\"").unwrap().to_owned();
        let proof = super::visitor::proof(&ask);
        let fields = [("proof", proof.as_str()), ("which", "ticked"), ("task", &first), ("note", "asked their lead")];
        let on = me.post(&link, &fields).await.expect(303);
        let to = on.header("location").unwrap().to_owned();
        let after = me.get(&to).await.expect(200).text();
        assert!(after.contains("Released.") && after.contains("1 task is still held"), "{after}");
        let reject = format!("/held/{hold}/reject");
        let expect = expected(&me.get(&reject).await.expect(200).text());
        let all = [("proof", proof.as_str()), ("which", "all"), ("expect", &expect)];
        let on = me.post(&reject, &all).await.expect(303);
        let after = me.get(on.header("location").unwrap()).await.expect(200).text();
        assert!(after.contains("Rejected.") && after.contains("Nothing is held."), "{after}");
        let told = me.post(&link, &all).await.expect(409).text();
        assert!(told.contains("already"), "{told}");
        let released = tasks_of(&admin, "hub=wiki&status=manual", 2).await;
        assert!(released.iter().any(|task: &Value| task["id"] == first.as_str()));
        let record = admin.get("/api/v1/activity?kind=hold.").await.expect(200).json();
        assert_eq!(record["items"].as_array().unwrap().len(), 2, "{record}");
        assert!(record["items"][1]["actor"].as_str().unwrap().starts_with("token:"), "{record}");
    }
}

/// The digest in a form.
fn expected(page: &str) -> String {
    super::visitor::after(page, "name=\"expect\" value=\"", "\"").expect("what the form showed").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_grew_after_it_was_shown_is_not_decided_unseen() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let (hold, editors, people) = held_group(&server, &admin).await;
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let proof = me.proof().await;
        let path = format!("/held/{hold}/release");
        let seen = me.get(&path).await.expect(200).text();
        let shown = super::visitor::after(&seen, "name=\"shown\" value=\"", "\"").unwrap().to_owned();
        let expect = expected(&seen);
        leave(&server.client("scim"), &editors, &people[3..]).await;
        tasks_of(&admin, "hub=wiki&status=held", 3).await;
        let all = [("proof", proof.as_str()), ("which", "all"), ("expect", &expect), ("shown", &shown)];
        for verdict in ["release", "reject"] {
            let told = me.post(&format!("/held/{hold}/{verdict}"), &all).await.expect(409).text();
            assert!(told.contains("1 more task arrived since"), "{}: {told}", database.name);
            assert!(told.contains(&format!("href=\"/held/{hold}/{verdict}\"")), "the way back: {told}");
        }
        tasks_of(&admin, "hub=wiki&status=held", 3).await;
        let expect = expected(&me.get(&path).await.expect(200).text());
        let all = [("proof", proof.as_str()), ("which", "all"), ("expect", &expect)];
        me.post(&path, &all).await.expect(303);
        tasks_of(&admin, "hub=wiki&status=held", 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_form_did_cannot_be_made_up_in_a_link_and_leaves_a_trace() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = server.client("admin");
    let hold = held_batch(&server, &admin).await;
    let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
    let proof = me.proof().await;
    let task = tasks_of(&admin, "hub=wiki&status=manual", 1).await.remove(0);
    let id = task["id"].as_str().unwrap().to_owned();
    let page = me.get(&format!("/tasks/{id}")).await.expect(200).text();
    assert!(page.contains("What a person must do"), "{page}");
    for forged in [
        format!("/held?done=released&hub=wiki&left=0&seal={proof}"),
        String::from("/held?done=released&hub=wiki&left=0"),
        format!("/tasks/{id}?done=done"),
        format!("/tasks/{id}?done=done&seal={proof}"),
    ] {
        let page = me.get(&forged).await.expect(200).text();
        assert!(!page.contains("role=\"status\""), "{forged}: {page}");
    }
    let fields = [("proof", proof.as_str()), ("act", "done"), ("note", "removed in the settings by Kim")];
    let on = me.post(&format!("/tasks/{id}/decide"), &fields).await.expect(303);
    let to = on.header("location").unwrap().to_owned();
    let page = me.get(&to).await.expect(200).text();
    assert!(page.contains("It is noted as done by hand."), "{page}");
    assert!(page.contains("removed in the settings by Kim") && page.contains("Closed by"), "{page}");
    assert!(!page.contains("What a person must do"), "nothing is left to do: {page}");
    let detail = admin.get(&format!("/api/v1/tasks/{id}")).await.expect(200).json();
    assert_eq!(detail["note"], "removed in the settings by Kim", "{detail}");
    assert!(detail["finished_by"].as_str().unwrap().starts_with("token:"), "{detail}");
    // The seal of one word is no seal of another, and another session's is none here.
    let other = Visitor::signed_in(&server.base, &server.token("admin")).await;
    let page = other.get(&to).await.expect(200).text();
    assert!(!page.contains("It is noted as done by hand."), "{page}");
    let page = me.get(&to.replace("done=done", "done=cancel")).await.expect(200).text();
    assert!(!page.contains("It is withdrawn."), "{page}");
    drop(hold);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_pages_with_ways_on_for_a_browser_and_json_for_programs() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    let me = Visitor::signed_in(&server.base, &server.token("read")).await;
    let html = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    for (path, status) in [("/nothing", 404), ("/HELD", 404), ("/tasks/x", 404), ("/tasks?colour=red", 400)] {
        for cookie in [me.cookie.as_str(), ""] {
            let reply = me.client.send("GET", path, &[html, ("cookie", cookie)], None).await;
            let is_known = path.starts_with("/tasks");
            assert_eq!(reply.status, if cookie.is_empty() && is_known { 401 } else { status }, "{path}");
            assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
            assert!(!reply.text().contains("href=\"\""), "{path}: {}", reply.text());
            if reply.status == status {
                for way in ["href=\"/\"", "href=\"/tasks\"", "href=\"/held\""] {
                    assert!(reply.text().contains(way), "{path} {way}: {}", reply.text());
                }
            }
        }
    }
    for (path, accept) in [("/nothing", "*/*"), ("/api/v1/nothing", html.1), ("/metrics/x", html.1), ("/API", html.1)] {
        let reply = me.client.send("GET", path, &[("accept", accept)], None).await;
        assert!(reply.header("content-type").unwrap().contains("json"), "{path}: {}", reply.text());
    }
    let reply = me.client.send("GET", "/scim/v2/nothing", &[html], None).await.expect(401);
    assert_eq!(reply.header("content-type"), Some("application/scim+json"));
}
