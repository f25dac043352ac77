//! F-16: two server processes on one SQLite file. The second refuses to start and says which
//! process has the file; the first is not disturbed; `kill -9` of the first gives the file back.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::http::Client;
use crate::support::server::{Server, scimhub};
use crate::support::{Database, raw};

const RUNS: usize = 5;

fn refused(log: &str, first: &Server) {
    assert!(log.contains(&format!("another scimhub (process {}) serves", first.pid())), "{log}");
    assert!(log.contains("scimhub.db") && log.contains("stop it first"), "{log}");
}

#[tokio::test]
async fn f16_the_second_server_on_one_file_refuses_and_the_first_goes_on() {
    let database = Database::sqlite();
    let mut people = 0;
    for run in 0..RUNS {
        let first = Server::start(&database, &[]);
        let idp = first.client("scim");
        let client = Client::new(&first.base, &first.token("scim"));
        let writing = tokio::spawn(async move {
            for number in 0..40 {
                let user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                    "userName": format!("r{run}-{number}@example.com")});
                client.post("/scim/v2/Users", &user).await.expect(201);
            }
        });
        // While the first one works, others try, also by another name of the same file.
        refused(&Server::try_start(&database, &[]).map(|_| ()).unwrap_err(), &first);
        let link = database.folder().join(format!("link-{run}.db"));
        std::os::unix::fs::symlink(database.folder().join("scimhub.db"), &link).unwrap();
        let by_link = format!("sqlite:{}", link.display());
        let key = database.key_file();
        let output = scimhub(&database)
            .args(["serve", "--listen", "127.0.0.1:0", "--database", &by_link, "--key-file"])
            .arg(&key)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        refused(&String::from_utf8_lossy(&output.stderr), &first);
        let mut side_by_side: Vec<_> = (0..3)
            .map(|_| {
                scimhub(&database)
                    .args(["serve", "--listen", "127.0.0.1:0"])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for second in &mut side_by_side {
            assert_eq!(second.wait().unwrap().code(), Some(1));
        }
        // Commands beside the server go on working.
        for command in [&["token", "list"][..], &["source", "list"], &["export"], &["migrate"], &["workspace", "list"]]
        {
            let output = first.run(command);
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        writing.await.unwrap();
        people += 40;
        raw::request(&first.base, "GET", b"/readyz", &[], b"").expect(200);
        let all = idp.get("/scim/v2/Users?count=1").await.expect(200).json();
        assert_eq!(all["totalResults"], people);
        // The file is free the moment the process is gone, however it went.
        if run % 2 == 0 { first.kill() } else { assert!(first.stop().0) }
    }
    let last = Server::start(&database, &[]);
    assert_eq!(last.client("scim").get("/scim/v2/Users?count=1").await.expect(200).json()["totalResults"], people);
}

#[test]
fn f16_a_taken_address_is_said_as_such() {
    let (one, two) = (Database::sqlite(), Database::sqlite());
    let first = Server::start(&one, &[]);
    let address = first.base.trim_start_matches("http://").to_owned();
    let mut command: Command = scimhub(&two);
    let output = command.args(["serve", "--listen", &address]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("cannot listen on {address}")) && text.contains("--listen"), "{text}");
    assert!(!two.key_file().exists(), "nothing was made");
}
