//! Undo of what a released batch, a parent or an apply of files took, through the API and by the command.

use serde_json::{Value, json};

use super::Stage;
use crate::hubs::{self, SOON};
use crate::support::server::scimhub;
use crate::support::{Database, databases, eventually};

const PEOPLE: [&str; 6] =
    ["a1@example.com", "a2@example.com", "a3@example.com", "a4@example.com", "a5@example.com", "a6@example.com"];

/// Six viewers by one group.
async fn six(stage: &Stage) -> (String, Vec<String>) {
    let rule = hubs::mapping(&stage.admin, "box", &json!({"group": "staff", "app_role": "viewer"})).await;
    let mut staff = Vec::new();
    for name in PEOPLE {
        staff.push(hubs::user(&stage.scim, name).await);
    }
    let members: Vec<&str> = staff.iter().map(String::as_str).collect();
    hubs::group(&stage.scim, "staff", &members).await;
    for name in PEOPLE {
        stage.until_role(name, Some("viewer")).await;
    }
    stage.at_rest().await;
    (rule, staff)
}

async fn present(stage: &Stage) -> usize {
    let mut count = 0;
    for name in PEOPLE {
        count += usize::from(stage.role_in_app(name).await.is_some());
    }
    count
}

/// Everybody is gone: the mapping was removed, and what the guard held of that was released. The batch
/// and how many it held.
async fn mass_removal(stage: &Stage, rule: &str) -> (String, u64) {
    let reply = stage.admin.delete(&format!("/api/v1/hubs/box/mappings/{rule}")).await;
    assert!(reply.status < 300, "{}", reply.text());
    let mut batch = Value::Null;
    eventually("what is over the limit is held", SOON, async || {
        let status = stage.admin.get("/api/v1/status").await.expect(200).json();
        batch = stage.admin.get("/api/v1/held").await.expect(200).json()["items"][0].clone();
        status["hubs"][0]["marks"] == 0 && batch["total"].as_u64().is_some_and(|held| held >= 2)
    })
    .await;
    let id = batch["id"].as_str().unwrap().to_owned();
    // Held is not taken.
    stage.admin.get(&format!("/api/v1/held/{id}/undo")).await.expect(409);
    stage.admin.post(&format!("/api/v1/held/{id}/release"), &json!({})).await.expect(200);
    eventually("everybody is gone", SOON, async || present(stage).await == 0).await;
    stage.at_rest().await;
    (id, batch["total"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_of_a_released_batch_grants_again_what_that_batch_took() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (rule, staff) = six(&stage).await;
        let (hold, held) = mass_removal(&stage, &rule).await;
        let path = format!("/api/v1/held/{hold}/undo");
        let look = stage.admin.get(&path).await.expect(200).json();
        assert_eq!(look["effects"][0]["adds"], held, "{}: {look}", database.name);
        stage.admin.post(&path, &json!({})).await.expect(400);
        stage.admin.post(&format!("{path}?expect={}", "0".repeat(64)), &json!({})).await.expect(409);
        stage.admin.get("/api/v1/held/nothing/undo").await.expect(404);
        stage.admin.get(&format!("/api/v1/held/{}/undo", uuid::Uuid::now_v7())).await.expect(404);
        assert_eq!(present(&stage).await, 0, "{}: nothing happened yet", database.name);

        let digest = look["digest"].as_str().unwrap();
        stage.admin.post(&format!("{path}?expect={digest}"), &json!({})).await.expect(200);
        let held = usize::try_from(held).unwrap();
        eventually("those of the batch are back", SOON, async || present(&stage).await == held).await;
        stage.at_rest().await;
        assert_eq!(present(&stage).await, held, "{}: they stay, and nobody else came", database.name);
        let told = stage.told("access.granted_again").await;
        assert_eq!(told[0]["target"], format!("hold:{hold}"), "{told:?}");

        // Again it would change nothing; the parent of all six covers the others.
        let again = stage.admin.get(&path).await.expect(200).json();
        assert_eq!(again["effects"].as_array().map_or(0, Vec::len), 0, "{}: {again}", database.name);
        let tasks = stage.admin.get(&format!("/api/v1/tasks?hub=box&user={}&kind=remove", staff[0])).await;
        let task = tasks.expect(200).json()["items"][0].clone();
        let path = format!("/api/v1/tasks/{}/undo", task["parent"].as_str().expect("a parent"));
        let look = stage.admin.get(&path).await.expect(200).json();
        assert_eq!(look["effects"][0]["adds"], 6 - held, "{}: {look}", database.name);
        let digest = look["digest"].as_str().unwrap();
        stage.admin.post(&format!("{path}?expect={digest}"), &json!({})).await.expect(200);
        eventually("everybody is back", SOON, async || present(&stage).await == 6).await;
    }
}

/// The command's exit code, and all that it said.
fn run(database: &Database, server: Option<(&str, &str)>, args: &[&str]) -> (i32, String) {
    let mut command = scimhub(database);
    if let Some((base, token)) = server {
        command.env("SCIMHUB_SERVER", base).env("SCIMHUB_TOKEN", token);
    }
    let output = command.args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

/// What stands behind a word in what the command said.
fn behind<'a>(told: &'a str, word: &str) -> &'a str {
    told.split_once(word).and_then(|(_, rest)| rest.split_whitespace().next()).expect(word)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_shows_first_and_undoes_a_batch_and_an_apply() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (rule, staff) = six(&stage).await;
        let token = stage.server.token("admin");
        let remote = Some((stage.server.base.as_str(), token.as_str()));
        let (hold, held) = mass_removal(&stage, &rule).await;
        for reach in [None, remote] {
            let (code, told) = run(&database, reach, &["undo", "batch", &hold]);
            assert_eq!(code, 2, "{}: {told}", database.name);
            assert!(told.contains(&format!("adds {held}")) && told.contains("@example.com"), "{told}");
            let (code, told) = run(&database, reach, &["undo", "batch", "nothing"]);
            assert_eq!(code, 1, "{told}");
            assert!(told.contains("there is no batch nothing here"), "{told}");
            let wrong = "0".repeat(64);
            let (code, told) = run(&database, reach, &["undo", "batch", &hold, "--digest", &wrong]);
            assert_eq!(code, 1, "{told}");
        }
        assert_eq!(present(&stage).await, 0, "{}: it only showed", database.name);
        let (_, told) = run(&database, remote, &["undo", "batch", &hold]);
        let digest = behind(&told, "digest:").to_owned();
        let (code, told) = run(&database, remote, &["undo", "batch", &hold, "--digest", &digest]);
        assert_eq!(code, 0, "{told}");
        eventually("those of the batch are back", SOON, async || present(&stage).await as u64 == held).await;
        let parent = stage.admin.get(&format!("/api/v1/tasks?hub=box&user={}&kind=remove", staff[0])).await;
        let parent = parent.expect(200).json()["items"][0]["parent"].as_str().unwrap().to_owned();
        let (code, told) = run(&database, None, &["undo", "batch", &parent, "--yes"]);
        assert_eq!(code, 0, "{told}");
        eventually("everybody is back", SOON, async || present(&stage).await == 6).await;
        let (code, told) = run(&database, None, &["undo", "task", &parent, "--yes"]);
        assert_eq!(code, 0, "a second time it changes nothing: {told}");

        // A file takes Ann down a role; what its apply printed leads back.
        hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
        let ann = hubs::user(&stage.scim, "ann@example.com").await;
        hubs::group(&stage.scim, "editors", &[&ann]).await;
        stage.until_role("ann@example.com", Some("editor")).await;
        stage.at_rest().await;
        let (code, file) = run(&database, remote, &["export"]);
        assert_eq!(code, 0, "{file}");
        let path = database.folder().join("hubs.toml");
        std::fs::write(&path, file.replace("\"editor\"", "\"viewer\"")).unwrap();
        let (code, told) = run(&database, remote, &["apply", path.to_str().unwrap()]);
        assert_eq!(code, 0, "{told}");
        let request = behind(&told, "request:").to_owned();
        stage.until_role("ann@example.com", Some("viewer")).await;
        stage.at_rest().await;
        let (code, told) = run(&database, remote, &["undo", "apply", &request, "--json"]);
        assert_eq!(code, 2, "{told}");
        let look: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(look["effects"][0]["promotes"], 1, "{look}");
        let (code, told) = run(&database, remote, &["undo", "apply", &request, "--yes"]);
        assert_eq!(code, 0, "{told}");
        stage.until_role("ann@example.com", Some("editor")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_takes_nothing_of_what_was_given_since() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (_, staff) = six(&stage).await;
        let groups = stage.scim.get("/scim/v2/Groups?filter=displayName%20eq%20%22staff%22").await.expect(200).json();
        let group = groups["Resources"][0]["id"].as_str().unwrap().to_owned();
        stage.membership(&group, "remove", &staff[0]).await;
        stage.until_role(PEOPLE[0], None).await;
        hubs::mapping(&stage.admin, "box", &json!({"user": PEOPLE[0], "app_role": "editor", "hub_role": "manager"}))
            .await;
        stage.until_role(PEOPLE[0], Some("editor")).await;
        stage.at_rest().await;
        let path = format!("/api/v1/tasks?hub=box&user={}&kind=remove&status=completed", staff[0]);
        let removal = stage.admin.get(&path).await.expect(200).json()["items"][0]["id"].as_str().unwrap().to_owned();
        let look = stage.admin.get(&format!("/api/v1/tasks/{removal}/undo")).await.expect(200).json();
        assert_eq!((&look["mappings"], &look["effects"]), (&json!([]), &json!([])), "{}: {look}", database.name);
        assert!(look["notes"].to_string().contains("or more"), "{look}");
    }
}

/// So many people that an undo is written in batches.
const MANY: usize = 230;

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_of_hundreds_is_shown_in_part_digested_whole_and_done_in_batches() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let rule = hubs::mapping(&stage.admin, "box", &json!({"group": "staff", "app_role": "viewer"})).await;
        let mut staff = Vec::new();
        for n in 0..MANY {
            staff.push(hubs::user(&stage.scim, &format!("p{n:03}@example.com")).await);
        }
        let members: Vec<&str> = staff.iter().map(String::as_str).collect();
        hubs::group(&stage.scim, "staff", &members).await;
        let seats = async || stage.seats.get("/Users?count=1").await.expect(200).json()["totalResults"].clone();
        let until = async |wanted: usize| {
            eventually(&format!("{wanted} accounts"), SOON * 10, async || seats().await == wanted).await;
            stage.at_rest().await;
        };
        until(MANY).await;
        stage.admin.delete(&format!("/api/v1/hubs/box/mappings/{rule}")).await.expect(204);
        eventually("nobody is left", SOON * 10, async || {
            for held in stage.admin.get("/api/v1/held").await.expect(200).json()["items"].as_array().unwrap() {
                let release = format!("/api/v1/held/{}/release", held["id"].as_str().unwrap());
                stage.admin.post(&release, &json!({})).await;
            }
            seats().await == 0
        })
        .await;
        stage.at_rest().await;
        let task = stage.admin.get(&format!("/api/v1/tasks?hub=box&user={}&kind=remove", staff[0])).await;
        let parent = task.expect(200).json()["items"][0]["parent"].as_str().expect("a parent").to_owned();
        // One of them left meanwhile.
        super::set_active(&stage.scim, &staff[7], false).await;

        let path = format!("/api/v1/tasks/{parent}/undo");
        let look = stage.admin.get(&path).await.expect(200).json();
        let effect = &look["effects"][0];
        assert_eq!(effect["adds"], MANY - 1, "{}: {effect}", database.name);
        let named = effect["people"].as_array().unwrap().len();
        assert_eq!((named, &effect["more"]), (200, &json!(MANY - 1 - 200)), "{}", database.name);
        assert_eq!(look["mappings"].as_array().unwrap().len(), 200);
        assert!(look["notes"].to_string().contains("29 more individual shares"), "{}", look["notes"]);
        assert!(look["notes"].to_string().contains("p007@example.com"), "{}", look["notes"]);
        let refused = stage.admin.post(&format!("{path}?expect={}", "0".repeat(64)), &json!({})).await.expect(409);
        assert!(refused.body.len() < 200_000, "bounded as well: {}", refused.body.len());
        assert_eq!(seats().await, 0, "{}: it only showed", database.name);

        let digest = look["digest"].as_str().unwrap();
        let begun = stage.admin.post(&format!("{path}?expect={digest}"), &json!({})).await.expect(202).json();
        assert_eq!(begun["effects"][0]["adds"], MANY - 1, "{begun}");
        until(MANY - 1).await;
        let mut told = Vec::new();
        eventually("it is on record, once", SOON, async || {
            let page = stage.admin.get("/api/v1/activity?kind=access.granted_again").await.expect(200).json();
            told = page["items"].as_array().unwrap().clone();
            !told.is_empty()
        })
        .await;
        assert_eq!(told.len(), 1, "{}: {told:?}", database.name);
        assert_eq!(told[0]["detail"]["granted_again"], MANY - 1, "{told:?}");
        // How far it is, one parent of the request tells.
        let batches = stage.admin.get("/api/v1/tasks?kind=batch").await.expect(200).json();
        let of_undo = |one: &&Value| one["request_id"] == begun["request"];
        let parents: Vec<&Value> = batches["items"].as_array().unwrap().iter().filter(of_undo).collect();
        assert_eq!(parents.len(), 1, "{}: {batches}", database.name);
        assert_eq!(parents[0]["progress"]["done"], MANY - 1, "{}", parents[0]);
        // They stay, and there is nothing left to grant again.
        let again = stage.admin.get(&path).await.expect(200).json();
        assert_eq!(again["effects"].as_array().map_or(0, Vec::len), 0, "{}: {again}", database.name);
    }
}
