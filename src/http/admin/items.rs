//! Items for a person, and the card of failures.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiReader};
use crate::http::respond;
use crate::service::failures::{self, ReadBody};
use crate::service::items::{self, ItemPatch};

/// `PATCH /api/v1/tasks/{id}`: who does it and until when.
///
/// # Errors
/// 404 for the task or the person, 400 for a time that cannot be, 409 when it is no item for a person.
pub async fn patch(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<ItemPatch>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let task = items::change(&app.context, &caller, &id, body).await?;
    respond::json(StatusCode::OK, &task)
}

/// `GET /api/v1/failures`: of the last seven days, in three groups.
///
/// # Errors
/// As the use case.
pub async fn failures(caller: ApiReader, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let card = failures::card(&app.context, &caller).await?;
    respond::json(StatusCode::OK, &card)
}

/// `POST /api/v1/failures/read`: the caller has read of a group, or of all.
///
/// # Errors
/// 400 for another group.
pub async fn read(
    caller: ApiAdmin,
    ApiJson(body): ApiJson<ReadBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let card = failures::mark_read(&app.context, &caller, body).await?;
    respond::json(StatusCode::OK, &card)
}
