//! The rows of the budgets (DESIGN.md section 6), one file for each thing that is measured.

mod creates;
mod fairness;
mod first_sync;
mod groups;
mod latency;
mod planning;
mod reads;
mod resident;
mod stores;
mod sync;

use super::options::{Kind, Options};
use super::report::{Budget, Line, Report};
use super::support::Database;

/// A row by the name that `--only` takes.
pub struct Row {
    pub name: &'static str,
}

/// All of them, in the order of the budgets.
pub const ALL: [Row; 14] = [
    Row { name: "get" },
    Row { name: "create" },
    Row { name: "filter" },
    Row { name: "page" },
    Row { name: "member" },
    Row { name: "group-read" },
    Row { name: "first-sync" },
    Row { name: "tasks" },
    Row { name: "planning" },
    Row { name: "sync" },
    Row { name: "latency" },
    Row { name: "memory" },
    Row { name: "ready" },
    Row { name: "fairness" },
];

/// One database's turn.
pub struct Stage<'a> {
    pub kind: Kind,
    pub options: &'a Options,
    pub report: &'a mut Report,
    /// Makes an empty one.
    pub database: &'a dyn Fn() -> anyhow::Result<Database>,
}

impl Stage<'_> {
    pub fn wants(&self, row: &str) -> bool {
        self.options.wants(row)
    }

    pub fn note(&self, text: &str) {
        self.report.progress().note(&format!("{}: {text}", self.kind.name()));
    }

    pub fn add(&mut self, what: &str, unit: &'static str, values: Vec<f64>, budget: Budget, note: String) {
        self.report.add(self.kind, Line { what: what.to_owned(), unit, values, budget, note });
    }

    /// Repeat a measurement.
    pub fn repeat<T>(&self, mut once: impl FnMut(usize) -> anyhow::Result<T>) -> anyhow::Result<Vec<T>> {
        (0..usize::from(self.options.reps)).map(&mut once).collect()
    }
}

/// Measure what is wanted on one database.
pub fn run(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stores::run(stage)?;
    if stage.wants("create") {
        creates::run(stage)?;
    }
    if stage.wants("first-sync") {
        first_sync::run(stage)?;
    }
    if stage.wants("planning") || stage.wants("tasks") {
        planning::run(stage)?;
    }
    if stage.wants("sync") {
        sync::run(stage)?;
    }
    if stage.wants("latency") {
        latency::run(stage)?;
    }
    if stage.wants("fairness") {
        fairness::run(stage)?;
    }
    Ok(())
}
