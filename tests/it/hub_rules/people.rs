//! People and what they may: workspace roles, who owns the workspace and its hubs, guests
//! (business-hubs.md sections 3 and 9), through HTTP with tokens of persons and services.

use serde_json::{Value, json};

use super::rights::{ids, lacks, token};
use super::{Stage, join, set_active};
use crate::hubs::{self, SOON};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{databases, eventually};

pub(super) const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

pub(super) fn role(role: &str) -> Value {
    json!({ "role": role })
}

pub(super) async fn give(client: &Client, user: &str, wanted: &str) -> crate::support::http::Reply {
    client.put(&format!("/api/v1/people/{user}/role"), &role(wanted)).await
}

pub(super) async fn person(admin: &Client, user: &str) -> Value {
    admin.get(&format!("/api/v1/people/{user}")).await.expect(200).json()
}

pub(super) async fn owner(admin: &Client, user: &str) {
    admin.post(&format!("/api/v1/people/{user}/transfer-ownership"), &json!({})).await.expect(200);
}

pub(super) async fn told(admin: &Client, kind: &str) -> Vec<Value> {
    let page = admin.get(&format!("/api/v1/activity?limit=200&kind={kind}")).await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

pub(super) async fn attention(admin: &Client) -> Vec<String> {
    let status = admin.get("/api/v1/status").await.expect(200).json();
    let all = status["attention"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|one| format!("{} {}", one["kind"].as_str().unwrap(), one["hub"].as_str().unwrap_or_default()))
        .map(|text| text.trim_end().to_owned())
        .collect()
}

/// A hub whose tasks are done by hand, connected by whoever has this client.
pub(super) async fn connect(client: &Client, id: &str) {
    let body = json!({"id": id, "app": "manual", "mode": "active", "settle": "0s"});
    client.post("/api/v1/hubs", &body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_roles_are_given_by_name_within_what_the_giver_has() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let mut people = Vec::new();
        for name in ["ann", "sup", "adm", "bob", "eve"] {
            people.push(hubs::user(&scim, &format!("{name}@example.com")).await);
        }
        let [ann, sup, adm, bob, eve] = &people[..] else { panic!() };
        let shown = person(&admin, bob).await;
        assert_eq!(
            (&shown["role"], &shown["kind"], &shown["status"]),
            (&json!("user"), &json!("directory"), &json!("live"))
        );
        assert_eq!((&shown["source"], shown.get("given"), &shown["runs"]), (&json!("default"), None, &json!({})));

        // The operator makes the first ones; a name works as well as an id.
        owner(&admin, ann).await;
        assert_eq!(give(&admin, "sup@example.com", "super_admin").await.expect(200).json()["role"], "super_admin");
        give(&admin, adm, "admin").await.expect(200);
        for (body, status) in [(json!({"role": "king"}), 400), (json!({}), 400), (json!({"role": "user", "x": 1}), 400)]
        {
            admin.put(&format!("/api/v1/people/{bob}/role"), &body).await.expect(status);
        }
        give(&admin, NOBODY, "user").await.expect(404);
        admin.get(&format!("/api/v1/people/{NOBODY}")).await.expect(404);
        // There is one Owner, and the role is handed over.
        give(&admin, bob, "owner").await.expect(409);
        give(&admin, ann, "user").await.expect(409);

        let [as_ann, as_sup, as_adm, as_bob, as_eve] =
            ["ann", "sup", "adm", "bob", "eve"].map(|name| token(&server, "--as", &format!("{name}@example.com")));
        // A user sees themselves and nobody else.
        lacks(&as_bob.get("/api/v1/people").await, "read_people");
        lacks(&as_bob.get(&format!("/api/v1/people/{eve}")).await, "read_person");
        assert_eq!(person(&as_bob, bob).await["role"], "user");
        lacks(&give(&as_bob, bob, "admin").await, "change_roles");

        // An admin gives up to what they are, decides about nobody stronger, and raises nobody above.
        for (whom, what, status) in [
            (bob, "super_admin", 403),
            (bob, "auditor", 403),
            (bob, "owner", 409),
            (adm, "super_admin", 403),
            (sup, "user", 403),
            (ann, "user", 409),
            (bob, "admin", 200),
        ] {
            let reply = give(&as_adm, whom, what).await;
            assert_eq!(reply.status, status, "{}: {what}: {}", database.name, reply.text());
        }
        // It counts with the next request, and so does its end.
        let page = as_bob.get("/api/v1/people").await.expect(200).json();
        assert_eq!(page["items"].as_array().unwrap().len(), 5);
        as_adm.delete(&format!("/api/v1/people/{bob}/role")).await.expect(204);
        lacks(&as_bob.get("/api/v1/people").await, "read_people");
        as_adm.delete(&format!("/api/v1/people/{bob}/role")).await.expect(404);

        // A Super Admin makes auditors, who read everything and change nothing.
        give(&as_sup, eve, "auditor").await.expect(200);
        as_eve.get("/api/v1/people").await.expect(200);
        as_eve.get("/api/v1/role-mappings").await.expect(200);
        lacks(&give(&as_eve, bob, "user").await, "change_roles");
        lacks(&as_eve.post("/api/v1/guests", &json!({"email": "g@x.test"})).await, "invite_guests");
        give(&as_adm, eve, "user").await.expect(403);
        give(&as_ann, eve, "login_only").await.expect(200);
        lacks(&as_eve.get("/api/v1/tasks").await, "read_log");
        lacks(&as_eve.post("/api/v1/hubs", &json!({"id": "h", "app": "manual"})).await, "connect_hub");
        // Somebody may step down by themselves.
        give(&as_sup, sup, "admin").await.expect(200);
        give(&as_sup, sup, "super_admin").await.expect(403);

        // Lists: by role, status and name; every page once.
        let list = async |query: &str| ids(&admin.get(&format!("/api/v1/people?{query}")).await.expect(200).json());
        assert_eq!(list("role=owner").await, [ann.as_str()]);
        assert_eq!(list("role=login_only").await, [eve.as_str()]);
        assert_eq!(list("role=user").await, [bob.as_str()], "{}", database.name);
        assert_eq!(list("q=ADM").await, [adm.as_str()]);
        assert_eq!(list("q=bob@example.com&role=user").await, [bob.as_str()]);
        assert_eq!(list("q=bob@example.com&role=admin").await, Vec::<String>::new());
        set_active(&scim, bob, false).await;
        assert_eq!(list("status=disabled").await, [bob.as_str()]);
        assert_eq!(list("status=live").await.len(), 4);
        for query in ["role=king", "status=gone", "q=", "limit=x", "cursor=x", "who=x"] {
            admin.get(&format!("/api/v1/people?{query}")).await.expect(400);
        }
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = admin.get(&format!("/api/v1/people?limit=2{cursor}")).await.expect(200).json();
            all.extend(ids(&page));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(all.len(), 5, "{}: {all:?}", database.name);
        // Deactivated people are given nothing; a rehire does not regain what they had.
        give(&admin, bob, "admin").await.expect(409);
        set_active(&scim, sup, false).await;
        set_active(&scim, sup, true).await;
        let back = person(&admin, sup).await;
        assert_eq!((&back["role"], &back["given"]["counts"]), (&json!("user"), &json!(false)), "{}", database.name);

        assert_eq!(told(&admin, "person.role_given").await.len(), 6, "{}", database.name);
        assert_eq!(told(&admin, "person.role_taken").await.len(), 1);
        let by = told(&admin, "person.role_taken").await[0]["actor"].clone();
        assert_eq!(by, format!("user:{adm}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_the_workspace_has_one_owner_who_hands_it_on() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        let bob = hubs::user(&scim, "bob@example.com").await;
        let cid = hubs::user(&scim, "cid@example.com").await;

        // A fresh workspace has none; whoever runs the installation makes the first.
        let none = server.run(&["workspace", "owner"]);
        assert!(!none.status.success(), "{}", String::from_utf8_lossy(&none.stdout));
        assert_eq!(attention(&admin).await, Vec::<String>::new(), "nobody was ever Owner: nothing is wrong");
        assert!(!server.run(&["workspace", "owner", "nobody@example.com"]).status.success());
        let made = server.run(&["workspace", "owner", "ann@example.com"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let shown = server.run(&["workspace", "owner"]);
        assert_eq!(String::from_utf8_lossy(&shown.stdout), "ann@example.com\n", "{}", database.name);
        assert_eq!(person(&admin, &ann).await["role"], "owner");

        let [as_ann, as_bob, as_cid] =
            ["ann", "bob", "cid"].map(|name| token(&server, "--as", &format!("{name}@example.com")));
        let to = |user: &str| format!("/api/v1/people/{user}/transfer-ownership");
        lacks(&as_bob.post(&to(&bob), &json!({})).await, "transfer_ownership");
        give(&admin, &cid, "super_admin").await.expect(200);
        lacks(&as_cid.post(&to(&cid), &json!({})).await, "transfer_ownership");
        as_ann.post(&to(NOBODY), &json!({})).await.expect(404);
        for former in ["owner", "guest", "king"] {
            as_ann.post(&to(&bob), &json!({ "former": former })).await.expect(400);
        }
        as_ann.post(&to(&bob), &json!({})).await.expect(200);
        assert_eq!(person(&admin, &bob).await["role"], "owner", "{}", database.name);
        assert_eq!(person(&admin, &ann).await["role"], "super_admin");
        assert_eq!(ids(&admin.get("/api/v1/people?role=owner").await.expect(200).json()), [bob.as_str()]);
        lacks(&as_ann.post(&to(&ann), &json!({})).await, "transfer_ownership");
        // Handing it to whoever has it is no change.
        as_bob.post(&to(&bob), &json!({})).await.expect(200);
        as_bob.post(&to(&ann), &json!({"former": "user"})).await.expect(200);
        assert_eq!(person(&admin, &bob).await["role"], "user");
        assert_eq!(told(&admin, "workspace.owner_changed").await.len(), 3, "{}", database.name);

        // The identity provider deactivates the Owner: the status says so until the role is moved.
        set_active(&scim, &ann, false).await;
        assert_eq!(attention(&admin).await, ["workspace_owner_gone"], "{}", database.name);
        assert_eq!(told(&admin, "workspace.owner_left").await.len(), 1);
        admin.post(&to(&ann), &json!({})).await.expect(409);
        // Coming back gives back no role.
        set_active(&scim, &ann, true).await;
        assert_eq!(person(&admin, &ann).await["role"], "user");
        assert_eq!(attention(&admin).await, ["workspace_owner_gone"]);
        owner(&admin, &cid).await;
        assert_eq!(attention(&admin).await, Vec::<String>::new());
        // A service that administers gives no Owner, and nobody's role is given who was deleted.
        scim.delete(&format!("/scim/v2/Users/{cid}")).await.expect(204);
        assert_eq!(attention(&admin).await, ["workspace_owner_gone"], "{}", database.name);
        assert_eq!(told(&admin, "workspace.owner_left").await.len(), 2);
        let service = token(&server, "--role", "admin");
        lacks(&service.post(&to(&bob), &json!({})).await, "transfer_ownership");
        owner(&admin, &bob).await;
        assert_eq!(attention(&admin).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_groups_of_the_identity_provider_give_roles_and_the_highest_wins() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        let adm = hubs::user(&scim, "adm@example.com").await;
        let leads = hubs::group(&scim, "leads", &[]).await;
        let staff = hubs::group(&scim, "staff", &[&ann]).await;
        give(&admin, &adm, "admin").await.expect(200);
        let [as_ann, as_adm] = ["ann", "adm"].map(|name| token(&server, "--as", &format!("{name}@example.com")));
        let path = |group: &str| format!("/api/v1/role-mappings/{group}");

        admin.put(&path(NOBODY), &role("admin")).await.expect(404);
        admin.put(&path("leads"), &role("admin")).await.expect(404);
        admin.put(&path(&leads), &role("king")).await.expect(400);
        admin.put(&path(&leads), &role("owner")).await.expect(409);
        as_adm.put(&path(&leads), &role("super_admin")).await.expect(403);
        lacks(&as_ann.put(&path(&leads), &role("user")).await, "change_roles");
        let team = admin.post("/api/v1/teams", &json!({"name": "ours"})).await.expect(201).json();
        let reply = admin.put(&path(team["id"].as_str().unwrap()), &role("admin")).await.expect(409);
        assert!(reply.text().contains("managed here"), "{}", reply.text());

        // What everybody in a group is; a mapping made here counts with the next request.
        assert_eq!(person(&admin, &ann).await["role"], "user");
        admin.put(&path(&staff), &role("login_only")).await.expect(200);
        lacks(&as_ann.get("/api/v1/tasks").await, "read_log");
        let shown = person(&admin, &ann).await;
        assert_eq!((&shown["role"], &shown["through"][0]["name"]), (&json!("login_only"), &json!("staff")));
        assert_eq!(ids(&admin.get("/api/v1/people?role=login_only").await.expect(200).json()), [ann.as_str()]);
        // Another group gives more: it wins, with the request after the membership is pushed.
        admin.put(&path(&leads), &role("super_admin")).await.expect(200);
        join(&scim, &leads, &ann).await;
        assert_eq!(person(&admin, &ann).await["role"], "super_admin", "{}", database.name);
        eventually("her token knows", SOON, async || as_ann.get("/api/v1/people").await.status == 200).await;
        // By name something lower changes nothing: the highest of all counts.
        give(&admin, &ann, "admin").await.expect(200);
        assert_eq!(person(&admin, &ann).await["role"], "super_admin");
        give(&as_adm, &ann, "user").await.expect(403);
        as_adm.put(&path(&leads), &role("user")).await.expect(403);
        as_adm.delete(&path(&leads)).await.expect(403);
        // Who has a token of the identity provider says who is in its groups.
        let wanted = json!({"name": "idp", "scope": "scim"});
        let reply = as_adm.post("/api/v1/tokens", &wanted).await.expect(403);
        assert!(reply.text().contains("super_admin"), "{}", reply.text());
        as_ann.post("/api/v1/tokens", &wanted).await.expect(201);

        let page = admin.get("/api/v1/role-mappings?limit=1").await.expect(200).json();
        let next = page["next"].as_str().unwrap();
        let rest = admin.get(&format!("/api/v1/role-mappings?limit=1&cursor={next}")).await.expect(200).json();
        assert_eq!((rest["items"].as_array().unwrap().len(), rest.get("next")), (1, None), "{}", database.name);

        // Out of the group, or the group gone: the rest counts.
        let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "remove", "path": format!("members[value eq \"{ann}\"]")}]});
        scim.patch(&format!("/scim/v2/Groups/{leads}"), &patch).await.expect(204);
        assert_eq!(person(&admin, &ann).await["role"], "admin");
        admin.delete(&format!("/api/v1/people/{ann}/role")).await.expect(204);
        assert_eq!(person(&admin, &ann).await["role"], "login_only");
        admin.delete(&path(&staff)).await.expect(204);
        as_ann.get("/api/v1/tasks").await.expect(200);
        admin.delete(&path(&staff)).await.expect(404);
        join(&scim, &leads, &ann).await;
        scim.delete(&format!("/scim/v2/Groups/{leads}")).await.expect(204);
        assert_eq!(person(&admin, &ann).await["role"], "user", "{}", database.name);
        assert_eq!(told(&admin, "role_mapping.put").await.len(), 2);
        assert_eq!(told(&admin, "role_mapping.removed").await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_a_role_that_owns_nothing_strips_what_somebody_owned() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        let bob = hubs::user(&scim, "bob@example.com").await;
        hubs::user(&scim, "cid@example.com").await;
        let [as_ann, as_bob, as_cid] =
            ["ann", "bob", "cid"].map(|name| token(&server, "--as", &format!("{name}@example.com")));
        connect(&as_bob, "his").await;
        connect(&as_cid, "shared").await;
        as_cid.put(&format!("/api/v1/hubs/shared/managers/{bob}"), &role("owner")).await.expect(200);
        connect(&as_cid, "seated").await;
        hubs::mapping(
            &as_cid,
            "seated",
            &json!({"user": "bob@example.com", "hub_role": "owner", "app_role": "member"}),
        )
        .await;
        hubs::mapping(
            &as_cid,
            "shared",
            &json!({"user": "bob@example.com", "hub_role": "manager", "app_role": "",
            "seat": false}),
        )
        .await;
        let runs = json!({"his": "owner", "shared": "owner", "seated": "owner"});
        assert_eq!(person(&admin, &bob).await["runs"], runs, "{}", database.name);

        // Nobody could take over the hub that is his alone.
        let reply = give(&admin, &bob, "login_only").await.expect(409);
        assert!(reply.text().contains("his") && !reply.text().contains("shared"), "{}", reply.text());
        assert_eq!(person(&admin, &bob).await["runs"], runs, "a refusal changes nothing");

        // The Owner of the workspace takes it over; what others own too stays with them.
        owner(&admin, &ann).await;
        give(&admin, &bob, "login_only").await.expect(200);
        assert_eq!(person(&admin, &bob).await["runs"], json!({}), "{}", database.name);
        assert_eq!(person(&admin, &ann).await["runs"], json!({"his": "owner"}));
        as_ann.patch("/api/v1/hubs/his", &json!({"label": "Hers now"})).await.expect(200);
        // He uses it no more and runs it no more: it is as unknown to him as none.
        as_bob.patch("/api/v1/hubs/his", &json!({"label": "Mine"})).await.expect(404);
        // His seat stays his.
        let shares = as_cid.get("/api/v1/hubs/seated/mappings").await.expect(200).json();
        assert_eq!(shares["items"][0]["hub_role"], "collaborator", "{shares}");
        let left = as_cid.get("/api/v1/hubs/shared/mappings").await.expect(200).json();
        assert_eq!(left["items"], json!([]), "a share that gave nothing else is gone: {left}");
        // Coming back to a role that may own gives nothing back.
        give(&admin, &bob, "user").await.expect(200);
        assert_eq!(person(&admin, &bob).await["runs"], json!({}), "{}", database.name);
        assert_eq!(told(&admin, "hub.manager_removed").await.len(), 3);
        // Who owns nothing is made no Owner, whatever asks for it.
        give(&admin, &bob, "guest").await.expect(200);
        for wanted in ["owner", "manager"] {
            let reply = as_cid.put(&format!("/api/v1/hubs/shared/managers/{bob}"), &role(wanted)).await.expect(409);
            assert!(reply.text().contains("guest"), "{}", reply.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_2_guests_are_invited_by_users_and_removed_by_admins() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (admin, scim) = (&stage.admin, &stage.scim);
        let server = &stage.server;
        let ann = hubs::user(scim, "ann@example.com").await;
        let adm = hubs::user(scim, "adm@example.com").await;
        give(admin, &adm, "admin").await.expect(200);
        let [as_ann, as_adm] = ["ann", "adm"].map(|name| token(server, "--as", &format!("{name}@example.com")));

        for body in [json!({}), json!({"email": "no address"}), json!({"email": "a@x.test", "given_name": "a\u{7}"})] {
            let reply = as_ann.post("/api/v1/guests", &body).await.expect(400);
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{body}");
        }
        // Somebody in the directory is a normal member.
        let reply = as_ann.post("/api/v1/guests", &json!({"email": "Ann@Example.com"})).await.expect(409);
        assert!(reply.text().contains("directory"), "{}", reply.text());
        let body = json!({"email": "Gus@Partner.test", "given_name": "Gus", "family_name": "Guest"});
        let guest = as_ann.post("/api/v1/guests", &body).await.expect(201).json();
        let gus = guest["id"].as_str().unwrap().to_owned();
        assert_eq!((&guest["kind"], &guest["role"]), (&json!("guest"), &json!("guest")), "{}", database.name);
        assert_eq!((&guest["user_name"], &guest["display"]), (&json!("gus@partner.test"), &json!("Gus Guest")));
        as_ann.post("/api/v1/guests", &body).await.expect(409);
        assert_eq!(ids(&admin.get("/api/v1/people?role=guest").await.expect(200).json()), [gus.as_str()]);

        // A guest stays one, owns nothing, sees no list and invites nobody.
        for wanted in ["user", "admin"] {
            give(admin, &gus, wanted).await.expect(409);
        }
        admin.post(&format!("/api/v1/people/{gus}/transfer-ownership"), &json!({})).await.expect(409);
        admin.put(&format!("/api/v1/hubs/box/managers/{gus}"), &role("owner")).await.expect(409);
        let as_gus = token(server, "--as", "gus@partner.test");
        lacks(&as_gus.get("/api/v1/people").await, "read_people");
        lacks(&as_gus.get("/api/v1/teams").await, "read_directory");
        lacks(&as_gus.post("/api/v1/guests", &json!({"email": "h@partner.test"})).await, "invite_guests");
        assert_eq!(person(&as_gus, &gus).await["role"], "guest");

        // No identity provider sees them or has their name.
        scim.get(&format!("/scim/v2/Users/{gus}")).await.expect(404);
        assert_eq!(scim.get("/scim/v2/Users").await.expect(200).json()["totalResults"], 2, "{}", database.name);
        scim.delete(&format!("/scim/v2/Users/{gus}")).await.expect(404);
        let user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "gus@partner.test"});
        let reply = scim.post("/scim/v2/Users", &user).await.expect(409);
        assert!(reply.text().contains("guest"), "{}", reply.text());

        // Access works as for anyone: by a share, or through a team of ours.
        hubs::mapping(admin, "box", &json!({"user": "gus@partner.test", "app_role": "viewer"})).await;
        stage.until_role("gus@partner.test", Some("viewer")).await;
        let team = admin.post("/api/v1/teams", &json!({"name": "outside"})).await.expect(201).json();
        let member = format!("/api/v1/teams/{}/members/{gus}", team["id"].as_str().unwrap());
        as_adm.put(&member, &json!({})).await.expect(204);
        hubs::mapping(admin, "box", &json!({"group_id": team["id"], "app_role": "editor"})).await;
        stage.until_role("gus@partner.test", Some("editor")).await;
        stage.at_rest().await;

        // Users invite and do not remove; an admin does, and the seats go (R9.1).
        let path = format!("/api/v1/guests/{gus}");
        lacks(&as_ann.delete(&path).await, "remove_guests");
        lacks(&as_gus.delete(&path).await, "remove_guests");
        as_adm.delete(&format!("/api/v1/guests/{ann}")).await.expect(404);
        as_adm.delete(&path).await.expect(204);
        as_adm.delete(&path).await.expect(404);
        stage.until_role("gus@partner.test", None).await;
        assert_eq!(as_gus.get(&format!("/api/v1/people/{gus}")).await.status, 401, "{}", database.name);
        // Now they may come into the directory.
        scim.post("/scim/v2/Users", &user).await.expect(201);
        for kind in ["guest.invited", "guest.removed"] {
            assert_eq!(told(admin, kind).await.len(), 1, "{}: {kind}", database.name);
        }
    }
}
