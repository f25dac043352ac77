//! Signing in and out: which token opens the page, what the cookie is, and what it is not.

use std::time::Duration;

use serde_json::json;

use super::held_batch;
use super::visitor::{self, FORM, Visitor, form};
use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_page_by_its_scope() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let stranger = Visitor::new(&server.base);
        let asked = stranger.get("/tasks?status=open").await.expect(401);
        assert!(asked.text().contains("name=\"next\" value=\"/tasks?status=open\""), "{}", asked.text());
        assert!(asked.header("set-cookie").is_none());

        for scope in ["admin", "read"] {
            let visitor = Visitor::signed_in(&server.base, &server.token(scope)).await;
            for path in
                ["/", "/tasks", "/held", "/people", "/people?q=nobody", "/activity", "/history", "/history?reach=hour"]
            {
                let page = visitor.get(path).await.expect(200);
                assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
                assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
                let policy = page.header("content-security-policy").unwrap();
                for rule in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "script-src 'self'"]
                {
                    assert!(policy.contains(rule), "{path}: {policy}");
                }
                assert!(!policy.contains("unsafe"), "{policy}");
            }
        }

        let scim = server.token("scim");
        let told = stranger.post("/sign-in", &[("token", &scim)]).await.expect(403);
        assert!(told.text().contains("belongs to an identity provider"), "{}", told.text());
        let unknown = format!("scimhub_admin_0123456789abcdef_{}", "0".repeat(64));
        for (token, status) in [("", 400), ("   ", 400), ("x", 401), (unknown.as_str(), 401), (&"x".repeat(9_000), 401)]
        {
            let told = stranger.post("/sign-in", &[("token", token)]).await.expect(status);
            assert!(told.header("set-cookie").is_none(), "{token}");
            assert!(!told.text().contains(&unknown), "what was typed is not shown again");
        }
        let huge = form(&[("token", &"x".repeat(70_000))]);
        stranger.client.send("POST", "/sign-in", &[FORM], Some(huge)).await.expect(413);
        let media = [("content-type", "application/json")];
        stranger.client.send("POST", "/sign-in", &media, Some(b"{}".to_vec())).await.expect(415);
        let log = server.log();
        assert!(!log.contains(&scim) && !log.contains(&"0".repeat(64)), "no token in the log");
        let told = log.lines().filter(|line| line.contains("refused to sign somebody in to the page"));
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), 4, "one line for each token that was refused: {told:?}");
        assert!(told.iter().all(|line| line.contains("WARN") && line.contains("127.0.0.1")), "{told:?}");
        let counted = server.client("read").get("/metrics").await.expect(200).text();
        for line in [
            "scimhub_page_sign_ins_refused_total{reason=\"token\"} 3",
            "scimhub_page_sign_ins_refused_total{reason=\"scope\"} 1",
        ] {
            assert!(counted.contains(line), "{line}: {counted}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_kept_from_scripts_and_other_sites_and_opens_nothing_but_the_page() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let token = server.token("admin");
    let stranger = Visitor::new(&server.base);
    let reply =
        stranger.post("/sign-in", &[("token", &format!(" {token}\n")), ("next", "//evil.example")]).await.expect(303);
    assert_eq!(reply.header("location"), Some("/"), "a foreign address to go on to is not taken");
    let set = reply.header("set-cookie").unwrap();
    for part in ["scimhub=", "; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains("Domain"), "plain HTTP on this machine: {set}");
    let cookie = set.split(';').next().unwrap().to_owned();
    let value = cookie.strip_prefix("scimhub=").unwrap();
    assert!(!value.contains("scimhub_") && !value.contains(&token), "sealed");

    // No credential of API or SCIM, neither as a cookie nor typed into the header.
    let plain = Client::anonymous(&server.base);
    let forged = Client::new(&server.base, value);
    for path in ["/api/v1/status", "/api/v1/tasks", "/scim/v2/Users", "/metrics"] {
        plain.send("GET", path, &[("cookie", &cookie)], None).await.expect(401);
        forged.get(path).await.expect(401);
    }
    // A changed, a doubled and another installation's cookie open nothing.
    let elsewhere = Database::sqlite();
    let other = Server::start(&elsewhere, &[]);
    let foreign = Visitor::signed_in(&other.base, &other.token("admin")).await.cookie;
    for odd in [
        format!("scimhub={}A", &value[..value.len() - 1]),
        format!("{cookie}; {cookie}"),
        foreign,
        String::from("scimhub="),
        format!("scimhub={token}"),
        format!("Scimhub={value}"),
    ] {
        if odd != cookie {
            plain.send("GET", "/", &[("cookie", &odd)], None).await.expect(401);
        }
    }
    plain.send("GET", "/", &[("cookie", &format!("a=b; {cookie}; c=d"))], None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_the_cookie_is_bound_to_the_host() {
    let database = Database::sqlite();
    let server = Server::start(&database, &["--public-url", "https://hub.example"]);
    let stranger = Visitor::new(&server.base);
    let fields = [("token", &*server.token("read")), ("next", "/held")];
    let headers = [("origin", "https://hub.example"), ("sec-fetch-site", "same-origin")];
    let reply = stranger.post_with("/sign-in", &fields, &headers).await.expect(303);
    let set = reply.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-scimhub=") && set.contains("; Secure") && set.contains("; Path=/"), "{set}");
    assert_eq!(reply.header("location"), Some("/held"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token_or_by_signing_out() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let made = admin.post("/api/v1/tokens", &json!({"name": "me", "scope": "admin"})).await.expect(201).json();
        let visitor = Visitor::signed_in(&server.base, made["token"].as_str().unwrap()).await;
        visitor.get("/").await.expect(200);
        admin.delete(&format!("/api/v1/tokens/{}", made["details"]["id"].as_str().unwrap())).await.expect(204);
        eventually("the page's end with its token", Duration::from_secs(10), async || {
            visitor.get("/").await.status == 401
        })
        .await;
        let told = visitor.get("/").await;
        assert!(told.text().contains("expired or was revoked"), "{}", told.text());
        assert!(told.header("set-cookie").is_some_and(|v| v.contains("Max-Age=0")), "the cookie is taken back");

        let visitor = Visitor::signed_in(&server.base, &server.token("read")).await;
        let proof = visitor.proof().await;
        let out = visitor.post("/sign-out", &[("proof", &proof)]).await.expect(303);
        assert_eq!(out.header("location"), Some("/sign-in"));
        assert!(out.header("set-cookie").is_some_and(|v| v.starts_with("scimhub=;") && v.contains("Max-Age=0")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_copies_of_the_cookie_and_nothing_else() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let admin = server.client("admin");
        let hold = held_batch(&server, &admin).await;
        let token = server.token("admin");
        let (me, mine_elsewhere) =
            (Visitor::signed_in(&server.base, &token).await, Visitor::signed_in(&server.base, &token).await);
        let other = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let page = me.get("/").await.expect(200).text();
        assert!(page.contains("Ends every page session of this token"), "it says so: {page}");
        let proofs = (visitor::proof(&page), mine_elsewhere.proof().await);
        let second = (database.name == "postgres").then(|| Server::start(&database, &[]));
        if let Some(second) = &second {
            second_replica(second, &me).get("/").await.expect(200);
        }

        me.post("/sign-out", &[("proof", &proofs.0)]).await.expect(303);
        for (copy, proof) in [(&me, &proofs.0), (&mine_elsewhere, &proofs.1)] {
            let told = copy.get("/held").await.expect(401);
            assert!(told.text().contains("You signed out"), "{}: {}", database.name, told.text());
            let fields = [("proof", proof.as_str()), ("which", "all")];
            copy.post(&format!("/held/{hold}/release"), &fields).await.expect(401);
        }
        assert_eq!(admin.get(&format!("/api/v1/held/{hold}")).await.expect(200).json()["total"], 2, "nothing was done");
        other.get("/held").await.expect(200);
        Client::new(&server.base, &token).get("/api/v1/status").await.expect(200);
        let again = Visitor::signed_in(&server.base, &token).await;
        again.get("/held").await.expect(200);
        if let Some(second) = &second {
            eventually("the end at another replica", Duration::from_secs(10), async || {
                second_replica(second, &me).get("/").await.status == 401
            })
            .await;
            second_replica(second, &again).get("/").await.expect(200);
        }
        let record = admin.get("/api/v1/activity?kind=token.signed_out").await.expect(200).json();
        assert_eq!(record["items"].as_array().unwrap().len(), 1, "{record}");
    }
}

/// The same cookie at another replica.
fn second_replica(server: &Server, visitor: &Visitor) -> Visitor {
    Visitor { cookie: visitor.cookie.clone(), ..Visitor::new(&server.base) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_from_another_site_goes_on_by_itself() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let client = Client::anonymous(&server.base);
    let foreign = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    let page = client.send("GET", "/held", &foreign, None).await.expect(401).text();
    assert!(page.contains("http-equiv=\"refresh\"") && page.contains("href=\"/held\""), "{page}");
    let page = client.send("GET", "/held", &[("sec-fetch-site", "same-origin")], None).await.expect(401).text();
    assert!(!page.contains("http-equiv=\"refresh\"") && page.contains("id=\"token\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn static_files_need_nobody_and_are_kept_for_ever() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let client = Client::anonymous(&server.base);
    let page = client.get("/sign-in").await.expect(200).text();
    for (path, media) in [
        ("/static/page.css", "text/css"),
        ("/static/page.js", "text/javascript"),
        ("/static/favicon.svg", "image/svg+xml"),
    ] {
        assert!(page.contains(&format!("{path}?v=")), "{path} is named by its content");
        let file = client.get(path).await.expect(200);
        assert!(file.header("content-type").is_some_and(|v| v.starts_with(media)), "{path}");
        assert!(file.header("cache-control").is_some_and(|v| v.contains("immutable")), "{path}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    }
}
