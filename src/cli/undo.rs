//! `scimhub undo task|batch|apply|request ID`: what was taken by mistake is granted again, after a look.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::at::{At, Reach};
use super::local;
use super::plan::{self, CHANGES, Mode, Output};
use super::plan_text::Names;
use crate::net::client::Method;
use crate::service::ServiceError;
use crate::service::undo::{self, Taken};
use crate::service::whatif::{Digest, Plan};

/// What took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// One task.
    Task,
    /// A batch: one that the guard held and a person released, or a task with its nested tasks
    Batch,
    /// An apply of files, by the request that it printed
    Apply,
    /// Any request: the x-request-id of its reply, or `request_id` in the activity
    Request,
}

impl What {
    /// Where the server answers, in the order of asking.
    const fn rooms(self) -> &'static [&'static str] {
        match self {
            Self::Task => &["tasks"],
            Self::Batch => &["held", "tasks"],
            Self::Apply | Self::Request => &["requests"],
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Batch => "batch",
            Self::Apply | Self::Request => "request",
        }
    }
}

fn taken(room: &str, id: &str) -> Result<Taken, ServiceError> {
    match room {
        "held" => Taken::by_hold(id),
        "tasks" => Taken::by_task(id),
        _ => Ok(Taken::ByRequest(id.to_owned())),
    }
}

/// Arguments of `undo`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What took it
    #[arg(value_enum)]
    what: What,
    /// Its id
    id: String,
    #[command(flatten)]
    at: At,
    /// Do what is shown, asking nothing
    #[arg(long)]
    yes: bool,
    /// Do it only where it still means what was shown with this digest
    #[arg(long, value_name = "DIGEST", conflicts_with = "yes")]
    digest: Option<String>,
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

/// Show what would be granted again, or grant it. Exits with 2 when it only showed something, else 0.
///
/// # Errors
/// When there is no such thing, it took nothing, or it means something else than `--digest` by now.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments))
}

async fn act(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let given = arguments.digest.as_deref().map(|text| text.trim().parse::<Digest>()).transpose();
    let given = given.context("--digest")?;
    let reach = arguments.at.open().await?;
    let (room, shown) = look(&reach, arguments.what, &arguments.id).await?;
    let names = if arguments.all { Names::All } else { Names::Some };
    let output = if arguments.json { Output::Json } else { arguments.output };
    let expect = match given {
        Some(digest) => Some(digest),
        None if arguments.yes && !shown.is_empty() => Some(shown.digest.parse::<Digest>()?),
        None => None,
    };
    let Some(expect) = expect else {
        plan::show(&shown, Mode::Plan, output, names)?;
        let left_to_do = !shown.is_empty() && !arguments.yes;
        return Ok(if left_to_do { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS });
    };
    let done = carry_out(&reach, room, &arguments.id, expect).await?;
    plan::show(&done, Mode::Apply(Some(expect)), output, names)?;
    Ok(ExitCode::SUCCESS)
}

/// What it would mean, and the room in which it was found.
async fn look(reach: &Reach, what: What, id: &str) -> anyhow::Result<(&'static str, Plan)> {
    for room in what.rooms() {
        let found = match reach {
            Reach::Remote(remote) => {
                let reply = remote.find(Method::Get, &[room, id, "undo"], &[], None).await?;
                reply.map(read).transpose()?
            }
            Reach::Local(context, caller) => {
                let looked = match taken(room, id) {
                    Ok(taken) => undo::look(context, caller, taken).await,
                    Err(error) => Err(error),
                };
                match looked {
                    Err(ServiceError::NotFound(_)) => None,
                    other => Some(other?),
                }
            }
        };
        if let Some(plan) = found {
            return Ok((room, plan));
        }
    }
    bail!("there is no {} {id} here", what.word())
}

async fn carry_out(reach: &Reach, room: &str, id: &str, expect: Digest) -> anyhow::Result<Plan> {
    match reach {
        Reach::Remote(remote) => {
            let digest = expect.to_string();
            let query = [("expect", digest.as_str())];
            read(remote.call(Method::Post, &[room, id, "undo"], &query, Some(&json!({}))).await?)
        }
        Reach::Local(context, caller) => {
            let undo::Begun { plan, rest } = undo::undo(context, caller, taken(room, id)?, Some(expect)).await?;
            if let Some(rest) = rest {
                rest.finish().await?;
            }
            Ok(plan)
        }
    }
}

fn read(reply: serde_json::Value) -> anyhow::Result<Plan> {
    serde_json::from_value(reply).context("the server's reply is not a plan; is it of this version?")
}
