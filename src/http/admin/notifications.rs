//! `/api/v1/notifications`: who is told of what needs a person.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiReader};
use crate::http::respond;
use crate::service::notifications::{self, Wanted};

/// `GET /api/v1/notifications`
///
/// # Errors
/// As the use case.
pub async fn show(caller: ApiReader, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let view = notifications::show(&app.context, &caller).await?;
    respond::json(StatusCode::OK, &view)
}

/// `PUT /api/v1/notifications`
///
/// # Errors
/// 400 naming the field.
pub async fn put(
    caller: ApiAdmin,
    ApiJson(wanted): ApiJson<Wanted>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let view = notifications::put(&app.context, &caller, wanted).await?;
    respond::json(StatusCode::OK, &view)
}
