//! Whatever names and notes hold, the page shows it as text (threat: a group's name as a script).

use serde_json::json;

use super::visitor::Visitor;
use super::{group, manual_hub, mapping, tasks_of, user_named};
use crate::support::databases;
use crate::support::server::Server;

const EVIL: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;";

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_names_and_notes_is_shown_and_never_run() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let body = json!({"id": "wiki", "label": EVIL, "app": "manual", "mode": "active", "settle": "0s"});
        admin.post("/api/v1/hubs", &body).await.expect(201);
        let group_name = format!("editors {EVIL}");
        mapping(&admin, "wiki", &json!({"group": group_name, "app_role": "member"})).await;
        let ann = user_named(&scim, &format!("ann{EVIL}@example.com"), EVIL).await;
        group(&scim, &group_name, &[&ann]).await;
        let task = tasks_of(&admin, "hub=wiki&status=manual", 1).await.remove(0);
        let id = task["id"].as_str().unwrap().to_owned();
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let evil_query = "/people?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E";
        let pages = [
            String::from("/"),
            String::from("/tasks"),
            String::from("/manual"),
            String::from("/hubs/wiki"),
            format!("/tasks/{id}"),
            format!("/people/{ann}"),
            format!("/hubs/wiki/users/{ann}"),
            evil_query.to_owned(),
            String::from("/held?done=released&hub=%3Cscript%3Ealert(1)%3C/script%3E&left=1"),
            String::from("/history?reach=hour"),
            String::from("/activity"),
        ];
        for path in &pages {
            assert_harmless(path, &me.get(path).await.expect(200).text());
        }
        let proof = me.proof().await;
        let fields = [("proof", proof.as_str()), ("act", "cancel"), ("note", EVIL)];
        me.post(&format!("/tasks/{id}/decide"), &fields).await.expect(303);
        let picture = me.get(&format!("/hubs/wiki/users/{ann}")).await.expect(200).text();
        assert!(picture.contains("cancelled by a person"), "{picture}");
        assert_harmless("the picture after a note", &picture);
        for path in
            ["/tasks?status=%3Cscript%3Ealert(1)%3C/script%3E", "/tasks?%3Cscript%3E=1", "/hubs/%3Cscript%3E/users/x"]
        {
            let reply = me.get(path).await;
            assert!(reply.status == 400 || reply.status == 404, "{path}: {}", reply.status);
            assert_harmless(path, &reply.text());
        }
        let stranger = Visitor::new(&server.base);
        let ask = stranger.get("/held?%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await.expect(401).text();
        assert_harmless("the form that goes on", &ask);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_would_read_as_somebody_elses_is_seen_through() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        manual_hub(&admin, "wiki").await;
        mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        // Shown as ann@example.com by everything that obeys the override.
        let sly = user_named(&scim, "\u{202e}moc.elpmaxe@nna", "Ann\u{2066}\u{200f} Example\u{85}").await;
        group(&scim, "editors", &[&sly]).await;
        let task = tasks_of(&admin, "hub=wiki&status=manual", 1).await.remove(0);
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        for path in [
            String::from("/tasks"),
            format!("/tasks/{}", task["id"].as_str().unwrap()),
            format!("/people/{sly}"),
            String::from("/people?q=%E2%80%AEx"),
            format!("/hubs/wiki/users/{sly}"),
        ] {
            let page = me.get(&path).await.expect(200).text();
            let hidden = |letter: char| letter != '\n' && letter != '\t' && letter.is_control();
            let turns = ['\u{202e}', '\u{2066}', '\u{200f}'];
            assert!(!page.contains(turns) && !page.contains(hidden), "{}: {path}: {page}", database.name);
            assert!(page.contains("⟨U+202E⟩"), "{path}: {page}");
        }
    }
}

#[track_caller]
pub(super) fn assert_harmless(what: &str, page: &str) {
    let lower = page.to_lowercase();
    assert!(!lower.contains("<script>") && !lower.contains("<img src=x"), "{what}: {page}");
    assert!(!lower.contains("onerror=") || lower.contains("&lt;img src=x onerror="), "{what}: {page}");
    // The page's own script, and no other.
    assert_eq!(lower.matches("<script").count(), 1, "{what}");
    assert!(!lower.contains(" style=") && !lower.contains("javascript:"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_hub_is_shown_as_it_is() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    let admin = server.client("admin");
    manual_hub(&admin, "wiki").await;
    let me = Visitor::signed_in(&server.base, &server.token("read")).await;
    let page = me.get("/").await.expect(200).text();
    assert!(page.contains("id=\"hub-wiki\"") && page.contains("never"), "{page}");
}
