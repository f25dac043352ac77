//! `scimhub source create | list`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::local::{self, Local};
use super::place::Place;
use super::table;
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
        Action::Create { place, workspace, name, preset, strict } => {
            let local = Local::open(&place).await?;
            let caller = local.caller(&workspace).await?;
            sources::create(&local.context, &caller, name, preset, strict).await?;
        }
        Action::List { place, workspace } => {
            let local = Local::open(&place).await?;
            let caller = local.caller(&workspace).await?;
            let rows = sources::list(&local.context, &caller).await?.into_iter().map(|source| {
                vec![
                    source.name,
                    source.preset.to_owned(),
                    String::from(if source.strict { "strict" } else { "tolerant" }),
                    source.last_request.unwrap_or_else(|| String::from("-")),
                ]
            });
            table::print(&["name", "preset", "dialect", "last request"], rows.collect());
        }
    }
    Ok(ExitCode::SUCCESS)
}
