//! `scimhub report access`: who holds or held what, page after page, so that a report of any length
//! costs one page of memory.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::at::{At, Reach};
use super::local::{self, say};
use super::remote::text;
use super::table;
use crate::base::limits;
use crate::http::csv;
use crate::net::client::Method;
use crate::service::reports::{self, ReportQuery};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    report: Report,
}

#[derive(Debug, Subcommand)]
enum Report {
    /// Access to hubs: all of it, at a moment, of a person, or of those who left
    Access {
        #[command(flatten)]
        place: At,
        /// What was held then: 2026-01-31T12:00:00Z, or a day (its beginning, UTC)
        #[arg(long, value_name = "MOMENT", conflicts_with = "leavers")]
        at: Option<String>,
        /// A user's id or userName, or the address that a report shows, also of people deleted since
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
        /// One hub, also one removed since
        #[arg(long, value_name = "HUB")]
        hub: Option<String>,
        /// Only people who left: what they held then or later, and until when
        #[arg(long)]
        leavers: bool,
        /// How to print it
        #[arg(long, value_enum, default_value = "table")]
        format: Form,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Table,
    /// For spreadsheets
    Csv,
    /// One object a line
    Json,
}

/// Do it.
///
/// # Errors
/// When a moment is none, or the database or server cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments.report))
}

async fn page(reach: &Reach, query: &ReportQuery) -> anyhow::Result<Value> {
    match reach {
        Reach::Local(context, caller) => {
            Ok(serde_json::to_value(reports::access(context, caller, query.clone()).await?)?)
        }
        Reach::Remote(remote) => {
            let limit = query.limit.unwrap_or_default().to_string();
            let leavers = query.leavers.unwrap_or(false).then_some("true");
            let given = [
                ("at", query.at.as_deref()),
                ("person", query.person.as_deref()),
                ("hub", query.hub.as_deref()),
                ("leavers", leavers),
                ("limit", Some(limit.as_str())),
                ("cursor", query.cursor.as_deref()),
            ];
            let pairs: Vec<_> = given.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
            remote.call(Method::Get, &["reports", "access"], &pairs, None).await
        }
    }
}

async fn act(report: Report) -> anyhow::Result<ExitCode> {
    let Report::Access { place, at, person, hub, leavers, format } = report;
    let reach = place.open().await?;
    let limit = Some(limits::PAGE);
    let mut query = ReportQuery { at, person, hub, leavers: leavers.then_some(true), limit, ..ReportQuery::default() };
    let mut head = true;
    loop {
        let mut page = page(&reach, &query).await?;
        let items = match page.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        print(&items, format, leavers, head);
        head = false;
        query.cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if query.cursor.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn print(items: &[Value], format: Form, leavers: bool, head: bool) {
    match format {
        Form::Json => items.iter().for_each(|item| say(&json!(item).to_string())),
        Form::Csv => {
            if head {
                say(&csv::head(&csv::REPORT));
            }
            items.iter().for_each(|item| say(&csv::row(item, &csv::REPORT)));
        }
        Form::Table => {
            let mut names = vec!["person", "hub", "role", "from", "to", "from_cause", "to_cause"];
            if leavers {
                names.insert(1, "left");
            }
            // A page is a table of its own: widths of a whole report would need the whole report.
            let rows = items.iter().map(|item| names.iter().map(|name| text(item, name)).collect()).collect();
            if head || !items.is_empty() {
                table::print(&names, rows);
            }
        }
    }
}
