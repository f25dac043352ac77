//! The requests and commands of T-25: secrets by every door there is, and secrets where they are
//! not expected.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::t25_canaries::Search;
use crate::page::visitor::Visitor;
use crate::support::http::Client;
use crate::support::server::{Server, scimhub};
use crate::support::{Database, raw};

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// A hub's secrets by every door: files, commands and the API.
pub async fn secrets(database: &Database, server: &Server, search: &mut Search, admin: &Client) {
    let secret = search.canary(server, "a secret by PUT");
    search.reply(
        "PUT secret",
        &admin.put("/api/v1/hubs/gone/secrets/TOKEN", &json!({ "value": secret })).await.expect(204),
    );
    let secret = search.canary(server, "a secret by PATCH");
    let patch = json!({"secrets": {"TOKEN": secret}});
    search.reply("PATCH hub", &admin.patch("/api/v1/hubs/gone", &patch).await.expect(200));
    let secret = search.canary(server, "a secret by environment");
    let file = "[[hub]]\nid = \"filed\"\napp = \"sandbox\"\n\
        connection = { base_url = \"http://127.0.0.1:9/scim/v2\", token = { env = \"FILED_TOKEN\" } }\n";
    let path = database.folder().join("filed.toml");
    std::fs::write(&path, file).unwrap();
    let path = path.to_string_lossy().into_owned();
    for command in ["validate", "plan", "apply", "plan"] {
        let output = scimhub(database).args([command, &path]).env("FILED_TOKEN", &secret).output().unwrap();
        search.take(command, format!("{output:?} {}", String::from_utf8_lossy(&output.stdout)));
    }
    for (place, hub, code) in [("a secret by command", "filed", 0), ("a secret for no hub", "nowhere", 1)] {
        let secret = search.canary(server, place);
        let mut child = scimhub(database)
            .args(["secret", "set", hub, "token"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let shown = format!("{output:?}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(code == 1 || output.status.success() || shown.contains("names no such secret"), "{shown}");
        search.take(place, shown);
    }
}

/// People with passwords, as identity providers send them; one user's and one group's id.
pub async fn people(server: &Server, search: &mut Search, scim: &Client) -> (String, String) {
    let secret = search.canary(server, "a password by POST");
    let body = json!({"schemas": [USER], "userName": "ann@example.com", "active": true, "password": secret,
        "emails": [{"value": "ann@example.com", "type": "work", "primary": true}]});
    let made = scim.post("/scim/v2/Users", &body).await.expect(201);
    search.reply("POST user", &made);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/scim/v2/Users/{id}");
    let secret = search.canary(server, "a password by PUT");
    let mut body = body;
    body["password"] = json!(secret);
    body["title"] = json!("marker");
    search.reply("PUT user", &scim.put(&path, &body).await.expect(200));
    for (place, operation) in [
        ("a password by PATCH", json!({"op": "replace", "path": "password", "value": "?"})),
        ("a password by Entra", json!({"op": "Add", "path": "password", "value": "?"})),
        ("a password by long name", json!({"op": "replace", "path": format!("{USER}:password"), "value": "?"})),
        ("a password by Okta", json!({"op": "replace", "value": {"password": "?", "active": true}})),
    ] {
        let secret = search.canary(server, place);
        let operation = operation.to_string().replace("\"?\"", &format!("\"{secret}\""));
        let operation: Value = serde_json::from_str(&operation).unwrap();
        let reply = scim.patch(&path, &json!({"schemas": [PATCH], "Operations": [operation]})).await;
        assert!(reply.status < 300, "{place}: {}", reply.text());
        search.reply(place, &reply);
    }
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "staff",
        "members": [{ "value": id }]});
    let group = scim.post("/scim/v2/Groups", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    (id, group)
}

/// Bodies and queries that are refused, with a secret in them.
pub async fn wrong_bodies(server: &Server, search: &mut Search, scim: &Client, admin: &Client) {
    let users = "/scim/v2/Users";
    let user = |password: &str| format!("{{\"schemas\":[\"{USER}\"],\"userName\":\"w@example.com\",{password}}}");
    let patch = |operation: &str| format!("{{\"schemas\":[\"{PATCH}\"],\"Operations\":[{operation}]}}");
    let someone = format!("{users}/01890a5d-ac96-774b-bcce-b302099a8057");
    let hub = |rest: &str| format!("{{\"id\":\"new\",\"app\":\"sandbox\",{rest}}}");
    let file = |text: &str| json!({"files": [{"name": "h.toml", "text": text}]}).to_string();
    let toml = |line: &str| file(&format!("[[hub]]\nid = \"new\"\napp = \"sandbox\"\n{line}\n"));
    let url = "\"base_url\":\"http://127.0.0.1:9/\"";
    let put = "/api/v1/hubs/gone/secrets/TOKEN";
    let cases: Vec<(&Client, &str, &str, String)> = vec![
        (scim, "POST", users, user("\"password\":{\"value\":\"?\"}")),
        (scim, "POST", users, user("\"password\":[\"?\"]")),
        (scim, "POST", users, user("\"password\":\"?\",\"password\":\"?\"")),
        (scim, "POST", users, user("\"password\":\"?\",\"active\":\"maybe\"")),
        (scim, "POST", users, user("\"password\":\"?\",\"emails\":7")),
        (scim, "POST", users, user("\"password\":\"?\"").trim_end_matches('}').to_owned()),
        (scim, "POST", users, user("\"password\":\"?").trim_end_matches('}').to_owned()),
        (scim, "POST", users, user("\"password\":?")),
        (scim, "POST", users, String::from("{\"password\":\"?\"}")),
        (scim, "POST", users, String::from("\"?\"")),
        (scim, "PUT", &someone, user("\"password\":\"?\"")),
        (scim, "PATCH", &someone, patch("{\"op\":\"replace\",\"path\":\"password\",\"value\":\"?\"}")),
        (scim, "PATCH", &someone, patch("{\"op\":\"replace\",\"path\":\"password\",\"value\":{\"x\":\"?\"}}")),
        (scim, "PATCH", &someone, patch("{\"op\":\"renew\",\"path\":\"password\",\"value\":\"?\"}")),
        (scim, "PATCH", &someone, patch("{\"op\":\"replace\",\"path\":\"password[value eq\",\"value\":\"?\"}")),
        (scim, "PATCH", &someone, patch("{\"op\":\"replace\",\"path\":\"password.x\",\"value\":\"?\"}")),
        (scim, "PATCH", &someone, patch("\"?\"")),
        (scim, "POST", "/scim/v2/Users/.search", String::from("{\"filter\":\"password eq \\\"?\\\"\"}")),
        (scim, "POST", "/scim/v2/Users/.search", String::from("{\"filter\":\"password eq \\\"?\"}")),
        (admin, "POST", "/api/v1/hubs", hub(&format!("\"connection\":{{{url},\"token\":\"?\"}}"))),
        (admin, "POST", "/api/v1/hubs", hub(&format!("\"connection\":{{{url},\"token\":[\"?\"]}}"))),
        (admin, "POST", "/api/v1/hubs", hub("\"connection\":\"?\"")),
        (admin, "POST", "/api/v1/hubs", hub("\"secrets\":\"?\"")),
        (admin, "POST", "/api/v1/hubs", hub("\"secrets\":{\"TOKEN\":{\"value\":\"?\"}}")),
        (admin, "POST", "/api/v1/hubs", hub(&format!("\"connection\":{{{url}}},\"secrets\":{{\"NOPE\":\"?\"}}"))),
        (admin, "POST", "/api/v1/hubs", hub("\"connection\":{\"base_url\":\"https://u:?@app.example/\"}")),
        (admin, "PATCH", "/api/v1/hubs/gone", String::from("{\"secrets\":\"?\"}")),
        (admin, "PATCH", "/api/v1/hubs/gone", String::from("{\"secrets\":{\"NOPE\":\"?\"}}")),
        (admin, "PUT", put, String::from("\"?\"")),
        (admin, "PUT", put, String::from("{\"value\":[\"?\"],\"x\":1}")),
        (admin, "PUT", put, String::from("{\"vaule\":\"?\"}")),
        (admin, "PUT", put, String::from("{\"value\":\"?\\u0000\"}")),
        (admin, "PUT", put, String::from("{\"value\":\"?")),
        (admin, "PUT", "/api/v1/hubs/gone/secrets/NOPE", String::from("{\"value\":\"?\"}")),
        (admin, "POST", "/api/v1/plan", toml("connection = { base_url = \"http://127.0.0.1:9/\", token = \"?\" }")),
        (admin, "POST", "/api/v1/apply", toml("connection = { base_url = \"http://127.0.0.1:9/\", token = \"?\" }")),
        (admin, "POST", "/api/v1/apply", toml("connection = { token = \"?")),
        (admin, "POST", "/api/v1/apply", toml("connection = { token = ? }")),
        (admin, "POST", "/api/v1/apply", toml("connection = \"?\"")),
        (admin, "POST", "/api/v1/apply", toml("connection = { base_url = \"https://u:?@app.example/\" }")),
        (admin, "POST", "/api/v1/tokens", String::from("\"?\"")),
    ];
    for (number, (client, method, path, body)) in cases.into_iter().enumerate() {
        let secret = search.canary(server, &format!("wrong body {number}"));
        let may_pass = path.starts_with("/scim/") && body.contains("\"password\"");
        let body = body.replace('?', &secret).replace("w@", &format!("w{number}@"));
        let reply = client.send(method, path, &[("content-type", "application/json")], Some(body.into_bytes())).await;
        // Whatever stands at `password` may be passed over; all else is refused.
        assert!(reply.status < 500 && (may_pass || reply.status >= 400), "{method} {path} {number}: {}", reply.text());
        search.reply(&format!("wrong body {number}: {method} {path}"), &reply);
    }
    for (client, path) in [
        (scim, "/scim/v2/Users?filter=password%20eq%20%22?%22"),
        (scim, "/scim/v2/Users?filter=password%20eq%20%22?"),
        (scim, "/scim/v2/Users?access_token=?"),
        (scim, "/scim/v2/Nothing?access_token=?"),
        (admin, "/api/v1/status?access_token=?"),
        (admin, "/api/v1/tasks?access_token=?"),
        (admin, "/api/v1/tasks?limit=%zz&access_token=?"),
        (admin, "/api/v1/nothing?token=?"),
        (admin, "/metrics?token=?"),
    ] {
        let secret = search.canary(server, &format!("the query of {}", path.split('?').next().unwrap()));
        let (head, query) = path.split_once('?').unwrap();
        let path = format!("{head}?{}", query.replace('?', &secret.replace('+', "%2B")));
        search.reply(&format!("GET {head} with a secret in its query"), &client.get(&path).await);
    }
}

/// Credentials that are none, in every header that may hold one.
pub async fn wrong_credentials(server: &Server, search: &mut Search, read: &Client) {
    for (place, header) in [
        ("a basic password", "Authorization: Basic ?"),
        ("a foreign token", "Authorization: Bearer ?"),
        ("an unknown token", "Authorization: Bearer scimhub_admin_0123456789abcdef_?"),
        ("a token without scheme", "Authorization: ?"),
        ("a proxy's credential", "Proxy-Authorization: Bearer ?"),
        ("a key in a header", "X-Api-Key: ?"),
        ("a cookie", "Cookie: scimhub=?; other=?"),
        ("a broken header", "Authorization Bearer ?"),
    ] {
        for path in ["/scim/v2/Users", "/api/v1/status", "/"] {
            let secret = search.canary(server, place);
            let header = header.replace('?', &secret);
            let reply = raw::request(&server.base, "GET", path.as_bytes(), &[header.as_bytes()], b"");
            assert!(matches!(reply.status, 400 | 401), "{place}: {}", reply.text());
            search.reply(place, &reply);
        }
    }
    let secret = search.canary(server, "a token typed wrong");
    let visitor = Visitor::new(&server.base);
    search.reply("POST /sign-in", &visitor.post("/sign-in", &[("token", &secret), ("next", "/")]).await.expect(401));
    // May read, not write.
    let secret = search.canary(server, "a secret of a reader");
    let body = json!({ "value": secret });
    search.reply("PUT by a reader", &read.put("/api/v1/hubs/gone/secrets/TOKEN", &body).await.expect(403));
}

/// Commands that fail over something with a secret in it.
pub fn commands(database: &Database, server: &Server, search: &mut Search) {
    for (place, url) in [
        ("a password for nobody", "postgres://u:?@127.0.0.1:9/x"),
        ("a password and a bad host", "postgres://u:?@[::1/x"),
        ("a password and a bad port", "postgres://u:?@127.0.0.1:port/x"),
        ("a password and a bad escape", "postgres://u:?%zz@127.0.0.1:9/x"),
        ("a password as parameter", "postgres://u@127.0.0.1:9/x?password=?"),
        ("a password and a bad parameter", "postgres://u:?@127.0.0.1:9/x?colour=red"),
        ("a password for another kind", "mysql://u:?@127.0.0.1:9/x"),
    ] {
        for command in [&["migrate"][..], &["token", "list"], &["serve", "--listen", "127.0.0.1:0"]] {
            // Without a slash, which would end the address.
            let secret = search.canary(server, place).replace('/', "%2F");
            search.watch(server, place, &secret);
            let url = url.replacen(":?", &format!(":{secret}"), 1).replace("=?", &format!("={secret}"));
            for by_flag in [false, true] {
                let mut run = scimhub(database);
                run.args(command).env("SCIMHUB_LOG", "trace");
                if by_flag {
                    run.args(["--database", &url])
                } else {
                    run.env("SCIMHUB_DATABASE", &url)
                };
                let output = run.output().unwrap();
                assert!(!output.status.success(), "{place}");
                search.take(place, format!("{output:?}\n{}", String::from_utf8_lossy(&output.stderr)));
            }
        }
    }
    for (place, line) in [
        ("a file with a typing error", "databse = \"postgres://u:?@127.0.0.1:9/x\""),
        ("a file with a list", "database = [\"postgres://u:?@127.0.0.1:9/x\"]"),
        ("a file with an open string", "database = \"postgres://u:?@127.0.0.1:9/x"),
        ("a file without quotes", "database = postgres://u:?@127.0.0.1:9/x"),
        ("a file with a good line", "database = \"postgres://u:?@127.0.0.1:9/x\""),
    ] {
        let secret = search.canary(server, place).replace('/', "%2F");
        search.watch(server, place, &secret);
        let file = database.folder().join("serve.toml");
        std::fs::write(&file, line.replace('?', &secret)).unwrap();
        let mut run = scimhub(database);
        run.env_remove("SCIMHUB_DATABASE").env("SCIMHUB_LOG", "trace").args(["serve", "--listen", "127.0.0.1:0"]);
        let output = run.arg("--config").arg(&file).output().unwrap();
        assert!(!output.status.success(), "{place}");
        search.take(place, format!("{output:?}\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    for args in [&["token", "list"][..], &["export"], &["workspace", "list"], &["source", "list"]] {
        search.take(&args.join(" "), format!("{:?}", server.run(args)));
    }
}
