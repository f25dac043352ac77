//! The newcomer's command, as a newcomer runs it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::until;

#[test]
fn the_demo_ends_with_everybody_where_they_belong() {
    let output = Command::new(env!("CARGO_BIN_EXE_scimhub"))
        .args(["demo", "--exit"])
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    for part in [
        "adds 0, promotes 3, demotes 0, removes 0",
        "holds 3 removals in marketing-ads",
        "it waits for a person, because",
        "group research-leads, outranks group research (viewer)",
        "removed: taken out of the group, released by a person",
        "user kira@example.com",
        "removed: deactivated at the identity provider",
        "refuses: ",
        "add gus@example.com (Gus Garcia) as Viewer",
        "sync      sees the seat and closes the item",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

/// Ended from outside it takes its server along and leaves no folder behind.
#[test]
fn the_demo_ends_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_scimhub"))
        .arg("demo")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut server = None;
    for line in lines {
        if let Some((_, address)) = line.split_once("server       http://") {
            server = Some(address.to_owned());
        }
        if line.contains("Ctrl+C ends it") {
            break;
        }
    }
    let server = server.expect("the demo names its server");
    let status = Command::new("/bin/kill").args(["-TERM", &demo.id().to_string()]).status().unwrap();
    assert!(status.success());
    until("the end of the demo", Duration::from_secs(30), || demo.try_wait().unwrap().is_some());
    until("the end of its server", Duration::from_secs(30), || std::net::TcpStream::connect(&server).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}
