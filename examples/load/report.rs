//! Rows as they come, a bar meanwhile, and the table at the end.

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

use super::machine;
use super::options::{Kind, Options};

/// Median, least and most of the repetitions.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(sorted.len() / 2), min: at(0), max: at(sorted.len().saturating_sub(1)) }
    }
}

/// Which way is better, and the three marks; NaN for an edge that nobody set.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    /// At least this: good, budget, edge.
    AtLeast(f64, f64, f64),
    /// At most this.
    AtMost(f64, f64, f64),
    /// Nobody set one: told, not judged.
    Open,
}

impl Budget {
    fn verdict(self, value: f64) -> &'static str {
        let reaches = |mark: f64| match self {
            Self::AtLeast(..) => value >= mark,
            Self::AtMost(..) => value <= mark,
            Self::Open => false,
        };
        match self {
            Self::Open => "–",
            Self::AtLeast(good, budget, edge) | Self::AtMost(good, budget, edge) => {
                if reaches(edge) {
                    "edge"
                } else if reaches(budget) {
                    "budget"
                } else if reaches(good) {
                    "good"
                } else {
                    "missed"
                }
            }
        }
    }

    fn shown(self) -> String {
        let (sign, good, budget, edge) = match self {
            Self::Open => return String::from("–"),
            Self::AtLeast(good, budget, edge) => ('≥', good, budget, edge),
            Self::AtMost(good, budget, edge) => ('≤', good, budget, edge),
        };
        if edge.is_nan() {
            if good == budget { format!("{sign} {budget}") } else { format!("{sign} {good} / {budget}") }
        } else {
            format!("{sign} {good} / {budget} / {edge}")
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Line {
    pub what: String,
    pub unit: &'static str,
    pub values: Vec<f64>,
    pub budget: Budget,
    pub note: String,
}

/// The bar.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(rows: usize) -> Self {
        let bar = ProgressBar::new(rows.try_into().unwrap_or(0));
        let style = ProgressStyle::with_template("{elapsed_precise} [{bar:24}] {pos}/{len} {wide_msg}");
        bar.set_style(style.expect("a good template").progress_chars("=> "));
        Self { bar }
    }

    /// What is going on now.
    pub fn note(&self, text: &str) {
        self.bar.set_message(text.to_owned());
        self.bar.tick();
    }

    /// A row is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }
}

/// Everything measured so far.
#[derive(Debug)]
pub struct Report {
    lines: Vec<(Kind, Line)>,
    progress: Progress,
    head: String,
}

impl Report {
    pub fn new(options: &Options) -> Self {
        let rows = super::rows::ALL.iter().filter(|row| options.wants(row.name)).count();
        let sizes = if options.quick { "quick sizes, not to judge by" } else { "full sizes" };
        let head = format!(
            "{}; medians of {}, {sizes}; load averages {} before",
            machine::class(),
            options.reps,
            machine::busy()
        );
        Self { lines: Vec::new(), progress: Progress::new(rows * options.kinds().len()), head }
    }

    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    pub fn add(&mut self, kind: Kind, line: Line) {
        let spread = Spread::of(&line.values);
        let verdict = line.budget.verdict(spread.median);
        let text = format!(
            "{}: {}: {} ({} to {}){} {verdict}; {}",
            kind.name(),
            line.what,
            number(spread.median),
            number(spread.min),
            number(spread.max),
            line.unit,
            line.note
        );
        self.progress.line(&text);
        self.lines.push((kind, line));
    }

    /// The table, as Markdown.
    pub fn print(&self) {
        self.progress.bar.finish_and_clear();
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["", "what", "measured", "min – max", "good / budget / edge", "reached", "with"]);
        for (kind, line) in &self.lines {
            let spread = Spread::of(&line.values);
            table.add_row([
                kind.name().to_owned(),
                line.what.clone(),
                format!("**{}**{}", number(spread.median), line.unit),
                format!("{} – {}", number(spread.min), number(spread.max)),
                line.budget.shown(),
                line.budget.verdict(spread.median).to_owned(),
                line.note.clone(),
            ]);
        }
        println!("{}, {} after\n\n{table}", self.head, machine::busy());
    }
}

fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
