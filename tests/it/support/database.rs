//! A fresh database per test: SQLite always, PostgreSQL where one can be started or was given.

use std::io::Write;
use std::path::{Path, PathBuf};

use scimhub::store::{Store, StoreConfig};

use super::Proxy;
use super::postgres::{self, Postgres};

/// One empty database, gone when dropped.
#[derive(Debug)]
pub struct Database {
    /// `sqlite` or `postgres`, for messages.
    pub name: &'static str,
    /// What `--database` takes.
    pub url: String,
    folder: tempfile::TempDir,
    on_postgres: Option<String>,
}

impl Database {
    /// An empty SQLite file in a folder of its own.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("scimhub.db").display());
        Self { name: "sqlite", url, folder, on_postgres: None }
    }

    /// An empty PostgreSQL database; `None` where there is no server (said loudly, or a panic
    /// with `SCIMHUB_TEST_REQUIRE=1`).
    pub fn postgres() -> Option<Self> {
        let server = match postgres::server() {
            Ok(server) => server,
            Err(why) => {
                assert!(std::env::var_os("SCIMHUB_TEST_REQUIRE").is_none_or(|v| v != "1"), "no PostgreSQL: {why}");
                // Past the capture of the test harness: a skipped part must be seen.
                let _ = writeln!(std::io::stderr(), "SKIPPED: PostgreSQL part of a test: {why}");
                return None;
            }
        };
        let (database, url) = server.create_database();
        let folder = tempfile::tempdir().expect("a temporary folder");
        Some(Self { name: "postgres", url, folder, on_postgres: Some(database) })
    }

    /// The password in the URL, where it has one.
    pub fn password(&self) -> Option<&str> {
        let (credential, _) = self.url.split_once("://")?.1.rsplit_once('@')?;
        credential.split_once(':').map(|(_, password)| password).filter(|password| password.len() >= 8)
    }

    /// Host and port of its server; `None` on SQLite.
    pub fn server(&self) -> Option<String> {
        let (_, rest) = self.url.strip_prefix("postgres://")?.rsplit_once('@')?;
        rest.split('/').next().map(str::to_owned)
    }

    /// The same database by way of a proxy; still there when this one is dropped.
    pub fn behind(&self, proxy: &Proxy) -> Self {
        let direct = self.server().expect("a PostgreSQL database");
        let url = self.url.replacen(&direct, &proxy.address(), 1);
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { name: "postgres behind a proxy", url, folder, on_postgres: None }
    }

    /// An empty database on a server of its own.
    pub fn on(server: &Postgres) -> Self {
        let (_, url) = server.create_database();
        Self { name: "postgres of its own", url, folder: tempfile::tempdir().expect("a folder"), on_postgres: None }
    }

    /// A private folder that lives as long as the database.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where this database's key file belongs; beside a SQLite file it is the default.
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("scimhub.db.key")
    }

    /// How to open it as one command of several would.
    pub fn config(&self) -> StoreConfig {
        StoreConfig { key_file: Some(self.key_file()), ..StoreConfig::new(&self.url) }
    }

    /// Open it, migrated, with its own key file.
    pub fn open(&self) -> Store {
        Store::open_with(self.config()).expect("a fresh database opens")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let (Some(database), Ok(server)) = (&self.on_postgres, postgres::server()) {
            server.drop_database(database);
        }
    }
}

/// One fresh database of each kind there is.
pub fn databases() -> Vec<Database> {
    let mut all = vec![Database::sqlite()];
    all.extend(Database::postgres());
    all
}
