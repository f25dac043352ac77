//! `scimhub source create | list`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::at::{At, Reach};
use super::local;
use super::remote::text;
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
        at: At,
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
        at: At,
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
        Action::Create { at, name, preset, strict } => match at.open().await? {
            Reach::Remote(remote) => {
                let wanted = json!({"name": name, "preset": preset.as_str(), "strict": strict});
                remote.call(Method::Post, &["sources"], &[], Some(&wanted)).await?;
            }
            Reach::Local(context, caller) => {
                sources::create(&context, &caller, name, preset, strict).await?;
            }
        },
        Action::List { at } => {
            let items = match at.open().await? {
                Reach::Remote(remote) => remote.all(&["sources"]).await?,
                Reach::Local(context, caller) => {
                    let found = sources::list(&context, &caller).await?;
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
