//! `scimhub pause` and `scimhub resume`: stop and restart pushing in the installation, a workspace
//! or a hub. SCIM goes on. Over `--server` the token's workspace is meant.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::local::{self, Local};
use super::place::Place;
use super::remote::Server;
use crate::net::client::Method;
use crate::service::pushing::{self, Pushing};

/// Arguments of `pause` and `resume`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    server: Server,
    /// Only this workspace [default: the whole installation; with --hub the workspace default]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// Only this hub
    #[arg(long, value_name = "HUB")]
    hub: Option<String>,
}

/// Do it.
///
/// # Errors
/// When the workspace or hub is unknown.
pub fn run(arguments: Arguments, pushing: Pushing) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments, pushing))
}

async fn act(arguments: Arguments, pushing: Pushing) -> anyhow::Result<ExitCode> {
    if let Some(remote) = arguments.server.connect()? {
        let path = match pushing {
            Pushing::Paused => "pause",
            Pushing::Resumed => "resume",
        };
        let body = match &arguments.hub {
            Some(hub) => json!({ "hub": hub }),
            None => json!({}),
        };
        remote.call(Method::Post, &[path], &[], Some(&body)).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let local = Local::open(&arguments.place).await?;
    if arguments.workspace.is_none() && arguments.hub.is_none() {
        pushing::set_everywhere(&local.context, "cli", pushing).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let caller = local.caller(arguments.workspace.as_deref().unwrap_or("default")).await?;
    pushing::set(&local.context, &caller, arguments.hub.as_deref(), pushing).await?;
    Ok(ExitCode::SUCCESS)
}
