//! `/api/v1/hubs/{id}/drift`: where the app is otherwise than wanted, and putting that right.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader, Expect};
use crate::http::respond;
use crate::service::drift::repair::{self, RepairBody};
use crate::service::drift::{self, DriftQuery};

/// `GET /api/v1/hubs/{id}/drift?kind=&limit=&cursor=`: missing, extra, with the wrong role or assets, unknown. A
/// page may be short, even empty, while there is a `next`.
///
/// # Errors
/// 404 for the hub; 400 for an unknown kind or cursor.
pub async fn list(
    caller: ApiReader,
    id: web::Path<String>,
    ApiQuery(query): ApiQuery<DriftQuery>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = drift::list(&app.context, &caller, &id, query).await?;
    respond::json(StatusCode::OK, &page)
}

/// `POST /api/v1/hubs/{id}/drift/repair/preview`, the body that of [`repair`]: what it would mean.
///
/// # Errors
/// 404 for the hub; 400 naming who is not in it; 409 while the hub only observes.
pub async fn preview(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<RepairBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let plan = repair::preview(&app.context, &caller, &id, body).await?;
    respond::json(StatusCode::OK, &plan)
}

/// `POST /api/v1/hubs/{id}/drift/repair?expect=DIGEST` with `{}` for everybody, or `members` and
/// `users`, lists of ids.
///
/// # Errors
/// As [`preview`]; 400 without a digest; 409 when it means something else by now.
pub async fn repair(
    caller: ApiAdmin,
    id: web::Path<String>,
    Expect(expect): Expect,
    ApiJson(body): ApiJson<RepairBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let plan = repair::repair(&app.context, &caller, &id, body, expect).await?;
    respond::json(StatusCode::OK, &plan)
}
