//! `scimhub serve`: SCIM, the API, and the engine that plans and pushes, in one process.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::local::{self, say};
use super::place::{Found, Place};
use super::{engine, prober};
use crate::base::clock::SystemClock;
use crate::base::limits;
use crate::base::secret::SecretString;
use crate::config::serve::Smtp;
use crate::config::{ConfigError, File, Given, Serve, TlsFiles};
use crate::engine::run::Daily;
use crate::http::tls::{self, Certificates};
use crate::http::{self, Exposure};
use crate::net::mail::{MailSettings, Mailer};
use crate::service::Context;
use crate::service::checking::FirstCheck;
use crate::service::pushing::{self, Pushing};
use crate::store::Purpose;
use crate::telemetry::logs;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "SCIMHUB_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Start without pushing to apps; SCIM goes on, and what follows from it waits
    #[arg(long, env = "SCIMHUB_PAUSED", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    paused: Option<bool>,
    /// What locations and links begin with [default: the listen address]
    #[arg(long, env = "SCIMHUB_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// The server's certificate and its chain (PEM); with it the server speaks https
    #[arg(long, env = "SCIMHUB_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM); both files are read again when they change, and on SIGHUP
    #[arg(long, env = "SCIMHUB_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Addresses of a proxy that ends TLS in front of this server; may be repeated
    #[arg(long, env = "SCIMHUB_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    trusted_proxy: Option<Vec<String>>,
    /// How long to go on answering after SIGTERM while /readyz says no [default: 5s; 0s on loopback]
    #[arg(long, env = "SCIMHUB_DRAIN_DELAY", value_name = "DURATION")]
    drain_delay: Option<String>,
    /// Whether hubs are synced after connecting and once a day without anybody asking [default: true]
    #[arg(long, env = "SCIMHUB_AUTOMATIC_SYNC", value_name = "BOOL")]
    automatic_sync: Option<bool>,
    /// Networks in which apps may be called although they are not public; may be repeated
    #[arg(long, env = "SCIMHUB_APP_NETWORK", value_name = "CIDR", value_delimiter = ',')]
    app_network: Option<Vec<String>>,
    /// The mail server for notifications: smtps://USER@HOST, or smtp:// for STARTTLS; its password
    /// is in SCIMHUB_SMTP_PASSWORD or a file
    #[arg(long, env = "SCIMHUB_SMTP_URL", value_name = "URL")]
    smtp_url: Option<String>,
    /// A file with the mail server's password
    #[arg(long, env = "SCIMHUB_SMTP_PASSWORD_FILE", value_name = "FILE")]
    smtp_password_file: Option<PathBuf>,
    /// Whom notifications come from
    #[arg(long, env = "SCIMHUB_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,
}

/// Serve until told to stop.
///
/// # Errors
/// When the settings do not fit together, or database, key or address cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (file, mut problems) = File::read(arguments.place.config.as_deref())?;
    let given = Given {
        listen: arguments.listen,
        database: arguments.place.database,
        paused: arguments.paused,
        automatic_sync: arguments.automatic_sync,
        public_url: arguments.public_url,
        tls_cert: arguments.tls_cert,
        tls_key: arguments.tls_key,
        drain_delay: arguments.drain_delay,
        trusted_proxy: arguments.trusted_proxy,
        app_network: arguments.app_network,
        smtp_url: arguments.smtp_url,
        smtp_password_file: arguments.smtp_password_file,
        mail_from: arguments.mail_from,
        apps: arguments.place.apps,
        key_file: arguments.place.key_file,
        log: arguments.place.log,
    };
    let tls = TlsFiles::named(&given, &file).map(|TlsFiles { cert, key }| {
        let files = tls::Files { cert, key };
        tls::open(files, Arc::new(SystemClock::new()))
    });
    if let Some(log) = given.log.as_deref().or(file.log.as_deref())
        && let Err(error) = logs::check(log)
    {
        problems.push(format!("log: {error}"));
    }
    // Whoever mends settings wants to hear of all that is wrong, the TLS files included.
    let settings = Serve::merge(given, file).map_err(|error| problems.extend(error.problems));
    let certificates = tls.transpose().map_err(|wrong| problems.extend(wrong));
    let (Ok(settings), Ok(certificates), []) = (settings, certificates, problems.as_slice()) else {
        return Err(ConfigError { problems }.into());
    };
    logs::start(&settings.log)?;
    local::block_on(serve(settings, certificates))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(wanted: Serve, certificates: Option<Arc<Certificates>>) -> anyhow::Result<()> {
    let mailer = wanted.smtp.as_ref().map(mailer).transpose()?;
    let listener = TcpListener::bind(wanted.listen)
        .with_context(|| format!("cannot listen on {}; is another server there? see --listen", wanted.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let scheme = if certificates.is_some() { "https" } else { "http" };
    let own_url = format!("{scheme}://{address}");
    let base_url = wanted.public_url.as_deref().unwrap_or(&own_url);
    if wanted.public_url.is_none() && address.ip().is_unspecified() {
        tracing::warn!("locations will begin with {base_url}, which nobody can call; set --public-url");
    }
    if wanted.trusted_proxies.iter().any(|network| network.is_everything()) {
        tracing::warn!("everybody is a trusted proxy: whoever reaches {address} can say to have come over TLS");
    }
    let found = Found { database: wanted.database, key_file: wanted.key_file, apps: wanted.apps, log: wanted.log };
    let mut context = local::open(&found, Purpose::Serve, base_url).await?;
    context.may_call = engine::may_call(wanted.app_networks.clone());
    context.store.share_nudges(&context.nudge)?;
    // Pushing stands still in the whole installation until `scimhub resume`; it outlives this process.
    if wanted.paused {
        pushing::set_everywhere(&context, "serve", Pushing::Paused).await.context("pushing cannot be paused")?;
    }

    // Not earlier: a start that takes long can be ended like any other process.
    let signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let tls = match certificates {
        Some(certificates) => {
            certificates.report();
            let config = tls::config(Arc::clone(&certificates)).context("TLS cannot be set up")?;
            tokio::spawn(watch(certificates, hang_ups()?, stop.clone()));
            Some(config)
        }
        None => None,
    };
    let daily = if wanted.automatic_sync { Daily::Queued } else { Daily::Asked };
    let first_check = if wanted.automatic_sync { FirstCheck::AfterConnecting } else { FirstCheck::Asked };
    let prober = prober::prober(&context, wanted.app_networks.clone())?;
    let context = Context { prober, first_check, ..context };
    let deliverer = engine::deliverer(&context, wanted.app_networks.clone())?;
    let engine = engine::engine(&context, wanted.app_networks)?.with_syncs(daily);
    let engine = tokio::spawn(engine.run(stop.clone()));
    let deliverer = tokio::spawn(deliverer.run(stop.clone()));
    let notifier = tokio::spawn(engine::notifier(&context, mailer).run(stop.clone()));
    let exposure = Exposure { tls: tls.is_some(), trusted_proxies: wanted.trusted_proxies.into() };
    let app = http::App::new(context, exposure);
    let server = http::server::run(app, listener, tls, wanted.drain_delay, stop.clone());
    tokio::spawn(signals.stop(stop));
    tracing::info!(%address, base_url, "serving");
    say(&format!("listening on {own_url}"));
    server.await.context("the server failed")?;
    engine.await.context("the engine failed")?;
    deliverer.await.context("the deliveries failed")?;
    notifier.await.context("the notifications failed")?;
    tracing::info!("stopped");
    Ok(())
}

/// The way out for mail; its password comes from the environment, else from the file.
fn mailer(smtp: &Smtp) -> anyhow::Result<Mailer> {
    let password = match (std::env::var("SCIMHUB_SMTP_PASSWORD").ok(), &smtp.password_file) {
        (Some(text), _) => Some(SecretString::new(text)),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("smtp_password_file: {} cannot be read", file.display()))?;
            Some(SecretString::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (None, None) => None,
    };
    let settings = MailSettings { url: smtp.url.clone(), password, from: smtp.from.clone() };
    Mailer::new(&settings).context("mail cannot be set up")
}

/// Look at the certificate's files every few seconds, and at once on SIGHUP.
async fn watch(certificates: Arc<Certificates>, mut hang_ups: Signal, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(limits::TLS_LOOK) => {}
            _ = hang_ups.recv() => tracing::info!("SIGHUP: looking at the TLS files"),
            () = stop.cancelled() => return,
        }
        let certificates = Arc::clone(&certificates);
        if let Err(error) = tokio::task::spawn_blocking(move || certificates.look()).await {
            tracing::error!(%error, "the TLS files could not be looked at");
        }
    }
}

/// Without TLS there is nothing to read again, and SIGHUP ends the process as it always does.
fn hang_ups() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")
}

/// The signals that end a server; listened for before it says that it is ready.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The first ends the server in good order, the second at once: what was acknowledged is
    /// committed, and what was being pushed is looked at first by the next start.
    async fn stop(mut self, stop: CancellationToken) {
        self.next().await;
        tracing::info!("stopping: finishing what is under way");
        stop.cancel();
        self.next().await;
        tracing::warn!("told twice to stop: ending at once");
        std::process::exit(1);
    }
}
