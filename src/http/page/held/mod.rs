//! `GET /held`: batches that the guard holds. Releasing and rejecting each have a page of their own
//! that shows who and why before anything happens, and go on with what came of it.

mod asking;

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

pub use self::asking::{ask, decide};
use super::access::{PageActor, PageReader};
use super::decided;
use super::layout::{self, Pace, Place};
use super::query::{PageQuery, link};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use crate::http::App;
use crate::service::held::{self, Held, HoldView};
use crate::service::rules::Action;
use crate::service::task_view::TaskView;

/// People of a batch that the list shows; its own page shows more.
const GLIMPSE: usize = 5;

/// What a form did, in words of ours after it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    done: Option<String>,
    hub: Option<String>,
    left: Option<i64>,
    /// Of a release: tasks that stay held for another reason.
    kept: Option<i64>,
    seal: Option<String>,
}

/// What the seal of such words covers. A hub's name has no line feed.
fn sealed_words(done: &str, hub: &str, left: Option<i64>, kept: Option<i64>) -> String {
    let word = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    format!("held\n{done}\n{hub}\n{}\n{}", word(left), word(kept))
}

/// Where a form goes on, with what it did.
pub(super) fn after(form: &PageActor, app: &App, done: &str, hub: &str, left: Option<i64>, kept: i64) -> HttpResponse {
    let kept = (kept > 0).then_some(kept);
    let seal = form.session.seal_words(app, &sealed_words(done, hub, left, kept));
    let (left, kept) = (left.map(|left| left.to_string()), kept.map(|kept| kept.to_string()));
    let words = [
        ("done", Some(done)),
        ("hub", (!hub.is_empty()).then_some(hub)),
        ("left", left.as_deref()),
        ("kept", kept.as_deref()),
        ("seal", Some(&seal)),
    ];
    reply::see_other(&link("/held", &words)).finish()
}

/// `GET /held`
///
/// # Errors
/// As the use case.
pub async fn list(
    caller: PageReader,
    query: PageQuery<Done>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let held = held::list(&app.context, &caller).await?;
    let now = app.clock.now().to_rfc3339();
    let offers = Offers::of(&caller, &app, &held).await?;
    let Done { done, hub, left, kept, seal } = &query.0;
    let words = sealed_words(done.as_deref().unwrap_or_default(), hub.as_deref().unwrap_or_default(), *left, *kept);
    let is_ours = caller.session.said(&app, &words, seal.as_deref());
    let body = html! {
        @if is_ours { (said(&query.0)) }
        h1 { "Held" }
        p.hint { "The guard stops what takes away much at once, or the last of something. Everything else goes on. "
            "Nothing here happens until a person releases it." }
        @if held.items.is_empty() { p.empty { "Nothing is held." } }
        div.cards.held {
            @for batch in &held.items { (card(&offers, batch, &now)) }
        }
        (decided::passes(&caller, &offers, &held.passes))
        (decided::list(&offers, &held.decided, &now))
    };
    // Its last form's result stays until the reader goes on.
    let pace = if is_ours { Pace::Still } else { Pace::Live };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Held, "Held", pace, &body)))
}

fn said(done: &Done) -> Markup {
    let word = match done.done.as_deref() {
        Some("released") => "Released",
        Some("rejected") => "Rejected",
        Some("granted") => "Granted again",
        Some("ended") => "It is held again from now on",
        _ => return html! {},
    };
    html! {
        p.note.good role="status" {
            b { (word) "." }
            @if let Some(hub) = &done.hub { " Hub " (hub) ": " }
            @match done.left {
                Some(left) if left > 0 => { (words::count(left, "task is", "tasks are")) " still held." }
                Some(_) => "nothing of this batch is left to decide.",
                None => "",
            }
            @if let Some(kept) = done.kept {
                " " (words::count(kept, "task stays", "tasks stay")) " held in another batch: there is the last admin or "
                "owner to lose, or no seat left."
            }
        }
    }
}

/// The hubs in which this reader may decide, and those in which they may let a protected change out.
pub(super) struct Offers {
    decide: BTreeSet<String>,
    protect: BTreeSet<String>,
}

impl Offers {
    async fn of(caller: &PageReader, app: &App, held: &Held) -> Result<Self, PageFailure> {
        let hubs = || {
            let passes = held.passes.iter().map(|one| &one.hub);
            held.items.iter().map(|one| &one.hub).chain(passes).chain(held.decided.iter().map(|one| &one.hub))
        };
        Ok(Self {
            decide: caller.can_in(app, Action::ManageMembers, hubs()).await?,
            protect: caller.can_in(app, Action::ProtectMembers, hubs()).await?,
        })
    }

    fn releases(&self, batch: &HoldView) -> bool {
        let of = if batch.releasing() == Action::ProtectMembers { &self.protect } else { &self.decide };
        of.contains(&batch.hub)
    }

    pub(super) fn decides(&self, hub: &str) -> bool {
        self.decide.contains(hub)
    }
}

fn card(offers: &Offers, batch: &HoldView, now: &str) -> Markup {
    html! {
        article.card id={ "hold-" (batch.id) } {
            header { h3 { (batch.hub) } (badge(Tone::Wait, &words::count(batch.total, "task", "tasks"))) }
            p.hint { "since " (words::ago(&batch.created, now)) }
            p { (capital(batch.why)) "." }
            ul.people {
                @for (number, task) in (0..).zip(batch.tasks.iter().take(GLIMPSE)) {
                    li {
                        (person_line(task, number < batch.leavers))
                        @if let Some(given) = batch.protections.get(&task.id) { span.hint { " · “" (given.reason) "”, by " (given.by) } }
                    }
                }
                @if batch.tasks.len() > GLIMPSE {
                    li.hint { "and " (words::grouped(batch.total.saturating_sub(i64::try_from(GLIMPSE).unwrap_or(0)))) " more" }
                }
            }
            div.actions {
                @if offers.releases(batch) {
                    a.button.primary href={ "/held/" (batch.id) "/release" } { "Release …" }
                }
                @if offers.decides(&batch.hub) {
                    a.button.danger href={ "/held/" (batch.id) "/reject" } { "Reject …" }
                } @else {
                    a.button href={ "/tasks?status=held&hub=" (batch.hub) } { "All of them" }
                }
            }
        }
    }
}

fn person_line(task: &TaskView, left: bool) -> Markup {
    let name = task.person.name.as_deref().unwrap_or(&task.person.user_name);
    html! {
        (name) span.hint { " · " (words::kind(task.kind, task.role.as_deref())) }
        @if left { " " (badge(Tone::Bad, "leaver")) }
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
