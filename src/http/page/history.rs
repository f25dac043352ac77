//! `GET /history`: tasks over time as stacked bars, by when they were planned and where they stand
//! now; the same as a table below.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::PageReader;
use super::layout::{self, Pace, Place};
use super::query::PageQuery;
use super::reply::{self, PageFailure};
use super::words;
use crate::http::App;
use crate::service::history::{self, History, Reach, Stretch};

/// Which stretch of time.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    reach: Option<Reach>,
}

/// One colour of a bar: its class, its words, its number in a stretch.
type Part = (&'static str, &'static str, fn(&Stretch) -> i64);

/// From the bottom up: what is done, then what asks for somebody.
const PARTS: [Part; 6] = [
    ("completed", "completed", |stretch| stretch.completed),
    ("withdrawn", "withdrawn or superseded", |stretch| stretch.withdrawn),
    ("open", "under way or waiting", |stretch| stretch.open),
    ("held", "held", |stretch| stretch.held),
    ("manual", "by hand", |stretch| stretch.manual),
    ("not_completed", "not completed", |stretch| stretch.not_completed),
];

/// `GET /history?reach=day|hour`
///
/// # Errors
/// As the use case.
pub async fn show(
    caller: PageReader,
    query: PageQuery<Wanted>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let reach = query.0.reach.unwrap_or_default();
    let history = history::history(&app.context, &caller, reach).await?;
    let total: i64 = history.stretches.iter().map(Stretch::total).sum();
    let (title, unit) = match reach {
        Reach::Day => ("The last 24 hours", "hour"),
        Reach::Hour => ("The last 60 minutes", "minute"),
    };
    let body = html! {
        div.title {
            h1 { (title) }
            p.actions {
                a.button href="/history?reach=day" aria-current=[(reach == Reach::Day).then_some("true")] { "24 hours" }
                a.button href="/history?reach=hour" aria-current=[(reach == Reach::Hour).then_some("true")] { "60 minutes" }
            }
        }
        p.hint { (words::count(total, "task", "tasks")) " by the " (unit) " in which they were planned, and where they stand now." }
        section.card {
            div.path.wide { (chart(&history, 1_000)) }
            div.path.tall { (chart(&history, 340)) }
            ul.legend { @for (class, words, _) in PARTS {
                li { svg.chart viewBox="0 0 10 10" aria-hidden="true" { rect.(class) width="10" height="10" rx="2" {} } (words) }
            } }
        }
        (table(&history))
    };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::History, title, Pace::Live, &body)))
}

/// Room for the axes, in the picture's own units.
const LEFT: i64 = 44;
const TOP: i64 = 12;
const HEIGHT: i64 = 200;
const BOTTOM: i64 = 24;

fn chart(history: &History, width: i64) -> Markup {
    let most = history.stretches.iter().map(Stretch::total).max().unwrap_or(0);
    let (scale, step) = scale(most);
    let stretches = i64::try_from(history.stretches.len()).unwrap_or(1).max(1);
    let place = |number: i64| LEFT + (width - LEFT) * number / stretches;
    let title = format!("Tasks over time, at most {} in one bar", words::grouped(most));
    html! {
        svg.chart viewBox={ "0 0 " (width) " " (TOP + HEIGHT + BOTTOM) } role="img" aria-label=(title) {
            @for line in 0..=(scale / step) {
                @let y = TOP + HEIGHT - HEIGHT * line * step / scale;
                line.grid x1=(LEFT) x2=(width) y1=(y) y2=(y) {}
                text x=(LEFT - 6) y=(y + 4) text-anchor="end" { (short(line * step)) }
            }
            @for (number, stretch) in (0..).zip(&history.stretches) {
                (bar(stretch, place(number), place(number + 1), scale))
            }
            text x=(LEFT) y=(TOP + HEIGHT + 17) { (back(history)) " ago" }
            text x=(width) y=(TOP + HEIGHT + 17) text-anchor="end" { "now" }
        }
    }
}

fn bar(stretch: &Stretch, from: i64, to: i64, scale: i64) -> Markup {
    let gap = if to - from > 8 { 2 } else { 1 };
    let mut below = 0;
    html! {
        g {
            title { (words::moment(&stretch.from)) ": " (words::count(stretch.total(), "task", "tasks"))
                @for (_, words, number) in PARTS { @if number(stretch) > 0 { ", " (number(stretch)) " " (words) } } }
            @for (class, _, number) in PARTS {
                @let part = number(stretch);
                @if part > 0 {
                    @let low = HEIGHT * below / scale;
                    @let high = (HEIGHT * (below + part) / scale).max(low + 1);
                    ({ below += part; html! {} })
                    rect.(class) x=(from + gap) width=((to - from - gap).max(1)) y=(TOP + HEIGHT - high) height=(high - low) {}
                }
            }
        }
    }
}

/// The top of the axis and the distance of its lines: round numbers, four or five lines.
fn scale(most: i64) -> (i64, i64) {
    let mut unit = 1;
    loop {
        for step in [unit, 2 * unit, 5 * unit] {
            if step * 4 >= most {
                return (step * 4, step);
            }
        }
        unit *= 10;
    }
}

fn short(number: i64) -> String {
    if number >= 10_000 { format!("{}k", number / 1_000) } else { words::grouped(number) }
}

fn back(history: &History) -> &'static str {
    match history.reach {
        Reach::Day => "24 h",
        Reach::Hour => "60 min",
    }
}

fn table(history: &History) -> Markup {
    let filled = || history.stretches.iter().rev().filter(|stretch| stretch.total() > 0);
    html! {
        details {
            summary { "As a table" }
            @if filled().next().is_none() { p.empty { "No tasks in this time." } }
            @else {
                table.rows {
                    thead { tr { th scope="col" { "From" } @for (_, words, _) in PARTS { th scope="col" { (words) } } } }
                    tbody { @for stretch in filled() { tr {
                        td.lead { div { (words::at(&stretch.from)) } }
                        @for (_, words, number) in PARTS { td data-name=(words) { div { (words::grouped(number(stretch))) } } }
                    } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::scale;

    #[test]
    fn the_axis_has_round_numbers_and_room_for_the_highest_bar() {
        for (most, top) in [(0, 4), (1, 4), (4, 4), (5, 8), (9, 20), (22, 40), (100, 200), (100_000, 200_000)] {
            assert_eq!(scale(most).0, top, "{most}");
        }
    }
}
