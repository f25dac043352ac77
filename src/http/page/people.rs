//! `GET /people`: finding somebody by userName or e-mail; `GET /people/{id}`: all their hubs, each
//! with the way to the picture of how it came about.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::PageReader;
use super::layout::{self, Pace, Place};
use super::query::{PageQuery, escaped, filled};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use crate::http::App;
use crate::service::people::{self, FoundPeople, FoundPerson, PersonHub};

/// What is looked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Looking {
    q: Option<String>,
    /// The hub that is asked about: the way goes on to this one.
    hub: Option<String>,
}

/// Where the way to somebody goes on: all their hubs, or why they have or lack access in one.
fn way(hub: Option<&str>, person: &FoundPerson) -> String {
    hub.map_or_else(|| format!("/people/{}", person.id), |hub| format!("/hubs/{}/users/{}", escaped(hub), person.id))
}

/// `GET /people?q=&hub=`
///
/// # Errors
/// As the use case.
pub async fn find(
    caller: PageReader,
    query: PageQuery<Looking>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let (text, hub) = (filled(query.0.q), filled(query.0.hub));
    let found = match &text {
        Some(text) => Some(people::find(&app.context, &caller, text).await?),
        None => None,
    };
    if let Some([only]) = found.as_ref().map(|found| found.items.as_slice()) {
        return Ok(reply::see_other(&way(hub.as_deref(), only)).finish());
    }
    let body = html! {
        h1 { "People" }
        p.hint { "Somebody's userName, or its beginning, or an e-mail." @if let Some(hub) = &hub { " Why they have, or lack, access in " b { (hub) } "." } }
        form.search method="get" action="/people" role="search" {
            div {
                label for="q" { "userName or e-mail" }
                input #q type="search" name="q" value=[text.as_deref()] required maxlength="320" autocomplete="off";
            }
            @if let Some(hub) = &hub { input type="hidden" name="hub" value=(hub); }
            button.primary type="submit" { "Find" }
        }
        @if let Some(found) = &found { (results(hub.as_deref(), found)) }
    };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::People, "People", Pace::Still, &body)))
}

fn results(hub: Option<&str>, found: &FoundPeople) -> Markup {
    html! {
        @if found.items.is_empty() { p.empty aria-live="polite" { "Nobody by that name or e-mail." } }
        @else {
            p.hint aria-live="polite" { (words::count(i64::try_from(found.items.len()).unwrap_or(i64::MAX), "person", "people")) " found" }
            ul.list {
                @for person in &found.items {
                    li { a href=(way(hub, person)) { (name(person)) } " " (state(person)) }
                }
            }
            @if found.more { p.hint { "There are more: type more of the name." } }
        }
    }
}

fn name(person: &FoundPerson) -> &str {
    person.user_name.as_deref().unwrap_or(&person.id)
}

fn state(person: &FoundPerson) -> Markup {
    match person.active {
        Some(true) => badge(Tone::Good, "active"),
        Some(false) => badge(Tone::Dim, "deactivated"),
        None => badge(Tone::Dim, "deleted at the identity provider"),
    }
}

/// `GET /people/{id}`
///
/// # Errors
/// 404.
pub async fn show(caller: PageReader, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    let found = people::hubs(&app.context, &caller, &id).await?;
    let body = html! {
        div.title { h1 { (name(&found.person)) } (state(&found.person)) }
        @if found.hubs.is_empty() { p.empty { "There is no hub yet." } }
        @else {
            table.rows {
                thead { tr { th scope="col" { "Hub" } th scope="col" { "Should hold" } th scope="col" { "Holds" } th scope="col" { "Under way" } th scope="col" { "How it came about" } } }
                tbody { @for hub in &found.hubs { (row(&found.person, hub)) } }
            }
        }
        p.pages { a href={ "/tasks?user=" (found.person.id) } { "All tasks" } a href={ "/activity?user=" (found.person.id) } { "Record" } a href="/people" { "Somebody else" } }
    };
    let title = name(&found.person).to_owned();
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::People, &title, Pace::Still, &body)))
}

fn row(person: &FoundPerson, hub: &PersonHub) -> Markup {
    html! {
        tr {
            td.lead { div { (hub.label) small { (hub.hub) } } }
            td data-name="Should hold" { div { @match &hub.wanted { Some(role) => (role), None => span.hint { "nothing" } } } }
            td data-name="Holds" { div {
                @match hub.known {
                    Some(known) => { (words::presence(known, hub.role.as_deref())) },
                    None => span.hint { "nothing" },
                }
            } }
            td data-name="Under way" { div { @if let Some(status) = hub.task {
                @let (word, tone) = words::status(status);
                (badge(tone, word))
            } } }
            td data-name="How it came about" { div { a href={ "/hubs/" (hub.hub) "/users/" (person.id) } { "The picture" } } }
        }
    }
}
