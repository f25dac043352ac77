//! `/api/v1/activity`, `/api/v1/access`, `/api/v1/problems`: what happened, who held what, and
//! what a person must look at.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiQuery, ApiReader};
use crate::http::respond;
use crate::service::access::{self, AccessQuery};
use crate::service::activity::{self, ActivityQuery};
use crate::service::page::PageRequest;
use crate::service::problems;

/// `GET /api/v1/activity?hub=&user=&kind=`, newest first.
///
/// # Errors
/// 404 for an unknown hub.
pub async fn list(
    caller: ApiReader,
    query: ApiQuery<ActivityQuery>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = activity::list(&app.context, &caller, query.0).await?;
    respond::json(StatusCode::OK, &page)
}

/// `GET /api/v1/access?at=&user=&hub=`: access intervals, newest first.
///
/// # Errors
/// 400 for a moment that is none.
pub async fn access(
    caller: ApiReader,
    query: ApiQuery<AccessQuery>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = access::list(&app.context, &caller, query.0).await?;
    respond::json(StatusCode::OK, &page)
}

/// `GET /api/v1/problems`: open ones, newest first.
///
/// # Errors
/// As the use case.
pub async fn problems(
    caller: ApiReader,
    page: ApiQuery<PageRequest>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = problems::list(&app.context, &caller, &page.0).await?;
    respond::json(StatusCode::OK, &page)
}
