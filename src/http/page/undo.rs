//! `GET /tasks/{id}/undo` and `GET /held/{id}/undo`: what would be granted again, by name, and the form
//! that does it under the digest of what was shown.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::access::{PageActor, PageReader};
use super::layout::{self, Pace, Place};
use super::reply::{self, PageFailure};
use super::{held, preview, tasks};
use crate::http::App;
use crate::http::admin::undo::go_on;
use crate::http::error::Refusal;
use crate::http::extract::caller::Access;
use crate::service::ServiceError;
use crate::service::rules::Action;
use crate::service::undo::{self, Taken};
use crate::service::whatif::{Digest, Plan};

/// `GET /tasks/{id}/undo`: of a task, or of a parent with its children.
///
/// # Errors
/// 403 for who may only look; 404; 409 when it took nothing.
pub async fn ask_task(
    caller: PageReader,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let plan = look(&caller, &app, Taken::by_task(&id)?).await?;
    let back = format!("/tasks/{}", *id);
    Ok(shown(&caller, Place::Tasks, &back, &plan))
}

/// `GET /held/{id}/undo`: of what was let out of a held batch.
///
/// # Errors
/// As [`ask_task`].
pub async fn ask_hold(
    caller: PageReader,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, PageFailure> {
    let plan = look(&caller, &app, Taken::by_hold(&id)?).await?;
    let form = format!("/held/{}", *id);
    Ok(shown(&caller, Place::Held, &form, &plan))
}

/// Whoever may read the hub sees what it would mean; only who may do it gets the form.
async fn look(caller: &PageReader, app: &App, taken: Taken) -> Result<Plan, PageFailure> {
    Ok(undo::look(&app.context, caller, taken).await?)
}

/// `at`: the address of what is undone.
fn shown(caller: &PageReader, place: Place, at: &str, plan: &Plan) -> HttpResponse {
    let back = if place == Place::Held { "/held" } else { at };
    let body: Markup = html! {
        h1 { "Grant again" }
        p { "Each person who is still here gets back what was taken, as a share of their own that stays until "
            "somebody deletes it. Nothing happens before you press the button." }
        (preview::effects(plan))
        @if plan.is_empty() {
            p.empty { "Nobody would be granted anything again." }
            p.actions { a.button href=(back) { "Back" } }
        } @else if !(Access::PageAct.allows(caller.scope) && caller.can(Action::ManageMembers)) {
            p.empty { "You may look at this; granting it again takes a Security Manager, Manager or Owner of the hub." }
            p.actions { a.button href=(back) { "Back" } }
        } @else {
            form method="post" action={ (at) "/undo" } {
                (layout::proof(caller))
                input type="hidden" name="expect" value=(plan.digest);
                div.actions {
                    button.primary type="submit" { "Grant again" }
                    a.button href=(back) { "Back" }
                }
            }
        }
    };
    reply::page(StatusCode::OK, layout::view(caller, place, "Grant again", Pace::Still, &body))
}

/// `POST /tasks/{id}/undo` with `expect`, the digest of what was shown.
///
/// # Errors
/// As [`ask_task`]; 400 without a digest, 409 when it means something else by now.
pub async fn task(form: PageActor, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    carry_out(&form, &app, Taken::by_task(&id)?).await?;
    Ok(tasks::after(&form, &app, &id, "undo"))
}

/// `POST /held/{id}/undo` with `expect`, the digest of what was shown.
///
/// # Errors
/// As [`task`].
pub async fn hold(form: PageActor, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, PageFailure> {
    let plan = carry_out(&form, &app, Taken::by_hold(&id)?).await?;
    let hub = plan.effects.first().map_or("", |effect| effect.hub.as_str());
    Ok(held::after(&form, &app, "granted", hub, None, 0))
}

async fn carry_out(form: &PageActor, app: &App, taken: Taken) -> Result<Plan, PageFailure> {
    let expect = form.fields.get("expect").filter(|digest| !digest.is_empty());
    let expect = expect.map(str::parse::<Digest>).transpose()?;
    match undo::undo(&app.context, form, taken, expect).await {
        Err(ServiceError::Moved { .. }) => {
            let detail = "this would mean something else by now than what you were shown; nothing was changed: go back \
                          and look again";
            Err(Refusal::new(StatusCode::CONFLICT, detail).into())
        }
        other => {
            let undo::Begun { plan, rest } = other?;
            if let Some(rest) = rest {
                go_on(rest);
            }
            Ok(plan)
        }
    }
}
