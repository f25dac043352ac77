//! Reading the record and the access reports: filters, CSV, and people deleted since.

use diesel::connection::SimpleConnection as _;
use scimhub::store::StoreError;
use serde_json::{Value, json};

use crate::hubs::{clients, group, manual_hub, mapping, tasks, user};
use crate::support::databases;
use crate::support::http::Client;
use crate::support::server::Server;

async fn items(client: &Client, path: &str) -> Vec<Value> {
    client.get(path).await.expect(200).json()["items"].as_array().unwrap().clone()
}

/// Two people in, one of them out again because they left.
async fn story(admin: &Client, scim: &Client) -> (String, String) {
    manual_hub(admin, "wiki").await;
    mapping(admin, "wiki", &json!({"group": "editors", "app_role": "member"})).await;
    let ann = user(scim, "ann@example.com").await;
    let bob = user(scim, "bob@example.com").await;
    group(scim, "editors", &[&ann, &bob]).await;
    for task in tasks(admin, "hub=wiki&status=manual", 2).await {
        let path = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
        admin.post(&path, &json!({"note": "=HYPERLINK(\"x\"), done"})).await.expect(200);
    }
    scim.delete(&format!("/scim/v2/Users/{bob}")).await.expect(204);
    (ann, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_filtered_by_date_kind_person_hub_actor_and_app() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let (ann, _) = story(&admin, &scim).await;
        if database.name == "postgres" {
            // As where the database was made with a language: a semicolon stands before a colon there.
            let sql = "DROP TRIGGER activity_written_once ON activity; ALTER TABLE activity ALTER COLUMN actor TYPE TEXT COLLATE \"en-x-icu\", \
                ALTER COLUMN kind TYPE TEXT COLLATE \"en-x-icu\"";
            let done = database.open().write(move |tx| Ok::<_, StoreError>(tx.batch_execute(sql)?)).await;
            done.unwrap();
        }
        let all = items(&admin, "/api/v1/activity?limit=200").await;
        let moment = all.iter().find(|r| r["kind"] == "user.created").unwrap()["at"].as_str().unwrap().to_owned();
        let token = all.iter().find(|r| r["kind"] == "user.created").unwrap()["actor"].as_str().unwrap().to_owned();
        for (query, fits) in [
            ("kind=user.created", Box::new(|r: &Value| r["kind"] == "user.created") as Box<dyn Fn(&Value) -> bool>),
            ("kind=user.", Box::new(|r: &Value| r["kind"].as_str().unwrap().starts_with("user."))),
            ("hub=wiki", Box::new(|r: &Value| r["hub"] == "wiki")),
            ("app=manual", Box::new(|r: &Value| r["hub"] == "wiki")),
            (&format!("user={ann}"), Box::new(|r: &Value| r["user"] == ann.as_str())),
            (&format!("actor={token}"), Box::new(|r: &Value| r["actor"] == token.as_str())),
            ("actor=planner", Box::new(|r: &Value| r["actor"] == "planner")),
            ("actor=token:", Box::new(|r: &Value| r["actor"].as_str().unwrap().starts_with("token:"))),
            (&format!("from={moment}"), Box::new(|r: &Value| r["at"].as_str().unwrap() >= moment.as_str())),
            (&format!("to={moment}"), Box::new(|r: &Value| r["at"].as_str().unwrap() < moment.as_str())),
            ("from=2001-01-01&to=2001-12-31", Box::new(|_: &Value| false)),
        ] {
            let found = items(&admin, &format!("/api/v1/activity?limit=200&{query}")).await;
            let ids = |of: &[Value]| of.iter().map(|r| r["id"].clone()).collect::<Vec<_>>();
            let expected: Vec<Value> = all.iter().filter(|record| fits(record)).cloned().collect();
            // The engine may have written more since; what was there must be found exactly.
            let known: Vec<Value> = found.into_iter().filter(|r| all.iter().any(|a| a["id"] == r["id"])).collect();
            assert_eq!(ids(&known), ids(&expected), "{}: {query}", database.name);
            assert!(!expected.is_empty() || query.contains("2001"), "{query} found nothing");
        }
        for (query, word) in
            [("since=2001-01-01", "since"), ("from=yesterday", "from"), ("to=2001-02-30", "to"), ("format=xml", "xml")]
        {
            let refused = admin.get(&format!("/api/v1/activity?{query}")).await.expect(400);
            assert!(refused.text().contains(word), "{query}: {}", refused.text());
        }
        admin.get("/api/v1/activity?app=nothing").await.expect(404);
        admin.get("/api/v1/activity?hub=nothing").await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_as_csv_whole_and_without_formulas() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        story(&admin, &scim).await;
        // More than one page.
        for n in 0..210 {
            admin.post("/api/v1/pause", &json!({"hub": "wiki"})).await.expect(204);
            if n % 2 == 0 {
                admin.post("/api/v1/resume", &json!({"hub": "wiki"})).await.expect(204);
            }
        }
        let count = {
            let (mut count, mut cursor) = (0, String::new());
            loop {
                let page = admin.get(&format!("/api/v1/activity?limit=200{cursor}")).await.expect(200).json();
                count += page["items"].as_array().unwrap().len();
                match page["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break count,
                }
            }
        };
        assert!(count > 200, "more than a page: {count}");
        let reply = admin.get("/api/v1/activity?format=csv").await.expect(200);
        assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8"));
        assert!(reply.header("content-disposition").unwrap().contains("activity.csv"));
        let text = reply.text();
        assert!(
            text.starts_with("id,at,kind,actor,target,hub,user,task,request_id,detail,personal,not_ours\r\n"),
            "{text}"
        );
        assert_eq!(text.matches("\r\n").count(), count + 1, "{}: all of it, once", database.name);

        let by_accept = admin.send("GET", "/api/v1/tasks", &[("accept", "text/csv")], None).await.expect(200).text();
        assert!(by_accept.contains("\"'=HYPERLINK(\"\"x\"\"), done\""), "{by_accept}");
        admin.get("/api/v1/tasks?format=csv&hub=nowhere").await.expect(404);
        scim.get("/api/v1/activity?format=csv").await.expect(403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_tell_who_held_what_and_what_leavers_still_hold() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let (ann, bob) = story(&admin, &scim).await;
        let report = async |query: &str| items(&admin, &format!("/api/v1/reports/access?{query}")).await;
        assert_eq!(report("").await.len(), 2);
        assert_eq!(report("at=2001-01-01").await.len(), 0);
        assert_eq!(report("at=2999-01-01").await.len(), 2, "what lasts is held then");
        for person in [ann.as_str(), "ann@example.com", "ANN@example.com"] {
            let found = report(&format!("person={person}")).await;
            assert_eq!((found.len(), &found[0]["user"]), (1, &json!(ann)), "{person}");
        }
        // Bob is deleted: found by his id and by the address he had.
        for person in [bob.as_str(), "bob@example.com"] {
            let found = report(&format!("leavers=true&person={person}")).await;
            assert_eq!((found.len(), &found[0]["user"]), (1, &json!(bob)), "{person}");
        }
        let left = report("leavers=true&hub=wiki").await;
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0]["left"].is_string() && left[0].get("to").is_none(), "still there: {}", left[0]);
        assert_eq!(report("leavers=true&hub=other").await.len(), 0);
        admin.get("/api/v1/reports/access?leavers=true&at=2026-01-01").await.expect(400);
        admin.get("/api/v1/reports/access?who=ann").await.expect(400);

        // The removal is done: the report says until when.
        let task = tasks(&admin, "hub=wiki&kind=remove&status=open", 1).await.remove(0);
        let id = task["id"].as_str().unwrap();
        if task["status"] == "held" {
            let hold = task["hold"].as_str().unwrap();
            admin.post(&format!("/api/v1/held/{hold}/release"), &json!({})).await.expect(200);
        }
        tasks(&admin, "hub=wiki&kind=remove&status=manual", 1).await;
        admin.post(&format!("/api/v1/tasks/{id}/done"), &json!({"note": "removed"})).await.expect(200);
        let gone = report("leavers=true").await.remove(0);
        assert!(gone["to"].as_str().unwrap() >= gone["left"].as_str().unwrap(), "{gone}");

        for form in [&["--format", "csv"][..], &["--format", "json"], &[]] {
            let local = server.run(&[&["report", "access", "--leavers"], form].concat());
            assert!(local.status.success(), "{}", String::from_utf8_lossy(&local.stderr));
            let text = String::from_utf8(local.stdout).unwrap();
            assert!(text.contains("bob@example.com") && !text.contains("ann@example.com"), "{text}");
        }
        let mut command = crate::support::server::scimhub(&database);
        command.args(["report", "access", "--person", "bob@example.com", "--format", "csv", "--server", &server.base]);
        let remote = command.env("SCIMHUB_TOKEN", server.token("admin")).output().unwrap();
        assert!(String::from_utf8_lossy(&remote.stdout).contains("bob@example.com"), "{remote:?}");
        let odd = server.run(&["report", "access", "--at", "yesterday"]);
        assert!(!odd.status.success() && String::from_utf8_lossy(&odd.stderr).contains("2026-01-31"));
    }
}
