//! Start, readiness, metrics and an orderly end.

use std::io::{Read, Write};
use std::net::TcpStream;

use diesel::connection::SimpleConnection as _;
use scimhub::store::StoreError;

use crate::support::http::Client;
use crate::support::server::{Server, scimhub};
use crate::support::{Database, databases};

#[tokio::test]
async fn a_first_start_is_ready_and_has_its_default_workspace() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let nobody = Client::anonymous(&server.base);
        nobody.get("/healthz").await.expect(200);
        nobody.get("/readyz").await.expect(200);
        let admin = server.client("admin");
        let status = admin.get("/api/v1/status").await.expect(200).json();
        assert_eq!(status["workspace"]["name"], "default");
        let sources = admin.get("/api/v1/sources").await.expect(200).json();
        assert_eq!(sources["items"][0]["name"], "default");
        let text = String::from_utf8(server.run(&["workspace", "list"]).stdout).unwrap();
        assert!(text.contains("default"), "{text}");
    }
}

#[tokio::test]
async fn a_database_without_a_migration_is_not_ready_until_it_has_it() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let nobody = Client::anonymous(&server.base);
        nobody.get("/readyz").await.expect(200);
        let store = database.open();
        let rename = |from: &'static str, to: &'static str| {
            let sql = format!("UPDATE __diesel_schema_migrations SET version = '{to}' WHERE version = '{from}'");
            store.write(move |tx| {
                tx.batch_execute(&sql)?;
                Ok::<_, StoreError>(())
            })
        };
        rename("0001", "9999").await.unwrap();
        nobody.get("/readyz").await.expect(503);
        let refused = server.run(&["migrate"]);
        assert!(!refused.status.success(), "a newer version wrote it");
        rename("9999", "0001").await.unwrap();
        nobody.get("/readyz").await.expect(200);
        let output = server.run(&["migrate"]);
        assert!(output.status.success(), "{}", database.name);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "the database is current\n");
    }
}

#[test]
fn standard_output_carries_one_line() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let said: Vec<_> = server.log().lines().filter(|l| !l.starts_with('{')).map(str::to_owned).collect();
    assert_eq!(said, [format!("listening on {}", server.base)], "all else is a JSON log on standard error");
}

#[tokio::test]
async fn locations_follow_the_public_url_and_never_the_host_header() {
    let database = Database::sqlite();
    let server = Server::start(&database, &["--public-url", "https://scim.example.com/"]);
    let reply = Client::anonymous(&server.base)
        .send(
            "GET",
            "/scim/v2/ServiceProviderConfig",
            &[("host", "evil.example"), ("x-forwarded-host", "evil.example")],
            None,
        )
        .await;
    let text = reply.text();
    assert!(!text.contains("evil.example"), "{text}");
    if reply.status == 200 {
        assert!(text.contains("https://scim.example.com/scim/v2/"), "{text}");
    }
}

#[tokio::test]
async fn metrics_need_a_reader_and_count_by_route() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    Client::anonymous(&server.base).get("/metrics").await.expect(401);
    server.client("scim").get("/metrics").await.expect(403);
    let reader = server.client("read");
    reader.get("/api/v1/status").await.expect(200);
    reader.get("/api/v1/nothing/at/all").await.expect(404);
    reader.send("BREW", "/api/v1/status", &[], None).await.expect(405);
    let text = reader.get("/metrics").await.expect(200).text();
    for line in [
        r#"scimhub_http_requests_total{method="GET",route="/api/v1/status",status="200"} 1"#,
        r#"scimhub_http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        r#"scimhub_http_requests_total{method="other",route="/api/v1/status",status="405"} 1"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn an_orderly_end_finishes_what_is_under_way() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let token = server.token("admin");
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    let body = br#"{"name":"late"}"#;
    let head = format!(
        "POST /api/v1/sources HTTP/1.1\r\nHost: t\r\nAuthorization: {token}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server is waiting for the body now; told to stop, it still takes it.
    let mut interim = [0u8; 64];
    let count = stream.read(&mut interim).unwrap();
    assert!(interim[..count].starts_with(b"HTTP/1.1 100"));
    let stopping = std::thread::spawn(move || server.stop());
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (success, log) = stopping.join().unwrap();
    assert!(success, "{log}");
    assert!(log.contains("stopped"), "{log}");
}

#[test]
fn settings_come_from_flag_environment_and_file_in_that_order() {
    let database = Database::sqlite();
    let file = database.folder().join("scimhub.toml");
    std::fs::write(&file, "listen = \"nowhere\"\n").unwrap();
    let failed = |command: &mut std::process::Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let text = failed(scimhub(&database).arg("serve"));
    assert!(text.contains("listen: 'nowhere'"), "{text}");
    let text = failed(scimhub(&database).arg("serve").env("SCIMHUB_LISTEN", "env"));
    assert!(text.contains("listen: 'env'"), "{text}");
    let text = failed(scimhub(&database).args(["serve", "--listen", "flag"]).env("SCIMHUB_LISTEN", "env"));
    assert!(text.contains("listen: 'flag'"), "{text}");
    std::fs::write(&file, "lisen = \"127.0.0.1:0\"\npause = true\n").unwrap();
    let text = failed(scimhub(&database).arg("serve"));
    assert!(text.contains("did you mean 'listen'?") && text.contains("did you mean 'paused'?"), "{text}");
    let text = failed(scimhub(&database).args(["serve", "--config", "absent.toml"]));
    assert!(text.contains("absent.toml cannot be read"), "{text}");
}
