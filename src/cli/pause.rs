//! `scimhub pause` and `scimhub resume`: stop and restart pushing in the installation, a workspace
//! or a hub. SCIM goes on. Over `--server` a token reaches its own workspace only, which must be named.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::local::{self, Local};
use super::place::Place;
use super::remote::{Remote, Server};
use crate::net::client::Method;
use crate::service::pushing::{self, Pushing};

/// Arguments of `pause` and `resume`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    server: Server,
    /// Only this workspace [default: the whole installation, with --hub the workspace default; with
    /// --server it must be the token's]
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
    let state = match pushing {
        Pushing::Paused => "paused",
        Pushing::Resumed => "resumed",
    };
    if let Some(remote) = arguments.server.connect()? {
        let workspace = own_workspace(&remote).await?;
        match (&arguments.workspace, &arguments.hub) {
            (Some(wanted), _) if *wanted != workspace => bail!(
                "this token is of the workspace '{workspace}' and cannot stop or start '{wanted}'; use a token of \
                 '{wanted}', or run this on the server's machine"
            ),
            (None, None) => bail!(
                "a token cannot stop or start the whole installation; say --workspace {workspace} for all of its \
                 hubs, or run this on the server's machine without --server"
            ),
            (Some(_), _) | (None, Some(_)) => {}
        }
        let path = match pushing {
            Pushing::Paused => "pause",
            Pushing::Resumed => "resume",
        };
        let body = match &arguments.hub {
            Some(hub) => json!({ "hub": hub }),
            None => json!({}),
        };
        remote.call(Method::Post, &[path], &[], Some(&body)).await?;
        told(arguments.hub.as_deref(), Some(&workspace), state);
        return Ok(ExitCode::SUCCESS);
    }
    let local = Local::open(&arguments.place).await?;
    if arguments.workspace.is_none() && arguments.hub.is_none() {
        pushing::set_everywhere(&local.context, "cli", pushing).await?;
        told(None, None, state);
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = arguments.workspace.as_deref().unwrap_or("default");
    let caller = local.caller(workspace).await?;
    pushing::set(&local.context, &caller, arguments.hub.as_deref(), pushing).await?;
    told(arguments.hub.as_deref(), Some(workspace), state);
    Ok(ExitCode::SUCCESS)
}

/// What was stopped or started: in an emergency nobody should have to look.
fn told(hub: Option<&str>, workspace: Option<&str>, state: &str) {
    local::say(&match (hub, workspace) {
        (Some(hub), Some(workspace)) => format!("{state}: the hub {hub} of the workspace {workspace}"),
        (None, Some(workspace)) => format!("{state}: all hubs of the workspace {workspace}"),
        (_, None) => format!("{state}: the whole installation"),
    });
}

/// The workspace that the token belongs to.
async fn own_workspace(remote: &Remote) -> anyhow::Result<String> {
    let status = remote.call(Method::Get, &["status"], &[], None).await?;
    let name = status.pointer("/workspace/name").and_then(serde_json::Value::as_str);
    Ok(name.context("the server does not say which workspace the token belongs to")?.to_owned())
}
