//! `/api/v1/sources`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::http::App;
use crate::http::error::{ApiFailure, Refusal};
use crate::http::extract::{ApiAdmin, ApiJson, ApiReader};
use crate::http::respond;
use crate::service::{Preset, UnknownWord, sources};

/// A source to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    name: String,
    preset: Option<String>,
    #[serde(default)]
    strict: bool,
}

/// `GET /api/v1/sources`
///
/// # Errors
/// As the use case.
pub async fn list(caller: ApiReader, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let items = sources::list(&app.context, &caller).await?;
    respond::json(StatusCode::OK, &json!({ "items": items }))
}

/// `POST /api/v1/sources`
///
/// # Errors
/// 400 for an unknown preset or a bad name, 409 when the name is taken.
pub async fn create(
    caller: ApiAdmin,
    ApiJson(wanted): ApiJson<Wanted>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let preset = wanted.preset.as_deref().map(str::parse::<Preset>).transpose();
    let preset = preset.map_err(|e: UnknownWord| Refusal::new(StatusCode::BAD_REQUEST, e.to_string()))?;
    let preset = preset.unwrap_or(Preset::Generic);
    let source = sources::create(&app.context, &caller, wanted.name, preset, wanted.strict).await?;
    respond::json(StatusCode::CREATED, &source)
}
