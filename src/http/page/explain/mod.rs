//! `GET /hubs/{hub}/users/{user}`: why one person has, had or lacks access, as a picture of the
//! path from the identity provider to the seat, and below it everything the picture leaves out.

mod draw;
mod path;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::access::PageReader;
use super::layout::{self, Pace, Place};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use crate::http::App;
use crate::service::explain::{self, Explanation};

/// `GET /hubs/{hub}/users/{user}`
///
/// # Errors
/// 404 for a hub or person the workspace never had.
pub async fn show(
    caller: PageReader,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let (hub, user) = path.into_inner();
    let why = explain::explain(&app.context, &caller, &hub, &user).await?;
    let name = why.user.user_name.clone().unwrap_or_else(|| why.user.id.clone());
    let picture = path::picture(&why);
    let body = html! {
        div.title {
            h1 { (name) " in " (why.hub) }
            p { a href={ "/people/" (why.user.id) } { "All hubs of this person" } }
        }
        ul.sentences { @for line in &why.summary { li { (line) } } }
        section.card #picture {
            (draw::wide(&picture))
            (draw::tall(&picture))
        }
        (mappings(&why))
        (tasks(&why))
        (access(&why))
        (record(&why))
    };
    let title = format!("{name} in {}", why.hub);
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::People, &title, Pace::Live, &body)))
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

fn tasks(why: &Explanation) -> Markup {
    html! {
        h2 { "Tasks" }
        @if why.tasks.is_empty() { p.empty { "There was never a task for this person here." } }
        @else {
            table.rows {
                thead { tr { th scope="col" { "What" } th scope="col" { "Status" } th scope="col" { "Why" } th scope="col" { "Attempts" } th scope="col" { "Last moved" } } }
                tbody { @for one in &why.tasks {
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
}

fn access(why: &Explanation) -> Markup {
    html! {
        @if !why.access.is_empty() {
            h2 { "Access over time" }
            table.rows {
                thead { tr { th scope="col" { "Role" } th scope="col" { "From" } th scope="col" { "To" } th scope="col" { "Evidence" } } }
                tbody { @for held in &why.access { tr {
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

fn record(why: &Explanation) -> Markup {
    html! {
        @if !why.activity.is_empty() {
            details {
                summary { "What the record says about this person" }
                ul.list { @for line in &why.activity { li {
                    b { (words::plain(&line.kind)) } " · " (words::at(&line.at))
                    span.hint { " · " (line.actor) @if let Some(request) = &line.request_id { " · request " code { (request) } } }
                } } }
            }
        }
    }
}
