//! `GET /held`: batches that the guard holds. Releasing and rejecting each have a page of their own
//! that shows who and why before anything happens, and go on with what came of it.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::{PageActor, PageReader};
use super::decided;
use super::layout::{self, Pace, Place};
use super::member_forms::Refused;
use super::query::{PageQuery, link};
use super::reply::{self, PageFailure};
use super::tasks::person;
use super::words::{self, Tone, badge};
use crate::http::App;
use crate::http::error::Refusal;
use crate::http::extract::caller::Access;
use crate::service::ServiceError;
use crate::service::held::{self, Choice, Held, HoldView, Verdict};
use crate::service::members::ProtectionView;
use crate::service::rights;
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
    /// Of a release: tasks that stay held as the last admin or owner.
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
                " " (words::count(kept, "task stays", "tasks stay")) " held: it would take the app's last admin or the hub's "
                "last owner, and is released by its name only."
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

/// The words of a verdict.
struct Asking {
    verdict: Verdict,
    word: &'static str,
    title: &'static str,
    follows: &'static str,
    done: &'static str,
}

const RELEASE: Asking = Asking {
    verdict: Verdict::Release,
    word: "release",
    title: "Release",
    follows: "What you release is carried out in the app at once.",
    done: "released",
};

const REJECT: Asking = Asking {
    verdict: Verdict::Reject,
    word: "reject",
    title: "Reject",
    follows: "What you reject does not happen: these people keep what they have, and it is not planned again until \
              something about it changes.",
    done: "rejected",
};

fn asking(word: &str) -> Result<&'static Asking, Refusal> {
    [&RELEASE, &REJECT].into_iter().find(|asking| asking.word == word).ok_or_else(Refusal::no_route)
}

/// `GET /held/{id}/{release|reject}`: who and why, and the form.
///
/// # Errors
/// 404 for another word, or when the batch is not open.
pub async fn ask(
    caller: PageReader,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let (id, word) = path.into_inner();
    let asking = asking(&word)?;
    if !Access::PageAct.allows(caller.scope) {
        let detail = "the token that you signed in with may only look; sign in with one of scope admin to decide";
        return Err(Refusal::new(StatusCode::FORBIDDEN, detail).into());
    }
    let batch = held::show(&app.context, &caller, &id).await?;
    // What the form behind it would be refused for is refused here already.
    let needed = match asking.verdict {
        Verdict::Release => batch.releasing(),
        Verdict::Reject => Action::ManageMembers,
    };
    rights::demand(&caller, needed)?;
    if batch.total == 0 {
        let why = "nothing of this batch is held any more: it was decided, or newer wishes replaced it";
        return Err(Refusal::new(StatusCode::NOT_FOUND, why).into());
    }
    let now = app.clock.now().to_rfc3339();
    let title = format!("{} in {}", asking.title, batch.hub);
    let body = form(&caller, asking, &batch, &title, &now, None);
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Held, &title, Pace::Still, &body)))
}

fn form(
    caller: &PageReader,
    asking: &Asking,
    batch: &HoldView,
    title: &str,
    now: &str,
    refused: Option<&Refused<'_>>,
) -> Markup {
    let which = refused.and_then(|refused| refused.form.fields.get("which"));
    let ticked = refused.map(|refused| refused.form.fields.all("task")).unwrap_or_default();
    let shown = i64::try_from(batch.tasks.len()).unwrap_or(i64::MAX);
    html! {
        h1 { (title) }
        p { (words::count(batch.total, "task is", "tasks are")) " held since " (words::ago(&batch.created, now)) ", because "
            (batch.why) ". " (asking.follows) }
        form method="post" action={ "/held/" (batch.id) "/" (asking.word) } {
            (layout::proof(caller))
            // What “all” means: what is shown and counted here, nothing that comes later.
            input type="hidden" name="expect" value=(batch.digest);
            input type="hidden" name="shown" value=(batch.total);
            @if let Some(refused) = refused { p.note.bad role="alert" { (refused.why) } }
            fieldset.card {
                legend { "Which" }
                @if !(batch.one_by_one && asking.verdict == Verdict::Release) {
                    label.choice { input type="radio" name="which" value="all" required checked[which == Some("all")]; "All " (words::grouped(batch.total)) }
                }
                label.choice { input type="radio" name="which" value="ticked" required checked[which == Some("ticked")]; "Only those ticked below" }
            }
            @if asking.verdict == Verdict::Release && batch.one_by_one {
                @if batch.releasing() == Action::ProtectMembers {
                    p.hint { "Each goes out this once; what is protected stays protected." }
                } @else {
                    p.hint { "Each goes out this once. Where nobody else is left, the hub has none afterwards." }
                }
            } @else if asking.verdict == Verdict::Release {
                div {
                    label for="for" { "And whatever else meets the same limit of this hub" }
                    select #for name="for" {
                        option value="" { "is held as before" }
                        @for (hours, words) in PASSES { option value=(hours) { "goes out as well for " (words) } }
                    }
                    p.hint { "Only together with all of the batch." }
                }
            }
            div {
                label for="note" { "Note for the record" }
                textarea #note name="note" maxlength="2000" {}
                @if asking.verdict == Verdict::Reject && batch.leavers > 0 {
                    p.hint { "Rejecting the removal of somebody who left lets them stay in the app: a note must say why; one serves all." }
                }
            }
            div.actions {
                button type="submit" .primary[asking.verdict == Verdict::Release] .danger[asking.verdict == Verdict::Reject] {
                    (asking.title)
                }
                a.button href="/held" { "Back" }
            }
            @if shown < batch.total {
                p.note.wait { "The first " (words::grouped(shown)) " are shown; “All” means all " (words::grouped(batch.total)) "." }
            }
            table.rows {
                thead { tr {
                    th.tick scope="col" { label.choice hidden { input type="checkbox" data-all="task" aria-label="All"; } }
                    th scope="col" { "Person" } th scope="col" { "What" } th scope="col" { "Why" }
                } }
                tbody { @for (number, task) in (0..).zip(&batch.tasks) { (choice(task, number < batch.leavers, batch.protections.get(&task.id), ticked.contains(&task.id))) } }
            }
        }
    }
}

fn choice(task: &TaskView, left: bool, given: Option<&ProtectionView>, ticked: bool) -> Markup {
    let name = task.person.name.as_deref().unwrap_or(&task.person.user_name);
    html! {
        tr {
            td.tick data-name="Tick" { div { input type="checkbox" name="task" value=(task.id) checked[ticked] aria-label=(name); } }
            td.lead { div { (person(task)) @if left { " " (badge(Tone::Bad, "leaver")) } } }
            td data-name="What" { div { (words::kind(task.kind, task.role.as_deref())) } }
            td data-name="Why" { div {
                (words::plain(&task.cause))
                @if let Some(given) = given { small { "protected: “" (given.reason) "”, by " (given.by) } }
            } }
        }
    }
}

/// How long a pass may be given here, in hours: a choice needs no time zone and no script.
const PASSES: [(u64, &str); 4] = [(1, "an hour"), (8, "eight hours"), (24, "a day"), (168, "a week")];

/// `POST /held/{id}/{release|reject}` with `which` = `all` or `ticked`, `task` for each ticked one,
/// `expect` with `all`: the digest of what was shown, `shown`: how many, `note`, and for a release
/// `for`: hours.
///
/// # Errors
/// 404, 400 when nothing is chosen, and with the form again where a note is missing, 409 when it was decided, or more arrived, meanwhile.
pub async fn decide(
    form: PageActor,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let (id, word) = path.into_inner();
    let asking = asking(&word)?;
    let expect = form.fields.get("expect").filter(|digest| !digest.is_empty()).map(str::to_owned);
    let tasks = match form.fields.get("which") {
        Some("all") if expect.is_none() => {
            let why = "the form does not say what it showed: load it again";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, why).into());
        }
        Some("all") => None,
        Some("ticked") => {
            let ticked = form.fields.all("task");
            if ticked.is_empty() {
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "nobody is ticked: tick some, or choose all").into());
            }
            Some(ticked)
        }
        _ => return Err(Refusal::new(StatusCode::BAD_REQUEST, "choose all, or those ticked").into()),
    };
    let until = match form.fields.get("for").unwrap_or_default() {
        "" => None,
        text => {
            let known = |hours: &u64| PASSES.iter().any(|(known, _)| known == hours);
            let hours = text.parse::<u64>().ok().filter(known);
            let bad = || Refusal::new(StatusCode::BAD_REQUEST, "for must be one of the hours that the form offers");
            let span = Duration::from_secs(hours.ok_or_else(bad)?.saturating_mul(60 * 60));
            Some(app.clock.now().plus(span).to_rfc3339())
        }
    };
    // Those ticked are named one by one: what came since changes nothing about them.
    let expect = expect.filter(|_| tasks.is_none());
    let choice = Choice { tasks, note: form.fields.get("note").map(str::to_owned), until, expect: expect.clone() };
    let decided = match held::decide(&app.context, &form, &id, asking.verdict, choice).await {
        Ok(decided) => decided,
        Err(ServiceError::Conflict(why)) => return moved_on(&form, &app, &id, asking, expect, why).await,
        Err(wrong @ ServiceError::InvalidFields(_)) => return again(&form, &app, &id, asking, &wrong).await,
        Err(other) => return Err(other.into()),
    };
    let kept: usize = decided.kept_back.iter().map(|batch| batch.tasks.len()).sum();
    let kept = i64::try_from(kept).unwrap_or(i64::MAX);
    Ok(self::after(&form, &app, asking.done, &decided.hub, Some(decided.total), kept))
}

/// The form again, with what was wrong in it and what was chosen.
async fn again(
    form: &PageActor,
    app: &App,
    id: &str,
    asking: &Asking,
    wrong: &ServiceError,
) -> Result<HttpResponse, PageFailure> {
    let batch = held::show(&app.context, form, id).await?;
    let (caller, now) = (form.reader(), app.clock.now().to_rfc3339());
    let title = format!("{} in {}", asking.title, batch.hub);
    let refused = Refused { word: asking.word, why: wrong.to_string(), form };
    let body = self::form(&caller, asking, &batch, &title, &now, Some(&refused));
    Ok(reply::page(StatusCode::BAD_REQUEST, layout::view(&caller, Place::Held, &title, Pace::Still, &body)))
}

/// The answer to a decision about all of a batch that is not what was shown any more: how many came
/// since, and the way back to look at them. Where it was decided meanwhile, that.
async fn moved_on(
    form: &PageActor,
    app: &App,
    id: &str,
    asking: &Asking,
    expect: Option<String>,
    why: String,
) -> Result<HttpResponse, PageFailure> {
    let batch = held::show(&app.context, form, id).await?;
    if batch.total == 0 || expect.is_none_or(|shown| shown == batch.digest) {
        return Err(Refusal::new(StatusCode::CONFLICT, why).into());
    }
    let shown = form.fields.get("shown").and_then(|shown| shown.parse::<i64>().ok());
    let more = shown.map_or(0, |shown| batch.total.saturating_sub(shown));
    let title = if more > 0 {
        format!("{} arrived since", words::count(more, "more task", "more tasks"))
    } else {
        String::from("The batch changed since")
    };
    let body = html! {
        section.card.narrow {
            h1 { (title) }
            p { "The batch of hub " (batch.hub) " is not what you were shown: it holds "
                (words::count(batch.total, "task", "tasks")) " now. Nothing was " (asking.done) "; look again." }
            p { a.button.primary href={ "/held/" (batch.id) "/" (asking.word) } { "Look again" } }
        }
    };
    Ok(reply::page(StatusCode::CONFLICT, layout::error(&title, &body)))
}
