//! Assets (sections 2 and 5.2): what a mapping gives beside the role. No connector carries them, so the
//! app is one of the catalog that a person works in; they do what the item says.

use serde_json::{Value, json};

use super::{Stage, join};
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

const ANN: &str = "ann@example.com";

/// The one open item of the hub, once it is of this kind.
async fn item(stage: &Stage, kind: &str) -> Value {
    hubs::tasks(&stage.admin, &format!("hub=biz&status=manual&kind={kind}"), 1).await.remove(0)
}

async fn done(stage: &Stage, item: &Value) {
    let path = format!("/api/v1/tasks/{}/done", item["id"].as_str().unwrap());
    stage.admin.post(&path, &json!({"note": "done in the app"})).await.expect(200);
    eventually("nothing is open", SOON, async || {
        let status = stage.admin.get("/api/v1/status").await.expect(200).json();
        let open = stage.admin.get("/api/v1/tasks?hub=biz&status=open").await.expect(200).json();
        let hubs = status["hubs"].as_array().unwrap();
        hubs.iter().all(|hub| hub["marks"] == 0) && open["items"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
}

async fn assets(stage: &Stage) -> Value {
    stage.admin.get("/api/v1/hubs/biz/members").await.expect(200).json()["items"][0]["assets"].clone()
}

fn steps(item: &Value) -> &str {
    item["instructions"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_12_a_removal_takes_assets_away_and_a_change_of_assets_alone_is_an_item() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let biz = json!({"id": "biz", "app": "linkedin-business", "mode": "active", "settle": "0s",
            "connection": {"business_id": "1234567890123456789"}});
        stage.admin.post("/api/v1/hubs", &biz).await.expect(201);
        let give = async |group: &str, assets: Value| {
            let body = json!({"group": group, "app_role": "employee", "assets": assets});
            hubs::mapping(&stage.admin, "biz", &body).await;
        };
        give("ads", json!([{"kind": "ad_account", "id": "a1", "tasks": ["VIEW"]}])).await;
        give("pages", json!([{"kind": "page", "id": "p9", "tasks": ["POST"]}])).await;
        let ann = hubs::user(&stage.scim, ANN).await;
        let ads = hubs::group(&stage.scim, "ads", &[&ann]).await;
        let pages = hubs::group(&stage.scim, "pages", &[]).await;

        let add = item(&stage, "add").await;
        assert!(steps(&add).ends_with("Assets to give: ad_account a1 (VIEW)."), "{}: {add}", database.name);
        assert_eq!(assets(&stage).await, json!([]), "{}: nobody gave anything yet", database.name);
        done(&stage, &add).await;
        let a1 = json!({"kind": "ad_account", "id": "a1", "tasks": ["VIEW"]});
        assert_eq!(assets(&stage).await, json!([a1]), "{}", database.name);

        // Another group gives the same role and one asset more (R5.7).
        join(&stage.scim, &pages, &ann).await;
        let more = item(&stage, "update_role").await;
        assert!(steps(&more).ends_with("Assets to give: page p9 (POST)."), "{}: {more}", database.name);
        assert_eq!(more["role"], "employee", "{more}");
        done(&stage, &more).await;

        // Full permission over one, and less of another: the mapping changes, the role does not.
        give("pages", json!([{"kind": "page", "id": "p9"}])).await;
        let full = item(&stage, "update_role").await;
        assert!(steps(&full).ends_with("Assets to give: page p9 (everything)."), "{}: {full}", database.name);
        done(&stage, &full).await;
        give("ads", json!([])).await;
        let less = item(&stage, "update_role").await;
        assert!(steps(&less).ends_with("Assets to take away: ad_account a1 (VIEW)."), "{}: {less}", database.name);
        done(&stage, &less).await;
        let p9 = json!({"kind": "page", "id": "p9", "tasks": []});
        assert_eq!(assets(&stage).await, json!([p9]), "{}", database.name);

        // Leaving both takes the account, and the asset with it.
        for group in [&ads, &pages] {
            let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "remove", "path": format!("members[value eq \"{ann}\"]")}]});
            stage.scim.patch(&format!("/scim/v2/Groups/{group}"), &body).await.expect(204);
        }
        let release = async || {
            let held = stage.admin.get("/api/v1/held").await.expect(200).json();
            for one in held["items"].as_array().unwrap() {
                let path = format!("/api/v1/held/{}/release", one["id"].as_str().unwrap());
                stage.admin.post(&path, &json!({})).await.expect(200);
            }
        };
        let mut removal = Value::Null;
        eventually("the removal is an item", SOON, async || {
            release().await;
            let all = stage.admin.get("/api/v1/tasks?hub=biz&status=manual&kind=remove").await.expect(200).json();
            removal = all["items"].as_array().unwrap().first().cloned().unwrap_or_default();
            !removal.is_null()
        })
        .await;
        assert!(steps(&removal).contains("page p9 (everything)"), "{}: {removal}", database.name);
        done(&stage, &removal).await;
        assert_eq!(assets(&stage).await, json!([]), "{}", database.name);
        // What was held when is told by the intervals: each ended with its assets.
        let access = stage.admin.get(&format!("/api/v1/access?user={ann}")).await.expect(200).json();
        let all = access["items"].as_array().unwrap();
        assert!(all.len() >= 4 && all.iter().all(|one| one["to"].is_string()), "{}: {access}", database.name);
    }
}
