//! `scimhub source create | list`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::local::{self, Local};
use super::place::Place;
use super::remote::{Server, text};
use super::table;
use crate::net::client::Method;
use crate::service::{Preset, sources};

/// Arguments of `source`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an IdP connection to a workspace
    Create {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        server: Server,
        /// The workspace
        #[arg(long, default_value = "default")]
        workspace: String,
        /// Its name
        name: String,
        /// The IdP: okta, entra, onelogin, jumpcloud, google, pingone, keycloak, authentik, rippling or generic
        #[arg(long, default_value = "generic")]
        preset: Preset,
        /// Refuse deviations from the protocol instead of understanding them
        #[arg(long)]
        strict: bool,
    },
    /// List the IdP connections of a workspace
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        server: Server,
        /// The workspace
        #[arg(long, default_value = "default")]
        workspace: String,
    },
}

/// Do it.
///
/// # Errors
/// When the workspace is unknown, the name is bad or taken, or the database cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments.action))
}

async fn act(action: Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::Create { place, server, workspace, name, preset, strict } => {
            if let Some(remote) = server.connect()? {
                let wanted = json!({"name": name, "preset": preset.as_str(), "strict": strict});
                remote.call(Method::Post, &["sources"], &[], Some(&wanted)).await?;
                return Ok(ExitCode::SUCCESS);
            }
            let local = Local::open(&place).await?;
            let caller = local.caller(&workspace).await?;
            sources::create(&local.context, &caller, name, preset, strict).await?;
        }
        Action::List { place, server, workspace } => {
            let items = match server.connect()? {
                Some(remote) => remote.all(&["sources"]).await?,
                None => {
                    let local = Local::open(&place).await?;
                    let caller = local.caller(&workspace).await?;
                    let found = sources::list(&local.context, &caller).await?;
                    found.iter().map(serde_json::to_value).collect::<Result<_, _>>()?
                }
            };
            let rows = items.iter().map(|source| {
                let strict = source.get("strict").and_then(Value::as_bool).unwrap_or(false);
                let dialect = String::from(if strict { "strict" } else { "tolerant" });
                vec![text(source, "name"), text(source, "preset"), dialect, text(source, "last_request")]
            });
            table::print(&["name", "preset", "dialect", "last request"], rows.collect());
        }
    }
    Ok(ExitCode::SUCCESS)
}
