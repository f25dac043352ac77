//! `GET /api/v1/status`: the workspace at a glance.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::ApiReader;
use crate::http::respond;
use crate::service::overview::{self, Depth};

/// `GET /api/v1/status`
///
/// # Errors
/// As the use case.
pub async fn show(caller: ApiReader, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let status = overview::overview(&app.context, &caller, Depth::Whole).await?;
    respond::json(StatusCode::OK, &status)
}
