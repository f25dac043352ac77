//! `GET /tasks/{id}` of a parent: what one cause made in one hub, failures first; and parents as rows
//! of the list.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::access::PageReader;
use super::layout::{self, Pace, Place};
use super::query::link;
use super::reply::{self, PageFailure};
use super::tasks::{Done, code, person, table as task_table};
use super::words::{self, badge};
use crate::auth::Scope;
use crate::http::App;
use crate::service::parents::{self, ChildrenQuery, ParentView, Progress};
use crate::service::rules::Action;
use crate::service::tasks::TaskStatus;

/// Children on a page.
const SHOWN: usize = 50;

/// One parent.
///
/// # Errors
/// 404.
pub async fn show(
    caller: &PageReader,
    app: &App,
    id: &str,
    query: Done,
    said: Option<&str>,
    refused: Option<&str>,
) -> Result<HttpResponse, PageFailure> {
    let further = query.cursor.is_some();
    let wanted = ChildrenQuery { status: query.status, limit: Some(SHOWN), cursor: query.cursor };
    let detail = parents::show(&app.context, caller, id, wanted).await?;
    let (parent, now) = (&detail.parent, app.clock.now().to_rfc3339());
    let (word, tone) = words::status(parent.status);
    let body = html! {
        @if let Some(said) = said { p.note.good role="status" { (said) } }
        div.title { h1 { "Batch: " (words::plain(&parent.cause)) } (badge(tone, word)) }
        section.card {
            (progress(parent))
            dl {
                div { dt { "Hub" } dd { a href={ "/hubs/" (parent.hub) } { (parent.hub) } } }
                div { dt { "Why" } dd { (words::plain(&parent.cause)) } }
                div { dt { "Request" } dd { (parent.request_id) } }
                div { dt { "Planned" } dd { (words::at(&parent.created)) } }
            }
        }
        @if !detail.failed.is_empty() {
            h2 { "Failed" }
            ul.list #failed {
                @for task in &detail.failed {
                    li {
                        (person(task)) " "
                        a href={ "/tasks/" (task.id) } { (words::kind(task.kind, task.role.as_deref())) }
                        @if let Some(failure) = &task.failure {
                            p { @if let Some(detail) = &failure.detail { (detail) ". " } (failure.remedy) }
                        }
                    }
                }
            }
        }
        h2 { "Each person" }
        @if detail.children.items.is_empty() { p.empty { "No tasks here." } }
        @else { (task_table(&detail.children.items, &now)) }
        p.pages {
            @if further { a href={ "/tasks/" (parent.id) } { "Newest" } }
            @if let Some(next) = &detail.children.next {
                a rel="next" href=(link(&format!("/tasks/{}", parent.id), &[("cursor", Some(next))])) { "Older" }
            }
        }
        @if caller.scope == Scope::Admin { (acts(caller, parent, refused)) }
        @if caller.can(Action::ManageMembers) && detail.children.items.iter().any(|task| task.can_undo) {
            h2 { "Taken by mistake?" }
            p.actions #undo { a.button href={ "/tasks/" (parent.id) "/undo" } { "Undo all of it …" } }
        }
    };
    let moves = parent.progress.open > 0 && caller.scope != Scope::Admin && !further;
    let pace = if moves { Pace::Live } else { Pace::Still };
    Ok(reply::page(code(refused), layout::view(caller, Place::Tasks, "Batch", pace, &body)))
}

fn acts(caller: &PageReader, parent: &ParentView, refused: Option<&str>) -> Markup {
    let Progress { failed, open, .. } = parent.progress;
    let retries = failed > 0 || parent.status == TaskStatus::Retrying || parent.status == TaskStatus::Manual;
    html! {
        @if retries || open > 0 {
            h2 { "Decide" }
            form.card method="post" action={ "/tasks/" (parent.id) "/decide" } {
                @if let Some(why) = refused { p.note.bad role="alert" { (why) } }
                (layout::proof(caller))
                div {
                    label for="note" { "Note" }
                    textarea #note name="note" maxlength="2000" {}
                    p.hint { "It goes for every person of this batch: what failed is tried again, what is open and not being done is withdrawn. "
                        "Where that lets somebody who left stay in the app, a note must say why; one serves all." }
                }
                div.actions {
                    @if retries { button type="submit" name="act" value="retry" { "Try again what failed" } }
                    @if open > 0 { button.danger type="submit" name="act" value="cancel" { "Withdraw what is open" } }
                }
            }
        }
    }
}

/// How far it is, in numbers and as a bar.
fn progress(parent: &ParentView) -> Markup {
    let Progress { total, done, failed, open, withdrawn } = parent.progress;
    html! {
        div.progress {
            span {
                (words::grouped(done)) " of " (words::count(total, "person", "people")) " done"
                @if failed > 0 { ", " (words::grouped(failed)) " failed" }
                @if open > 0 { ", " (words::grouped(open)) " open" }
                @if withdrawn > 0 { ", " (words::grouped(withdrawn)) " withdrawn" }
            }
            progress max=(total.max(1)) value=(total - open) aria-label={ "Batch of " (parent.hub) } { (total - open) " of " (total) }
        }
    }
}

/// Parents as rows.
pub fn rows(parents: &[ParentView], now: &str) -> Markup {
    html! {
        table.rows #parents {
            thead { tr {
                th scope="col" { "Batch" } th scope="col" { "Hub" } th scope="col" { "Status" }
                th scope="col" { "Progress" } th scope="col" { "Planned" }
            } }
            tbody { @for parent in parents {
                @let (word, tone) = words::status(parent.status);
                tr id={ "parent-" (parent.id) } {
                    td.lead { div { a href={ "/tasks/" (parent.id) } { (words::plain(&parent.cause)) } } }
                    td data-name="Hub" { div { (parent.hub) } }
                    td data-name="Status" { div { (badge(tone, word)) } }
                    td data-name="Progress" { div { (progress(parent)) } }
                    td data-name="Planned" { div { (words::ago(&parent.created, now)) } }
                }
            } }
        }
    }
}
