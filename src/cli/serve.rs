//! `scimhub serve`: SCIM, the API, and the engine that plans and pushes, in one process.

use std::net::TcpListener;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::engine;
use super::local::{self, say};
use super::place::{Found, Place};
use crate::config::{File, Given, Serve};
use crate::http;
use crate::service::Context;
use crate::store::{Purpose, StoreError, settings};
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
    /// Addresses of a proxy that ends TLS in front of this server; may be repeated
    #[arg(long, env = "SCIMHUB_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    trusted_proxy: Option<Vec<String>>,
    /// Networks in which apps may be called although they are not public; may be repeated
    #[arg(long, env = "SCIMHUB_APP_NETWORK", value_name = "CIDR", value_delimiter = ',')]
    app_network: Option<Vec<String>>,
}

/// Serve until told to stop.
///
/// # Errors
/// When the settings do not fit together, or database, key or address cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let file = File::find(arguments.place.config.as_deref())?;
    let given = Given {
        listen: arguments.listen,
        database: arguments.place.database,
        paused: arguments.paused,
        public_url: arguments.public_url,
        trusted_proxy: arguments.trusted_proxy,
        app_network: arguments.app_network,
        apps: arguments.place.apps,
        key_file: arguments.place.key_file,
        log: arguments.place.log,
    };
    let settings = Serve::merge(given, file)?;
    logs::start(&settings.log)?;
    local::block_on(serve(settings))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(wanted: Serve) -> anyhow::Result<()> {
    let listener = TcpListener::bind(wanted.listen)
        .with_context(|| format!("cannot listen on {}; is another server there? see --listen", wanted.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let own_url = format!("http://{address}");
    let base_url = wanted.public_url.as_deref().unwrap_or(&own_url);
    let found = Found { database: wanted.database, key_file: wanted.key_file, apps: wanted.apps, log: wanted.log };
    let context = local::open(&found, Purpose::Serve, base_url).await?;
    context.store.share_nudges(&context.nudge)?;
    if wanted.paused {
        pause(&context).await.context("pushing cannot be paused")?;
    }

    let stop = CancellationToken::new();
    let engine = engine::engine(&context, wanted.app_networks)?;
    let engine = tokio::spawn(engine.run(stop.clone()));
    let app = http::App::new(context, wanted.trusted_proxies);
    let server = http::server::run(app, listener, stop.clone());
    tokio::spawn(stop_on_signal(stop));
    tracing::info!(%address, base_url, "serving");
    say(&format!("listening on {own_url}"));
    server.await.context("the server failed")?;
    engine.await.context("the engine failed")?;
    tracing::info!("stopped");
    Ok(())
}

/// Pushing stands still in the whole installation until `scimhub resume`; it outlives this process.
async fn pause(context: &Context) -> Result<(), StoreError> {
    context.store.write(|tx| settings::put_across_workspaces(tx, "paused", "true")).await
}

/// SIGTERM and SIGINT end the server in good order; a second one at once.
async fn stop_on_signal(stop: CancellationToken) {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be listened for");
            return;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping: finishing what is under way");
    stop.cancel();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::warn!("told twice to stop: ending at once");
    std::process::exit(1);
}
