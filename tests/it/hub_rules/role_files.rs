//! Groups that give workspace roles (section 3.1), declared in files of hubs: looked at by name, within what
//! whoever applies them may give, and nobody else's.

use serde_json::{Value, json};

use super::join;
use super::rights::{lacks, token};
use crate::hubs;
use crate::support::databases;
use crate::support::http::{Client, Reply};
use crate::support::server::{Server, scimhub};

const BOTH: &str = "[[role_mapping]]\ngroup = \"leads\"\nrole = \"super_admin\"\n\n\
                    [[role_mapping]]\ngroup = \"staff\"\nrole = \"auditor\"\n";

async fn post(client: &Client, path: &str, text: &str, more: &Value) -> Reply {
    let mut body = json!({"files": [{"name": "roles.toml", "text": text}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    client.post(path, &body).await
}

async fn plan(client: &Client, text: &str) -> Value {
    post(client, "/api/v1/plan", text, &json!({})).await.expect(200).json()
}

async fn apply(client: &Client, text: &str, more: &Value) -> Value {
    post(client, "/api/v1/apply", text, more).await.expect(200).json()
}

async fn role(admin: &Client, user: &str) -> String {
    let person = admin.get(&format!("/api/v1/people/{user}")).await.expect(200).json();
    person["role"].as_str().unwrap().to_owned()
}

/// Groups that give a role, by name, with what they give and whose file says so.
async fn mapped(admin: &Client) -> Vec<(String, String, Option<String>)> {
    let all = admin.get("/api/v1/role-mappings").await.expect(200).json();
    let text = |one: &Value, key: &str| one[key].as_str().map(str::to_owned);
    let mut found: Vec<_> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(one, "name").unwrap_or_default(), text(one, "role").unwrap(), text(one, "owner")))
        .collect();
    found.sort();
    found
}

fn is(group: &str, role: &str, owner: Option<&str>) -> (String, String, Option<String>) {
    (group.to_owned(), role.to_owned(), owner.map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_groups_give_roles_through_files_looked_at_by_name_and_within_what_one_has() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        let bob = hubs::user(&scim, "bob@example.com").await;
        let adm = hubs::user(&scim, "adm@example.com").await;
        hubs::group(&scim, "staff", &[&ann, &bob]).await;
        let leads = hubs::group(&scim, "leads", &[&bob]).await;
        admin.put(&format!("/api/v1/people/{adm}/role"), &json!({"role": "admin"})).await.expect(200);
        let [as_ann, as_adm] = ["ann", "adm"].map(|name| token(&server, "--as", &format!("{name}@example.com")));

        // Looked at: who becomes what, the highest of all their groups; nothing is done.
        let look = plan(&admin, BOTH).await;
        let changes: Vec<_> = look["role_changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["name"].as_str().unwrap(), one["from"].as_str().unwrap(), one["to"].as_str().unwrap()))
            .collect();
        let expected = [("ann@example.com", "user", "auditor"), ("bob@example.com", "user", "super_admin")];
        assert_eq!(changes, expected, "{}: {look}", database.name);
        assert_eq!(look["roles"].as_array().map(Vec::len), Some(2), "{look}");
        assert_eq!(role(&admin, &ann).await, "user", "{}", database.name);

        // Nobody gives more than they have, nor do files for them; and whoever gives no roles gives none here.
        for path in ["/api/v1/plan", "/api/v1/apply"] {
            post(&as_adm, path, BOTH, &json!({})).await.expect(403);
            lacks(&post(&as_ann, path, BOTH, &json!({})).await, "change_roles");
        }
        assert_eq!(mapped(&admin).await, [], "{}: nothing of it was done", database.name);

        // Somebody else joined since the look: it means something else now.
        join(&scim, &leads, &adm).await;
        let digest = look["digest"].as_str().unwrap();
        post(&admin, &format!("/api/v1/apply?expect={digest}"), BOTH, &json!({})).await.expect(409);
        let digest = plan(&admin, BOTH).await["digest"].as_str().unwrap().to_owned();
        let applied = post(&admin, &format!("/api/v1/apply?expect={digest}"), BOTH, &json!({"ref": "abc1"})).await;
        let applied = applied.expect(200).json();
        assert_eq!(applied["role_changes"].as_array().map(Vec::len), Some(3), "{applied}");
        assert_eq!((role(&admin, &ann).await.as_str(), role(&admin, &bob).await.as_str()), ("auditor", "super_admin"));
        let told = admin.get("/api/v1/activity?kind=role_mapping.put").await.expect(200).json();
        assert_eq!(told["items"][0]["detail"]["ref"], "abc1", "{}: {told}", database.name);

        // What is there, as a file, changes nothing, also once a group is gone; whoever may not see people sees none.
        let export = async |client: &Client| {
            client.get("/api/v1/export").await.expect(200).json()["text"].as_str().unwrap().to_owned()
        };
        let text = export(&admin).await;
        assert!(text.contains("group = \"leads\"\nsource = \"default\"\nrole = \"super_admin\""), "{text}");
        let again = post(&admin, "/api/v1/apply", &text, &json!({"prune": true})).await.expect(200).json();
        assert_eq!((again.get("roles"), again.get("role_changes")), (None, None), "{}: {again}", database.name);
        let fay = hubs::user(&scim, "fay@example.com").await;
        let as_fay = token(&server, "--as", "fay@example.com");
        assert_eq!(role(&admin, &fay).await, "user");
        assert!(!export(&as_fay).await.contains("role_mapping"), "{}", database.name);
        scim.delete(&format!("/scim/v2/Groups/{leads}")).await.expect(204);
        let text = export(&admin).await;
        assert!(text.contains(&format!("group_id = \"{leads}\"")), "{text}");
        let again = apply(&admin, &text, &json!({"prune": true})).await;
        assert_eq!(again.get("roles"), None, "{}: {again}", database.name);
        assert_eq!(role(&admin, &bob).await, "auditor", "{}: the group is gone", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_1_roles_of_files_are_their_owners_and_bad_input_changes_nothing() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        let ann = hubs::user(&scim, "ann@example.com").await;
        let staff = hubs::group(&scim, "staff", &[&ann]).await;
        for name in ["leads", "ops"] {
            hubs::group(&scim, name, &[]).await;
        }
        admin.post("/api/v1/teams", &json!({"name": "ours"})).await.expect(201);
        let one = |group: &str, role: &str| format!("[[role_mapping]]\ngroup = \"{group}\"\nrole = \"{role}\"\n");

        for (text, part) in [
            (one("nobody", "admin"), "roles.toml:1: group nobody is no group"),
            (format!("\n{}", one("ours", "admin")), "roles.toml:2: group ours is no group"),
            (one("staff", "owner"), "role cannot be 'owner'"),
            (format!("{}{}", one("staff", "admin"), one("STAFF", "user")), "roles.toml:4"),
            (
                format!("{}[[role_mapping]]\ngroup_id = \"{staff}\"\nrole = \"user\"\n", one("staff", "admin")),
                "name it once",
            ),
            (format!("{}source = \"x\"\n", one("staff", "admin")), "there is no source 'x'"),
        ] {
            let reply = post(&admin, "/api/v1/apply", &text, &json!({})).await.expect(400);
            assert!(reply.text().contains(part), "{}: {part}: {}", database.name, reply.text());
        }
        assert_eq!(mapped(&admin).await, [], "{}: nothing of it was done", database.name);

        // One by hand, two by files of two owners.
        admin.put(&format!("/api/v1/role-mappings/{staff}"), &json!({"role": "user"})).await.expect(200);
        apply(&admin, &one("leads", "admin"), &json!({"owner": "it", "ref": "c1"})).await;
        apply(&admin, &one("ops", "user"), &json!({"owner": "sec"})).await;
        let three = [is("leads", "admin", Some("it")), is("ops", "user", Some("sec")), is("staff", "user", None)];
        assert_eq!(mapped(&admin).await, three, "{}", database.name);
        let reply = post(&admin, "/api/v1/plan", &one("leads", "user"), &json!({"owner": "sec"})).await.expect(409);
        assert!(reply.text().contains("managed by 'it'"), "{}", reply.text());
        // Without --prune what is missing is told; with it only theirs goes.
        let told = post(&admin, "/api/v1/plan", "", &json!({"owner": "it"})).await.expect(200).json();
        assert!(told["notes"].to_string().contains("1 role mapping(s)"), "{told}");
        // Files without the section, of nobody: what somebody made by hand is none of their business.
        let hub = "[[hub]]\nid = \"wiki\"\napp = \"manual\"\n";
        apply(&admin, hub, &json!({"prune": true})).await;
        assert_eq!(mapped(&admin).await, three, "{}", database.name);
        let gone = apply(&admin, "", &json!({"owner": "it", "prune": true})).await;
        assert_eq!(gone["roles"][0]["before"], "admin (of it)", "{gone}");
        assert_eq!(mapped(&admin).await, three[1..], "{}", database.name);
        // With the section, if empty, it is.
        let gone = apply(&admin, &format!("role_mapping = []\n{hub}"), &json!({"prune": true})).await;
        assert_eq!(gone["roles"][0]["group"], "staff", "{gone}");
        assert_eq!(mapped(&admin).await, three[1..2], "{}", database.name);

        // The command says it by name: 2 where something would change, and what a file without mistakes holds.
        let path = database.folder().join("roles.toml");
        std::fs::write(&path, one("staff", "login_only")).unwrap();
        let run = |args: &[&str]| {
            let output = scimhub(&database).args(args).output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
        };
        let file = path.to_str().unwrap();
        let (code, told) = run(&["plan", file]);
        assert_eq!(code, 2, "{told}");
        for part in ["+ role mapping group staff: login_only", "ann@example.com: user -> login_only", "1 role mapping"]
        {
            assert!(told.contains(part), "{}: {part}: {told}", database.name);
        }
        let (code, told) = run(&["validate", file]);
        assert!(code == 0 && told.contains("0 hubs and 0 mappings and 1 role mapping"), "{told}");
        let (code, told) = run(&["apply", file, "--owner", "it"]);
        assert_eq!(code, 0, "{told}");
        assert_eq!(role(&admin, &ann).await, "login_only", "{}", database.name);
        let (code, told) = run(&["plan", file, "--owner", "it"]);
        assert_eq!(code, 0, "{told}");
    }
}
