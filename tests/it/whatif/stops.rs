//! A hub that stops pushing, removed or back to observing: its preview names what is withdrawn, held
//! batches too, and who left and keeps the account; and those people stay a problem afterwards.

use serde_json::{Value, json};

use super::digest;
use crate::hubs::holding::{deactivate, leave, staffed};
use crate::hubs::{self, clients, tasks};
use crate::page::visitor::Visitor;
use crate::support::http::Client;
use crate::support::server::{Server, scimhub};
use crate::support::{Database, databases};

/// One change of three is manual, two are held; then somebody of the company leaves, whose removal
/// joins the held ones. Whom each is about: the one in line, the two held, the leaver.
async fn stage(admin: &Client, scim: &Client) -> Vec<String> {
    let (editors, people) = staffed(admin, scim, 20).await;
    leave(scim, &editors, &people[..3]).await;
    let held = tasks(admin, "hub=wiki&status=held", 2).await;
    deactivate(scim, &people[10]).await;
    tasks(admin, "hub=wiki&status=held", 3).await;
    let mut held: Vec<String> = held.iter().map(|task| task["user"].as_str().unwrap().to_owned()).collect();
    let in_line = people[..3].iter().find(|id| !held.contains(id)).unwrap().clone();
    held.insert(0, in_line);
    held.push(people[10].clone());
    held
}

async fn problems(admin: &Client) -> Vec<Value> {
    admin.get("/api/v1/problems").await.expect(200).json()["items"].as_array().unwrap().clone()
}

/// The names of those an effect withdraws, with how their tasks stand; and of the leavers among them.
fn withdrawn(effect: &Value) -> (Vec<(String, String)>, Vec<String>) {
    let people = effect["people"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = people.iter().filter(|one| one["change"] == "withdraw");
    let leavers = people.iter().filter(|one| one["leaver"] == true).map(|one| text(&one["user"])).collect();
    (all.map(|one| (text(&one["user"]), text(&one["task"]))).collect(), leavers)
}

fn notes(plan: &Value) -> String {
    let notes = plan["notes"].as_array().unwrap().iter();
    notes.map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// What both previews must say.
fn says_it(plan: &Value) {
    let effect = &plan["effects"][0];
    let (all, leavers) = withdrawn(effect);
    assert_eq!((all.len(), &effect["withdraws"], &effect["leavers_stay"]), (4, &json!(4), &json!(1)), "{plan}");
    assert_eq!(all.iter().filter(|(_, stands)| stands == "held").count(), 3, "{plan}");
    assert_eq!(leavers, ["p10@example.com"], "{plan}");
    assert!(all.iter().any(|(user, stands)| user == "p10@example.com" && stands == "held"), "{plan}");
    let told = notes(plan);
    assert!(told.contains("4 changes that are under way or due are withdrawn (3 of them held"), "{told}");
    assert!(told.contains("1 person who left keeps the account (p10@example.com)"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_hub_names_what_it_withdraws_and_its_leavers_stay_a_problem_until_said_to_be_gone() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let who = stage(&admin, &scim).await;
        let wish = json!({"remove": true});
        let plan = admin.post("/api/v1/hubs/wiki/preview", &wish).await.expect(200).json();
        says_it(&plan);
        assert_eq!(plan["effects"][0]["stays"], 20, "{plan}");

        // What is withdrawn changed: it is another removal, and refused with what it is by now.
        let held = admin.get("/api/v1/held").await.expect(200).json()["items"][0]["id"].as_str().unwrap().to_owned();
        let task = tasks(&admin, &format!("hub=wiki&status=held&user={}", who[1]), 1).await.remove(0);
        let reject = json!({"tasks": [task["id"]], "note": "she stays"});
        admin.post(&format!("/api/v1/held/{held}/reject"), &reject).await.expect(200);
        let path = |plan: &Value| format!("/api/v1/hubs/wiki?reason=trial&expect={}", digest(plan));
        let refused = admin.delete(&path(&plan)).await.expect(409).json();
        assert_eq!(refused["effects"][0]["withdraws"], 3, "{refused}");
        assert_eq!(problems(&admin).await, Vec::<Value>::new(), "nothing happened");
        let plan = admin.post("/api/v1/hubs/wiki/preview", &wish).await.expect(200).json();
        admin.delete(&path(&plan)).await.expect(204);

        // The leaver is told of at once and with the name, although neither hub nor batch is there.
        assert_eq!(admin.get("/api/v1/held").await.expect(200).json()["items"], json!([]));
        let open = problems(&admin).await;
        assert_eq!(open.len(), 1, "{open:?}");
        let problem = &open[0];
        assert_eq!((&problem["hub"], &problem["cause"]), (&json!("wiki"), &json!("leaver_left_behind")), "{problem}");
        assert_eq!((&problem["occurrences"], &problem["people"][0]["user"]), (&json!(1), &json!(who[3])), "{problem}");
        assert!(problem["remedy"].as_str().unwrap().contains("/api/v1/problems/wiki/gone"), "{problem}");
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let page = me.get("/").await.expect(200).text();
        assert!(page.contains("leaver left behind") && page.contains(&format!("/people/{}", who[3])), "{page}");

        // A new hub of that name is another one, and ends nothing.
        crate::hubs::manual_hub(&admin, "wiki").await;
        assert_eq!(problems(&admin).await[0]["cause"], "leaver_left_behind");
        let held = "/api/v1/access?hub=wiki";
        let open_access = |page: &Value| {
            let all = page["items"].as_array().unwrap();
            all.iter().filter(|one| one["user"] == who[3].as_str() && one["to"].is_null()).count()
        };
        assert_eq!(open_access(&admin.get(held).await.expect(200).json()), 1, "{}", database.name);
        admin.post("/api/v1/problems/wiki/gone", &json!({})).await.expect(400);
        admin.post("/api/v1/problems/other/gone", &json!({"note": "looked"})).await.expect(404);
        admin.post("/api/v1/problems/wiki/gone", &json!({"note": "removed in the app"})).await.expect(204);
        assert_eq!(problems(&admin).await, Vec::<Value>::new(), "{}", database.name);
        assert_eq!(open_access(&admin.get(held).await.expect(200).json()), 0, "{}", database.name);
        admin.post("/api/v1/problems/wiki/gone", &json!({"note": "again"})).await.expect(404);
        let told = admin.get("/api/v1/activity?kind=leavers.gone").await.expect(200).json();
        assert_eq!(told["items"].as_array().unwrap().len(), 1, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_hub_is_planned_with_its_leavers_by_name_and_an_older_digest_is_refused() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let who = stage(&admin, &scim).await;
        std::fs::write(database.folder().join("none.toml"), "").unwrap();
        let (code, told) = run(&database, &["plan", "none.toml", "--prune"]);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("4 changes under way or due withdrawn; 1 of them left and keep"), "{told}");
        assert!(told.contains("p10@example.com") && told.contains("left (is held)"), "{told}");
        let old = told.lines().find_map(|line| line.strip_prefix("digest: ")).unwrap().to_owned();
        // Somebody more leaves.
        deactivate(&scim, &who[1]).await;
        hubs_held_leavers(&admin, 2).await;
        let (code, told) = run(&database, &["apply", "none.toml", "--prune", "--expect", &old]);
        assert_eq!(code, Some(1), "{told}");
        let (_, told) = run(&database, &["plan", "none.toml", "--prune"]);
        let now = told.lines().find_map(|line| line.strip_prefix("digest: ")).unwrap().to_owned();
        let (code, told) = run(&database, &["apply", "none.toml", "--prune", "--expect", &now]);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("2 people who left keep their account"), "{told}");
        let open = problems(&admin).await;
        assert_eq!((open.len(), &open[0]["cause"]), (1, &json!("leaver_left_behind")), "{open:?}");
        assert_eq!(open[0]["people"].as_array().unwrap().len(), 2, "{open:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn back_to_observing_names_what_it_withdraws_and_its_leavers_are_a_problem_at_once() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let who = stage(&admin, &scim).await;
        let wish = json!({"mode": "observe"});
        let plan = admin.post("/api/v1/hubs/wiki/preview", &wish).await.expect(200).json();
        says_it(&plan);
        assert_eq!((&plan["effects"][0]["stops"], &plan["effects"][0]["observe"]), (&json!("observes"), &json!(true)));
        let again = admin.post("/api/v1/hubs/wiki/preview", &wish).await.expect(200).json();
        assert_eq!(again, plan, "{}", database.name);
        // By files it is the same.
        let file = "[[hub]]\nid = \"wiki\"\napp = \"manual\"\nmode = \"observe\"\nsettle = \"0s\"\n\
                    policy = { removal_limit = 1, removal_percent = 1 }\n\
                    [[hub.mapping]]\ngroup = \"editors\"\napp_role = \"member\"\n";
        std::fs::write(database.folder().join("observe.toml"), file).unwrap();
        let (code, told) = run(&database, &["plan", "observe.toml"]);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("withdraws 4") && told.contains("left (is held)"), "{told}");
        assert!(told.contains("1 person who left keeps the account (p10@example.com)"), "{told}");

        // Somebody more leaves: refused as it was looked at, and done as it is now.
        deactivate(&scim, &who[2]).await;
        hubs_held_leavers(&admin, 2).await;
        let path = |plan: &Value| format!("/api/v1/hubs/wiki?expect={}", digest(plan));
        let refused = admin.patch(&path(&plan), &wish).await.expect(409).json();
        assert_eq!(refused["effects"][0]["leavers_stay"], 2, "{refused}");
        let plan = admin.post("/api/v1/hubs/wiki/preview", &wish).await.expect(200).json();
        let done = admin.patch(&path(&plan), &wish).await.expect(200).json();
        assert!(done["notes"].to_string().contains("2 people who left are still in the app"), "{done}");
        tasks(&admin, "hub=wiki&status=open", 0).await;

        // Not only after a day: nothing is on its way that would remove them.
        let open = problems(&admin).await;
        assert_eq!((open.len(), &open[0]["cause"]), (1, &json!("leaver_present")), "{open:?}");
        let named: Vec<&Value> = open[0]["people"].as_array().unwrap().iter().map(|one| &one["user"]).collect();
        assert!(named.len() == 2 && named.contains(&&json!(who[3])) && named.contains(&&json!(who[2])), "{open:?}");
        assert_eq!(admin.get("/api/v1/hubs/wiki").await.expect(200).json()["status"], "under_review");
        // An observing hub that is removed has nothing under way, and the same leavers.
        let gone = admin.post("/api/v1/hubs/wiki/preview", &json!({"remove": true})).await.expect(200).json();
        let effect = &gone["effects"][0];
        assert_eq!((&effect["withdraws"], &effect["leavers_stay"]), (&json!(0), &json!(2)), "{gone}");
    }
}

/// So many leavers are held.
async fn hubs_held_leavers(admin: &Client, count: usize) {
    crate::support::eventually("the leavers are held", hubs::SOON, async || {
        admin.get("/api/v1/held").await.expect(200).json()["items"][0]["leavers"] == count
    })
    .await;
}

fn run(database: &Database, args: &[&str]) -> (Option<i32>, String) {
    let output = scimhub(database).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}
