//! A previewed change on the page: for whom it would be what, by name, before a form asks for it.

use maud::{Markup, html};

use super::words::{self, Tone, badge};
use crate::service::whatif::{Begins, HubEffect, Outcome, PersonEffect, Plan};

const fn outcome(change: Outcome) -> (&'static str, Tone) {
    match change {
        Outcome::Add => ("gets an account", Tone::Good),
        Outcome::Promote => ("role rises", Tone::Good),
        Outcome::Demote => ("role falls", Tone::Bad),
        Outcome::Remove => ("account goes", Tone::Bad),
        Outcome::Adopt => ("is managed from then on", Tone::Busy),
        Outcome::Withdraw => ("what is under way is withdrawn", Tone::Dim),
        Outcome::Keep => ("nothing happens", Tone::Dim),
    }
}

const fn begins(begins: Begins) -> &'static str {
    match begins {
        Begins::Manual => "by hand",
        Begins::AfterAcceptance => "after the invitation is accepted",
        Begins::NeedsData => "waits for data about the person",
        Begins::Held => "stays held",
    }
}

/// What it means for people, hub by hub, and what a person should know of it.
pub fn effects(plan: &Plan) -> Markup {
    html! {
        @for note in &plan.notes { p.note.wait { (note) } }
        @for effect in &plan.effects { (hub(effect)) }
    }
}

fn hub(effect: &HubEffect) -> Markup {
    html! {
        h2 { (effect.hub) }
        p { (effect.counts()) "."
            @match (effect.observe, effect.stops.is_some()) {
                (true, true) => { " This hub observes from now on: nothing is done." }
                (true, false) => { " This hub observes: it is shown and not done." }
                (false, _) => {}
            }
            @if effect.cut { " Of those looked at; there are more." } }
        @for (reason, tasks) in &effect.held {
            p.note.wait { "The guard would hold " (words::count(i64::try_from(*tasks).unwrap_or(i64::MAX), "task", "tasks"))
                ": " (words::plain(reason)) "." }
        }
        @if !effect.people.is_empty() {
            table.rows {
                thead { tr {
                    th scope="col" { "Person" } th scope="col" { "What" } th scope="col" { "Now" }
                    th scope="col" { "Then" } th scope="col" { "Because of" }
                } }
                tbody { @for person in &effect.people { (row(person)) } }
            }
        }
        @if effect.more > 0 {
            p { "And " (words::grouped(i64::try_from(effect.more).unwrap_or(i64::MAX))) " more, counted above and not named here." }
        }
    }
}

fn row(person: &PersonEffect) -> Markup {
    let (word, tone) = outcome(person.change);
    let role = |role: &Option<String>| match role.as_deref() {
        None => String::from("no access"),
        Some("") => String::from("access"),
        Some(role) => role.to_owned(),
    };
    html! {
        tr {
            td.lead { div { (person.user) } }
            td data-name="What" { div {
                (badge(tone, word))
                @if let Some(how) = person.begins { small { (begins(how)) } }
                @if let Some(reason) = &person.held { small { "held: " (words::plain(reason)) } }
                @if let Some(stands) = &person.task { small { "is " (words::plain(stands)) } }
                @if person.stays_though_left() { small { "left; the account stays" } }
                @if let Some(why) = &person.why { small { (why) } }
            } }
            td data-name="Now" { div { (role(&person.from)) } }
            td data-name="Then" { div { (role(&person.to)) } }
            td data-name="Because of" { div {
                (person.because.join(", "))
                @if !person.outranked.is_empty() { small { "outranks " (person.outranked.join(", ")) } }
            } }
        }
    }
}
