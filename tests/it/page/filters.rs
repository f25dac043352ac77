//! The task log is narrowed by day and app as well, on the page, in the API and as CSV.

use serde_json::{Value, json};

use super::visitor::Visitor;
use super::{group, manual_hub, mapping, tasks_of, user_named};
use crate::support::databases;
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_narrowed_by_day_and_app_everywhere() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        manual_hub(&admin, "wiki").await;
        mapping(&admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
        let ann = user_named(&scim, "ann@example.com", "Ann Adler").await;
        let bob = user_named(&scim, "bob@example.com", "Bob Berg").await;
        group(&scim, "editors", &[&ann, &bob]).await;
        let made = tasks_of(&admin, "hub=wiki&kind=add", 2).await;
        let at = made[0]["created"].as_str().unwrap().to_owned();
        let day = at.split('T').next().unwrap().to_owned();
        let count = async |query: &str| {
            let page = admin.get(&format!("/api/v1/tasks?kind=add&{query}")).await.expect(200).json();
            page["items"].as_array().unwrap().len()
        };
        for (query, found) in [
            (format!("from={day}&to={day}"), 2),
            (format!("from={day}&app=manual"), 2),
            (String::from("app=sandbox"), 0),
            (String::from("to=2001-01-01"), 0),
            (String::from("from=2100-01-01"), 0),
            (format!("from={}", at.replace('+', "%2B")), usize::from(made[1]["created"] == made[0]["created"]) + 1),
            (format!("from={day}&user={ann}"), 1),
        ] {
            assert_eq!(count(&query).await, found, "{}: {query}", database.name);
        }
        let first = admin.get(&format!("/api/v1/tasks?kind=add&from={day}&limit=1")).await.expect(200).json();
        let next = first["next"].as_str().expect("a second page");
        let second = admin.get(&format!("/api/v1/tasks?kind=add&from={day}&limit=1&cursor={next}")).await;
        let second: Value = second.expect(200).json();
        assert_eq!(second["items"].as_array().unwrap().len(), 1, "{second}");
        assert_ne!(second["items"][0]["id"], first["items"][0]["id"]);
        assert!(second["next"].is_null(), "{second}");
        let csv = |query: &str| format!("/api/v1/tasks?kind=add&format=csv&{query}");
        let rows = admin.get(&csv(&format!("from={day}"))).await.expect(200).text();
        assert_eq!(rows.lines().count(), 3, "{rows}");
        let rows = admin.get(&csv("to=2001-01-01")).await.expect(200).text();
        assert_eq!(rows.lines().count(), 1, "only the header: {rows}");
        for bad in ["from=yesterday", "to=2026-13-01", "kind=batch&from=2026-01-01"] {
            admin.get(&format!("/api/v1/tasks?{bad}")).await.expect(400);
        }
        admin.get("/api/v1/tasks?app=nothing").await.expect(404);

        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let shown = me.get(&format!("/tasks?kind=add&app=manual&from={day}&to={day}&hub=")).await.expect(200).text();
        assert!(shown.contains("2 tasks") && shown.contains(&format!("value=\"{day}\"")), "{shown}");
        let of = async |query: &str| me.get(&format!("/tasks?kind=add&{query}")).await.expect(200).text();
        let typed = of("person=ann%40example.com&hub=wiki").await;
        assert!(typed.contains("1 task") && typed.contains("value=\"ann@example.com\""), "{}: {typed}", database.name);
        assert!(of("person=bob").await.contains("1 task"), "its beginning");
        assert!(of(&format!("user={bob}")).await.contains("value=\"bob@example.com\""), "by a link");
        assert!(of("person=nobody").await.contains("Nobody by that name or e-mail."));
        let none = me.get("/tasks?to=2001-01-01&status=&hub=&kind=&app=&from=").await.expect(200).text();
        assert!(none.contains("No tasks here."), "{none}");
        me.get("/tasks?from=yesterday").await.expect(400);
        me.get(&format!("/tasks?kind=batch&from={day}")).await.expect(200);
    }
}
