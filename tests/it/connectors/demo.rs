//! The newcomer's command, as a newcomer runs it.

use std::process::{Command, Stdio};

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
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
}
