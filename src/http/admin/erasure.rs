//! `/api/v1/people/{user}/erase`: forgetting a person who is gone.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::ApiAdmin;
use crate::http::respond;
use crate::service::erasure;

/// `POST /api/v1/people/{user}/erase`: by SCIM id or userName, or by the address that a report shows.
/// There is no way back.
///
/// # Errors
/// 404; 409 that lists what must be done first.
pub async fn erase(caller: ApiAdmin, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let done = erasure::erase(&app.context, &caller, &id).await?;
    respond::json(StatusCode::OK, &done)
}
