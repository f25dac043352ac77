//! `scimhub person erase`: forgetting a person who is gone.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::at::{At, Reach};
use super::local::{self, say};
use super::table::count;
use crate::net::client::Method;
use crate::service::erasure;

/// Arguments of `person`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Erase what a person who is gone was called; what was done stays in the record
    Erase {
        #[command(flatten)]
        at: At,
        /// The user's id or userName, or the address that a report shows
        person: String,
        /// That there is no way back
        #[arg(long)]
        yes: bool,
    },
}

/// Do it.
///
/// # Errors
/// When the person is unknown, something must be done first, or the database cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments.action))
}

async fn act(action: Action) -> anyhow::Result<ExitCode> {
    let Action::Erase { at, person, yes } = action;
    if !yes {
        bail!("there is no way back: say --yes as well");
    }
    let done = match at.open().await? {
        Reach::Remote(remote) => remote.call(Method::Post, &["people", &person, "erase"], &[], None).await?,
        Reach::Local(context, caller) => serde_json::to_value(erasure::erase(&context, &caller, &person).await?)?,
    };
    let number = |name: &str| done.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let told = [
        ("records", "record"),
        ("tasks", "task"),
        ("accounts", "account"),
        ("intervals", "access interval"),
        ("events", "event"),
        ("texts", "other text"),
    ];
    let told = told.iter().map(|(name, one)| count(number(name).unwrap_or_default(), one));
    let user = done.get("user").and_then(Value::as_str).unwrap_or_default();
    say(&format!("user {user}: erased from {}", told.collect::<Vec<_>>().join(", ")));
    Ok(ExitCode::SUCCESS)
}
