//! Undo on the page: a button where something was taken, the names before anything happens, and a form.

use serde_json::{Value, json};

use super::chromium::{HARD_TO_READ, overflow, sign_in};
use super::visitor::Visitor;
use super::{held_batch, tasks_of};
use crate::support::browser::{Scripts, Setup, browser};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases};

/// Two people were held, released and removed by hand; the batch, and one of their tasks.
async fn removed(server: &Server, admin: &Client) -> (String, String) {
    let hold = held_batch(server, admin).await;
    admin.post(&format!("/api/v1/held/{hold}/release"), &json!({})).await.expect(200);
    for task in tasks_of(admin, "hub=wiki&status=manual", 3).await {
        let path = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
        admin.post(&path, &json!({"note": "removed"})).await.expect(200);
    }
    let done = tasks_of(admin, "hub=wiki&status=completed&kind=remove", 3).await;
    let task = done.iter().find(|task: &&Value| task["hold"] == hold.as_str()).expect("one of the batch");
    assert_eq!(task["can_undo"], true, "{task}");
    (hold, task["id"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_shows_the_names_first_and_grants_again_by_a_form_of_ours() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let (hold, task) = removed(&server, &admin).await;
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let reader = Visitor::signed_in(&server.base, &server.token("read")).await;
        let at = format!("/tasks/{task}");
        let (of_task, of_hold) = (format!("{at}/undo"), format!("/held/{hold}/undo"));
        let page = me.get(&at).await.expect(200).text();
        assert!(
            page.contains(&format!("href=\"{of_task}\"")) && page.contains(&format!("href=\"{of_hold}\"")),
            "{page}"
        );
        assert!(!reader.get(&at).await.expect(200).text().contains("id=\"undo\""), "a reader undoes");
        for path in [&of_task, &of_hold] {
            // Who may only look sees what it would mean, and no form.
            let looked = reader.get(path).await.expect(200).text();
            assert!(looked.contains("@example.com") && !looked.contains("name=\"expect\""), "{looked}");
            reader.post(path, &[("proof", &reader.proof().await)]).await.expect(403);
            me.post(path, &[("expect", "x")]).await.expect(403);
            me.post(path, &[("proof", &me.proof().await)]).await.expect(400);
        }
        let added = tasks_of(&admin, "hub=wiki&status=completed&kind=add", 4).await.remove(0);
        let added = format!("/tasks/{}", added["id"].as_str().unwrap());
        assert!(!me.get(&added).await.expect(200).text().contains("id=\"undo\""), "an addition took nothing");
        me.get(&format!("{added}/undo")).await.expect(409);

        // From the list of what is held the way back is two clicks long, without knowing a task of it.
        let held = me.get("/held").await.expect(200).text();
        let decided = super::visitor::after(&held, &format!("id=\"decided-{hold}\""), "</li>").expect("decided lately");
        for words in ["wiki", "released", "2 tasks went out", "Decided by token", &format!("href=\"{of_hold}\"")] {
            assert!(decided.contains(words), "{}: {words}: {decided}", database.name);
        }
        assert!(!reader.get("/held").await.expect(200).text().contains(&of_hold), "a reader undoes");
        let api = admin.get("/api/v1/held").await.expect(200).json();
        assert_eq!((&api["decided"][0]["status"], &api["decided"][0]["can_undo"]), (&json!("released"), &json!(true)));

        let one = me.get(&of_task).await.expect(200).text();
        assert!(one.contains("adds 1") && one.contains("@example.com") && one.contains("by hand"), "{one}");
        let all = me.get(&of_hold).await.expect(200).text();
        assert!(all.contains("adds 2"), "{}: {all}", database.name);
        let digest = super::visitor::after(&all, "name=\"expect\" value=\"", "\"").unwrap();
        let proof = super::visitor::proof(&all);
        let stale = "0".repeat(64);
        let told = me.post(&of_hold, &[("proof", &proof), ("expect", &stale)]).await.expect(409).text();
        assert!(told.contains("look again"), "{told}");
        tasks_of(&admin, "hub=wiki&status=manual", 0).await;
        let done = me.post(&of_hold, &[("proof", &proof), ("expect", digest)]).await.expect(303);
        let told = me.get(done.header("location").unwrap()).await.expect(200).text();
        assert!(told.contains("Granted again."), "{told}");
        tasks_of(&admin, "hub=wiki&status=manual&kind=add", 2).await;
        let again = me.get(&of_hold).await.expect(200).text();
        assert!(!again.contains("name=\"expect\"") || again.contains("nothing"), "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_is_undone_by_clicking() {
    for scripts in [Scripts::Off, Scripts::On] {
        let setup = Setup { size: (360, 740), scripts, ..Setup::default() };
        let Some(browser) = browser(setup).await else { return };
        let database = Database::sqlite();
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let (_, task) = removed(&server, &admin).await;
        sign_in(&browser, &server, "admin").await;
        let fits = async |what: &str| {
            assert_eq!(browser.run(&overflow(360)).await, json!([]), "{what}");
            assert_eq!(browser.run(HARD_TO_READ).await, json!([]), "{what}");
            assert_eq!(browser.complaints().await, Vec::<String>::new(), "{what}");
        };
        browser.go(&format!("{}/tasks/{task}", server.base)).await;
        browser.find("#undo").await;
        fits("the task").await;
        browser.click(&format!("a[href='/tasks/{task}/undo']")).await;
        browser.until_shown("gets an account").await;
        fits("the preview").await;
        tasks_of(&admin, "hub=wiki&status=manual", 0).await;
        browser.click("main form button.primary").await;
        browser.until_shown("It is granted again").await;
        fits("afterwards").await;
        tasks_of(&admin, "hub=wiki&status=manual&kind=add", 1).await;
    }
}
