//! Owners of a hub are told by mail what it needs (R6.5), each by themselves: an address that is refused,
//! for now or for good, costs nobody else a mail.

use serde_json::{Value, json};

use super::mail::{look_again, run};
use super::smtp::MailServer;
use crate::hubs::{self, SOON, mending};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, dump, eventually};

/// So many seconds pass for every address that rests.
fn later(database: &Database, seconds: i64) {
    let micros = seconds * 1_000_000;
    run(database, &format!("UPDATE mail_refusals SET failed_at = failed_at - {micros};"));
}

/// A whole round of looking at what there is to tell has passed.
async fn whole_round(database: &Database) {
    // Rounds follow each other: that the second one began says that the first has ended.
    for _ in 0..2 {
        look_again(database);
        eventually("a look", SOON, async || {
            let rows = dump::rows(database);
            let duty = rows.lines().find(|line| line.contains("duties: ") && line.contains("notify"));
            duty.is_some_and(|line| !line.ends_with(" 0") && !line.ends_with(",0)"))
        })
        .await;
    }
}

async fn refused(admin: &Client) -> Vec<Value> {
    let shown = admin.get("/api/v1/notifications").await.expect(200).json();
    shown["refused"].as_array().cloned().unwrap_or_default()
}

/// What is said of one person's address, once it was tried so often.
async fn tried(admin: &Client, user: &str, tries: i64) -> Value {
    let mut found = Value::Null;
    eventually(&format!("{tries} tries"), SOON, async || {
        let all = refused(admin).await;
        found = all.into_iter().find(|one| one["user"] == user).unwrap_or_default();
        found["tries"] == tries
    })
    .await;
    found
}

async fn person(scim: &Client, name: &str, kind: &str) -> String {
    let address = format!("{name}@example.com");
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "active": true,
        "userType": kind, "emails": [{"value": address, "type": "work", "primary": true}]});
    scim.post("/scim/v2/Users", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_5_owners_of_a_hub_are_told_by_mail_when_its_tasks_fail() {
    for database in databases() {
        let (mail, app) = (MailServer::start(), mending::sandbox());
        let url = format!("smtp://{}", mail.address());
        let args = ["--app-network", "127.0.0.0/8", "--smtp-url", &url, "--mail-from", "scimhub@example.com"];
        let soon = [("SCIMHUB_FAULT_LOOK", String::from("100"))];
        let server = Server::try_start_in(&database, &args, &soon).unwrap();
        let (admin, scim) = hubs::clients(&server);
        for hub in ["ads", "wiki"] {
            mending::sandbox_hub(&admin, hub, &app.scim(hub), mending::GOOD).await;
        }
        // Through a team: three, of whom the first two cannot be written to; by name: one; and one whom
        // the rule leaves out. Of the other hub nobody is Owner.
        let mut bosses = Vec::new();
        for (name, kind) in [("gone", "Employee"), ("late", "Employee"), ("olga", "Employee"), ("ext", "Contractor")] {
            bosses.push(person(&scim, name, kind).await);
        }
        let sven = person(&scim, "sven", "Employee").await;
        let rule =
            json!({"group": "bosses", "where": "userType eq \"Employee\"", "app_role": "admin", "hub_role": "owner"});
        hubs::mapping(&admin, "ads", &rule).await;
        let members: Vec<&str> = bosses.iter().map(String::as_str).collect();
        hubs::group(&scim, "bosses", &members).await;
        admin.put(&format!("/api/v1/hubs/ads/managers/{sven}"), &json!({"role": "owner"})).await.expect(200);
        hubs::tasks(&admin, "hub=ads&kind=add&status=completed", 3).await;
        // What no machine does is nothing that failed.
        hubs::manual_hub(&admin, "books").await;
        hubs::mapping(&admin, "books", &json!({"group": "bosses", "app_role": "member", "hub_role": "owner"})).await;
        hubs::tasks(&admin, "hub=books&kind=add&status=manual", 4).await;
        let board = Client::new(&app.base(), mending::GOOD);
        let fault = json!({"match": "POST /", "times": 0, "status": 400, "body": {"detail": "not like this"}});
        board.post("/_test/faults", &fault).await.expect(200);
        let mut people = Vec::new();
        for name in ["ann", "bob", "cid"] {
            people.push(hubs::user(&scim, &format!("{name}@example.com")).await);
        }
        let members: Vec<&str> = people.iter().map(String::as_str).collect();
        hubs::group(&scim, "editors", &members).await;
        for hub in ["ads", "wiki"] {
            hubs::tasks(&admin, &format!("hub={hub}&kind=add&status=not_completed"), 3).await;
        }
        // Nobody is told of anything before notifications were set up.
        whole_round(&database).await;
        let shown = admin.get("/api/v1/notifications").await.expect(200).json();
        assert_eq!((&shown["hub_owners"], mail.mails().len()), (&json!(false), 0), "{shown}");

        mail.refuse_for("gone@example.com", Some("550 5.1.1 no such mailbox, says canary"));
        mail.refuse_for("late@example.com", Some("451 4.7.1 try again later"));
        // The first one of the list: at its address the server breaks the connection off.
        mail.refuse_for("left@example.com", Some(""));
        let wanted = json!({"mail": ["left@example.com", "ops@example.com"], "conditions": ["failed_tasks"]});
        let shown = admin.put("/api/v1/notifications", &wanted).await.expect(200).json();
        assert_eq!(shown["hub_owners"], json!(true), "{shown}");
        look_again(&database);
        // Everybody else is told in the same round, once, and of what is theirs.
        let told = mail.until_taken(3).await;
        let to = |name: &str| told.iter().find(|one| one.to == [format!("{name}@example.com")]).unwrap().text();
        for name in ["olga", "sven"] {
            let text = to(name);
            assert!(text.contains("* hub 'ads': 3 tasks failed") && !text.contains("wiki"), "{text}");
            assert_eq!(text.matches("\n* ").count(), 1, "three tasks are one line: {text}");
        }
        assert!(to("ops").contains("wiki") && to("ops").contains("ads"), "{}", to("ops"));
        let (gone, late) = (bosses[0].clone(), bosses[1].clone());
        let first = tried(&admin, &gone, 1).await;
        assert_eq!(
            (&first["error"], &first["given_up"], &first["mail"]),
            (&json!("it answered 550"), &json!(false), &Value::Null)
        );
        assert_eq!(tried(&admin, &late, 1).await["error"], "it answered 451");
        let all = refused(&admin).await;
        assert!(all.len() == 3 && all.iter().any(|one| one["mail"] == "left@example.com"), "{all:?}");
        let left = all.iter().find(|one| one["mail"] == "left@example.com").unwrap();
        assert_eq!(left["error"], "no connection, or it broke");
        let shown = admin.get("/api/v1/notifications").await.expect(200).json();
        assert!(shown.get("error").is_none(), "the server takes mail: {shown}");

        // They rest, each by themselves; whoever was put off gets theirs when it is time, once.
        whole_round(&database).await;
        assert_eq!((mail.refusals_of("gone@example.com"), mail.refusals_of("late@example.com")), (1, 1));
        mail.refuse_for("late@example.com", None);
        later(&database, 5 * 60);
        look_again(&database);
        tried(&admin, &gone, 2).await;
        assert_eq!(mail.until_taken(4).await.len(), 4);
        assert_eq!(mail.mails_of("late@example.com").len(), 1);
        // Twice as long each time, and after the sixth try a day.
        later(&database, 9 * 60);
        whole_round(&database).await;
        assert_eq!(mail.refusals_of("gone@example.com"), 2, "ten minutes are not over");
        run(&database, "UPDATE mail_refusals SET tries = 5, failed_at = 0;");
        look_again(&database);
        assert_eq!(tried(&admin, &gone, 6).await["given_up"], true);
        later(&database, 23 * 60 * 60);
        whole_round(&database).await;
        assert_eq!((mail.refusals_of("gone@example.com"), mail.mails().len()), (3, 4));

        // Tried again by hand, all of it works; its end is told once, and nothing in between.
        board.delete("/_test/faults").await.expect(200);
        for hub in ["ads", "wiki"] {
            for task in hubs::tasks(&admin, &format!("hub={hub}&kind=add&status=not_completed"), 3).await {
                let path = format!("/api/v1/tasks/{}/retry", task["id"].as_str().unwrap());
                admin.post(&path, &json!({})).await.expect(200);
            }
        }
        hubs::tasks(&admin, "hub=ads&kind=add&status=completed", 6).await;
        hubs::tasks(&admin, "hub=wiki&kind=add&status=completed", 3).await;
        whole_round(&database).await;
        for (name, over) in [("olga", 1), ("sven", 1), ("late", 1), ("ops", 2)] {
            let all = mail.mails_of(&format!("{name}@example.com"));
            let subjects: Vec<&str> = all.iter().map(|one| one.header("Subject")).collect();
            assert_eq!((all.len(), subjects[1]), (2, format!("[scimhub default] {over} over").as_str()), "{name}");
        }
        assert_eq!((mail.mails().len(), mail.mails_of("ext@example.com").len()), (8, 0));

        // And not at all where the workspace does not want it.
        let none = json!({"mail": ["ops@example.com"], "conditions": ["held_batch"], "hub_owners": false});
        let shown = admin.put("/api/v1/notifications", &none).await.expect(200).json();
        assert_eq!((&shown["hub_owners"], shown.get("refused")), (&json!(false), None), "{shown}");
    }
}
