//! `scimhub hub list | show | sync | check`: how hubs stand, and having one read or its connection tried.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::at::{At, Reach};
use super::local::{self, say};
use super::remote::text;
use super::{prober, table};
use crate::base::network::Network;
use crate::domain::task::TaskStatus;
use crate::net::client::Method;
use crate::service::sync::SyncBody;
use crate::service::{Context, checking, hub_view, sync, tasks};

/// The exit code where the settings of this command forbid what was asked.
const REFUSED_HERE: u8 = 3;

/// Between two looks at a sync under way.
const LOOK: Duration = Duration::from_millis(300);

/// Arguments of `hub`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the hubs of a workspace
    List {
        #[command(flatten)]
        at: At,
    },
    /// Show one hub, as the API does; a secret only by its name
    Show {
        #[command(flatten)]
        at: At,
        /// The hub's id
        hub: String,
    },
    /// Read the app's members now, and wait until that is done; the running server does it
    Sync {
        #[command(flatten)]
        at: At,
        /// The hub's id
        hub: String,
        /// Let this sync through where the safeguard halted the last one: many accounts may be gone
        #[arg(long)]
        accept_removals: bool,
        /// Only ask for it, and print the task's id
        #[arg(long)]
        no_wait: bool,
    },
    /// Ask the app whether the connection works; exits with 1 when it does not, and with 3 when this
    /// command's own settings forbid its address
    Check {
        #[command(flatten)]
        at: At,
        /// The hub's id
        hub: String,
        /// Networks in which this command may call apps although they are not public [default: app_network
        /// of the configuration file]; with --server the server's own count
        #[arg(long, env = "SCIMHUB_APP_NETWORK", value_name = "CIDR", value_delimiter = ',')]
        app_network: Vec<Network>,
    },
}

/// Do it.
///
/// # Errors
/// When the hub is unknown, the sync fails, or the database or server cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(async {
        match arguments.action {
            Action::List { at } => list(&Hubs(at.open().await?)).await,
            Action::Show { at, hub } => {
                say(&format!("{:#}", Hubs(at.open().await?).show(&hub).await?));
                Ok(ExitCode::SUCCESS)
            }
            Action::Sync { at, hub, accept_removals, no_wait } => {
                let hubs = Hubs(at.open().await?);
                let task = hubs.sync(&hub, accept_removals).await?;
                if no_wait {
                    say(&text(&task, "id"));
                    return Ok(ExitCode::SUCCESS);
                }
                follow(&hubs, &hub, task).await
            }
            Action::Check { at, hub, app_network } => {
                let networks = if app_network.is_empty() { at.app_networks()? } else { app_network };
                check(Hubs(at.open().await?), &hub, networks).await
            }
        }
    })
}

/// The hubs of a workspace.
struct Hubs(Reach);

impl Hubs {
    async fn show(&self, hub: &str) -> anyhow::Result<Value> {
        match &self.0 {
            Reach::Local(context, caller) => Ok(serde_json::to_value(hub_view::show(context, caller, hub).await?)?),
            Reach::Remote(remote) => remote.call(Method::Get, &["hubs", hub], &[], None).await,
        }
    }

    async fn sync(&self, hub: &str, accept_removals: bool) -> anyhow::Result<Value> {
        match &self.0 {
            Reach::Local(context, caller) => {
                let task = sync::request(context, caller, hub, SyncBody { accept_removals }).await?;
                Ok(serde_json::to_value(task)?)
            }
            Reach::Remote(remote) => {
                let body = json!({ "accept_removals": accept_removals });
                remote.call(Method::Post, &["hubs", hub, "sync"], &[], Some(&body)).await
            }
        }
    }

    async fn task(&self, id: &str) -> anyhow::Result<Value> {
        match &self.0 {
            Reach::Local(context, caller) => Ok(serde_json::to_value(tasks::show(context, caller, id).await?)?),
            Reach::Remote(remote) => remote.call(Method::Get, &["tasks", id], &[], None).await,
        }
    }
}

async fn list(hubs: &Hubs) -> anyhow::Result<ExitCode> {
    let items = match &hubs.0 {
        Reach::Local(context, caller) => {
            let found = hub_view::list(context, caller).await?;
            found.iter().map(serde_json::to_value).collect::<Result<_, _>>()?
        }
        Reach::Remote(remote) => remote.all(&["hubs"]).await?,
    };
    let names = ["id", "app", "label", "mode", "status", "last_synced"];
    let rows = items.iter().map(|hub| names.iter().map(|name| text(hub, name)).collect()).collect();
    table::print(&["id", "app", "label", "mode", "status", "last sync"], rows);
    Ok(ExitCode::SUCCESS)
}

/// Draw the sync until it is over, and say what it found.
async fn follow(hubs: &Hubs, hub: &str, mut task: Value) -> anyhow::Result<ExitCode> {
    // The templates are ours; the plain bar is as good.
    let style = |template| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style("{msg} {pos} accounts"));
    let id = text(&task, "id");
    loop {
        let progress = task.get("sync").cloned().unwrap_or_default();
        let number = |name: &str| progress.get(name).and_then(Value::as_u64);
        let status = TaskStatus::from_word(&text(&task, "status"));
        let phase = match status {
            Some(TaskStatus::Queued | TaskStatus::Held | TaskStatus::Waiting) => {
                String::from("waits for the running server")
            }
            Some(TaskStatus::Retrying) => format!("tried again soon: {}", trouble(&task)),
            Some(
                TaskStatus::Started
                | TaskStatus::Running
                | TaskStatus::Manual
                | TaskStatus::Completed
                | TaskStatus::NotCompleted
                | TaskStatus::Superseded
                | TaskStatus::Cancelled,
            )
            | None => text(&progress, "phase"),
        };
        bar.set_message(format!("{hub}: {phase}"));
        bar.set_position(number("seen").unwrap_or_default());
        if let Some(total) = number("total") {
            bar.set_length(total);
            bar.set_style(style("{msg} {bar:30} {pos}/{len} accounts"));
        }
        match status {
            Some(TaskStatus::Completed) => {
                bar.finish_and_clear();
                let counts = progress.get("counts").cloned().unwrap_or_default();
                let words = ["found", "matched", "conflicts", "changed", "removed", "closed"];
                let told = words
                    .iter()
                    .map(|word| format!("{} {word}", counts.get(*word).and_then(Value::as_i64).unwrap_or_default()));
                let seen = usize::try_from(number("seen").unwrap_or_default()).unwrap_or(usize::MAX);
                say(&format!("{hub}: {}, {}", table::count(seen, "account"), told.collect::<Vec<_>>().join(", ")));
                return Ok(ExitCode::SUCCESS);
            }
            Some(TaskStatus::Manual | TaskStatus::NotCompleted | TaskStatus::Superseded | TaskStatus::Cancelled)
            | None => {
                bar.finish_and_clear();
                bail!("the sync of {hub} ended as {}: {}; see task {id}", text(&task, "status"), trouble(&task));
            }
            Some(
                TaskStatus::Queued
                | TaskStatus::Started
                | TaskStatus::Running
                | TaskStatus::Retrying
                | TaskStatus::Held
                | TaskStatus::Waiting,
            ) => {}
        }
        tokio::time::sleep(LOOK).await;
        task = hubs.task(&id).await?;
    }
}

/// What went wrong last.
fn trouble(task: &Value) -> String {
    task.get("error").map_or_else(|| String::from("-"), |error| text(error, "detail"))
}

/// What a command with these networks may call, in words.
fn allowed(networks: &[Network]) -> String {
    if networks.is_empty() {
        return String::from("public https addresses only");
    }
    let all: Vec<String> = networks.iter().map(Network::to_string).collect();
    format!("public https addresses and those in {}", all.join(", "))
}

async fn check(hubs: Hubs, hub: &str, networks: Vec<Network>) -> anyhow::Result<ExitCode> {
    let (found, asked) = match hubs.0 {
        Reach::Remote(remote) => (remote.call(Method::Post, &["hubs", hub, "check"], &[], None).await?, String::new()),
        Reach::Local(context, caller) => {
            let allowed = allowed(&networks);
            let context = Context { prober: prober::prober(&context, networks)?, ..*context };
            let found = checking::of_hub(&context, &caller, hub, checking::AskedBy::Command).await?;
            if let Some(error) = found.error.as_ref().filter(|_| found.refused_here()) {
                let detail = &error.detail;
                let _ = writeln!(
                    std::io::stderr(),
                    "error: {hub}: this command may not call the app, and nothing was recorded: {detail}\n\
                     it may call {allowed}; the running server has its own --app-network. Ask the server with \
                     --server URL, or allow the network here with --app-network CIDR"
                );
                return Ok(ExitCode::from(REFUSED_HERE));
            }
            let asked = format!(" (asked by this command, which may call {allowed}; the server may differ)");
            (serde_json::to_value(found)?, asked)
        }
    };
    for warning in found.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        say(&format!("note: {}", warning.as_str().unwrap_or_default()));
    }
    if let Some(error) = found.get("error") {
        bail!("{hub}: the connection does not work ({}): {}{asked}", text(error, "class"), text(error, "detail"));
    }
    let account = found.get("account").and_then(Value::as_str).map(|name| format!(", {name}")).unwrap_or_default();
    let seat = |name| found.pointer(&format!("/seats/{name}")).and_then(Value::as_u64);
    let seats = match (seat("used"), seat("total")) {
        (Some(used), Some(total)) => format!(", {used} of {total} seats taken"),
        _ => String::new(),
    };
    say(&format!("{hub}: the connection works{account}{seats}"));
    Ok(ExitCode::SUCCESS)
}
