//! Local partners (business-hubs.md section 9): guests of one business, run by admins of theirs and of ours.

use serde_json::{Value, json};

use super::people::connect;
use super::rights::{ids, lacks, token};
use super::{Stage, set_active};
use crate::hubs;
use crate::support::databases;
use crate::support::http::Client;

const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

async fn partner(admin: &Client, name: &str) -> String {
    let made = admin.post("/api/v1/partners", &json!({ "name": name })).await.expect(201).json();
    format!("/api/v1/partners/{}", made["id"].as_str().unwrap())
}

/// Bring somebody into a partner; their id.
async fn guest(client: &Client, partner: &str, email: &str) -> String {
    let shown = client.post(&format!("{partner}/guests"), &json!({ "email": email })).await.expect(201).json();
    let people = shown["people"].as_array().unwrap();
    people.iter().find(|one| one["user_name"] == email).unwrap()["id"].as_str().unwrap().to_owned()
}

async fn make(client: &Client, partner: &str, user: &str, role: &str) -> crate::support::http::Reply {
    client.put(&format!("{partner}/members/{user}"), &json!({ "role": role })).await
}

async fn roles(client: &Client, partner: &str) -> Vec<(String, String)> {
    let shown = client.get(partner).await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let people = shown["people"].as_array().unwrap();
    let mut found: Vec<_> = people.iter().map(|one| (text(&one["user_name"]), text(&one["role"]))).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_1_a_removed_partner_takes_all_its_guests_out_and_nobody_else() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (admin, scim) = (&stage.admin, &stage.scim);
        // Enough others that the guard lets two leave.
        for name in ["a", "b", "c", "d", "e", "f", "hal"] {
            let email = format!("{name}@example.com");
            hubs::user(scim, &email).await;
            hubs::mapping(admin, "box", &json!({"user": email, "app_role": "viewer"})).await;
        }
        let acme = partner(admin, "Acme").await;
        admin.post("/api/v1/partners", &json!({"name": "ACME"})).await.expect(409);
        for body in [json!({}), json!({"name": " "}), json!({"name": "x", "y": 1})] {
            admin.post("/api/v1/partners", &body).await.expect(400);
        }
        let gus = guest(admin, &acme, "gus@acme.test").await;
        guest(admin, &acme, "gil@acme.test").await;
        let other = admin.post("/api/v1/guests", &json!({"email": "olga@else.test"})).await.expect(201).json();
        make(admin, &acme, &gus, "guest_admin").await.expect(200);
        let hal = person(admin, "hal@example.com").await;
        make(admin, &acme, &hal, "host_admin").await.expect(200);
        for email in ["gus@acme.test", "gil@acme.test", "olga@else.test"] {
            hubs::mapping(admin, "box", &json!({"user": email, "app_role": "viewer"})).await;
            stage.until_role(email, Some("viewer")).await;
        }
        stage.at_rest().await;

        admin.delete(&acme).await.expect(204);
        admin.delete(&acme).await.expect(404);
        stage.until_role("gus@acme.test", None).await;
        stage.until_role("gil@acme.test", None).await;
        stage.at_rest().await;
        let guests = admin.get("/api/v1/people?role=guest").await.expect(200).json();
        assert_eq!(ids(&guests), [other["id"].as_str().unwrap()], "{}", database.name);
        for email in ["olga@else.test", "hal@example.com"] {
            assert_eq!(stage.role_in_app(email).await.as_deref(), Some("viewer"), "{}: {email}", database.name);
        }
        let told = stage.told("partner.removed").await;
        assert_eq!(told[0]["detail"], json!({"name": "Acme", "guests": 2}), "{}", database.name);
        // The name is free again.
        partner(admin, "Acme").await;
    }
}

async fn person(admin: &Client, email: &str) -> String {
    let found = admin.get(&format!("/api/v1/people?q={email}")).await.expect(200).json();
    ids(&found)[0].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_2_guest_admins_remove_guests_and_host_admins_both() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (admin, scim, server) = (&stage.admin, &stage.scim, &stage.server);
        let hal = hubs::user(scim, "hal@example.com").await;
        let ann = hubs::user(scim, "ann@example.com").await;
        let acme = partner(admin, "Acme").await;
        let other = partner(admin, "Other").await;
        let [gus, gil, gwen] = [
            guest(admin, &acme, "gus@acme.test").await,
            guest(admin, &acme, "gil@acme.test").await,
            guest(admin, &acme, "gwen@acme.test").await,
        ];
        let foreign = guest(admin, &other, "fay@other.test").await;
        make(admin, &acme, &hal, "host_admin").await.expect(200);
        make(admin, &acme, &gus, "guest_admin").await.expect(200);
        let as_person = |name: &str| token(server, "--as", name);
        let [as_hal, as_ann] = ["hal@example.com", "ann@example.com"].map(as_person);
        let [as_gus, as_gil] = ["gus@acme.test", "gil@acme.test"].map(as_person);

        // What nobody can be, whoever says it.
        make(admin, &acme, &ann, "guest").await.expect(409);
        make(admin, &acme, &gil, "host_admin").await.expect(409);
        make(admin, &acme, &foreign, "guest").await.expect(409);
        make(admin, &acme, NOBODY, "guest").await.expect(404);
        let reply = make(admin, &acme, &gil, "king").await.expect(400);
        assert!(reply.text().contains("guest_admin"), "{}", reply.text());

        // Who runs a partner sees it, and no other; a guest of it and a colleague see nothing.
        for client in [&as_hal, &as_gus] {
            assert_eq!(client.get("/api/v1/partners").await.expect(200).json()["items"].as_array().unwrap().len(), 1);
            assert_eq!(roles(client, &acme).await.len(), 4, "{}", database.name);
            lacks(&client.get(&other).await, "read_partners");
            lacks(&client.delete(&format!("{other}/members/{foreign}")).await, "run_partner");
            lacks(&client.delete(&acme).await, "remove_guests");
        }
        for client in [&as_gil, &as_ann] {
            assert_eq!(client.get("/api/v1/partners").await.expect(200).json()["items"], json!([]));
            lacks(&client.get(&acme).await, "read_partners");
            lacks(&client.delete(&format!("{acme}/members/{gwen}")).await, "run_partner");
        }

        // A Guest Admin takes out guests; not themself, no admin, and brings nobody in.
        as_gus.delete(&format!("{acme}/members/{gus}")).await.expect(403);
        as_gus.delete(&format!("{acme}/members/{hal}")).await.expect(403);
        as_gus.post(&format!("{acme}/guests"), &json!({"email": "new@acme.test"})).await.expect(403);
        make(&as_gus, &acme, &gil, "guest_admin").await.expect(403);
        as_gus.delete(&format!("{acme}/members/{gwen}")).await.expect(204);
        as_gus.delete(&format!("{acme}/members/{gwen}")).await.expect(404);
        admin.get(&format!("/api/v1/people/{gwen}")).await.expect(404);

        // A Host Admin takes out both, brings people in and appoints; no admin of ours, no stranger.
        guest(&as_hal, &acme, "new@acme.test").await;
        make(&as_hal, &acme, &gil, "guest_admin").await.expect(200);
        make(&as_hal, &acme, &ann, "host_admin").await.expect(403);
        make(&as_hal, &acme, &foreign, "guest").await.expect(403);
        as_hal.delete(&format!("{acme}/members/{hal}")).await.expect(403);
        as_hal.delete(&format!("{acme}/members/{gil}")).await.expect(204);
        let left = [("gus@acme.test", "guest_admin"), ("hal@example.com", "host_admin"), ("new@acme.test", "guest")];
        assert_eq!(roles(admin, &acme).await, left.map(|(who, role)| (who.to_owned(), role.to_owned())));

        // What was given does not outlive a deactivation, nor a role that brings in nobody.
        let in_role = format!("/api/v1/people/{hal}/role");
        admin.put(&in_role, &json!({"role": "auditor"})).await.expect(200);
        as_hal.delete(&format!("{acme}/members/{gus}")).await.expect(403);
        admin.delete(&in_role).await.expect(204);
        set_active(scim, &hal, false).await;
        set_active(scim, &hal, true).await;
        lacks(&as_hal.get(&acme).await, "read_partners");
        make(admin, &acme, &hal, "host_admin").await.expect(200);
        as_hal.get(&acme).await.expect(200);

        // One of ours only stops being it, a guest who is removed is in no partner.
        admin.delete(&format!("{acme}/members/{hal}")).await.expect(204);
        assert_eq!(person(admin, "hal@example.com").await, hal);
        admin.delete(&format!("/api/v1/guests/{gus}")).await.expect(204);
        assert_eq!(roles(admin, &acme).await.len(), 1, "{}", database.name);
        for (kind, times) in [("partner.created", 2), ("partner.member_removed", 3), ("partner.role_given", 4)] {
            assert_eq!(stage.told(kind).await.len(), times, "{}: {kind}", database.name);
        }
    }
}

/// What waits for somebody of the identity provider is no way in for whom a colleague invites.
#[tokio::test(flavor = "multi_thread")]
async fn r3_2_a_guest_takes_up_a_waiting_share_only_by_who_manages_the_hub() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (admin, scim, server) = (&stage.admin, &stage.scim, &stage.server);
        let mut ids_of = Vec::new();
        for name in ["eve", "hal", "box", "both"] {
            ids_of.push(hubs::user(scim, &format!("{name}@example.com")).await);
        }
        let [_, hal, runs_box, runs_both] = &ids_of[..] else { panic!() };
        connect(admin, "post").await;
        let late = "late@example.com";
        hubs::mapping(admin, "box", &json!({"user": "Late@Example.com", "app_role": "admin"})).await;
        hubs::mapping(admin, "post", &json!({"user": late, "app_role": "member"})).await;
        let acme = partner(admin, "Acme").await;
        make(admin, &acme, hal, "host_admin").await.expect(200);
        for (hub, who) in [("box", runs_box), ("box", runs_both), ("post", runs_both)] {
            let path = format!("/api/v1/hubs/{hub}/managers/{who}");
            admin.put(&path, &json!({"role": "manager"})).await.expect(200);
        }
        let [as_eve, as_hal, as_box, as_both] =
            ["eve", "hal", "box", "both"].map(|name| token(server, "--as", &format!("{name}@example.com")));

        // All hubs are named, by whichever way the person would come in; and nobody came.
        let body = json!({ "email": late });
        for reply in [as_eve.post("/api/v1/guests", &body).await, as_hal.post(&format!("{acme}/guests"), &body).await] {
            lacks(&reply, "manage_members");
            for hub in ["hub 'box'", "hub 'post'"] {
                assert!(reply.text().contains(hub), "{}: {}", database.name, reply.text());
            }
        }
        let reply = as_box.post("/api/v1/guests", &body).await;
        lacks(&reply, "manage_members");
        assert!(!reply.text().contains("hub 'box'") && reply.text().contains("hub 'post'"), "{}", reply.text());
        assert_eq!(admin.get("/api/v1/people?role=guest").await.expect(200).json()["items"], json!([]));
        assert_eq!(stage.told("guest.invited").await.len(), 0, "{}", database.name);
        // A share that would make an Owner or Manager is not theirs to give either.
        let head = json!({"user": "head@example.com", "app_role": "viewer", "hub_role": "manager"});
        hubs::mapping(admin, "box", &head).await;
        let reply = as_both.post("/api/v1/guests", &json!({"email": "head@example.com"})).await;
        lacks(&reply, "assign_managers");

        // Nobody waits for these; and who runs all the hubs says that a guest is meant.
        as_eve.post("/api/v1/guests", &json!({"email": "new@example.com"})).await.expect(201);
        guest(&as_hal, &acme, "new@acme.test").await;
        assert_eq!(stage.role_in_app(late).await, None, "{}", database.name);
        as_both.post("/api/v1/guests", &body).await.expect(201);
        stage.until_role(late, Some("admin")).await;
    }
}
