//! `/api/v1/hubs/{id}/managers`: Owners and Managers of a hub.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader};
use crate::http::respond;
use crate::service::managers::{self, ManagerBody};
use crate::service::page::PageRequest;

/// `GET …/managers`: everybody who runs the hub, and through what.
///
/// # Errors
/// 404; 400 for a bad cursor.
pub async fn list(
    caller: ApiReader,
    hub: web::Path<String>,
    query: ApiQuery<PageRequest>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = managers::list(&app.context, &caller, &hub, &query.0).await?;
    respond::json(StatusCode::OK, &page)
}

/// `PUT …/managers/{user}` with a `role`, `owner` or `manager`, and `service_account` where the hub has
/// one. No seat comes with it.
///
/// # Errors
/// 404 for hub or user; 400 naming the field; 409 where the person or the rest of the hub is against it.
pub async fn put(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    ApiJson(body): ApiJson<ManagerBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, user) = path.into_inner();
    let manager = managers::put(&app.context, &caller, &hub, &user, &body).await?;
    respond::json(StatusCode::OK, &manager)
}

/// `DELETE …/managers/{user}`
///
/// # Errors
/// 404 where they are none; 409 naming the group it comes through, for oneself, and for the last Owner.
pub async fn remove(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, user) = path.into_inner();
    managers::remove(&app.context, &caller, &hub, &user).await?;
    Ok(HttpResponse::NoContent().finish())
}
