//! The field of a list's form that names a person, and what came of it.

use maud::{Markup, html};
use uuid::Uuid;

use super::access::PageReader;
use super::reply::PageFailure;
use super::words;
use crate::base::ids::UserId;
use crate::http::App;
use crate::service::people::{self, FoundPeople, Meant};

/// Whom a list is narrowed to.
#[derive(Clone, Debug)]
pub enum Asked {
    /// To nobody.
    Everybody,
    /// To this person; what the field shows, and by what the links of the page name them.
    One { id: String, shown: String, link: Link },
    /// Nobody knows yet: one of these.
    Several { found: FoundPeople, shown: String },
    /// There is nobody like that.
    Nobody { shown: String },
}

/// What was typed, or the id that a link carries.
///
/// # Errors
/// 400 for a text that is nobody's name.
pub async fn person(
    caller: &PageReader,
    app: &App,
    typed: Option<String>,
    id: Option<String>,
) -> Result<Asked, PageFailure> {
    let Some(text) = typed.or(id) else { return Ok(Asked::Everybody) };
    Ok(match people::meant(&app.context, caller, &text).await? {
        // Who sees only what is theirs reads what they wrote.
        Meant::One(one) if caller.sight.narrowed().is_some() => {
            Asked::One { id: one.id, shown: text, link: Link::Text }
        }
        Meant::One(one) => {
            Asked::One { shown: one.user_name.unwrap_or_else(|| one.id.clone()), id: one.id, link: Link::Id }
        }
        Meant::Several(found) => Asked::Several { found, shown: text },
        // Nor are they told who there is not.
        Meant::Nobody if caller.sight.narrowed().is_some() => {
            Asked::One { id: UserId::from_uuid(Uuid::nil()).to_string(), shown: text, link: Link::Text }
        }
        Meant::Nobody => Asked::Nobody { shown: text },
    })
}

/// By what a link names the person that a list is narrowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Their id, which a changed name does not change.
    Id,
    /// What the reader wrote: who sees only what is theirs is not told anybody's id.
    Text,
}

impl Asked {
    /// The person's id.
    pub fn id(&self) -> Option<String> {
        match self {
            Self::One { id, .. } => Some(id.clone()),
            Self::Everybody | Self::Several { .. } | Self::Nobody { .. } => None,
        }
    }

    /// What stands in the page's links: the field `user` or `person`, and its value.
    pub fn in_links(&self) -> Option<(&'static str, String)> {
        match self {
            Self::One { id, link: Link::Id, .. } => Some(("user", id.clone())),
            Self::One { shown, link: Link::Text, .. } => Some(("person", shown.clone())),
            Self::Everybody | Self::Several { .. } | Self::Nobody { .. } => None,
        }
    }

    /// Whether there is a list to show.
    pub const fn is_clear(&self) -> bool {
        matches!(self, Self::Everybody | Self::One { .. })
    }

    /// The field.
    pub fn field(&self) -> Markup {
        let shown = match self {
            Self::Everybody => "",
            Self::One { shown, .. } | Self::Several { shown, .. } | Self::Nobody { shown } => shown,
        };
        html! {
            div {
                label for="person" { "Person" }
                input #person type="search" name="person" value=(shown) maxlength="320" autocomplete="off"
                    placeholder="userName or e-mail";
            }
        }
    }

    /// In place of the list: who may be meant. `to` is the list's address narrowed to an id.
    pub fn choice(&self, to: impl Fn(&str) -> String) -> Markup {
        html! {
            @match self {
                Self::Everybody | Self::One { .. } => "",
                Self::Nobody { .. } => p.empty { "Nobody by that name or e-mail." },
                Self::Several { found, .. } => {
                    p.hint { (words::count(i64::try_from(found.items.len()).unwrap_or(i64::MAX), "person", "people")) " may be meant:" }
                    ul.list #who {
                        @for one in &found.items {
                            li { a href=(to(&one.id)) { (one.user_name.as_deref().unwrap_or(&one.id)) } }
                        }
                    }
                    @if found.more { p.hint { "There are more: type more of the name." } }
                },
            }
        }
    }
}
