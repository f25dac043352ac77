//! `/api/v1/hubs/{id}/mappings`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiReader};
use crate::http::respond;
use crate::service::mappings::{self, MappingBody, MappingView, Put};

/// `GET /api/v1/hubs/{id}/mappings`
///
/// # Errors
/// 404 for the hub.
pub async fn list(caller: ApiReader, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let items = mappings::list(&app.context, &caller, &id).await?;
    respond::json(StatusCode::OK, &json!({ "items": items }))
}

/// `GET /api/v1/hubs/{id}/mappings/{mapping}`
///
/// # Errors
/// 404.
pub async fn show(
    caller: ApiReader,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, id) = path.into_inner();
    let mapping = mappings::show(&app.context, &caller, &hub, &id).await?;
    respond::json(StatusCode::OK, &mapping)
}

/// `PUT /api/v1/hubs/{id}/mappings`: adds it, or changes the one of the same subject and `where`.
///
/// # Errors
/// 404 for the hub, 400 with everything that is wrong.
pub async fn put(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<MappingBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    answer(mappings::put(&app.context, &caller, &id, None, body).await?)
}

/// `PUT /api/v1/hubs/{id}/mappings/{mapping}`: changes it in place.
///
/// # Errors
/// 404; 400 with everything that is wrong, also another subject or `where`.
pub async fn put_one(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    ApiJson(body): ApiJson<MappingBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, id) = path.into_inner();
    answer(mappings::put(&app.context, &caller, &hub, Some(&id), body).await?)
}

fn answer((put, mapping): (Put, MappingView)) -> Result<HttpResponse, ApiFailure> {
    let status = match put {
        Put::Made => StatusCode::CREATED,
        Put::Changed => StatusCode::OK,
    };
    respond::json(status, &mapping)
}

/// `DELETE /api/v1/hubs/{id}/mappings/{mapping}`
///
/// # Errors
/// 404.
pub async fn remove(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, id) = path.into_inner();
    mappings::remove(&app.context, &caller, &hub, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/hubs/{id}/mappings/{mapping}/bind`: binds a `gone` mapping anew, on a person's word.
///
/// # Errors
/// 404; 409 when it is bound, or nothing is there to bind to.
pub async fn bind(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, id) = path.into_inner();
    let mapping = mappings::bind(&app.context, &caller, &hub, &id).await?;
    respond::json(StatusCode::OK, &mapping)
}
