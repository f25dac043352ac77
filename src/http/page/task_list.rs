//! `GET /tasks`: tasks as they move, with how far each hub's batch is.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::PageReader;
use super::asked::{self, Asked};
use super::batch;
use super::layout::{self, Pace, Place};
use super::query::{PageQuery, filled, link};
use super::reply::{self, PageFailure};
use super::tasks::table;
use super::words;
use crate::http::App;
use crate::service::overview::{self, Depth, HubStatus};
use crate::service::page::Page;
use crate::service::parents::{self, BATCH};
use crate::service::task_view::TaskView;
use crate::service::tasks::{self, TaskKind, TaskQuery, TaskStatus};

/// Tasks on a page: what a person looks over, and what is cheap to read every two seconds.
const SHOWN: usize = 50;

/// What the list is narrowed to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowed {
    status: Option<String>,
    hub: Option<String>,
    kind: Option<String>,
    user: Option<String>,
    /// Whom somebody typed; stands above `user`.
    person: Option<String>,
    app: Option<String>,
    from: Option<String>,
    to: Option<String>,
    cursor: Option<String>,
}

/// `GET /tasks?status=&hub=&kind=&person=&user=&app=&from=&to=`
///
/// # Errors
/// As the use case.
pub async fn list(
    caller: PageReader,
    query: PageQuery<Narrowed>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let Narrowed { status, hub, kind, user, person, app: of_app, from, to, cursor } = query.0;
    let mut narrowed = Narrowed {
        status: filled(status),
        hub: filled(hub),
        kind: filled(kind),
        user: None,
        person: None,
        app: filled(of_app),
        from: filled(from),
        to: filled(to),
        cursor: filled(cursor),
    };
    let asked = asked::person(&caller, &app, filled(person), filled(user)).await?;
    match asked.in_links() {
        Some(("user", id)) => narrowed.user = Some(id),
        Some((_, text)) => narrowed.person = Some(text),
        None => {}
    }
    let Narrowed { status, hub, kind, app: of_app, from, to, cursor, .. } = narrowed.clone();
    let wanted = TaskQuery {
        status,
        hub,
        kind,
        user: asked.id(),
        app: of_app,
        from,
        to,
        cursor,
        limit: Some(SHOWN),
        ..TaskQuery::default()
    };
    let now = overview::overview(&app.context, &caller, Depth::Glance).await?;
    let (list, next) = if !asked.is_clear() {
        (asked.choice(|id| address(&Narrowed { user: Some(id.to_owned()), ..narrowed.clone() }, None)), None)
    } else if wanted.kind.as_deref() == Some(BATCH) {
        // A parent has a hub and nothing else that the form asks for.
        let TaskQuery { hub, kind, cursor, limit, .. } = wanted;
        let wanted = TaskQuery { hub, kind, cursor, limit, ..TaskQuery::default() };
        let page = parents::list(&app.context, &caller, wanted).await?;
        let empty = page.items.is_empty();
        let list =
            html! { @if empty { p.empty { "No batches here." } } @else { (batch::rows(&page.items, &now.now)) } };
        (list, page.next)
    } else {
        let page = tasks::list(&app.context, &caller, wanted).await?;
        (rows(&page, &now.now), page.next)
    };
    let body = html! {
        h1 { "Tasks" }
        (filters(&narrowed, &asked, &now.hubs))
        (batches(&narrowed, &now.hubs))
        (list)
        (pages(&narrowed, next.as_deref()))
    };
    // A page further back stands still: its reader is looking for something.
    let pace = if narrowed.cursor.is_some() { Pace::Still } else { Pace::Live };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Tasks, "Tasks", pace, &body)))
}

fn filters(narrowed: &Narrowed, asked: &Asked, hubs: &[HubStatus]) -> Markup {
    let status = narrowed.status.as_deref().unwrap_or_default();
    let apps: BTreeSet<&str> = hubs.iter().map(|hub| hub.app.as_str()).collect();
    html! {
        form.filters method="get" action="/tasks" {
            div {
                label for="status" { "Status" }
                select #status name="status" {
                    option value="" selected[status.is_empty()] { "all" }
                    option value="open" selected[status == "open"] { "open" }
                    @for one in TaskStatus::ALL {
                        option value=(one.as_str()) selected[status == one.as_str()] { (words::status(one).0) }
                    }
                }
            }
            div {
                label for="hub" { "Hub" }
                select #hub name="hub" {
                    option value="" { "all" }
                    @for hub in hubs {
                        option value=(hub.id) selected[narrowed.hub.as_deref() == Some(hub.id.as_str())] { (hub.label) }
                    }
                }
            }
            div {
                label for="kind" { "Kind" }
                select #kind name="kind" {
                    option value="" { "all" }
                    option value=(BATCH) selected[narrowed.kind.as_deref() == Some(BATCH)] { "batches" }
                    @for one in TaskKind::ALL {
                        option value=(one.as_str()) selected[narrowed.kind.as_deref() == Some(one.as_str())] {
                            (words::kind(one, None))
                        }
                    }
                }
            }
            div {
                label for="app" { "App" }
                select #app name="app" {
                    option value="" { "all" }
                    @for app in &apps { option value=(app) selected[narrowed.app.as_deref() == Some(app)] { (app) } }
                }
            }
            div { label for="from" { "From (UTC)" } input #from type="date" name="from" value=[narrowed.from.as_deref()]; }
            div { label for="to" { "To (UTC)" } input #to type="date" name="to" value=[narrowed.to.as_deref()]; }
            (asked.field())
            button type="submit" { "Show" }
        }
    }
}

/// How far the batches under way are.
fn batches(narrowed: &Narrowed, hubs: &[HubStatus]) -> Markup {
    let shown = hubs.iter().filter(|hub| narrowed.hub.as_deref().is_none_or(|only| only == hub.id));
    html! {
        div #batches {
            @for hub in shown {
                @if let Some(batch) = hub.progress {
                    div.progress id={ "batch-" (hub.id) } {
                        span { b { (hub.label) } ": " (words::grouped(batch.done)) " of " (words::grouped(batch.total)) " tasks" }
                        progress max=(batch.total) value=(batch.done) aria-label={ "Batch of " (hub.label) } {
                            (batch.done) " of " (batch.total)
                        }
                    }
                }
            }
        }
    }
}

fn rows(page: &Page<TaskView>, now: &str) -> Markup {
    html! {
        p.hint #count aria-live="polite" { (how_many(page)) }
        @if page.items.is_empty() { p.empty { "No tasks here." } }
        @else { (table(&page.items, now)) }
    }
}

fn how_many(page: &Page<TaskView>) -> String {
    let shown = i64::try_from(page.items.len()).unwrap_or(i64::MAX);
    match page.next {
        Some(_) => format!("{} shown; there are older ones", words::count(shown, "task", "tasks")),
        None => words::count(shown, "task", "tasks"),
    }
}

/// The address of the list narrowed like this.
fn address(narrowed: &Narrowed, cursor: Option<&str>) -> String {
    let of = |field: &'static str, value: &Option<String>| (field, value.clone());
    let fields = [
        of("status", &narrowed.status),
        of("hub", &narrowed.hub),
        of("kind", &narrowed.kind),
        of("user", &narrowed.user),
        of("person", &narrowed.person),
        of("app", &narrowed.app),
        of("from", &narrowed.from),
        of("to", &narrowed.to),
        ("cursor", cursor.map(str::to_owned)),
    ];
    link("/tasks", &fields.iter().map(|(name, value)| (*name, value.as_deref())).collect::<Vec<_>>())
}

fn pages(narrowed: &Narrowed, next: Option<&str>) -> Markup {
    html! {
        p.pages {
            @if narrowed.cursor.is_some() { a href=(address(narrowed, None)) { "Newest" } }
            @if let Some(next) = next { a rel="next" href=(address(narrowed, Some(next))) { "Older" } }
        }
    }
}
