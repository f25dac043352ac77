//! Notifications of the real server to a real mail server and an endpoint.

use diesel::connection::{Connection as _, SimpleConnection as _};
use serde_json::json;

use super::endpoint;
use super::receiver::Receiver;
use super::smtp::MailServer;
use crate::hubs::{self, SOON, mending};
use crate::support::canary::Canaries;
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};

const PASSWORD: &str = "mail-password-77c1e0";

/// It is time to look again, as it is a minute later.
pub(super) fn look_again(database: &Database) {
    run(database, "UPDATE duties SET due_at = 0 WHERE name = 'notify';");
}

pub fn run(database: &Database, sql: &str) {
    match database.url.strip_prefix("sqlite:") {
        Some(file) => {
            let mut conn = diesel::SqliteConnection::establish(file).unwrap();
            conn.batch_execute(&format!("PRAGMA busy_timeout = 10000; {sql}")).unwrap();
        }
        None => diesel::PgConnection::establish(&database.url).unwrap().batch_execute(sql).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_person_is_told_once_and_once_when_it_is_over() {
    for database in databases() {
        let (mail, receiver, app) = (MailServer::start(), Receiver::start(), mending::sandbox());
        let url = format!("smtp://ops@{}", mail.address());
        let args = ["--app-network", "127.0.0.0/8", "--smtp-url", &url, "--mail-from", "scimhub@example.com"];
        let password = [("SCIMHUB_SMTP_PASSWORD", String::from(PASSWORD))];
        let server = Server::try_start_in(&database, &args, &password).unwrap();
        server.watch("the mail server's password", PASSWORD);
        let (admin, scim) = hubs::clients(&server);
        let (webhook, _) = endpoint(&server, &admin, &receiver, &["hold.opened"]).await;

        for (body, field) in [
            (json!({"mail": ["Ann <ann@example.com>"]}), "mail: "),
            (json!({"mail": ["a@x.example\r\nBcc: b@x.example"]}), "mail: "),
            (json!({"webhook": "01890a5d-ac96-774b-bcce-b302099a8057"}), "webhook: "),
            (json!({"conditions": ["weather"]}), "conditions: "),
            (json!({"remind_after": "1s"}), "remind_after: "),
            (json!({"silent_after": "soon"}), "silent_after: "),
        ] {
            let refused = admin.put("/api/v1/notifications", &body).await.expect(400).json();
            assert!(refused["detail"].as_str().unwrap().starts_with(field), "{refused}");
        }
        let wanted = json!({"mail": ["ann@example.com", "ops@example.com"], "webhook": webhook});
        let view = admin.put("/api/v1/notifications", &wanted).await.expect(200).json();
        assert_eq!((&view["remind_after"], view["conditions"].as_array().unwrap().len()), (&json!("1d"), 7));
        server.client("read").put("/api/v1/notifications", &wanted).await.expect(403);

        // Twenty people, one dead credential: one line.
        mail.refuse(true);
        mending::sandbox_hub(&admin, "ads", &app.scim("ads"), "revoked-token").await;
        let mut people = Vec::new();
        for n in 0..20 {
            people.push(hubs::user(&scim, &format!("p{n}@example.com")).await);
        }
        let members: Vec<&str> = people.iter().map(String::as_str).collect();
        hubs::group(&scim, "editors", &members).await;
        eventually("the problem", SOON, async || mending::problems(&admin).await.len() == 1).await;
        look_again(&database);

        // A mail server that refuses keeps the endpoint from nothing, and is shown.
        let digest = receiver.until_called(1).await.remove(0).json();
        assert_eq!(digest["type"], "notification.digest");
        assert_eq!(digest["data"]["new"][0]["condition"], "broken_credential", "{digest}");
        let mut error = String::new();
        eventually("the failure is shown", SOON, async || {
            let shown = admin.get("/api/v1/notifications").await.expect(200).json();
            error = shown["error"].as_str().unwrap_or_default().to_owned();
            !error.is_empty()
        })
        .await;
        assert!(error.contains("452") && !error.contains("canary"), "{error}");
        assert_eq!(mail.mails(), []);

        mail.refuse(false);
        admin.put("/api/v1/notifications", &wanted).await.expect(200);
        look_again(&database);
        // To each address by itself: one that is refused costs the other nothing.
        let mut both = mail.until_taken(2).await;
        assert_eq!(both.iter().map(|one| one.to.join(" ")).collect::<Vec<_>>(), ["ann@example.com", "ops@example.com"]);
        let first = both.remove(0);
        assert_eq!(first.from, "scimhub@example.com");
        assert_eq!(first.signed_in, Some(("ops".into(), PASSWORD.into())));
        assert_eq!(first.header("Subject"), "[scimhub default] 1 thing needs you");
        let text = first.text();
        assert!(text.contains("* hub 'ads': ") && text.contains("secret set ads"), "{text}");
        assert!(text.contains(&format!("\n  {}/", server.base)), "links lead to the server: {text}");

        // Nothing is new meanwhile; then it is over, which is told once by each way.
        look_again(&database);
        admin.put("/api/v1/hubs/ads/secrets/TOKEN", &json!({ "value": mending::GOOD })).await.expect(204);
        eventually("its end", SOON, async || mending::problems(&admin).await.is_empty()).await;
        look_again(&database);
        let all = mail.until_taken(4).await;
        assert_eq!(all[2].header("Subject"), "[scimhub default] 1 over", "{}: {}", database.name, all[2].text());
        let calls = receiver.until_called(2).await;
        assert_eq!(calls[1].json()["data"]["over"].as_array().unwrap().len(), 1);
        assert_eq!((mail.mails().len(), receiver.calls().len()), (4, 2), "{}", database.name);

        let mut canaries = Canaries::default();
        canaries.add("the app's token", mending::GOOD);
        canaries.add("a refused token", "revoked-token");
        canaries.add("the mail server's password", PASSWORD);
        for one in all {
            canaries.assert_absent("a mail", &format!("{}\n{}", one.data, one.text()));
        }
        for path in ["notifications", "activity?limit=200"] {
            let shown = admin.get(&format!("/api/v1/{path}")).await.expect(200).text();
            canaries.assert_absent(path, &shown);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_without_a_server_is_said_and_settings_that_do_not_fit_are_refused() {
    let database = Database::sqlite();
    for (args, said) in [
        (&["--smtp-url", "smtp://mail.example"][..], "--mail-from"),
        (&["--mail-from", "a@x.example"], "--smtp-url"),
        (&["--smtp-url", "smtp://u:pw-in-the-url@mail.example", "--mail-from", "a@x.example"], "does not belong"),
        (&["--smtp-url", "smtps://u@mail.example", "--mail-from", "a@x.example"], "SCIMHUB_SMTP_PASSWORD"),
    ] {
        let log = Server::try_start(&database, args).expect_err("it must not start");
        assert!(log.contains(said) && !log.contains("pw-in-the-url"), "{log}");
    }
    let server = Server::start(&database, &[]);
    let admin = server.client("admin");
    admin.put("/api/v1/notifications", &json!({"mail": ["ann@example.com"]})).await.expect(200);
    hubs::manual_hub(&admin, "wiki").await;
    // A token that ends soon is a condition by itself.
    admin.post("/api/v1/tokens", &json!({"name": "short", "scope": "scim", "ttl": "2d"})).await.expect(201);
    look_again(&database);
    eventually("it is said", SOON, async || {
        let shown = admin.get("/api/v1/notifications").await.expect(200).json();
        shown["error"].as_str().is_some_and(|error| error.contains("--smtp-url"))
    })
    .await;
}
