//! `scimhub workspace create | list | owner`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::at::{At, Reach};
use super::local::{self, Local, say};
use super::place::Place;
use super::remote::text;
use super::table;
use crate::net::client::Method;
use crate::service::roles::{self, HandOver};
use crate::service::roster::PeopleQuery;
use crate::service::{roster, workspaces};

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
    /// Print who owns a workspace, or make somebody its one Owner: the first, or in place of the one
    /// before, who becomes a Super Admin
    Owner {
        #[command(flatten)]
        at: At,
        /// Who shall own it, by userName or SCIM id
        user: Option<String>,
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
        Action::Owner { at, user } => return owner(&at, user).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn owner(at: &At, user: Option<String>) -> anyhow::Result<ExitCode> {
    let found = match (at.open().await?, user) {
        (Reach::Remote(remote), Some(user)) => {
            let path = ["people", user.as_str(), "transfer-ownership"];
            Some(remote.call(Method::Post, &path, &[], Some(&json!({}))).await?)
        }
        (Reach::Remote(remote), None) => {
            let page = remote.call(Method::Get, &["people"], &[("role", "owner")], None).await?;
            page.get("items").and_then(Value::as_array).and_then(|items| items.first()).cloned()
        }
        (Reach::Local(context, caller), Some(user)) => {
            let made = roles::hand_over(&context, &caller, &user, &HandOver::default()).await?;
            Some(serde_json::to_value(made)?)
        }
        (Reach::Local(context, caller), None) => {
            let query = PeopleQuery { role: Some(String::from("owner")), ..PeopleQuery::default() };
            let page = roster::list(&context, &caller, &query).await?;
            page.items.first().map(serde_json::to_value).transpose()?
        }
    };
    match found {
        Some(person) => {
            say(&text(&person, "user_name"));
            Ok(ExitCode::SUCCESS)
        }
        None => {
            anyhow::bail!("the workspace has no Owner: make somebody one with `scimhub workspace owner USER`")
        }
    }
}
