//! `/scim/v2/Groups`. Bodies may be as large as a push of thousands of members; a PATCH is answered
//! without a body, because one with all members would cost the size of the group.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use prometheus::IntCounterVec;

use super::App;
use super::conditions::Conditional;
use super::error::ScimFailure;
use super::extract::{LargeScimJson, QueryPairs, ScimCaller, ScimReader};
use super::respond;
use super::users::{found, resource};
use crate::scim::query::{ListQuery, Projection};
use crate::service::groups::Changed;
use crate::service::{group_list, groups};
use crate::telemetry::metrics;

static PENDING: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "scimhub_scim_pending_members_total",
        "Members named in a group before they arrived; kept until they do.",
        &["method"],
    )
});

fn count_pending(method: &str, pending: usize) {
    PENDING.with_label_values(&[method]).inc_by(u64::try_from(pending).unwrap_or(u64::MAX));
}

/// `GET /scim/v2/Groups`
///
/// # Errors
/// 400 `invalidFilter`, `invalidValue` or `tooMany`.
pub async fn list(caller: ScimReader, app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, ScimFailure> {
    let query = ListQuery::read(&query.0)?;
    let body = group_list::list(&app, &caller, query).await?;
    Ok(respond::scim(StatusCode::OK).body(body))
}

/// `POST /scim/v2/Groups`
///
/// # Errors
/// 400 for a body that is no group; in strict mode also for an unknown member.
pub async fn create(
    caller: ScimCaller,
    app: web::Data<App>,
    query: QueryPairs,
    body: LargeScimJson,
) -> Result<HttpResponse, ScimFailure> {
    let projection = Projection::read(&query.0)?;
    let (shown, pending) = groups::create(&app, &caller, body.0, projection).await?;
    count_pending("POST", pending);
    Ok(resource(StatusCode::CREATED, shown))
}

/// `GET /scim/v2/Groups/{id}`
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
    Ok(found(groups::read(&app, &caller, &id, conditions.0, projection).await?))
}

/// `PUT /scim/v2/Groups/{id}`
///
/// # Errors
/// As [`create`], 404, and 412 for another version.
pub async fn replace(
    caller: ScimCaller,
    app: web::Data<App>,
    id: web::Path<String>,
    query: QueryPairs,
    conditions: Conditional,
    body: LargeScimJson,
) -> Result<HttpResponse, ScimFailure> {
    let projection = Projection::read(&query.0)?;
    let changed = groups::replace(&app, &caller, &id, body.0, conditions.0, projection).await?;
    Ok(answer("PUT", changed))
}

/// `PATCH /scim/v2/Groups/{id}`: 204 with the new version, or 200 where `attributes` asks for some.
///
/// Replies once the change and its reconcile marks are committed together; planning and pushing
/// happen afterwards.
///
/// # Errors
/// As [`replace`], and 400 with the keyword of the operation that cannot be applied.
pub async fn patch(
    caller: ScimCaller,
    app: web::Data<App>,
    id: web::Path<String>,
    query: QueryPairs,
    conditions: Conditional,
    body: LargeScimJson,
) -> Result<HttpResponse, ScimFailure> {
    let projection = Projection::read(&query.0)?;
    let changed = groups::patch(&app, &caller, &id, body.0, conditions.0, projection).await?;
    Ok(answer("PATCH", changed))
}

/// `DELETE /scim/v2/Groups/{id}`
///
/// # Errors
/// 404, and 412 for another version.
pub async fn delete(
    caller: ScimCaller,
    app: web::Data<App>,
    id: web::Path<String>,
    conditions: Conditional,
) -> Result<HttpResponse, ScimFailure> {
    groups::delete(&app, &caller, &id, conditions.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn answer(method: &str, changed: Changed) -> HttpResponse {
    count_pending(method, changed.pending);
    match changed.shown {
        Some(shown) => resource(StatusCode::OK, shown),
        None => HttpResponse::NoContent().insert_header((header::ETAG, changed.etag)).finish(),
    }
}
