//! What this server costs, beside what the machine can do: every row of the budgets, measured in
//! one run as ratios against limits taken in the same minute, medians of three.
//!
//!     cargo run --release --example load
//!     cargo run --release --example load -- --quick --database sqlite --only get,create
//!
//! It starts `scimhub serve` as processes of their own on throw-away databases (a folder below the system's temporary
//! one; PostgreSQL by `initdb`, or a server on this machine named by `SCIMHUB_TEST_POSTGRES`),
//! calls nothing but loopback addresses, and every phase is bounded in time and number. CPU is
//! the server process's own, from `/proc`; on PostgreSQL the database's share is not in it.
//! `docs/performance.md` has a run's table and what it means.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::panic,
    missing_docs,
    reason = "a program for people at a terminal, as tests are"
)]

mod app;
mod driver;
mod fill;
mod installation;
mod limits;
mod machine;
mod options;
mod person;
mod process;
mod report;
mod rows;
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod support;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;

use options::{Kind, Mode, Options};
use report::Report;
use rows::Stage;
use support::Database;

fn main() -> ExitCode {
    if std::env::var_os(process::AS_SCIMHUB).is_some() {
        return scimhub::cli::main();
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(Mode::Hello { database, key_file }) = &options.mode {
        return limits::hello::serve(database, key_file);
    }
    options.check()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut report = Report::new(&options);
    for kind in options.kinds() {
        let database = || match kind {
            Kind::Sqlite => Ok(Database::sqlite()),
            Kind::Postgres => Database::postgres().ok_or_else(|| anyhow::anyhow!("no PostgreSQL here; see above")),
        };
        let mut stage = Stage { kind, options: &options, report: &mut report, database: &database };
        rows::run(&mut stage)?;
    }
    report.print();
    Ok(())
}
