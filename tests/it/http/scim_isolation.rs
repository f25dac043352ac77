//! T-06: another workspace's or source's rows do not exist for a caller, whatever it knows.

use serde_json::json;

use super::scim_support::{
    GROUPS, USERS, add_members, filtered, group, id_of, make_group, make_user, members, patch, sorted, user,
};
use crate::support::databases;
use crate::support::http::Client;
use crate::support::server::Server;

#[tokio::test]
async fn t06_other_tenants_and_sources_do_not_exist() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        assert!(server.run(&["workspace", "create", "other"]).status.success());
        assert!(server.run(&["source", "create", "second"]).status.success());
        let own = server.client("scim");
        let mut theirs_user = user("ann@example.com");
        theirs_user["externalId"] = json!("E1");
        let ours = id_of(&own.post(USERS, &theirs_user).await.expect(201));
        let our_group = make_group(&own, "team", &[&ours]).await;
        let our_user = own.get(&format!("{USERS}/{ours}")).await.expect(200).json();
        let our_team = own.get(&format!("{GROUPS}/{our_group}")).await.expect(200).json();

        for (workspace, source) in [("other", "default"), ("default", "second")] {
            let stranger = Client::new(&server.base, &server.token_for(workspace, source, "scim"));
            let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
            for (endpoint, id, body) in
                [(USERS, &ours, user("ann@example.com")), (GROUPS, &our_group, group("team", &[]))]
            {
                let change = patch(json!([{ "op": "replace", "path": "displayName", "value": "taken" }]));
                let (path, nowhere) = (format!("{endpoint}/{id}"), format!("{endpoint}/{unknown}"));
                let pairs = [
                    (stranger.get(&path).await, stranger.get(&nowhere).await),
                    (stranger.put(&path, &body).await, stranger.put(&nowhere, &body).await),
                    (stranger.patch(&path, &change).await, stranger.patch(&nowhere, &change).await),
                    (stranger.delete(&path).await, stranger.delete(&nowhere).await),
                ];
                for (one, two) in pairs {
                    assert_eq!((one.status, two.status), (404, 404), "{workspace}/{source} {path}");
                    assert_eq!(one.text(), two.text());
                }
                for filter in [format!("id eq \"{id}\""), "externalId eq \"E1\"".into(), "displayName pr".into()] {
                    let list = stranger.get(&filtered(endpoint, &filter)).await.expect(200).json();
                    assert_eq!(list["totalResults"], 0, "{filter}");
                }
                assert_eq!(stranger.get(endpoint).await.expect(200).json()["totalResults"], 0);
            }
            // As a member, another source's id is as unknown as any other: kept, never joined.
            let name = format!("mine-{workspace}-{source}@example.com");
            let mine = make_user(&stranger, &name).await;
            let team = make_group(&stranger, "team", &[&mine, &ours, &our_group]).await;
            assert_eq!(members(&stranger, &team).await, sorted(&[&mine]));
            stranger.patch(&format!("{GROUPS}/{team}"), &add_members(&[&ours])).await.expect(204);
            assert_eq!(members(&stranger, &team).await, sorted(&[&mine]));
            for filter in [format!("members.value eq \"{ours}\""), format!("not (members.value eq \"{mine}\")")] {
                let list = stranger.get(&filtered(GROUPS, &filter)).await.expect(200).json();
                assert_eq!(list["totalResults"], 0, "{filter}");
            }
            assert_eq!(
                stranger.get(&filtered(USERS, &format!("groups.value eq \"{our_group}\""))).await.expect(200).json()["totalResults"],
                0
            );
            stranger.delete(&format!("{GROUPS}/{team}")).await.expect(204);
            stranger.delete(&format!("{USERS}/{mine}")).await.expect(204);
        }
        // The name is the workspace's: the same one is free elsewhere, and taken beside us, where
        // the refusal names the source that holds it.
        let elsewhere = Client::new(&server.base, &server.token_for("other", "default", "scim"));
        elsewhere.post(USERS, &user("ann@example.com")).await.expect(201);
        let beside = Client::new(&server.base, &server.token_for("default", "second", "scim"));
        let error = beside.post(USERS, &user("ANN@example.com")).await.expect(409).json();
        assert_eq!(error["scimType"], "uniqueness");
        assert!(error["detail"].as_str().unwrap().contains("'default'"), "{error}");

        assert_eq!(own.get(&format!("{USERS}/{ours}")).await.expect(200).json(), our_user);
        assert_eq!(own.get(&format!("{GROUPS}/{our_group}")).await.expect(200).json(), our_team);

        // `admin` reads over all sources of its own workspace, and writes nothing.
        let theirs = make_user(&beside, "bob@example.com").await;
        let admin = server.client("admin");
        for id in [&ours, &theirs] {
            admin.get(&format!("{USERS}/{id}")).await.expect(200);
            admin.delete(&format!("{USERS}/{id}")).await.expect(403);
        }
        assert_eq!(admin.get(USERS).await.expect(200).json()["totalResults"], 2);
        let read = Client::new(&server.base, &server.token_for("default", "second", "read"));
        assert_eq!(read.get(USERS).await.expect(200).json()["totalResults"], 1);
        read.get(&format!("{USERS}/{ours}")).await.expect(404);
        read.post(USERS, &user("x@example.com")).await.expect(403);
    }
}

/// R-READ-05, R-READ-06: an id has one spelling, and the other type's id is none.
#[tokio::test]
async fn impossible_ids_are_not_found() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    let client = server.client("scim");
    let id = make_user(&client, "ann@example.com").await;
    let long = "a".repeat(4_000);
    for bad in [
        &id.to_uppercase(),
        &id.replace('-', ""),
        "1",
        "%00",
        "%20",
        &format!("{id}%20"),
        &format!("%7B{id}%7D"),
        &long,
    ] {
        client.get(&format!("{USERS}/{bad}")).await.expect(404);
    }
    client.get(&format!("{GROUPS}/{id}")).await.expect(404);
}
