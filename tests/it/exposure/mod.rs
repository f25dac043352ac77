//! The server as it stands in the network: its certificate, proxies in front of it, plain HTTP,
//! and the way it leaves.

mod certificates;
mod ending;
mod renewal;
mod travelling;

use std::net::IpAddr;
use std::path::Path;

use crate::support::Database;
use crate::support::server::Server;
use crate::support::tls::Issued;

/// A server with this certificate, its files in the database's folder.
fn serve(database: &Database, issued: &Issued, more: &[&str]) -> Server {
    let (cert, key) = issued.write(database.folder());
    let (cert, key) = (text(&cert), text(&key));
    let mut args = vec!["--tls-cert", &cert, "--tls-key", &key];
    args.extend_from_slice(more);
    let server = Server::start(database, &args);
    // The key's own part begins after what all keys of a kind have in common.
    let secret: String = issued.key.lines().filter(|line| !line.starts_with('-')).collect();
    server.watch("the TLS key", &secret[64..]);
    server
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn bearer(token: &str) -> Vec<u8> {
    format!("Authorization: Bearer {token}").into_bytes()
}

/// An IPv4 address of this machine that is not loopback, so that a connection to it comes from
/// elsewhere as far as a server can tell.
fn other_address() -> Option<IpAddr> {
    let table = std::fs::read_to_string("/proc/net/fib_trie").ok()?;
    let mut last = "";
    for line in table.lines() {
        if line.contains("/32 host LOCAL")
            && let Ok(address) = last.trim().trim_start_matches("|-- ").parse::<IpAddr>()
            && !address.is_loopback()
        {
            return Some(address);
        }
        last = line;
    }
    None
}
