//! Groups through HTTP: members by identity, deltas, pending members, and what a change costs.

use serde_json::{Value, json};

use super::scim_support::{
    GROUPS, USERS, add_members, group, id_of, make_group, make_user, members, patch, sorted, user,
};
use crate::support::databases;
use crate::support::http::Client;
use crate::support::server::Server;

async fn version(client: &Client, id: &str) -> String {
    let reply = client.get(&format!("{GROUPS}/{id}?excludedAttributes=members")).await.expect(200);
    assert!(reply.json().get("members").is_none());
    reply.header("etag").unwrap().to_owned()
}

/// Users made by eight connections side by side, in the order of their numbers.
async fn crowd(client: &Client, prefix: &str, size: usize) -> Vec<String> {
    let made: Vec<_> = (0..8)
        .map(|lane| {
            let (client, prefix) = (client.clone(), prefix.to_owned());
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for n in (lane..size).step_by(8) {
                    ids.push((n, make_user(&client, &format!("{prefix}{n}@example.com")).await));
                }
                ids
            })
        })
        .collect();
    let mut ids = Vec::new();
    for lane in made {
        ids.extend(lane.await.unwrap());
    }
    ids.sort();
    ids.into_iter().map(|(_, id)| id).collect()
}

/// Remove with a value list removes exactly those, in every dialect (Entra's capital letters too).
#[tokio::test]
async fn t11_remove_with_a_list_removes_exactly_those() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let ids = crowd(&client, "u", 6).await;
        let all: Vec<&str> = ids.iter().map(String::as_str).collect();
        let team = make_group(&client, "team", &all).await;
        let path = format!("{GROUPS}/{team}");
        let forms = [
            json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": ids[0] }] }]),
            json!([{ "op": "remove", "path": format!("members[value eq \"{}\"]", ids[1]) }]),
            json!([{ "op": "remove", "path": "members", "value": [{ "value": ids[2] }, { "value": ids[0] }] }]),
        ];
        for (n, form) in forms.into_iter().enumerate() {
            client.patch(&path, &patch(form)).await.expect(204);
            assert_eq!(members(&client, &team).await, sorted(&ids[n + 1..]), "{}: form {n}", database.name);
        }
        // Nothing named is nothing removed, and changes no version.
        let before = version(&client, &team).await;
        client.patch(&path, &patch(json!([{ "op": "remove", "path": "members", "value": [] }]))).await.expect(204);
        client
            .patch(&path, &patch(json!([{ "op": "remove", "path": "members", "value": [{ "value": ids[0] }] }])))
            .await
            .expect(204);
        assert_eq!(version(&client, &team).await, before);
        // A bare remove empties the group (rule 3).
        client.patch(&path, &patch(json!([{ "op": "remove", "path": "members" }]))).await.expect(204);
        assert!(members(&client, &team).await.is_empty());
    }
}

/// Removals are by identity: half of a group in one request, in any order, with repetitions.
#[tokio::test]
async fn t12_many_removals_in_one_request_hit_the_right_people() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let ids = crowd(&client, "u", 40).await;
        let all: Vec<&str> = ids.iter().map(String::as_str).collect();
        for order in 0..3 {
            let team = make_group(&client, "team", &all).await;
            let mut gone: Vec<&String> = ids.iter().step_by(2).collect();
            match order {
                0 => {}
                1 => gone.reverse(),
                _ => gone.rotate_left(7),
            }
            let operations: Vec<Value> = gone
                .iter()
                .chain(gone.first())
                .map(|id| json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") }))
                .collect();
            client.patch(&format!("{GROUPS}/{team}"), &patch(json!(operations))).await.expect(204);
            let left: Vec<&String> = ids.iter().skip(1).step_by(2).collect();
            assert_eq!(members(&client, &team).await, sorted(&left), "{}", database.name);
        }
    }
}

/// One unknown of ten: strict refuses all of it, otherwise nine are stored and the tenth waits.
#[tokio::test]
async fn t13_an_unknown_member_is_refused_or_kept_never_dropped() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        assert!(server.run(&["source", "create", "strict", "--strict"]).status.success());
        let client = Client::new(&server.base, &server.token_for("default", "strict", "scim"));
        let ids = crowd(&client, "s", 10).await;
        let team = make_group(&client, "team", &[&ids[9]]).await;
        let before = client.get(&format!("{GROUPS}/{team}")).await.expect(200).json();
        let mut named: Vec<String> = ids[..9].to_vec();
        named.push("01890a5d-ac96-774b-bcce-b302099a8057".into());
        let values: Vec<Value> = named.iter().map(|id| json!({ "value": id })).collect();
        let replace = patch(json!([
            { "op": "replace", "path": "displayName", "value": "renamed" },
            { "op": "replace", "path": "members", "value": values },
        ]));
        let error = client.patch(&format!("{GROUPS}/{team}"), &replace).await.expect(400).json();
        assert_eq!(error["scimType"], "invalidValue");
        assert_eq!(client.get(&format!("{GROUPS}/{team}")).await.expect(200).json(), before);

        let client = server.client("scim");
        let ids = crowd(&client, "t", 10).await;
        let team = make_group(&client, "team", &[&ids[9]]).await;
        let mut named: Vec<&str> = ids[..9].iter().map(String::as_str).collect();
        named.push("not-here-yet");
        let values: Vec<Value> = named.iter().map(|id| json!({ "value": id })).collect();
        let replace = patch(json!([{ "op": "replace", "path": "members", "value": values }]));
        client.patch(&format!("{GROUPS}/{team}"), &replace).await.expect(204);
        assert_eq!(members(&client, &team).await, sorted(&ids[..9]), "{}", database.name);
        // It joins when a user with that externalId arrives, and the group's version says so.
        let before = version(&client, &team).await;
        let mut late = user("late@example.com");
        late["externalId"] = json!("not-here-yet");
        let made = client.post(USERS, &late).await.expect(201);
        assert_eq!(made.json()["groups"][0]["value"], team);
        assert!(members(&client, &team).await.contains(&id_of(&made)));
        assert_ne!(version(&client, &team).await, before);
    }
}

/// Parallel PATCHes of one group never lose a member.
#[tokio::test(flavor = "multi_thread")]
async fn t18_twenty_clients_add_two_thousand_members() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let ids = crowd(&client, "m", 2_000).await;
        let team = make_group(&client, "all", &[]).await;
        let clients: Vec<_> = ids
            .chunks(100)
            .map(|hundred| {
                let (client, path, hundred) = (client.clone(), format!("{GROUPS}/{team}"), hundred.to_vec());
                tokio::spawn(async move {
                    // A few requests each, so that the clients really meet.
                    for part in hundred.chunks(10) {
                        client.patch(&path, &add_members(part)).await.expect(204);
                    }
                })
            })
            .collect();
        for one in clients {
            one.await.unwrap();
        }
        assert_eq!(members(&client, &team).await, sorted(&ids), "{}", database.name);
        assert_eq!(version(&client, &team).await, "W/\"201\"");
    }
}

/// What PATCH answers is what a GET shows, and success without effect is never answered.
#[tokio::test]
async fn t22_each_patch_response_equals_a_following_get() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let id = make_user(&client, "pat@example.com").await;
        let boss = make_user(&client, "boss@example.com").await;
        let team = make_group(&client, "team", &[&id]).await;
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let examples = [
            json!([{ "op": "add", "path": "nickName", "value": "Pat" }]),
            json!([{ "op": "add", "value": { "name": { "givenName": "Pat", "familyName": "Ito" }, "title": "Lead" } }]),
            json!([{ "op": "replace", "path": "name.familyName", "value": "Itō" }]),
            json!([{ "op": "add", "path": "emails", "value": [{ "value": "p@home.example", "type": "home" }] }]),
            json!([{ "op": "replace", "path": "emails[type eq \"home\"].value", "value": "q@home.example" }]),
            json!([{ "op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Oslo" }]),
            json!([{ "op": "replace", "path": format!("{enterprise}:manager"), "value": boss }]),
            json!([{ "op": "replace", "value": { (format!("{enterprise}:department")): "R&D", "name.middleName": "K" } }]),
            json!([{ "op": "remove", "path": "emails[type eq \"home\"]" }]),
            json!([{ "op": "remove", "path": "nickName" }]),
            json!([{ "op": "replace", "path": "active", "value": "False" }]),
            json!([{ "op": "replace", "path": "title", "value": "" }]),
        ];
        let mut last = client.get(&format!("{USERS}/{id}")).await.expect(200).json();
        for example in examples {
            let patched = client.patch(&format!("{USERS}/{id}"), &patch(example.clone())).await.expect(200);
            let got = client.get(&format!("{USERS}/{id}")).await.expect(200);
            assert_eq!(patched.json(), got.json(), "{}: {example}", database.name);
            assert_eq!(patched.header("etag"), got.header("etag"));
            assert_ne!(got.json()["meta"]["version"], last["meta"]["version"], "no effect: {example}");
            last = got.json();
            // Once more is no change: no new version.
            let again = client.patch(&format!("{USERS}/{id}"), &patch(example.clone())).await.expect(200);
            assert_eq!(again.json(), last, "repeated: {example}");
        }
        let path = format!("{GROUPS}/{team}");
        for example in [
            json!([{ "op": "add", "path": "members", "value": [{ "value": boss }] }]),
            json!([{ "op": "replace", "value": { "id": team, "displayName": "renamed" } }]),
            json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }]),
        ] {
            let asked = format!("{path}?attributes=displayName,members,id,meta,schemas");
            let patched = client.patch(&asked, &patch(example.clone())).await.expect(200);
            let got = client.get(&path).await.expect(200);
            assert_eq!(patched.json(), got.json(), "{}: {example}", database.name);
            assert_eq!(patched.header("etag"), got.header("etag"));
        }
        let quiet = client.patch(&path, &add_members(&[&id])).await.expect(204);
        assert!(quiet.body.is_empty());
        assert_eq!(quiet.header("etag"), Some(version(&client, &team).await.as_str()));
    }
}

/// Nothing happens where nothing changes: not a version, not a time.
#[tokio::test]
async fn a_change_that_nets_to_nothing_keeps_the_version() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let ids = crowd(&client, "n", 3).await;
        let team = make_group(&client, "team", &[&ids[0]]).await;
        let path = format!("{GROUPS}/{team}");
        let before = client.get(&path).await.expect(200).json();
        for operations in [
            json!([{ "op": "add", "path": "members", "value": [{ "value": ids[0] }] }]),
            json!([
                { "op": "add", "path": "members", "value": [{ "value": ids[1] }] },
                { "op": "remove", "path": format!("members[value eq \"{}\"]", ids[1]) },
            ]),
            json!([{ "op": "replace", "path": "members", "value": [{ "value": ids[0] }, { "value": ids[0] }] }]),
            json!([{ "op": "replace", "value": { "displayName": "team" } }]),
        ] {
            client.patch(&path, &patch(operations.clone())).await.expect(204);
            assert_eq!(client.get(&path).await.expect(200).json(), before, "{operations}");
        }
        client.put(&path, &group("team", &[&ids[0]])).await.expect(200);
        assert_eq!(client.get(&path).await.expect(200).json(), before);
        // The steps apply in order: emptied, then one added.
        client
            .patch(
                &path,
                &patch(json!([
                    { "op": "remove", "path": "members" },
                    { "op": "add", "path": "members", "value": [{ "value": ids[2] }] },
                ])),
            )
            .await
            .expect(204);
        assert_eq!(members(&client, &team).await, sorted(&ids[2..3]));
    }
}

/// A user that goes leaves its groups, and their versions say so; a group that goes leaves nothing.
#[tokio::test]
async fn deletion_leaves_no_loose_ends() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let ids = crowd(&client, "d", 2).await;
        let team = make_group(&client, "team", &[&ids[0], &ids[1]]).await;
        let outer = make_group(&client, "outer", &[&team]).await;
        assert_eq!(members(&client, &outer).await, sorted(&[&team]));
        let before = version(&client, &team).await;
        client.delete(&format!("{USERS}/{}", ids[0])).await.expect(204);
        assert_eq!(members(&client, &team).await, sorted(&ids[1..2]));
        assert_ne!(version(&client, &team).await, before);
        client.delete(&format!("{GROUPS}/{team}")).await.expect(204);
        assert!(members(&client, &outer).await.is_empty());
        assert!(client.get(&format!("{USERS}/{}", ids[1])).await.expect(200).json().get("groups").is_none());
        client.get(&format!("{GROUPS}/{team}")).await.expect(404);
    }
}
