//! `/api/v1/audit`: whether the activity record is as it was sealed, and signed ends to keep elsewhere.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiQuery, ApiReader};
use crate::http::respond;
use crate::service::audit::{self, Verify};

/// `GET /api/v1/audit/verify?after=&hash=&checkpoint=`: one step of a check; go on with the `seq`
/// and `hash` of the answer until it is `done`.
///
/// # Errors
/// 400 for a hash or checkpoint that is none.
pub async fn verify(
    caller: ApiReader,
    query: ApiQuery<Verify>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    respond::json(StatusCode::OK, &audit::verify(&app.context, &caller, query.0).await?)
}

/// `GET /api/v1/audit/checkpoints`: the newest first.
///
/// # Errors
/// As the use case.
pub async fn checkpoints(caller: ApiReader, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let items = audit::checkpoints(&app.context, &caller).await?;
    respond::json(StatusCode::OK, &json!({ "items": items }))
}

/// `POST /api/v1/audit/checkpoints`: sign the end as it is now.
///
/// # Errors
/// As the use case.
pub async fn sign(caller: ApiAdmin, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    respond::json(StatusCode::OK, &audit::checkpoint(&app.context, &caller).await?)
}
