//! `GET /tasks`: tasks as they move, with how far each hub's batch is; `GET /tasks/{id}`: one of
//! them with every attempt, and what a person may do about it.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::{PageActor, PageReader};
use super::layout::{self, Pace, Place};
use super::query::{PageQuery, filled, link};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use super::{batch, item};
use crate::http::App;
use crate::http::error::Refusal;
use crate::service::ServiceError;
use crate::service::overview::{self, Depth, HubStatus};
use crate::service::page::Page;
use crate::service::parents::{self, BATCH};
use crate::service::rules::Action;
use crate::service::task_view::{TaskDetail, TaskView};
use crate::service::tasks::{self, Act, TaskKind, TaskQuery, TaskStatus};

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
    app: Option<String>,
    from: Option<String>,
    to: Option<String>,
    cursor: Option<String>,
}

/// `GET /tasks?status=&hub=&kind=&user=&app=&from=&to=`
///
/// # Errors
/// As the use case.
pub async fn list(
    caller: PageReader,
    query: PageQuery<Narrowed>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let Narrowed { status, hub, kind, user, app: of_app, from, to, cursor } = query.0;
    let narrowed = Narrowed {
        status: filled(status),
        hub: filled(hub),
        kind: filled(kind),
        user: filled(user),
        app: filled(of_app),
        from: filled(from),
        to: filled(to),
        cursor: filled(cursor),
    };
    let Narrowed { status, hub, kind, user, app: of_app, from, to, cursor } = narrowed.clone();
    let wanted = TaskQuery {
        status,
        hub,
        kind,
        user,
        app: of_app,
        from,
        to,
        cursor,
        limit: Some(SHOWN),
        ..TaskQuery::default()
    };
    let now = overview::overview(&app.context, &caller, Depth::Glance).await?;
    let (list, next) = if wanted.kind.as_deref() == Some(BATCH) {
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
        (filters(&narrowed, &now.hubs))
        (batches(&narrowed, &now.hubs))
        (list)
        (pages(&narrowed, next.as_deref()))
    };
    // A page further back stands still: its reader is looking for something.
    let pace = if narrowed.cursor.is_some() { Pace::Still } else { Pace::Live };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Tasks, "Tasks", pace, &body)))
}

fn filters(narrowed: &Narrowed, hubs: &[HubStatus]) -> Markup {
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
            @if let Some(user) = &narrowed.user { input type="hidden" name="user" value=(user); }
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

/// Tasks as rows.
pub fn table(tasks: &[TaskView], now: &str) -> Markup {
    html! {
        table.rows #tasks {
            thead { tr {
                th scope="col" { "Person" } th scope="col" { "What" } th scope="col" { "Hub" }
                th scope="col" { "Status" } th scope="col" { "Last moved" }
            } }
            tbody {
                @for task in tasks { (row(task, now)) }
            }
        }
    }
}

fn how_many(page: &Page<TaskView>) -> String {
    let shown = i64::try_from(page.items.len()).unwrap_or(i64::MAX);
    match page.next {
        Some(_) => format!("{} shown; there are older ones", words::count(shown, "task", "tasks")),
        None => words::count(shown, "task", "tasks"),
    }
}

fn row(task: &TaskView, now: &str) -> Markup {
    let (word, tone) = words::status(task.status);
    html! {
        tr id={ "task-" (task.id) } {
            td.lead { div { (person(task)) } }
            td data-name="What" { div { a href={ "/tasks/" (task.id) } { (words::kind(task.kind, task.role.as_deref())) }
                small { (words::plain(&task.cause)) } } }
            td data-name="Hub" { div { (task.hub) } }
            td data-name="Status" { div {
                (badge(tone, word))
                @if task.attempts > 1 { small { (words::count(i64::from(task.attempts), "attempt", "attempts")) } }
                @if let Some(error) = task.error.as_ref().filter(|_| task.status != TaskStatus::Completed) {
                    small.error { (words::plain(&error.class)) }
                }
            } }
            td data-name="Last moved" { div { (words::ago(&task.modified, now)) } }
        }
    }
}

/// Whom it is about, with the way to the whole picture.
pub fn person(task: &TaskView) -> Markup {
    let name = task.person.name.as_deref().unwrap_or(&task.person.user_name);
    let name = if name.is_empty() { task.subject.as_str() } else { name };
    html! {
        @match &task.user {
            Some(user) => a href={ "/hubs/" (task.hub) "/users/" (user) } { (name) },
            None => (name),
        }
        @if task.person.user_name != name { small { (task.person.user_name) } }
    }
}

fn pages(narrowed: &Narrowed, next: Option<&str>) -> Markup {
    let to = |cursor: Option<&str>| {
        let of = |field: &'static str, value: &Option<String>| (field, value.clone());
        let fields = [
            of("status", &narrowed.status),
            of("hub", &narrowed.hub),
            of("kind", &narrowed.kind),
            of("user", &narrowed.user),
            of("app", &narrowed.app),
            of("from", &narrowed.from),
            of("to", &narrowed.to),
            ("cursor", cursor.map(str::to_owned)),
        ];
        link("/tasks", &fields.iter().map(|(name, value)| (*name, value.as_deref())).collect::<Vec<_>>())
    };
    html! {
        p.pages {
            @if narrowed.cursor.is_some() { a href=(to(None)) { "Newest" } }
            @if let Some(next) = next { a rel="next" href=(to(Some(next))) { "Older" } }
        }
    }
}

/// What a form did, as a word in the address after it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    done: Option<String>,
    seal: Option<String>,
    /// Of a parent: which of its children.
    pub status: Option<String>,
    /// Of a parent: where its children go on.
    pub cursor: Option<String>,
}

/// What the seal of such a word covers.
fn sealed_words(task: &str, word: &str) -> String {
    format!("task {task} {word}")
}

/// `GET /tasks/{id}`
///
/// # Errors
/// 404.
pub async fn show(
    caller: PageReader,
    id: web::Path<String>,
    query: PageQuery<Done>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let words = |word: &&str| caller.session.said(&app, &sealed_words(&id, word), query.0.seal.as_deref());
    let said = match query.0.done.as_deref().filter(words) {
        Some("retry") => Some("It will be tried again."),
        Some("done") => Some("It is noted as done by hand."),
        Some("cancel") => Some("It is withdrawn."),
        Some("item") => Some("It is noted who does it, and until when."),
        Some("undo") => Some("It is granted again: the tasks for it are on their way."),
        _ => None,
    };
    let detail = match tasks::show(&app.context, &caller, &id).await {
        Err(ServiceError::NotFound(_)) => return batch::show(&caller, &app, &id, query.0, said).await,
        detail => detail?,
    };
    let task = &detail.task;
    let (word, tone) = words::status(task.status);
    let body = html! {
        @if let Some(said) = said { p.note.good role="status" { (said) } }
        div.title { h1 { (words::kind(task.kind, task.role.as_deref())) } (badge(tone, word)) }
        section.card {
            dl {
                div { dt { "Person" } dd { (person(task)) } }
                div { dt { "Hub" } dd { a href={ "/tasks?hub=" (task.hub) } { (task.hub) } } }
                div { dt { "Why" } dd { (words::plain(&task.cause)) } }
                @for reason in &task.reasons { div { dt { "Mapping" } dd { (reason.subject) " gives " (reason.app_role) } } }
                @if let Some(error) = &task.error {
                    div { dt { "Last failure" } dd { (badge(Tone::Bad, &words::plain(&error.class)))
                        @if let Some(detail) = &error.detail { small { " " (detail) } } } }
                }
                div { dt { "Planned" } dd { (words::at(&task.created)) } }
                @if let Some(parent) = &task.parent { div { dt { "Part of" } dd { a href={ "/tasks/" (parent) } { "a batch" } } } }
                @if let Some(owner) = &task.owner { div { dt { "Owner" } dd { (owner.name) } } }
                @if let Some(due) = &task.due {
                    div { dt { "Due" } dd { (words::at(due)) @if task.overdue { " " (badge(Tone::Bad, "overdue")) } } }
                }
                @if let Some(at) = &task.finished { div { dt { "Closed" } dd { (words::at(at)) } } }
                @if let Some(by) = &task.finished_by { div { dt { "Closed by" } dd { (by) } } }
                @if let Some(note) = &task.note { div { dt { "Note" } dd { (note) } } }
                @if let Some(hold) = &task.hold {
                    @if task.status == TaskStatus::Held { div { dt { "Held in" } dd { a href={ "/held#hold-" (hold) } { "a batch" } } } }
                }
            }
        }
        @if let Some(instructions) = task.instructions.as_ref().filter(|_| task.status.is_open()) { h2 { "What a person must do" } pre { (instructions) } }
        (attempts(&detail))
        @if caller.can(Action::ManageMembers) { (acts(&caller, task)) (item::form(&caller, task)) (undo(task)) }
    };
    let pace = if task.status.is_open() && !caller.can(Action::ManageMembers) { Pace::Live } else { Pace::Still };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Tasks, "Task", pace, &body)))
}

/// Every try, first to last.
pub fn attempts(detail: &TaskDetail) -> Markup {
    html! {
        h2 { "Attempts" }
        @if detail.tries.is_empty() { p.empty { "Not tried yet." } }
        @else {
            table.rows {
                thead { tr { th scope="col" { "#" } th scope="col" { "Began" } th scope="col" { "Ended" } th scope="col" { "How" } } }
                tbody { @for attempt in &detail.tries { tr {
                    td.lead { div { (attempt.number) } }
                    td data-name="Began" { div { (words::at(&attempt.started)) } }
                    td data-name="Ended" { div { @match &attempt.finished { Some(at) => (words::at(at)), None => "runs" } } }
                    td data-name="How" { div {
                        (words::plain(attempt.outcome.as_deref().unwrap_or("under way")))
                        @if let Some(error) = &attempt.error {
                            small.error { (words::plain(&error.class)) @if let Some(detail) = &error.detail { ": " (detail) } }
                        }
                    } }
                } } }
            }
        }
    }
}

/// What a task's status lets a person do.
const fn possible(status: TaskStatus) -> &'static [(&'static str, &'static str)] {
    match status {
        TaskStatus::Manual => &[("done", "Done in the app"), ("retry", "Try again"), ("cancel", "Withdraw")],
        TaskStatus::Queued | TaskStatus::Retrying | TaskStatus::Waiting => {
            &[("retry", "Try now"), ("cancel", "Withdraw")]
        }
        TaskStatus::Held => &[("cancel", "Withdraw")],
        TaskStatus::NotCompleted | TaskStatus::Cancelled => &[("retry", "Try again")],
        TaskStatus::Started | TaskStatus::Running | TaskStatus::Completed | TaskStatus::Superseded => &[],
    }
}

fn acts(caller: &PageReader, task: &TaskView) -> Markup {
    let possible = possible(task.status);
    html! {
        @if !possible.is_empty() {
            h2 { "Decide" }
            form.card method="post" action={ "/tasks/" (task.id) "/decide" } {
                (layout::proof(caller))
                div {
                    label for="note" { "Note" }
                    textarea #note name="note" maxlength="2000" {}
                    @if task.status == TaskStatus::Manual { p.hint { "“Done in the app” needs a note: what was done, and by whom." } }
                }
                div.actions {
                    @for (act, words) in possible {
                        button.danger[*act == "cancel"] type="submit" name="act" value=(act) { (words) }
                    }
                }
            }
        }
    }
}

/// The way back of what took something away.
fn undo(task: &TaskView) -> Markup {
    html! {
        @if task.can_undo {
            h2 { "Taken by mistake?" }
            p.actions #undo {
                a.button href={ "/tasks/" (task.id) "/undo" } { "Undo …" }
                @if let Some(hold) = &task.hold {
                    a.button href={ "/held/" (hold) "/undo" } { "Undo all that was released with it …" }
                }
            }
        }
    }
}

/// `POST /tasks/{id}/decide`: `act` is `retry`, `done` or `cancel`.
///
/// # Errors
/// 404, 400 without a note where one is needed, 409 when its status does not allow it.
pub async fn decide(form: PageActor, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    let (word, act) = match form.fields.get("act") {
        Some("retry") => ("retry", Act::Retry),
        Some("done") => ("done", Act::Done),
        Some("cancel") => ("cancel", Act::Cancel),
        _ => return Err(Refusal::new(StatusCode::BAD_REQUEST, "act must be retry, done or cancel").into()),
    };
    let note = form.fields.get("note").map(str::to_owned);
    let task = match tasks::act(&app.context, &form, &id, act, note.clone()).await {
        Err(ServiceError::NotFound(_)) => parents::act(&app.context, &form, &id, act, note).await?.parent.id,
        detail => detail?.task.id,
    };
    Ok(after(&form, &app, &task, word))
}

/// Where a form about a task goes on, with what it did.
pub(super) fn after(form: &PageActor, app: &App, task: &str, word: &str) -> HttpResponse {
    let seal = form.session.seal_words(app, &sealed_words(task, word));
    let to = link(&format!("/tasks/{task}"), &[("done", Some(word)), ("seal", Some(&seal))]);
    reply::see_other(&to).finish()
}
