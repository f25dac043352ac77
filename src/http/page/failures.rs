//! The card of failures on the overview, and `POST /failures/read` behind its button (R6.8).

use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::access::{PageActor, PageReader};
use super::layout;
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use crate::auth::Scope;
use crate::http::App;
use crate::service::failures::{self, FailureGroup, Failures, ReadBody};

/// A group in words, and the list of its tasks that failed.
const fn words_of(group: FailureGroup) -> (&'static str, &'static str) {
    match group {
        FailureGroup::UserAccessTermination => ("Taking access away", "/tasks?kind=remove&status=not_completed"),
        FailureGroup::UserAccessManagement => ("Giving and changing access", "/tasks?status=not_completed"),
        FailureGroup::RoutineSync => ("Reading the apps", "/tasks?kind=sync&status=not_completed"),
    }
}

/// What failed in the last seven days; nothing where nothing did.
pub fn card(caller: &PageReader, failures: &Failures, now: &str) -> Markup {
    let unread: i64 = failures.groups.iter().map(|group| group.unread).sum();
    html! {
        @if failures.groups.iter().any(|group| group.failures > 0) {
            section #failures {
                h2 { "Failures of the last seven days" }
                ul.list {
                    @for group in failures.groups.iter().filter(|group| group.failures > 0) {
                        @let (words, all) = words_of(group.group);
                        li id={ "failures-" (group.group.as_str()) } {
                            b { (words) } ": " a href=(all) { (words::count(group.failures, "task", "tasks")) } " "
                            @if group.unread > 0 { (badge(Tone::Bad, &format!("{} new", words::grouped(group.unread)))) }
                            @for task in &group.newest {
                                p.hint {
                                    a href={ "/tasks/" (task.id) } { (words::kind(task.kind, task.role.as_deref())) } ", "
                                    (task.hub) ", " (words::ago(&task.modified, now))
                                    @if let Some(failure) = &task.failure { ": " (failure.remedy) }
                                }
                            }
                        }
                    }
                }
                @if unread > 0 && caller.scope == Scope::Admin {
                    form method="post" action="/failures/read" {
                        (layout::proof(caller))
                        button type="submit" { "Mark as read" }
                    }
                }
            }
        }
    }
}

/// `POST /failures/read`: all of them.
///
/// # Errors
/// As the use case.
pub async fn read(form: PageActor, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    failures::mark_read(&app.context, &form, ReadBody::default()).await?;
    Ok(reply::see_other("/").finish())
}
