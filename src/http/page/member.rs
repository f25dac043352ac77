//! `GET /hubs/{hub}/members/{member}`: one account of a hub, and what a person may do with it. What is
//! refused is said above its form, with what was filled in.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::html;
use serde::Deserialize;

use super::access::{PageActor, PageReader};
use super::hub::{name, seen, status, why};
use super::layout::{self, Pace, Place};
use super::member_forms::{self, Refused};
use super::query::{PageQuery, link};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use crate::http::App;
use crate::http::error::Refusal;
use crate::service::ServiceError;
use crate::service::member_actions::{
    self, ClaimBody, Deed, ExemptBody, MatchBody, ProtectBody, RemoveBody, RoleBody, UnprotectBody,
};
use crate::service::members::{self, MemberView};

type Path = web::Path<(String, String)>;

/// What a form did, as a word in the address after it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    done: Option<String>,
    seal: Option<String>,
}

/// What the seal of such a word covers.
fn sealed_words(member: &str, word: &str) -> String {
    format!("member {member} {word}")
}

/// `GET /hubs/{hub}/members/{member}`
///
/// # Errors
/// 404.
pub async fn show(
    caller: PageReader,
    path: Path,
    query: PageQuery<Done>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let (hub, member) = path.into_inner();
    let member = members::show(&app.context, &caller, &hub, &member).await?;
    let Done { done, seal } = query.0;
    let done = done.filter(|word| caller.session.said(&app, &sealed_words(&member.id, word), seal.as_deref()));
    Ok(view(StatusCode::OK, &caller, &hub, &member, done.as_deref(), None))
}

fn view(
    code: StatusCode,
    caller: &PageReader,
    hub: &str,
    member: &MemberView,
    done: Option<&str>,
    refused: Option<&Refused<'_>>,
) -> HttpResponse {
    let said = match done {
        Some("match") => Some("It is this person's account now."),
        Some("claim") => Some("It is claimed."),
        Some("exempt") => Some("It is kept as it is: no task touches it."),
        Some("unexempt") => Some("It is one of the others again."),
        Some("adopt") => Some("It is managed from now on."),
        Some("remove") => Some("Its removal is under way."),
        Some("role") => Some("The role is what this share says now; the app follows."),
        Some("resend") => Some("The invitation is sent again."),
        Some("protect") => Some("It is protected: what automation wants of it waits for a person."),
        Some("unprotect") => Some("It is not protected any more."),
        _ => None,
    };
    let body = html! {
        @if let Some(said) = said { p.note.good role="status" { (said) } }
        div.title { h1 { (name(member)) } span { (status(member)) } }
        section.card {
            dl {
                div { dt { "Hub" } dd { a href={ "/hubs/" (hub) } { (hub) } } }
                div { dt { "Tab" } dd { (words::bucket(member.bucket)) } }
                @if let Some(email) = &member.email { div { dt { "E-mail" } dd { (email) } } }
                @if let Some(remote) = &member.remote_id { div { dt { "The app's id" } dd { (remote) } } }
                div { dt { "Known" } dd { (words::presence(member.known, member.role.as_deref())) } }
                @if let Some(said) = &member.still_there {
                    div #left { dt { "Left" } dd { (badge(Tone::Bad, "left, still there")) " " (said) } }
                }
                div { dt { "Last seen in the app" } dd { (seen(member.observed.as_ref())) } }
                @if let Some(given) = &member.protection {
                    div #protection { dt { "Protected" } dd {
                        "“" (given.reason) "”" small { " by " (given.by) ", since " (words::at(&given.since))
                            @if let Some(until) = &given.until { ", until " (words::at(until)) } }
                    } }
                }
                @if let Some(held) = &member.held {
                    div #held { dt { "Wanted, and held" } dd {
                        a href={ "/tasks/" (held.task) } { (words::plain(&held.kind)) } " (" (words::plain(&held.reason)) ") "
                        a href={ "/held#hold-" (held.hold) } { "decide" }
                    } }
                }
                @for reason in &member.reasons { div { dt { "Mapping" } dd { (reason.subject) " gives " (reason.app_role) } } }
                div { dt { "How it came about" } dd { (why(hub, member)) } }
            }
        }
        (member_forms::forms(caller, hub, member, refused))
    };
    reply::page(code, layout::view(caller, Place::Overview, name(member), Pace::Still, &body))
}

/// `POST /hubs/{hub}/members/{member}/act`: `act` is `match`, `exempt`, `unexempt`, `adopt`, `remove`,
/// `role` or `resend`.
///
/// # Errors
/// 404 for hub and account; what else is refused is said in the form.
pub async fn act(form: PageActor, path: Path, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    let text = |name: &str| form.fields.get(name).unwrap_or_default().to_owned();
    let (word, deed) = match form.fields.get("act") {
        Some("match") => ("match", Deed::Match(MatchBody { user: text("user"), hub_role: text("hub_role") })),
        Some("exempt") => ("exempt", Deed::Exempt(ExemptBody { reason: text("reason") })),
        Some("unexempt") => ("unexempt", Deed::Unexempt),
        Some("adopt") => ("adopt", Deed::Adopt),
        Some("remove") => (
            "remove",
            Deed::Remove(RemoveBody {
                mode: form.fields.get("mode").map(str::to_owned),
                note: form.fields.get("note").map(str::to_owned),
            }),
        ),
        Some("role") => ("role", Deed::Role(RoleBody { app_role: text("app_role") })),
        Some("resend") => ("resend", Deed::Resend),
        _ => {
            let detail = "act must be match, exempt, unexempt, adopt, remove, role or resend";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, detail).into());
        }
    };
    carry_out(&form, path, &app, word, deed).await
}

/// `POST /hubs/{hub}/members/{member}/claim` (R4.9): who owns the hub decides, so it is a route of its own.
///
/// # Errors
/// As [`act`].
pub async fn claim(form: PageActor, path: Path, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    let user = form.fields.get("user").map(str::trim).filter(|user| !user.is_empty()).map(str::to_owned);
    carry_out(&form, path, &app, "claim", Deed::Claim(ClaimBody { user })).await
}

/// How long a protection may be given here, in days: a choice needs no time zone and no script.
pub const DAYS: [u64; 4] = [7, 30, 90, 365];

/// `POST /hubs/{hub}/members/{member}/protect`: `act` is `protect`, with `reason` and `days`, or `unprotect`,
/// with `note`. Fewer people may than may manage members, so it is a route of its own.
///
/// # Errors
/// As [`act`].
pub async fn protect(form: PageActor, path: Path, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    let text = |name: &str| form.fields.get(name).unwrap_or_default().to_owned();
    let (word, deed) = match form.fields.get("act") {
        Some("protect") => {
            let until = match form.fields.get("days").unwrap_or_default() {
                "" => None,
                days => {
                    let days = days.parse::<u64>().ok().filter(|days| DAYS.contains(days));
                    let bad =
                        || Refusal::new(StatusCode::BAD_REQUEST, "days must be one of those that the form offers");
                    let span = Duration::from_secs(days.ok_or_else(bad)?.saturating_mul(24 * 60 * 60));
                    Some(app.clock.now().plus(span).to_rfc3339())
                }
            };
            ("protect", Deed::Protect(ProtectBody { reason: text("reason"), until }))
        }
        Some("unprotect") => ("unprotect", Deed::Unprotect(UnprotectBody { note: Some(text("note")) })),
        _ => return Err(Refusal::new(StatusCode::BAD_REQUEST, "act must be protect or unprotect").into()),
    };
    carry_out(&form, path, &app, word, deed).await
}

async fn carry_out(
    form: &PageActor,
    path: Path,
    app: &App,
    word: &'static str,
    deed: Deed,
) -> Result<HttpResponse, PageFailure> {
    let (hub, id) = path.into_inner();
    match member_actions::act(&app.context, form, &hub, &id, deed).await {
        Ok(done) => {
            let seal = form.session.seal_words(app, &sealed_words(&done.member.id, word));
            let to = link(
                &format!("/hubs/{hub}/members/{}", done.member.id),
                &[("done", Some(word)), ("seal", Some(&seal))],
            );
            Ok(reply::see_other(&to).finish())
        }
        Err(error) => refused(form, &hub, &id, app, word, error).await,
    }
}

/// The account's page again, as it is now, with what was wrong in the form. What no form can mend is
/// answered as everywhere.
async fn refused(
    form: &PageActor,
    hub: &str,
    id: &str,
    app: &App,
    word: &str,
    error: ServiceError,
) -> Result<HttpResponse, PageFailure> {
    let refusal = Refusal::from(error);
    if !matches!(refusal.status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::NOT_FOUND) {
        return Err(refusal.into());
    }
    let caller = form.reader();
    // Not there at all: that is the answer.
    let member = members::show(&app.context, &caller, hub, id).await?;
    let refused = Refused { word, why: refusal.detail.to_string(), form };
    Ok(view(refusal.status, &caller, hub, &member, None, Some(&refused)))
}
