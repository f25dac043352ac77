//! The three discovery endpoints (RFC 7644 section 4). They take no filter (403), and they are
//! never projected: a client that reads capabilities must see all of them.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::App;
use super::error::{Refusal, ScimFailure};
use super::extract::{QueryPairs, ScimReader};
use super::respond;
use crate::scim::{discovery, list};

fn base(app: &App) -> String {
    format!("{}/scim/v2", app.base_url)
}

/// RFC 7644 section 4: a filter here is 403.
fn refuse_filter(query: &QueryPairs) -> Result<(), ScimFailure> {
    if query.0.iter().any(|(name, _)| name.eq_ignore_ascii_case("filter")) {
        return Err(ScimFailure(Refusal::new(StatusCode::FORBIDDEN, "discovery endpoints take no filter")));
    }
    Ok(())
}

fn all(resources: &[Value]) -> HttpResponse {
    let total = u64::try_from(resources.len()).unwrap_or(u64::MAX);
    respond::scim(StatusCode::OK).body(list::response(total, 1, resources).to_string())
}

/// Names and URNs of schemas are compared without case, as everywhere in SCIM.
fn one(resources: Vec<Value>, id: &str) -> Result<HttpResponse, ScimFailure> {
    let is_it = |resource: &Value| {
        resource.get("id").and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(id))
    };
    let found = resources.into_iter().find(is_it).ok_or_else(|| ScimFailure(Refusal::no_route()))?;
    Ok(respond::scim(StatusCode::OK).body(found.to_string()))
}

/// `GET /scim/v2/ServiceProviderConfig`: the one SCIM address that needs no credential.
///
/// # Errors
/// 403 for a filter.
pub async fn service_provider_config(app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, ScimFailure> {
    refuse_filter(&query)?;
    Ok(respond::scim(StatusCode::OK).body(discovery::service_provider_config(&base(&app)).to_string()))
}

/// `GET /scim/v2/ResourceTypes`
///
/// # Errors
/// 403 for a filter.
pub async fn resource_types(
    _caller: ScimReader,
    app: web::Data<App>,
    query: QueryPairs,
) -> Result<HttpResponse, ScimFailure> {
    refuse_filter(&query)?;
    Ok(all(&discovery::resource_types(&base(&app))))
}

/// `GET /scim/v2/ResourceTypes/{name}`
///
/// # Errors
/// 404 for a type that is not served, 403 for a filter.
pub async fn resource_type(
    _caller: ScimReader,
    app: web::Data<App>,
    name: web::Path<String>,
    query: QueryPairs,
) -> Result<HttpResponse, ScimFailure> {
    refuse_filter(&query)?;
    one(discovery::resource_types(&base(&app)), &name)
}

/// `GET /scim/v2/Schemas`
///
/// # Errors
/// 403 for a filter.
pub async fn schemas(_caller: ScimReader, app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, ScimFailure> {
    refuse_filter(&query)?;
    Ok(all(&discovery::schemas(&base(&app))))
}

/// `GET /scim/v2/Schemas/{urn}`
///
/// # Errors
/// 404 for a schema that is not served, 403 for a filter.
pub async fn schema(
    _caller: ScimReader,
    app: web::Data<App>,
    urn: web::Path<String>,
    query: QueryPairs,
) -> Result<HttpResponse, ScimFailure> {
    refuse_filter(&query)?;
    one(discovery::schemas(&base(&app)), &urn)
}
