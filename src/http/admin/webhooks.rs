//! `/api/v1/webhooks`: endpoints that are told of events, and what became of it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader};
use crate::http::respond;
use crate::service::deliveries::{self, DeliveryQuery};
use crate::service::webhooks::{self, Made, NewWebhook, WebhookPatch};

/// An endpoint with the one view of its secret.
fn made(made: &Made) -> Value {
    let mut body = json!(made.view);
    if let Some(body) = body.as_object_mut() {
        body.insert("secret".into(), json!(made.secret.expose()));
    }
    body
}

/// `GET /api/v1/webhooks`: never a secret.
///
/// # Errors
/// As the use case.
pub async fn list(caller: ApiReader, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let items = webhooks::list(&app.context, &caller).await?;
    respond::json(StatusCode::OK, &json!({ "items": items }))
}

/// `POST /api/v1/webhooks`: the one time that the secret is shown.
///
/// # Errors
/// 400 naming the field, 409 where there are too many.
pub async fn create(
    caller: ApiAdmin,
    ApiJson(wanted): ApiJson<NewWebhook>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let new = webhooks::create(&app.context, &caller, wanted).await?;
    respond::json(StatusCode::CREATED, &made(&new))
}

/// `GET /api/v1/webhooks/{id}`
///
/// # Errors
/// 404.
pub async fn show(caller: ApiReader, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let webhook = webhooks::show(&app.context, &caller, &id).await?;
    respond::json(StatusCode::OK, &webhook)
}

/// `PATCH /api/v1/webhooks/{id}`: name, address, choice of events, on or off.
///
/// # Errors
/// 400 naming the field, 404.
pub async fn patch(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(wanted): ApiJson<WebhookPatch>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let webhook = webhooks::patch(&app.context, &caller, &id, wanted).await?;
    respond::json(StatusCode::OK, &webhook)
}

/// `DELETE /api/v1/webhooks/{id}`
///
/// # Errors
/// 404.
pub async fn remove(caller: ApiAdmin, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    webhooks::delete(&app.context, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/webhooks/{id}/rotate`: a new secret, shown once.
///
/// # Errors
/// 404.
pub async fn rotate(caller: ApiAdmin, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let new = webhooks::rotate(&app.context, &caller, &id).await?;
    respond::json(StatusCode::OK, &made(&new))
}

/// `POST /api/v1/webhooks/{id}/test`: a trial is on its way.
///
/// # Errors
/// 404, 409 when the endpoint is off.
pub async fn test(caller: ApiAdmin, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let delivery = webhooks::test(&app.context, &caller, &id).await?;
    respond::json(StatusCode::ACCEPTED, &json!({ "delivery": delivery }))
}

/// `GET /api/v1/webhooks/{id}/deliveries?status=`, newest first.
///
/// # Errors
/// 400 for an unknown status, 404.
pub async fn deliveries(
    caller: ApiReader,
    id: web::Path<String>,
    query: ApiQuery<DeliveryQuery>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = deliveries::list(&app.context, &caller, &id, query.0).await?;
    respond::json(StatusCode::OK, &page)
}

/// `POST /api/v1/webhooks/{id}/deliveries/replay`: all dead ones are sent again.
///
/// # Errors
/// 404.
pub async fn replay_dead(
    caller: ApiAdmin,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let count = deliveries::replay(&app.context, &caller, &id, None).await?;
    respond::json(StatusCode::ACCEPTED, &json!({ "replayed": count }))
}

/// `POST /api/v1/webhooks/{id}/deliveries/{delivery}/replay`: this one is sent again, under the same
/// id.
///
/// # Errors
/// 404, 409 when it is still to be sent.
pub async fn replay(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (id, delivery) = path.into_inner();
    let count = deliveries::replay(&app.context, &caller, &id, Some(&delivery)).await?;
    respond::json(StatusCode::ACCEPTED, &json!({ "replayed": count }))
}
