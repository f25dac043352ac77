//! `GET /tasks/{id}`: a task with every attempt, and what a person may do about it; and tasks as rows.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::{PageActor, PageReader};
use super::layout::{self, Pace, Place};
use super::query::{PageQuery, link};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use super::{batch, item};
use crate::http::App;
use crate::http::error::Refusal;
use crate::service::ServiceError;
use crate::service::parents;
use crate::service::rules::Action;
use crate::service::task_view::{TaskDetail, TaskView};
use crate::service::tasks::{self, Act, TaskStatus};

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
    view(&caller, &app, &id, query.0, None).await
}

/// A task or a batch as it is now; above the form what was wrong in it, where it was refused.
async fn view(
    caller: &PageReader,
    app: &App,
    id: &str,
    query: Done,
    refused: Option<&str>,
) -> Result<HttpResponse, PageFailure> {
    let words = |word: &&str| caller.session.said(app, &sealed_words(id, word), query.seal.as_deref());
    let said = match query.done.as_deref().filter(words) {
        Some("retry") => Some("It will be tried again."),
        Some("done") => Some("It is noted as done by hand."),
        Some("cancel") => Some("It is withdrawn."),
        Some("item") => Some("It is noted who does it, and until when."),
        Some("undo") => Some("It is granted again: the tasks for it are on their way."),
        _ => None,
    };
    let detail = match tasks::show(&app.context, caller, id).await {
        Err(ServiceError::NotFound(_)) => return batch::show(caller, app, id, query, said, refused).await,
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
                div { dt { "In the record" } dd { (in_the_record(task)) } }
                @if let Some(hold) = &task.hold {
                    @if task.status == TaskStatus::Held { div { dt { "Held in" } dd { a href={ "/held#hold-" (hold) } { "a batch" } } } }
                }
            }
        }
        @if let Some(instructions) = task.instructions.as_ref().filter(|_| task.status.is_open()) { h2 { "What a person must do" } pre { (instructions) } }
        (attempts(&detail))
        @if caller.can(Action::ManageMembers) { (acts(caller, &detail, refused)) (item::form(caller, task)) (undo(task)) }
    };
    let pace = if task.status.is_open() && !caller.can(Action::ManageMembers) { Pace::Live } else { Pace::Still };
    Ok(reply::page(code(refused), layout::view(caller, Place::Tasks, "Task", pace, &body)))
}

/// A page that is the answer to a refused form says so.
pub(super) const fn code(refused: Option<&str>) -> StatusCode {
    match refused {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    }
}

/// The way to what else happened to whom it is about, and by the same request.
fn in_the_record(task: &TaskView) -> Markup {
    let user = task.user.as_deref();
    html! {
        a href=(link("/activity", &[("hub", Some(&task.hub)), ("user", user)])) {
            @if user.is_some() { "this person in " } (task.hub)
        }
    }
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

fn acts(caller: &PageReader, detail: &TaskDetail, refused: Option<&str>) -> Markup {
    let task = &detail.task;
    let possible = possible(task.status);
    html! {
        @if !possible.is_empty() {
            h2 { "Decide" }
            form.card method="post" action={ "/tasks/" (task.id) "/decide" } {
                @if let Some(why) = refused { p.note.bad role="alert" { (why) } }
                (layout::proof(caller))
                div {
                    label for="note" { "Note" }
                    textarea #note name="note" maxlength="2000" {}
                    @if task.status == TaskStatus::Manual { p.hint { "“Done in the app” needs a note: what was done, and by whom." } }
                    @if detail.cancel_needs_note {
                        p.hint { "The person left and is still in the app: “Withdraw” needs a note that says why they keep their access." }
                    }
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
/// 404, 409 when its status does not allow it; 400 without a note where one is needed, with the form again where
/// it is for somebody who left.
pub async fn decide(form: PageActor, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    let (word, act) = match form.fields.get("act") {
        Some("retry") => ("retry", Act::Retry),
        Some("done") => ("done", Act::Done),
        Some("cancel") => ("cancel", Act::Cancel),
        _ => return Err(Refusal::new(StatusCode::BAD_REQUEST, "act must be retry, done or cancel").into()),
    };
    let note = form.fields.get("note").map(str::to_owned);
    let acted = match tasks::act(&app.context, &form, &id, act, note.clone()).await {
        Err(ServiceError::NotFound(_)) => {
            parents::act(&app.context, &form, &id, act, note).await.map(|detail| detail.parent.id)
        }
        detail => detail.map(|detail| detail.task.id),
    };
    match acted {
        Ok(task) => Ok(after(&form, &app, &task, word)),
        Err(wrong @ ServiceError::InvalidFields(_)) => {
            view(&form.reader(), &app, &id, Done::default(), Some(&wrong.to_string())).await
        }
        Err(other) => Err(other.into()),
    }
}

/// Where a form about a task goes on, with what it did.
pub(super) fn after(form: &PageActor, app: &App, task: &str, word: &str) -> HttpResponse {
    let seal = form.session.seal_words(app, &sealed_words(task, word));
    let to = link(&format!("/tasks/{task}"), &[("done", Some(word)), ("seal", Some(&seal))]);
    reply::see_other(&to).finish()
}
