//! Forms of other sites, of other sessions, of people who may only look: nothing changes.

use serde_json::Value;

use super::visitor::{FORM, Visitor, form};
use super::{held_batch, tasks_of};
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
        (vec![("which", "all"), ("note", long.as_str())], "at most 2000"),
        (vec![("which", "all"), ("note", "\u{1b}[31m")], "plain text"),
    ] {
        let mut fields = fields;
        fields.push(("proof", &proof));
        let told = me.post(&path, &fields).await.expect(400).text();
        assert!(told.contains(part), "{part}: {told}");
    }
    me.post("/held/01890a5d-ac96-774b-bcce-b302099a8057/release", &[("proof", &proof), ("which", "all")])
        .await
        .expect(404);
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
        let on = me.post(&format!("/held/{hold}/reject"), &[("proof", &proof), ("which", "all")]).await.expect(303);
        let after = me.get(on.header("location").unwrap()).await.expect(200).text();
        assert!(after.contains("Rejected.") && after.contains("Nothing is held."), "{after}");
        me.post(&link, &[("proof", &proof), ("which", "all")]).await.expect(409);
        let released = tasks_of(&admin, "hub=wiki&status=manual", 2).await;
        assert!(released.iter().any(|task: &Value| task["id"] == first.as_str()));
        let record = admin.get("/api/v1/activity?kind=hold.").await.expect(200).json();
        assert_eq!(record["items"].as_array().unwrap().len(), 2, "{record}");
        assert!(record["items"][1]["actor"].as_str().unwrap().starts_with("token:"), "{record}");
    }
}
