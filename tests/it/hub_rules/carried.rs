//! Assets that a connector carries (sections 2, 5.2 and 7): the practice app with assets, a real server of
//! its own, is given them, read, compared with what is wanted, and given back what was taken.

use scimhub::sandbox::{Invites, practice_kinds};
use serde_json::{Value, json};

use super::{Stage, join};
use crate::hubs::{self, SOON};
use crate::support::{Database, databases, eventually};

const ANN: &str = "ann@example.com";
const URN: &str = "urn:scimhub:params:scim:schemas:practice:2.0:Assets";

async fn stage(database: &Database) -> Stage {
    let stage = Stage::of_catalog(database, "0s", "sandbox-assets").await;
    stage.app.set_assets(practice_kinds());
    stage
}

/// A mapping of this group to `viewer` with these assets.
async fn give(stage: &Stage, group: &str, assets: Value) {
    hubs::mapping(&stage.admin, "box", &json!({"group": group, "app_role": "viewer", "assets": assets})).await;
}

fn ad(tasks: &[&str]) -> Value {
    json!({"kind": "ad_account", "id": "a1", "tasks": tasks})
}

fn page() -> Value {
    json!({"kind": "page", "id": "p9", "tasks": []})
}

/// The app's own words for the same.
fn in_app(assets: &[Value]) -> Value {
    let element = |one: &Value| match one["tasks"].as_array().map(Vec::len) {
        Some(0) => json!({"type": one["kind"], "value": one["id"], "full": true}),
        _ => json!({"type": one["kind"], "value": one["id"], "tasks": one["tasks"]}),
    };
    assets.iter().map(element).collect()
}

/// The seat of this person in the app; null where there is none.
fn seat(stage: &Stage, email: &str) -> Value {
    let state = stage.app.state();
    let seats = state["spaces"]["box"]["seats"].as_array().cloned().unwrap_or_default();
    seats.into_iter().find(|seat| seat["userName"] == email).unwrap_or_default()
}

async fn until_assets(stage: &Stage, email: &str, assets: &[Value]) {
    let wanted = in_app(assets);
    eventually(&format!("{email} has {wanted}"), SOON, async || seat(stage, email)["assets"] == wanted).await;
}

/// Somebody works in the app itself.
async fn alter(stage: &Stage, email: &str, assets: &[Value]) {
    let id = seat(stage, email)["id"].as_str().unwrap().to_owned();
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
        {"op": "replace", "path": format!("{URN}:assets"), "value": in_app(assets)}]});
    stage.seats.patch(&format!("/Users/{id}"), &patch).await.expect(200);
}

fn count(stage: &Stage, kind: &str) -> u64 {
    stage.app.state()["spaces"]["box"]["counts"][kind].as_u64().unwrap_or_default()
}

async fn undo(stage: &Stage, user: &str, kind: &str) -> Value {
    let tasks = stage.admin.get(&format!("/api/v1/tasks?hub=box&user={user}&kind={kind}&status=completed")).await;
    let path = format!("/api/v1/tasks/{}/undo", tasks.expect(200).json()["items"][0]["id"].as_str().unwrap());
    let look = stage.admin.get(&path).await.expect(200).json();
    let digest = look["digest"].as_str().unwrap().to_owned();
    stage.admin.post(&format!("{path}?expect={digest}"), &json!({})).await.expect(200);
    look
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_12_a_connector_gives_assets_with_the_account_and_a_removal_takes_them_away() {
    for database in databases() {
        let stage = stage(&database).await;
        give(&stage, "ads", json!([ad(&["ANALYZE"])])).await;
        give(&stage, "pages", json!([page()])).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let ads = hubs::group(&stage.scim, "ads", &[&ann]).await;
        let pages = hubs::group(&stage.scim, "pages", &[]).await;
        until_assets(&stage, ANN, &[ad(&["ANALYZE"])]).await;
        stage.at_rest().await;
        assert_eq!(count(&stage, "assets"), 0, "{}: they came with the account", database.name);
        assert_eq!(stage.member_of(&ann).await.unwrap()["assets"], json!([ad(&["ANALYZE"])]), "{}", database.name);

        // The same role and one asset more; other tasks; one asset less: each is one update of assets alone.
        join(&stage.scim, &pages, &ann).await;
        until_assets(&stage, ANN, &[ad(&["ANALYZE"]), page()]).await;
        give(&stage, "ads", json!([ad(&["ADVERTISE", "MANAGE"])])).await;
        until_assets(&stage, ANN, &[ad(&["ADVERTISE", "MANAGE"]), page()]).await;
        stage.at_rest().await;
        stage.membership(&pages, "remove", &ann).await;
        until_assets(&stage, ANN, &[ad(&["ADVERTISE", "MANAGE"])]).await;
        stage.at_rest().await;
        let updates = vec![String::from("update_role"); 3];
        assert_eq!(stage.kinds().await, [vec![String::from("add")], updates].concat(), "{}", database.name);
        assert_eq!((count(&stage, "assets"), count(&stage, "role")), (3, 0), "{}", database.name);
        assert_eq!(stage.role_in_app(ANN).await.as_deref(), Some("viewer"), "{}", database.name);

        // A removal takes all of it; suspended, the account stays without them and regains them with the seat.
        stage.membership(&ads, "remove", &ann).await;
        stage.until_role(ANN, None).await;
        stage.at_rest().await;
        assert_eq!(stage.member_of(&ann).await.unwrap()["assets"], json!([]), "{}", database.name);
        stage.admin.patch("/api/v1/hubs/box", &json!({"policy": {"deprovision": "suspend"}})).await.expect(200);
        stage.membership(&ads, "add", &ann).await;
        until_assets(&stage, ANN, &[ad(&["ADVERTISE", "MANAGE"])]).await;
        stage.at_rest().await;
        stage.membership(&ads, "remove", &ann).await;
        until_assets(&stage, ANN, &[]).await;
        stage.at_rest().await;
        assert_eq!(seat(&stage, ANN)["active"], false, "{}", database.name);
        assert_eq!(stage.member_of(&ann).await.unwrap()["assets"], json!([]), "{}", database.name);
        stage.membership(&ads, "add", &ann).await;
        until_assets(&stage, ANN, &[ad(&["ADVERTISE", "MANAGE"])]).await;
        stage.at_rest().await;
        assert_eq!(seat(&stage, ANN)["active"], true, "{}", database.name);

        // What was held when is told by the intervals, each with its assets.
        let access = stage.admin.get(&format!("/api/v1/access?user={ann}")).await.expect(200).json();
        let held: Vec<&Value> = access["items"].as_array().unwrap().iter().map(|one| &one["assets"]).collect();
        for assets in [json!([ad(&["ANALYZE"])]), json!([ad(&["ANALYZE"]), page()])] {
            assert!(held.contains(&&assets), "{}: {access}", database.name);
        }
        // The sync agrees with all of it.
        stage.sync().await;
        let drift = stage.admin.get("/api/v1/hubs/box/drift").await.expect(200).json();
        assert_eq!(drift["items"], json!([]), "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_12_an_account_with_other_assets_is_met_and_an_invited_one_waits() {
    for database in databases() {
        let stage = stage(&database).await;
        give(&stage, "ads", json!([ad(&["ANALYZE"])])).await;
        // The first sync is over.
        stage.at_rest().await;
        // Made in the app by hand, and no sync has seen it: an addition changes nothing of it silently.
        stage.account(ANN, "viewer").await;
        alter(&stage, ANN, &[page()]).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let ads = hubs::group(&stage.scim, "ads", &[&ann]).await;
        until_assets(&stage, ANN, &[ad(&["ANALYZE"])]).await;
        stage.at_rest().await;
        let add = hubs::tasks(&stage.admin, &format!("hub=box&user={ann}&kind=add"), 1).await.remove(0);
        assert_eq!(add["status"], "superseded", "{}: {add}", database.name);
        assert_eq!(stage.kinds().await, ["update_role"], "{}", database.name);
        assert_eq!(stage.app.state()["spaces"]["box"]["duplicates"], 0, "{}", database.name);

        // Invited with their assets; other assets wait for the acceptance (R4.12).
        stage.app.set_invites(Invites::On { lasts: None, listed: true });
        let bob = hubs::user(&stage.scim, "bob@example.com").await;
        join(&stage.scim, &ads, &bob).await;
        until_assets(&stage, "bob@example.com", &[ad(&["ANALYZE"])]).await;
        stage.at_rest().await;
        give(&stage, "ads", json!([ad(&["ANALYZE"]), page()])).await;
        until_assets(&stage, ANN, &[ad(&["ANALYZE"]), page()]).await;
        let waiting = hubs::tasks(&stage.admin, &format!("hub=box&user={bob}&status=waiting"), 1).await.remove(0);
        assert_eq!(waiting["kind"], "update_role", "{}: {waiting}", database.name);
        assert_eq!(seat(&stage, "bob@example.com")["assets"], in_app(&[ad(&["ANALYZE"])]), "{}", database.name);
        let id = seat(&stage, "bob@example.com")["id"].as_str().unwrap().to_owned();
        let anybody = crate::support::http::Client::anonymous(&stage.app.base());
        anybody.post(&format!("/join/box/{id}"), &json!({})).await.expect(200);
        stage.sync().await;
        until_assets(&stage, "bob@example.com", &[ad(&["ANALYZE"]), page()]).await;
        stage.at_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_2_a_sync_reads_assets_and_what_differs_is_drift() {
    for database in databases() {
        let stage = stage(&database).await;
        give(&stage, "ads", json!([ad(&["ANALYZE"])])).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        hubs::group(&stage.scim, "ads", &[&ann]).await;
        until_assets(&stage, ANN, &[ad(&["ANALYZE"])]).await;
        stage.at_rest().await;
        stage.account("zoe@outside.example", "viewer").await;
        alter(&stage, "zoe@outside.example", &[page()]).await;
        alter(&stage, ANN, &[ad(&["ANALYZE", "MANAGE"]), page()]).await;
        stage.sync().await;
        stage.at_rest().await;

        // Taken over into the picture (R7.5), beside what the sync saw; nothing is undone (R7.8).
        let found = json!([ad(&["ANALYZE", "MANAGE"]), page()]);
        let member = stage.member_of(&ann).await.unwrap();
        assert_eq!((&member["assets"], &member["observed"]["assets"]), (&found, &found), "{}: {member}", database.name);
        let zoe = stage.bucket("unmatched").await.remove(0);
        assert_eq!(zoe["assets"], json!([page()]), "{}: {zoe}", database.name);
        let changed = stage.told("member.changed_in_app").await.remove(0);
        assert_eq!(changed["detail"]["after"]["assets"], found, "{}: {changed}", database.name);
        let drift = stage.admin.get("/api/v1/hubs/box/drift?kind=wrong_assets").await.expect(200).json();
        let one = &drift["items"][0];
        assert_eq!((&one["user"], &one["standing"]), (&json!(ann), &json!("open")), "{}: {drift}", database.name);
        assert_eq!(
            (&one["wanted_assets"], &one["known"]["assets"]),
            (&json!([ad(&["ANALYZE"])]), &found),
            "{}: {one}",
            database.name
        );

        // Put right on request; then by every sync, where the hub says so.
        let look = stage.admin.post("/api/v1/hubs/box/drift/repair/preview", &json!({})).await.expect(200).json();
        let act = format!("/api/v1/hubs/box/drift/repair?expect={}", look["digest"].as_str().unwrap());
        stage.admin.post(&act, &json!({})).await.expect(200);
        until_assets(&stage, ANN, &[ad(&["ANALYZE"])]).await;
        stage.at_rest().await;
        stage.admin.patch("/api/v1/hubs/box", &json!({"policy": {"drift": "repair"}})).await.expect(200);
        alter(&stage, ANN, &[ad(&["ANALYZE", "MANAGE"])]).await;
        stage.sync().await;
        until_assets(&stage, ANN, &[ad(&["ANALYZE"])]).await;
        stage.at_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_6_a_sync_that_would_take_over_the_loss_of_many_assets_applies_nothing() {
    for database in databases() {
        let stage = stage(&database).await;
        give(&stage, "ads", json!([ad(&["ANALYZE", "MANAGE"])])).await;
        let names: Vec<String> = (0..5).map(|n| format!("p{n}@example.com")).collect();
        let mut people = Vec::new();
        for name in &names {
            people.push(hubs::user(&stage.scim, name).await);
        }
        hubs::group(&stage.scim, "ads", &people.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for name in &names {
            until_assets(&stage, name, &[ad(&["ANALYZE", "MANAGE"])]).await;
        }
        stage.at_rest().await;
        // One of five is not more than 20 %, in whole or in part.
        alter(&stage, &names[0], &[ad(&["ANALYZE"])]).await;
        stage.sync().await;
        assert_eq!(
            stage.member_of(&people[0]).await.unwrap()["assets"],
            json!([ad(&["ANALYZE"])]),
            "{}",
            database.name
        );
        alter(&stage, &names[1], &[]).await;
        alter(&stage, &names[2], &[]).await;
        let task = stage.admin.post("/api/v1/hubs/box/sync", &json!({})).await.expect(202).json();
        let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
        let mut halted = Value::Null;
        eventually("the sync halts", SOON, async || {
            halted = stage.admin.get(&path).await.expect(200).json();
            halted["status"] == "not_completed"
        })
        .await;
        assert_eq!(halted["error"]["class"], "sync_halted", "{}: {halted}", database.name);
        let problems = hubs::mending::problems(&stage.admin).await;
        assert!(problems[0]["message"].as_str().unwrap().contains("2 of 5 assets"), "{}: {problems:?}", database.name);
        let held = json!([ad(&["ANALYZE", "MANAGE"])]);
        assert_eq!(stage.member_of(&people[1]).await.unwrap()["assets"], held, "{}: nothing is applied", database.name);
        // A person's word, once.
        stage.admin.post("/api/v1/hubs/box/sync", &json!({"accept_removals": true})).await.expect(202);
        eventually("it is taken over", SOON, async || {
            stage.member_of(&people[1]).await.unwrap()["assets"] == json!([])
        })
        .await;
        eventually("the problem is over", SOON, async || hubs::mending::problems(&stage.admin).await.is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_gives_assets_back_and_takes_none_given_since() {
    for database in databases() {
        let stage = stage(&database).await;
        give(&stage, "ads", json!([ad(&["ANALYZE"])])).await;
        give(&stage, "pages", json!([page()])).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let ads = hubs::group(&stage.scim, "ads", &[&ann]).await;
        let pages = hubs::group(&stage.scim, "pages", &[&ann]).await;
        until_assets(&stage, ANN, &[ad(&["ANALYZE"]), page()]).await;
        stage.at_rest().await;
        // The page goes and comes back, and the role was never touched.
        stage.membership(&pages, "remove", &ann).await;
        until_assets(&stage, ANN, &[ad(&["ANALYZE"])]).await;
        stage.at_rest().await;
        let look = undo(&stage, &ann, "update_role").await;
        assert!(look["mappings"].as_array().is_some_and(|all| all.len() == 1), "{}: {look}", database.name);
        until_assets(&stage, ANN, &[ad(&["ANALYZE"]), page()]).await;
        stage.at_rest().await;
        assert_eq!(count(&stage, "role"), 0, "{}", database.name);

        // Everything goes; meanwhile somebody shares another right with Ann, which the undo leaves alone.
        let shares = stage.admin.get("/api/v1/hubs/box/mappings").await.expect(200).json();
        let share = shares["items"].as_array().unwrap().iter().find(|one| one["user"] == ANN).unwrap().clone();
        stage.admin.delete(&format!("/api/v1/hubs/box/mappings/{}", share["id"].as_str().unwrap())).await;
        stage.membership(&ads, "remove", &ann).await;
        stage.until_role(ANN, None).await;
        stage.at_rest().await;
        let since = json!({"user": ANN, "app_role": "viewer", "assets": [ad(&["MANAGE"])]});
        hubs::mapping(&stage.admin, "box", &since).await;
        until_assets(&stage, ANN, &[ad(&["MANAGE"])]).await;
        stage.at_rest().await;
        undo(&stage, &ann, "remove").await;
        eventually("what was taken is back beside it", SOON, async || {
            let assets = seat(&stage, ANN)["assets"].clone();
            let text = assets.to_string();
            text.contains("MANAGE") && (text.contains("ANALYZE") || text.contains("p9"))
        })
        .await;
        stage.at_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_of_a_mapping_are_refused_with_their_place() {
    for database in databases() {
        let stage = Stage::of_catalog(&database, "0s", "sandbox-assets").await;
        let put = async |assets: Value| {
            let body = json!({"group": "ads", "app_role": "viewer", "assets": assets});
            stage.admin.put("/api/v1/hubs/box/mappings", &body).await
        };
        for (assets, field, part) in [
            (json!([ad(&["ANALYZE"]), {"kind": "ad_account", "id": "a1"}]), "assets.1", "already with other tasks"),
            (json!([page(), ad(&["ANALYSE"])]), "assets.1", "'ANALYZE'"),
            (json!([{"kind": "pixel", "id": "1"}]), "assets.0", "no assets of kind 'pixel'"),
            (json!([{"kind": "page", "id": ""}]), "assets.0", "empty"),
            (json!([{"kind": "page", "id": "1", "tasks": [""]}]), "assets.0", "no ''"),
        ] {
            let refused = put(assets).await.expect(400).json();
            let error = &refused["errors"][0];
            assert_eq!(error["field"], field, "{}: {refused}", database.name);
            assert!(error["detail"].as_str().unwrap().contains(part), "{}: {refused}", database.name);
        }
        let none = stage.admin.get("/api/v1/hubs/box/mappings").await.expect(200).json();
        assert_eq!(none["items"], json!([]), "{}: nothing was made", database.name);
        // Twice alike is one; files are held to the same.
        put(json!([page(), page()])).await.expect(201);
        // Of a kind whose tasks no manifest lists any is taken.
        let biz =
            json!({"id": "biz", "app": "linkedin-business", "connection": {"business_id": "1234567890123456789"}});
        stage.admin.post("/api/v1/hubs", &biz).await.expect(201);
        let body =
            json!({"group": "ads", "app_role": "employee", "assets": [{"kind": "page", "id": "1", "tasks": ["X"]}]});
        hubs::mapping(&stage.admin, "biz", &body).await;
    }
}
