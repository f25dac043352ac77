//! Lists through HTTP: filters, paging, projections, and the early end of a page of groups.

use serde_json::{Value, json};

use super::scim_support::{GROUPS, USERS, filtered, id_of, make_group, make_user, patch, user};
use crate::support::databases;
use crate::support::http::Client;
use crate::support::server::Server;

async fn names(client: &Client, path: &str) -> Vec<String> {
    let body = client.get(path).await.expect(200).json();
    let all = body["Resources"].as_array().unwrap();
    assert_eq!(body["itemsPerPage"], all.len());
    let name = |r: &Value| r["userName"].as_str().or(r["displayName"].as_str()).unwrap().to_owned();
    all.iter().map(name).collect()
}

#[tokio::test]
async fn pages_are_stable_and_complete() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        for n in 0..25 {
            make_user(&client, &format!("p{n:02}@example.com")).await;
        }
        let mut seen = Vec::new();
        for start in [1, 11, 21, 31] {
            let path = format!("{USERS}?startIndex={start}&count=10");
            let body = client.get(&path).await.expect(200).json();
            assert_eq!((body["totalResults"].as_u64(), body["startIndex"].as_u64()), (Some(25), Some(start)));
            seen.extend(names(&client, &path).await);
        }
        assert_eq!(seen, (0..25).map(|n| format!("p{n:02}@example.com")).collect::<Vec<_>>());
        for (query, total, items) in [
            ("count=0", 25, 0),
            ("count=-1", 25, 0),
            ("startIndex=0&count=3", 25, 3),
            ("startIndex=-5", 25, 25),
            ("count=100000", 25, 25),
            ("startIndex=26", 25, 0),
            ("startIndex=9223372036854775807", 25, 0),
            ("unknown=1", 25, 25),
        ] {
            let body = client.get(&format!("{USERS}?{query}")).await.expect(200).json();
            let shown = (body["totalResults"].as_u64().unwrap(), body["Resources"].as_array().unwrap().len());
            assert_eq!(shown, (total, items), "{query}");
        }
        let error = client.get(&format!("{USERS}?count=abc")).await.expect(400).json();
        assert_eq!(error["scimType"], "invalidValue");
    }
}

#[tokio::test]
async fn filters_find_what_they_say() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let mut ids = Vec::new();
        for (name, title, external) in
            [("a_b", "Lead", "X1"), ("axb", "Dev", "x1"), ("a%b", "Dev", "X2"), ("c\\d", "", "X3")]
        {
            let mut body = user(&format!("{name}@example.com"));
            body["externalId"] = json!(external);
            body["displayName"] = json!(format!("Name {name}"));
            body["emails"] = json!([{ "value": format!("{name}@work.example"), "type": "work" },
                                    { "value": format!("{name}@home.example"), "type": "home" }]);
            if !title.is_empty() {
                body["title"] = json!(title);
            }
            ids.push(client.post(USERS, &body).await.expect(201).json()["id"].as_str().unwrap().to_owned());
        }
        let team = make_group(&client, "Team", &[&ids[0], &ids[2]]).await;
        let off = patch(json!([{ "op": "replace", "path": "active", "value": false }]));
        client.patch(&format!("{USERS}/{}", ids[3]), &off).await.expect(200);
        for (filter, wanted) in [
            ("userName eq \"A_B@EXAMPLE.COM\"".into(), vec![0]),
            ("userName sw \"a_\"".into(), vec![0]),
            ("userName co \"%\"".into(), vec![2]),
            ("userName co \"\\\\d\"".into(), vec![3]),
            ("userName ew \"b@example.com\"".into(), vec![0, 1, 2]),
            ("displayName eq \"name AXB\"".into(), vec![1]),
            ("externalId eq \"X1\"".into(), vec![0]),
            ("externalId eq \"x1\"".into(), vec![1]),
            ("active eq false".into(), vec![3]),
            ("active eq true and userName co \"x\"".into(), vec![0, 1, 2]),
            ("emails.value eq \"axb@HOME.example\"".into(), vec![1]),
            ("emails[type eq \"work\" and value eq \"axb@home.example\"]".into(), vec![]),
            ("emails[type eq \"home\"].value eq \"axb@home.example\"".into(), vec![1]),
            ("emails[type eq \"home\" and value sw \"a_\"]".into(), vec![0]),
            (format!("id eq \"{}\"", ids[2]), vec![2]),
            ("id eq \"1\"".into(), vec![]),
            (format!("groups.value eq \"{team}\""), vec![0, 2]),
            ("groups pr".into(), vec![0, 2]),
            (format!("groups[value eq \"{team}\"] and title eq \"dev\""), vec![2]),
            ("title pr".into(), vec![0, 1, 2]),
            ("not (title eq \"Dev\")".into(), vec![0, 3]),
            ("title eq \"Lead\" or userName sw \"c\"".into(), vec![0, 3]),
            ("meta.created gt \"2020-01-01T00:00:00Z\"".into(), vec![0, 1, 2, 3]),
            ("meta.lastModified lt \"2020-01-01T00:00:00Z\"".into(), vec![]),
            ("meta.resourceType eq \"User\" and externalId eq \"X2\"".into(), vec![2]),
            ("userName eq \"' OR 1=1 --\"".into(), vec![]),
        ] {
            let body = client.get(&filtered(USERS, &filter)).await.expect(200).json();
            let found: Vec<&str> =
                body["Resources"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
            let wanted: Vec<&str> = wanted.iter().map(|n: &usize| ids[*n].as_str()).collect();
            assert_eq!(found, wanted, "{}: {filter}", database.name);
            assert_eq!(body["totalResults"], wanted.len(), "{filter}");
        }
        for filter in ["userName eq", "nothing eq \"x\"", "userName xx \"y\"", "(userName pr"] {
            let error = client.get(&filtered(USERS, filter)).await.expect(400).json();
            assert_eq!(error["scimType"], "invalidFilter", "{filter}");
        }
        for (filter, wanted) in [
            ("displayName eq \"team\"".to_owned(), 1),
            (format!("members.value eq \"{}\"", ids[0]), 1),
            (format!("members[value eq \"{}\"]", ids[1]), 0),
            (format!("id eq \"{team}\" and members eq \"{}\"", ids[2]), 1),
            ("members pr".to_owned(), 1),
        ] {
            let body = client.get(&filtered(GROUPS, &filter)).await.expect(200).json();
            assert_eq!(body["totalResults"], wanted, "{}: {filter}", database.name);
        }
    }
}

/// One user, a few and more than are read at once answer alike: whole, with groups, by the window.
#[tokio::test]
async fn what_is_found_by_a_key_is_shown_as_a_page_shows_it() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (client, admin) = (server.client("scim"), server.client("admin"));
        let mut ids = Vec::new();
        for n in 0..130 {
            let mut body = user(&format!("p{n:03}@example.com"));
            body["externalId"] = json!(format!("ext-{n}"));
            body["displayName"] = json!(if n < 3 { "Few" } else { "Many" });
            ids.push(id_of(&client.post(USERS, &body).await.expect(201)));
        }
        make_group(&client, "Team", &[&ids[1], &ids[4]]).await;
        let everybody = client.get(&format!("{USERS}?count=200")).await.expect(200).json();
        let shown = |n: usize| everybody["Resources"][n].clone();
        assert_eq!(shown(1)["groups"][0]["display"], "Team");
        let find = async |client: &Client, filter: &str, more: &str| {
            client.get(&format!("{}{more}", filtered(USERS, filter))).await.expect(200).json()
        };
        for filter in [
            format!("id eq \"{}\"", ids[1]),
            "userName eq \"P001@example.com\"".to_owned(),
            "externalId eq \"ext-1\"".to_owned(),
        ] {
            for client in [&client, &admin] {
                let found = find(client, &filter, "").await;
                assert_eq!(found["Resources"], json!([shown(1)]), "{}: {filter}", database.name);
                assert_eq!(found["totalResults"], 1);
                let cut = find(client, &filter, "&attributes=userName").await;
                let wanted = json!({ "schemas": shown(1)["schemas"], "id": ids[1], "userName": "p001@example.com" });
                assert_eq!(cut["Resources"], json!([wanted]), "{filter}");
                let bare = find(client, &filter, "&excludedAttributes=groups").await;
                assert!(bare["Resources"][0].get("groups").is_none(), "{filter}");
            }
        }
        for client in [&client, &admin] {
            let few = find(client, "displayName eq \"few\"", "").await;
            assert_eq!(few["Resources"], json!([shown(0), shown(1), shown(2)]));
            let one = find(client, "displayName eq \"few\"", "&startIndex=2&count=1").await;
            assert_eq!((&one["Resources"], &one["totalResults"]), (&json!([shown(1)]), &json!(3)));
            assert_eq!((&one["startIndex"], &one["itemsPerPage"]), (&json!(2), &json!(1)));
            let none = find(client, "displayName eq \"few\"", "&startIndex=4").await;
            assert_eq!((&none["Resources"], &none["totalResults"]), (&json!([]), &json!(3)));
            let many = find(client, "displayName eq \"many\"", "&startIndex=2&count=2").await;
            assert_eq!((&many["Resources"], &many["totalResults"]), (&json!([shown(4), shown(5)]), &json!(127)));
        }
    }
}

#[tokio::test]
async fn projections_shape_every_body() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let client = server.client("scim");
        let made = client.post(&format!("{USERS}?attributes=userName"), &user("ann@example.com")).await.expect(201);
        let keys = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
        let wanted = ["id", "schemas", "userName"].map(str::to_owned).into();
        assert_eq!(keys(&made.json()), wanted);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let path = format!("{USERS}/{id}?attributes=userName");
        assert_eq!(keys(&client.get(&path).await.expect(200).json()), wanted);
        assert_eq!(keys(&client.put(&path, &user("ann@example.com")).await.expect(200).json()), wanted);
        let change = patch(json!([{ "op": "replace", "path": "title", "value": "x" }]));
        assert_eq!(keys(&client.patch(&path, &change).await.expect(200).json()), wanted);
        let list = client.get(&format!("{USERS}?attributes=userName")).await.expect(200).json();
        assert_eq!(keys(&list["Resources"][0]), wanted);
        let without = client.get(&format!("{USERS}/{id}?excludedAttributes=emails,meta")).await.expect(200).json();
        assert!(without.get("emails").is_none() && without.get("meta").is_none() && without.get("title").is_some());
        client.get(&format!("{USERS}/{id}?attributes=userName&excludedAttributes=emails")).await.expect(400);
    }
}

#[tokio::test]
async fn discovery_needs_no_filter_and_one_page_no_credential() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    let anonymous = Client::anonymous(&server.base);
    let config = anonymous.get("/scim/v2/ServiceProviderConfig").await.expect(200);
    assert_eq!(config.header("content-type"), Some("application/scim+json"));
    let client = server.client("read");
    for (list, one) in [
        ("/scim/v2/ResourceTypes", "/scim/v2/ResourceTypes/User"),
        ("/scim/v2/Schemas", "/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group"),
    ] {
        anonymous.get(list).await.expect(401);
        assert!(client.get(list).await.expect(200).json()["totalResults"].as_u64().unwrap() >= 2);
        client.get(one).await.expect(200);
        client.get(&format!("{list}?filter=id%20pr")).await.expect(403);
        client.get(&format!("{list}/nothing")).await.expect(404);
        client.post(list, &json!({})).await.expect(405);
        client.delete(one).await.expect(405);
    }
}
