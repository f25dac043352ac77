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
        // A typing mistake does not read like "never had anything".
        for (query, fields) in [
            ("at=2999-01-01", vec!["at"]),
            ("person=nobody@example.com", vec!["person"]),
            ("person=01890a5d-ac96-774b-bcce-b302099a8057", vec!["person"]),
            ("hub=nope", vec!["hub"]),
            ("leavers=true&hub=nope&person=nobody", vec!["hub", "person"]),
        ] {
            let refused = admin.get(&format!("/api/v1/reports/access?{query}")).await.expect(400).json();
            let named: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|one| one["field"].clone()).collect();
            assert_eq!(named, fields, "{}: {query}: {refused}", database.name);
        }
        for query in ["at=2999-01-01", "hub=nope", "user=01890a5d-ac96-774b-bcce-b302099a8057"] {
            admin.get(&format!("/api/v1/access?{query}")).await.expect(400);
        }
        for (flag, value) in [("--person", "nobody@example.com"), ("--hub", "nope"), ("--at", "2999-01-01")] {
            let odd = server.run(&["report", "access", flag, value]);
            let said = String::from_utf8_lossy(&odd.stderr).into_owned();
            assert_eq!(odd.status.code(), Some(1), "{flag}: {said}");
            assert!(
                odd.stdout.is_empty() && (said.contains(value) || said.contains("still to come")),
                "{flag}: {said}"
            );
        }
        // Who is known and never had anything has an empty report.
        user(&scim, "cid@example.com").await;
        assert_eq!(report("person=cid@example.com").await.len(), 0);
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

/// A report shows whoever runs a hub that hub, a guest themselves, and tells neither what else there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_shows_a_manager_their_hub_and_a_guest_themselves() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let (ann, bob) = story(&admin, &scim).await;
        manual_hub(&admin, "ops").await;
        let max = user(&scim, "max@example.com").await;
        let share = json!({"user": "max@example.com", "hub_role": "manager", "app_role": "member"});
        mapping(&admin, "ops", &share).await;
        let gus = admin.post("/api/v1/guests", &json!({"email": "gus@partner.test"})).await.expect(201).json();
        let gus = gus["id"].as_str().unwrap();
        mapping(&admin, "ops", &json!({"user": "gus@partner.test", "app_role": "member"})).await;
        mapping(&admin, "wiki", &json!({"user": "gus@partner.test", "app_role": "member"})).await;
        for task in tasks(&admin, "kind=add&status=manual", 3).await {
            let path = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
            admin.post(&path, &json!({"note": "done"})).await.expect(200);
        }
        let held = async |client: &Client, query: &str| -> Vec<(String, String)> {
            let mut found: Vec<_> = items(client, &format!("/api/v1/reports/access?{query}"))
                .await
                .iter()
                .map(|one| (one["hub"].as_str().unwrap().into(), one["user"].as_str().unwrap_or_default().into()))
                .collect();
            found.sort();
            found
        };
        let pair = |hub: &str, user: &str| (hub.to_owned(), user.to_owned());
        let sorted = |mut all: Vec<(String, String)>| {
            all.sort();
            all
        };
        assert_eq!(held(&admin, "").await.len(), 5, "{}", database.name);

        // Max manages one hub and nothing else.
        let as_max = crate::hub_rules::rights::token(&server, "--as", "max@example.com");
        let of_ops = sorted(vec![pair("ops", &max), pair("ops", gus)]);
        assert_eq!(held(&as_max, "").await, of_ops, "{}", database.name);
        assert_eq!(held(&as_max, "hub=ops").await, of_ops);
        assert_eq!(held(&as_max, "person=gus@partner.test").await, [pair("ops", gus)], "of that hub only");
        // A guest has themselves, in each hub.
        let as_gus = crate::hub_rules::rights::token(&server, "--as", "gus@partner.test");
        let own = sorted(vec![pair("ops", gus), pair("wiki", gus)]);
        for query in ["", "person=gus@partner.test", &format!("person={gus}")] {
            assert_eq!(held(&as_gus, query).await, own, "{}: {query}", database.name);
        }
        // What is not theirs is not there: as it is where nothing is.
        for (client, query) in [
            (&as_max, "hub=wiki"),
            (&as_max, "person=ann@example.com"),
            (&as_max, &*format!("person={bob}")),
            (&as_gus, "person=max@example.com"),
            (&as_gus, &*format!("person={ann}")),
            (&as_gus, "person=bob@example.com"),
        ] {
            let there = client.get(&format!("/api/v1/reports/access?{query}")).await.expect(400).json();
            let (field, value) = query.split_once('=').unwrap();
            let nowhere = if field == "hub" { "nope" } else { "zoe@example.com" };
            let nobody = client.get(&format!("/api/v1/reports/access?{field}={nowhere}")).await.expect(400).json();
            let said = |reply: &Value, asked: &str| reply.to_string().replace(asked, "X");
            assert_eq!(said(&there, value), said(&nobody, nowhere), "{}: {query}", database.name);
        }
        for client in [&as_max, &as_gus] {
            client.get("/api/v1/reports/access?leavers=true").await.expect(403);
            let csv = client.get("/api/v1/reports/access?format=csv").await.expect(200).text();
            assert!(!csv.contains("ann@example.com") && csv.lines().count() == 3, "{csv}");
        }
    }
}
