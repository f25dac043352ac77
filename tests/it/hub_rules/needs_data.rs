//! Section 12.3: what an app must know of a person before it can add them. Against the practice app
//! as one that refuses whom it knows too little of, and a catalog app that a person works in.

use serde_json::{Value, json};

use super::{Stage, join};
use crate::hubs::mending::{GOOD, problems};
use crate::hubs::{self, SOON};
use crate::support::http::Client;
use crate::support::{databases, eventually};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

/// The practice app refuses everybody without a cost centre.
async fn strict(stage: &Stage) {
    let board = Client::new(&stage.app.base(), GOOD);
    let seed = json!({"space": "box", "needs": [format!("{ENTERPRISE}:costCenter")]});
    board.post("/_test/seed", &seed).await.expect(200);
}

/// The cost centre that the app was told of somebody.
async fn told(stage: &Stage, email: &str) -> Value {
    let all = stage.seats.get("/Users").await.expect(200).json();
    let found = all["Resources"].as_array().cloned().unwrap_or_default();
    found.into_iter().find(|one| one["userName"] == email).unwrap_or_default()[ENTERPRISE]["costCenter"].clone()
}

async fn waits(stage: &Stage, user: &str) -> Value {
    let mut task = Value::Null;
    eventually("the addition waits for data", SOON, async || {
        let all = stage.admin.get("/api/v1/tasks?hub=box&status=waiting").await.expect(200).json();
        let found = all["items"].as_array().unwrap().iter().find(|one| one["user"] == user).cloned();
        task = found.unwrap_or_default();
        task["error"]["class"] == "needs_data"
    })
    .await;
    task
}

async fn problem_is_over(stage: &Stage) {
    eventually("the problem is over", SOON, async || problems(&stage.admin).await.is_empty()).await;
}

async fn status(stage: &Stage) -> Value {
    stage.admin.get("/api/v1/hubs/box").await.expect(200).json()["status"].clone()
}

/// A hub of the catalog's app with a form, its group `editors`, and Ann in it without a cost centre.
async fn stage(database: &crate::support::Database) -> (Stage, String, String) {
    let stage = Stage::of_catalog(database, "0s", "sandbox-forms").await;
    strict(&stage).await;
    hubs::mapping(&stage.admin, "box", &json!({"group": "editors", "app_role": "editor"})).await;
    let ann = hubs::user(&stage.scim, ANN).await;
    let editors = hubs::group(&stage.scim, "editors", &[&ann]).await;
    (stage, ann, editors)
}

#[tokio::test(flavor = "multi_thread")]
async fn section_12_3_an_addition_that_lacks_data_waits_until_the_identity_provider_sends_it() {
    for database in databases() {
        let (stage, ann, _) = stage(&database).await;
        let task = waits(&stage, &ann).await;
        assert_eq!((&task["kind"], &task["attempts"]), (&json!("add"), &json!(0)), "{}: {task}", database.name);
        assert!(task["error"]["detail"].as_str().unwrap().contains("cost centre"), "{task}");
        let row = stage.member_of(&ann).await.unwrap();
        let shown = (&row["status"], &row["needs"], &row["known"]);
        assert_eq!(shown, (&json!("needs_data"), &json!(["cost_center"]), &json!("absent")), "{}", database.name);
        let open = problems(&stage.admin).await;
        assert_eq!(
            (open.len(), &open[0]["cause"], &open[0]["tasks"]),
            (1, &json!("needs_data"), &json!(1)),
            "{open:?}"
        );
        assert_eq!(status(&stage).await, "review_configuration", "{}", database.name);
        let why = stage.admin.get(&format!("/api/v1/hubs/box/users/{ann}/explain")).await.expect(200).json();
        assert!(why["summary"].to_string().contains("needs data to add this person: cost centre"), "{why}");
        // Trying again by hand gets nobody in.
        let retry = format!("/api/v1/tasks/{}/retry", task["id"].as_str().unwrap());
        assert!(stage.admin.post(&retry, &json!({})).await.expect(409).text().contains("/fields"));
        assert_eq!(stage.app.state()["spaces"]["box"]["effects"], json!([]), "{}: nothing was sent", database.name);

        // Another attribute changes nothing.
        let patch = |path: &str, value: &str| {
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "add", "path": path, "value": value}]})
        };
        let path = format!("/scim/v2/Users/{ann}");
        stage.scim.patch(&path, &patch("title", "Lead")).await.expect(200);
        waits(&stage, &ann).await;
        stage.scim.patch(&path, &patch(&format!("{ENTERPRISE}:costCenter"), "4130")).await.expect(200);
        stage.until_role(ANN, Some("editor")).await;
        assert_eq!(told(&stage, ANN).await, "4130", "{}", database.name);
        problem_is_over(&stage).await;
        stage.at_rest().await;
        let row = stage.member_of(&ann).await.unwrap();
        assert_eq!((&row["status"], row.get("needs")), (&json!(""), None), "{}: {row}", database.name);
        assert_eq!(stage.kinds().await, ["add"], "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn section_12_3_what_no_attribute_tells_is_given_by_hand() {
    for database in databases() {
        let (stage, ann, editors) = stage(&database).await;
        waits(&stage, &ann).await;
        let bob = hubs::user(&stage.scim, BOB).await;
        join(&stage.scim, &editors, &bob).await;
        waits(&stage, &bob).await;
        let fields = |user: &str| format!("/api/v1/hubs/box/users/{user}/fields");
        let shown = stage.admin.get(&fields(&bob)).await.expect(200).json();
        let attribute = format!("{ENTERPRISE}:costCenter");
        assert_eq!((&shown["missing"], &shown["fields"][0]["from"]), (&json!(["cost_center"]), &json!("missing")));
        assert_eq!(shown["fields"][0]["attribute"], attribute.as_str(), "{shown}");
        for (body, part) in [
            (json!({"fields": {"cost_centre": "1"}}), "did you mean 'cost_center'?"),
            (json!({"fields": {"cost_center": " "}}), "blank"),
            (json!({"fields": {"cost_center": "a\u{7}"}}), "one line"),
        ] {
            let refused = stage.admin.put(&fields(&bob), &body).await.expect(400).json();
            assert!(refused.to_string().contains(part), "{body}: {refused}");
        }
        stage.admin.put(&fields("00000000-0000-7000-8000-000000000000"), &json!({"fields": {}})).await.expect(404);
        let given = json!({"fields": {"cost_center": "secret-7"}});
        let shown = stage.admin.put(&fields(&bob), &given).await.expect(200).json();
        assert_eq!((&shown["missing"], &shown["fields"][0]["from"]), (&json!([]), &json!("given")), "{shown}");
        stage.until_role(BOB, Some("editor")).await;
        assert_eq!(told(&stage, BOB).await, "secret-7", "{}", database.name);
        // Who gave what is on record, the value is not.
        let record = stage.told("user.fields_given").await;
        assert!(record.len() == 1 && record[0].to_string().contains("cost_center"), "{record:?}");
        assert!(!record[0].to_string().contains("secret-7"), "{record:?}");
        // Ann waits still: the problem is hers now.
        let open = problems(&stage.admin).await;
        assert_eq!((open.len(), &open[0]["tasks"]), (1, &json!(1)), "{}: {open:?}", database.name);

        // The hub reads it from another attribute from now on, for everybody at once.
        let wrong = json!({"policy": {"create_fields": {"cost_center": "a b", "nothing": "title"}}});
        let refused = stage.admin.patch("/api/v1/hubs/box", &wrong).await.expect(400).json();
        for field in ["policy.create_fields.cost_center", "policy.create_fields.nothing"] {
            assert!(refused.to_string().contains(field), "{refused}");
        }
        let title = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "title", "value": "CC 9"}]});
        stage.scim.patch(&format!("/scim/v2/Users/{ann}"), &title).await.expect(200);
        let right = json!({"policy": {"create_fields": {"cost_center": "title"}}});
        stage.admin.patch("/api/v1/hubs/box", &right).await.expect(200);
        stage.until_role(ANN, Some("editor")).await;
        assert_eq!(told(&stage, ANN).await, "CC 9", "{}", database.name);
        problem_is_over(&stage).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn section_12_3_drift_knows_what_was_given_by_hand() {
    for database in databases() {
        let (stage, ann, _) = stage(&database).await;
        waits(&stage, &ann).await;
        stage.admin.post("/api/v1/pause", &json!({"hub": "box"})).await.expect(204);
        let standing = async || {
            let drift = stage.admin.get("/api/v1/hubs/box/drift").await.expect(200).json();
            assert_eq!((&drift["items"][0]["user"], &drift["items"][0]["kind"]), (&json!(ann), &json!("missing")));
            drift["items"][0]["standing"].clone()
        };
        // The addition that waits for the data is there already.
        assert_eq!(standing().await, "under_way", "{}", database.name);
        let path = format!("/api/v1/hubs/box/users/{ann}/fields");
        stage.admin.put(&path, &json!({"fields": {"cost_center": "4130"}})).await.expect(200);
        assert_eq!(standing().await, "open", "{}: nothing lacks any more", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn section_12_3_a_grant_that_goes_or_a_person_who_declines_ends_the_waiting() {
    for database in databases() {
        let (stage, ann, editors) = stage(&database).await;
        waits(&stage, &ann).await;
        stage.membership(&editors, "remove", &ann).await;
        problem_is_over(&stage).await;
        stage.at_rest().await;
        assert_eq!(stage.member_of(&ann).await.unwrap()["status"], "", "{}", database.name);
        let bob = hubs::user(&stage.scim, BOB).await;
        join(&stage.scim, &editors, &bob).await;
        let task = waits(&stage, &bob).await["id"].as_str().unwrap().to_owned();
        stage.admin.post(&format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(200);
        problem_is_over(&stage).await;
        assert_eq!(stage.app.state()["spaces"]["box"]["effects"], json!([]), "{}", database.name);
        // What was given goes with the person.
        let path = format!("/api/v1/hubs/box/users/{bob}/fields");
        stage.admin.put(&path, &json!({"fields": {"cost_center": "1"}})).await.expect(200);
        stage.scim.delete(&format!("/scim/v2/Users/{bob}")).await.expect(204);
        stage.admin.get(&path).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn section_12_3_who_adds_by_hand_reads_what_the_app_asks_for() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let shop = json!({"id": "shop", "app": "buyme", "mode": "active", "settle": "0s",
            "connection": {"unique_identifier": "acme1"}});
        stage.admin.post("/api/v1/hubs", &shop).await.expect(201);
        hubs::mapping(&stage.admin, "shop", &json!({"group": "buyers", "app_role": "member"})).await;
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": ANN, "active": true,
            "phoneNumbers": [{"value": "+49 30 1", "type": "work"}, {"value": "+49 170 1", "type": "mobile"}]});
        let ann = stage.scim.post("/scim/v2/Users", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned();
        hubs::group(&stage.scim, "buyers", &[&ann]).await;
        let waiting = hubs::tasks(&stage.admin, "hub=shop&status=waiting", 1).await.remove(0);
        let why = waiting["error"]["detail"].as_str().unwrap();
        assert!(why.ends_with("birth date"), "{}: the number is known: {why}", database.name);
        let path = format!("/api/v1/hubs/shop/users/{ann}/fields");
        stage.admin.put(&path, &json!({"fields": {"birth_date": "1990-01-31 {email}"}})).await.expect(200);
        let item = hubs::tasks(&stage.admin, "hub=shop&status=manual", 1).await.remove(0);
        let steps = item["instructions"].as_str().unwrap();
        assert!(
            steps.contains("birth date: 1990-01-31 {email}, mobile number: +49 170 1"),
            "{}: {steps}",
            database.name
        );
        problem_is_over(&stage).await;
    }
}
