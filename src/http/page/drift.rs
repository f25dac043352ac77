//! `GET /hubs/{hub}/drift`: where the app is otherwise than the mappings say, each difference with what
//! becomes of it; ticked ones or all are put right after a look at what that would mean, by name.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use super::access::{PageActor, PageReader};
use super::layout::{self, Pace, Place};
use super::query::{PageQuery, filled, link};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use super::{hub, preview};
use crate::http::App;
use crate::http::error::Refusal;
use crate::service::ServiceError;
use crate::service::drift::repair::{self, RepairBody};
use crate::service::drift::{self, DriftQuery, DriftView, Kind};
use crate::service::hub_view::{self, HubView};
use crate::service::overview::HubMode;
use crate::service::page::Page;
use crate::service::rules::Action;
use crate::service::whatif::{Digest, Plan};

/// Differences on a page.
const SHOWN: usize = 50;

/// Which kind, its page, and what a form did.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    kind: Option<String>,
    cursor: Option<String>,
    done: Option<String>,
    seal: Option<String>,
}

/// What the seal of a form's word covers.
fn sealed_words(hub: &str) -> String {
    format!("hub {hub} drift")
}

const fn kind_word(kind: Kind) -> (&'static str, Tone) {
    match kind {
        Kind::Missing => ("missing", Tone::Bad),
        Kind::Extra => ("extra", Tone::Bad),
        Kind::WrongRole => ("wrong role", Tone::Wait),
        Kind::WrongAssets => ("wrong assets", Tone::Wait),
        Kind::Unknown => ("unknown", Tone::Dim),
    }
}

/// `GET /hubs/{hub}/drift?kind=&cursor=`
///
/// # Errors
/// 404; 400 for an unknown kind.
pub async fn show(
    caller: PageReader,
    slug: web::Path<String>,
    query: PageQuery<Wanted>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let Wanted { kind, cursor, done, seal } = query.0;
    let (kind, cursor) = (filled(kind), filled(cursor));
    let hub = hub_view::show(&app.context, &caller, &slug).await?;
    let wanted = DriftQuery { kind: kind.clone(), limit: Some(SHOWN), cursor: cursor.clone() };
    let page = drift::list(&app.context, &caller, &slug, wanted).await?;
    let asked = done.as_deref() == Some("repair") && caller.session.said(&app, &sealed_words(&hub.id), seal.as_deref());
    let acts = caller.can(Action::ManageMembers) && hub.mode == HubMode::Active;
    let further = cursor.is_some();
    let body = html! {
        @if asked { p.note.good role="status" { "It is being put right: the tasks for it are on their way." } }
        h1 { "Drift in " (hub.label) }
        p.hint { "Where the app is otherwise than the mappings say, by what the last tasks and the last sync told. "
            a href={ "/hubs/" (hub.id) } { "Back to the hub" } }
        (tabs(&hub.id, kind.as_deref()))
        @if hub.mode == HubMode::Observe { p.note.wait { "This hub only observes: nothing is put right until it is activated." } }
        @if page.items.is_empty() {
            p.empty { @if page.next.is_some() { "Nothing among those looked at so far; there are more." } @else { "Nothing is otherwise." } }
        }
        @else if acts { (form(&caller, &hub, &page)) }
        @else { (table(&hub.id, &page, false)) }
        (pages(&hub.id, kind.as_deref(), further, &page))
    };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Overview, "Drift", Pace::Still, &body)))
}

fn tabs(hub: &str, here: Option<&str>) -> Markup {
    let to = |kind: Option<&str>| link(&format!("/hubs/{hub}/drift"), &[("kind", kind)]);
    html! {
        div.tabs role="navigation" aria-label="Kinds" {
            a href=(to(None)) aria-current=[here.is_none().then_some("page")] { "All" }
            @for kind in Kind::ALL {
                a href=(to(Some(kind.as_str()))) aria-current=[(here == Some(kind.as_str())).then_some("page")] {
                    (kind_word(kind).0)
                }
            }
        }
    }
}

fn form(caller: &PageReader, hub: &HubView, page: &Page<DriftView>) -> Markup {
    html! {
        form method="post" action={ "/hubs/" (hub.id) "/drift/look" } {
            (layout::proof(caller))
            fieldset.card {
                legend { "Put right" }
                label.choice { input type="radio" name="which" value="all" required; "Everything of this hub, of every kind" }
                label.choice { input type="radio" name="which" value="ticked" required; "Only those ticked below" }
                p.hint { "You see first what that would mean, by name. What is kept on purpose stays as it is; the guard may hold." }
                div.actions { button.primary type="submit" { "Look …" } }
            }
            (table(&hub.id, page, true))
        }
    }
}

fn table(hub: &str, page: &Page<DriftView>, ticks: bool) -> Markup {
    html! {
        table.rows #drift {
            thead { tr {
                @if ticks { th.tick scope="col" { label.choice hidden { input type="checkbox" data-all="user" aria-label="All"; } } }
                th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "Wanted" } th scope="col" { "Known" }
                th scope="col" { "Seen by the sync" } th scope="col" { "What becomes of it" }
            } }
            tbody { @for item in &page.items { (row(hub, item, ticks)) } }
        }
    }
}

fn row(hub: &str, item: &DriftView, ticks: bool) -> Markup {
    let (word, tone) = kind_word(item.kind);
    let (wanted, known) = item.assets_in_words();
    html! {
        tr {
            @if ticks { td.tick data-name="Tick" { div {
                @if let Some(user) = &item.user { input type="checkbox" name="user" value=(user) aria-label=(item.name); }
                @else { "–" }
            } } }
            td.lead { div {
                @match (&item.user, &item.member) {
                    (Some(user), _) => a href={ "/hubs/" (hub) "/users/" (user) } { (item.name) },
                    (None, Some(member)) => a href={ "/hubs/" (hub) "/members/" (member) } { (item.name) },
                    (None, None) => (item.name),
                }
                @if item.left { " " (badge(Tone::Bad, "left")) }
            } }
            td data-name="What" { div { (badge(tone, word)) } }
            td data-name="Wanted" { div {
                @match item.wanted.as_deref() { None => "no access", Some("") => "access", Some(role) => (role) }
                @if !wanted.is_empty() { small { (wanted) } }
                @if !item.because.is_empty() { small { (item.because.join(", ")) } }
            } }
            td data-name="Known" { div {
                (words::presence(item.known.state, item.known.role.as_deref()))
                @if !known.is_empty() { small { (known) } }
            } }
            td data-name="Seen by the sync" { div { (hub::seen(item.observed.as_ref())) } }
            td data-name="What becomes of it" { div {
                @if let Some(task) = &item.task { a href={ "/tasks/" (task) } { (words::plain(item.standing)) } }
                @else { (words::plain(item.standing)) }
                small { (item.why) }
            } }
        }
    }
}

fn pages(hub: &str, kind: Option<&str>, further: bool, page: &Page<DriftView>) -> Markup {
    let to = |cursor: Option<&str>| link(&format!("/hubs/{hub}/drift"), &[("kind", kind), ("cursor", cursor)]);
    html! {
        p.pages {
            @if further { a href=(to(None)) { "First" } }
            @if let Some(next) = &page.next { a rel="next" href=(to(Some(next))) { "Next" } }
        }
    }
}

/// Whom a form means.
fn chosen(form: &PageActor) -> Result<RepairBody, Refusal> {
    let wrong = |why: &'static str| Refusal::new(StatusCode::BAD_REQUEST, why);
    match form.fields.get("which") {
        Some("all") => Ok(RepairBody::default()),
        Some("ticked") => match form.fields.all("user") {
            none if none.is_empty() => Err(wrong("nobody is ticked: go back and tick who shall be put right")),
            users => Ok(RepairBody::of_users(users)),
        },
        _ => Err(wrong("which must be all or ticked")),
    }
}

/// `POST /hubs/{hub}/drift/look` with `which` = `all` or `ticked`, and `user` for each ticked one: shows
/// what it would mean, and changes nothing.
///
/// # Errors
/// 404; 400 when nobody is chosen; 409 while the hub only observes.
pub async fn look(form: PageActor, slug: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    let plan = repair::preview(&app.context, &form, &slug, chosen(&form)?).await?;
    let caller = form.reader();
    let body = asked(&caller, &form, &slug, &plan);
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Overview, "Put right", Pace::Still, &body)))
}

fn asked(caller: &PageReader, form: &PageActor, slug: &str, plan: &Plan) -> Markup {
    let back = format!("/hubs/{slug}/drift");
    let anybody = plan.effects.iter().any(|effect| !effect.people.is_empty());
    html! {
        h1 { "Put right" }
        p { "What differs is made as the mappings say. Nothing happens before you press the button." }
        (preview::effects(plan))
        @if anybody {
            form method="post" action={ (back) "/repair" } {
                (layout::proof(caller))
                input type="hidden" name="expect" value=(plan.digest);
                input type="hidden" name="which" value=(form.fields.get("which").unwrap_or_default());
                @for user in form.fields.all("user") { input type="hidden" name="user" value=(user); }
                div.actions {
                    button.primary type="submit" { "Put right" }
                    a.button href=(back) { "Back" }
                }
            }
        } @else {
            p.empty { "Nothing would change: what differs is kept, or under way already." }
            p.actions { a.button href=(back) { "Back" } }
        }
    }
}

/// `POST /hubs/{hub}/drift/repair` with the fields of [`look`] and `expect`, the digest of what was shown.
///
/// # Errors
/// As [`look`]; 400 without a digest, 409 when it means something else by now.
pub async fn carry_out(
    form: PageActor,
    slug: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let expect = form.fields.get("expect").filter(|digest| !digest.is_empty());
    let expect = expect.map(str::parse::<Digest>).transpose()?;
    match repair::repair(&app.context, &form, &slug, chosen(&form)?, expect).await {
        Err(ServiceError::Moved(_)) => {
            let detail = "this would mean something else by now than what you were shown; nothing was changed: go back \
                          and look again";
            return Err(Refusal::new(StatusCode::CONFLICT, detail).into());
        }
        other => drop(other?),
    }
    let seal = form.session.seal_words(&app, &sealed_words(&slug));
    let to = link(&format!("/hubs/{}/drift", *slug), &[("done", Some("repair")), ("seal", Some(&seal))]);
    Ok(reply::see_other(&to).finish())
}
