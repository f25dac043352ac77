//! The recorded dialogues of identity providers (`tests/idp-flows/`), replayed against the real
//! binary on every database.

use std::process::Command;

use super::support::databases;
use super::support::server::Server;

#[test]
fn every_recorded_flow_passes() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let root = env!("CARGO_MANIFEST_DIR");
        let output = Command::new("python3")
            .arg(format!("{root}/tests/run-idp-flows"))
            .arg(format!("{root}/tests/idp-flows"))
            .arg(format!("{}/scim/v2", server.base))
            .arg(server.token("scim"))
            .output()
            .expect("python3 runs the flows");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed = said.lines().filter(|line| !line.contains("steps as expected")).collect::<Vec<_>>().join("\n");
        assert!(
            output.status.success() && said.contains(" 0 failed"),
            "{}:\n{failed}\n{}",
            database.name,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
