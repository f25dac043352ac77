//! `/api/v1/workspaces`: a token belongs to one workspace and sees that one. Workspaces are made by
//! the installation's operator, with `scimhub workspace create`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::ApiReader;
use crate::http::respond;
use crate::service::workspaces;

/// `GET /api/v1/workspaces`
///
/// # Errors
/// As the use case.
pub async fn list(caller: ApiReader, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let own = workspaces::status(&app.context, &caller).await?.workspace;
    respond::json(StatusCode::OK, &json!({ "items": [own] }))
}
