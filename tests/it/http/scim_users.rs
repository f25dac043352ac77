//! Users through HTTP: creation, replacement, PATCH, activation, deletion, versions.

use diesel::prelude::*;
use scimhub::scim::query::Projection;
use scimhub::service::shown::Conditions;
use scimhub::service::users;
use scimhub::store::StoreError;
use scimhub::store::schema::users as rows;
use serde_json::{Value, json};

use super::scim_marks::Bench;
use super::scim_support::{GROUPS, USERS, add_members, filtered, id_of, make_group, make_user, patch, user};
use crate::support::databases;
use crate::support::server::Server;

#[tokio::test]
async fn who_has_a_longer_text_from_before_can_still_be_deactivated() {
    for database in databases() {
        let bench = Bench::open(&database).await;
        let id = bench.user("ann@x").await;
        let store = &bench.context.store;
        let lengthened = store.write(|tx| {
            let mut document = user("ann@x");
            document["displayName"] = json!("x".repeat(2_000));
            document["emails"][0]["type"] = json!("y".repeat(2_000));
            diesel::update(rows::table).set(rows::document.eq(document.to_string())).execute(&mut **tx)?;
            Ok::<_, StoreError>(())
        });
        lengthened.await.unwrap();
        let off = patch(json!([{ "op": "replace", "path": "active", "value": false }]));
        let (free, all) = (Conditions::default(), Projection::all());
        let shown = users::patch(&bench.context, &bench.caller, &id, off, free, all).await.unwrap();
        assert!(shown.body.contains("\"active\":false"), "{}: {}", database.name, shown.body);
    }
}

/// Everything that is a key of an index has a bound, or PostgreSQL refuses the row.
#[tokio::test]
async fn texts_too_long_for_an_index_are_refused_by_name() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let id = make_user(&client, "ann@example.com").await;
        // Random enough that no database compresses it.
        let long: String = (0..170).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
        let with = |name: &str, value: &Value| {
            let mut body = user("bob@example.com");
            body[name] = value.clone();
            body
        };
        let emails = json!([{ "value": "bob@example.com", "type": long }]);
        for (attribute, named, value) in
            [("displayName", "displayName", json!(long)), ("emails", "emails.type", emails)]
        {
            let mut put = with(attribute, &value);
            put["userName"] = json!("ann@example.com");
            let path = format!("{USERS}/{id}");
            let changed = patch(json!([{ "op": "replace", "path": attribute, "value": value }]));
            for reply in [
                client.post(USERS, &with(attribute, &value)).await,
                client.put(&path, &put).await,
                client.patch(&path, &changed).await,
            ] {
                let error = reply.expect(400).json();
                assert_eq!(error["scimType"], "invalidValue", "{}: {error}", database.name);
                assert!(error["detail"].as_str().unwrap().starts_with(named), "{error}");
            }
        }
        client.post(USERS, &with("displayName", &json!(&long[..1_024]))).await.expect(201);
    }
}

#[tokio::test]
async fn a_user_lives_and_goes() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let made = client.post(USERS, &user("ann@example.com")).await.expect(201);
        let body = made.json();
        let id = id_of(&made);
        let path = format!("{USERS}/{id}");
        assert_eq!(made.header("location"), body["meta"]["location"].as_str());
        assert_eq!(made.header("etag"), Some("W/\"1\""));
        assert_eq!(made.header("content-type"), Some("application/scim+json"));
        assert_eq!(body["meta"]["version"], "W/\"1\"");
        assert_eq!(body["meta"]["resourceType"], "User");
        assert_eq!(client.get(&path).await.expect(200).json(), body);

        // PUT of what was read changes nothing (R-PUT-12).
        let put = client.put(&path, &body).await.expect(200);
        assert_eq!(put.json(), body);
        assert_eq!(put.header("etag"), Some("W/\"1\""));
        // PUT that clears an attribute does (R-PUT-04).
        let put = client.put(&path, &json!({"schemas": body["schemas"], "userName": "ann@example.com"})).await;
        let put = put.expect(200);
        assert!(put.json().get("emails").is_none());
        assert_eq!(put.header("etag"), Some("W/\"2\""));
        assert_eq!(client.get(&filtered(USERS, "emails.value pr")).await.expect(200).json()["totalResults"], 0);

        client.delete(&path).await.expect(204);
        for reply in [client.get(&path).await, client.delete(&path).await, client.put(&path, &body).await] {
            let error = reply.expect(404).json();
            assert_eq!(error["status"], "404");
        }
        // The name is free again, for another id (R-DEL-04).
        assert_ne!(make_user(&client, "ann@example.com").await, id);
    }
}

#[tokio::test]
async fn versions_guard_writes() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let id = make_user(&client, "eve@example.com").await;
        let path = format!("{USERS}/{id}");
        let change = patch(json!([{ "op": "replace", "path": "title", "value": "Lead" }])).to_string();
        let send = |method: &'static str, header: &'static str, tag: &'static str, body: Option<&str>| {
            let (client, path, body) = (client.clone(), path.clone(), body.map(|b| b.as_bytes().to_vec()));
            async move {
                client.send(method, &path, &[(header, tag), ("content-type", "application/scim+json")], body).await
            }
        };
        send("PATCH", "if-match", "W/\"9\"", Some(&change)).await.expect(412);
        send("DELETE", "if-match", "W/\"9\"", None).await.expect(412);
        let done = send("PATCH", "if-match", "W/\"1\"", Some(&change)).await.expect(200);
        assert_eq!(done.header("etag"), Some("W/\"2\""));
        send("PATCH", "if-match", "*", Some(&change)).await.expect(200);
        let same = send("GET", "if-none-match", "W/\"2\"", None).await.expect(304);
        assert!(same.body.is_empty());
        assert_eq!(same.header("etag"), Some("W/\"2\""));
        send("GET", "if-none-match", "W/\"1\"", None).await.expect(200);
        send("DELETE", "if-match", "\"2\"", None).await.expect(204);
    }
}

/// R-ETAG-12: version check and write are one step.
#[tokio::test]
async fn one_of_twenty_puts_with_one_version_wins() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let id = make_user(&client, "race@example.com").await;
        let puts = (0..20).map(|n| {
            let (client, path) = (client.clone(), format!("{USERS}/{id}"));
            tokio::spawn(async move {
                let mut body = user("race@example.com");
                body["title"] = json!(format!("title {n}"));
                let headers = [("if-match", "W/\"1\""), ("content-type", "application/scim+json")];
                client.send("PUT", &path, &headers, Some(body.to_string().into_bytes())).await.status
            })
        });
        let mut statuses = Vec::new();
        for put in puts.collect::<Vec<_>>() {
            statuses.push(put.await.unwrap());
        }
        statuses.sort_unstable();
        let wanted: Vec<u16> = std::iter::once(200).chain(std::iter::repeat_n(412, 19)).collect();
        assert_eq!(statuses, wanted, "{}", database.name);
    }
}

/// Deactivation keeps memberships and findability; a PUT that does not speak of `active` keeps it.
#[tokio::test]
async fn a_leaver_stays_findable_and_a_member() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let id = make_user(&client, "lea@example.com").await;
        let team = make_group(&client, "team", &[&id]).await;
        let path = format!("{USERS}/{id}");
        // Entra's text and Okta's shape without a path.
        let off = patch(json!([{ "op": "Replace", "path": "active", "value": "False" }]));
        let body = client.patch(&path, &off).await.expect(200).json();
        assert_eq!(body["active"], false);
        assert_eq!(body["groups"][0]["value"], team);
        let found = client.get(&filtered(USERS, "userName eq \"LEA@example.com\"")).await.expect(200).json();
        assert_eq!(found["totalResults"], 1);
        let silent = json!({"schemas": body["schemas"], "userName": "lea@example.com", "title": "x"});
        assert_eq!(client.put(&path, &silent).await.expect(200).json()["active"], false);
        let on = patch(json!([{ "op": "replace", "value": { "active": true } }]));
        let body = client.patch(&path, &on).await.expect(200).json();
        assert_eq!(body["active"], true);
        assert_eq!(body["groups"][0]["display"], "team");
    }
}

/// One statement reads a user with its groups, another those of a page: both show the same, whatever
/// a group is called.
#[tokio::test]
async fn a_read_and_a_list_show_the_same_groups() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let id = make_user(&client, "gus@example.com").await;
        let mut names = vec!["7:a", "32", "\"quoted\" \\ ", "Größe 大 🦀", "a\u{1f},\n'b'"];
        for name in &names {
            make_group(&client, name, &[&id]).await;
        }
        make_group(&client, "not in it", &[]).await;
        let read = client.get(&format!("{USERS}/{id}")).await.expect(200).json();
        let list = client.get(&filtered(USERS, "userName eq \"gus@example.com\"")).await.expect(200).json();
        assert_eq!(read, list["Resources"][0], "{}", database.name);
        let cut = client.get(&format!("{USERS}/{id}?attributes=groups")).await.expect(200).json();
        assert_eq!(read["groups"], cut["groups"]);
        let groups = read["groups"].as_array().unwrap();
        let mut shown: Vec<&str> = groups.iter().filter_map(|group| group["display"].as_str()).collect();
        shown.sort_unstable();
        names.sort_unstable();
        assert_eq!(shown, names, "{}", database.name);
        let ids: Vec<&str> = groups.iter().filter_map(|group| group["value"].as_str()).collect();
        assert!(ids.is_sorted(), "{ids:?}");
    }
}

/// The id in a body selects nothing and changes nothing (Keycloak 46658).
#[tokio::test]
async fn t07_put_body_id_is_ignored() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let (one, two) = (make_user(&client, "one@example.com").await, make_user(&client, "two@example.com").await);
        let before = client.get(&format!("{USERS}/{two}")).await.expect(200).json();
        let mut body = user("one@example.com");
        body["id"] = json!(two);
        body["meta"] = json!({ "version": "W/\"77\"", "location": "http://elsewhere/Users/x" });
        body["title"] = json!("changed");
        let put = client.put(&format!("{USERS}/{one}"), &body).await.expect(200).json();
        assert_eq!((put["id"].as_str(), put["title"].as_str()), (Some(one.as_str()), Some("changed")));
        body["userName"] = json!("three@example.com");
        let made = client.post(USERS, &body).await.expect(201);
        assert!(![one.clone(), two.clone()].contains(&id_of(&made)));
        // A PATCH without a path may carry the resource's own id (Okta), never another's.
        let same = patch(json!([{ "op": "replace", "value": { "id": one, "title": "again" } }]));
        assert_eq!(client.patch(&format!("{USERS}/{one}"), &same).await.expect(200).json()["id"], one);
        let (team, other) = (make_group(&client, "a", &[]).await, make_group(&client, "b", &[]).await);
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "id": other, "displayName": "c"});
        client.put(&format!("{GROUPS}/{team}"), &body).await.expect(200);
        assert_eq!(client.get(&format!("{GROUPS}/{other}")).await.expect(200).json()["displayName"], "b");
        assert_eq!(client.get(&format!("{USERS}/{two}")).await.expect(200).json(), before);
    }
}

/// An externalId is never one of our ids (Grafana CVE-2025-41115).
#[tokio::test]
async fn t01_an_external_id_selects_no_row_of_ours() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let victim = make_user(&client, "victim@example.com").await;
        let team = make_group(&client, "team", &[&victim]).await;
        let before = client.get(&format!("{USERS}/{victim}")).await.expect(200).json();
        for (n, external) in [victim.as_str(), team.as_str(), "1", "0", "default", "W/\"1\""].iter().enumerate() {
            let mut body = user(&format!("mallory{n}@example.com"));
            body["externalId"] = json!(external);
            let made = client.post(USERS, &body).await.expect(201).json();
            assert_ne!(made["id"].as_str(), Some(*external));
            assert_eq!(made["externalId"].as_str(), Some(*external));
            assert!(made.get("groups").is_none());
            let by_id = client.get(&filtered(USERS, &format!("id eq {}", json!(external)))).await.expect(200).json();
            let ids: Vec<&Value> = by_id["Resources"].as_array().unwrap().iter().map(|r| &r["id"]).collect();
            assert!(ids.iter().all(|id| *id == external), "{ids:?}");
        }
        assert_eq!(client.get(&format!("{USERS}/{victim}")).await.expect(200).json(), before);
        // Naming the value as a member means the row with that id, not the look-alike.
        let other = make_group(&client, "other", &[]).await;
        client.patch(&format!("{GROUPS}/{other}"), &add_members(&[&victim])).await.expect(204);
        let members = client.get(&format!("{GROUPS}/{other}")).await.expect(200).json();
        assert_eq!(members["members"][0]["display"], "victim@example.com");
        assert_eq!(members["members"].as_array().unwrap().len(), 1);
    }
}

/// The database's constraint decides, not a read before it.
#[tokio::test(flavor = "multi_thread")]
async fn t17_fifty_equal_posts_make_one_user() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        for round in 0..4 {
            let posts: Vec<_> = (0..50)
                .map(|n| {
                    let client = client.clone();
                    // The key is folded: other cases are the same name.
                    let name = format!("{}@example.com", if n % 2 == 0 { "same" } else { "SAME" });
                    tokio::spawn(async move { client.post(USERS, &user(&format!("{round}{name}"))).await })
                })
                .collect();
            let mut made = 0;
            for post in posts {
                let reply = post.await.unwrap();
                if reply.status == 201 {
                    made += 1;
                } else {
                    let error = reply.expect(409).json();
                    assert_eq!(
                        (error["scimType"].as_str(), error["status"].as_str()),
                        (Some("uniqueness"), Some("409"))
                    );
                }
            }
            assert_eq!(made, 1, "{}", database.name);
        }
        // The same answer to PUT and PATCH (R-PUT-10, R-PATCH-56); its own name in another case is fine.
        let id = make_user(&client, "mine@example.com").await;
        let path = format!("{USERS}/{id}");
        client.put(&path, &user("0same@example.com")).await.expect(409);
        let rename = |name: &str| patch(json!([{ "op": "replace", "path": "userName", "value": name }]));
        client.patch(&path, &rename("0same@example.com")).await.expect(409);
        client.patch(&path, &rename("MINE@example.com")).await.expect(200);
    }
}
