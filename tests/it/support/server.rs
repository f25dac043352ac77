//! The real binary as a process: started on a free port, killed on drop. It logs everything it
//! can, and its log is searched at the end for every secret it was given (threat T-25).

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::canary::Canaries;
use super::database::Database;
use super::http::Client;
use super::until;

/// A running `scimhub serve`.
#[derive(Debug)]
pub struct Server {
    /// `http://127.0.0.1:PORT`, or https where it was given a certificate.
    pub base: String,
    child: Child,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    environment: Vec<(&'static str, String)>,
    canaries: Mutex<Canaries>,
}

/// The real binary on a database: its URL and key file as environment variables, in a folder of
/// its own, so that nothing is read from or written into the checkout.
pub fn scimhub(database: &Database) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scimhub"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SCIMHUB_")) {
        command.env_remove(name);
    }
    command.envs(environment(database)).current_dir(database.folder()).stdin(Stdio::null());
    command
}

fn environment(database: &Database) -> Vec<(&'static str, String)> {
    vec![
        ("SCIMHUB_DATABASE", database.url.clone()),
        ("SCIMHUB_KEY_FILE", database.key_file().to_string_lossy().into_owned()),
    ]
}

impl Server {
    /// Start `scimhub serve --listen 127.0.0.1:0` and wait until it says where it listens.
    ///
    /// # Panics
    /// When it does not within 60 s; shows what it logged.
    pub fn start(database: &Database, extra_args: &[&str]) -> Self {
        match Self::try_start(database, extra_args) {
            Ok(server) => server,
            Err(log) => panic!("scimhub serve did not start:\n{log}"),
        }
    }

    /// The same; what it logged where it ended before it listened.
    ///
    /// # Errors
    /// The process's log.
    pub fn try_start(database: &Database, extra_args: &[&str]) -> Result<Self, String> {
        Self::try_start_in(database, extra_args, &[])
    }

    /// The same with more environment variables: faults, and times that suit a test.
    ///
    /// # Errors
    /// The process's log.
    pub fn try_start_in(
        database: &Database,
        extra_args: &[&str],
        more: &[(&'static str, String)],
    ) -> Result<Self, String> {
        let mut child = scimhub(database)
            .env("SCIMHUB_LOG", "trace")
            // Most tests count tasks; those about syncs say `true`.
            .env("SCIMHUB_AUTOMATIC_SYNC", "false")
            .arg("serve")
            .args(if extra_args.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] })
            .args(extra_args)
            .envs(more.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, stdout) = follow(child.stdout.take().expect("a pipe"), &log);
        let (_, stderr) = follow(child.stderr.take().expect("a pipe"), &log);
        let mut canaries = Canaries::default();
        if let Some(password) = database.password() {
            canaries.add("the database's password", password);
        }
        loop {
            match lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => {
                    if let Some(at) = line.find("listening on http") {
                        let base = line[at + "listening on ".len()..].trim().trim_end_matches('/').to_owned();
                        return Ok(Self {
                            base,
                            child,
                            log,
                            readers: vec![stdout, stderr],
                            environment: environment(database),
                            canaries: Mutex::new(canaries),
                        });
                    }
                }
                Err(_) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    // What it said on its way out may still be in the pipe.
                    for reader in [stdout, stderr] {
                        let _ = reader.join();
                    }
                    return Err(log.lock().expect("the log").clone());
                }
            }
        }
    }

    /// A new credential of `scope` (`scim`, `admin`, `read`) for workspace and source `default`.
    pub fn token(&self, scope: &str) -> String {
        self.token_for("default", "default", scope)
    }

    /// A new credential for a workspace and source.
    pub fn token_for(&self, workspace: &str, source: &str, scope: &str) -> String {
        let name = format!("{scope}-{}", uuid::Uuid::new_v4().simple());
        let output = self.run(&[
            "token",
            "create",
            "--workspace",
            workspace,
            "--source",
            source,
            "--scope",
            scope,
            "--name",
            &name,
        ]);
        assert!(output.status.success(), "token create: {}", String::from_utf8_lossy(&output.stderr));
        let token = String::from_utf8(output.stdout).expect("a token is text").trim().to_owned();
        self.watch(&format!("a token of scope {scope}"), token.rsplit('_').next().expect("a secret part"));
        token
    }

    /// A secret that must not stand in this server's log.
    pub fn watch(&self, name: &str, secret: &str) {
        self.canaries.lock().expect("the canaries").add(name, secret);
    }

    /// A client with a new credential of `scope`.
    pub fn client(&self, scope: &str) -> Client {
        Client::new(&self.base, &self.token(scope))
    }

    /// Another command of the binary beside this server, on the same database.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scimhub"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(args).stdin(Stdio::null()).output().expect("the binary runs")
    }

    /// What it wrote so far, both streams.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Wait until it has written `text`; the line that holds it.
    ///
    /// # Panics
    /// When it does not within 20 s.
    pub fn says(&self, text: &str) -> String {
        let mut found = None;
        until(&format!("the log line '{text}'"), Duration::from_secs(20), || {
            found = self.log.lock().expect("the log").lines().find(|line| line.contains(text)).map(str::to_owned);
            found.is_some()
        });
        found.unwrap_or_default()
    }

    /// The last of it, for a failure's message.
    pub fn log_end(&self) -> String {
        let log = self.log.lock().expect("the log");
        let mut lines: Vec<&str> = log.lines().rev().filter(|line| !line.contains("\"TRACE\"")).take(60).collect();
        lines.reverse();
        lines.join("\n")
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// SIGSTOP: the process stands still, its connections stay open.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT: it goes on where it stood.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// `kill -9`, and wait for the end.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Send it a signal: `TERM`, `HUP` …
    pub fn signal(&self, name: &str) {
        let _ = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
    }

    /// Wait for its end; its exit status, `None` where a signal ended it.
    pub fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        until("the server's end", Duration::from_secs(60), || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        status.and_then(|status| status.code())
    }

    /// SIGTERM: an orderly end. Whether it ended with status 0, and its log.
    pub fn stop(mut self) -> (bool, String) {
        self.signal("TERM");
        let status = self.ended();
        (status == Some(0), self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        if !std::thread::panicking() {
            let canaries = self.canaries.lock().expect("the canaries");
            canaries.assert_absent("the server's log", &self.log());
        }
    }
}

/// Read a stream to its end on a thread of its own: into the log, and line by line to the caller.
fn follow(stream: impl Read + Send + 'static, log: &Arc<Mutex<String>>) -> (Receiver<String>, JoinHandle<()>) {
    let (sender, lines) = channel();
    let log = Arc::clone(log);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Ok(mut log) = log.lock() {
                log.push_str(&line);
                log.push('\n');
            }
            let _ = sender.send(line);
        }
    });
    (lines, reader)
}
