//! What persons decided at the guard: what they let pass for a while, and batches decided lately, with the
//! way back where something was taken.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::access::{PageActor, PageReader};
use super::held::{self as held_page, Offers, capital};
use super::layout;
use super::query::link;
use super::record_words::author;
use super::reply::PageFailure;
use super::words::{self, Tone, badge};
use crate::http::App;
use crate::service::decided::DecidedView;
use crate::service::held::{self, PassView};

/// Batches decided lately.
pub(super) fn list(offers: &Offers, decided: &[DecidedView], now: &str) -> Markup {
    html! {
        @if !decided.is_empty() {
            h2 { "Decided lately" }
            ul.list #decided {
                @for one in decided { (line(offers, one, now)) }
            }
        }
    }
}

fn line(offers: &Offers, one: &DecidedView, now: &str) -> Markup {
    let tone = if one.status == "released" { Tone::Good } else { Tone::Dim };
    let by = one.decided_by_name.as_deref().unwrap_or_else(|| author(&one.decided_by));
    let record = link("/activity", &[("hub", Some(&one.hub)), ("kind", Some("hold."))]);
    html! {
        li id={ "decided-" (one.id) } {
            b { (one.hub) } " " (badge(tone, &words::plain(&one.status)))
            " " @if one.released > 0 { (words::count(one.released, "task went out", "tasks went out")) }
            @if one.released > 0 && one.withdrawn > 0 { ", " }
            @if one.withdrawn > 0 { (words::count(one.withdrawn, "did not happen", "did not happen")) }
            @if let Some(note) = &one.note { p { "“" (note) "”" } }
            p.hint { (capital(one.why)) ". Decided by " (by) ", " (words::ago(&one.decided, now)) }
            p.actions {
                a href=(record) { "In the record" }
                @if one.can_undo && offers.decides(&one.hub) {
                    a.button href={ "/held/" (one.id) "/undo" } { "Undo …" }
                }
            }
        }
    }
}

/// What a person lets pass until a time.
pub(super) fn passes(caller: &PageReader, offers: &Offers, passes: &[PassView]) -> Markup {
    html! {
        @if !passes.is_empty() {
            h2 { "Let pass for a while" }
            ul.list {
                @for pass in passes {
                    li {
                        b { (pass.hub) } ": " (words::plain(pass.reason)) " is not held until " (words::at(&pass.until))
                        @if let Some(note) = &pass.note { p { "“" (note) "”" } }
                        p.hint { "given by " (pass.given_by) }
                        @if offers.decides(&pass.hub) {
                            form method="post" action={ "/held/" (pass.hold) "/pass" } {
                                (layout::proof(caller))
                                button.quiet type="submit" { "Hold it again" }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `POST /held/{id}/pass`: ends what was given with this batch.
///
/// # Errors
/// 404 when nothing was given with it, or it ended already.
pub async fn end_pass(
    form: PageActor,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    held::end_pass(&app.context, &form, &id).await?;
    Ok(held_page::after(&form, &app, "ended", "", None, 0))
}
