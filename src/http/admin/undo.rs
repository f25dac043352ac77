//! Undo of a task, of a batch, or of everything one request took: a look first, then the change under its digest.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiReader, Expect};
use crate::http::respond;
use crate::service::undo::{self, Begun, Taken};

/// `GET /api/v1/tasks/{id}/undo`: what granting again would mean; of a parent, for all its children.
///
/// # Errors
/// 404; 409 when the task took nothing.
pub async fn look_at_task(
    caller: ApiReader,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let plan = undo::look(&app.context, &caller, Taken::by_task(&id)?).await?;
    respond::json(StatusCode::OK, &plan)
}

/// `POST /api/v1/tasks/{id}/undo?expect=DIGEST`: 202 where so many are granted again that it goes on
/// beside the reply.
///
/// # Errors
/// 404; 400 without a digest; 409 when it took nothing or would mean something else by now.
pub async fn undo_task(
    caller: ApiAdmin,
    id: web::Path<String>,
    Expect(expect): Expect,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    begun(undo::undo(&app.context, &caller, Taken::by_task(&id)?, expect).await?)
}

/// `GET /api/v1/held/{id}/undo`: of everything that was let out of one held batch.
///
/// # Errors
/// 404; 409 when nothing of it was carried out.
pub async fn look_at_hold(
    caller: ApiReader,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let plan = undo::look(&app.context, &caller, Taken::by_hold(&id)?).await?;
    respond::json(StatusCode::OK, &plan)
}

/// `POST /api/v1/held/{id}/undo?expect=DIGEST`
///
/// # Errors
/// As [`undo_task`].
pub async fn undo_hold(
    caller: ApiAdmin,
    id: web::Path<String>,
    Expect(expect): Expect,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    begun(undo::undo(&app.context, &caller, Taken::by_hold(&id)?, expect).await?)
}

/// `GET /api/v1/requests/{id}/undo`: of everything that one request took, an apply among them.
///
/// # Errors
/// 409 when it took nothing.
pub async fn look_at_request(
    caller: ApiReader,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let plan = undo::look(&app.context, &caller, Taken::ByRequest(id.into_inner())).await?;
    respond::json(StatusCode::OK, &plan)
}

/// `POST /api/v1/requests/{id}/undo?expect=DIGEST`
///
/// # Errors
/// As [`undo_task`].
pub async fn undo_request(
    caller: ApiAdmin,
    id: web::Path<String>,
    Expect(expect): Expect,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    begun(undo::undo(&app.context, &caller, Taken::ByRequest(id.into_inner()), expect).await?)
}

/// 200 where all is written; 202 where it goes on, however soon the caller goes away. How far it is, the
/// parent task of the request tells in each hub.
fn begun(begun: Begun) -> Result<HttpResponse, ApiFailure> {
    let Some(rest) = begun.rest else { return respond::json(StatusCode::OK, &begun.plan) };
    go_on(rest);
    respond::json(StatusCode::ACCEPTED, &begun.plan)
}

/// Finish it beside the reply.
pub fn go_on(rest: undo::Rest) {
    actix_web::rt::spawn(async move {
        if let Err(error) = rest.finish().await {
            tracing::error!(%error, "an undo of many people broke off; a look at it shows who is left");
        }
    });
}
