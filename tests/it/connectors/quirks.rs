//! Bad habits of real apps, one by one (connected-apps.md section 6.3), and what is done about them.

use scimhub::connectors::scim::{RoleCarrier, Settings};
use scimhub::domain::member::Presence;
use scimhub::engine::connector::{Connector as _, FailureClass, Outcome, Seen};
use serde_json::json;

use super::bad::{Bad, Habits};
use super::{add, already, applied, at, connector, context, everybody, remove, scim, settings, suspend, update};

/// Add, raise, suspend, wake and remove one person; nobody else is touched.
async fn short_life(app: &Bad, habit: &str) {
    let scim = scim(&app.base, "t");
    let before = app.users();
    let ann = applied(scim.apply(&add("ann@example.com", "viewer"), &context()).await.unwrap());
    already(scim.apply(&add("Ann@example.com", "viewer"), &context()).await.unwrap());
    let raise = at(update("ann@example.com", "editor"), &ann.remote_id);
    assert_eq!(applied(scim.apply(&raise, &context()).await.unwrap()).role.as_deref(), Some("editor"));
    let paused = applied(scim.apply(&suspend("ann@example.com"), &context()).await.unwrap());
    assert_eq!(paused.presence, Presence::Suspended);
    let woken = applied(scim.apply(&add("ann@example.com", "editor"), &context()).await.unwrap());
    assert_eq!((woken.presence, woken.role.as_deref()), (Presence::Active, Some("editor")));
    assert_eq!(app.users(), before + 1, "one person, one account: {habit}");
    assert_eq!(scim.apply(&remove("ann@example.com"), &context()).await.unwrap(), Outcome::Applied(None));
    assert_eq!(scim.apply(&remove("ann@example.com"), &context()).await.unwrap(), Outcome::AlreadyInState(None));
    assert_eq!(app.users(), before, "nobody else was touched: {habit}");
}

#[tokio::test]
async fn every_bad_habit_is_lived_with() {
    let config = |text: &str| Some(serde_json::from_str(text).unwrap());
    for (name, habits) in [
        ("good", Habits::default()),
        ("filter 400", Habits { filter_status: Some(400), ..Habits::default() }),
        ("filter 501", Habits { filter_status: Some(501), ..Habits::default() }),
        ("filter 404", Habits { filter_status: Some(404), ..Habits::default() }),
        ("filter ignored", Habits { filter_ignored: true, ..Habits::default() }),
        ("filter ignored, small pages", Habits { filter_ignored: true, page: Some(3), ..Habits::default() }),
        ("patch 405", Habits { patch_status: Some(405), ..Habits::default() }),
        ("patch 501", Habits { patch_status: Some(501), ..Habits::default() }),
        ("patch 404 with a SCIM error", Habits { patch_status: Some(404), ..Habits::default() }),
        ("no PATCH route", Habits { no_patch_route: true, ..Habits::default() }),
        (
            "no PUT route, PATCH not announced",
            Habits { no_put_route: true, config: config(r#"{"patch":{"supported":false}}"#), ..Habits::default() },
        ),
        ("412 once", Habits { patch_status: Some(501), stale_once: true, ..Habits::default() }),
        ("no configuration", Habits { no_config: true, ..Habits::default() }),
        (
            "odd configuration",
            Habits { config: config(r#"{"patch":[],"filter":"yes","bulk":7}"#), ..Habits::default() },
        ),
        ("says no to filters", Habits { config: config(r#"{"filter":{"supported":false}}"#), ..Habits::default() }),
        ("ids change case", Habits { shouts_ids: true, ..Habits::default() }),
        ("201 without a body", Habits { silent_create: true, ..Habits::default() }),
        ("204 for PATCH", Habits { silent_patch: true, ..Habits::default() }),
        ("odd lists", Habits { odd_list: true, ..Habits::default() }),
        (
            "cursors only, no filter",
            Habits {
                cursors: true,
                page: Some(4),
                filter_status: Some(501),
                config: config(r#"{"pagination":{"cursor":true,"index":false}}"#),
                ..Habits::default()
            },
        ),
    ] {
        let app = Bad::start(habits);
        app.seed(10);
        short_life(&app, name).await;
    }
}

#[tokio::test]
async fn a_conflict_without_a_reason_is_looked_up_and_adopted() {
    for plain_conflict in [true, false] {
        // The filter is blind to the account; the list shows it.
        let app = Bad::start(Habits { plain_conflict, filter_status: Some(501), ..Habits::default() });
        let scim = scim(&app.base, "t");
        // A fresh reading of the list, then somebody else makes the account.
        already_gone(&scim).await;
        app.state.lock().unwrap().users.push(
            json!({"id": "x1", "userName": "ANN@example.com", "active": true, "roles": [{"value": "viewer"}]})
                .as_object()
                .unwrap()
                .clone(),
        );
        let adopted = already(scim.apply(&add("ann@example.com", "viewer"), &context()).await.unwrap());
        assert_eq!(adopted.remote_id, "x1");
        assert_eq!((app.users(), app.count("POST")), (1, 1));
    }
}

async fn already_gone(scim: &scimhub::connectors::scim::Scim) {
    let nobody = scim.apply(&remove("nobody@example.com"), &context()).await.unwrap();
    assert_eq!(nobody, Outcome::AlreadyInState(None));
}

#[tokio::test]
async fn a_hidden_account_in_the_way_is_for_a_person() {
    let app = Bad::start(Habits { hidden: Some(String::from("ann@example.com")), ..Habits::default() });
    let failure = scim(&app.base, "t").apply(&add("ann@example.com", "viewer"), &context()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NeedsHuman, "{failure:?}");
    assert_eq!(app.count("POST"), 1, "no retry loop");
}

#[tokio::test]
async fn an_app_that_says_404_to_everything_never_counts_as_removed() {
    let app = Bad::start(Habits { hides_everything: true, ..Habits::default() });
    let scim = scim(&app.base, "t");
    for wish in [remove("ann@example.com"), at(remove("ann@example.com"), "id-1")] {
        let failure = scim.apply(&wish, &context()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::AuthBroken, "{failure:?}");
        assert!(scim.verify(&wish, &context()).await.is_err());
    }
    assert!(scim.check(&context()).await.is_err());
}

#[tokio::test]
async fn a_login_page_is_not_an_empty_list() {
    let app = Bad::start(Habits { login_page: true, ..Habits::default() });
    let scim = scim(&app.base, "t");
    for wish in [remove("ann@example.com"), add("ann@example.com", "viewer")] {
        let failure = scim.apply(&wish, &context()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Transient, "{failure:?}");
    }
    assert!(scim.list(None, &context()).await.is_err());
    assert_eq!(app.count("POST"), 0);
}

#[tokio::test]
async fn a_delete_that_does_nothing_is_not_a_removal() {
    let app = Bad::start(Habits { delete_status: Some(404), ..Habits::default() });
    let scim_app = scim(&app.base, "t");
    applied(scim_app.apply(&add("ann@example.com", "viewer"), &context()).await.unwrap());
    let failure = scim_app.apply(&remove("ann@example.com"), &context()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Forbidden, "{failure:?}");

    // No DELETE at all: block the account, which is the most this app can do.
    let app = Bad::start(Habits { delete_status: Some(405), ..Habits::default() });
    let scim_app = scim(&app.base, "t");
    applied(scim_app.apply(&add("ann@example.com", "viewer"), &context()).await.unwrap());
    let blocked = applied(scim_app.apply(&remove("ann@example.com"), &context()).await.unwrap());
    assert_eq!(blocked.presence, Presence::Suspended);
}

#[tokio::test]
async fn an_account_made_anew_is_found_again() {
    let app = Bad::start(Habits::default());
    let scim = scim(&app.base, "t");
    let ann = applied(scim.apply(&add("ann@example.com", "viewer"), &context()).await.unwrap());
    app.state.lock().unwrap().users[0].insert("id".into(), json!("other"));
    let raise = at(update("ann@example.com", "editor"), &ann.remote_id);
    assert_eq!(applied(scim.apply(&raise, &context()).await.unwrap()).remote_id, "other");
    app.state.lock().unwrap().users.clear();
    let failure = scim.apply(&raise, &context()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotFound, "{failure:?}");
}

#[tokio::test]
async fn refusals_are_learned_and_people_are_read_once() {
    let app = Bad::start(Habits { filter_status: Some(501), patch_status: Some(501), ..Habits::default() });
    app.seed(250);
    let scim = scim(&app.base, "t");
    for person in 0..20 {
        let name = format!("p{person}@example.com");
        applied(scim.apply(&add(&name, "viewer"), &context()).await.unwrap());
        applied(scim.apply(&update(&name, "editor"), &context()).await.unwrap());
    }
    assert_eq!(app.count("GET /Users?filter"), 1);
    assert_eq!(app.count("PATCH"), 1);
    assert_eq!(app.count("GET /Users?startIndex"), 3, "one complete reading serves a minute");
    assert_eq!(app.count("GET /ServiceProviderConfig"), 1);
}

#[tokio::test]
async fn one_person_is_one_small_group_patch() {
    for no_value_path in [false, true] {
        let app = Bad::start(Habits { member_cap: Some(1), no_value_path, ..Habits::default() });
        let crowd: Vec<_> = (0..300).map(|n| json!({"value": format!("m{n}")})).collect();
        for (id, name) in [("g1", "viewer"), ("g2", "editor")] {
            let group = json!({"id": id, "displayName": name, "members": crowd});
            app.state.lock().unwrap().groups.push(group.as_object().unwrap().clone());
        }
        let scim = connector(Settings { role: RoleCarrier::Groups, ..settings(&app.base, "t") });
        for (wish, role) in
            [(add("ann@example.com", "viewer"), "viewer"), (update("ann@example.com", "editor"), "editor")]
        {
            assert_eq!(applied(scim.apply(&wish, &context()).await.unwrap()).role.as_deref(), Some(role));
        }
        let sizes: Vec<_> =
            app.state.lock().unwrap().groups.iter().map(|g| g["members"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [300, 301]);
        assert_eq!(app.count("PUT"), 0);
    }
}

#[tokio::test]
async fn lists_page_by_index_and_by_cursor() {
    let pagination = Some(json!({"pagination": {"cursor": true, "index": false}}));
    for habits in [
        Habits { page: Some(3), ..Habits::default() },
        Habits { page: Some(3), odd_list: true, ..Habits::default() },
        Habits { page: Some(3), cursors: true, config: pagination, ..Habits::default() },
        Habits::default(),
    ] {
        let app = Bad::start(habits);
        app.seed(200);
        assert_eq!(everybody(&scim(&app.base, "t")).await.len(), 200);
    }
}

#[tokio::test]
async fn roles_in_plain_and_extension_attributes() {
    for path in ["userType", "urn:example:2.0:User:seat"] {
        let app = Bad::start(Habits { patch_status: Some(501), ..Habits::default() });
        let scim = connector(Settings { role: RoleCarrier::Attribute(path.to_owned()), ..settings(&app.base, "t") });
        assert_eq!(
            applied(scim.apply(&add("ann@example.com", "viewer"), &context()).await.unwrap()).role.as_deref(),
            Some("viewer")
        );
        applied(scim.apply(&update("ann@example.com", "editor"), &context()).await.unwrap());
        let seen = scim.verify(&update("ann@example.com", "editor"), &context()).await.unwrap();
        assert!(matches!(seen, Seen::Holds(Some(_))), "{path}: {seen:?}");
    }
}
