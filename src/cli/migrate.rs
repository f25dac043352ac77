//! `scimhub migrate`: bring the database up to this version and say so. Every command does it as
//! it opens the database; this one does nothing else, for a step before the servers start.

use std::process::ExitCode;

use clap::Args;

use super::local::{self, Local, say};
use super::place::Place;

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
}

/// Do it.
///
/// # Errors
/// When the database cannot be used, or a newer version wrote it.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(async {
        Local::open(&arguments.place).await?;
        say("the database is current");
        Ok(ExitCode::SUCCESS)
    })
}
