//! Somebody who left and is still in the app is seen at once, with what lets them stay, and nobody lets
//! them stay without saying why.

use serde_json::{Value, json};

use super::{Stage, set_active};
use crate::hubs::{self, SOON, holding, mending};
use crate::page::visitor::Visitor;
use crate::support::http::{Client, Reply};
use crate::support::server::Server;
use crate::support::{databases, eventually};

const STILL: &str = "the person left and is still in the app";

/// Five people in the app, so that one of them is no half of it.
async fn staff(stage: &Stage) -> Vec<String> {
    let names = ["ann", "bob", "cid", "dee", "eve"].map(|name| format!("{name}@example.com"));
    stage.seated("editors", "editor", &names).await.1
}

async fn explain(admin: &Client, hub: &str, user: &str) -> Value {
    admin.get(&format!("/api/v1/hubs/{hub}/users/{user}/explain")).await.expect(200).json()
}

/// The sentence of this code.
fn said(why: &Value, code: &str) -> Option<Value> {
    why["because"].as_array().unwrap().iter().find(|cause| cause["code"] == code).cloned()
}

/// The explanation, once it has a sentence of this code with these words.
async fn until_said(stage: &Stage, user: &str, code: &str, words: &str) -> Value {
    let mut why = Value::Null;
    eventually(&format!("{code} with {words}"), SOON, async || {
        why = explain(&stage.admin, "box", user).await;
        said(&why, code).is_some_and(|cause| cause["text"].as_str().unwrap().contains(words))
    })
    .await;
    why
}

async fn row(admin: &Client, hub: &str, user: &str) -> Value {
    let page = admin.get(&format!("/api/v1/hubs/{hub}/members?limit=200")).await.expect(200).json();
    page["items"].as_array().unwrap().iter().find(|one| one["user"] == user).unwrap().clone()
}

/// Refused, because a note is missing.
fn wants_note(reply: &Reply, whom: &str) {
    assert_eq!((reply.status, reply.header("content-type")), (400, Some("application/problem+json")));
    let problem = reply.json();
    assert_eq!(problem["errors"][0]["field"], "note", "{problem}");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(
        detail.contains(whom) && detail.contains("still in the app") && detail.contains("say in a note"),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_behind_a_broken_or_missing_credential_is_explained_with_it() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let people = staff(&stage).await;
        let (admin, ann) = (&stage.admin, people[0].as_str());
        admin.put("/api/v1/hubs/box/secrets/TOKEN", &json!({"value": "revoked"})).await.expect(204);
        set_active(&stage.scim, ann, false).await;
        let why = until_said(&stage, ann, "hub_problem", "auth broken").await;
        let place = format!("{}: {why:#}", database.name);
        assert_eq!(admin.get("/api/v1/hubs/box").await.expect(200).json()["status"], "review_service_account");
        let problem = said(&why, "hub_problem").unwrap();
        assert_eq!(problem["problem"], "auth_broken", "{place}");
        assert!(problem["text"].as_str().unwrap().contains("scimhub secret set box"), "what to do: {place}");
        let present = said(&why, "leaver_present").unwrap_or_else(|| panic!("{place}"));
        assert_eq!(present["text"], format!("{STILL}: removal is queued"), "{place}");
        assert_eq!((&why["known"]["left"], &why["known"]["still_there"]), (&json!(true), &present["text"]), "{place}");
        let me = Visitor::signed_in(&stage.server.base, &stage.server.token("admin")).await;
        let page = me.get(&format!("/hubs/box/users/{ann}")).await.expect(200).text();
        assert!(page.contains(STILL) && page.contains("a problem of the hub, auth broken"), "{page}");
        assert!(page.contains("who left is still there"), "the picture: {page}");
        // Who waits for nothing is told nothing of it.
        let bob = explain(admin, "box", &people[1]).await;
        assert!(said(&bob, "hub_problem").is_none() && said(&bob, "leaver_present").is_none(), "{bob:#}");

        let connection = json!({"base_url": stage.app.scim("box"), "token": {"secret": "OTHER"}});
        admin.patch("/api/v1/hubs/box", &json!({ "connection": connection })).await.expect(200);
        until_said(&stage, ann, "hub_problem", "OTHER").await;
        admin.put("/api/v1/hubs/box/secrets/OTHER", &json!({"value": mending::GOOD})).await.expect(204);
        stage.until_role("ann@example.com", None).await;
        stage.at_rest().await;
        let why = explain(admin, "box", ann).await;
        assert!(!why["summary"].to_string().contains("still in the app"), "{}: {why:#}", database.name);
        assert_eq!((&why["known"]["left"], why["known"].get("still_there")), (&json!(true), None), "{why:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leavers_removal_is_cancelled_only_with_a_note_that_everybody_sees() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let people = staff(&stage).await;
        let (admin, ann, bob) = (&stage.admin, people[0].as_str(), people[1].as_str());
        // The credential is refused, so that the removals stay where they can be cancelled.
        admin.put("/api/v1/hubs/box/secrets/TOKEN", &json!({"value": "revoked"})).await.expect(204);
        set_active(&stage.scim, ann, false).await;
        until_said(&stage, ann, "hub_problem", "auth broken").await;
        let task = hubs::tasks(admin, &format!("hub=box&status=queued&user={ann}"), 1).await.remove(0);
        let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
        let cancel = format!("{path}/cancel");
        for body in [json!({}), json!({"note": " \n"})] {
            wants_note(&admin.post(&cancel, &body).await, "ann@example.com");
        }
        let open = admin.get(&path).await.expect(200).json();
        assert_eq!((&open["status"], &open["cancel_needs_note"]), (&json!("queued"), &json!(true)), "{open}");

        // The page asks for it where the form is, and says it there again.
        let me = Visitor::signed_in(&stage.server.base, &stage.server.token("admin")).await;
        let at = format!("/tasks/{}", task["id"].as_str().unwrap());
        let page = me.get(&at).await.expect(200).text();
        assert!(page.contains("needs a note that says why they keep their access"), "{page}");
        let proof = me.proof().await;
        let fields = [("proof", proof.as_str()), ("act", "cancel"), ("note", "")];
        let page = me.post(&format!("{at}/decide"), &fields).await.expect(400).text();
        assert!(page.contains("role=\"alert\"") && page.contains("say in a note why"), "{page}");
        assert!(page.contains("value=\"cancel\""), "the form again: {page}");
        let fields = [("proof", proof.as_str()), ("act", "cancel"), ("note", "hands over until Friday")];
        me.post(&format!("{at}/decide"), &fields).await.expect(303);

        // Seen at once: in the row, by explain, and on the page of accounts.
        let shown = row(admin, "box", ann).await;
        let text = shown["still_there"].as_str().unwrap_or_else(|| panic!("{}: {shown}", database.name));
        assert!(text.starts_with(&format!("{STILL}: removal was cancelled by token ")), "{text}");
        assert!(text.ends_with(": \u{201c}hands over until Friday\u{201d}"), "{text}");
        assert_eq!((&shown["left"], &shown["known"]), (&json!(true), &json!("active")), "{shown}");
        let why = explain(admin, "box", ann).await;
        assert_eq!(said(&why, "leaver_kept").unwrap()["text"], text, "{}: {why:#}", database.name);
        assert!(said(&why, "declined").is_some() && said(&why, "hub_problem").is_none(), "{why:#}");
        let tab = me.get("/hubs/box/members").await.expect(200).text();
        assert!(tab.contains("left, still there") && tab.contains("hands over until Friday"), "{tab}");
        let one = format!("/hubs/box/members/{}", shown["id"].as_str().unwrap());
        assert!(me.get(&one).await.expect(200).text().contains("removal was cancelled by token"), "{one}");

        // Nothing is asked about who is still with us.
        let editors = stage.scim.get("/scim/v2/Groups").await.expect(200).json()["Resources"][0]["id"].clone();
        stage.membership(editors.as_str().unwrap(), "remove", bob).await;
        let his = hubs::tasks(admin, &format!("hub=box&status=queued&user={bob}"), 1).await.remove(0);
        let done = admin.post(&format!("/api/v1/tasks/{}/cancel", his["id"].as_str().unwrap()), &json!({})).await;
        assert_eq!(done.expect(200).json().get("cancel_needs_note"), None, "{}", database.name);
        let shown = row(admin, "box", bob).await;
        assert_eq!((&shown["left"], shown.get("still_there")), (&json!(false), None), "{shown}");
        // What was cancelled can be asked for again, and then nothing of it is said any more.
        admin.put("/api/v1/hubs/box/secrets/TOKEN", &json!({"value": mending::GOOD})).await.expect(204);
        admin.post(&format!("{path}/retry"), &json!({})).await.expect(200);
        stage.until_role("ann@example.com", None).await;
        eventually("the row says she is gone", SOON, async || {
            let shown = row(admin, "box", ann).await;
            shown["known"] == "absent" && shown["left"] == true && shown.get("still_there").is_none()
        })
        .await;
    }
}

/// A hub of twenty of whom one request takes five, two of them gone meanwhile: their tasks are held below
/// one parent. Answers the two.
async fn two_of_them_left(admin: &Client, scim: &Client) -> [String; 2] {
    let (editors, people) = holding::staffed(admin, scim, 20).await;
    holding::leave(scim, &editors, &people[..5]).await;
    let held = hubs::tasks(admin, "hub=wiki&status=held", 4).await;
    let [ann, bob] = [0, 1].map(|at| held[at]["user"].as_str().unwrap().to_owned());
    for who in [&ann, &bob] {
        holding::deactivate(scim, who).await;
    }
    eventually("two leavers in the batch", SOON, async || {
        admin.get("/api/v1/held").await.expect(200).json()["items"][0]["leavers"] == 2
    })
    .await;
    [ann, bob]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_leavers_is_rejected_only_with_a_note_and_one_serves_all() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let [ann, bob] = two_of_them_left(&admin, &scim).await;
        let batch = admin.get("/api/v1/held").await.expect(200).json()["items"][0].clone();
        let reject = format!("/api/v1/held/{}/reject", batch["id"].as_str().unwrap());
        let task_of = |who: &str| {
            let all = batch["tasks"].as_array().unwrap();
            all.iter().find(|task| task["user"] == who).unwrap()["id"].as_str().unwrap().to_owned()
        };
        wants_note(&admin.post(&reject, &json!({})).await, "left and are still in the app");
        wants_note(&admin.post(&reject, &json!({"tasks": [task_of(&ann)]})).await, "left and is still in the app");
        let now = admin.get("/api/v1/held").await.expect(200).json();
        assert_eq!(now["items"][0]["digest"], batch["digest"], "{}: nothing was half done", database.name);
        // Who is still with us needs none.
        let stays = batch["tasks"].as_array().unwrap().iter().find(|task| task["user"] != *ann && task["user"] != *bob);
        admin.post(&reject, &json!({"tasks": [stays.unwrap()["id"]]})).await.expect(200);

        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let at = format!("/held/{}/reject", batch["id"].as_str().unwrap());
        let form = me.get(&at).await.expect(200).text();
        assert!(form.contains("a note must say why; one serves all"), "{form}");
        let (proof, his) = (me.proof().await, task_of(&bob));
        let ticked = [("proof", proof.as_str()), ("which", "ticked"), ("task", his.as_str()), ("note", "")];
        let again = me.post(&at, &ticked).await.expect(400).text();
        assert!(again.contains("role=\"alert\"") && again.contains("say in a note why"), "{again}");
        assert!(again.contains(&format!("value=\"{his}\" checked")), "what was ticked stays ticked: {again}");
        admin.post(&reject, &json!({"note": "the lawyers ask for it"})).await.expect(200);
        for who in [&ann, &bob] {
            let shown = row(&admin, "wiki", who).await;
            let text = shown["still_there"].as_str().unwrap_or_else(|| panic!("{}: {shown}", database.name));
            assert!(text.contains("removal was rejected by token ") && text.contains("the lawyers ask"), "{text}");
            let why = explain(&admin, "wiki", who).await;
            assert_eq!(said(&why, "leaver_kept").unwrap()["text"], text, "{why:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_with_leavers_is_cancelled_only_with_a_note_and_one_serves_all() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let [ann, bob] = two_of_them_left(&admin, &scim).await;
        let held = hubs::tasks(&admin, "hub=wiki&status=held", 4).await;
        let parent = format!("/api/v1/tasks/{}", held[0]["parent"].as_str().unwrap());
        let before = admin.get(&parent).await.expect(200).json()["progress"].clone();
        wants_note(&admin.post(&format!("{parent}/cancel"), &json!({})).await, "still in the app");
        assert_eq!(admin.get(&parent).await.expect(200).json()["progress"], before, "{}", database.name);
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let decide = parent.replace("/api/v1", "") + "/decide";
        let proof = me.proof().await;
        let again = me.post(&decide, &[("proof", &proof), ("act", "cancel"), ("note", "")]).await.expect(400).text();
        assert!(again.contains("role=\"alert\"") && again.contains("say in a note why"), "{again}");
        me.post(&decide, &[("proof", &proof), ("act", "cancel"), ("note", "asked to wait")]).await.expect(303);
        for who in [&ann, &bob] {
            let shown = row(&admin, "wiki", who).await;
            assert!(shown["still_there"].to_string().contains("asked to wait"), "{}: {shown}", database.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_whose_account_nobody_manages_is_marked_in_their_row() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (admin, scim) = (&stage.admin, &stage.scim);
        let ann = hubs::user(scim, "ann@example.com").await;
        let bob = hubs::user(scim, "bob@example.com").await;
        set_active(scim, &ann, false).await;
        for name in ["ann", "bob"] {
            stage.account(&format!("{name}@example.com"), "editor").await;
        }
        stage.sync().await;
        let shown = row(admin, "box", &ann).await;
        let text = format!("{STILL}: the account is not managed, so no automation removes it");
        assert_eq!((&shown["managed"], &shown["left"]), (&json!(false), &json!(true)), "{}: {shown}", database.name);
        assert_eq!(shown["still_there"], text, "{shown}");
        let other = row(admin, "box", &bob).await;
        assert_eq!((&other["left"], other.get("still_there")), (&json!(false), None), "{other}");
        let why = explain(admin, "box", &ann).await;
        assert_eq!(said(&why, "leaver_present").unwrap()["text"], text, "{}: {why:#}", database.name);
        let me = Visitor::signed_in(&stage.server.base, &stage.server.token("read")).await;
        let bucket = shown["bucket"].as_str().unwrap();
        let tab = me.get(&format!("/hubs/box/members?bucket={bucket}")).await.expect(200).text();
        assert_eq!(tab.matches("left, still there").count(), 1, "{tab}");
        assert!(tab.contains("not managed, so no automation removes it"), "{tab}");

        let id = shown["id"].as_str().unwrap();
        let kept = stage.act(id, "exempt", &json!({"reason": "agency"})).await.expect(200).json();
        assert_eq!(kept["left"], true, "{kept}");
        let text = format!("{STILL}: the account is exempted, so no task touches it");
        let one = row(admin, "box", &ann).await;
        assert_eq!((&one["left"], &one["still_there"]), (&json!(true), &json!(text)), "{}: {one}", database.name);
        let why = explain(admin, "box", &ann).await;
        assert_eq!(said(&why, "leaver_present").unwrap()["text"], text, "{why:#}");
        assert!(me.get("/hubs/box/members?bucket=exempted").await.expect(200).text().contains("left, still there"));
        set_active(scim, &ann, true).await;
        let back = row(admin, "box", &ann).await;
        assert_eq!((&back["left"], back.get("still_there")), (&json!(false), None), "{back}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_is_let_stay_by_a_removal_from_the_hub_only_with_a_note() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let people = staff(&stage).await;
        let (admin, ann) = (&stage.admin, people[0].as_str());
        admin.put("/api/v1/hubs/box/secrets/TOKEN", &json!({"value": "revoked"})).await.expect(204);
        set_active(&stage.scim, ann, false).await;
        // From then on nothing is tried, and the task stays as it is.
        eventually("the credential is refused", SOON, async || {
            let problems = admin.get("/api/v1/problems").await.expect(200).json();
            problems["items"].as_array().is_some_and(|all| !all.is_empty())
        })
        .await;
        let task = hubs::tasks(admin, &format!("hub=box&status=queued&user={ann}"), 1).await.remove(0);
        let id = row(admin, "box", ann).await["id"].as_str().unwrap().to_owned();
        wants_note(&stage.act(&id, "remove", &json!({"mode": "hub_only"})).await, "ann@example.com");
        let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
        assert_eq!(
            admin.get(&path).await.expect(200).json()["status"],
            "queued",
            "{}: nothing was done",
            database.name
        );
        let note = json!({"mode": "hub_only", "note": "a contract of their own"});
        stage.act(&id, "remove", &note).await.expect(200);
        assert_eq!(row(admin, "box", ann).await["left"], true, "{}", database.name);
        let told = stage.told("member.removed").await;
        assert!(told[0].to_string().contains("a contract of their own"), "{}: {told:?}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_1_who_is_a_guest_is_in_the_bucket_of_guests_also_when_a_task_made_the_account() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let guest = stage.admin.post("/api/v1/guests", &json!({"email": "gus@else.test"})).await.expect(201).json();
        hubs::mapping(&stage.admin, "box", &json!({"user": "gus@else.test", "app_role": "viewer"})).await;
        stage.until_role("gus@else.test", Some("viewer")).await;
        stage.at_rest().await;
        let found = stage.bucket("guest").await;
        assert_eq!(found.len(), 1, "{}: {found:?}", database.name);
        assert_eq!(found[0]["user"], guest["id"], "{}", database.name);
    }
}
