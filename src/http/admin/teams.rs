//! `/api/v1/teams`: teams managed here, beside the groups of identity providers.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader};
use crate::http::respond;
use crate::service::page::PageRequest;
use crate::service::teams::{self, Place, TeamBody};

/// `GET /api/v1/teams`: all of them, of every kind.
///
/// # Errors
/// 400 for a bad cursor.
pub async fn list(
    caller: ApiReader,
    query: ApiQuery<PageRequest>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = teams::list(&app.context, &caller, query.0).await?;
    respond::json(StatusCode::OK, &page)
}

/// `GET /api/v1/teams/{id}`: with its members.
///
/// # Errors
/// 404.
pub async fn show(caller: ApiReader, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let team = teams::show(&app.context, &caller, &id).await?;
    respond::json(StatusCode::OK, &team)
}

/// `POST /api/v1/teams` with a `name`.
///
/// # Errors
/// 400 naming the field, 409 when the name is taken.
pub async fn create(
    caller: ApiAdmin,
    ApiJson(body): ApiJson<TeamBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let team = teams::create(&app.context, &caller, body).await?;
    respond::json(StatusCode::CREATED, &team)
}

/// `PATCH /api/v1/teams/{id}`: another `name`.
///
/// # Errors
/// 404; 400; 409 for an identity provider's group or a name that is taken.
pub async fn rename(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<TeamBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let team = teams::rename(&app.context, &caller, &id, body).await?;
    respond::json(StatusCode::OK, &team)
}

/// `DELETE /api/v1/teams/{id}`: what it gave is held until a person decides.
///
/// # Errors
/// 404; 409 for an identity provider's group.
pub async fn delete(caller: ApiAdmin, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    teams::delete(&app.context, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `PUT /api/v1/teams/{id}/members/{user}`
///
/// # Errors
/// 404 for team or user; 409 for an identity provider's group.
pub async fn put_member(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (team, user) = path.into_inner();
    teams::place(&app.context, &caller, &team, &user, Place::In).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /api/v1/teams/{id}/members/{user}`
///
/// # Errors
/// As [`put_member`]; taking out who is not in is no error.
pub async fn delete_member(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (team, user) = path.into_inner();
    teams::place(&app.context, &caller, &team, &user, Place::Out).await?;
    Ok(HttpResponse::NoContent().finish())
}
