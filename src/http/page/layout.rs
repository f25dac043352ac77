//! What surrounds every view: head, navigation, who is signed in, and the line that says what a
//! form did.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::access::{PROOF, PageReader};
use super::assets::{FAVICON_PATH, SCRIPT_PATH, STYLE_PATH};
use crate::auth::Scope;

/// The views one can go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `/`
    Overview,
    /// `/tasks`
    Tasks,
    /// `/held`
    Held,
    /// `/manual`
    Manual,
    /// `/people`, and a person's picture
    People,
    /// `/history`
    History,
    /// `/activity`
    Record,
}

impl Place {
    const ALL: [Self; 7] =
        [Self::Overview, Self::Tasks, Self::Manual, Self::Held, Self::People, Self::History, Self::Record];

    const fn path(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Tasks => "/tasks",
            Self::Manual => "/manual",
            Self::Held => "/held",
            Self::People => "/people",
            Self::History => "/history",
            Self::Record => "/activity",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Tasks => "Tasks",
            Self::Manual => "By hand",
            Self::Held => "Held",
            Self::People => "People",
            Self::History => "History",
            Self::Record => "Record",
        }
    }
}

/// Whether a view is read again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It is still: a form is on it, or nothing moves.
    Still,
    /// Every two seconds by the script, every twenty without it.
    Live,
}

/// A view for somebody who is signed in.
pub fn view(caller: &PageReader, place: Place, title: &str, pace: Pace, body: &Markup) -> Markup {
    let head = html! {
        @if pace == Pace::Live {
            noscript { meta http-equiv="refresh" content="20"; }
        }
    };
    let live = (pace == Pace::Live).then_some("2");
    let body = html! {
        a.skip href="#main" { "Skip to content" }
        header.top {
            a.brand href="/" { img src=(*FAVICON_PATH) alt="" width="24" height="24"; "scimhub" }
            (menu(Some(place)))
            form.out method="post" action="/sign-out" {
                (proof(caller))
                span.who { @match caller.scope {
                    Scope::Admin => "admin",
                    Scope::Read => "read only",
                    Scope::Scim => "",
                } }
                button.quiet type="submit" title="Ends every page session of this token, in all browsers" { "Sign out" }
            }
        }
        p #offline.note.bad hidden { "The server cannot be reached; what you see is from before." }
        main #main data-live=[live] { (body) }
    };
    document(title, &head, &body)
}

fn menu(here: Option<Place>) -> Markup {
    html! {
        nav aria-label="Views" {
            ul {
                @for one in Place::ALL {
                    li { a href=(one.path()) aria-current=[(here == Some(one)).then_some("page")] { (one.name()) } }
                }
            }
        }
    }
}

/// The field that proves a form to be one of this session.
pub fn proof(caller: &PageReader) -> Markup {
    html! { input type="hidden" name=(PROOF) value=(caller.session.proof); }
}

/// A page for nobody in particular: signing in.
pub fn bare(title: &str, head: &Markup, body: &Markup) -> Markup {
    let body = html! {
        header.top { a.brand href="/" { img src=(*FAVICON_PATH) alt="" width="24" height="24"; "scimhub" } }
        main #main { (body) }
    };
    document(title, head, &body)
}

/// An error: with the ways on, whoever reads it; where nobody is signed in they lead to signing in.
pub fn error(title: &str, body: &Markup) -> Markup {
    let body = html! {
        header.top {
            a.brand href="/" { img src=(*FAVICON_PATH) alt="" width="24" height="24"; "scimhub" }
            (menu(None))
        }
        main #main { (body) }
    };
    document(title, &PreEscaped(String::new()), &body)
}

fn document(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · scimhub" }
                link rel="icon" type="image/svg+xml" href=(*FAVICON_PATH);
                link rel="stylesheet" href=(*STYLE_PATH);
                script src=(*SCRIPT_PATH) defer {}
                (head)
            }
            body { (body) }
        }
    }
}
