//! `GET /hubs/{hub}/users/{user}`: why one person has, had or lacks access, as a picture of the
//! path from the identity provider to the seat, and below it everything the picture leaves out. A day
//! that is past can be asked for, by a form that needs no script.

mod draw;
mod past;
mod path;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::PageReader;
use super::layout::{self, Pace, Place};
use super::query::{PageQuery, filled};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use crate::http::App;
use crate::service::access::AccessView;
use crate::service::explain::{self, ActivityLine, Explained, ExplainedTask, Explanation, UserView};

/// Which moment is asked about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    at: Option<String>,
}

/// `GET /hubs/{hub}/users/{user}?at=`
///
/// # Errors
/// 404 for a hub or person the workspace never had; 400 for an `at` that is no moment or is still to come.
pub async fn show(
    caller: PageReader,
    path: web::Path<(String, String)>,
    query: PageQuery<Moment>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let (hub, user) = path.into_inner();
    let at = filled(query.0.at);
    let today = app.clock.now().to_rfc3339();
    let explained = explain::explain(&app.context, &caller, &hub, &user, at.as_deref()).await?;
    // What is past does not move.
    let (who, pace, when, body) = match &explained {
        Explained::Now(why) => (&why.user, Pace::Live, String::new(), present(why)),
        Explained::Then(why) => (&why.user, Pace::Still, format!(", {}", why.asked), past::body(why)),
    };
    let name = who.user_name.clone().unwrap_or_else(|| who.id.clone());
    let title = format!("{name} in {hub}{when}");
    let body = html! {
        div.title {
            h1 { (title) }
            p { a href={ "/people/" (who.id) } { "All hubs of this person" } }
        }
        (ask(&hub, who, at.as_deref(), &today))
        (body)
    };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::People, &title, pace, &body)))
}

/// Which day is looked at.
fn ask(hub: &str, user: &UserView, at: Option<&str>, now: &str) -> Markup {
    let path = format!("/hubs/{hub}/users/{}", user.id);
    let today = now.get(..10);
    html! {
        form.filters #moment method="get" action=(path) {
            div {
                label for="at" { "On this day (UTC)" }
                input #at type="date" name="at" value=[at.and_then(|at| at.get(..10))] max=[today] required;
            }
            button type="submit" { "Look at that day" }
            @if at.is_some() { a.button href=(path) { "Now" } }
        }
    }
}

fn present(why: &Explanation) -> Markup {
    let picture = path::picture(why);
    html! {
        ul.sentences { @for line in &why.summary { li { (line) } } }
        (drawn(&picture))
        (mappings(why))
        h2 { "Tasks" }
        @if why.tasks.is_empty() { p.empty { "There was never a task for this person here." } }
        @else { (tasks(why.tasks.iter())) }
        (access(&why.access))
        (record(&why.activity))
    }
}

fn drawn(picture: &path::Picture) -> Markup {
    html! {
        section.card #picture {
            (draw::wide(picture))
            (draw::tall(picture))
        }
    }
}

fn mappings(why: &Explanation) -> Markup {
    html! {
        h2 { "Every mapping of this hub" }
        @if why.mappings.is_empty() { p.empty { "This hub has no mapping." } }
        @else {
            table.rows {
                thead { tr { th scope="col" { "Who" } th scope="col" { "Role" } th scope="col" { "For this person" } th scope="col" { "From" } } }
                tbody { @for rule in &why.mappings { tr {
                    td.lead { div { (rule.subject) @if let Some(scope) = &rule.scope { small { "where " code { (scope) } } } } }
                    td data-name="Role" { div { (rule.app_role) } }
                    td data-name="For this person" { div { (badge(path::tone(rule.applies), &words::plain(rule.applies))) small { (rule.why) } } }
                    td data-name="From" { div {
                        @match (&rule.owner, &rule.file_ref) {
                            (Some(owner), Some(at)) => { (owner) small { code { (at) } } },
                            (Some(owner), None) => (owner),
                            (None, Some(at)) => code { (at) },
                            (None, None) => span.hint { "the API" },
                        }
                    } }
                } } }
            }
        }
    }
}

fn tasks<'a>(tasks: impl Iterator<Item = &'a ExplainedTask>) -> Markup {
    html! {
        table.rows {
            thead { tr { th scope="col" { "What" } th scope="col" { "Status" } th scope="col" { "Why" } th scope="col" { "Attempts" } th scope="col" { "Last moved" } } }
            tbody { @for one in tasks {
                @let (word, tone) = words::status(one.task.status);
                tr {
                    td.lead { div { a href={ "/tasks/" (one.task.id) } { (words::kind(one.task.kind, one.task.role.as_deref())) } } }
                    td data-name="Status" { div { (badge(tone, word)) } }
                    td data-name="Why" { div { (words::plain(&one.task.cause)) } }
                    td data-name="Attempts" { div { (one.tries.len()) } }
                    td data-name="Last moved" { div { (words::at(&one.task.modified)) } }
                }
            } }
        }
    }
}

fn access(all: &[AccessView]) -> Markup {
    html! {
        @if !all.is_empty() {
            h2 { "Access over time" }
            table.rows {
                thead { tr { th scope="col" { "Role" } th scope="col" { "From" } th scope="col" { "To" } th scope="col" { "Evidence" } } }
                tbody { @for held in all { tr {
                    td.lead { div { (held.role.as_deref().unwrap_or("a seat")) } }
                    td data-name="From" { div { (words::at(&held.from)) small { (words::plain(&held.from_cause)) } } }
                    td data-name="To" { div {
                        @match &held.to { Some(to) => (words::at(to)), None => (badge(Tone::Good, "now")) }
                        @if let Some(cause) = &held.to_cause { small { (words::plain(cause)) } }
                    } }
                    td data-name="Evidence" { div { (words::plain(&held.evidence)) } }
                } } }
            }
        }
    }
}

fn record(lines: &[ActivityLine]) -> Markup {
    html! {
        @if !lines.is_empty() {
            details {
                summary { "What the record says about this person" }
                ul.list { @for line in lines { li {
                    b { (words::plain(&line.kind)) } " · " (words::at(&line.at))
                    span.hint { " · " (line.actor) @if let Some(request) = &line.request_id { " · request " code { (request) } } }
                } } }
            }
        }
    }
}
