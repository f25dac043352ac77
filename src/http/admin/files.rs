//! `/api/v1/plan`, `/apply`, `/export`: hubs and mappings as files; `/pause` and `/resume`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::hubs;
use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader, Expect, LargeApiJson};
use crate::http::respond;
use crate::service::files::{self, Part, Wanted};
use crate::service::pushing::{self, Pushing};
use crate::service::whatif::Action;

/// Which hub is meant; the whole workspace without one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    hub: Option<String>,
}

/// `POST /api/v1/plan`: what would change for whom. A server never resolves `{ env = … }`.
///
/// # Errors
/// 400 with every mistake as `file:line: …`, 403 for `{ env = … }`.
pub async fn plan(
    caller: ApiReader,
    LargeApiJson(wanted): LargeApiJson<Wanted>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let plan = files::plan(&app.context, &caller, wanted, None).await?;
    respond::json(StatusCode::OK, &plan)
}

/// `POST /api/v1/apply?expect=DIGEST`: does it, whole or not at all; with a digest only where it
/// still means what that plan showed.
///
/// # Errors
/// As [`plan`]; 409 with the new counts when it means something else now.
pub async fn apply(
    caller: ApiAdmin,
    Expect(expect): Expect,
    LargeApiJson(wanted): LargeApiJson<Wanted>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let plan = files::apply(&app.context, &caller, wanted, None, expect).await?;
    for hub in plan.hubs.iter().filter(|hub| hub.action == Action::Add) {
        hubs::check_soon(&app.context, &caller, hub.hub.clone());
    }
    respond::json(StatusCode::OK, &plan)
}

/// What to export; the whole workspace by default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    hub: Option<String>,
    owner: Option<String>,
}

/// `GET /api/v1/export?hub=&owner=`: a file whose application changes nothing.
///
/// # Errors
/// 404 for an unknown hub.
pub async fn export(
    caller: ApiReader,
    which: ApiQuery<Exported>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let part = Part { hub: which.0.hub, owner: which.0.owner };
    let text = files::export(&app.context, &caller, part).await?;
    respond::json(StatusCode::OK, &serde_json::json!({ "text": text }))
}

/// `POST /api/v1/pause`: nothing is sent to apps; SCIM goes on.
///
/// # Errors
/// 404 for an unknown hub.
pub async fn pause(
    caller: ApiAdmin,
    ApiJson(which): ApiJson<Which>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    pushing::set(&app.context, &caller, which.hub.as_deref(), Pushing::Paused).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/resume`
///
/// # Errors
/// 404 for an unknown hub.
pub async fn resume(
    caller: ApiAdmin,
    ApiJson(which): ApiJson<Which>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    pushing::set(&app.context, &caller, which.hub.as_deref(), Pushing::Resumed).await?;
    Ok(HttpResponse::NoContent().finish())
}
