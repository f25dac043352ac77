//! A server process: started, watched through `/proc`, ended when dropped.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::support::Database;
use super::wire::Target;

/// The kernel counts CPU time in hundredths of a second (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// A running server.
#[derive(Debug)]
pub struct Process {
    child: Child,
    target: Target,
    /// Until its line `listening on` came.
    pub started_in: Duration,
}

impl Process {
    /// Start `command`, which prints `listening on http://…` when it is ready.
    pub fn start(command: &mut Command, token: &str) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("the server starts")?;
        let mut line = String::new();
        let out = child.stdout.take().context("its output")?;
        BufReader::new(out).read_line(&mut line)?;
        let started_in = began.elapsed();
        let base = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let target = base.context("the server did not start").and_then(|base| Target::new(&base, token));
        match target {
            Ok(target) => Ok(Self { child, target, started_in }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// User and system time so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok()).unwrap_or(0);
        TICK * (ticks(11) + ticks(12))
    }

    /// A line of `/proc/PID/status`, in MB: `VmRSS`, `VmHWM`, `RssAnon`, `RssFile`.
    pub fn memory(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0 / 1e6
    }
}

impl Process {
    /// End it, now.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Set for this program itself where it is to be `scimhub`.
pub const AS_SCIMHUB: &str = "SCIMHUB_LOAD_IS_SCIMHUB";

/// The server's binary with a database, and nothing of the user's settings.
pub fn scimhub(binary: &Path, database: &Database, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SCIMHUB_") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .current_dir(database.folder())
        .env("SCIMHUB_DATABASE", &database.url)
        .env("SCIMHUB_KEY_FILE", database.key_file())
        .env("SCIMHUB_LOG", "error")
        .env(AS_SCIMHUB, "1");
    command
}

/// Run a command to its end; what it printed.
pub fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
