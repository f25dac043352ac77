//! `scimhub sandbox`: the practice app by itself, to connect hubs to.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::local::say;
use crate::base::clock::SystemClock;
use crate::base::duration::duration;
use crate::base::secret::SecretString;
use crate::sandbox::{Invites, Sandbox, practice_kinds};

/// Arguments of `sandbox`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "SCIMHUB_SANDBOX_LISTEN", default_value = "127.0.0.1:8090", value_name = "ADDRESS:PORT")]
    listen: String,
    /// The only credential it accepts
    #[arg(long, env = "SCIMHUB_SANDBOX_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: String,
    /// Invite people instead of letting them in: "listed", or "hidden" while they are invited. Accept
    /// for them on its page
    #[arg(long, env = "SCIMHUB_SANDBOX_INVITES", value_name = "MODE")]
    invites: Option<Mode>,
    /// How long an invitation lasts
    #[arg(long, env = "SCIMHUB_SANDBOX_INVITES_LAST", default_value = "7d", value_parser = duration, value_name = "TIME")]
    invites_last: Duration,
    /// Give seats assets: ad accounts and pages, in full or for named tasks (app `sandbox-assets`)
    #[arg(long, env = "SCIMHUB_SANDBOX_ASSETS")]
    assets: bool,
}

/// Whether invited people are in the app's list.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    Listed,
    Hidden,
}

/// Run until it is stopped.
///
/// # Errors
/// When the address cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let sandbox = Sandbox::start(&arguments.listen, SecretString::from(arguments.token), Arc::new(SystemClock::new()))?;
    if let Some(mode) = arguments.invites {
        let listed = match mode {
            Mode::Listed => true,
            Mode::Hidden => false,
        };
        sandbox.set_invites(Invites::On { lasts: Some(arguments.invites_last), listed });
    }
    if arguments.assets {
        sandbox.set_assets(practice_kinds());
    }
    say(&format!("listening on {}", sandbox.base()));
    sandbox.wait();
    Ok(ExitCode::SUCCESS)
}
