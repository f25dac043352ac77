//! `scimhub plan PATH…` and `scimhub apply PATH…`: what files would change for whom, and doing it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::at::{At, Reach};
use super::connected;
use super::local::{self, say};
use super::plan_text::{self, Names};
use super::read_files;
use crate::net::client::Method;
use crate::service::files::{self, Wanted};
use crate::service::whatif::{Digest, Plan};

/// `plan` and `undo` exit with it when something would change.
pub const CHANGES: u8 = 2;

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files, or folders of *.toml files with all they hold
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    at: At,
    /// Whose files these are; nothing of another owner is touched
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// The commit they come from; explain shows it with every mapping it changed
    #[arg(long = "ref", value_name = "COMMIT")]
    file_ref: Option<String>,
    /// Delete what the owner has and the files don't name
    #[arg(long)]
    prune: bool,
    /// The form of the answer
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    /// The same as --output json
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// Name everybody in the table, however many they are
    #[arg(long)]
    all: bool,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    #[command(flatten)]
    plan: Arguments,
    /// Only where it still means what the plan with this digest showed
    #[arg(long, value_name = "DIGEST")]
    expect: Option<String>,
    /// Do not look whether the connections of new hubs work. What is found never makes an apply fail
    #[arg(long)]
    no_check: bool,
}

/// Whether new hubs are looked at afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// Each, with a line about it.
    New,
    /// Not at all.
    None,
}

/// Show, or do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only show.
    Plan,
    /// Do it, under a digest where one was given.
    Apply(Option<Digest>),
}

/// Show it. Exits with 0 when nothing would change and with 2 when something would.
///
/// # Errors
/// With every mistake of the files as `file:line: …`.
pub fn plan(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments, Mode::Plan, Check::None))
}

/// Do it, asking nothing. Exits with 0 when it is done.
///
/// # Errors
/// With every mistake of the files as `file:line: …`; when it means something else than `--expect`.
pub fn apply(arguments: ApplyArguments) -> anyhow::Result<ExitCode> {
    // Refused here, so that a slip of the pen does not travel.
    let expect = arguments.expect.map(|text| text.trim().parse::<Digest>()).transpose().context("--expect")?;
    let check = if arguments.no_check { Check::None } else { Check::New };
    local::block_on(act(arguments.plan, Mode::Apply(expect), check))
}

async fn act(arguments: Arguments, mode: Mode, check: Check) -> anyhow::Result<ExitCode> {
    let wanted = Wanted {
        files: read_files::texts(&arguments.paths)?,
        owner: arguments.owner,
        file_ref: arguments.file_ref,
        prune: arguments.prune,
    };
    let reach = arguments.at.open().await?;
    let plan = match &reach {
        Reach::Remote(remote) => {
            let body = serde_json::to_value(&wanted)?;
            let expect = match mode {
                Mode::Apply(expect) => expect.map(|digest| digest.to_string()),
                Mode::Plan => None,
            };
            let query: Vec<(&str, &str)> = expect.iter().map(|digest| ("expect", digest.as_str())).collect();
            let path = match mode {
                Mode::Plan => "plan",
                Mode::Apply(_) => "apply",
            };
            let reply = remote.call(Method::Post, &[path], &query, Some(&body)).await?;
            serde_json::from_value(reply).context("the server's reply is not a plan; is it of this version?")?
        }
        Reach::Local(context, caller) => {
            let env = read_files::environment(&context.catalog, &wanted.files);
            match mode {
                Mode::Plan => files::plan(context, caller, wanted, Some(env)).await?,
                Mode::Apply(expect) => files::apply(context, caller, wanted, Some(env), expect).await?,
            }
        }
    };
    let names = if arguments.all { Names::All } else { Names::Some };
    let output = if arguments.json { Output::Json } else { arguments.output };
    show(&plan, mode, output, names)?;
    // A program reads one plan, and asks for itself.
    if check == Check::New && output == Output::Table {
        connected::tell(&arguments.at, &reach, &plan).await;
    }
    Ok(match mode {
        Mode::Plan if !plan.is_empty() => ExitCode::from(CHANGES),
        Mode::Plan | Mode::Apply(_) => ExitCode::SUCCESS,
    })
}

/// Print a plan.
///
/// # Errors
/// When it is no JSON.
pub fn show(plan: &Plan, mode: Mode, output: Output, names: Names) -> anyhow::Result<()> {
    match output {
        Output::Json => say(&serde_json::to_string_pretty(plan)?),
        Output::Table => {
            for line in plan_text::lines(plan, mode, names) {
                say(&line);
            }
        }
    }
    Ok(())
}
