//! The settings of `scimhub serve`, merged and checked before anything is opened.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::file::{ConfigError, File};
use crate::base::duration::{duration, humane};
use crate::base::limits;
use crate::base::network::Network;

/// Where the server listens unless told.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
/// The database unless told.
pub const DEFAULT_DATABASE: &str = "sqlite:scimhub.db";
/// What is logged unless told.
pub const DEFAULT_LOG: &str = "info";

/// What flags and environment gave.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--listen`
    pub listen: Option<String>,
    /// `--database`
    pub database: Option<String>,
    /// `--paused`
    pub paused: Option<bool>,
    /// `--automatic-sync`
    pub automatic_sync: Option<bool>,
    /// `--public-url`
    pub public_url: Option<String>,
    /// `--tls-cert`
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`
    pub tls_key: Option<PathBuf>,
    /// `--drain-delay`
    pub drain_delay: Option<String>,
    /// `--trusted-proxy`
    pub trusted_proxy: Option<Vec<String>>,
    /// `--app-network`
    pub app_network: Option<Vec<String>>,
    /// `--apps`
    pub apps: Option<PathBuf>,
    /// `--key-file`
    pub key_file: Option<PathBuf>,
    /// `--log`
    pub log: Option<String>,
    /// `--smtp-url`
    pub smtp_url: Option<String>,
    /// `--smtp-password-file`
    pub smtp_password_file: Option<PathBuf>,
    /// `--mail-from`
    pub mail_from: Option<String>,
}

/// Where mail goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// `smtps://user@host` or `smtp://…`.
    pub url: String,
    /// Whom mail comes from.
    pub from: String,
    /// Where the user's password is, unless the environment has it.
    pub password_file: Option<PathBuf>,
}

/// A PEM certificate with its chain, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and behind it the rest of its chain.
    pub cert: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// The files that flags, environment and configuration file name together; `None` unless both
    /// are named.
    pub fn named(given: &Given, file: &File) -> Option<Self> {
        let cert = given.tls_cert.as_ref().or(file.tls_cert.as_ref())?.clone();
        let key = given.tls_key.as_ref().or(file.tls_key.as_ref())?.clone();
        Some(Self { cert, key })
    }
}

/// Settings that fit together.
#[derive(Clone, Debug)]
pub struct Serve {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `sqlite:FILE` or `postgres://…`.
    pub database: String,
    /// Start without pushing.
    pub paused: bool,
    /// Sync hubs after connecting and once a day.
    pub automatic_sync: bool,
    /// What `meta.location` and links begin with; the listen address without it.
    pub public_url: Option<String>,
    /// Certificate and key, where the server speaks TLS itself.
    pub tls: Option<TlsFiles>,
    /// How long a stopping server goes on accepting after `/readyz` says no.
    pub drain_delay: Duration,
    /// Who may pass on requests that came over TLS.
    pub trusted_proxies: Vec<Network>,
    /// Networks that are not public and in which apps may be called.
    pub app_networks: Vec<Network>,
    /// A folder of manifests besides those compiled in.
    pub apps: Option<PathBuf>,
    /// Where the key is.
    pub key_file: PathBuf,
    /// What is logged.
    pub log: String,
    /// Where mail goes out, where it does.
    pub smtp: Option<Smtp>,
}

impl Serve {
    /// Merge what was given with the file, and check the whole.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem.
    pub fn merge(given: Given, file: File) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let tls = TlsFiles::named(&given, &file);
        if tls.is_none() && (given.tls_cert.is_some() || file.tls_cert.is_some()) {
            problems.push(String::from("tls_cert: a certificate needs its key; name it with --tls-key"));
        }
        if tls.is_none() && (given.tls_key.is_some() || file.tls_key.is_some()) {
            problems.push(String::from("tls_key: a key needs its certificate; name it with --tls-cert"));
        }
        let listen_text = given.listen.or(file.listen).unwrap_or_else(|| String::from(DEFAULT_LISTEN));
        let listen = listen_text.parse::<SocketAddr>();
        if listen.is_err() {
            problems.push(format!("listen: '{listen_text}' is not an address and port such as {DEFAULT_LISTEN}"));
        }
        let database = given.database.or(file.database).unwrap_or_else(|| String::from(DEFAULT_DATABASE));
        let key_file = given.key_file.or(file.key_file).unwrap_or_else(|| default_key_file(&database));
        let public_url = given.public_url.or(file.public_url).map(|url| url.trim_end_matches('/').to_owned());
        if let Some(url) = &public_url
            && let Some(problem) = wrong_with_url(url)
        {
            problems.push(format!("public_url: {problem}"));
        }
        if tls.is_some() && public_url.as_deref().is_some_and(|url| url.starts_with("http://")) {
            problems
                .push(String::from("public_url: it says http://, but with --tls-cert the server speaks only https"));
        }
        let mut networks = |key: &str, texts: Option<Vec<String>>| {
            let mut networks = Vec::new();
            for text in texts.unwrap_or_default() {
                match text.parse::<Network>() {
                    Ok(network) => networks.push(network),
                    Err(error) => problems.push(format!("{key}: {error}")),
                }
            }
            networks
        };
        let trusted_proxies = networks("trusted_proxy", given.trusted_proxy.or(file.trusted_proxy));
        let app_networks = networks("app_network", given.app_network.or(file.app_network));
        let wanted_delay = given.drain_delay.or(file.drain_delay).map(|text| duration(&text));
        match &wanted_delay {
            Some(Err(wrong)) => problems.push(format!("drain_delay: {wrong}")),
            Some(Ok(delay)) if *delay > limits::DRAIN_DELAY => {
                problems.push(format!("drain_delay: at most {}", humane(limits::DRAIN_DELAY)));
            }
            Some(Ok(_)) | None => {}
        }
        let is_local = listen.as_ref().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        if let Ok(address) = listen
            && !is_local
            && tls.is_none()
        {
            let is_https = public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
            if trusted_proxies.is_empty() || !is_https {
                problems.push(format!(
                    "listen: {address} can be reached from other machines, and tokens must not travel over plain \
                     HTTP; listen on 127.0.0.1, or give the server a certificate with --tls-cert and --tls-key, or \
                     put a proxy that ends TLS in front and name it with --trusted-proxy CIDR and --public-url https://…"
                ));
            }
        }
        let from = given.mail_from.or(file.notify.mail_from);
        let password_file = given.smtp_password_file.or(file.notify.smtp_password_file);
        let smtp = match (given.smtp_url.or(file.notify.smtp_url), from) {
            (Some(url), Some(from)) => Some(Smtp { url, from, password_file }),
            (Some(_), None) => {
                problems.push(String::from("smtp_url: mail needs a sender; name it with --mail-from"));
                None
            }
            (None, Some(_)) => {
                problems.push(String::from("mail_from: mail needs a server; name it with --smtp-url"));
                None
            }
            (None, None) => None,
        };
        match listen {
            Ok(listen) if problems.is_empty() => Ok(Self {
                smtp,
                listen,
                database,
                paused: given.paused.or(file.paused).unwrap_or(false),
                automatic_sync: given.automatic_sync.or(file.automatic_sync).unwrap_or(true),
                public_url,
                tls,
                drain_delay: match wanted_delay {
                    Some(Ok(delay)) => delay,
                    // Nobody balances over a server that only this machine reaches.
                    Some(Err(_)) | None if is_local => Duration::ZERO,
                    Some(Err(_)) | None => limits::DRAIN_DELAY_DEFAULT,
                },
                trusted_proxies,
                app_networks,
                apps: given.apps.or(file.apps),
                key_file,
                log: given.log.or(file.log).unwrap_or_else(|| String::from(DEFAULT_LOG)),
            }),
            _ => Err(ConfigError { problems }),
        }
    }
}

/// `<sqlite file>.key`, and `./scimhub.key` on PostgreSQL.
pub fn default_key_file(database: &str) -> PathBuf {
    let file = database.strip_prefix("sqlite:").map(|file| file.strip_prefix("//").unwrap_or(file));
    file.map_or_else(|| PathBuf::from("scimhub.key"), |file| PathBuf::from(format!("{file}.key")))
}

fn wrong_with_url(url: &str) -> Option<&'static str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest {
        None => Some("it must begin with https:// (or http:// for a trial)"),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Some("it has no host"),
        Some(rest) if rest.contains(['?', '#', '@', ' ', '"', '\\']) || !rest.is_ascii() => {
            Some("it may hold only a host, a port and a path")
        }
        Some(rest) => {
            let authority = rest.split('/').next().unwrap_or_default();
            let (host, port) = match authority.rsplit_once(':') {
                // The colons of an IPv6 address are inside its brackets.
                Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
                Some(_) | None => (authority, None),
            };
            let is_host = match host.strip_prefix('[') {
                Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok()),
                None => !host.is_empty() && !host.contains([':', '[', ']']),
            };
            let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
            if is_host && is_port { None } else { Some("its host or port cannot be") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(given: Given, file: &str) -> Result<Serve, String> {
        Serve::merge(given, File::parse(file).unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn given_goes_before_file_before_default() {
        let given = Given { listen: Some("127.0.0.1:1".into()), ..Given::default() };
        let serve = merge(given, "listen = \"127.0.0.1:2\"\ndatabase = \"sqlite:///var/x.db\"").unwrap();
        assert_eq!(serve.listen.to_string(), "127.0.0.1:1");
        assert_eq!(serve.database, "sqlite:///var/x.db");
        assert_eq!(serve.key_file, PathBuf::from("/var/x.db.key"));
        assert_eq!(serve.log, DEFAULT_LOG);
        assert!(!serve.paused);
        assert_eq!(default_key_file("postgres://x/y"), PathBuf::from("scimhub.key"));
    }

    #[test]
    fn t05_plain_http_beyond_loopback_is_refused() {
        for listen in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80"] {
            let given = || Given { listen: Some(listen.into()), ..Given::default() };
            assert!(merge(given(), "").unwrap_err().contains("plain HTTP"), "{listen}");
            assert!(merge(given(), "trusted_proxy = \"10.0.0.0/8\"").is_err(), "{listen}");
            assert!(merge(given(), "public_url = \"https://x.example\"").is_err(), "{listen}");
            let http = "trusted_proxy = \"10.0.0.0/8\"\npublic_url = \"http://x.example\"";
            assert!(merge(given(), http).is_err(), "{listen}");
            let good = "trusted_proxy = \"10.0.0.0/8\"\npublic_url = \"https://x.example/\"";
            assert_eq!(merge(given(), good).unwrap().public_url.as_deref(), Some("https://x.example"));
        }
    }

    #[test]
    fn tls_needs_both_files_and_makes_every_address_good() {
        let both = "tls_cert = \"c.pem\"\ntls_key = \"k.pem\"\n";
        let given = || Given { listen: Some("0.0.0.0:8443".into()), ..Given::default() };
        let serve = merge(given(), both).unwrap();
        assert_eq!(serve.tls, Some(TlsFiles { cert: "c.pem".into(), key: "k.pem".into() }));
        assert_eq!(serve.drain_delay, limits::DRAIN_DELAY_DEFAULT);
        let given = Given { tls_key: Some("flag.pem".into()), ..given() };
        assert_eq!(merge(given, both).unwrap().tls.unwrap().key, PathBuf::from("flag.pem"));
        for (half, needs) in [("tls_cert = \"c\"", "--tls-key"), ("tls_key = \"k\"", "--tls-cert")] {
            assert!(merge(Given::default(), half).unwrap_err().contains(needs), "{half}");
        }
        let text = merge(Given::default(), &format!("{both}public_url = \"http://x.example\"")).unwrap_err();
        assert!(text.contains("only https"), "{text}");
    }

    #[test]
    fn the_drain_delay_is_short_where_nobody_balances() {
        let delay = |file: &str| merge(Given::default(), file).map(|serve| serve.drain_delay);
        assert_eq!(delay(""), Ok(Duration::ZERO));
        assert_eq!(delay("listen = \"[::1]:0\""), Ok(Duration::ZERO));
        assert_eq!(delay("drain_delay = \"20s\""), Ok(Duration::from_secs(20)));
        assert_eq!(delay("drain_delay = \"5min\""), Ok(Duration::from_secs(300)));
        for bad in ["5", "-1s", "6min", ""] {
            assert!(delay(&format!("drain_delay = \"{bad}\"")).unwrap_err().contains("drain_delay: "), "{bad}");
        }
    }

    #[test]
    fn a_public_url_is_one_that_a_client_can_call() {
        for good in ["https://x.example", "https://x.example:8443/scim/", "http://[::1]:80", "https://[fd00::1]/a"] {
            assert_eq!(wrong_with_url(good), None, "{good}");
        }
        for bad in [
            "",
            "x.example",
            "ftp://x.example",
            "https://",
            "https:///x",
            "https://:443",
            "https://x:port",
            "https://x:0",
            "https://x:99999",
            "https://a:b:1",
            "https://[::1",
            "https://[x]:1",
            "https://me@x.example",
            "https://x.example?a",
            "https://x.example/#a",
            "https://x example",
            "https://b\u{fc}cher.example",
        ] {
            assert!(wrong_with_url(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn bad_values_are_all_named() {
        let given = Given { listen: Some("here".into()), public_url: Some("ftp://x".into()), ..Given::default() };
        let text = merge(given, "trusted_proxy = [\"10.0.0.0/99\"]").unwrap_err();
        for part in ["listen: 'here'", "public_url:", "trusted_proxy:"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
