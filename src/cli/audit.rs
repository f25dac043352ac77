//! `scimhub audit verify | checkpoint`: is the activity record as it was sealed, and its signed end
//! for keeping where nobody who can change the database can change it too.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::at::{At, Reach};
use super::local::{self, Local, say};
use super::place::Place;
use super::remote::Server;
use crate::net::client::Method;
use crate::service::audit::{self, Verify};
use crate::service::workspaces;

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check every record; names the first bad one and exits with 1
    Verify {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        server: Server,
        /// Only this workspace [default: all; with --server the token's]
        #[arg(long, value_name = "NAME")]
        workspace: Option<String>,
        /// What `audit checkpoint` printed once: shows an end that was cut since
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Sign the record's end as it is now and print that: keep it elsewhere
    Checkpoint {
        #[command(flatten)]
        at: At,
    },
}

/// Do it.
///
/// # Errors
/// When the workspace is unknown, the checkpoint cannot be read, or the database cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(async {
        match arguments.action {
            Action::Verify { place, server, workspace, checkpoint } => {
                verify(&place, &server, workspace.as_deref(), checkpoint.as_deref()).await
            }
            Action::Checkpoint { at } => checkpoint(&at).await,
        }
    })
}

/// One step of a check, as the API answers it.
async fn step(reach: &Reach, after: Option<(i64, String)>, checkpoint: Option<&str>) -> anyhow::Result<Value> {
    match reach {
        Reach::Local(context, caller) => {
            let (after, hash) = after.unzip();
            let wanted = Verify { after, hash, checkpoint: checkpoint.map(str::to_owned) };
            Ok(serde_json::to_value(audit::verify(context, caller, wanted).await?)?)
        }
        Reach::Remote(remote) => {
            let place = after.map(|(seq, hash)| (seq.to_string(), hash));
            let mut query = Vec::new();
            if let Some((seq, hash)) = &place {
                query.extend([("after", seq.as_str()), ("hash", hash.as_str())]);
            }
            query.extend(checkpoint.map(|text| ("checkpoint", text)));
            remote.call(Method::Get, &["audit", "verify"], &query, None).await
        }
    }
}

async fn verify(
    place: &Place,
    server: &Server,
    workspace: Option<&str>,
    checkpoint: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let kept = checkpoint.map(|path| {
        std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .with_context(|| format!("cannot read {}", path.display()))
    });
    let kept = kept.transpose()?;
    if let Some(remote) = server.connect()? {
        return report("the token's workspace", &Reach::Remote(remote), kept.as_deref()).await;
    }
    let local = Local::open(place).await?;
    let names = match workspace {
        Some(name) => vec![name.to_owned()],
        // A checkpoint is of one workspace: of `default` where none is named.
        None if kept.is_some() => vec![String::from("default")],
        None => workspaces::list_across_workspaces(&local.context).await?.into_iter().map(|w| w.name).collect(),
    };
    let mut code = ExitCode::SUCCESS;
    for name in names {
        let caller = local.caller(&name).await?;
        let reach = Reach::Local(Box::new(local.context.clone()), Box::new(caller));
        if report(&name, &reach, kept.as_deref()).await? != ExitCode::SUCCESS {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Go through the whole record, and say what was found.
async fn report(name: &str, reach: &Reach, checkpoint: Option<&str>) -> anyhow::Result<ExitCode> {
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} records").unwrap_or_else(|_| {
        // The template is ours; the plain bar is as good.
        ProgressStyle::default_bar()
    });
    let bar = ProgressBar::new(0).with_style(style).with_message(name.to_owned());
    let mut after = None;
    loop {
        let step = step(reach, after.take(), checkpoint).await?;
        let number = |key: &str| step.get(key).and_then(Value::as_i64).unwrap_or_default();
        let (seq, last, begins) = (number("seq"), number("last"), number("begins"));
        bar.set_length(u64::try_from(last.saturating_sub(begins)).unwrap_or_default());
        bar.set_position(u64::try_from(seq.saturating_sub(begins)).unwrap_or_default());
        if let Some(broken) = step.get("broken").filter(|broken| !broken.is_null()) {
            bar.finish_and_clear();
            let place = broken.get("seq").and_then(Value::as_i64).unwrap_or_default();
            let what = broken.get("what").and_then(Value::as_str).unwrap_or_default();
            say(&format!(
                "{name}: BROKEN at record {place}: {what}; the {} before it are good",
                place.saturating_sub(begins).saturating_sub(1).max(0)
            ));
            say_foreign(&step, number("foreign"));
            return Ok(ExitCode::FAILURE);
        }
        if step.get("done").and_then(Value::as_bool).unwrap_or_default() {
            bar.finish_and_clear();
            let waiting = match number("waiting") {
                0 => String::new(),
                waiting => format!("; {waiting} more are sealed by the running server, or its next start"),
            };
            let cut = if begins > 0 {
                format!(", those before {} were deleted behind a checkpoint", begins + 1)
            } else {
                String::new()
            };
            say(&format!("{name}: good, {} records{cut}{waiting}", seq.saturating_sub(begins)));
            return Ok(ExitCode::SUCCESS);
        }
        let hash = step.get("hash").and_then(Value::as_str).unwrap_or_default().to_owned();
        after = Some((seq, hash));
    }
}

/// What the record is like apart from what somebody put in.
fn say_foreign(step: &Value, foreign: i64) {
    if foreign == 0 {
        return;
    }
    let rest = match step.get("broken_too").filter(|broken| !broken.is_null()) {
        None => String::from("all others are as they were sealed"),
        Some(broken) => format!(
            "and record {} is not as it was sealed: {}",
            broken.get("seq").and_then(Value::as_i64).unwrap_or_default(),
            broken.get("what").and_then(Value::as_str).unwrap_or_default()
        ),
    };
    say(&format!("  {foreign} not written by this installation (`not_ours` in the activity); {rest}"));
}

async fn checkpoint(at: &At) -> anyhow::Result<ExitCode> {
    let made = match at.open().await? {
        Reach::Remote(remote) => remote.call(Method::Post, &["audit", "checkpoints"], &[], None).await?,
        Reach::Local(context, caller) => serde_json::to_value(audit::checkpoint(&context, &caller).await?)?,
    };
    anyhow::ensure!(!made.is_null(), "the workspace has no activity yet: there is nothing to sign");
    say(&made.to_string());
    Ok(ExitCode::SUCCESS)
}
