//! `/api/v1/tokens`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::http::App;
use crate::http::error::{ApiFailure, Refusal};
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader};
use crate::http::respond;
use crate::service::page::PageRequest;
use crate::service::tokens::{self, NewActing, NewToken, Ttl};

/// A token to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    name: String,
    scope: String,
    source: Option<String>,
    ttl: Option<String>,
    /// A person to act as: SCIM id or userName.
    #[serde(rename = "as")]
    acts_as: Option<String>,
    /// The role of a service.
    role: Option<String>,
}

/// `GET /api/v1/tokens`: never a secret, never a hash.
///
/// # Errors
/// As the use case.
pub async fn list(
    caller: ApiReader,
    page: ApiQuery<PageRequest>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = tokens::list(&app.context, &caller, &page.0).await?;
    respond::json(StatusCode::OK, &page)
}

/// `POST /api/v1/tokens`: the one time that the token itself is shown.
///
/// # Errors
/// 400 for an unknown scope, source or lifetime; as the use case.
pub async fn create(
    caller: ApiAdmin,
    ApiJson(wanted): ApiJson<Wanted>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let bad = |text: String| Refusal::new(StatusCode::BAD_REQUEST, text);
    let ttl = wanted.ttl.as_deref().map(str::parse::<Ttl>).transpose().map_err(|e| bad(e.to_string()))?;
    let new = NewToken {
        name: wanted.name,
        scope: wanted.scope.parse().map_err(|e: crate::service::UnknownWord| bad(e.to_string()))?,
        source: wanted.source,
        ttl: ttl.unwrap_or_default(),
        acting: NewActing::read(wanted.acts_as, wanted.role.as_deref())?,
    };
    let created = tokens::create(&app.context, &caller, new).await?;
    let body = json!({"token": created.text.expose(), "details": created.view});
    respond::json(StatusCode::CREATED, &body)
}

/// `DELETE /api/v1/tokens/{id}`: it stops working within a second.
///
/// # Errors
/// 404 for a token that the workspace does not have.
pub async fn revoke(caller: ApiAdmin, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    tokens::revoke(&app.context, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}
