//! T-02: nobody takes over somebody's account, or somebody's access, by an e-mail address. A sync
//! matches letter by letter but for ASCII case, once; afterwards the app's stable id is the binding.

use serde_json::{Value, json};

use crate::hub_rules::sync::{alter, hub, member, members, seats, serve, sync};
use crate::hubs::{SOON, clients, group, mapping, mending, user};
use crate::support::{databases, eventually};

/// Addresses that people, mail servers or fonts take for ann@example.com.
const ALIKE: [&str; 10] = [
    "ann+ads@example.com",
    "a.nn@example.com",
    "ann@example.com.",
    "\u{430}nn@example.com",
    "ann@ex\u{430}mple.com",
    "\u{ff41}nn@example.com",
    "ann@example\u{3002}com",
    "ann\u{200b}@example.com",
    "ann@example.com@evil.example",
    "\u{e5}nn@example.com",
];

#[tokio::test(flavor = "multi_thread")]
async fn t_02_no_address_that_looks_alike_is_matched() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        user(&scim, "ann@example.com").await;
        let accounts: Vec<(&str, &str, bool)> = ALIKE.iter().map(|email| (*email, "admin", true)).collect();
        seats(&app, "ads", &accounts).await;
        hub(&admin, &app, "ads", json!({})).await;
        let done = sync(&admin, "ads").await;
        assert_eq!(done["sync"]["counts"]["matched"], 0, "{}: {done}", database.name);
        let all = members(&admin, "ads").await;
        assert_eq!(all.len(), ALIKE.len(), "{all:?}");
        for one in all {
            assert_eq!((&one["bucket"], one.get("user")), (&json!("unmatched"), None), "{}: {one}", database.name);
        }
    }
}

/// The other side: a person of the directory whose address only looks like the account's.
#[tokio::test(flavor = "multi_thread")]
async fn t_02_a_person_whose_address_looks_alike_gets_nobodys_account() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        for name in ["\u{ff41}nn@example.com", "\u{212a}im@example.com", "bob+x@example.com"] {
            user(&scim, name).await;
        }
        seats(
            &app,
            "ads",
            &[
                ("ann@example.com", "admin", true),
                ("kim@example.com", "admin", true),
                ("bob@example.com", "admin", true),
            ],
        )
        .await;
        hub(&admin, &app, "ads", json!({})).await;
        sync(&admin, "ads").await;
        for one in members(&admin, "ads").await {
            assert_eq!(one["bucket"], "unmatched", "{}: {one}", database.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_02_a_changed_address_on_either_side_moves_no_binding() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let ann = user(&scim, "ann@example.com").await;
        seats(&app, "ads", &[("ann@example.com", "editor", true), ("mallory@example.com", "viewer", true)]).await;
        hub(&admin, &app, "ads", json!({})).await;
        sync(&admin, "ads").await;
        let bound = member(&admin, "ads", "ann@example.com").await;
        assert_eq!(bound["user"], ann);
        let email =
            |value: &str| json!({"op": "replace", "path": "emails", "value": [{"value": value, "primary": true}]});
        // In the app: hers becomes another, and another account takes the address.
        alter(&app, "ads", "ann@example.com", email("renamed@example.com")).await;
        alter(&app, "ads", "mallory@example.com", email("ann@example.com")).await;
        // In the directory: somebody new bears the address that her account shows now.
        user(&scim, "renamed@example.com").await;
        for round in 0..2 {
            sync(&admin, "ads").await;
            let all = members(&admin, "ads").await;
            let of = |remote: &Value| all.iter().find(|one| &one["remote_id"] == remote).unwrap().clone();
            let hers = of(&bound["remote_id"]);
            assert_eq!((&hers["user"], &hers["id"]), (&json!(ann), &bound["id"]), "{} {round}", database.name);
            let others: Vec<&Value> = all.iter().filter(|one| one["remote_id"] != bound["remote_id"]).collect();
            assert_eq!(others.len(), 1);
            assert_eq!(
                (&others[0]["bucket"], others[0].get("user")),
                (&json!("unmatched"), None),
                "{} {round}",
                database.name
            );
            // And her own address changes in the directory too.
            let renamed = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
                {"op": "replace", "path": "userName", "value": "ann.new@example.com"}]});
            scim.patch(&format!("/scim/v2/Users/{ann}"), &renamed).await.expect(200);
        }
    }
}

/// Whoever may write to the directory makes nobody's account somebody's by changing an address.
#[tokio::test(flavor = "multi_thread")]
async fn t_02_an_address_taken_later_claims_no_account_that_was_known() {
    for database in databases() {
        let server = serve(&database);
        let (admin, scim) = clients(&server);
        let app = mending::sandbox();
        let mallory = user(&scim, "mallory@example.com").await;
        let ned = user(&scim, "ned@example.com").await;
        seats(&app, "ads", &[("boss@example.com", "admin", true), ("chief@example.com", "admin", true)]).await;
        hub(&admin, &app, "ads", json!({})).await;
        sync(&admin, "ads").await;
        let patch = |path: &str, value: Value| {
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": path, "value": value}]})
        };
        // The one by an e-mail, the other by a name.
        let emails = patch("emails", json!([{"value": "boss@example.com", "type": "work", "primary": true}]));
        scim.patch(&format!("/scim/v2/Users/{mallory}"), &emails).await.expect(200);
        scim.patch(&format!("/scim/v2/Users/{ned}"), &patch("userName", json!("chief@example.com"))).await.expect(200);
        sync(&admin, "ads").await;
        for name in ["boss@example.com", "chief@example.com"] {
            let row = member(&admin, "ads", name).await;
            assert_eq!((&row["bucket"], row.get("user")), (&json!("unmatched"), None), "{}: {row}", database.name);
        }
        // A grant does not make it theirs either: their additions wait for a person.
        mapping(&admin, "ads", &json!({"group": "viewers", "app_role": "viewer"})).await;
        group(&scim, "viewers", &[&mallory, &ned]).await;
        eventually("the planner has looked", SOON, async || {
            let status = admin.get("/api/v1/status").await.expect(200).json();
            status["hubs"][0]["marks"] == 0
        })
        .await;
        for name in ["boss@example.com", "chief@example.com"] {
            let row = member(&admin, "ads", name).await;
            assert_eq!((&row["bucket"], row.get("user")), (&json!("unmatched"), None), "{}: {row}", database.name);
            assert_eq!(row["role"], "admin", "{}: {row}", database.name);
        }
        // Somebody who arrives with the address is matched, as before (R7.4).
        seats(&app, "ads", &[("new@example.com", "viewer", true)]).await;
        sync(&admin, "ads").await;
        let late = user(&scim, "new@example.com").await;
        sync(&admin, "ads").await;
        assert_eq!(member(&admin, "ads", "new@example.com").await["user"], late, "{}", database.name);
    }
}
