//! `GET /`: how it goes. Hubs with what is under way in them, identity providers with when they
//! were last heard of, and what a person must look at.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::access::PageReader;
use super::failures::card as failure_card;
use super::layout::{self, Pace, Place};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use crate::http::App;
use crate::service::failures;
use crate::service::overview::{self, Depth, HubStatus, Overview, SourceStatus};
use crate::service::page::PageRequest;
use crate::service::problems::{self, ProblemView};

/// `GET /`
///
/// # Errors
/// As the use cases.
pub async fn show(caller: PageReader, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    let status = overview::overview(&app.context, &caller, Depth::Glance).await?;
    let lately = failures::card(&app.context, &caller).await?;
    let problems = problems::list(&app.context, &caller, &PageRequest::default()).await?;
    let body = html! {
        (head(&status))
        (troubles(&status, &problems.items))
        (failure_card(&caller, &lately, &status.now))
        (hubs(&status))
        (sources(&status))
    };
    let title = format!("Overview of {}", status.workspace.name);
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Overview, &title, Pace::Live, &body)))
}

fn head(status: &Overview) -> Markup {
    let open: i64 = status.hubs.iter().flat_map(|hub| hub.tasks.values()).sum();
    let of = |name: &str| status.tasks.get(name).copied().unwrap_or(0);
    html! {
        div.title {
            h1 { (status.workspace.name) }
            p.hint { "scimhub " (status.version) " · " (words::at(&status.now)) }
        }
        ul.tiles #tiles {
            (tile("/tasks?status=open", open, "open tasks", if open > 0 { Tone::Busy } else { Tone::Dim }))
            (tile("/held", status.held, "held for a person", if status.held > 0 { Tone::Wait } else { Tone::Dim }))
            (tile("/manual", of("manual"), "to do by hand",
                if of("manual") > 0 { Tone::Wait } else { Tone::Dim }))
            @if status.overdue > 0 { (tile("/manual?overdue=true", status.overdue, "of them overdue", Tone::Bad)) }
            (tile("#problems", i64::try_from(status.problems).unwrap_or(i64::MAX), "problems",
                if status.problems > 0 { Tone::Bad } else { Tone::Dim }))
            (tile("/tasks?status=completed", of("completed"), "completed in 24 h", Tone::Good))
        }
    }
}

fn tile(link: &str, number: i64, words: &str, tone: Tone) -> Markup {
    html! {
        li { a.tile.(tone.class()) href=(link) { b { (words::grouped(number)) } span { (words) } } }
    }
}

/// What a person must look at, before everything else.
fn troubles(status: &Overview, problems: &[ProblemView]) -> Markup {
    html! {
        @if status.paused {
            p.note.wait { b { "Pushing is paused in the whole installation." } " SCIM is taken in; what follows waits for "
                code { "scimhub resume" } "." }
        } @else if status.workspace.paused {
            p.note.wait { b { "Pushing is paused in this workspace." } " SCIM is taken in; what follows waits for "
                code { "scimhub resume --workspace " (status.workspace.name) } "." }
        }
        @for one in &status.attention {
            p.note.wait { b { (one.message) "." } " " (one.remedy) }
        }
        @if !problems.is_empty() {
            section #problems {
                h2 { "Problems" }
                ul.list {
                    @for problem in problems {
                        li {
                            (badge(Tone::Bad, &words::plain(problem.cause)))
                            " " b { (problem.hub) } ": " (problem.message)
                            @if !problem.people.is_empty() {
                                ", "
                                @for (number, person) in problem.people.iter().enumerate() {
                                    @if number > 0 { ", " }
                                    a href=(whom(problem, &person.user)) { (person.name) }
                                }
                            }
                            p { (problem.remedy) }
                            p.hint {
                                (words::count(problem.occurrences, "time", "times")) ", since "
                                (words::ago(&problem.opened, &status.now))
                                @if problem.tasks > 0 { "; " (words::count(problem.tasks, "task waits", "tasks wait")) " for it" }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where somebody is explained: in the hub, or by themselves where the hub is gone.
fn whom(problem: &ProblemView, user: &str) -> String {
    match problem.hub_removed {
        false => format!("/hubs/{}/users/{user}", problem.hub),
        true => format!("/people/{user}"),
    }
}

fn hubs(status: &Overview) -> Markup {
    html! {
        section {
            h2 { "Hubs" }
            @if status.hubs.is_empty() {
                p.empty { "No hub yet. Write one into a file and run " code { "scimhub apply hubs.toml" } "." }
            }
            div.cards {
                @for hub in &status.hubs { (hub_card(hub, &status.now)) }
            }
        }
    }
}

fn hub_card(hub: &HubStatus, now: &str) -> Markup {
    let of = |name: &str| hub.tasks.get(name).copied().unwrap_or(0);
    let under_way = of("queued") + of("started") + of("running") + of("retrying");
    html! {
        article.card id={ "hub-" (hub.id) } {
            header {
                h3 { a href={ "/hubs/" (hub.id) } { (hub.label) } }
                (hub_state(hub))
            }
            p.hint { (hub.id) " · " (hub.app) }
            @if let Some(batch) = hub.progress {
                div.progress {
                    progress max=(batch.total) value=(batch.done)
                        aria-label={ "Batch of " (hub.label) } { (batch.done) " of " (batch.total) }
                    span { (words::grouped(batch.done)) " of " (words::grouped(batch.total)) " tasks" }
                }
            }
            dl {
                @if under_way > 0 && hub.progress.is_none() { (fact("Under way", &html! { (words::grouped(under_way)) })) }
                @if hub.marks > 0 { (fact("Still to plan", &html! { (words::count(hub.marks, "person", "people")) })) }
                @if let Some(seconds) = hub.oldest_ready_seconds {
                    (fact("Oldest queued", &html! { (words::span(std::time::Duration::from_secs(seconds))) }))
                }
                @if of("held") > 0 {
                    (fact("Held", &html! { a href="/held" { (badge(Tone::Wait, &words::grouped(of("held")))) } }))
                }
                @if of("manual") > 0 {
                    (fact("By hand", &html! {
                        a href={ "/manual?hub=" (hub.id) } { (badge(Tone::Wait, &words::grouped(of("manual")))) }
                        @if hub.overdue > 0 { " " (badge(Tone::Bad, &format!("{} overdue", words::grouped(hub.overdue)))) }
                    }))
                }
                @if of("waiting") > 0 { (fact("Waiting", &html! { (words::grouped(of("waiting"))) })) }
                @if let Some(removals) = hub.unfinished_removals {
                    (fact("Removals not through", &html! {
                        a href={ "/tasks?status=open&kind=remove&hub=" (hub.id) } { (words::grouped(removals.count)) }
                        ", oldest " (words::span(std::time::Duration::from_secs(removals.oldest_seconds)))
                    }))
                }
                (fact("Last success", &html! {
                    @match &hub.last_success { Some(at) => (words::ago(at, now)), None => "never" }
                }))
                @if hub.error_streak > 0 {
                    (fact("Failed in a row", &badge(Tone::Bad, &words::grouped(hub.error_streak))))
                }
                @if hub.problems > 0 {
                    (fact("Problems", &html! { a href="#problems" { (badge(Tone::Bad, &hub.problems.to_string())) } }))
                }
            }
        }
    }
}

fn hub_state(hub: &HubStatus) -> Markup {
    if let Some(cause) = &hub.blocked {
        return badge(Tone::Bad, &words::plain(cause));
    }
    if hub.paused {
        return badge(Tone::Wait, "paused");
    }
    let word = words::mode(hub.mode);
    match &hub.waiting {
        Some(waiting) => html! {
            (badge(word.1, word.0))
            " "
            span title=(waiting.reason) { (badge(Tone::Wait, &format!("its app waits until {}", waiting.until))) }
        },
        None => badge(word.1, word.0),
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn sources(status: &Overview) -> Markup {
    html! {
        section {
            h2 { "Identity providers" }
            div.cards {
                @for source in &status.sources { (source_card(source, &status.now)) }
            }
        }
    }
}

fn source_card(source: &SourceStatus, now: &str) -> Markup {
    let silent = source.source.last_request.is_none();
    html! {
        article.card id={ "source-" (source.source.name) } {
            header {
                h3 { (source.source.name) }
                @if source.error_streak > 0 { (badge(Tone::Bad, "failing")) }
                @else if silent { (badge(Tone::Dim, "not heard of")) }
                @else { (badge(Tone::Good, "in touch")) }
            }
            p.hint { (source.source.preset) @if source.source.strict { " · strict" } }
            dl {
                (fact("Last request", &html! {
                    @match &source.source.last_request { Some(at) => (words::ago(at, now)), None => "never" }
                }))
                (fact("Last success", &html! {
                    @match &source.last_success { Some(at) => (words::ago(at, now)), None => "never" }
                }))
                @if source.error_streak > 0 {
                    (fact("Failed in a row", &badge(Tone::Bad, &words::grouped(source.error_streak))))
                }
                (fact("Token", &html! {
                    @if source.tokens == 0 { "none" }
                    @else if let Some(end) = &source.token_expires {
                        @if source.token_expires_soon { (badge(Tone::Bad, "ends")) " " } @else { "ends " }
                        (words::at(end))
                    }
                    @else { "does not expire" }
                }))
            }
        }
    }
}
