//! `GET` and `POST /held/{id}/{release|reject}`: who and why before anything happens, the form, and what came
//! of it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use crate::http::App;
use crate::http::error::Refusal;
use crate::http::extract::caller::Access;
use crate::http::page::access::{PageActor, PageReader};
use crate::http::page::layout::{self, Pace, Place};
use crate::http::page::member_forms::Refused;
use crate::http::page::reply::{self, PageFailure};
use crate::http::page::tasks::person;
use crate::http::page::words::{self, Tone, badge};
use crate::service::held::{self, Choice, HoldView, Verdict};
use crate::service::members::ProtectionView;
use crate::service::rules::Action;
use crate::service::task_view::TaskView;
use crate::service::{ServiceError, rights};

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
    Ok(super::after(&form, &app, asking.done, &decided.hub, Some(decided.total), kept))
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
