//! Drawing the path: once for a screen, four boxes and then three; once for a phone, one below the
//! other. Only shapes and classes; colours are the style sheet's.

use maud::{Markup, html};

use super::path::{Link, Picture, Step};
use crate::http::page::words::{self, Tone};

/// Everything in the picture's own units.
const BOX: (i32, i32) = (232, 76);
const GAP: i32 = 44;
const LANE: i32 = 92;
/// Letters of the big and of the small line that a box of a width has room for.
const BIG: i32 = 8;
const SMALL: i32 = 7;
const PADDING: i32 = 12;

/// For a screen.
pub fn wide(picture: &Picture) -> Markup {
    let lanes = i32::try_from(picture.lanes.len()).unwrap_or(1);
    let width = 4 * BOX.0 + 3 * GAP + 4;
    let first_row = lanes * LANE;
    let height = first_row + 30 + BOX.1 + 4;
    let x = |column: i32| 2 + column * (BOX.0 + GAP);
    let middle = (first_row - LANE) / 2 + 2;
    let lane_y = |number: i32| 2 + number * LANE;
    let second = first_row + 30;
    let center = |y: i32| y + BOX.1 / 2;
    let [(_, entitlement), (to_task, task), (to_attempts, attempts), (to_seat, seat)] = &picture.rest;
    svg(
        "wide",
        width,
        height,
        &picture.title,
        &html! {
            (card(&picture.request, x(0), middle, BOX.0))
            @for (number, lane) in (0..).zip(&picture.lanes) {
                (link(lane.into, (x(0) + BOX.0, center(middle)), (x(1), center(lane_y(number)))))
                (card(&lane.membership, x(1), lane_y(number), BOX.0))
                (link(lane.meets, (x(1) + BOX.0, center(lane_y(number))), (x(2), center(lane_y(number)))))
                (card(&lane.mapping, x(2), lane_y(number), BOX.0))
                (link(lane.gives, (x(2) + BOX.0, center(lane_y(number))), (x(3), center(middle))))
            }
            (card(entitlement, x(3), middle, BOX.0))
            // Down and back: the second row is read from right to left, along its arrows.
            (down(*to_task, x(3) + BOX.0 / 2, middle + BOX.1, second))
            (card(task, x(3), second, BOX.0))
            (link(*to_attempts, (x(3), center(second)), (x(2) + BOX.0, center(second))))
            (card(attempts, x(2), second, BOX.0))
            (link(*to_seat, (x(2), center(second)), (x(1) + BOX.0, center(second))))
            (card(seat, x(1), second, BOX.0))
            @if picture.unseen > 0 {
                text.more x=(x(0)) y=(center(second)) { "and " (picture.unseen) " more mappings, below" }
            }
        },
    )
}

/// For a phone.
pub fn tall(picture: &Picture) -> Markup {
    const WIDTH: i32 = 316;
    const STEP: i32 = BOX.1 + 30;
    let mut steps: Vec<(Option<Link>, &Step)> = vec![(None, &picture.request)];
    let mut others = picture.unseen;
    if let Some((lane, rest)) = picture.lanes.split_first() {
        steps.push((Some(lane.into), &lane.membership));
        steps.push((Some(lane.meets), &lane.mapping));
        others += rest.len();
        let [(_, entitlement), tail @ ..] = &picture.rest;
        steps.push((Some(lane.gives), entitlement));
        steps.extend(tail.iter().map(|(link, step)| (Some(*link), step)));
    }
    let count = i32::try_from(steps.len()).unwrap_or(1);
    let height = count * STEP - 30 + 4 + if others > 0 { 24 } else { 0 };
    svg(
        "tall",
        WIDTH + 4,
        height,
        &picture.title,
        &html! {
            @for (number, (into, step)) in (0..).zip(&steps) {
                @let y = 2 + number * STEP;
                @if let Some(into) = into { (down(*into, 2 + WIDTH / 2, y - 30, y)) }
                (card(step, 2, y, WIDTH))
            }
            @if others > 0 { text.more x="2" y=(height - 6) { "and " (others) " more mappings, below" } }
        },
    )
}

fn svg(class: &str, width: i32, height: i32, title: &str, inside: &Markup) -> Markup {
    html! {
        svg.path.(class) viewBox={ "0 0 " (width) " " (height) } role="img" aria-label={ "The path from the identity provider to the seat: " (title) } {
            (inside)
        }
    }
}

fn card(step: &Step, x: i32, y: i32, width: i32) -> Markup {
    html! {
        g.(step.tone.class()) {
            title { (step.name) ": " (step.main) @if !step.more.is_empty() { ", " (step.more) } }
            rect x=(x) y=(y) width=(width) height=(BOX.1) rx="10" {}
            text.step x=(x + PADDING) y=(y + 21) { (step.name) }
            text.main x=(x + PADDING) y=(y + 43) { (fit(&step.main, (width - 2 * PADDING) / BIG)) }
            text.more x=(x + PADDING) y=(y + 63) { (fit(&step.more, (width - 2 * PADDING) / SMALL)) }
        }
    }
}

/// As much as there is room for.
fn fit(text: &str, letters: i32) -> String {
    let letters = usize::try_from(letters).unwrap_or(0);
    let text = words::visible(text);
    if text.chars().count() <= letters {
        return text.into_owned();
    }
    text.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}

fn class(link: Link) -> &'static str {
    match link {
        Link::Broken => "broken",
        Link::Leads(Tone::Good) => "good",
        Link::Leads(Tone::Busy) => "busy",
        Link::Leads(Tone::Wait) => "wait",
        Link::Leads(Tone::Bad) => "broken",
        Link::Leads(Tone::Dim) => "dim",
    }
}

/// A link from one side of a box to the other's, with its head or its break.
fn link(link: Link, from: (i32, i32), to: (i32, i32)) -> Markup {
    let half = (from.0 + to.0) / 2;
    let way = if to.0 > from.0 { 1 } else { -1 };
    let class = class(link);
    html! {
        path.link.(class) d={ "M" (from.0) " " (from.1) "C" (half) " " (from.1) " " (half) " " (to.1) " " (to.0 - 7 * way) " " (to.1) } {}
        @if link == Link::Broken { (cut(half, (from.1 + to.1) / 2)) }
        @else { path.head.(class) d={ "M" (to.0) " " (to.1) "l" (-9 * way) " -5v10z" } {} }
    }
}

fn down(link: Link, x: i32, from: i32, to: i32) -> Markup {
    let class = class(link);
    html! {
        path.link.(class) d={ "M" (x) " " (from) "V" (to - 7) } {}
        @if link == Link::Broken { (cut(x, (from + to) / 2)) }
        @else { path.head.(class) d={ "M" (x) " " (to) "l-5 -9h10z" } {} }
    }
}

fn cut(x: i32, y: i32) -> Markup {
    html! { path.cut d={ "M" (x - 6) " " (y - 6) "l12 12m0 -12l-12 12" } {} }
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn a_long_text_ends_with_an_ellipsis() {
        assert_eq!(fit("short", 10), "short");
        assert_eq!(fit("exactly-10", 10), "exactly-10");
        assert_eq!(fit("ääääääääääää", 10), "äääääääää…");
    }
}
