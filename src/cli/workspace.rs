//! `scimhub workspace create | list`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::local::{self, Local};
use super::place::Place;
use super::table;
use crate::service::workspaces;

/// Arguments of `workspace`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a workspace with its source `default`
    Create {
        #[command(flatten)]
        place: Place,
        /// Its name
        name: String,
    },
    /// List all workspaces
    List {
        #[command(flatten)]
        place: Place,
    },
}

/// Do it.
///
/// # Errors
/// When the name is bad or taken, or the database cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments.action))
}

async fn act(action: Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::Create { place, name } => {
            let local = Local::open(&place).await?;
            workspaces::create(&local.context, name).await?;
        }
        Action::List { place } => {
            let local = Local::open(&place).await?;
            let found = workspaces::list_across_workspaces(&local.context).await?;
            let rows = found
                .into_iter()
                .map(|w| vec![w.name, String::from(if w.paused { "paused" } else { "pushing" }), w.created]);
            table::print(&["name", "state", "created"], rows.collect());
        }
    }
    Ok(ExitCode::SUCCESS)
}
