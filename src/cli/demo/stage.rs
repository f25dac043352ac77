//! The stage: a folder that is thrown away, and this program itself as a server and as commands
//! beside it, exactly as an admin would use it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::base::random;
use crate::base::secret::SecretString;

/// How long a server may take to listen, on a slow machine.
const START: Duration = Duration::from_secs(30);

/// A private folder, removed with all it holds.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = std::env::temp_dir().join(format!("scimhub-demo-{}", secret().expose().get(..12).unwrap_or("x")));
        std::fs::DirBuilder::new().mode(0o700).create(&path).context("no temporary folder can be made")?;
        Ok(Self(path))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// 128 random bits in hexadecimal.
pub(super) fn secret() -> SecretString {
    let mut bytes = [0u8; 16];
    random::fill(&mut bytes);
    SecretString::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// This program with the demo's database and nothing of the user's settings.
fn program(folder: &Folder) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this program cannot find itself")?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SCIMHUB_") {
            command.env_remove(name);
        }
    }
    command
        .env("SCIMHUB_DATABASE", format!("sqlite:{}", folder.file("demo.db").display()))
        .current_dir(folder.path())
        .stdin(Stdio::null());
    Ok(command)
}

/// Run a command to its end; what it printed.
pub(super) fn run(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<String> {
    let output = program(folder)?.args(arguments).envs(environment.iter().copied()).output()?;
    if !output.status.success() {
        bail!("scimhub {} failed:\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Run `plan`, which says with status 2 that something would change; what it printed.
pub(super) fn plan(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<String> {
    let output = program(folder)?.arg("plan").args(arguments).envs(environment.iter().copied()).output()?;
    if output.status.code() != Some(2) {
        bail!("scimhub plan did not show a change:\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A running `scimhub serve`; ended when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    /// `http://127.0.0.1:PORT`
    pub(super) base: String,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Start it and wait until it listens.
    pub(super) fn start(folder: &Folder, listen: &str) -> anyhow::Result<Self> {
        let log = folder.file("server.log");
        let errors = std::fs::File::create(&log)?;
        let mut child = program(folder)?
            // The practice app is on this machine.
            .args(["serve", "--listen", listen, "--app-network", "127.0.0.0/8"])
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("the server cannot be started")?;
        let stdout = child.stdout.take().context("the server has no output")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut server = Self { base: String::new(), child, log };
        loop {
            match lines.recv_timeout(START) {
                Ok(line) => {
                    if let Some((_, base)) = line.split_once("listening on ") {
                        base.trim().trim_end_matches('/').clone_into(&mut server.base);
                        return Ok(server);
                    }
                }
                Err(_) => bail!("the server did not start:\n{}", server.last_words()),
            }
        }
    }

    /// The end of what it logged.
    pub(super) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
