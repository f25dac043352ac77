//! `scimhub webhook add | list | test | replay | remove`: endpoints that are told of events. They are
//! named by id or by name.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::at::{At, Reach};
use super::local::{self, say};
use super::remote::text;
use super::{engine, table};
use crate::base::network::Network;
use crate::net::client::Method;
use crate::service::Context;
use crate::service::deliveries;
use crate::service::webhooks::{self, NewWebhook};

/// Arguments of `webhook`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an endpoint and print its signing secret, alone, on standard output; it is never shown again
    Add {
        #[command(flatten)]
        at: At,
        /// What you call it
        #[arg(long)]
        name: String,
        /// Where events go: https, and public unless --app-network names it
        #[arg(long)]
        url: String,
        /// What it hears, e.g. task.failed,hold.opened [default: everything]
        #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
        types: Vec<String>,
        /// Networks that may be called although they are not public; the server has its own
        #[arg(long, env = "SCIMHUB_APP_NETWORK", value_name = "CIDR", value_delimiter = ',')]
        app_network: Vec<Network>,
    },
    /// List the endpoints of a workspace
    List {
        #[command(flatten)]
        at: At,
    },
    /// Have the running server send a trial; prints the delivery's id
    Test {
        #[command(flatten)]
        at: At,
        /// The endpoint, by id or name
        webhook: String,
    },
    /// Send again what was given up; prints how many deliveries
    Replay {
        #[command(flatten)]
        at: At,
        /// The endpoint, by id or name
        webhook: String,
        /// Only this one, also when it arrived
        #[arg(long, value_name = "ID")]
        delivery: Option<String>,
    },
    /// Remove an endpoint with what is still to be sent to it
    Remove {
        #[command(flatten)]
        at: At,
        /// The endpoint, by id or name
        webhook: String,
    },
}

/// Do it.
///
/// # Errors
/// When the endpoint is unknown, its address may not be called, or the database or server cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments.action))
}

async fn act(action: Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::Add { at, name, url, types, app_network } => {
            say(&Webhooks(at.open().await?).add(name, url, types, app_network).await?);
        }
        Action::List { at } => {
            let rows = Webhooks(at.open().await?).all().await?.iter().map(row).collect();
            table::print(&["id", "name", "url", "hears", "state", "last success"], rows);
        }
        Action::Test { at, webhook } => {
            let all = Webhooks(at.open().await?);
            let id = all.find(&webhook).await?;
            say(&all.test(&id).await?);
        }
        Action::Replay { at, webhook, delivery } => {
            let all = Webhooks(at.open().await?);
            let id = all.find(&webhook).await?;
            say(&all.replay(&id, delivery.as_deref()).await?.to_string());
        }
        Action::Remove { at, webhook } => {
            let all = Webhooks(at.open().await?);
            let id = all.find(&webhook).await?;
            match all.0 {
                Reach::Local(context, caller) => webhooks::delete(&context, &caller, &id).await?,
                Reach::Remote(remote) => {
                    remote.call(Method::Delete, &["webhooks", &id], &[], None).await?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The endpoints of a workspace.
struct Webhooks(Reach);

impl Webhooks {
    async fn all(&self) -> anyhow::Result<Vec<Value>> {
        match &self.0 {
            Reach::Local(context, caller) => {
                let found = webhooks::list(context, caller).await?;
                Ok(found.iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
            }
            Reach::Remote(remote) => remote.all(&["webhooks"]).await,
        }
    }

    /// The id of what a person named; an id before a name, and never one of two of the same name.
    async fn find(&self, named: &str) -> anyhow::Result<String> {
        let all = self.all().await?;
        if let Some(found) = all.iter().find(|one| text(one, "id") == named) {
            return Ok(text(found, "id"));
        }
        let mut found = all.iter().filter(|one| text(one, "name") == named);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(text(one, "id")),
            (Some(_), Some(_)) => {
                bail!("several webhooks are called '{named}'; give the id, see `scimhub webhook list`")
            }
            (None, _) => bail!("there is no webhook '{named}'; see `scimhub webhook list`"),
        }
    }

    /// The new endpoint's secret.
    async fn add(
        &self,
        name: String,
        url: String,
        types: Vec<String>,
        networks: Vec<Network>,
    ) -> anyhow::Result<String> {
        match &self.0 {
            Reach::Local(context, caller) => {
                let context = Context { may_call: engine::may_call(networks), ..(**context).clone() };
                let made = webhooks::create(&context, caller, NewWebhook { name, url, types }).await?;
                Ok(made.secret.expose().to_owned())
            }
            Reach::Remote(remote) => {
                let body = json!({ "name": name, "url": url, "types": types });
                Ok(text(&remote.call(Method::Post, &["webhooks"], &[], Some(&body)).await?, "secret"))
            }
        }
    }

    async fn test(&self, id: &str) -> anyhow::Result<String> {
        match &self.0 {
            Reach::Local(context, caller) => Ok(webhooks::test(context, caller, id).await?.to_string()),
            Reach::Remote(remote) => {
                Ok(text(&remote.call(Method::Post, &["webhooks", id, "test"], &[], None).await?, "delivery"))
            }
        }
    }

    async fn replay(&self, id: &str, delivery: Option<&str>) -> anyhow::Result<u64> {
        match &self.0 {
            Reach::Local(context, caller) => {
                Ok(u64::try_from(deliveries::replay(context, caller, id, delivery).await?)?)
            }
            Reach::Remote(remote) => {
                let mut path = vec!["webhooks", id, "deliveries"];
                path.extend(delivery);
                path.push("replay");
                let answer = remote.call(Method::Post, &path, &[], None).await?;
                Ok(answer.get("replayed").and_then(Value::as_u64).unwrap_or_default())
            }
        }
    }
}

fn row(webhook: &Value) -> Vec<String> {
    let types: Vec<&str> =
        webhook.get("types").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let hears = if types.is_empty() { String::from("everything") } else { types.join(",") };
    let state = match webhook.get("enabled").and_then(Value::as_bool) {
        Some(true) => String::from("on"),
        Some(false) | None => match webhook.get("disabled_why").and_then(Value::as_str) {
            Some(why) => format!("off: {why}"),
            None => String::from("off"),
        },
    };
    let [id, name, url, last] = ["id", "name", "url", "last_success"].map(|field| text(webhook, field));
    vec![id, name, url, hears, state, last]
}
