//! The lock that keeps a SQLite file to one server, with the real binary (fault F-16).

use std::time::Duration;

use crate::support::server::Server;
use crate::support::{Database, until};

#[test]
fn f16_a_second_server_on_a_sqlite_file_is_refused_and_says_why() {
    let database = Database::sqlite();
    let first = Server::start(&database, &[]);
    for _ in 0..5 {
        let log = Server::try_start(&database, &[]).expect_err("a second server must not start");
        assert!(log.contains("scimhub.db") && log.contains(&first.pid().to_string()), "{log}");
        assert!(log.contains("stop it first"), "{log}");
    }
    assert!(!first.token("read").is_empty(), "other commands work beside it");
    first.kill();
    // kill -9 gives the lock back by itself.
    let mut second = None;
    until("a server after a killed one", Duration::from_secs(20), || {
        second = Server::try_start(&database, &[]).ok();
        second.is_some()
    });
}

#[test]
fn servers_share_a_postgres_database() {
    let Some(database) = Database::postgres() else { return };
    let (first, second) = (Server::start(&database, &[]), Server::start(&database, &[]));
    assert_ne!(first.base, second.base);
}
