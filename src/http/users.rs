//! `/scim/v2/Users`. A handler takes what it needs from its signature, calls one use case and
//! encodes the answer; errors come out in SCIM's shape.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, web};

use super::App;
use super::conditions::Conditional;
use super::error::ScimFailure;
use super::extract::{QueryPairs, ScimCaller, ScimJson, ScimReader};
use super::respond;
use crate::scim::query::{ListQuery, Projection};
use crate::service::shown::{Found, Shown};
use crate::service::{user_list, users};

/// `GET /scim/v2/Users`
///
/// # Errors
/// 400 `invalidFilter`, `invalidValue` or `tooMany`.
pub async fn list(caller: ScimReader, app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, ScimFailure> {
    let query = ListQuery::read(&query.0)?;
    let body = user_list::list(&app, &caller, query).await?;
    Ok(respond::scim(StatusCode::OK).body(body))
}

/// `POST /scim/v2/Users`
///
/// # Errors
/// 400 for a body that is no user, 409 `uniqueness` for a userName that is taken.
pub async fn create(
    caller: ScimCaller,
    app: web::Data<App>,
    query: QueryPairs,
    body: ScimJson,
) -> Result<HttpResponse, ScimFailure> {
    let projection = Projection::read(&query.0)?;
    let shown = users::create(&app, &caller, body.0, projection).await?;
    Ok(resource(StatusCode::CREATED, shown))
}

/// `GET /scim/v2/Users/{id}`
///
/// # Errors
/// 404 for any id the caller may not see.
pub async fn read(
    caller: ScimReader,
    app: web::Data<App>,
    id: web::Path<String>,
    query: QueryPairs,
    conditions: Conditional,
) -> Result<HttpResponse, ScimFailure> {
    let projection = Projection::read(&query.0)?;
    Ok(found(users::read(&app, &caller, &id, conditions.0, projection).await?))
}

/// `PUT /scim/v2/Users/{id}`
///
/// # Errors
/// As [`create`], 404, and 412 for another version.
pub async fn replace(
    caller: ScimCaller,
    app: web::Data<App>,
    id: web::Path<String>,
    query: QueryPairs,
    conditions: Conditional,
    body: ScimJson,
) -> Result<HttpResponse, ScimFailure> {
    let projection = Projection::read(&query.0)?;
    let shown = users::replace(&app, &caller, &id, body.0, conditions.0, projection).await?;
    Ok(resource(StatusCode::OK, shown))
}

/// `PATCH /scim/v2/Users/{id}`: answered with the user.
///
/// # Errors
/// As [`replace`], and 400 with the keyword of the operation that cannot be applied.
pub async fn patch(
    caller: ScimCaller,
    app: web::Data<App>,
    id: web::Path<String>,
    query: QueryPairs,
    conditions: Conditional,
    body: ScimJson,
) -> Result<HttpResponse, ScimFailure> {
    let projection = Projection::read(&query.0)?;
    let shown = users::patch(&app, &caller, &id, body.0, conditions.0, projection).await?;
    Ok(resource(StatusCode::OK, shown))
}

/// `DELETE /scim/v2/Users/{id}`
///
/// # Errors
/// 404, and 412 for another version.
pub async fn delete(
    caller: ScimCaller,
    app: web::Data<App>,
    id: web::Path<String>,
    conditions: Conditional,
) -> Result<HttpResponse, ScimFailure> {
    users::delete(&app, &caller, &id, conditions.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A resource with `ETag` and `Location`.
pub(super) fn resource(status: StatusCode, shown: Shown) -> HttpResponse {
    respond::scim(status)
        .insert_header((header::ETAG, shown.etag))
        .insert_header((header::LOCATION, shown.location))
        .body(shown.body)
}

/// The answer to a read: the resource, or 304 without a body.
pub(super) fn found(found: Found) -> HttpResponse {
    match found {
        Found::Resource(shown) => resource(StatusCode::OK, shown),
        Found::Unchanged { etag } => HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish(),
    }
}
