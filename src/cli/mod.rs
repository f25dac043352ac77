//! The command line: the one place that wires everything together. Errors go to standard error
//! and say what to do next; standard output carries only what a command is asked for.

mod at;
mod audit;
mod connected;
mod demo;
pub mod engine;
mod export;
mod hub;
pub mod local;
mod migrate;
mod pause;
mod person;
pub mod place;
mod plan;
mod plan_text;
mod prober;
mod read_files;
pub mod remote;
mod report;
mod sandbox;
mod secret;
mod serve;
mod source;
pub mod table;
mod token;
mod undo;
mod validate;
mod webhook;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::service::pushing::Pushing;

/// SCIM 2.0 provisioning: groups at the identity provider become seats in connected apps.
#[derive(Debug, Parser)]
#[command(name = "scimhub", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Each command has a file of its own below `cli`, with its arguments and a `run`.
#[derive(Debug, Subcommand)]
enum Command {
    /// Serve SCIM and the API, plan and push.
    Serve(serve::Arguments),
    /// See the whole story: two identity providers, an app, who gets which seat and why.
    Demo(demo::Arguments),
    /// Run the practice app by itself.
    Sandbox(sandbox::Arguments),
    /// Make, list and end credentials.
    Token(token::Arguments),
    /// Make and list workspaces.
    Workspace(workspace::Arguments),
    /// Make and list IdP connections.
    Source(source::Arguments),
    /// See how hubs stand, have one read now, try a connection.
    Hub(hub::Arguments),
    /// Read hub files and tell every mistake; needs no database.
    Validate(validate::Arguments),
    /// Show what hub files would change, and for whom; exits with 2 when something would.
    Plan(plan::Arguments),
    /// Do what plan shows: whole or not at all.
    Apply(plan::ApplyArguments),
    /// Grant again what was taken by mistake: shown first, done with --yes or --digest.
    Undo(undo::Arguments),
    /// Print hubs and mappings as a file whose application changes nothing.
    Export(export::Arguments),
    /// Report to auditors who holds or held what, and what people held when they left.
    Report(report::Arguments),
    /// Erase what is personal of somebody who is gone.
    Person(person::Arguments),
    /// Set the secrets of a hub's connection.
    Secret(secret::Arguments),
    /// Add, try and remove endpoints that are told of events.
    Webhook(webhook::Arguments),
    /// Bring the database up to this version; every command does so as it starts.
    Migrate(migrate::Arguments),
    /// Check that the activity record is as it was sealed, and sign its end for keeping elsewhere.
    Audit(audit::Arguments),
    /// Stop pushing to apps; SCIM goes on, and what follows from it waits.
    Pause(pause::Arguments),
    /// Push again.
    Resume(pause::Arguments),
}

impl Command {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(arguments) => serve::run(arguments),
            Self::Demo(arguments) => demo::run(arguments),
            Self::Sandbox(arguments) => sandbox::run(arguments),
            Self::Token(arguments) => token::run(arguments),
            Self::Workspace(arguments) => workspace::run(arguments),
            Self::Source(arguments) => source::run(arguments),
            Self::Hub(arguments) => hub::run(arguments),
            Self::Webhook(arguments) => webhook::run(arguments),
            Self::Validate(arguments) => validate::run(&arguments),
            Self::Plan(arguments) => plan::plan(arguments),
            Self::Apply(arguments) => plan::apply(arguments),
            Self::Undo(arguments) => undo::run(arguments),
            Self::Export(arguments) => export::run(arguments),
            Self::Report(arguments) => report::run(arguments),
            Self::Person(arguments) => person::run(arguments),
            Self::Secret(arguments) => secret::run(arguments),
            Self::Migrate(arguments) => migrate::run(&arguments),
            Self::Audit(arguments) => audit::run(arguments),
            Self::Pause(arguments) => pause::run(arguments, Pushing::Paused),
            Self::Resume(arguments) => pause::run(arguments, Pushing::Resumed),
        }
    }
}

/// Run the command that the process was started with. Exit codes: 0 done, 1 refused or failed
/// (standard error says why), 2 wrong usage, or for `plan` and `undo` that something would change.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match arguments.command.run() {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Say on standard error what went wrong, with every cause on a line of its own.
#[expect(clippy::print_stderr, reason = "this is where commands speak to people")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}
