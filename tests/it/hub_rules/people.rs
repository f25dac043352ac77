//! People and what they may: workspace roles, who owns the workspace and its hubs, guests
//! (business-hubs.md sections 3 and 9), through HTTP with tokens of persons and services.

use serde_json::{Value, json};

use super::rights::{ids, lacks, token};
use super::{Stage, join, set_active};
use crate::hubs::{self, SOON, mending};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{databases, eventually};

const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn role(role: &str) -> Value {
    json!({ "role": role })
}

async fn give(client: &Client, user: &str, wanted: &str) -> crate::support::http::Reply {
    client.put(&format!("/api/v1/people/{user}/role"), &role(wanted)).await
}

async fn person(admin: &Client, user: &str) -> Value {
    admin.get(&format!("/api/v1/people/{user}")).await.expect(200).json()
}

async fn owner(admin: &Client, user: &str) {
    admin.post(&format!("/api/v1/people/{user}/transfer-ownership"), &json!({})).await.expect(200);
}

async fn told(admin: &Client, kind: &str) -> Vec<Value> {
    let page = admin.get(&format!("/api/v1/activity?limit=200&kind={kind}")).await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

async fn attention(admin: &Client) -> Vec<String> {
    let status = admin.get("/api/v1/status").await.expect(200).json();
    let all = status["attention"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|one| format!("{} {}", one["kind"].as_str().unwrap(), one["hub"].as_str().unwrap_or_default()))
        .map(|text| text.trim_end().to_owned())
        .collect()
}

/// A hub whose tasks are done by hand, connected by whoever has this client.
async fn connect(client: &Client, id: &str) {
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
        lacks(&as_bob.patch("/api/v1/hubs/his", &json!({"label": "Mine"})).await, "edit_hub");
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
        lacks(&as_ann.get("/api/v1/hubs/ads/managers").await, "read_hub");
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
