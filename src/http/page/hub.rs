//! `GET /hubs/{hub}`: how a hub stands, its last sync and one under way, and its accounts by bucket;
//! `POST /hubs/{hub}/sync`: a sync now.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::{PageActor, PageReader};
use super::layout::{self, Pace, Place};
use super::query::{PageQuery, filled, link};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use crate::http::App;
use crate::service::hub_view::{self, HubView};
use crate::service::members::{self, Bucket, MemberQuery, MemberView, ObservedView};
use crate::service::page::Page;
use crate::service::rules::Action;
use crate::service::sync::{self, SyncBody, SyncProgress};
use crate::service::task_view::TaskDetail;
use crate::service::tasks::{self, TaskQuery};

/// Accounts on a page: what a person looks over.
const SHOWN: usize = 50;

/// The tabs, in the order in which a person works through them.
const TABS: [(Bucket, &str); 4] = [
    (Bucket::Onboarded, "onboarded"),
    (Bucket::Unmatched, "unmatched"),
    (Bucket::Guest, "guest"),
    (Bucket::Exempted, "exempted"),
];

/// Which tab, its page, and what a form did.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    bucket: Option<String>,
    cursor: Option<String>,
    done: Option<String>,
    seal: Option<String>,
}

/// What the seal of such a word covers.
fn sealed_words(hub: &str) -> String {
    format!("hub {hub} sync")
}

/// `GET /hubs/{hub}` and `GET /hubs/{hub}/members?bucket=`
///
/// # Errors
/// 404; 400 for an unknown bucket.
pub async fn show(
    caller: PageReader,
    slug: web::Path<String>,
    query: PageQuery<Wanted>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let Wanted { bucket, cursor, done, seal } = query.0;
    let (bucket, cursor) = (filled(bucket).unwrap_or_else(|| String::from("onboarded")), filled(cursor));
    let hub = hub_view::show(&app.context, &caller, &slug).await?;
    let wanted = MemberQuery { bucket: Some(bucket.clone()), limit: Some(SHOWN), cursor: cursor.clone() };
    let page = members::list(&app.context, &caller, &slug, wanted).await?;
    let running = running(&caller, &app, &hub.id).await?;
    let now = app.clock.now().to_rfc3339();
    let asked = done.as_deref() == Some("sync") && caller.session.said(&app, &sealed_words(&hub.id), seal.as_deref());
    let body = html! {
        @if asked { p.note.good role="status" { "A sync is asked for." } }
        (head(&caller, &hub, running.as_ref(), &now))
        (tabs(&hub.id, &bucket))
        (rows(&hub.id, &page))
        (pages(&hub.id, &bucket, cursor.is_some(), &page))
    };
    // A running sync moves by itself; whoever reads a list further back, or pressed a button, is left alone.
    let pace = if cursor.is_some() || asked { Pace::Still } else { Pace::Live };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Overview, &hub.label, pace, &body)))
}

/// The hub's open sync, if there is one: at most one is (R7.9).
async fn running(caller: &PageReader, app: &App, hub: &str) -> Result<Option<TaskDetail>, PageFailure> {
    let query = TaskQuery {
        status: Some(String::from("open")),
        hub: Some(hub.to_owned()),
        kind: Some(String::from("sync")),
        limit: Some(1),
        ..TaskQuery::default()
    };
    let open = tasks::list(&app.context, caller, query).await?;
    match open.items.first() {
        Some(task) => Ok(Some(tasks::show(&app.context, caller, &task.id).await?)),
        None => Ok(None),
    }
}

fn head(caller: &PageReader, hub: &HubView, running: Option<&TaskDetail>, now: &str) -> Markup {
    let (mode, mode_tone) = words::mode(hub.mode);
    html! {
        div.title {
            h1 { (hub.label) }
            @if let Some((word, tone)) = hub.status.map(words::standing) { (badge(tone, word)) }
        }
        section.card {
            dl {
                div { dt { "App" } dd { (hub.app) } }
                div { dt { "Mode" } dd { (badge(mode_tone, mode)) @if hub.paused { " " (badge(Tone::Wait, "paused")) } } }
                @if let Some(waiting) = &hub.waiting {
                    div { dt { "Its app waits" } dd { "until " (words::at(&waiting.until)) ": " (waiting.reason) } }
                }
                div { dt { "Last sync" } dd #last-sync {
                    @match &hub.last_synced {
                        Some(at) => (words::ago(at, now)),
                        None if !hub.syncs => "its app cannot be read by machine",
                        None => "never",
                    }
                } }
            }
            @if let Some(task) = running { (under_way(task)) }
            @else if hub.syncs && caller.can(Action::SyncHub) {
                form method="post" action={ "/hubs/" (hub.id) "/sync" } {
                    (layout::proof(caller))
                    button #sync type="submit" { "Sync now" }
                }
            }
        }
        p.pages {
            a href={ "/tasks?hub=" (hub.id) } { "Automation log" }
            a href={ "/manual?hub=" (hub.id) } { "Manual items" }
            a href={ "/hubs/" (hub.id) "/drift" } { "Drift" }
            a href={ "/activity?hub=" (hub.id) } { "Record" }
            a href={ "/people?hub=" (hub.id) } { "Why has somebody access, or none?" }
        }
    }
}

fn under_way(task: &TaskDetail) -> Markup {
    html! {
        div.progress #running-sync {
            span { a href={ "/tasks/" (task.task.id) } { "A sync" } " is under way" @if let Some(sync) = &task.sync { ": " (how_far(sync)) } }
            @if let Some((seen, total)) = task.sync.as_ref().and_then(|sync| sync.total.map(|total| (sync.seen, total))) {
                progress max=(total) value=(seen.min(total)) aria-label="Accounts read" { (seen) " of " (total) }
            } @else { progress aria-label="Accounts read" {} }
        }
    }
}

fn how_far(sync: &SyncProgress) -> String {
    let seen = words::grouped(sync.seen);
    match sync.total {
        Some(total) => format!("{}, {seen} of {} accounts read", sync.phase, words::grouped(total)),
        None => format!("{}, {seen} accounts read", sync.phase),
    }
}

fn tabs(hub: &str, here: &str) -> Markup {
    html! {
        div.tabs role="navigation" aria-label="Accounts" {
            @for (bucket, word) in TABS {
                a href={ "/hubs/" (hub) "/members?bucket=" (word) } aria-current=[(here == word).then_some("page")] { (words::bucket(bucket)) }
            }
        }
    }
}

fn rows(hub: &str, page: &Page<MemberView>) -> Markup {
    html! {
        @if page.items.is_empty() { p.empty { "No account here." } }
        @else {
            table.rows #members {
                thead { tr {
                    th scope="col" { "Account" } th scope="col" { "Known" } th scope="col" { "Last seen in the app" }
                    th scope="col" { "Status" } th scope="col" { "Why" }
                } }
                tbody { @for member in &page.items { (row(hub, member)) } }
            }
        }
    }
}

fn row(hub: &str, member: &MemberView) -> Markup {
    html! {
        tr id={ "member-" (member.id) } {
            td.lead { div {
                a href={ "/hubs/" (hub) "/members/" (member.id) } { (name(member)) }
                @if let Some(email) = member.email.as_deref().filter(|email| *email != name(member)) { small { (email) } }
            } }
            td data-name="Known" { div { (words::presence(member.known, member.role.as_deref())) } }
            td data-name="Last seen in the app" { div { (seen(member.observed.as_ref())) } }
            td data-name="Status" { div { (status(member)) } }
            td data-name="Why" { div { (why(hub, member)) } }
        }
    }
}

/// What people call it: its name, else its e-mail, else the app's id.
pub fn name(member: &MemberView) -> &str {
    let given = [Some(member.display.as_str()), member.email.as_deref(), member.remote_id.as_deref()];
    given.into_iter().flatten().find(|text| !text.trim().is_empty()).unwrap_or("an account without a name")
}

/// What the last sync saw.
pub fn seen(observed: Option<&ObservedView>) -> String {
    observed.map_or_else(|| String::from("not seen"), |seen| words::presence(seen.state, seen.role.as_deref()))
}

/// The badges of an account.
pub fn status(member: &MemberView) -> Markup {
    html! {
        @match words::member(member.status) {
            Some((word, tone)) => (badge(tone, word)),
            // What is wanted and held, or left and still there, is not as it should be; its own badge says so.
            None if member.held.is_none() && member.still_there.is_none() => (badge(Tone::Good, "as it should be")),
            None => {}
        }
        @if !member.needs.is_empty() { small { "missing: " (member.needs.join(", ")) } }
        @if member.protected { " " (badge(Tone::Dim, "protected")) }
        @if let Some(given) = &member.protection { small { "“" (given.reason) "”" } }
        @if let Some(held) = &member.held {
            " " (badge(Tone::Wait, "held"))
            small { "wanted: " (words::plain(&held.kind)) }
        }
        @if let Some(said) = &member.still_there { " " (badge(Tone::Bad, "left, still there")) small { (said) } }
        @else if member.left { " " (badge(Tone::Dim, "left")) }
        @if !member.managed { small { "not managed" } }
        @if let Some(reason) = &member.exempt_reason { small { "“" (reason) "”" } }
    }
}

/// The way to the whole path of a person's access.
pub fn why(hub: &str, member: &MemberView) -> Markup {
    html! {
        @match &member.user {
            Some(user) => a href={ "/hubs/" (hub) "/users/" (user) } { "explain" },
            None => "nobody here",
        }
    }
}

fn pages(hub: &str, bucket: &str, further: bool, page: &Page<MemberView>) -> Markup {
    let to =
        |cursor: Option<&str>| link(&format!("/hubs/{hub}/members"), &[("bucket", Some(bucket)), ("cursor", cursor)]);
    html! {
        p.pages {
            @if further { a href=(to(None)) { "First" } }
            @if let Some(next) = &page.next { a rel="next" href=(to(Some(next))) { "Next" } }
        }
    }
}

/// `POST /hubs/{hub}/sync`
///
/// # Errors
/// 404; 409 where the app's members cannot be listed.
pub async fn sync(form: PageActor, slug: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    sync::request(&app.context, &form, &slug, SyncBody::default()).await?;
    let seal = form.session.seal_words(&app, &sealed_words(&slug));
    let to = link(&format!("/hubs/{}", *slug), &[("done", Some("sync")), ("seal", Some(&seal))]);
    Ok(reply::see_other(&to).finish())
}
