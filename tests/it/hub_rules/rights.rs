//! Who may do what (business-hubs.md section 3), through HTTP with tokens of persons and services.

use scimhub::base::clock::{Clock as _, SystemClock};
use scimhub::base::ids::WorkspaceId;
use scimhub::domain::rights::Role;
use scimhub::store::{StoreError, roles};
use serde_json::{Value, json};

use crate::hubs::{self, SOON};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

/// A token made by the operator: of a person, or of a service with a role.
pub fn token(server: &Server, flag: &str, value: &str) -> Client {
    let name = format!("t-{}", uuid::Uuid::new_v4().simple());
    let output = server.run(&["token", "create", "--scope", "admin", "--name", &name, flag, value]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    server.watch("a token", text.rsplit('_').next().unwrap());
    Client::new(&server.base, &text)
}

pub fn lacks(reply: &crate::support::http::Reply, action: &str) {
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(reply.json()["needs"]["action"], action, "{}", reply.text());
}

pub fn ids(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn names_of_hubs_are_not_found_out_by_trying() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        hubs::user(&scim, "bob@example.com").await;
        hubs::manual_hub(&admin, "secret-project").await;
        hubs::mapping(&admin, "secret-project", &json!({"user": "bob@example.com", "app_role": "member"})).await;
        let task = hubs::tasks(&admin, "hub=secret-project", 1).await.remove(0);
        let as_ann = token(&server, "--as", &ann);
        let known = |text: String| text.replace("secret-project", "NAME").replace("no-such-hub", "NAME");
        for (method, path) in [
            ("GET", "/api/v1/hubs/NAME"),
            ("GET", "/api/v1/hubs/NAME/members"),
            ("PATCH", "/api/v1/hubs/NAME"),
            ("DELETE", "/api/v1/hubs/NAME?reason=trial"),
            ("POST", "/api/v1/hubs/NAME/sync"),
            ("PUT", "/api/v1/hubs/NAME/mappings"),
        ] {
            let mut told = Vec::new();
            for name in ["secret-project", "no-such-hub"] {
                let headers = [("content-type", "application/json")];
                let body = (method != "GET" && method != "DELETE").then(|| b"{}".to_vec());
                let reply = as_ann.send(method, &path.replace("NAME", name), &headers, body).await;
                told.push((reply.status, known(reply.json()["detail"].to_string())));
            }
            assert_eq!(told[0], told[1], "{}: {method} {path}", database.name);
            assert_eq!(told[0].0, 404, "{}: {method} {path}", database.name);
        }
        // The same of what is in it; who uses a hub is told what is missing.
        as_ann.get(&format!("/api/v1/tasks/{}", task["id"].as_str().unwrap())).await.expect(404);
        let as_bob = token(&server, "--as", "bob@example.com");
        lacks(&as_bob.patch("/api/v1/hubs/secret-project", &json!({"label": "x"})).await, "edit_hub");
    }
}

#[tokio::test]
async fn an_auditor_looks_at_what_an_undo_would_mean_and_undoes_nothing() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        hubs::user(&scim, "bob@example.com").await;
        hubs::manual_hub(&admin, "ops").await;
        let mapping = hubs::mapping(&admin, "ops", &json!({"user": "bob@example.com", "app_role": "member"})).await;
        let done = async |kind: &str| {
            let task = hubs::tasks(&admin, &format!("hub=ops&status=manual&kind={kind}"), 1).await.remove(0);
            let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
            admin.post(&format!("{path}/done"), &json!({"note": "done"})).await.expect(200);
            path
        };
        done("add").await;
        admin.delete(&format!("/api/v1/hubs/ops/mappings/{mapping}")).await.expect(204);
        let removal = done("remove").await;
        let auditor = token(&server, "--role", "auditor");
        let looked = auditor.get(&format!("{removal}/undo")).await.expect(200).json();
        assert_eq!(looked["effects"][0]["adds"], 1, "{}: {looked}", database.name);
        let digest = looked["digest"].as_str().unwrap();
        let refused = auditor.post(&format!("{removal}/undo?expect={digest}"), &json!({})).await;
        lacks(&refused, "manage_members");
        admin.post(&format!("{removal}/undo?expect={digest}"), &json!({})).await.expect(200);
    }
}

#[tokio::test]
async fn r3_1_a_person_may_what_their_role_and_their_hubs_allow() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        let bob = hubs::user(&scim, "bob@example.com").await;
        hubs::manual_hub(&admin, "ops").await;
        hubs::mapping(&admin, "ops", &json!({"user": "bob@example.com", "hub_role": "manager", "app_role": "member"}))
            .await;
        hubs::tasks(&admin, "hub=ops", 1).await;
        let as_ann = token(&server, "--as", "ann@example.com");
        let as_bob = token(&server, "--as", &bob);

        // A user without a hub: nothing of others, and the refusal says what is missing.
        assert_eq!(ids(&as_ann.get("/api/v1/hubs").await.expect(200).json()), Vec::<String>::new());
        assert_eq!(ids(&as_ann.get("/api/v1/tasks").await.expect(200).json()), Vec::<String>::new());
        as_ann.get("/api/v1/hubs/ops").await.expect(404);
        as_ann.get("/api/v1/hubs/ops/members").await.expect(404);
        lacks(&as_ann.get("/api/v1/tokens").await, "read_tokens");
        lacks(&as_ann.post("/api/v1/sources", &json!({"name": "x"})).await, "change_provisioning");
        as_ann.get("/api/v1/hubs/none").await.expect(404);
        as_ann.get(&format!("/api/v1/hubs/ops/users/{ann}/explain")).await.expect(200);
        as_ann.get(&format!("/api/v1/hubs/ops/users/{bob}/explain")).await.expect(404);

        // Whoever connects a hub is its Owner.
        let body = json!({"id": "hers", "app": "manual", "mode": "active", "settle": "0s"});
        as_ann.post("/api/v1/hubs", &body).await.expect(201);
        as_ann.patch("/api/v1/hubs/hers", &json!({"label": "Hers"})).await.expect(200);
        assert_eq!(ids(&as_ann.get("/api/v1/hubs").await.expect(200).json()), ["hers"]);
        as_bob.patch("/api/v1/hubs/hers", &json!({"label": "His"})).await.expect(404);

        // A Manager runs people, and makes nobody Owner; a file cannot do what a request may not.
        assert_eq!(as_bob.get("/api/v1/tasks").await.expect(200).json()["items"][0]["hub"], "ops");
        as_bob.get("/api/v1/hubs/ops/members").await.expect(200);
        let share = json!({"user": "ann@example.com", "app_role": "member"});
        hubs::mapping(&as_bob, "ops", &share).await;
        let owner = json!({"user": "ann@example.com", "app_role": "member", "hub_role": "owner"});
        lacks(&as_bob.put("/api/v1/hubs/ops/mappings", &owner).await, "assign_managers");
        lacks(&as_bob.delete("/api/v1/hubs/ops").await, "delete_hub");
        let file = "[[hub]]\nid = \"hers\"\napp = \"manual\"\nlabel = \"Mine now\"\n";
        let wanted = json!({"files": [{"name": "f.toml", "text": file}]});
        lacks(&as_bob.post("/api/v1/apply", &wanted).await, "edit_hub");
        lacks(&as_bob.post("/api/v1/plan", &wanted).await, "edit_hub");
        as_ann.post("/api/v1/apply", &wanted).await.expect(200);

        // Nobody makes a credential that may do more than they.
        lacks(&as_bob.post("/api/v1/tokens", &json!({"name": "n", "scope": "admin"})).await, "manage_tokens");
        let service = token(&server, "--role", "admin");
        service.post("/api/v1/tokens", &json!({"name": "n", "scope": "admin"})).await.expect(403);
        service.post("/api/v1/tokens", &json!({"name": "n", "scope": "admin", "role": "owner"})).await.expect(403);
        service.post("/api/v1/tokens", &json!({"name": "n", "scope": "admin", "role": "admin"})).await.expect(201);

        // An auditor reads everything and changes nothing.
        let auditor = token(&server, "--role", "auditor");
        for path in ["hubs/ops/members", "tasks", "activity", "tokens", "sources", "export"] {
            auditor.get(&format!("/api/v1/{path}")).await.expect(200);
        }
        lacks(&auditor.patch("/api/v1/hubs/ops", &json!({"label": "x"})).await, "edit_hub");
        lacks(&auditor.post("/api/v1/pause", &json!({})).await, "pause_workspace");

        // Deactivated: the token stops, and is shown so.
        let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "active", "value": false}]});
        scim.patch(&format!("/scim/v2/Users/{bob}"), &patch).await.expect(200);
        eventually("bob's token stops", SOON, async || as_bob.get("/api/v1/hubs").await.status == 401).await;
        let tokens = admin.get("/api/v1/tokens?limit=200").await.expect(200).json();
        let his = tokens["items"].as_array().unwrap().iter().find(|one| one["acts_as"] == bob.as_str()).unwrap();
        assert_eq!(his["state"], "person_inactive", "{}: {his}", database.name);
    }
}

/// Somebody with a workspace role: their id and their token.
async fn person(server: &Server, database: &Database, scim: &Client, role: Role) -> (String, Client) {
    let name = format!("{role}@example.com");
    let id = hubs::user(scim, &name).await;
    let user = id.parse().unwrap();
    let given = move |tx: &mut scimhub::store::Tx<'_>| {
        roles::give(tx, WorkspaceId(1), user, role, "test", SystemClock::new().now())?;
        Ok::<_, StoreError>(())
    };
    database.open().write(given).await.unwrap();
    let client = token(server, "--as", &name);
    (id, client)
}

fn hubs_of(list: &Value) -> std::collections::BTreeSet<String> {
    list["items"].as_array().unwrap().iter().filter_map(|one| one["hub"].as_str().map(str::to_owned)).collect()
}

/// 3.1, *Whole automation log* and *All activity*: what is theirs for who owns something, all for an admin.
#[tokio::test]
async fn r3_1_the_log_and_the_record_show_what_is_theirs_and_all_to_an_admin() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let (user, as_user) = person(&server, &database, &scim, Role::User).await;
        let (_, as_guest) = person(&server, &database, &scim, Role::Guest).await;
        let (_, as_admin) = person(&server, &database, &scim, Role::Admin).await;
        for hub in ["ops", "fin"] {
            hubs::manual_hub(&admin, hub).await;
            let share = json!({"user": "admin@example.com", "app_role": "member"});
            hubs::mapping(&admin, hub, &share).await;
        }
        let manager = json!({"user": "user@example.com", "hub_role": "manager", "seat": false});
        hubs::mapping(&admin, "ops", &manager).await;
        hubs::tasks(&admin, "status=manual", 2).await;

        let seen = async |client: &Client, path: &str| hubs_of(&client.get(path).await.expect(200).json());
        assert_eq!(seen(&as_user, "/api/v1/tasks").await.into_iter().collect::<Vec<_>>(), ["ops"]);
        assert_eq!(seen(&as_admin, "/api/v1/tasks").await.len(), 2, "{}", database.name);
        lacks(&as_guest.get("/api/v1/tasks").await, "read_log");
        let kinds = async |client: &Client| {
            let page = client.get("/api/v1/activity?limit=200").await.expect(200).json();
            let items = page["items"].as_array().unwrap().clone();
            items.into_iter().map(|one| (one["kind"].clone(), one["hub"].clone())).collect::<Vec<_>>()
        };
        let (all, theirs, guests) = (kinds(&as_admin).await, kinds(&as_user).await, kinds(&as_guest).await);
        assert!(all.len() > theirs.len() && theirs.len() > guests.len(), "{}: {all:?} {theirs:?}", database.name);
        assert!(all.iter().any(|(_, hub)| hub == "fin") && theirs.iter().all(|(_, hub)| hub != "fin"), "{theirs:?}");
        assert!(guests.iter().all(|(kind, _)| kind != "hub.connected"), "{guests:?}");
        // What they may do nothing about they do not find by its id either.
        let fin = as_admin.get("/api/v1/tasks?hub=fin").await.expect(200).json();
        let path = format!("/api/v1/tasks/{}", fin["items"][0]["id"].as_str().unwrap());
        as_user.get(&path).await.expect(404);
        as_admin.get(&path).await.expect(200);
        as_user.get(&format!("/api/v1/hubs/fin/users/{user}/explain")).await.expect(200);
    }
}

/// 3.1, *Be hub Owner*: neither guests nor login-only people are, whatever a mapping says.
#[tokio::test]
async fn r3_1_guests_and_login_only_people_are_owner_of_nothing() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        hubs::manual_hub(&admin, "ops").await;
        for (role, may) in [(Role::Guest, false), (Role::LoginOnly, false), (Role::User, true)] {
            let (_, client) = person(&server, &database, &scim, role).await;
            let owner = json!({"user": format!("{role}@example.com"), "hub_role": "owner", "seat": false});
            hubs::mapping(&admin, "ops", &owner).await;
            client.get("/api/v1/hubs/ops").await.expect(200);
            let changed = client.patch("/api/v1/hubs/ops", &json!({"label": format!("of {role}")})).await;
            assert_eq!(changed.status, if may { 200 } else { 403 }, "{}: {role}: {}", database.name, changed.text());
            let connected = client
                .post("/api/v1/hubs", &json!({"id": format!("h-{}", role.as_str().len()), "app": "manual"}))
                .await;
            assert_eq!(connected.status, if may { 201 } else { 403 }, "{}: {role}", database.name);
        }
        assert_eq!(admin.get("/api/v1/hubs/ops").await.expect(200).json()["label"], "of user");
    }
}

/// 3.2: what each role in a hub does, done.
#[tokio::test]
async fn r3_2_each_role_in_a_hub_does_what_its_row_says() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        hubs::manual_hub(&admin, "ops").await;
        let mut people = Vec::new();
        for (name, share) in [
            ("coll@example.com", json!({"user": "coll@example.com", "app_role": "member"})),
            ("mana@example.com", json!({"user": "mana@example.com", "hub_role": "manager", "seat": false})),
            ("owne@example.com", json!({"user": "owne@example.com", "hub_role": "owner", "seat": false})),
        ] {
            hubs::user(&scim, name).await;
            hubs::mapping(&admin, "ops", &share).await;
            people.push(token(&server, "--as", name));
        }
        let [collaborator, manager, owner] = &people[..] else { panic!() };
        let task = hubs::tasks(&admin, "hub=ops&status=manual", 1).await.remove(0);
        let done = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
        // Collaborator: the hub's details, and nothing of its people.
        let details = collaborator.get("/api/v1/hubs/ops").await.expect(200).json();
        let list = collaborator.get("/api/v1/hubs").await.expect(200).json();
        assert_eq!((details.get("status"), list["items"][0].get("status")), (None, None), "{details} {list}");
        let status = manager.get("/api/v1/hubs/ops").await.expect(200).json()["status"].clone();
        assert!(status.is_string(), "{}: who runs it sees how it stands", database.name);
        lacks(&collaborator.get("/api/v1/hubs/ops/members").await, "read_hub");
        lacks(&collaborator.post(&done, &json!({"note": "x"})).await, "manage_members");
        // Manager: its people, its sync, its protected accounts; none of its settings.
        manager.post(&done, &json!({"note": "added by hand"})).await.expect(200);
        let members = manager.get("/api/v1/hubs/ops/members").await.expect(200).json();
        let row = members["items"].as_array().unwrap().iter().find(|one| one["known"] == "active").unwrap().clone();
        let at = |verb: &str| format!("/api/v1/hubs/ops/members/{}/{verb}", row["id"].as_str().unwrap());
        lacks(&collaborator.post(&at("protect"), &json!({"reason": "x"})).await, "protect_members");
        manager.post(&at("protect"), &json!({"reason": "the only one"})).await.expect(200);
        manager.post(&at("unprotect"), &json!({})).await.expect(200);
        manager.post(&at("exempt"), &json!({"reason": "agency"})).await.expect(200);
        manager.post(&at("unexempt"), &json!({})).await.expect(200);
        lacks(&manager.post(&at("claim"), &json!({"user": "mana@example.com"})).await, "assign_managers");
        lacks(&manager.patch("/api/v1/hubs/ops", &json!({"label": "His"})).await, "edit_hub");
        lacks(&manager.delete("/api/v1/hubs/ops?reason=trial").await, "delete_hub");
        // Owner: all of it.
        let more = json!({"user": "coll@example.com", "hub_role": "manager", "app_role": "member"});
        hubs::mapping(owner, "ops", &more).await;
        owner.patch("/api/v1/hubs/ops", &json!({"label": "Hers"})).await.expect(200);
        collaborator.get("/api/v1/hubs/ops/members").await.expect(200);
        let gone = owner.delete("/api/v1/hubs/ops?reason=trial").await;
        assert!(gone.status < 300, "{}: {}", database.name, gone.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_2_whom_a_sync_matched_uses_the_hub_as_collaborator() {
    for database in databases() {
        let stage = super::Stage::new(&database, "0s").await;
        let hana = hubs::user(&stage.scim, "hana@example.com").await;
        let as_hana = token(&stage.server, "--as", "hana@example.com");
        as_hana.get("/api/v1/hubs/box").await.expect(404);
        let remote = stage.account("hana@example.com", "viewer").await;
        stage.sync().await;
        assert_eq!(stage.member_of(&hana).await.unwrap()["hub_role"], "collaborator", "{}", database.name);
        as_hana.get("/api/v1/hubs/box").await.expect(200);
        assert_eq!(ids(&as_hana.get("/api/v1/hubs").await.expect(200).json()), ["box"], "{}", database.name);
        lacks(&as_hana.get("/api/v1/hubs/box/members").await, "read_hub");
        // Gone from the app, and from the hub.
        stage.admin.patch("/api/v1/hubs/box", &json!({"policy": {"sync_threshold_percent": 100}})).await.expect(200);
        stage.seats.delete(&format!("/Users/{remote}")).await.expect(204);
        stage.sync().await;
        as_hana.get("/api/v1/hubs/box").await.expect(404);
    }
}
