//! Where the database is: the flags that every command on it shares.

use std::path::PathBuf;

use clap::Args;

use crate::config::{ConfigError, File, serve};

/// Database, key and configuration file.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The database: sqlite:FILE or postgres://… [default: sqlite:scimhub.db]
    #[arg(long, env = "SCIMHUB_DATABASE", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
    /// The key that seals secrets [default: FILE.key beside an SQLite file, else ./scimhub.key]
    #[arg(long, env = "SCIMHUB_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The configuration file [default: scimhub.toml where it exists]
    #[arg(long, env = "SCIMHUB_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A folder of app manifests besides those compiled in
    #[arg(long, env = "SCIMHUB_APPS", value_name = "FOLDER")]
    pub apps: Option<PathBuf>,
    /// What is logged, e.g. info or scimhub=debug,warn [default: info for serve, else warn]
    #[arg(long, env = "SCIMHUB_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// A database and its key.
#[derive(Clone, Debug)]
pub struct Found {
    /// `sqlite:FILE` or `postgres://…`.
    pub database: String,
    /// Where the key is.
    pub key_file: PathBuf,
    /// A folder of manifests besides those compiled in.
    pub apps: Option<PathBuf>,
    /// What is logged.
    pub log: String,
}

impl Place {
    /// Merge with the configuration file.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be used.
    pub fn find(&self) -> Result<Found, ConfigError> {
        let file = File::find(self.config.as_deref())?;
        let database = self.database.clone().or(file.database).unwrap_or_else(|| serve::DEFAULT_DATABASE.to_owned());
        let key_file = self.key_file.clone().or(file.key_file).unwrap_or_else(|| serve::default_key_file(&database));
        let log = self.log.clone().or(file.log).unwrap_or_else(|| String::from("warn"));
        Ok(Found { database, key_file, apps: self.apps.clone().or(file.apps), log })
    }
}
