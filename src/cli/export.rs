//! `scimhub export`: the hubs and mappings as a file whose application changes nothing. Secrets
//! are references.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::local::{self, Local, say};
use super::place::Place;
use super::remote::Server;
use crate::net::client::Method;
use crate::service::files;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    server: Server,
    /// The workspace
    #[arg(long, default_value = "default")]
    workspace: String,
    /// Only this hub
    #[arg(long, value_name = "HUB")]
    hub: Option<String>,
}

/// Do it.
///
/// # Errors
/// When the hub is unknown, or the database or server cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments))
}

async fn act(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let text = match arguments.server.connect()? {
        Some(remote) => {
            let query: Vec<(&str, &str)> = arguments.hub.as_deref().map(|hub| ("hub", hub)).into_iter().collect();
            let reply = remote.call(Method::Get, &["export"], &query, None).await?;
            let text = reply.get("text").and_then(Value::as_str);
            text.context("the server's reply is not an export; is it of this version?")?.to_owned()
        }
        None => {
            let local = Local::open(&arguments.place).await?;
            let caller = local.caller(&arguments.workspace).await?;
            files::export(&local.context, &caller, arguments.hub.as_deref()).await?
        }
    };
    say(text.trim_end());
    Ok(ExitCode::SUCCESS)
}
