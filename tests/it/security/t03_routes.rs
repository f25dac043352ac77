//! T-03: a SCIM route without authentication. Every route of the table is called without, with an
//! empty, a wrong, an expired, a revoked and an insufficient credential.

use scimhub::auth::Scope;
use scimhub::http::extract::caller::Access;
use scimhub::http::routes;

use super::assert_shaped;
use crate::support::server::Server;
use crate::support::{databases, eventually, raw};

/// A path of the table with its variables filled in.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    for part in path.split('/').skip(1) {
        filled.push('/');
        filled.push_str(if part.starts_with('{') { "01890a5d-ac96-774b-bcce-b302099a8057" } else { part });
    }
    filled
}

/// `(method, path, access)` of the table, as plain values.
fn table() -> Vec<(String, String, Access)> {
    routes::table().into_iter().map(|r| (r.method.to_string(), filled(r.path), r.access)).collect()
}

fn line(value: &str) -> Vec<u8> {
    format!("Authorization: {value}").into_bytes()
}

#[tokio::test]
async fn t03_every_route_demands_a_living_credential() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let good = server.token("scim");
        let wrong = {
            let flip = if good.ends_with('0') { '1' } else { '0' };
            format!("{}{flip}", &good[..good.len() - 1])
        };
        let unknown = format!("scimhub_admin_0123456789abcdef_{}", "0".repeat(64));
        let expired = create(&admin, "1s").await;
        let revoked = {
            let made = admin
                .post("/api/v1/tokens", &serde_json::json!({"name": "gone", "scope": "admin"}))
                .await
                .expect(201)
                .json();
            let path = format!("/api/v1/tokens/{}", made["details"]["id"].as_str().unwrap());
            admin.delete(&path).await.expect(204);
            made["token"].as_str().unwrap().to_owned()
        };
        for token in [&expired, &revoked] {
            let client = crate::support::http::Client::new(&server.base, token);
            eventually("the token's end", std::time::Duration::from_secs(10), async || {
                client.get("/api/v1/status").await.status == 401
            })
            .await;
        }

        let mut credentials: Vec<Option<Vec<u8>>> = vec![None];
        for value in ["", " ", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", &format!("Basic {good}")] {
            credentials.push(Some(line(value)));
        }
        for token in [&wrong, &unknown, &expired, &revoked] {
            credentials.push(Some(line(&format!("Bearer {token}"))));
        }
        for (method, path, access) in table() {
            if access == Access::Open {
                let reply = raw::request(&server.base, &method, path.as_bytes(), &[], b"");
                assert_ne!(reply.status, 401, "{method} {path}");
                continue;
            }
            if access.is_page() {
                // The page knows its cookie only: a living token in the header opens nothing.
                let living = line(&format!("Bearer {}", server.token("admin")));
                let reply = raw::request(&server.base, &method, path.as_bytes(), &[&living], b"");
                assert_eq!(reply.status, 401, "{method} {path} with an Authorization header");
                assert_shaped(&reply, &path);
            }
            for credential in &credentials {
                let headers: Vec<&[u8]> = credential.iter().map(Vec::as_slice).collect();
                let reply = raw::request(&server.base, &method, path.as_bytes(), &headers, b"");
                let shown = credential.as_deref().map(String::from_utf8_lossy);
                assert_eq!(reply.status, 401, "{}: {method} {path} with {shown:?}", database.name);
                assert!(reply.header("www-authenticate").is_some_and(|v| v.starts_with("Bearer")), "{method} {path}");
                assert_shaped(&reply, &path);
            }
        }
    }
}

async fn create(admin: &crate::support::http::Client, ttl: &str) -> String {
    let wanted = serde_json::json!({"name": "short", "scope": "admin", "ttl": ttl});
    let made = admin.post("/api/v1/tokens", &wanted).await.expect(201).json();
    made["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn t03_a_credential_of_another_kind_is_forbidden_before_anything_is_read() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    for scope in Scope::ALL {
        let token = line(&format!("Bearer {}", server.token(scope.as_str())));
        for (method, path, access) in table() {
            if access.allows(scope) || access.is_page() {
                continue;
            }
            // Neither the broken body nor the broken query may be looked at.
            let target = format!("{path}?filter=((((&count=%zz");
            let headers: [&[u8]; 3] = [&token, b"Content-Type: text/plain", b"Content-Length: 3"];
            let reply = raw::request(&server.base, &method, target.as_bytes(), &headers, b"{{{");
            assert_eq!(reply.status, 403, "{method} {path} with scope {scope}: {}", reply.text());
            assert_shaped(&reply, &path);
        }
    }
}

#[tokio::test]
async fn t03_nothing_is_read_before_the_caller_is_known() {
    let database = crate::support::Database::sqlite();
    let server = Server::start(&database, &[]);
    for path in
        ["/scim/v2/Users", "/scim/v2/Groups", "/scim/v2/Nothing", "/scim/v9/Users", "/api/v1/tokens", "/api/v1/x"]
    {
        for (target, headers, body) in [
            (format!("{path}?filter={}", "(".repeat(20_000)), vec![], &b""[..]),
            (format!("{path}?count=%zz"), vec![], b""),
            (path.to_owned(), vec![&b"Content-Type: text/plain"[..], b"Content-Length: 3"], b"{{{"),
            (path.to_owned(), vec![b"Content-Length: 999999999"], b""),
            (path.to_owned(), vec![b"Accept: text/html"], b""),
        ] {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "BREW"] {
                let reply = raw::request(&server.base, method, target.as_bytes(), &headers, body);
                assert_eq!(reply.status, 401, "{method} {path} {headers:?}");
                assert_shaped(&reply, path);
            }
        }
    }
}
