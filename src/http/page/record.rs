//! `GET /activity`: the activity record as a list, narrowed by hub, person, kind, author and day; each
//! record with its facts in words. The same as CSV behind a link.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::access::PageReader;
use super::asked::{self, Asked};
use super::layout::{self, Pace, Place};
use super::query::{PageQuery, filled, link};
use super::record_words::{AUTHORS, FAMILIES, author, kind, lines};
use super::reply::{self, PageFailure};
use super::words::{self, Tone, badge};
use crate::base::ids::HubId;
use crate::http::{App, csv};
use crate::service::activity::{self, ActivityQuery, ActivityView};
use crate::service::overview::{self, Depth, HubStatus};
use crate::service::page::Format;
use crate::service::told::{self, Told};

/// Records on a page.
const SHOWN: usize = 50;

/// What the list is narrowed to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowed {
    hub: Option<String>,
    kind: Option<String>,
    actor: Option<String>,
    user: Option<String>,
    /// Whom somebody typed; stands above `user`.
    person: Option<String>,
    from: Option<String>,
    to: Option<String>,
    cursor: Option<String>,
    format: Option<Format>,
}

/// `GET /activity?hub=&person=&user=&kind=&actor=&from=&to=&format=`
///
/// # Errors
/// As the use case.
pub async fn list(
    caller: PageReader,
    query: PageQuery<Narrowed>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let Narrowed { hub, kind, actor, user, person, from, to, cursor, format } = query.0;
    let asked = asked::person(&caller, &app, filled(person), filled(user)).await?;
    let mut narrowed = Narrowed {
        hub: filled(hub),
        kind: filled(kind),
        actor: filled(actor),
        user: None,
        person: None,
        from: filled(from),
        to: filled(to),
        cursor: filled(cursor),
        format: None,
    };
    match asked.in_links() {
        Some(("user", id)) => narrowed.user = Some(id),
        Some((_, text)) => narrowed.person = Some(text),
        None => {}
    }
    let wanted = ActivityQuery {
        hub: narrowed.hub.clone(),
        user: asked.id(),
        kind: narrowed.kind.clone(),
        actor: narrowed.actor.clone(),
        from: narrowed.from.clone(),
        to: narrowed.to.clone(),
        cursor: narrowed.cursor.clone(),
        limit: Some(SHOWN),
        ..ActivityQuery::default()
    };
    if format == Some(Format::Csv) && asked.is_clear() {
        return as_csv(&caller, &app, wanted).await;
    }
    let hubs = overview::overview(&app.context, &caller, Depth::Glance).await?.hubs;
    let (list, next) = if asked.is_clear() {
        let page = told::list(&app.context, &caller, wanted).await?;
        (rows(&narrowed, &page.items), page.next)
    } else {
        (asked.choice(|id| to_list(&Narrowed { user: Some(id.to_owned()), ..narrowed.clone() }, &[])), None)
    };
    let body = html! {
        div.title {
            h1 { "Record" }
            @if asked.is_clear() { p.actions { a.button #csv href=(to_list(&narrowed, &[("format", "csv")])) download { "As CSV" } } }
        }
        p.hint { "Everything that was done, newest first." }
        (filters(&narrowed, &asked, &hubs))
        (list)
        p.pages {
            @if narrowed.cursor.is_some() { a href=(to_list(&narrowed, &[])) { "Newest" } }
            @if let Some(next) = &next { a rel="next" href=(to_list(&narrowed, &[("cursor", next)])) { "Older" } }
        }
    };
    Ok(reply::page(StatusCode::OK, layout::view(&caller, Place::Record, "Record", Pace::Still, &body)))
}

async fn as_csv(caller: &PageReader, app: &web::Data<App>, query: ActivityQuery) -> Result<HttpResponse, PageFailure> {
    let query = ActivityQuery { limit: Some(usize::MAX), cursor: None, ..query };
    let first = activity::list(&app.context, caller, query.clone()).await?;
    let (app, caller) = (app.clone(), caller.clone());
    Ok(csv::reply("activity", &csv::RECORD, first, move |cursor| {
        let (app, caller, query) = (app.clone(), caller.clone(), query.clone());
        async move { activity::list(&app.context, &caller, ActivityQuery { cursor: Some(cursor), ..query }).await }
    }))
}

/// The address of the list narrowed like this, and more besides.
fn to_list(narrowed: &Narrowed, more: &[(&str, &str)]) -> String {
    let of = |field: &'static str, value: &'_ Option<String>| (field, value.clone());
    let own = [
        of("hub", &narrowed.hub),
        of("user", &narrowed.user),
        of("person", &narrowed.person),
        of("kind", &narrowed.kind),
        of("actor", &narrowed.actor),
        of("from", &narrowed.from),
        of("to", &narrowed.to),
    ];
    let mut fields: Vec<(&str, Option<&str>)> = own.iter().map(|(name, value)| (*name, value.as_deref())).collect();
    fields.extend(more.iter().map(|(name, value)| (*name, Some(*value))));
    link("/activity", &fields)
}

fn filters(narrowed: &Narrowed, asked: &Asked, hubs: &[HubStatus]) -> Markup {
    let hub = narrowed.hub.as_deref();
    html! {
        form.filters method="get" action="/activity" {
            div {
                label for="hub" { "Hub" }
                select #hub name="hub" {
                    option value="" { "all" }
                    @for one in hubs { option value=(one.id) selected[hub == Some(one.id.as_str())] { (one.label) } }
                }
            }
            (asked.field())
            (choice("kind", "What", narrowed.kind.as_deref(), &FAMILIES, &kind))
            (choice("actor", "By", narrowed.actor.as_deref(), &AUTHORS, &|actor| author(actor).into()))
            div { label for="from" { "From (UTC)" } input #from type="date" name="from" value=[narrowed.from.as_deref()]; }
            div { label for="to" { "To (UTC)" } input #to type="date" name="to" value=[narrowed.to.as_deref()]; }
            button type="submit" { "Show" }
        }
    }
}

/// A choice of families; one that a link narrowed further stands among them.
fn choice<'a>(
    name: &str,
    label: &str,
    here: Option<&'a str>,
    families: &[(&str, &str)],
    said: &dyn Fn(&'a str) -> std::borrow::Cow<'a, str>,
) -> Markup {
    let further = here.filter(|here| !families.iter().any(|(word, _)| word == here));
    html! {
        div {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                option value="" { "all" }
                @for (word, words) in families { option value=(word) selected[here == Some(*word)] { (words) } }
                @if let Some(further) = further { option value=(further) selected { (said(further)) } }
            }
        }
    }
}

fn rows(narrowed: &Narrowed, all: &[Told]) -> Markup {
    html! {
        @if all.is_empty() { p.empty { "No records here." } }
        @else {
            table.rows #record {
                thead { tr {
                    th scope="col" { "What" } th scope="col" { "About" } th scope="col" { "By" }
                    th scope="col" { "When" } th scope="col" { "Facts" }
                } }
                tbody { @for told in all { (row(narrowed, told)) } }
            }
        }
    }
}

fn row(narrowed: &Narrowed, told: &Told) -> Markup {
    let record = &told.record;
    let (actor, of_kind) = (Some(record.actor.clone()), Some(record.kind.clone()));
    let by = told.by.as_deref().unwrap_or_else(|| author(&record.actor));
    html! {
        tr id={ "record-" (record.id) } {
            td.lead { div {
                a href=(to_list(&Narrowed { kind: of_kind, ..narrowed.clone() }, &[])) { (kind(&record.kind)) }
                @if record.not_ours { " " (badge(Tone::Bad, "not ours: put into the database")) }
            } }
            td data-name="About" { div { (about(told)) } }
            td data-name="By" { div {
                a href=(to_list(&Narrowed { actor, ..narrowed.clone() }, &[])) title=(record.actor) { (by) }
            } }
            td data-name="When" { div { (words::at(&record.at)) } }
            td data-name="Facts" { div { (facts(record)) } }
        }
    }
}

/// Whom and what it is about, with the ways there.
fn about(told: &Told) -> Markup {
    let record = &told.record;
    // A hub that was removed has only its id left.
    let hub = record.hub.as_deref().filter(|hub| hub.parse::<HubId>().is_err());
    let person = told.person.as_deref().or_else(|| beside(record.personal.as_ref()));
    let (family, id) = record.target.split_once(':').unwrap_or((&record.target, ""));
    html! {
        @if let Some(user) = &record.user {
            @let path = hub.map_or_else(|| format!("/people/{user}"), |hub| format!("/hubs/{hub}/users/{user}"));
            a href=(path) { (person.unwrap_or("a person")) } " "
        }
        @match family {
            "user" if record.user.is_none() => {
                a href={ "/people/" (id) } { (told.target.as_deref().or(person).unwrap_or("a person")) } " "
            },
            "user" => "",
            "group" | "team" => { "group " (told.target.as_deref().or(person).unwrap_or("that is gone")) " " },
            "hub" if hub.is_none() => { "hub " (id) " " },
            "hub" => "",
            "member" if hub.is_some() && record.user.is_none() => {
                a href={ "/hubs/" (hub.unwrap_or_default()) "/members/" (id) } { (person.unwrap_or("an account")) } " "
            },
            "member" | "task" | "mapping" => "",
            _ => { (words::plain(family)) " " },
        }
        small {
            @if let Some(hub) = hub { "hub " a href={ "/hubs/" (hub) } { (hub) } " " }
            @else if record.hub.is_some() && family != "hub" { "a hub that was removed " }
            @if let Some(task) = &record.task { a href={ "/tasks/" (task) } { "its task" } }
        }
    }
}

/// The name that stands beside a record, where it was not erased.
fn beside(personal: Option<&Value>) -> Option<&str> {
    let personal = personal?;
    ["userName", "person", "display", "displayName", "name", "email"]
        .iter()
        .find_map(|key| personal.get(key)?.as_str())
        .filter(|text| !text.is_empty())
}

fn facts(record: &ActivityView) -> Markup {
    let (detail, personal) = (lines(&record.detail), record.personal.as_ref().map(lines).unwrap_or_default());
    html! {
        details {
            summary { "Facts" }
            dl {
                @for (name, said) in detail.iter().chain(&personal) { div { dt { (name) } dd { (said) } } }
                div { dt { "kind" } dd { code { (record.kind) } } }
                div { dt { "target" } dd { code { (record.target) } } }
                @if let Some(request) = &record.request_id { div { dt { "request" } dd { code { (request) } } } }
                div { dt { "record" } dd { code { (record.id) } } }
            }
        }
    }
}
