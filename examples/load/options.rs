//! What may be asked for, and the refusal of anything that is not this machine.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand, ValueEnum};

use super::rows;

/// Measure limits and product in one run and print every row of the budgets.
#[derive(Debug, Parser)]
#[command(name = "load")]
pub struct Options {
    /// Small sizes and short phases: to try the program, not to judge by
    #[arg(long)]
    pub quick: bool,
    /// Which database
    #[arg(long, value_enum, default_value = "both")]
    pub database: Wanted,
    /// Only these rows, by name
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Repetitions; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub reps: u8,
    /// The server's binary [default: this program, which holds the same code]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// Used by the program itself
    #[command(subcommand)]
    pub mode: Option<Mode>,
}

/// What the program is when it calls itself.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// The bare HTTP limit: a constant body behind the server's own credential check
    #[command(hide = true)]
    Hello {
        /// A database with a token in it
        database: String,
        /// Its key
        key_file: PathBuf,
    },
}

/// What `--database` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wanted {
    Sqlite,
    Postgres,
    Both,
}

/// A database to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

impl Options {
    /// Refuse unknown rows, a binary that is not there, and a PostgreSQL that is not on this machine.
    pub fn check(&self) -> anyhow::Result<()> {
        for name in &self.only {
            let known: Vec<_> = rows::ALL.iter().map(|row| row.name).collect();
            ensure!(known.contains(&name.as_str()), "no row is called '{name}'; there are {}", known.join(", "));
        }
        if let Ok(url) = std::env::var("SCIMHUB_TEST_POSTGRES") {
            let rest = url.split_once("://").map_or("", |(_, rest)| rest);
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            let host = if host.contains(':') { host.to_owned() } else { format!("{host}:5432") };
            let addresses: Vec<IpAddr> = host
                .to_socket_addrs()
                .with_context(|| "SCIMHUB_TEST_POSTGRES names no host".to_owned())?
                .map(|address| address.ip())
                .collect();
            ensure!(
                !rest.contains("host") && !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback),
                "SCIMHUB_TEST_POSTGRES must name this machine: loopback only"
            );
        }
        Ok(())
    }

    pub fn kinds(&self) -> Vec<Kind> {
        match self.database {
            Wanted::Sqlite => vec![Kind::Sqlite],
            Wanted::Postgres => vec![Kind::Postgres],
            Wanted::Both => vec![Kind::Sqlite, Kind::Postgres],
        }
    }

    pub fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == row)
    }

    /// How long one phase lasts.
    pub fn span(&self) -> Duration {
        if self.quick { Duration::from_millis(700) } else { Duration::from_secs(2) }
    }

    /// `full`, or less of it when only trying.
    pub fn size(&self, full: usize) -> usize {
        if self.quick { (full / 10).max(10) } else { full }
    }

    pub fn binary(&self) -> PathBuf {
        self.binary.clone().unwrap_or_else(|| std::env::current_exe().expect("this program has a path"))
    }
}
