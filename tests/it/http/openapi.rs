//! The description of the API is held against the table of routes, and against what the server
//! answers: the fields it names are the fields that are read.

use std::collections::BTreeSet;

use scimhub::auth::Scope;
use scimhub::http::extract::caller::Access;
use scimhub::http::routes;
use serde_json::{Map, Value, json};

use crate::support::server::Server;
use crate::support::{Database, raw};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

async fn document(server: &Server) -> Value {
    let reply = server.client("read").get("/api/v1/openapi.json").await.expect(200);
    assert_eq!(reply.header("content-type").unwrap(), "application/json");
    reply.json()
}

/// Path, method and operation.
fn operations(document: &Value) -> Vec<(String, String, Map<String, Value>)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path} {method}");
            found.push((path.clone(), method.clone(), operation.as_object().unwrap().clone()));
        }
    }
    found
}

#[tokio::test]
async fn the_description_has_every_route_with_its_scopes_and_right_and_nothing_else() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let document = document(&server).await;
    assert_eq!(document["openapi"], "3.1.0");
    let described = operations(&document);
    let mut names = BTreeSet::new();
    for route in routes::table() {
        let method = route.method.as_str().to_lowercase();
        let there = described.iter().find(|(path, one, _)| path == route.path && *one == method);
        let below = |part| route.path.starts_with(part);
        let for_programs = ["/api/", "/scim/", "/healthz", "/readyz", "/metrics"].into_iter().any(below);
        assert_eq!(there.is_some(), for_programs, "{method} {}", route.path);
        let Some((path, _, operation)) = there else { continue };
        let scopes: Vec<Value> = Scope::ALL
            .into_iter()
            .filter(|scope| route.access != Access::Open && route.access.allows(*scope))
            .map(|scope| json!({ "bearer": [scope.as_str()] }))
            .collect();
        assert_eq!(operation["security"], json!(scopes), "{method} {path}");
        let right = route.action.map(|action| json!(action.as_str()));
        assert_eq!(operation.get("x-right"), right.as_ref(), "{method} {path}");
        let variables: Vec<&str> = path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}')).collect();
        let told: Vec<&str> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["in"] == "path" && one["required"] == true)
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(told, variables, "{method} {path}");
        assert_eq!(operation["responses"].get("404").is_some(), !variables.is_empty(), "{method} {path}");
        assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}: a name twice");
    }
    let for_programs = described.len();
    assert_eq!(names.len(), for_programs);
    assert!(names.contains("hubs.sync") && names.contains("webhooks.create"), "{names:?}");
}

/// The names in `unknown field …, expected one of …`.
fn expected(detail: &str) -> BTreeSet<String> {
    let (_, list) = detail.split_once("expected ").unwrap_or_default();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_fields_that_it_names_are_the_fields_that_are_read() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let document = document(&server).await;
    let token = format!("Authorization: Bearer {}", server.token("admin")).into_bytes();
    let (mut bodies, mut queries, mut needed) = (0, 0, 0);
    for (path, method, operation) in operations(&document) {
        if !path.starts_with("/api/v1/") {
            continue;
        }
        let target: String = path
            .split('/')
            .skip(1)
            .map(|part| {
                if part.starts_with('{') { "/01890a5d-ac96-774b-bcce-b302099a8057".into() } else { format!("/{part}") }
            })
            .collect();
        let say = |target: &str, body: &[u8]| {
            let length = format!("Content-Length: {}", body.len()).into_bytes();
            let headers: [&[u8]; 3] = [&token, b"Content-Type: application/json", &length];
            let reply = raw::request(&server.base, &method.to_uppercase(), target.as_bytes(), &headers, body);
            (reply.status, serde_json::from_str::<Value>(&reply.text()).unwrap_or_default())
        };
        if let Some(body) = operation.get("requestBody") {
            let schema = &body["content"]["application/json"]["schema"];
            // What must be there is what an empty body is refused for.
            let required: Vec<&str> =
                schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect();
            let (status, reply) = say(&target, b"{}");
            let detail = reply["detail"].as_str().unwrap_or_default();
            let missed = detail.split_once("missing field `").map(|(_, rest)| rest.split('`').next().unwrap());
            assert_eq!(missed, required.first().copied(), "{method} {path}: {status} {reply}");
            needed += required.len();
            if schema["additionalProperties"] == false {
                let named: BTreeSet<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
                let (status, reply) = say(&target, br#"{"no such field": 1}"#);
                let detail = reply["detail"].as_str().unwrap_or_default();
                assert!(status == 400 && detail.contains("unknown field"), "{method} {path}: {status} {reply}");
                assert_eq!(expected(detail), named, "{method} {path}");
                bodies += 1;
            }
        }
        let named: BTreeSet<String> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["in"] == "query")
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect();
        if !named.is_empty() {
            let (status, reply) = say(&format!("{target}?no_such_name=1"), b"{}");
            let detail = reply["detail"].as_str().unwrap_or_default();
            assert!(status == 400 && detail.contains("unknown field"), "{method} {path}: {status} {reply}");
            assert_eq!(expected(detail), named, "{method} {path}");
            queries += 1;
        }
    }
    assert!(bodies >= 15 && queries >= 10 && needed >= 15, "{bodies} bodies, {queries} queries, {needed} needed");
}

/// The names of a kind of parameter.
fn parameters(operation: &Value, place: &str) -> Vec<String> {
    let all = operation["parameters"].as_array().unwrap().iter();
    all.filter(|one| one["in"] == place).map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_scim_takes_in_its_query_and_headers_is_said_where_it_counts() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let document = document(&server).await;
    let at = |path: &str, method: &str| document["paths"][path][method].clone();
    let users = at("/scim/v2/Users", "get");
    let all = ["filter", "startIndex", "count", "attributes", "excludedAttributes"];
    assert_eq!(parameters(&users, "query"), all);
    assert_eq!(parameters(&at("/scim/v2/Groups/{id}", "patch"), "query"), all[3..]);
    assert_eq!(parameters(&at("/scim/v2/Groups/{id}", "patch"), "header"), ["If-Match", "If-None-Match"]);
    assert!(at("/scim/v2/Groups/{id}", "patch")["responses"]["412"].is_object());
    assert_eq!(parameters(&at("/scim/v2/Schemas", "get"), "query"), Vec::<String>::new());
    // Each of them counts: a value that cannot be is refused, or changes what comes.
    let scim = server.client("scim");
    for query in ["filter=(", "startIndex=x", "count=x", "attributes=id&excludedAttributes=name"] {
        scim.get(&format!("/scim/v2/Users?{query}")).await.expect(400);
    }
}

#[tokio::test]
async fn the_refusals_that_it_names_are_given_in_the_shape_that_it_names() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let document = document(&server).await;
    for (path, method, operation) in operations(&document) {
        let target = path
            .split('/')
            .map(|part| if part.starts_with('{') { "01890a5d-ac96-774b-bcce-b302099a8057" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let reply = raw::request(&server.base, &method.to_uppercase(), target.as_bytes(), &[], b"");
        let named = &operation["responses"]["401"];
        assert_eq!(reply.status == 401, named.is_object(), "{method} {path}: {}", reply.status);
        let media = if path.starts_with("/scim/") { "application/scim+json" } else { "application/problem+json" };
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let shape = if status == "2XX" { media.replace("problem+", "") } else { media.to_owned() };
            let kinds: Vec<&String> = answer["content"].as_object().unwrap().keys().collect();
            assert_eq!(kinds, [&shape], "{method} {path} {status}");
        }
        if reply.status == 401 {
            assert!(reply.text().contains("a valid bearer token is needed"), "{}", reply.text());
        }
    }
}

#[tokio::test]
async fn what_it_says_of_a_hub_fits_a_hub_that_is_made_and_a_refusal_has_its_shape() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let document = document(&server).await;
    let admin = server.client("admin");
    let post = &document["paths"]["/api/v1/hubs"]["post"];
    let properties = &post["requestBody"]["content"]["application/json"]["schema"]["properties"];
    let wanted = json!({"id": "ads", "app": "ahrefs", "label": "Ads", "login": "password", "mode": "observe",
        "settle": "5s", "connection": {}, "policy": {"max_seats": 3}, "secrets": {}});
    for (name, value) in wanted.as_object().unwrap() {
        let schema = &properties[name];
        let fits = match schema["type"].as_str() {
            Some("string") => value.is_string(),
            Some("object") => value.is_object(),
            _ => schema["enum"].as_array().is_some_and(|words| words.contains(value)),
        };
        assert!(fits, "{name}: {value} and {schema}");
    }
    assert_eq!(properties["policy"]["properties"]["max_seats"]["type"], "integer");
    let refused = admin.post("/api/v1/hubs", &json!({"id": "ads", "app": "none"})).await.expect(400);
    assert_eq!(refused.header("content-type").unwrap(), "application/problem+json");
    for name in document["components"]["schemas"]["Problem"]["required"].as_array().unwrap() {
        assert!(!refused.json()[name.as_str().unwrap()].is_null(), "{name}");
    }
    // A status beside JSON, as `2XX` says, of everything that is only read and needs no id.
    for (path, method, _) in operations(&document) {
        if method == "get" && path.starts_with("/api/v1/") && !path.contains('{') {
            let reply = admin.get(&path).await;
            assert!((200..300).contains(&reply.status), "{path}: {}", reply.status);
            assert_eq!(reply.header("content-type").unwrap(), "application/json", "{path}");
        }
    }
}
