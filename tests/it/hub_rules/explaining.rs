//! Why somebody has, had or lacks access, asked through the API and on the page: present, absent and
//! past, also when the mapping, the group or the person are gone.

use scimhub::base::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::{Stage, set_active};
use crate::hubs;
use crate::page::visitor::Visitor;
use crate::support::http::Client;
use crate::support::{databases, eventually};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

fn now() -> String {
    SystemClock::new().now().to_rfc3339()
}

async fn explain(admin: &Client, user: &str, at: Option<&str>) -> Value {
    let query = at.map(|at| format!("?at={at}")).unwrap_or_default();
    admin.get(&format!("/api/v1/hubs/box/users/{user}/explain{query}")).await.expect(200).json()
}

/// The sentence of this code.
fn said(why: &Value, code: &str) -> Value {
    let found = why["because"].as_array().unwrap().iter().find(|cause| cause["code"] == code);
    let found = found.unwrap_or_else(|| panic!("no {code}: {why:#}")).clone();
    assert!(why["summary"].as_array().unwrap().contains(&found["text"]), "{why}");
    found
}

fn codes(why: &Value) -> Vec<&str> {
    why["because"].as_array().unwrap().iter().map(|cause| cause["code"].as_str().unwrap()).collect()
}

/// A hub with somebody in it, so that one person is no half of it, and two mapped groups.
async fn company(stage: &Stage) -> (String, String, String) {
    let mut staff = Vec::new();
    for name in ["c1@example.com", "c2@example.com", "c3@example.com", "c4@example.com"] {
        staff.push(hubs::user(&stage.scim, name).await);
    }
    let staff: Vec<&str> = staff.iter().map(String::as_str).collect();
    let viewers = hubs::group(&stage.scim, "viewers", &staff).await;
    let editors = hubs::group(&stage.scim, "editors", &[]).await;
    hubs::mapping(&stage.admin, "box", &json!({"group": "viewers", "app_role": "viewer"})).await;
    let mapped = hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
    stage.until_role("c4@example.com", Some("viewer")).await;
    (viewers, editors, mapped)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_gives_the_role_is_named_as_its_reason() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (viewers, _, _) = company(&stage).await;
        let ben = hubs::user(&stage.scim, "ben@example.com").await;
        let joins = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{"value": ben}]}]});
        stage.scim.patch(&format!("/scim/v2/Groups/{viewers}"), &joins).await.expect(204);
        stage.until_role("ben@example.com", Some("viewer")).await;
        // Before it is done, in the preview; after it, by explain and on the page.
        let share = json!({"user": "ben@example.com", "app_role": "editor"});
        let plan = stage.admin.post("/api/v1/hubs/box/mappings/preview", &share).await.expect(200).json();
        let shown = &plan["effects"][0]["people"][0];
        assert_eq!(shown["because"], json!(["user ben@example.com"]), "{}: {plan}", database.name);
        assert_eq!(shown["outranked"], json!(["group viewers"]), "{plan}");
        hubs::mapping(&stage.admin, "box", &share).await;
        stage.until_role("ben@example.com", Some("editor")).await;

        let why = explain(&stage.admin, &ben, None).await;
        let wanted = said(&why, "wanted");
        assert_eq!(wanted["text"], "editor is wanted because of user ben@example.com", "{why:#}");
        assert_eq!(wanted["subjects"], json!(["user ben@example.com"]));
        assert_eq!(said(&why, "outranked")["text"], "group viewers (viewer) is outranked");
        assert_eq!(why["wanted"]["reasons"][0]["subject"], "user ben@example.com");
        assert_eq!(why["wanted"]["outranked"][0]["subject"], "group viewers");
        let me = Visitor::signed_in(&stage.server.base, &stage.server.token("admin")).await;
        let page = me.get(&format!("/hubs/box/users/{ben}")).await.expect(200).text();
        assert!(page.contains("user ben@example.com; outranks group viewers"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn absence_is_explained_with_what_would_give_access_and_what_keeps_it() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (_, editors, _) = company(&stage).await;
        hubs::mapping(&stage.admin, "box", &json!({"group": "late", "app_role": "viewer"})).await;
        let ann = hubs::user(&stage.scim, ANN).await;

        let why = explain(&stage.admin, &ann, None).await;
        assert_eq!(why["answer"], "no_access", "{}: {why}", database.name);
        let would = said(&why, "not_in_mapped_group");
        assert_eq!(would["subjects"], json!(["group viewers", "group editors"]), "{would}");
        assert!(would["text"].as_str().unwrap().contains("group editors (editor)"), "{would}");
        assert_eq!(said(&why, "subject_missing")["subjects"], json!(["group late"]));

        // In the group, and kept: by a pause, then by a person who declines, then by the guard.
        stage.admin.patch("/api/v1/hubs/box", &json!({"paused": true})).await.expect(200);
        stage.membership(&editors, "add", &ann).await;
        assert_eq!(codes(&explain(&stage.admin, &ann, None).await), ["wanted", "paused"], "{}", database.name);
        stage.admin.patch("/api/v1/hubs/box", &json!({"paused": false, "policy": {"max_seats": 4}})).await.expect(200);
        let mut why = Value::Null;
        eventually("the guard holds her", hubs::SOON, async || {
            why = explain(&stage.admin, &ann, None).await;
            codes(&why).contains(&"held")
        })
        .await;
        let held = said(&why, "held");
        assert!(held["hold"].is_string() && held["task"].is_string(), "{}: {held}", database.name);
        let reject = format!("/api/v1/held/{}/reject", held["hold"].as_str().unwrap());
        stage.admin.post(&reject, &json!({"note": "no seat for her"})).await.expect(200);
        let why = explain(&stage.admin, &ann, None).await;
        assert!(said(&why, "declined")["text"].as_str().unwrap().contains("no seat for her"), "{why}");

        set_active(&stage.scim, &ann, false).await;
        let why = explain(&stage.admin, &ann, None).await;
        assert_eq!((codes(&why)[0], &why["answer"]), ("user_inactive", &json!("no_access")), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn past_access_is_explained_with_who_gave_it_and_who_ended_it_also_when_all_of_it_is_gone() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let before = now();
        let (_, editors, mapped) = company(&stage).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let bob = hubs::user(&stage.scim, BOB).await;
        let waiting = now();
        stage.membership(&editors, "add", &ann).await;
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        let there = now();
        stage.membership(&editors, "remove", &ann).await;
        stage.until_role(ANN, None).await;
        stage.at_rest().await;
        let gone = now();

        let check = async |when: &str| {
            let why = explain(&stage.admin, &ann, Some(&there)).await;
            let place = format!("{} {when}: {why:#}", database.name);
            assert_eq!((&why["answer"], &why["held"][0]["role"]), (&json!("has_access"), &json!("editor")), "{place}");
            assert_eq!((&why["asked"], &why["at"]), (&json!(there), &json!(there)), "{place}");
            let began = said(&why, "began");
            assert_eq!(began["task"], why["held"][0]["from_task"], "{place}");
            assert!(began["text"].as_str().unwrap().contains("put into group editors"), "{place}");
            assert_eq!(why["began"]["tries"][0]["outcome"], "applied", "{place}");
            let given = said(&why, "given_by");
            assert_eq!(given["subjects"], json!(["group editors"]), "{place}");
            assert!(given["text"].as_str().unwrap().contains(" by token "), "by the token's name: {place}");
            let ended = said(&why, "ended");
            assert_eq!(ended["task"], why["held"][0]["to_task"], "{place}");
            assert!(ended["text"].as_str().unwrap().contains("taken out of group editors"), "{place}");
            let rule = why["mappings"].as_array().unwrap().iter().find(|one| one["id"] == *mapped).unwrap();
            assert_eq!((&rule["applied"], &rule["app_role"]), (&json!("counted"), &json!("editor")), "{place}");
        };
        check("as it is now").await;

        let after = explain(&stage.admin, &ann, Some(&gone)).await;
        assert_eq!(after["answer"], "no_access", "{}: {after:#}", database.name);
        assert!(said(&after, "before")["text"].as_str().unwrap().contains("editor was held"), "{after:#}");
        assert!(after["summary"].to_string().contains("out of group editors since"), "{after:#}");
        let earlier = explain(&stage.admin, &ann, Some(&waiting)).await;
        assert_eq!(codes(&earlier), ["was_not", "no_mapping", "not_in_mapped_group", "after"], "{earlier:#}");
        let never = explain(&stage.admin, &ann, Some(&before)).await;
        assert_eq!(never["user"]["state"], "not_yet_here", "{never:#}");
        // A day is all of it, as far as it is over.
        let day = explain(&stage.admin, &ann, Some(&there[..10])).await;
        assert_eq!((&day["answer"], &day["held"][0]["role"]), (&json!("has_access"), &json!("editor")), "{day:#}");
        let absent = explain(&stage.admin, &bob, Some(&there)).await;
        assert_eq!(codes(&absent), ["was_not", "no_mapping", "not_in_mapped_group"], "{absent:#}");

        // The role of the mapping changes, then the mapping, the group and the person go.
        let (admin, scim) = (&stage.admin, &stage.scim);
        hubs::mapping(admin, "box", &json!({"group": "editors", "app_role": "admin"})).await;
        check("the mapping gives another role").await;
        let reply = admin.delete(&format!("/api/v1/hubs/box/mappings/{mapped}")).await;
        assert!(reply.status < 300, "{}", reply.text());
        scim.delete(&format!("/scim/v2/Groups/{editors}")).await.expect(204);
        scim.delete(&format!("/scim/v2/Users/{ann}")).await.expect(204);
        check("all of it is gone").await;
        let left = explain(admin, &ann, Some(&now())).await;
        assert_eq!((codes(&left)[1], &left["user"]["state"]), ("user_deleted", &json!("deleted")), "{left:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_of_no_moment_of_the_future_or_of_nobody_is_refused() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let path = format!("/api/v1/hubs/box/users/{ann}/explain");
        for (at, words) in [
            ("2999-01-01", "lies in the future"),
            ("2999-01-01T00:00:00Z", "lies in the future"),
            ("yesterday", "must be a moment"),
            ("2026-02-30", "must be a moment"),
            ("2026-01-31T12:00", "must be a moment"),
            ("", "must be a moment"),
        ] {
            let reply = stage.admin.get(&format!("{path}?at={at}")).await;
            let text = reply.text();
            assert_eq!((reply.status, reply.header("content-type")), (400, Some("application/problem+json")), "{text}");
            let problem = reply.json();
            assert_eq!(problem["errors"][0]["field"], "at", "{at}: {problem}");
            assert!(problem["errors"][0]["detail"].as_str().unwrap().contains(words), "{at}: {problem}");
        }
        stage.admin.get(&format!("{path}?when=2026-01-01")).await.expect(400);
        for odd in [
            String::from("/api/v1/hubs/box/users/nobody/explain?at=2026-01-01"),
            String::from("/api/v1/hubs/box/users/01890a5d-ac96-774b-bcce-b302099a8057/explain?at=2026-01-01"),
            format!("/api/v1/hubs/nowhere/users/{ann}/explain?at=2026-01-01"),
        ] {
            let reply = stage.admin.get(&odd).await;
            assert_eq!((reply.status, reply.header("content-type")), (404, Some("application/problem+json")), "{odd}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_day_and_an_absence_are_asked_for_and_drawn_on_the_page_without_a_script() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (_, editors, _) = company(&stage).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let bob = hubs::user(&stage.scim, BOB).await;
        stage.membership(&editors, "add", &ann).await;
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        let there = now();
        stage.membership(&editors, "remove", &ann).await;
        stage.until_role(ANN, None).await;
        stage.at_rest().await;
        let reader = Visitor::signed_in(&stage.server.base, &stage.server.token("read")).await;

        // From the hub to a person by name, present or absent.
        let hub = reader.get("/hubs/box/members").await.expect(200).text();
        assert!(hub.contains("/people?hub=box"), "{hub}");
        let found = reader.get(&format!("/people?hub=box&q={BOB}")).await.expect(303);
        let path = format!("/hubs/box/users/{bob}");
        assert_eq!(found.header("location"), Some(path.as_str()));
        let absent = reader.get(&path).await.expect(200).text();
        assert!(
            absent.contains("group viewers (viewer) and group editors (editor): the user is in none of them"),
            "{absent}"
        );
        assert!(absent.contains("name=\"at\"") && absent.contains("method=\"get\""), "{absent}");

        let past = reader.get(&format!("/hubs/box/users/{ann}?at={there}")).await.expect(200).text();
        assert!(past.contains("<svg") && past.contains("gave editor"), "{past}");
        assert!(past.contains("given at that moment by group editors (editor)"), "{past}");
        assert!(past.contains("taken out of group editors") && !past.contains("http-equiv=\"refresh\""), "{past}");
        let day = reader.get(&format!("/hubs/box/users/{ann}?at={}", &there[..10])).await.expect(200).text();
        assert!(day.contains("held editor from"), "{day}");
        let not = reader.get(&format!("/hubs/box/users/{bob}?at={there}")).await.expect(200).text();
        assert!(not.contains("held nothing in this hub at") && not.contains("not in group editors"), "{not}");
        let future = reader.get(&format!("/hubs/box/users/{ann}?at=2999-01-01")).await.expect(400).text();
        assert!(future.contains("lies in the future"), "{future}");
        // An empty field of the form asks about now.
        let empty = reader.get(&format!("/hubs/box/users/{ann}?at=")).await.expect(200).text();
        assert!(empty.contains("no mapping of this hub gives this person access"), "{empty}");
    }
}
