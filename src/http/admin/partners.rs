//! `/api/v1/partners`: businesses outside whose people are guests here.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader};
use crate::http::respond;
use crate::service::guests::GuestBody;
use crate::service::page::PageRequest;
use crate::service::partners::{self, MemberBody, PartnerBody};

/// `GET /api/v1/partners`: all for an admin, else those that the caller runs.
///
/// # Errors
/// 400 for a bad cursor.
pub async fn list(
    caller: ApiReader,
    query: ApiQuery<PageRequest>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = partners::list(&app.context, &caller, query.0).await?;
    respond::json(StatusCode::OK, &page)
}

/// `POST /api/v1/partners` with a `name`.
///
/// # Errors
/// 400 naming the field; 409 when the name is taken.
pub async fn create(
    caller: ApiAdmin,
    ApiJson(body): ApiJson<PartnerBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let partner = partners::create(&app.context, &caller, &body).await?;
    respond::json(StatusCode::CREATED, &partner)
}

/// `GET /api/v1/partners/{id}`: with its people.
///
/// # Errors
/// 404.
pub async fn show(caller: ApiReader, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let partner = partners::show(&app.context, &caller, &id).await?;
    respond::json(StatusCode::OK, &partner)
}

/// `DELETE /api/v1/partners/{id}`: all its guests leave the workspace.
///
/// # Errors
/// 404.
pub async fn delete(caller: ApiAdmin, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    partners::delete(&app.context, &caller, &id).await?;
    app.authenticator.forget_people();
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/partners/{id}/guests` with an `email`, and names.
///
/// # Errors
/// 404; 400 naming the field; 403 for a guest, and as an invitation of any guest; 409 for whoever is here already,
/// and when it is full.
pub async fn invite(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<GuestBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let partner = partners::invite(&app.context, &caller, &id, &body).await?;
    respond::json(StatusCode::CREATED, &partner)
}

/// `PUT /api/v1/partners/{id}/members/{user}` with a `role`: `guest`, `guest_admin` or `host_admin`.
///
/// # Errors
/// 404; 400 for no role of ours; 403 for more than the caller may give; 409 for what they cannot be.
pub async fn put_member(
    caller: ApiAdmin,
    place: web::Path<(String, String)>,
    ApiJson(body): ApiJson<MemberBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let partner = partners::put_member(&app.context, &caller, &place.0, &place.1, &body).await?;
    respond::json(StatusCode::OK, &partner)
}

/// `DELETE /api/v1/partners/{id}/members/{user}`: a guest leaves the workspace, too.
///
/// # Errors
/// 404; 403 for whom the caller may not take out (R9.2).
pub async fn remove_member(
    caller: ApiAdmin,
    place: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    partners::remove_member(&app.context, &caller, &place.0, &place.1).await?;
    app.authenticator.forget_people();
    Ok(HttpResponse::NoContent().finish())
}
