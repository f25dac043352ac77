//! A command that opens the database itself, beside a running server or without one.

use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;

use super::place::{Found, Place};
use crate::base::nudge::Nudge;
use crate::domain::catalog::Catalog;
use crate::service::{Caller, Context, workspaces};
use crate::store::{Purpose, Store, StoreConfig};
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
        let context = open(&found, Purpose::Command, "").await?;
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
/// When key, database or manifests cannot be used; the chain of causes says why.
pub async fn open(found: &Found, purpose: Purpose, base_url: &str) -> anyhow::Result<Context> {
    let catalog = match &found.apps {
        Some(folder) => Catalog::load_dir(folder),
        None => Catalog::builtin(),
    };
    let catalog = Arc::new(catalog.context("the app manifests cannot be used")?);
    let config = StoreConfig { purpose, key_file: Some(found.key_file.clone()), ..StoreConfig::new(&found.database) };
    let store = Store::open_with(config).context("the database cannot be used")?;
    let now = store.clock().now();
    workspaces::ensure_default(&store, now).await.context("the workspace 'default' cannot be made")?;
    Ok(Context::new(store, catalog, Nudge::default(), base_url))
}

/// Run a command to its end on a runtime of its own.
///
/// # Errors
/// Whatever the command returned, or that no runtime can be made.
pub fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(command)
}

/// Print one line on standard output. A reader that has seen enough (`| head`) is no failure: the
/// command goes on and its exit code stands.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
