//! `scimhub secret set HUB NAME`: reads a connection secret from standard input. Write-only:
//! no command prints it again.

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::at::{At, Reach};
use super::local;
use crate::base::secret::SecretString;
use crate::net::client::Method;
use crate::service::secrets::{self, SECRET_BYTES};

/// Arguments of `secret`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Set a secret from standard input; one line break at its end is taken off
    Set {
        /// The hub
        hub: String,
        /// The secret's name, as the hub's connection refers to it
        name: String,
        #[command(flatten)]
        at: At,
    },
}

/// Do it.
///
/// # Errors
/// When the connection names no such secret, or nothing comes in.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments.action))
}

async fn act(action: Action) -> anyhow::Result<ExitCode> {
    let Action::Set { hub, name, at } = action;
    let value = read()?;
    match at.open().await? {
        Reach::Remote(remote) => {
            let body = json!({ "value": value.expose() });
            remote.call(Method::Put, &["hubs", &hub, "secrets", &name], &[], Some(&body)).await?;
        }
        Reach::Local(context, caller) => secrets::set(&context, &caller, &hub, &name, value).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read() -> anyhow::Result<SecretString> {
    let mut text = String::new();
    let limit = u64::try_from(SECRET_BYTES).unwrap_or(u64::MAX).saturating_add(2);
    std::io::stdin().take(limit).read_to_string(&mut text).context("the secret cannot be read from standard input")?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        bail!("no secret came in; pipe it: printf %s \"$TOKEN\" | scimhub secret set HUB NAME");
    }
    Ok(SecretString::from(text))
}
