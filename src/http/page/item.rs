//! The form on an item for a person that says who does it and until when.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::access::{PageActor, PageReader};
use super::layout;
use super::reply::PageFailure;
use super::tasks;
use crate::base::clock::Micros;
use crate::http::App;
use crate::http::error::Refusal;
use crate::service::items::{self, ItemPatch, OwnerBody, Wish};
use crate::service::task_view::TaskView;
use crate::service::tasks::TaskStatus;

/// How far off an item may be put here, in days: a choice needs no time zone and no script.
const DAYS: [u64; 6] = [1, 3, 7, 14, 30, 90];

/// The form; nothing for what is no item.
pub fn form(caller: &PageReader, task: &TaskView) -> Markup {
    html! {
        @if task.status == TaskStatus::Manual {
            h2 { "Who does it, and until when" }
            form.card #item method="post" action={ "/tasks/" (task.id) "/item" } {
                (layout::proof(caller))
                div {
                    label for="who" { "Owner" }
                    select #who name="who" {
                        option value="keep" { "as it is" @if let Some(owner) = &task.owner { " (" (owner.name) ")" } }
                        option value="user" { "somebody here, named below" }
                        option value="name" { "anybody else, named below" }
                        option value="hub" { "an owner of the hub" }
                    }
                }
                div {
                    label for="owner" { "Their user name, id or name" }
                    input #owner type="text" name="owner" maxlength="200";
                }
                div {
                    label for="due" { "Due" }
                    select #due name="due" {
                        option value="keep" { "as it is" }
                        @for days in DAYS { option value=(days) { (days) @if days == 1 { " day from now" } @else { " days from now" } } }
                        option value="hub" { "as the hub says" }
                    }
                }
                button type="submit" { "Note it" }
            }
        }
    }
}

/// `POST /tasks/{id}/item` with `who` = `keep`, `user`, `name` or `hub`, `owner` with the two in the
/// middle, and `due` = `keep`, `hub` or a number of days.
///
/// # Errors
/// 404 for the task or the person; 400 for another word; 409 when it is no item for a person.
pub async fn change(form: PageActor, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    let patch = read(&form, app.clock.now())?;
    items::change(&app.context, &form, &id, patch).await?;
    Ok(tasks::after(&form, &app, &id, "item"))
}

fn read(form: &PageActor, now: Micros) -> Result<ItemPatch, Refusal> {
    let wrong = |why: &'static str| Refusal::new(StatusCode::BAD_REQUEST, why);
    let named = || {
        let name = form.fields.get("owner").map(str::trim).filter(|name| !name.is_empty());
        name.map(str::to_owned).ok_or_else(|| wrong("owner: say who does it"))
    };
    let owner = match form.fields.get("who") {
        None | Some("keep") => Wish::Keep,
        Some("hub") => Wish::Clear,
        Some("user") => Wish::To(OwnerBody { user: Some(named()?), name: None }),
        Some("name") => Wish::To(OwnerBody { user: None, name: Some(named()?) }),
        Some(_) => return Err(wrong("who must be keep, user, name or hub")),
    };
    let due = match form.fields.get("due") {
        None | Some("keep") => Wish::Keep,
        Some("hub") => Wish::Clear,
        Some(text) => {
            let days = text.parse::<u64>().ok().filter(|days| DAYS.contains(days));
            let days = days.ok_or_else(|| wrong("due must be keep, hub or one of the numbers of days offered"))?;
            Wish::To(now.plus(Duration::from_secs(days.saturating_mul(86_400))).to_rfc3339())
        }
    };
    Ok(ItemPatch { owner, due })
}
