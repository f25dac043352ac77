//! `scimhub.toml`: what it may hold, and all that is wrong with it at once.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::base::nearest::hint;

/// The file that is read where none is named and it exists.
pub const DEFAULT_FILE: &str = "scimhub.toml";

const KEYS: [&str; 14] = [
    "listen",
    "database",
    "paused",
    "automatic_sync",
    "public_url",
    "tls_cert",
    "tls_key",
    "trusted_proxy",
    "drain_delay",
    "app_network",
    "apps",
    "key_file",
    "log",
    "notify",
];

/// The configuration cannot be used; lists every problem.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used:\n{}", .problems.iter().map(|p| format!("  - {p}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// What is wrong, one sentence each.
    pub problems: Vec<String>,
}

impl ConfigError {
    /// One problem.
    pub fn one(problem: String) -> Self {
        Self { problems: vec![problem] }
    }
}

/// What a file says; nothing is checked beyond its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// `listen = "127.0.0.1:8080"`
    pub listen: Option<String>,
    /// `database = "sqlite:scimhub.db"`
    pub database: Option<String>,
    /// `paused = true`
    pub paused: Option<bool>,
    /// `automatic_sync = false`
    pub automatic_sync: Option<bool>,
    /// `public_url = "https://scim.example.com"`
    pub public_url: Option<String>,
    /// `tls_cert = "/etc/scimhub/tls.crt"`
    pub tls_cert: Option<PathBuf>,
    /// `tls_key = "/etc/scimhub/tls.key"`
    pub tls_key: Option<PathBuf>,
    /// `trusted_proxy = ["10.0.0.0/8"]`, or one text
    pub trusted_proxy: Option<Vec<String>>,
    /// `drain_delay = "5s"`
    pub drain_delay: Option<String>,
    /// `app_network = ["10.0.0.0/8"]`, or one text
    pub app_network: Option<Vec<String>>,
    /// `apps = "/etc/scimhub/apps"`
    pub apps: Option<PathBuf>,
    /// `key_file = "/etc/scimhub/key"`
    pub key_file: Option<PathBuf>,
    /// `log = "info"`
    pub log: Option<String>,
    /// `[notify]`
    pub notify: NotifyFile,
}

/// `[notify]`: where mail goes out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyFile {
    /// `smtp_url = "smtps://scimhub@mail.example.com"`
    pub smtp_url: Option<String>,
    /// `smtp_password_file = "/etc/scimhub/smtp"`
    pub smtp_password_file: Option<PathBuf>,
    /// `mail_from = "scimhub@example.com"`
    pub mail_from: Option<String>,
}

impl NotifyFile {
    const KEYS: [&'static str; 3] = ["smtp_url", "smtp_password_file", "mail_from"];

    fn take(&mut self, table: Table, problems: &mut Vec<String>) {
        for (key, value) in table {
            match (key.as_str(), value) {
                ("smtp_url", Value::String(text)) => self.smtp_url = Some(text),
                ("mail_from", Value::String(text)) => self.mail_from = Some(text),
                ("smtp_password_file", Value::String(text)) => self.smtp_password_file = Some(PathBuf::from(text)),
                (known, _) if Self::KEYS.contains(&known) => {
                    problems.push(format!("the value of 'notify.{key}' has the wrong type"));
                }
                (unknown, _) => {
                    problems.push(format!("unknown key 'notify.{unknown}'; {}", hint(unknown, &Self::KEYS)));
                }
            }
        }
    }
}

impl File {
    /// Read the file that was named, or `scimhub.toml` where it exists; nothing otherwise.
    ///
    /// # Errors
    /// [`ConfigError`] when a named file is missing or a file is not readable as configuration.
    pub fn find(named: Option<&Path>) -> Result<Self, ConfigError> {
        let (file, problems) = Self::read(named)?;
        if problems.is_empty() { Ok(file) } else { Err(ConfigError { problems }) }
    }

    /// The same, for whoever has more to complain about: what could be read of the file, and
    /// every unknown key and wrong type in it.
    ///
    /// # Errors
    /// [`ConfigError`] when nothing of it can be read.
    pub fn read(named: Option<&Path>) -> Result<(Self, Vec<String>), ConfigError> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        let in_file = |problem: String| format!("{}: {problem}", path.display());
        match std::fs::read_to_string(path) {
            Ok(text) => match Self::take(&text) {
                Ok((file, problems)) => Ok((file, problems.into_iter().map(in_file).collect())),
                Err(problem) => Err(ConfigError::one(in_file(problem))),
            },
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(Default::default()),
            Err(error) => Err(ConfigError::one(format!("{} cannot be read: {error}", path.display()))),
        }
    }

    /// Read the text of a file.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of a syntax error, or with every unknown key and wrong type.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (file, problems) = Self::take(text).map_err(ConfigError::one)?;
        if problems.is_empty() { Ok(file) } else { Err(ConfigError { problems }) }
    }

    fn take(text: &str) -> Result<(Self, Vec<String>), String> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or_default().matches('\n').count());
            format!("line {}: {}", line + 1, error.message())
        })?;
        let mut file = Self::default();
        let mut problems = Vec::new();
        for (key, value) in table {
            let fits = match (key.as_str(), value) {
                ("listen", Value::String(text)) => set(&mut file.listen, text),
                ("database", Value::String(text)) => set(&mut file.database, text),
                ("public_url", Value::String(text)) => set(&mut file.public_url, text),
                ("log", Value::String(text)) => set(&mut file.log, text),
                ("drain_delay", Value::String(text)) => set(&mut file.drain_delay, text),
                ("tls_cert", Value::String(text)) => set(&mut file.tls_cert, PathBuf::from(text)),
                ("tls_key", Value::String(text)) => set(&mut file.tls_key, PathBuf::from(text)),
                ("key_file", Value::String(text)) => set(&mut file.key_file, PathBuf::from(text)),
                ("paused", Value::Boolean(on)) => set(&mut file.paused, on),
                ("automatic_sync", Value::Boolean(on)) => set(&mut file.automatic_sync, on),
                ("trusted_proxy", Value::String(text)) => set(&mut file.trusted_proxy, vec![text]),
                ("trusted_proxy", Value::Array(values)) => set_texts(&mut file.trusted_proxy, &values),
                ("app_network", Value::String(text)) => set(&mut file.app_network, vec![text]),
                ("app_network", Value::Array(values)) => set_texts(&mut file.app_network, &values),
                ("apps", Value::String(text)) => set(&mut file.apps, PathBuf::from(text)),
                ("notify", Value::Table(table)) => {
                    file.notify.take(table, &mut problems);
                    true
                }
                (known, _) if KEYS.contains(&known) => false,
                (unknown, _) => {
                    problems.push(format!("unknown key '{unknown}'; {}", hint(unknown, &KEYS)));
                    true
                }
            };
            if !fits {
                problems.push(format!("the value of '{key}' has the wrong type"));
            }
        }
        Ok((file, problems))
    }
}

fn set<T>(place: &mut Option<T>, value: T) -> bool {
    *place = Some(value);
    true
}

fn set_texts(place: &mut Option<Vec<String>>, values: &[Value]) -> bool {
    let texts: Option<Vec<_>> = values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    texts.is_some_and(|texts| set(place, texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read() {
        let file = File::parse("listen = \"127.0.0.1:1\"\npaused = true\ntrusted_proxy = [\"10.0.0.0/8\"]").unwrap();
        assert_eq!(file.listen.as_deref(), Some("127.0.0.1:1"));
        assert_eq!(file.paused, Some(true));
        assert_eq!(file.trusted_proxy, Some(vec![String::from("10.0.0.0/8")]));
        assert_eq!(file.database, None);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let error = File::parse("lisen = \"x\"\npaused = \"yes\"\ncolour = 1").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("unknown key 'lisen'; did you mean 'listen'?"), "{text}");
        assert!(text.contains("the value of 'paused' has the wrong type"), "{text}");
        assert!(text.contains("unknown key 'colour'; there are 'listen'"), "{text}");
        let error = File::parse("listen = \"x\"\ndatabase =").unwrap_err();
        assert!(error.to_string().contains("line 2:"), "{error}");
    }
}
