//! A command that opens the database itself, beside a running server or without one.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context as _;

use super::place::Place;
use crate::base::clock::{SharedClock, SystemClock};
use crate::base::nudge::Nudge;
use crate::service::{Caller, Context, workspaces};
use crate::store::{Store, StoreConfig};
use crate::telemetry::logs;

/// An opened installation.
pub struct Local {
    /// What use cases need.
    pub context: Context,
}

impl Local {
    /// Open and migrate the database at `place`, with its key.
    ///
    /// # Errors
    /// When the configuration, the key or the database cannot be used.
    pub async fn open(place: &Place) -> anyhow::Result<Self> {
        let found = place.find()?;
        logs::start(&found.log)?;
        let clock: SharedClock = Arc::new(SystemClock::new());
        let store = StoreConfig { clock, key_file: Some(found.key_file), ..StoreConfig::new(&found.database) };
        let context = open(store, Nudge::default(), "").await?;
        Ok(Self { context })
    }

    /// The operator of this machine, in one workspace.
    ///
    /// # Errors
    /// When there is no workspace of this name.
    pub async fn caller(&self, workspace: &str) -> anyhow::Result<Caller> {
        Ok(workspaces::local_caller(&self.context, workspace).await?)
    }
}

/// Open the database with its key, and make sure that the workspace `default` exists.
///
/// # Errors
/// When key or database cannot be used; the chain of causes says why.
pub async fn open(config: StoreConfig, nudge: Nudge, base_url: &str) -> anyhow::Result<Context> {
    let store = Store::open_with(config)?;
    let (clock, token_key) = (Arc::clone(store.clock()), store.keyring().token_key());
    workspaces::ensure_default(&store, clock.now()).await.context("the workspace 'default' cannot be made")?;
    Ok(Context::new(store, clock, nudge, token_key, base_url))
}

/// Run a command to its end on a runtime of its own.
///
/// # Errors
/// Whatever the command returned, or that no runtime can be made.
pub fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(command)
}

/// Print one line on standard output.
#[expect(clippy::print_stdout, reason = "what a command is asked for goes to standard output")]
pub fn say(line: &str) {
    println!("{line}");
}
