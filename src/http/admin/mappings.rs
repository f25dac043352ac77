//! `/api/v1/hubs/{id}/mappings`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader, Expect};
use crate::http::respond;
use crate::service::mapping_changes::{self, MappingChanges};
use crate::service::mappings::{self, MappingBody, MappingView, Put};
use crate::service::member_actions::RemovalMode;
use crate::service::whatif::Digest;

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

/// `POST /api/v1/hubs/{id}/mappings/preview`: what a change would mean, for whom, and its digest.
/// The body is that of `PUT …/mappings`, or `{"changes": [{"put": …}, {"remove": ID}, {"bind": ID}]}`.
///
/// # Errors
/// As the change: 404 for the hub or mapping, 400 with everything that is wrong.
pub async fn preview(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<Value>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let plan = mapping_changes::preview(&app.context, &caller, &id, MappingChanges::read(body)?).await?;
    respond::json(StatusCode::OK, &plan)
}

/// `PATCH /api/v1/hubs/{id}/mappings?expect=DIGEST`: several changes, all or none.
///
/// # Errors
/// As [`preview`]; 409 with the new counts when it means something else now.
pub async fn change(
    caller: ApiAdmin,
    id: web::Path<String>,
    Expect(expect): Expect,
    ApiJson(changes): ApiJson<MappingChanges>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let plan = mapping_changes::change(&app.context, &caller, &id, changes, expect).await?;
    respond::json(StatusCode::OK, &plan)
}

/// `PUT /api/v1/hubs/{id}/mappings?expect=DIGEST`: adds it, or changes the one of the same subject
/// and `where`.
///
/// # Errors
/// 404 for the hub, 400 with everything that is wrong, 409 when it means something else now.
pub async fn put(
    caller: ApiAdmin,
    id: web::Path<String>,
    Expect(expect): Expect,
    ApiJson(body): ApiJson<MappingBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    answer(mappings::put(&app.context, &caller, &id, None, body, expect).await?)
}

/// `PUT /api/v1/hubs/{id}/mappings/{mapping}?expect=DIGEST`: changes it in place.
///
/// # Errors
/// 404; 400 with everything that is wrong, also another subject or `where`; 409 when it means
/// something else now.
pub async fn put_one(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    Expect(expect): Expect,
    ApiJson(body): ApiJson<MappingBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, id) = path.into_inner();
    answer(mappings::put(&app.context, &caller, &hub, Some(&id), body, expect).await?)
}

fn answer((put, mapping): (Put, MappingView)) -> Result<HttpResponse, ApiFailure> {
    let status = match put {
        Put::Made => StatusCode::CREATED,
        Put::Changed => StatusCode::OK,
    };
    respond::json(status, &mapping)
}

/// How a mapping goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    mode: Option<String>,
    expect: Option<String>,
}

/// `DELETE /api/v1/hubs/{id}/mappings/{mapping}?mode=hub_and_app|hub_only&expect=DIGEST`
///
/// # Errors
/// 404; 400 for another mode; 409 when it means something else now, or the mode is not possible.
pub async fn remove(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    ApiQuery(query): ApiQuery<Removal>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, id) = path.into_inner();
    let mode = RemovalMode::read(query.mode.as_deref())?;
    let expect = query.expect.map(|text| text.parse::<Digest>()).transpose()?;
    mappings::remove(&app.context, &caller, &hub, &id, mode, expect).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/hubs/{id}/mappings/{mapping}/bind`: binds a `gone` mapping anew, on a person's word.
///
/// # Errors
/// 404; 409 when it is bound, or nothing is there to bind to.
pub async fn bind(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    Expect(expect): Expect,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, id) = path.into_inner();
    let mapping = mappings::bind(&app.context, &caller, &hub, &id, expect).await?;
    respond::json(StatusCode::OK, &mapping)
}
