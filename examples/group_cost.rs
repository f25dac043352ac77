//! What one member in or out of a group costs the server, for a group of 10 and one of 20,000.
//!
//! `cargo build --release && cargo run --release --example group_cost [postgres://…]`
//!
//! Starts the release binary on a throw-away SQLite file (or the given empty PostgreSQL database),
//! fills both groups through SCIM, then measures in alternating blocks, so that a change of the
//! machine's speed meets both alike. CPU is the server process's own (user + system, from /proc);
//! on PostgreSQL the database's share is not in it. Bounded: 20,010 users, 8,000 requests, loopback only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const LARGE: usize = 20_000;
const SMALL: usize = 10;
const BLOCKS: usize = 10;
const REQUESTS: usize = 400;

struct Server {
    child: Child,
    base: String,
    token: String,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(database: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut binary = std::env::current_exe().unwrap();
        binary.pop();
        binary.pop();
        binary.push("scimhub");
        let database = database.unwrap_or_else(|| format!("sqlite:{}/cost.db", folder.path().display()));
        let key = folder.path().join("cost.key");
        let mut child = Command::new(&binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--database", &database, "--key-file"])
            .arg(&key)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .expect("build the release binary first: cargo build --release");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim().strip_prefix("listening on ").expect("the ready line").to_owned();
        let token = Command::new(&binary)
            .args(["token", "create", "--scope", "scim", "--name", "cost", "--database", &database, "--key-file"])
            .arg(&key)
            .output()
            .unwrap();
        let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { child, base, token, client: reqwest::Client::new(), _folder: folder }
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}/scim/v2{path}", self.base);
        let reply = self
            .client
            .request(method.parse().unwrap(), url)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/scim+json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = reply.status();
        let text = reply.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// CPU seconds of the server process so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn patch(operation: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]})
}

fn members(ids: &[String]) -> Value {
    ids.iter().map(|id| json!({"value": id})).collect()
}

async fn group(server: &Server, name: &str, ids: &[String]) -> String {
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
    let id = server.send("POST", "/Groups", body).await["id"].as_str().unwrap().to_owned();
    for chunk in ids.chunks(1_000) {
        let add = json!({"op": "add", "path": "members", "value": members(chunk)});
        server.send("PATCH", &format!("/Groups/{id}"), patch(&add)).await;
    }
    id
}

/// CPU microseconds a request, and the median wall time of one.
async fn block(server: &Server, group: &str, guest: &str) -> (f64, Duration) {
    let before = server.cpu();
    let mut took = Vec::new();
    for round in 0..REQUESTS {
        let operation = if round % 2 == 0 {
            json!({"op": "add", "path": "members", "value": [{"value": guest}]})
        } else {
            json!({"op": "remove", "path": format!("members[value eq \"{guest}\"]")})
        };
        let start = Instant::now();
        server.send("PATCH", &format!("/Groups/{group}"), patch(&operation)).await;
        took.push(start.elapsed());
    }
    took.sort();
    ((server.cpu() - before) * 1e6 / REQUESTS as f64, took[took.len() / 2])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() {
    let server = Server::start(std::env::args().nth(1));
    let mut ids = Vec::new();
    println!("creating {} users", LARGE + SMALL + 1);
    let numbers: Vec<usize> = (0..=LARGE + SMALL).collect();
    for chunk in numbers.chunks(64) {
        let made = chunk.iter().map(|n| {
            let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": format!("u{n}@example.com"), "emails": [{"value": format!("u{n}@example.com"), "type": "work"}]});
            server.send("POST", "/Users", body)
        });
        for user in futures_util::future::join_all(made).await {
            ids.push(user["id"].as_str().unwrap().to_owned());
        }
    }
    let large = group(&server, "large", &ids[..LARGE]).await;
    let small = group(&server, "small", &ids[LARGE..LARGE + SMALL]).await;
    let guest = ids[LARGE + SMALL].clone();
    let (mut cpu_large, mut cpu_small, mut wall_large, mut wall_small) = (vec![], vec![], vec![], vec![]);
    block(&server, &small, &guest).await;
    block(&server, &large, &guest).await;
    for _ in 0..BLOCKS {
        let (cpu, wall) = block(&server, &large, &guest).await;
        cpu_large.push(cpu);
        wall_large.push(wall.as_secs_f64() * 1e6);
        let (cpu, wall) = block(&server, &small, &guest).await;
        cpu_small.push(cpu);
        wall_small.push(wall.as_secs_f64() * 1e6);
    }
    let (cpu_large, cpu_small) = (median(cpu_large), median(cpu_small));
    let (wall_large, wall_small) = (median(wall_large), median(wall_small));
    println!("one member in or out, medians of {BLOCKS} blocks of {REQUESTS} requests, one client:");
    println!("  group of {LARGE:>6}: {cpu_large:6.0} us CPU, {wall_large:6.0} us wall");
    println!("  group of {SMALL:>6}: {cpu_small:6.0} us CPU, {wall_small:6.0} us wall");
    println!("  ratio           : {:6.2} CPU, {:6.2} wall", cpu_large / cpu_small, wall_large / wall_small);
}
