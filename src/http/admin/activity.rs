//! `/api/v1/activity`, `/api/v1/access`, `/api/v1/problems`: what happened, who held what, and
//! what a person must look at.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::tasks::NoteBody;
use crate::http::App;
use crate::http::csv;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader};
use crate::http::respond;
use crate::service::access::{self, AccessQuery};
use crate::service::activity::{self, ActivityQuery};
use crate::service::page::PageRequest;
use crate::service::problems;
use crate::service::reports::{self, ReportQuery};

/// `GET /api/v1/activity?hub=&app=&user=&kind=&actor=&from=&to=&format=`, newest first; as CSV the whole of it.
///
/// # Errors
/// 404 for an unknown hub or app, 400 for a moment that is none or an unknown name.
pub async fn list(
    caller: ApiReader,
    query: ApiQuery<ActivityQuery>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let query = query.0;
    if csv::wanted(&request, query.format) {
        let query = ActivityQuery { limit: query.limit.or(Some(usize::MAX)), ..query };
        let first = activity::list(&app.context, &caller, query.clone()).await?;
        return Ok(csv::reply("activity", &csv::RECORD, first, move |cursor| {
            let (app, caller, query) = (app.clone(), caller.clone(), query.clone());
            async move { activity::list(&app.context, &caller, ActivityQuery { cursor: Some(cursor), ..query }).await }
        }));
    }
    let page = activity::list(&app.context, &caller, query).await?;
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

/// `GET /api/v1/reports/access?at=&person=&hub=&leavers=&format=`: for auditors; as CSV the whole of it.
///
/// # Errors
/// 400 for a moment that is none, or two kinds of report at once.
pub async fn report(
    caller: ApiReader,
    query: ApiQuery<ReportQuery>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let query = query.0;
    if csv::wanted(&request, query.format) {
        let query = ReportQuery { limit: query.limit.or(Some(usize::MAX)), ..query };
        let first = reports::access(&app.context, &caller, query.clone()).await?;
        return Ok(csv::reply("access", &csv::REPORT, first, move |cursor| {
            let (app, caller, query) = (app.clone(), caller.clone(), query.clone());
            async move { reports::access(&app.context, &caller, ReportQuery { cursor: Some(cursor), ..query }).await }
        }));
    }
    let page = reports::access(&app.context, &caller, query).await?;
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

/// `POST /api/v1/problems/{hub}/gone` with a note: who stayed behind in the app of this removed hub is
/// gone from it.
///
/// # Errors
/// 404 where nobody did, 400 without a note.
pub async fn gone(
    caller: ApiAdmin,
    hub: web::Path<String>,
    ApiJson(body): ApiJson<NoteBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    problems::gone(&app.context, &caller, &hub, body.note).await?;
    Ok(HttpResponse::NoContent().finish())
}
