//! Who runs a hub: Owners and Managers by name, through a team and by a share, and what is left when
//! they go (business-hubs.md section 3.2), through HTTP with tokens of persons.

use serde_json::{Value, json};

use super::people::{NOBODY, attention, connect, give, owner, person, role, told};
use super::rights::{lacks, token};
use super::{join, set_active};
use crate::hubs::{self, SOON, mending};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{databases, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn r3_2_owners_and_managers_are_made_and_unmade_by_name() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let mut people = Vec::new();
        for name in ["ann", "bob", "cid", "dan"] {
            people.push(hubs::user(&scim, &format!("{name}@example.com")).await);
        }
        let [ann, bob, cid, dan] = &people[..] else { panic!() };
        let [as_ann, as_bob, as_cid] =
            ["ann", "bob", "cid"].map(|name| token(&server, "--as", &format!("{name}@example.com")));
        let body = json!({"id": "ads", "app": "ahrefs", "login": "password", "mode": "active", "settle": "0s",
            "connection": {"unique_identifier": "acme1", "service_account": "svc@example.com"}});
        as_ann.post("/api/v1/hubs", &body).await.expect(201);
        let path = |user: &str| format!("/api/v1/hubs/ads/managers/{user}");
        let list = async || as_ann.get("/api/v1/hubs/ads/managers").await.expect(200).json();
        let all = list().await;
        let mine = &all["items"][0];
        assert_eq!((&mine["user"], &mine["right"], &mine["role"]), (&json!(ann), &json!("owner"), &json!("owner")));
        assert_eq!(mine["sources"], json!([{"role": "owner", "through": "name", "service_account": true}]));
        assert_eq!(mine.get("seat"), None, "she runs it and uses no seat: {mine}");

        for (body, status) in [(json!({}), 400), (role("collaborator"), 400), (json!({"role": "owner", "x": 1}), 400)] {
            as_ann.put(&path(bob), &body).await.expect(status);
        }
        as_ann.put(&path(NOBODY), &role("owner")).await.expect(404);
        as_ann.put(&format!("/api/v1/hubs/none/managers/{bob}"), &role("owner")).await.expect(404);
        as_ann.delete(&path(bob)).await.expect(404);
        set_active(&scim, dan, false).await;
        as_ann.put(&path(dan), &role("manager")).await.expect(409);

        // Without the service account: a Security Manager, who runs people and nothing else.
        let made = as_ann.put(&path("bob@example.com"), &role("owner")).await.expect(200).json();
        assert_eq!((&made["right"], &made["role"]), (&json!("security_manager"), &json!("owner")), "{}", database.name);
        hubs::mapping(&as_bob, "ads", &json!({"user": "cid@example.com", "app_role": "member"})).await;
        lacks(&as_bob.post("/api/v1/hubs/ads/sync", &json!({})).await, "sync_hub");
        lacks(&as_bob.patch("/api/v1/hubs/ads", &json!({"label": "x"})).await, "edit_hub");
        lacks(&as_bob.put(&path(cid), &role("manager")).await, "assign_managers");
        // With it: all that the role may.
        let entrusted = json!({"role": "manager", "service_account": true});
        assert_eq!(as_ann.put(&path(bob), &entrusted).await.expect(200).json()["right"], "manager");
        as_bob.get("/api/v1/hubs/ads/managers").await.expect(200);
        lacks(&as_bob.put(&path(bob), &json!({"role": "owner", "service_account": true})).await, "assign_managers");
        lacks(&as_bob.delete(&path(ann)).await, "assign_managers");
        lacks(&as_cid.get("/api/v1/hubs/ads/managers").await, "read_hub");

        // Nobody takes their own role away, and the last Owner stays.
        for reply in [as_ann.delete(&path(ann)).await, as_ann.put(&path(ann), &entrusted).await] {
            assert!(reply.expect(409).text().contains("their own role"), "{}", database.name);
        }
        for reply in [admin.delete(&path(ann)).await, admin.put(&path(ann), &entrusted).await] {
            assert!(reply.expect(409).text().contains("last Owner"), "{}", database.name);
        }
        // A Security Manager is no second Owner: they could not make another.
        admin.put(&path(bob), &role("owner")).await.expect(200);
        admin.delete(&path(ann)).await.expect(409);
        admin.put(&path(bob), &json!({"role": "owner", "service_account": true})).await.expect(200);
        as_bob.delete(&path(ann)).await.expect(204);
        // A hub that is nothing to somebody is as unknown to them as none.
        as_ann.get("/api/v1/hubs/ads/managers").await.expect(404);
        as_bob.delete(&path(ann)).await.expect(404);
        assert_eq!(told(&admin, "hub.manager_set").await.len(), 4, "{}", database.name);
        assert_eq!(told(&admin, "hub.manager_removed").await.len(), 1);

        // Two Owners who would remove each other at once: one of them stays.
        admin.put(&path(ann), &json!({"role": "owner", "service_account": true})).await.expect(200);
        let (his, hers) = (path(bob), path(ann));
        let (one, other) = tokio::join!(as_ann.delete(&his), as_bob.delete(&hers));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 204, "{}: {} {}", database.name, one.text(), other.text());
        assert!(statuses[1] >= 400, "{}: {} {}", database.name, one.text(), other.text());
        let left = admin.get("/api/v1/hubs/ads/managers").await.expect(200).json();
        assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_2_what_comes_through_a_team_is_the_teams() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let mut people = Vec::new();
        for name in ["ann", "bob", "cid", "adm"] {
            people.push(hubs::user(&scim, &format!("{name}@example.com")).await);
        }
        let [ann, bob, cid, adm] = &people[..] else { panic!() };
        let [as_ann, as_bob, as_cid, as_adm] =
            ["ann", "bob", "cid", "adm"].map(|name| token(&server, "--as", &format!("{name}@example.com")));
        connect(&as_ann, "ops").await;
        let group = hubs::group(&scim, "ops-leads", &[bob]).await;
        let share = json!({"group": "ops-leads", "hub_role": "manager", "app_role": "", "seat": false});
        hubs::mapping(&as_ann, "ops", &share).await;
        let path = |user: &str| format!("/api/v1/hubs/ops/managers/{user}");
        let entry = async |user: &str| {
            let all = as_ann.get("/api/v1/hubs/ops/managers").await.expect(200).json();
            all["items"].as_array().unwrap().iter().find(|one| one["user"] == user).cloned().unwrap_or(Value::Null)
        };

        // Every member has it, new ones too, and it goes with the membership.
        let through = json!([{"role": "manager", "through": "group", "group": "group ops-leads"}]);
        assert_eq!(entry(bob).await["sources"], through, "{}", database.name);
        as_bob.get("/api/v1/hubs/ops/members").await.expect(200);
        join(&scim, &group, cid).await;
        assert_eq!(entry(cid).await["right"], "manager");
        as_cid.get("/api/v1/hubs/ops/members").await.expect(200);

        // It is taken from no single person; the refusal names the team.
        let reply = as_ann.delete(&path(bob)).await.expect(409);
        assert!(reply.text().contains("group ops-leads"), "{}", reply.text());
        // More by name is possible, and shows as mixed; less is not.
        let made = as_ann.put(&path(bob), &role("owner")).await.expect(200).json();
        assert_eq!((&made["role"], &made["right"]), (&json!("mixed"), &json!("owner")), "{}", database.name);
        as_ann.delete(&path(bob)).await.expect(204);
        assert_eq!((&entry(bob).await["role"], &entry(bob).await["right"]), (&json!("manager"), &json!("manager")));
        let id = hubs::mapping(
            &as_ann,
            "ops",
            &json!({"group": "ops-leads", "hub_role": "owner", "app_role": "",
            "seat": false}),
        )
        .await;
        let reply = as_ann.put(&path(bob), &role("manager")).await.expect(409);
        assert!(reply.text().contains("group ops-leads"), "{}", reply.text());
        as_bob.patch("/api/v1/hubs/ops", &json!({"label": "Ours"})).await.expect(200);
        // Owners through the team count: the one by name may go.
        admin.delete(&path(ann)).await.expect(204);
        as_bob.put(&path(ann), &role("owner")).await.expect(200);
        admin.delete(&format!("/api/v1/hubs/ops/mappings/{id}")).await.expect(204);
        assert_eq!(entry(bob).await, Value::Null);

        // A team managed here that makes Owners is the hub Owners' to fill, not the workspace's admins'.
        give(&admin, adm, "admin").await.expect(200);
        let team = as_adm.post("/api/v1/teams", &json!({"name": "crew"})).await.expect(201).json();
        let one = format!("/api/v1/teams/{}", team["id"].as_str().unwrap());
        as_adm.put(&format!("{one}/members/{adm}"), &json!({})).await.expect(204);
        hubs::mapping(&as_ann, "ops", &json!({"group": "chiefs", "hub_role": "owner", "app_role": "", "seat": false}))
            .await;
        lacks(&as_adm.patch(&one, &json!({"name": "chiefs"})).await, "assign_managers");
        lacks(&as_adm.get("/api/v1/hubs/ops/members").await, "read_hub");
        lacks(&as_adm.post("/api/v1/teams", &json!({"name": "chiefs"})).await, "assign_managers");
        let chiefs = admin.post("/api/v1/teams", &json!({"name": "chiefs"})).await.expect(201).json();
        let chiefs = format!("/api/v1/teams/{}", chiefs["id"].as_str().unwrap());
        lacks(&as_adm.put(&format!("{chiefs}/members/{adm}"), &json!({})).await, "assign_managers");
        lacks(&as_adm.delete(&format!("{chiefs}/members/{bob}")).await, "assign_managers");
        lacks(&as_adm.delete(&chiefs).await, "assign_managers");
        // Whoever may make Owners there and manages teams may.
        give(&admin, ann, "admin").await.expect(200);
        as_ann.put(&format!("{chiefs}/members/{bob}"), &json!({})).await.expect(204);
        assert_eq!(entry(bob).await["right"], "owner", "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_2_a_hub_whose_owners_left_is_told_of_and_the_owner_of_the_workspace_gives_it_one() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        let bob = hubs::user(&scim, "bob@example.com").await;
        let cid = hubs::user(&scim, "cid@example.com").await;
        owner(&admin, &ann).await;
        give(&admin, &cid, "super_admin").await.expect(200);
        let [as_ann, as_bob, as_cid] =
            ["ann", "bob", "cid"].map(|name| token(&server, "--as", &format!("{name}@example.com")));
        connect(&as_bob, "his").await;
        hubs::manual_hub(&admin, "operators").await;
        let path = |hub: &str, user: &str| format!("/api/v1/hubs/{hub}/managers/{user}");
        lacks(&as_ann.put(&path("his", &cid), &role("owner")).await, "assign_managers");
        assert_eq!(attention(&admin).await, Vec::<String>::new());

        set_active(&scim, &bob, false).await;
        assert_eq!(attention(&admin).await, ["hub_without_owner his"], "{}", database.name);
        lacks(&as_cid.put(&path("his", &cid), &role("owner")).await, "assign_managers");
        // Nothing else is opened by it, nor another hub.
        lacks(&as_ann.patch("/api/v1/hubs/his", &json!({"label": "x"})).await, "edit_hub");
        lacks(&as_ann.put(&path("operators", &ann), &role("owner")).await, "assign_managers");
        as_ann.put(&path("his", &cid), &role("owner")).await.expect(200);
        assert_eq!(attention(&admin).await, Vec::<String>::new(), "{}", database.name);
        lacks(&as_ann.put(&path("his", &ann), &role("owner")).await, "assign_managers");
        as_cid.patch("/api/v1/hubs/his", &json!({"label": "Mine"})).await.expect(200);
        // Coming back gives nothing back.
        set_active(&scim, &bob, true).await;
        assert_eq!(person(&admin, &bob).await["runs"], json!({}), "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_9_whoever_connected_the_hub_stays_its_owner_after_a_sync_and_claims_for_themself() {
    for database in databases() {
        let server = Server::start(&database, &["--app-network", "127.0.0.0/8"]);
        let (admin, scim) = hubs::clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        let bob = hubs::user(&scim, "bob@example.com").await;
        let as_ann = token(&server, "--as", "ann@example.com");
        let app = mending::sandbox();
        let seats = Client::new(&app.scim("box"), mending::GOOD);
        for email in ["ann@example.com", "bob@example.com", "ann@private.test"] {
            let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": email,
                "active": true, "emails": [{"value": email, "type": "work", "primary": true}],
                "roles": [{"value": "viewer", "primary": true}]});
            let header = [("content-type", "application/scim+json")];
            seats.send("POST", "/Users", &header, Some(body.to_string().into_bytes())).await.expect(201);
        }
        let body = json!({"id": "box", "app": "sandbox", "mode": "active", "settle": "0s",
            "connection": {"base_url": app.scim("box"), "token": {"secret": "TOKEN"}},
            "secrets": {"TOKEN": mending::GOOD}});
        as_ann.post("/api/v1/hubs", &body).await.expect(201);
        as_ann.post("/api/v1/hubs/box/sync", &json!({})).await;
        let row = async |field: &str, value: &str| {
            let all = admin.get("/api/v1/hubs/box/members").await.expect(200).json();
            all["items"].as_array().unwrap().iter().find(|one| one[field] == value).cloned()
        };
        eventually("the first sync matched them", SOON, async || {
            row("user", &ann).await.is_some() && row("user", &bob).await.is_some()
        })
        .await;
        assert_eq!(row("user", &ann).await.unwrap()["hub_role"], "owner", "{}", database.name);
        assert_eq!(row("user", &bob).await.unwrap()["hub_role"], "collaborator");
        // A share that gives her a seat as a collaborator takes nothing from her.
        hubs::mapping(&as_ann, "box", &json!({"user": "ann@example.com", "app_role": "viewer"})).await;
        eventually("she is managed", SOON, async || row("user", &ann).await.unwrap()["managed"] == true).await;
        assert_eq!(row("user", &ann).await.unwrap()["hub_role"], "owner", "{}", database.name);
        let all = as_ann.get("/api/v1/hubs/box/managers").await.expect(200).json();
        assert_eq!(all["items"][0]["seat"], "seated", "{all}");

        // Made Owner by name: his row says so, and says it no more when he is unmade.
        let path = format!("/api/v1/hubs/box/managers/{bob}");
        as_ann.put(&path, &role("owner")).await.expect(200);
        assert_eq!(row("user", &bob).await.unwrap()["hub_role"], "owner");
        as_ann.delete(&path).await.expect(204);
        assert_eq!(row("user", &bob).await.unwrap()["hub_role"], "collaborator", "{}", database.name);

        // Who claims without saying for whom claims for themself: here somebody who has an account already.
        let other = row("display", "ann@private.test").await.expect("the account under her private address");
        let claim = format!("/api/v1/hubs/box/members/{}/claim", other["id"].as_str().unwrap());
        let reply = as_ann.post(&claim, &json!({})).await.expect(409);
        assert!(reply.text().contains(&ann), "{}", reply.text());
        as_ann.put(&path, &role("owner")).await.expect(200);
        let as_bob = token(&server, "--as", "bob@example.com");
        let his = as_bob.post(&claim, &json!({})).await.expect(409);
        assert!(his.text().contains(&bob), "{}: {}", database.name, his.text());
    }
}

/// A share of one person is theirs as a role by name is: not theirs to take, and not the last one.
#[tokio::test(flavor = "multi_thread")]
async fn r3_2_the_share_of_an_owner_is_kept_like_a_role_by_name() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let ivo = hubs::user(&scim, "ivo@example.com").await;
        let eve = hubs::user(&scim, "eve@example.com").await;
        connect(&admin, "ads").await;
        let share = |user: &str| json!({"user": user, "hub_role": "owner", "seat": false});
        let mine = hubs::mapping(&admin, "ads", &share("ivo@example.com")).await;
        let as_ivo = token(&server, "--as", "ivo@example.com");
        let path = |id: &str| format!("/api/v1/hubs/ads/mappings/{id}");
        let reply = as_ivo.delete(&path(&mine)).await.expect(409);
        assert!(reply.text().contains("their own"), "{}: {}", database.name, reply.text());
        let lower = json!({"user": "ivo@example.com", "hub_role": "manager", "seat": false});
        as_ivo.put("/api/v1/hubs/ads/mappings", &lower).await.expect(409);
        // By another Owner it may go, as long as one stays.
        let hers = hubs::mapping(&as_ivo, "ads", &share("eve@example.com")).await;
        let as_eve = token(&server, "--as", "eve@example.com");
        as_eve.delete(&path(&mine)).await.expect(204);
        let service = token(&server, "--role", "owner");
        let reply = service.delete(&path(&hers)).await;
        assert!(matches!(reply.status, 403 | 409), "{}: {}", database.name, reply.text());
        let owners = admin.get("/api/v1/hubs/ads/managers").await.expect(200).json();
        assert_eq!(owners["items"][0]["user"], eve.as_str(), "{}: {owners}; without {ivo}", database.name);
    }
}
