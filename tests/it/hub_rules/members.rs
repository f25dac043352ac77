//! Section 4: what a person does with one account of a hub.

use scimhub::domain::member::Presence;
use serde_json::json;

use super::Stage;
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

const ANN: &str = "ann@example.com";
const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test(flavor = "multi_thread")]
async fn r4_2_an_account_without_a_known_address_is_matched_by_hand() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let (member, remote) = stage.found(&database, "ann.private@mail.test", "viewer", Presence::Active).await;
        stage.act(&member, "match", &json!({"user": "ANN@example.com", "hub_role": "collaborator"})).await.expect(200);
        // Bound, and left as it is: no mapping reaches her.
        stage.at_rest().await;
        let row = stage.member_of(&ann).await.unwrap();
        assert_eq!((&row["bucket"], &row["managed"]), (&json!("onboarded"), &json!(false)), "{}", database.name);
        // A mapping that reaches her finds the matched account, whatever its address.
        hubs::mapping(&stage.admin, "box", &json!({"user": ANN, "app_role": "editor"})).await;
        stage.until_role("ann.private@mail.test", Some("editor")).await;
        stage.at_rest().await;
        assert_eq!(stage.role_in_app(ANN).await, None, "{}: no second account", database.name);
        assert_eq!(stage.member_of(&ann).await.unwrap()["remote_id"], remote.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_3_a_match_names_the_user_and_a_hub_role() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let (member, _) = stage.found(&database, "a@mail.test", "viewer", Presence::Active).await;
        let wrong = [
            (json!({"user": ann}), 400, "hub_role"),
            (json!({"hub_role": "owner"}), 400, "user"),
            (json!({"user": ann, "hub_role": "boss"}), 400, "hub_role"),
            (json!({"user": " ", "hub_role": "owner"}), 400, "user"),
            (json!({"user": ann, "hub_role": "owner", "role": "x"}), 400, "role"),
            (json!({"user": "nobody@example.com", "hub_role": "owner"}), 404, "user"),
            (json!({"user": NOBODY, "hub_role": "owner"}), 404, "user"),
        ];
        for (body, status, word) in wrong {
            let reply = stage.act(&member, "match", &body).await.expect(status);
            assert!(reply.text().contains(word), "{}: {body}: {}", database.name, reply.text());
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        }
        stage.act(NOBODY, "match", &json!({"user": ann, "hub_role": "owner"})).await.expect(404);
        let elsewhere = format!("/api/v1/hubs/nowhere/members/{member}/match");
        stage.admin.post(&elsewhere, &json!({"user": ann, "hub_role": "owner"})).await.expect(404);
        assert_eq!(stage.bucket("unmatched").await.len(), 1, "{}: nothing changed", database.name);

        let row =
            stage.act(&member, "match", &json!({"user": ann, "hub_role": "collaborator"})).await.expect(200).json();
        assert_eq!((&row["bucket"], &row["hub_role"]), (&json!("onboarded"), &json!("collaborator")));
        stage.act(&member, "match", &json!({"user": ann, "hub_role": "collaborator"})).await.expect(409);
        assert_eq!(stage.told("member.matched").await.len(), 1, "{}: told once", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_4_removing_an_unmatched_account_takes_it_out_of_the_app() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (member, remote) = stage.found(&database, "stranger@mail.test", "editor", Presence::Active).await;
        stage.act(&member, "remove", &json!({"mode": "hub_only"})).await.expect(409);
        let done = stage.act(&member, "remove", &json!({})).await.expect(200).json();
        let task = format!("/api/v1/tasks/{}", done["task"].as_str().unwrap());
        let made = stage.admin.get(&task).await.expect(200).json();
        assert_eq!((&made["subject"], &made["cause"]), (&json!(format!("remote:{remote}")), &json!("by_hand")));
        eventually("it is gone", SOON, async || stage.seat(&remote).await.is_none()).await;
        eventually("it is recorded", SOON, async || {
            stage.admin.get(&task).await.expect(200).json()["status"] == "completed"
        })
        .await;
        stage.act(&member, "remove", &json!({})).await.expect(409);
        assert_eq!(stage.told("member.removed").await.len(), 1, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_5_an_exempted_account_is_never_touched() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (member, remote) = stage.found(&database, ANN, "viewer", Presence::Active).await;
        for body in [json!({}), json!({"reason": "  "})] {
            let reply = stage.act(&member, "exempt", &body).await.expect(400);
            assert!(reply.text().contains("reason"), "{}", reply.text());
        }
        stage.act(&member, "unexempt", &json!({})).await.expect(409);
        stage.act(&member, "exempt", &json!({"reason": "agency account, kept by contract"})).await.expect(200);
        let shown = stage.bucket("exempted").await;
        assert_eq!(shown[0]["exempt_reason"], "agency account, kept by contract", "{}: {shown:?}", database.name);
        for (verb, body) in [
            ("exempt", json!({"reason": "again"})),
            ("remove", json!({})),
            ("match", json!({"user": ANN, "hub_role": "owner"})),
            ("adopt", json!({})),
        ] {
            let reply = stage.act(&member, verb, &body).await.expect(409);
            assert!(reply.text().contains("exempted"), "{verb}: {}", reply.text());
        }
        // Even a grant to the very person whose address it shows changes nothing in the app.
        hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let bob = hubs::user(&stage.scim, "bob@example.com").await;
        hubs::group(&stage.scim, "editors", &[&ann, &bob]).await;
        stage.until_role("bob@example.com", Some("editor")).await;
        stage.at_rest().await;
        assert_eq!(stage.kinds().await, ["add"], "{}: Bob's, and no other", database.name);
        let seat = stage.seat(&remote).await.unwrap();
        assert_eq!(seat["roles"][0]["value"], "viewer", "{}: {seat}", database.name);
        // Un-exempted it is one of ours again, and the grant reaches it without an invitation.
        let row = stage.act(&member, "unexempt", &json!({})).await.expect(200).json();
        assert_eq!((&row["bucket"], row.get("exempt_reason")), (&json!("unmatched"), None));
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        assert_eq!(stage.kinds().await, ["add", "update_role"], "{}", database.name);
        for kind in ["member.exempted", "member.unexempted"] {
            assert_eq!(stage.told(kind).await.len(), 1, "{}: {kind}", database.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_6_a_grant_to_somebody_already_in_the_app_only_matches_them() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (_, remote) = stage.found(&database, ANN, "editor", Presence::Active).await;
        let (_, other) = stage.found(&database, "bob@example.com", "viewer", Presence::Active).await;
        hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
        let ann = hubs::user(&stage.scim, "ANN@example.com").await;
        let bob = hubs::user(&stage.scim, "bob@example.com").await;
        hubs::group(&stage.scim, "editors", &[&ann, &bob]).await;
        eventually("both are matched", SOON, async || stage.bucket("onboarded").await.len() == 2).await;
        stage.until_role("bob@example.com", Some("editor")).await;
        stage.at_rest().await;
        assert_eq!(stage.kinds().await, ["update_role"], "{}: no invitation; Bob's role differed", database.name);
        let row = stage.member_of(&ann).await.unwrap();
        assert_eq!((&row["remote_id"], &row["managed"]), (&json!(remote), &json!(true)), "{}", database.name);
        assert!(stage.seat(&other).await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_9_the_owner_claims_an_account_under_another_address() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let (member, _) = stage.found(&database, "ann@facebook.test", "admin", Presence::Active).await;
        let reply = stage.act(&member, "claim", &json!({})).await.expect(400);
        assert!(reply.text().contains("user"), "{}", reply.text());
        let row = stage.act(&member, "claim", &json!({"user": ANN})).await.expect(200).json();
        assert_eq!(
            (&row["hub_role"], &row["role"], &row["bucket"]),
            (&json!("owner"), &json!("admin"), &json!("onboarded")),
            "{}",
            database.name
        );
        // It stands: a group that makes her a collaborator does not take it.
        hubs::mapping(&stage.admin, "box", &json!({"group": "admins", "app_role": "admin"})).await;
        hubs::group(&stage.scim, "admins", &[&ann]).await;
        eventually("she is managed", SOON, async || stage.member_of(&ann).await.unwrap()["managed"] == true).await;
        stage.at_rest().await;
        assert_eq!(stage.member_of(&ann).await.unwrap()["hub_role"], "owner", "{}", database.name);
        assert_eq!(stage.told("member.claimed").await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_10_a_removal_leaves_the_person_in_the_workspace() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ann = hubs::user(&stage.scim, ANN).await;
        hubs::mapping(&stage.admin, "box", &json!({"user": ANN, "app_role": "editor"})).await;
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        let before = stage.scim.get(&format!("/scim/v2/Users/{ann}")).await.expect(200).json();
        let member = stage.member_of(&ann).await.unwrap()["id"].as_str().unwrap().to_owned();
        let done = stage.act(&member, "remove", &json!({"mode": "hub_and_app"})).await.expect(200).json();
        assert!(done["task"].is_string(), "{done}");
        stage.until_role(ANN, None).await;
        stage.at_rest().await;
        assert_eq!(stage.kinds().await, ["add", "remove"], "{}: once", database.name);
        let after = stage.scim.get(&format!("/scim/v2/Users/{ann}")).await.expect(200).json();
        assert_eq!(after, before, "{}", database.name);
        let shares = stage.admin.get("/api/v1/hubs/box/mappings").await.expect(200).json();
        assert_eq!(shares["items"], json!([]), "{}: her share is gone", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_11_two_accounts_cannot_be_one_persons() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        hubs::user(&stage.scim, ANN).await;
        let (first, _) = stage.found(&database, "one@mail.test", "viewer", Presence::Active).await;
        let (second, _) = stage.found(&database, "two@mail.test", "viewer", Presence::Active).await;
        let body = json!({"user": ANN, "hub_role": "collaborator"});
        stage.act(&first, "match", &body).await.expect(200);
        let reply = stage.act(&second, "match", &body).await.expect(409);
        assert!(reply.text().contains(&first), "{}: names the other row: {}", database.name, reply.text());
        assert_eq!(stage.bucket("unmatched").await.len(), 1, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_found_account_is_adopted_as_it_is() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let (member, remote) = stage.found(&database, "a@mail.test", "viewer", Presence::Active).await;
        stage.act(&member, "adopt", &json!({})).await.expect(409);
        stage.act(&member, "match", &json!({"user": ANN, "hub_role": "collaborator"})).await.expect(200);
        let row = stage.act(&member, "adopt", &json!({})).await.expect(200).json();
        assert_eq!(row["managed"], true);
        stage.act(&member, "adopt", &json!({})).await.expect(409);
        stage.at_rest().await;
        assert_eq!(stage.kinds().await, Vec::<String>::new(), "{}: adopting removes nobody", database.name);
        assert_eq!(stage.seat(&remote).await.unwrap()["roles"][0]["value"], "viewer");
        // Managed means: it ends with the person.
        super::set_active(&stage.scim, &ann, false).await;
        eventually("it is gone", SOON, async || stage.seat(&remote).await.is_none()).await;
    }
}
