//! Teams managed here beside an identity provider's groups, and taking a team out of a hub.

use serde_json::json;

use super::rights::{lacks, token};
use super::{Stage, set_active};
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

const ANN: &str = "ann@example.com";
const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_managed_here_or_by_the_idp_never_both() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let admin = &stage.admin;
        let ann = hubs::user(&stage.scim, ANN).await;
        let pushed = hubs::group(&stage.scim, "sales", &[]).await;
        for body in [json!({}), json!({"name": "  "}), json!({"name": "a\u{7}b"}), json!({"name": 7})] {
            let reply = admin.post("/api/v1/teams", &body).await.expect(400);
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{body}");
        }
        let team = admin.post("/api/v1/teams", &json!({"name": "Night shift"})).await.expect(201).json();
        assert_eq!((&team["kind"], &team["size"]), (&json!("self_managed"), &json!(0)), "{}", database.name);
        admin.post("/api/v1/teams", &json!({"name": "night SHIFT"})).await.expect(409);
        let id = team["id"].as_str().unwrap().to_owned();
        let one = format!("/api/v1/teams/{id}");
        admin.put(&format!("{one}/members/{NOBODY}"), &json!({})).await.expect(404);
        admin.put(&format!("/api/v1/teams/{NOBODY}/members/{ann}"), &json!({})).await.expect(404);
        admin.put(&format!("{one}/members/{ann}"), &json!({})).await.expect(204);
        admin.patch(&one, &json!({"name": "Night crew"})).await.expect(200);
        let shown = admin.get(&one).await.expect(200).json();
        assert_eq!((&shown["name"], &shown["members"][0]["id"]), (&json!("Night crew"), &json!(ann)));
        let all = admin.get("/api/v1/teams?limit=1").await.expect(200).json();
        let next = all["next"].as_str().unwrap();
        let rest = admin.get(&format!("/api/v1/teams?limit=1&cursor={next}")).await.expect(200).json();
        let kinds = [&all["items"][0]["kind"], &rest["items"][0]["kind"]];
        assert!(kinds.contains(&&json!("idp")) && kinds.contains(&&json!("self_managed")), "{kinds:?}");

        // The IdP's group is the IdP's.
        let theirs = format!("/api/v1/teams/{pushed}");
        admin.patch(&theirs, &json!({"name": "mine"})).await.expect(409);
        admin.delete(&theirs).await.expect(409);
        admin.put(&format!("{theirs}/members/{ann}"), &json!({})).await.expect(409);
        admin.delete(&format!("{theirs}/members/{ann}")).await.expect(409);
        // And ours is nothing to the IdP: it neither sees nor changes it, not even through a user.
        let scim = &stage.scim;
        let path = format!("/scim/v2/Groups/{id}");
        scim.get(&path).await.expect(404);
        scim.delete(&path).await.expect(404);
        scim.put(&path, &json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "x"}))
            .await
            .expect(404);
        let found = scim.get("/scim/v2/Groups?filter=displayName%20eq%20%22Night%20crew%22").await.expect(200).json();
        assert_eq!(found["totalResults"], 0, "{}: {found}", database.name);
        let user = scim.get(&format!("/scim/v2/Users/{ann}")).await.expect(200).json();
        assert!(!user.to_string().contains(&id), "{}: {user}", database.name);
        let users = scim.get("/scim/v2/Users").await.expect(200).json();
        assert!(!users.to_string().contains(&id), "{}: {users}", database.name);
        let guess = format!("/scim/v2/Users?filter=groups.value%20eq%20%22{id}%22");
        let guessed = scim.get(&guess).await.expect(200).json();
        assert_eq!(guessed["totalResults"], 0, "{}: {guessed}", database.name);
        for kind in ["team.created", "team.renamed", "team.member_added"] {
            assert_eq!(stage.told(kind).await.len(), 1, "{}: {kind}", database.name);
        }
        // No credential can be made for where it belongs.
        let tokens = json!({"name": "t", "scope": "scim", "source": "0"});
        assert!(admin.post("/api/v1/tokens", &tokens).await.status >= 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_managed_here_gives_access_like_any_group() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let admin = &stage.admin;
        let ann = hubs::user(&stage.scim, ANN).await;
        let team = admin.post("/api/v1/teams", &json!({"name": "writers"})).await.expect(201).json();
        let one = format!("/api/v1/teams/{}", team["id"].as_str().unwrap());
        hubs::mapping(admin, "box", &json!({"group_id": team["id"], "app_role": "editor"})).await;
        admin.put(&format!("{one}/members/{ann}"), &json!({})).await.expect(204);
        admin.put(&format!("{one}/members/{ann}"), &json!({})).await.expect(204);
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        let why = admin.get(&format!("/api/v1/hubs/box/users/{ann}/explain")).await.expect(200).json();
        assert!(why.to_string().contains("group writers"), "{}: {why}", database.name);
        admin.delete(&format!("{one}/members/{ann}")).await.expect(204);
        admin.delete(&format!("{one}/members/{ann}")).await.expect(204);
        stage.until_role(ANN, None).await;
        stage.at_rest().await;
        assert_eq!(stage.kinds().await, ["add", "remove"], "{}", database.name);
        // Deleting a whole team waits for a person, as an IdP's group does.
        admin.put(&format!("{one}/members/{ann}"), &json!({})).await.expect(204);
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        admin.delete(&one).await.expect(204);
        eventually("the removal is held", SOON, async || {
            admin.get("/api/v1/tasks?hub=box&status=held").await.expect(200).json()["items"].as_array().unwrap().len()
                == 1
        })
        .await;
        assert_eq!(stage.role_in_app(ANN).await.as_deref(), Some("editor"), "{}", database.name);
        set_active(&stage.scim, &ann, false).await;
    }
}

/// Ann has an account through the team alone, Bob through another team too.
#[tokio::test(flavor = "multi_thread")]
async fn r5_10_removing_a_team_keeps_who_has_another_grant() {
    for database in databases() {
        for mode in ["hub_and_app", "hub_only"] {
            let fresh = database_like(&database);
            let stage = Stage::new(&fresh, "0s").await;
            let mapping = hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
            hubs::mapping(&stage.admin, "box", &json!({"group": "all", "app_role": "viewer"})).await;
            let ann = hubs::user(&stage.scim, ANN).await;
            let mut others = Vec::new();
            for name in ["bob@example.com", "cid@example.com", "dan@example.com", "eve@example.com"] {
                others.push(hubs::user(&stage.scim, name).await);
            }
            let all: Vec<&str> = others.iter().map(String::as_str).collect();
            hubs::group(&stage.scim, "all", &all).await;
            hubs::group(&stage.scim, "editors", &[&ann, &others[0]]).await;
            stage.until_role(ANN, Some("editor")).await;
            stage.until_role("bob@example.com", Some("editor")).await;
            stage.at_rest().await;
            let path = format!("/api/v1/hubs/box/mappings/{mapping}");
            stage.admin.delete(&format!("{path}?mode=both")).await.expect(400);
            stage.admin.delete(&format!("{path}?mode={mode}")).await.expect(204);
            if mode == "hub_and_app" {
                stage.until_role(ANN, None).await;
                stage.until_role("bob@example.com", Some("viewer")).await;
                stage.at_rest().await;
            } else {
                stage.at_rest().await;
                for (user, name) in [(&ann, ANN), (&others[0], "bob@example.com")] {
                    assert_eq!(stage.role_in_app(name).await.as_deref(), Some("editor"), "{}: {name}", database.name);
                    // The wide mark of a changed mapping is not among the marks that rest counts.
                    eventually("the share is the reason", SOON, async || {
                        let row = stage.member_of(user).await.unwrap();
                        row["reasons"].to_string().contains(&format!("user {name}"))
                    })
                    .await;
                }
                let kinds = stage.kinds().await;
                assert!(kinds.iter().all(|kind| kind == "add" || kind == "update_role"), "{kinds:?}");
                let share = stage.admin.get("/api/v1/hubs/box/mappings").await.expect(200).json();
                let shares: Vec<_> =
                    share["items"].as_array().unwrap().iter().filter(|m| m["user"].is_string()).collect();
                assert_eq!(shares.len(), 2, "{}: {share}", database.name);
                let one = shares[0]["id"].as_str().unwrap();
                stage.admin.delete(&format!("/api/v1/hubs/box/mappings/{one}?mode=hub_only")).await.expect(409);
            }
        }
    }
}

/// A fresh database of the same kind.
fn database_like(one: &crate::support::Database) -> crate::support::Database {
    databases().into_iter().find(|other| other.name == one.name).unwrap()
}

/// What waits for a group of the identity provider is no way in for whoever may make teams.
#[tokio::test(flavor = "multi_thread")]
async fn r3_2_a_team_takes_up_a_waiting_share_only_by_who_manages_the_hub() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (admin, scim) = (&stage.admin, &stage.scim);
        let ben = hubs::user(scim, "ben@example.com").await;
        admin.put(&format!("/api/v1/people/{ben}/role"), &json!({"role": "admin"})).await.expect(200);
        let as_ben = token(&stage.server, "--as", "ben@example.com");
        hubs::mapping(admin, "box", &json!({"group": "designers", "app_role": "editor"})).await;
        let reply = as_ben.post("/api/v1/teams", &json!({"name": "Designers"})).await;
        lacks(&reply, "manage_members");
        assert!(reply.text().contains("hub 'box'"), "{}: {}", database.name, reply.text());
        let other = as_ben.post("/api/v1/teams", &json!({"name": "others"})).await.expect(201).json();
        let rename = format!("/api/v1/teams/{}", other["id"].as_str().unwrap());
        lacks(&as_ben.patch(&rename, &json!({"name": "designers"})).await, "manage_members");
        // The real group still finds its share, and whoever runs the hub may say that a team is meant.
        hubs::group(scim, "designers", &[&ben]).await;
        stage.until_role("ben@example.com", Some("editor")).await;
        hubs::mapping(admin, "box", &json!({"group": "writers", "app_role": "viewer"})).await;
        admin.put(&format!("/api/v1/hubs/box/managers/{ben}"), &json!({"role": "manager"})).await.expect(200);
        as_ben.post("/api/v1/teams", &json!({"name": "writers"})).await.expect(201);
    }
}
