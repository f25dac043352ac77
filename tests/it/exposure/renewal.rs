//! A renewed certificate takes its place while the server serves.

use std::time::Duration;

use super::{bearer, serve};
use crate::support::server::Server;
use crate::support::tls::{Authority, Issued, KeyForm};
use crate::support::{Database, until};

const SOON: Duration = Duration::from_secs(20);

fn shows(authority: &Authority, server: &Server, wanted: &Issued) -> bool {
    authority.connect(&server.base).is_ok_and(|line| line.certificate() == wanted.der)
}

fn count(server: &Server, text: &str) -> usize {
    server.log().matches(text).count()
}

#[test]
fn new_clients_see_the_new_certificate_and_open_connections_go_on() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let old = authority.issue();
    let server = serve(&database, &old, &[]);
    let token = bearer(&server.token("read"));
    let mut open = authority.connect(&server.base).unwrap();
    open.ask("GET", b"/api/v1/status", &[&token]).unwrap().expect(200);
    // Another authority, so that nothing of the old can be mistaken for it; an RSA key after a P-256 one.
    let next = Authority::new();
    let new = next.issue_as(KeyForm::Pkcs1, (2020, 2091));
    new.write(database.folder());
    until("the new certificate", SOON, || shows(&next, &server, &new));
    assert!(authority.connect(&server.base).is_err(), "the old one is gone for new clients");
    for _ in 0..3 {
        open.ask("GET", b"/api/v1/status", &[&token]).unwrap().expect(200);
    }
    assert_eq!(open.certificate(), old.der);
    server.says("the TLS certificate was replaced");
}

#[test]
fn sighup_looks_at_once_and_ends_nothing() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let mut server = serve(&database, &authority.issue(), &[]);
    for round in 1..=3 {
        let new = authority.issue();
        new.write(database.folder());
        server.signal("HUP");
        until("the new certificate", SOON, || shows(&authority, &server, &new));
        until("the log", SOON, || count(&server, "SIGHUP: looking at the TLS files") == round);
        assert!(!server.has_ended());
    }
}

#[test]
fn a_bad_pair_changes_nothing_and_is_reported_once() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let (old, other) = (authority.issue(), authority.issue());
    let server = serve(&database, &old, &[]);
    const COMPLAINT: &str = "the TLS files changed and cannot be used";
    let bad = [
        Issued { key: other.key, ..old.clone() },
        Issued { cert: String::from("-----BEGIN CERTIFICATE-----\nMII"), ..old.clone() },
        Issued { key: String::new(), ..old.clone() },
        // An ended one must not take the place of one that is good.
        authority.issue_as(KeyForm::Pkcs8, (2019, 2020)),
    ];
    for (number, bad) in bad.iter().enumerate() {
        bad.write(database.folder());
        // The two files are renamed one after the other: a look between them is a change of its own.
        until("the complaint", SOON, || {
            server.signal("HUP");
            count(&server, COMPLAINT) > number
        });
        let complaints = count(&server, COMPLAINT);
        let looks = count(&server, "SIGHUP: looking");
        until("some more looks", SOON, || {
            server.signal("HUP");
            count(&server, "SIGHUP: looking") > looks + 3
        });
        assert!(count(&server, COMPLAINT) <= complaints + 1, "once per change:\n{}", server.log_end());
        assert!(shows(&authority, &server, &old), "{number}");
    }
    std::fs::remove_file(database.folder().join("tls.key")).unwrap();
    until("the complaint", SOON, || server.log().contains("tls.key cannot be read"));
    assert!(shows(&authority, &server, &old));
    // And a good pair is taken again.
    let new = authority.issue();
    new.write(database.folder());
    until("the new certificate", SOON, || shows(&authority, &server, &new));
}

#[test]
fn the_life_of_the_certificate_is_a_metric_and_goes_with_it() {
    let database = Database::sqlite();
    let authority = Authority::new();
    let server = serve(&database, &authority.issue_as(KeyForm::Pkcs8, (2020, 2090)), &[]);
    let token = bearer(&server.token("read"));
    let left = || {
        let text = authority.request(&server.base, "GET", b"/metrics", &[&token]).expect(200).text();
        let line = text.lines().find(|l| l.starts_with("scimhub_tls_certificate_expires_seconds ")).expect("a metric");
        line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()
    };
    const YEAR: i64 = 31_557_600;
    let before = left();
    assert!(before > 20 * YEAR, "{before}");
    authority.issue_as(KeyForm::Pkcs8, (2020, 2100)).write(database.folder());
    until("ten more years", SOON, || left() > before + 9 * YEAR);
}
