//! T-08: accounts and roles that automation does not change without a person, through HTTP against
//! the practice app.

use std::time::Duration;

use scimhub::base::clock::{Clock as _, SystemClock};
use scimhub::domain::member::Presence;
use serde_json::{Value, json};

use super::batches::{batch, batch_of, email, member, task_of, with_own_group};
use super::{Stage, set_active};
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

async fn release(stage: &Stage, batch: &Value, task: &str) {
    let path = format!("/api/v1/held/{}/release", batch["id"].as_str().unwrap());
    stage.admin.post(&path, &json!({"tasks": [task], "note": "this once"})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t_08_a_protected_account_is_held_alike_whatever_the_change_came_from() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let names = ["put", "patch", "delete", "leave", "replace", "group", "mapping", "lower", "raise", "file"];
        let mut people = Vec::new();
        for name in names {
            people.push(with_own_group(&stage, name, "editor").await);
        }
        for name in names {
            stage.until_role(&email(name), Some("editor")).await;
        }
        stage.at_rest().await;
        for (user, ..) in &people {
            let row = stage.act(&member(&stage, user).await, "protect", &json!({"reason": "runs the ads"})).await;
            let row = row.expect(200).json();
            assert_eq!((&row["protected"], &row["protection"]["reason"]), (&json!(true), &json!("runs the ads")));
        }
        let patch = |operations: Value| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
        for (name, (user, group, mapping)) in names.iter().zip(&people) {
            let one = format!("/api/v1/hubs/box/mappings/{mapping}");
            match *name {
                "put" => {
                    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                        "userName": email(name), "active": false});
                    stage.scim.put(&format!("/scim/v2/Users/{user}"), &body).await.expect(200);
                }
                "patch" => set_active(&stage.scim, user, false).await,
                "delete" => {
                    stage.scim.delete(&format!("/scim/v2/Users/{user}")).await.expect(204);
                }
                "leave" => stage.membership(group, "remove", user).await,
                "replace" => {
                    let body = patch(json!([{"op": "replace", "path": "members", "value": []}]));
                    stage.scim.patch(&format!("/scim/v2/Groups/{group}"), &body).await.expect(204);
                }
                "group" => {
                    stage.scim.delete(&format!("/scim/v2/Groups/{group}")).await.expect(204);
                }
                "mapping" => {
                    let gone = stage.admin.delete(&one).await;
                    assert!(gone.status < 300, "{}", gone.text());
                }
                "lower" | "raise" => {
                    let role = if *name == "lower" { "viewer" } else { "admin" };
                    let body = json!({"group": format!("g-{name}"), "app_role": role});
                    hubs::mapping(&stage.admin, "box", &body).await;
                }
                _ => {
                    let text = "[[hub]]\nid = \"box\"\n[[hub.mapping]]\ngroup = \"g-file\"\napp_role = \"viewer\"\n";
                    let files = json!({"files": [{"name": "f.toml", "text": text}]});
                    stage.admin.post("/api/v1/apply", &files).await.expect(200);
                }
            }
        }
        let held = batch_of(&stage, "protected_member", names.len()).await;
        assert_eq!((&held["one_by_one"], &held["leavers"]), (&json!(true), &json!(3)), "{}: {held}", database.name);
        // Everything looked at anew: the same answer, no second task, nothing at the app.
        stage.admin.patch("/api/v1/hubs/box", &json!({"policy": {"removal_limit": 9}})).await.expect(200);
        eventually("all marks are planned", SOON, async || {
            let status = stage.admin.get("/api/v1/status").await.expect(200).json();
            status["hubs"][0]["marks"] == 0
        })
        .await;
        let again = batch_of(&stage, "protected_member", names.len()).await;
        assert_eq!((&again["id"], &again["digest"]), (&held["id"], &held["digest"]), "{}", database.name);
        for name in names {
            assert_eq!(stage.role_in_app(&email(name)).await.as_deref(), Some("editor"), "{}: {name}", database.name);
        }
        for task in held["tasks"].as_array().unwrap() {
            let why = &held["protections"][task["id"].as_str().unwrap()];
            assert_eq!(why["reason"], "runs the ads", "{held}");
        }
        assert!(batch(&stage, "half_of_hub").await.is_none(), "what is protected counts for nobody else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_08_one_change_of_a_protected_account_is_let_out_once_and_the_protection_stays() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (ann, group, _) = with_own_group(&stage, "ann", "editor").await;
        let (bob, bobs, _) = with_own_group(&stage, "bob", "editor").await;
        let (row, other) = (member(&stage, &ann).await, member(&stage, &bob).await);
        for id in [&row, &other] {
            stage.act(id, "protect", &json!({"reason": "keeps the books"})).await.expect(200);
        }
        stage.membership(&group, "remove", &ann).await;
        stage.membership(&bobs, "remove", &bob).await;
        let held = batch_of(&stage, "protected_member", 2).await;
        let release_all = format!("/api/v1/held/{}/release", held["id"].as_str().unwrap());
        for body in [json!({}), json!({"expect": held["digest"]}), json!({"until": "2999-01-01T00:00:00Z"})] {
            let reply = stage.admin.post(&release_all, &body).await.expect(400);
            assert!(reply.text().contains("tasks") || reply.text().contains("until"), "{}", reply.text());
        }
        // On the row, in explain, and by hand: who, why, and what is wanted.
        let shown = stage.member_of(&ann).await.unwrap();
        assert_eq!((&shown["held"]["kind"], &shown["held"]["leaver"]), (&json!("remove"), &json!(false)), "{shown}");
        let why = stage.admin.get(&format!("/api/v1/hubs/box/users/{ann}/explain")).await.expect(200).json();
        let told = why["summary"].to_string();
        assert!(told.contains("keeps the books") && told.contains("only a person changes it"), "{told}");
        for (verb, body) in [("remove", json!({})), ("role", json!({"app_role": "viewer"}))] {
            let refused = stage.act(&row, verb, &body).await.expect(409);
            assert!(refused.text().contains("keeps the books"), "{}", refused.text());
        }

        release(&stage, &held, &task_of(&held, &ann)).await;
        stage.until_role(&email("ann"), None).await;
        assert_eq!(stage.role_in_app(&email("bob")).await.as_deref(), Some("editor"), "{}", database.name);
        batch_of(&stage, "protected_member", 1).await;
        assert_eq!(stage.member_of(&ann).await.unwrap()["protected"], true, "{}: it stays", database.name);
        let told = stage.told("hold.released").await;
        assert_eq!(told[0]["detail"]["tasks"], 1, "{told:?}");
        // Only that one: the next wish waits again.
        stage.membership(&group, "add", &ann).await;
        let held = batch_of(&stage, "protected_member", 2).await;
        assert_eq!(stage.role_in_app(&email("ann")).await, None, "{}", database.name);
        task_of(&held, &ann);

        // Unprotected: what was held is planned anew, and goes out.
        stage.act(&row, "unprotect", &json!({"note": "she is back"})).await.expect(200);
        stage.until_role(&email("ann"), Some("editor")).await;
        stage.act(&row, "unprotect", &json!({})).await.expect(409);
        assert_eq!(stage.told("member.unprotected").await.len(), 1);
        assert_eq!(stage.told("member.protected").await.len(), 2, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_leaver_is_seen_at_once_to_be_still_there() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (ann, ..) = with_own_group(&stage, "ann", "editor").await;
        let row = member(&stage, &ann).await;
        stage.act(&row, "protect", &json!({"reason": "owns the account"})).await.expect(200);
        set_active(&stage.scim, &ann, false).await;
        let held = batch_of(&stage, "protected_member", 1).await;
        assert_eq!(held["leavers"], 1, "{}: {held}", database.name);
        let shown = stage.member_of(&ann).await.unwrap();
        assert_eq!((&shown["held"]["leaver"], &shown["known"]), (&json!(true), &json!("active")), "{shown}");
        let why = stage.admin.get(&format!("/api/v1/hubs/box/users/{ann}/explain")).await.expect(200).json();
        assert!(why["summary"].to_string().contains("left and is still in the app"), "{why}");
        assert_eq!(stage.role_in_app(&email("ann")).await.as_deref(), Some("editor"), "{}", database.name);
        release(&stage, &held, &task_of(&held, &ann)).await;
        stage.until_role(&email("ann"), None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protection_ends_at_its_time_and_bad_input_changes_nothing() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (ann, group, _) = with_own_group(&stage, "ann", "editor").await;
        let row = member(&stage, &ann).await;
        for (body, word) in [
            (json!({}), "reason"),
            (json!({"reason": " \n"}), "reason"),
            (json!({"reason": "x", "until": "tomorrow"}), "until"),
            (json!({"reason": "x", "until": "2001-01-01T00:00:00Z"}), "until"),
            (json!({"reason": "x", "days": 7}), "days"),
        ] {
            let reply = stage.act(&row, "protect", &body).await.expect(400);
            assert!(reply.text().contains(word), "{body}: {}", reply.text());
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        }
        stage.act(NOBODY, "protect", &json!({"reason": "x"})).await.expect(404);
        stage.act(&row, "unprotect", &json!({})).await.expect(409);
        let (stray, _) = stage.found(&database, "stray@mail.test", "viewer", Presence::Active).await;
        stage.act(&stray, "exempt", &json!({"reason": "agency"})).await.expect(200);
        stage.act(&stray, "protect", &json!({"reason": "x"})).await.expect(409);
        assert_eq!(stage.told("member.protected").await.len(), 0, "{}", database.name);

        let soon = SystemClock::new().now().plus(Duration::from_secs(4)).to_rfc3339();
        stage.act(&row, "protect", &json!({"reason": "until the audit", "until": soon})).await.expect(200);
        stage.membership(&group, "remove", &ann).await;
        batch_of(&stage, "protected_member", 1).await;
        stage.until_role(&email("ann"), None).await;
        stage.at_rest().await;
        let told = stage.told("member.unprotected").await;
        assert_eq!((told.len(), &told[0]["actor"]), (1, &json!("sweep")), "{}: {told:?}", database.name);
        assert!(batch(&stage, "protected_member").await.is_none(), "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_08_a_protected_role_is_neither_given_nor_taken_without_a_person() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let wrong = json!({"policy": {"protected_roles": ["emperor"]}});
        let reply = stage.admin.patch("/api/v1/hubs/box", &wrong).await.expect(400);
        assert!(
            reply.text().contains("policy.protected_roles") && reply.text().contains("emperor"),
            "{}",
            reply.text()
        );
        let (bob, bobs, _) = with_own_group(&stage, "bob", "admin").await;
        stage.until_role(&email("bob"), Some("admin")).await;
        with_own_group(&stage, "eve", "admin").await;
        with_own_group(&stage, "fay", "viewer").await;
        stage.until_role(&email("fay"), Some("viewer")).await;
        stage.until_role(&email("eve"), Some("admin")).await;
        stage.at_rest().await;
        let protects = json!({"policy": {"protected_roles": ["admin"]}});
        stage.admin.patch("/api/v1/hubs/box", &protects).await.expect(200);
        // Given: by a group that the identity provider fills.
        let (ann, ..) = with_own_group(&stage, "ann", "admin").await;
        let (_, cats, _) = with_own_group(&stage, "cat", "editor").await;
        stage.until_role(&email("cat"), Some("editor")).await;
        let held = batch_of(&stage, "protected_role", 1).await;
        assert_eq!(stage.role_in_app(&email("ann")).await, None, "{}", database.name);
        release(&stage, &held, &task_of(&held, &ann)).await;
        stage.until_role(&email("ann"), Some("admin")).await;
        // Taken: a removal of one who has it, and not of one who has another.
        let cat = stage.admin.get("/api/v1/hubs/box/members").await.expect(200).json();
        let cat = cat["items"].as_array().unwrap().iter().find(|one| one["email"] == email("cat")).unwrap().clone();
        stage.membership(&cats, "remove", cat["user"].as_str().unwrap()).await;
        stage.until_role(&email("cat"), None).await;
        stage.membership(&bobs, "remove", &bob).await;
        batch_of(&stage, "protected_role", 1).await;
        assert_eq!(stage.role_in_app(&email("bob")).await.as_deref(), Some("admin"), "{}", database.name);
        // No longer protected: what was held for that alone goes out.
        stage.admin.patch("/api/v1/hubs/box", &json!({"policy": {"protected_roles": []}})).await.expect(200);
        stage.until_role(&email("bob"), None).await;
        let exported = stage.admin.get("/api/v1/export").await.expect(200).text();
        assert!(!exported.contains("protected_roles"), "{exported}");
    }
}

/// Held once is held: whoever looks at the hub again reads of nothing new, and nothing is planned anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_hub_names_no_change_of_a_protected_account_that_is_held_already() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (ann, _, _) = with_own_group(&stage, "ann", "viewer").await;
        let row = member(&stage, &ann).await;
        stage.act(&row, "protect", &json!({"reason": "keeps the books"})).await.expect(200);
        let look = async || stage.admin.get("/api/v1/hubs/box/plan").await.expect(200).json()["effects"][0].clone();
        hubs::mapping(&stage.admin, "box", &json!({"group": "g-ann", "app_role": "editor"})).await;
        let held = batch_of(&stage, "protected_member", 1).await;
        let again = look().await;
        assert_eq!((&again["promotes"], &again["people"]), (&json!(0), &json!([])), "{}: {again}", database.name);

        // Everything looked at anew: the same task stays.
        stage.admin.patch("/api/v1/hubs/box", &json!({"policy": {"removal_limit": 9}})).await.expect(200);
        eventually("all marks are planned", SOON, async || {
            let status = stage.admin.get("/api/v1/status").await.expect(200).json();
            status["hubs"][0]["marks"] == 0
        })
        .await;
        let same = batch_of(&stage, "protected_member", 1).await;
        assert_eq!(same["tasks"][0]["id"], held["tasks"][0]["id"], "{}: the same task", database.name);

        // Another wish is another change, and is named.
        let body = json!({"group": "g-ann", "app_role": "admin"});
        let preview = stage.admin.post("/api/v1/hubs/box/mappings/preview", &body).await.expect(200).json();
        let people = &preview["effects"][0]["people"];
        assert_eq!((&people[0]["to"], &people[0]["held"]), (&json!("admin"), &json!("protected_member")), "{preview}");
        // Unprotected it would go out: that is named too.
        stage.admin.patch("/api/v1/hubs/box", &json!({"paused": true})).await.expect(200);
        stage.act(&row, "unprotect", &json!({})).await.expect(200);
        let free = look().await;
        assert_eq!((&free["promotes"], &free["held"]), (&json!(1), &json!({})), "{}: {free}", database.name);
    }
}
