//! `scimhub export`: the hubs and mappings as a file whose application changes nothing. Secrets
//! are references.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::at::{At, Reach};
use super::local::{self, say};
use crate::net::client::Method;
use crate::service::files::{self, Part};

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    at: At,
    /// Only this hub
    #[arg(long, value_name = "HUB")]
    hub: Option<String>,
    /// Only what this owner manages
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
}

/// Do it.
///
/// # Errors
/// When the hub is unknown, or the database or server cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments))
}

async fn act(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let text = match arguments.at.open().await? {
        Reach::Remote(remote) => {
            let given = [("hub", arguments.hub.as_deref()), ("owner", arguments.owner.as_deref())];
            let query: Vec<(&str, &str)> = given.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
            let reply = remote.call(Method::Get, &["export"], &query, None).await?;
            let text = reply.get("text").and_then(Value::as_str);
            text.context("the server's reply is not an export; is it of this version?")?.to_owned()
        }
        Reach::Local(context, caller) => {
            let part = Part { hub: arguments.hub, owner: arguments.owner };
            files::export(&context, &caller, part).await?
        }
    };
    say(text.trim_end());
    Ok(ExitCode::SUCCESS)
}
