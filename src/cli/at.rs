//! Where a command works and in which workspace: the flags that most commands share, and the
//! running server or the database behind them.

use clap::Args;

use super::local::Local;
use super::place::Place;
use super::remote::{Remote, Server};
use crate::base::network::Network;
use crate::config::File;
use crate::service::{Caller, Context};

/// A running server or a database, and a workspace.
#[derive(Debug, Args)]
pub struct At {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    server: Server,
    /// The workspace; with --server the token's
    #[arg(long, value_name = "NAME", default_value = "default")]
    workspace: String,
}

/// What the flags lead to.
pub enum Reach {
    /// A running server, as its token's caller.
    Remote(Remote),
    /// The database itself, as the operator of this machine.
    Local(Box<Context>, Box<Caller>),
}

impl At {
    /// The networks in which apps may be called, as the configuration file has them.
    ///
    /// # Errors
    /// When the file cannot be used, or names something else.
    pub fn app_networks(&self) -> anyhow::Result<Vec<Network>> {
        let named = File::find(self.place.config.as_deref())?.app_network.unwrap_or_default();
        Ok(named.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
    }

    /// Connect, or open and migrate the database.
    ///
    /// # Errors
    /// When the server's address or token is bad, the configuration, key or database cannot be used, or
    /// there is no such workspace.
    pub async fn open(&self) -> anyhow::Result<Reach> {
        if let Some(remote) = self.server.connect()? {
            return Ok(Reach::Remote(remote));
        }
        let local = Local::open(&self.place).await?;
        let caller = local.caller(&self.workspace).await?;
        Ok(Reach::Local(Box::new(local.context), Box::new(caller)))
    }
}
