//! Logs go to standard error, so that standard output carries only what a command is asked for:
//! lines for people on a terminal, JSON objects otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The filter text cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the log filter '{filter}' is not readable: {reason}; try 'info' or 'scimhub=debug,warn'")]
pub struct BadFilter {
    filter: String,
    reason: String,
}

/// Start logging, once in a process; later calls change nothing. `filter` is in the form of
/// `RUST_LOG`, e.g. `info` or `scimhub=debug,warn`.
///
/// # Errors
/// [`BadFilter`] when the filter cannot be read.
pub fn start(filter: &str) -> Result<(), BadFilter> {
    let parsed = read(filter)?;
    // A log reader that went away must not end what runs here: the library would complain about it on
    // the same closed pipe, and that is a panic, also of the task that listens for signals.
    let builder =
        tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(parsed).with_writer(std::io::stderr);
    // A second start is a test or a command inside a command: the first one stays.
    let _ = if std::io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_ansi(false).try_init()
    };
    Ok(())
}

/// Whether [`start`] will take this filter.
///
/// # Errors
/// [`BadFilter`] when it will not.
pub fn check(filter: &str) -> Result<(), BadFilter> {
    read(filter).map(drop)
}

fn read(filter: &str) -> Result<EnvFilter, BadFilter> {
    let bad = |error: tracing_subscriber::filter::ParseError| BadFilter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    };
    EnvFilter::builder().parse(filter).map_err(bad)
}
