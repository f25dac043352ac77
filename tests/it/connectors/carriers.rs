//! Every setting of a SCIM app, as the catalog's own manifest offers it to a hub, from the
//! connection to what the app holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scimhub::base::ids::HubId;
use scimhub::connectors::Registry;
use scimhub::domain::catalog::Catalog;
use scimhub::domain::hub::{ConnectionValue, Hub, HubMode, HubPolicy, Login};
use scimhub::domain::hub_rules::{self, Given};
use scimhub::engine::connector::{Connector, Connectors as _};
use scimhub::net::{AddressPolicy, Client};
use serde_json::{Map, Value, json};

use super::bad::{Bad, Habits};
use super::{add, applied, context, effect, remove, update};
use scimhub::domain::task::TaskKind;

/// The connector of a hub with this connection, which the manifest must accept.
fn connect(app: &str, base: &str, settings: &[(&str, &str)]) -> Arc<dyn Connector> {
    let catalog = Catalog::builtin().unwrap();
    let mut connection = BTreeMap::from([(String::from("base_url"), ConnectionValue::Plain(base.to_owned()))]);
    for (name, value) in settings {
        let given = Given::Plain((*value).to_owned());
        hub_rules::field(catalog.get(app).unwrap(), name, &given).unwrap();
        connection.insert((*name).to_owned(), ConnectionValue::Plain((*value).to_owned()));
    }
    let hub = Hub {
        id: HubId::from_uuid(uuid::Uuid::from_u128(1)),
        slug: "h".parse().unwrap(),
        app: app.to_owned(),
        label: String::from("H"),
        login: Login::Sso,
        mode: HubMode::Active,
        paused: false,
        settle: Duration::ZERO,
        connection,
        policy: HubPolicy::default(),
        owner: None,
        file_ref: None,
        revision: 1,
    };
    let client = Client::new(AddressPolicy::with_loopback()).unwrap();
    Registry::new(Arc::new(catalog), client).connect(&hub, &BTreeMap::new()).unwrap()
}

fn app() -> Bad {
    let app = Bad::start(Habits { patch_status: Some(501), ..Habits::default() });
    for role in ["user", "admin"] {
        let group = json!({"id": format!("g-{role}"), "displayName": role, "members": []});
        app.state.lock().unwrap().groups.push(group.as_object().unwrap().clone());
    }
    app
}

fn first(app: &Bad) -> Map<String, Value> {
    app.state.lock().unwrap().users[0].clone()
}

const SEAT: &str = "urn:example:params:scim:schemas:app:2.0:User:seat";

#[tokio::test]
async fn every_role_carrier_of_the_manifest_carries_the_role() {
    let element = json!([{"value": "admin", "primary": true}]);
    for (settings, at, held) in [
        (vec![], "/roles", element.clone()),
        (vec![("role_attribute", "roles")], "/roles", element.clone()),
        (vec![("role_attribute", "entitlements")], "/entitlements", element),
        (
            vec![("role_attribute", "roles"), ("role_type", "seat")],
            "/roles",
            json!([{"value": "admin", "primary": true, "type": "seat"}]),
        ),
        (vec![("role_attribute", "user_type")], "/userType", json!("admin")),
        (vec![("role_attribute", "title")], "/title", json!("admin")),
        (vec![("role_attribute", SEAT)], "/urn:example:params:scim:schemas:app:2.0:User/seat", json!("admin")),
    ] {
        let app = app();
        let scim = connect("scim", &app.base, &settings);
        let made = applied(scim.apply(&add("ann@example.com", "user"), &context()).await.unwrap());
        assert_eq!(made.role.as_deref(), Some("user"), "{settings:?}");
        let raised = applied(scim.apply(&update("ann@example.com", "admin"), &context()).await.unwrap());
        assert_eq!(raised.role.as_deref(), Some("admin"), "{settings:?}");
        assert_eq!(Value::Object(first(&app)).pointer(at), Some(&held), "{settings:?}");
    }
}

#[tokio::test]
async fn roles_as_groups_and_no_roles_at_all() {
    let app = Bad::start(Habits::default());
    for role in ["user", "admin"] {
        let group = json!({"id": format!("g-{role}"), "displayName": role, "members": []});
        app.state.lock().unwrap().groups.push(group.as_object().unwrap().clone());
    }
    let scim = connect("scim", &app.base, &[("role_attribute", "groups")]);
    let made = applied(scim.apply(&add("ann@example.com", "admin"), &context()).await.unwrap());
    assert_eq!(made.role.as_deref(), Some("admin"));
    let sizes: Vec<_> =
        app.state.lock().unwrap().groups.iter().map(|g| g["members"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [0, 1]);

    let plain = Bad::start(Habits::default());
    let scim = connect("scim", &plain.base, &[("role_attribute", "none")]);
    applied(scim.apply(&add("ann@example.com", "admin"), &context()).await.unwrap());
    assert!(!first(&plain).contains_key("roles"));
}

#[tokio::test]
async fn the_flags_of_the_manifest_are_obeyed() {
    let app = app();
    let flags = [("email_as_user_name", "true"), ("removal_deactivates", "true")];
    let scim = connect("scim", &app.base, &flags);
    let mut ann = effect(TaskKind::Add, "ann.login", "user");
    ann.principal.email = String::from("ann@example.com");
    applied(scim.apply(&ann, &context()).await.unwrap());
    assert_eq!(first(&app)["userName"], "ann@example.com");
    ann.kind = TaskKind::Remove;
    scim.apply(&ann, &context()).await.unwrap();
    assert_eq!((app.users(), &first(&app)["active"]), (1, &json!(false)));
}

#[tokio::test]
async fn who_was_renamed_is_found_by_our_id() {
    let app = app();
    let scim = connect("sandbox", &app.base, &[]);
    applied(scim.apply(&add("ann@example.com", "viewer"), &context()).await.unwrap());
    assert_eq!(first(&app)["externalId"], "id-here-of-ann@example.com");
    // Renamed at the IdP before we knew the account's id: the same person, no second account.
    let mut renamed = effect(TaskKind::Add, "ann.miller@example.com", "viewer");
    renamed.principal.external_id = Some(String::from("id-here-of-ann@example.com"));
    super::already(scim.apply(&renamed, &context()).await.unwrap());
    // Another spelling is another id.
    renamed.principal.external_id = Some(String::from("ID-HERE-OF-ANN@example.com"));
    renamed.principal.user_name = String::from("other@example.com");
    applied(scim.apply(&renamed, &context()).await.unwrap());
    assert_eq!(app.users(), 2);
    scim.apply(&remove("ann@example.com"), &context()).await.unwrap();
    assert_eq!(app.users(), 1);
}
