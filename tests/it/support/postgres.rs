//! A PostgreSQL of our own: initdb in a temporary folder, as another user where we are root
//! (the server refuses root), one for the whole test process. A small watcher holds the read end
//! of a pipe and stops the server when the pipe closes, so even a `kill -9` of the tests leaves
//! nothing behind. `SCIMHUB_TEST_POSTGRES=postgres://…` names a server to use instead.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use scimhub::base::clock::{Clock, SystemClock};

use super::until;

/// Starts the server, then does what it reads, a word a line: `start`, or the name of a signal for
/// the server. At the end of its input it stops the server and removes the folder.
/// $1 postgres, $2 folder, $3 port.
const WATCHER: &str = r#"
begin() {
  "$1" -D "$2/data" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$2" \
    -c shared_buffers=16MB -c max_connections=200 -c fsync=on -c synchronous_commit=on \
    -c max_wal_size=256MB -c log_min_messages=fatal >>"$2/log" 2>&1 </dev/null &
  pid=$!
}
begin "$@"
while read -r word; do
  if [ "$word" = start ]; then begin "$@"; else kill -"$word" "$pid" 2>/dev/null; wait "$pid"; fi
done
kill -QUIT "$pid" 2>/dev/null
wait "$pid"
cd / && rm -rf "$2"
"#;

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    admin_url: String,
    made: AtomicU32,
    /// Its input stays open until this process ends, however it ends.
    watcher: Option<Child>,
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `pg_ctl stop -m fast`: open transactions are undone, connections told.
    Fast,
    /// As in a crash: nobody is told anything, and the log is replayed at the start.
    Immediate,
}

/// The server of this test process, or why there is none.
pub fn server() -> Result<&'static Postgres, String> {
    static SERVER: OnceLock<Result<Postgres, String>> = OnceLock::new();
    SERVER.get_or_init(obtain).as_ref().map_err(Clone::clone)
}

fn obtain() -> Result<Postgres, String> {
    match std::env::var("SCIMHUB_TEST_POSTGRES") {
        Ok(admin_url) => Ok(Postgres { admin_url, made: AtomicU32::new(0), watcher: None }),
        Err(_) => start(),
    }
}

impl Postgres {
    /// A server for one test, which may stop it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn own() -> Result<Self, String> {
        start()
    }

    /// Stop the server.
    pub fn stop(&mut self, ending: Ending) {
        self.tell(match ending {
            Ending::Fast => "INT",
            Ending::Immediate => "QUIT",
        });
    }

    /// Start it again; returns when it answers.
    pub fn start_again(&mut self) {
        self.tell("start");
        until("the database server answers", Duration::from_secs(60), || {
            PgConnection::establish(&self.admin_url).is_ok()
        });
    }

    fn tell(&mut self, word: &str) {
        let input = self.watcher.as_mut().and_then(|watcher| watcher.stdin.as_mut()).expect("a server of our own");
        writeln!(input, "{word}").expect("the watcher reads");
    }

    /// Make an empty database; its name and URL.
    pub fn create_database(&self) -> (String, String) {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("scimhub_test_{}_{number}", std::process::id());
        self.admin(&format!("DROP DATABASE IF EXISTS {name}"));
        self.admin(&format!("CREATE DATABASE {name}"));
        let (head, tail) = self.admin_url.split_at(self.admin_url.rfind('/').expect("a path in the URL"));
        let query = tail.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let url = format!("{head}/{name}{query}");
        (name, url)
    }

    /// Remove a database and whoever is still connected to it.
    pub fn drop_database(&self, name: &str) {
        if let Ok(mut conn) = PgConnection::establish(&self.admin_url) {
            let _ = conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }

    fn admin(&self, statement: &str) {
        let mut conn = PgConnection::establish(&self.admin_url).expect("the test server answers");
        conn.batch_execute(statement).expect("the test server lets us make databases");
    }
}

/// Where `initdb` and `postgres` are: `PATH`, else the newest of the distribution's folders.
fn binaries() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|found| found.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort_by_key(|bin| {
        let version = bin.parent().and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned());
        std::cmp::Reverse(version.and_then(|v| v.parse::<u32>().ok()))
    });
    std::env::split_paths(&path)
        .chain(debian)
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// The user the server runs as when we are root: (uid, gid) of `postgres`, else of `nobody`.
fn other_user() -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"].iter().find_map(|wanted| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

fn start() -> Result<Postgres, String> {
    let bin = binaries().ok_or("neither PATH nor /usr/lib/postgresql has initdb and postgres")?;
    let folder = tempfile::Builder::new()
        .prefix("scimhub-pg-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|e| format!("no temporary folder: {e}"))?
        .keep();
    let started = start_in(&bin, &folder);
    if started.is_err() {
        let _ = fs::remove_dir_all(&folder);
    }
    started
}

fn start_in(bin: &Path, folder: &Path) -> Result<Postgres, String> {
    let owner = fs::metadata(folder).map_err(|e| e.to_string())?.uid();
    let user = if owner == 0 {
        let (uid, gid) = other_user().ok_or("running as root, and there is no user to run the server as")?;
        chown(folder, Some(uid), Some(gid)).map_err(|e| format!("chown: {e}"))?;
        Some((uid, gid))
    } else {
        None
    };
    let command = |program: &Path| {
        let mut command = Command::new(program);
        command.current_dir(folder).env("LC_ALL", "C").stdin(Stdio::null()).process_group(0);
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        command
    };
    let password = uuid::Uuid::new_v4().simple().to_string();
    let password_file = folder.join("password");
    fs::write(&password_file, &password).map_err(|e| e.to_string())?;
    let initdb = command(&bin.join("initdb"))
        .args(["--no-sync", "--username=postgres", "--auth=password", "--encoding=UTF8", "--no-locale"])
        .arg("--pwfile")
        .arg(&password_file)
        .arg("-D")
        .arg(folder.join("data"))
        .output()
        .map_err(|e| format!("initdb: {e}"))?;
    if !initdb.status.success() {
        return Err(format!("initdb: {}", String::from_utf8_lossy(&initdb.stderr)));
    }
    // A free port may be taken between looking and starting: try again with another.
    let mut why = String::new();
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| e.to_string())?.port();
        let mut watcher = command(Path::new("/bin/sh"))
            .args(["-c", WATCHER, "watcher"])
            .arg(bin.join("postgres"))
            .arg(folder)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("sh: {e}"))?;
        let admin_url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres?sslmode=disable");
        match wait_until_it_answers(&admin_url, folder) {
            Ok(()) => return Ok(Postgres { admin_url, made: AtomicU32::new(0), watcher: Some(watcher) }),
            Err(reason) => why = reason,
        }
        // The watcher would remove the folder: end it alone, its server has ended already.
        let _ = watcher.kill();
        let _ = watcher.wait();
    }
    Err(why)
}

fn wait_until_it_answers(url: &str, folder: &Path) -> Result<(), String> {
    let clock = SystemClock::new();
    loop {
        let Err(error) = PgConnection::establish(url) else { return Ok(()) };
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        if log.contains("FATAL:  could not create") || clock.monotonic() > Duration::from_secs(60) {
            return Err(format!("the server does not start: {error}\n{log}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
