//! `scimhub plan PATH` and `scimhub apply PATH`: what files would change for whom, and doing it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::local::{self, Local, say};
use super::place::Place;
use super::plan_text;
use super::read_files;
use super::remote::Server;
use crate::net::client::Method;
use crate::service::files::{self, Plan, Wanted};

/// `plan` exits with it when something would change.
const CHANGES: u8 = 2;

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Arguments of `plan` and `apply`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A file, or a folder of *.toml files
    path: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    server: Server,
    /// The workspace
    #[arg(long, default_value = "default")]
    workspace: String,
    /// Whose files these are; nothing of another owner is touched
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// The commit they come from, shown by explain
    #[arg(long = "ref", value_name = "COMMIT")]
    file_ref: Option<String>,
    /// Delete what the owner has and the files don't name
    #[arg(long)]
    prune: bool,
    /// The form of the answer
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// Show, or do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only show.
    Plan,
    /// Do it.
    Apply,
}

/// Do it. `plan` exits with 0 when nothing would change and with 2 when something would.
///
/// # Errors
/// With every mistake of the files as `file:line: …`.
pub fn run(arguments: Arguments, mode: Mode) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments, mode))
}

async fn act(arguments: Arguments, mode: Mode) -> anyhow::Result<ExitCode> {
    let wanted = Wanted {
        files: read_files::texts(&arguments.path)?,
        owner: arguments.owner,
        file_ref: arguments.file_ref,
        prune: arguments.prune,
    };
    let plan = match arguments.server.connect()? {
        Some(remote) => {
            let body = serde_json::to_value(&wanted)?;
            let path = match mode {
                Mode::Plan => "plan",
                Mode::Apply => "apply",
            };
            let reply = remote.call(Method::Post, &[path], &[], Some(&body)).await?;
            serde_json::from_value(reply).context("the server's reply is not a plan; is it of this version?")?
        }
        None => {
            let local = Local::open(&arguments.place).await?;
            let caller = local.caller(&arguments.workspace).await?;
            let env = read_files::environment(&local.context.catalog, &wanted.files);
            match mode {
                Mode::Plan => files::plan(&local.context, &caller, wanted, Some(env)).await?,
                Mode::Apply => files::apply(&local.context, &caller, wanted, Some(env)).await?,
            }
        }
    };
    show(&plan, mode, arguments.output)?;
    Ok(match mode {
        Mode::Plan if !plan.is_empty() => ExitCode::from(CHANGES),
        Mode::Plan | Mode::Apply => ExitCode::SUCCESS,
    })
}

fn show(plan: &Plan, mode: Mode, output: Output) -> anyhow::Result<()> {
    match output {
        Output::Json => say(&serde_json::to_string_pretty(plan)?),
        Output::Table => {
            for line in plan_text::lines(plan, mode) {
                say(&line);
            }
        }
    }
    Ok(())
}
