//! `scimhub sandbox`: the practice app by itself, to connect hubs to.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::local::say;
use crate::base::clock::SystemClock;
use crate::base::secret::SecretString;
use crate::sandbox::Sandbox;

/// Arguments of `sandbox`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "SCIMHUB_SANDBOX_LISTEN", default_value = "127.0.0.1:8090", value_name = "ADDRESS:PORT")]
    listen: String,
    /// The only credential it accepts
    #[arg(long, env = "SCIMHUB_SANDBOX_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: String,
}

/// Run until it is stopped.
///
/// # Errors
/// When the address cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let sandbox = Sandbox::start(&arguments.listen, SecretString::from(arguments.token), Arc::new(SystemClock::new()))?;
    say(&format!("listening on {}", sandbox.base()));
    sandbox.wait();
    Ok(ExitCode::SUCCESS)
}
