//! `GET /manual`: what people must do in the apps, over all hubs, each with its steps and the form
//! that notes it as done.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::PageReader;
use super::layout::{self, Pace, Place};
use super::query::{PageQuery, filled, link};
use super::reply::{self, PageFailure};
use super::tasks::person;
use super::words::{self, Tone, badge};
use crate::http::App;
use crate::service::page::Page;
use crate::service::rules::Action;
use crate::service::task_view::TaskView;
use crate::service::tasks::{self, TaskQuery, TaskStatus};

/// Items on a page: each takes a person minutes.
const SHOWN: usize = 20;

/// What the list is narrowed to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowed {
    hub: Option<String>,
    overdue: Option<bool>,
    cursor: Option<String>,
}

/// `GET /manual?hub=&overdue=`
///
/// # Errors
/// As the use case.
pub async fn list(
    caller: PageReader,
    query: PageQuery<Narrowed>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let (hub, cursor, overdue) = (filled(query.0.hub), filled(query.0.cursor), query.0.overdue);
    let wanted = TaskQuery {
        status: Some(TaskStatus::Manual.as_str().to_owned()),
        hub: hub.clone(),
        overdue,
        cursor: cursor.clone(),
        limit: Some(SHOWN),
        ..TaskQuery::default()
    };
    let page = tasks::list(&app.context, &caller, wanted).await?;
    let now = app.clock.now().to_rfc3339();
    let mine = caller.can_in(&app, Action::ManageMembers, page.items.iter().map(|item| &item.hub)).await?;
    let body = html! {
        h1 { "By hand" }
        p.hint { "What automation cannot do in an app. Do the steps there, then note it as done; where the app can be read, "
            "the next sync closes the item by itself." }
        @if let Some(hub) = &hub { p { "Of hub " a href={ "/hubs/" (hub) } { (hub) } " only. " a href="/manual" { "All hubs" } } }
        @if overdue == Some(true) { p { "Overdue only. " a href=(link("/manual", &[("hub", hub.as_deref())])) { "All" } } }
        @else { p { a href=(link("/manual", &[("hub", hub.as_deref()), ("overdue", Some("true"))])) { "Overdue only" } } }
        @if page.items.is_empty() { p.empty { "Nothing to do by hand." } }
        div.cards #manual { @for item in &page.items { (card(&caller, item, mine.contains(&item.hub), &now)) } }
        (pages(hub.as_deref(), overdue == Some(true), cursor.is_some(), &page))
    };
    // Somebody may be writing a note: it stands still where there are forms.
    let pace = if !mine.is_empty() { Pace::Still } else { Pace::Live };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Manual, "By hand", pace, &body)))
}

fn card(caller: &PageReader, item: &TaskView, mine: bool, now: &str) -> Markup {
    html! {
        article.card id={ "item-" (item.id) } {
            header { h3 { a href={ "/tasks/" (item.id) } { (words::kind(item.kind, item.role.as_deref())) } } }
            p.hint { a href={ "/hubs/" (item.hub) } { (item.hub) } " · since " (words::ago(&item.created, now)) }
            p { (person(item)) }
            p.hint {
                @if let Some(owner) = &item.owner { "Owner: " (owner.name) }
                @if let Some(due) = &item.due {
                    @if item.owner.is_some() { " · " }
                    "due " (words::at(due)) @if item.overdue { " " (badge(Tone::Bad, "overdue")) }
                }
            }
            @if let Some(detail) = item.error.as_ref().and_then(|error| error.detail.as_deref()) { p.hint { "Why not by machine: " (detail) } }
            @if let Some(steps) = &item.instructions { pre { (steps) } }
            @if mine {
                form method="post" action={ "/tasks/" (item.id) "/decide" } {
                    (layout::proof(caller))
                    div {
                        label for={ "note-" (item.id) } { "What was done, and by whom" }
                        input id={ "note-" (item.id) } type="text" name="note" maxlength="2000" required;
                    }
                    button type="submit" name="act" value="done" { "Done in the app" }
                }
            }
        }
    }
}

fn pages(hub: Option<&str>, overdue: bool, further: bool, page: &Page<TaskView>) -> Markup {
    let overdue = overdue.then_some("true");
    html! {
        p.pages {
            @if further { a href=(link("/manual", &[("hub", hub), ("overdue", overdue)])) { "Newest" } }
            @if let Some(next) = &page.next { a rel="next" href=(link("/manual", &[("hub", hub), ("overdue", overdue), ("cursor", Some(next))])) { "Older" } }
        }
    }
}
