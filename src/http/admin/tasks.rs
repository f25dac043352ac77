//! `/api/v1/tasks` and `/api/v1/held`: looking at tasks and deciding about them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use crate::auth::Caller;
use crate::http::App;
use crate::http::csv;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader};
use crate::http::respond;
use crate::service::ServiceError;
use crate::service::held::{self, Choice, Verdict};
use crate::service::history::{self, HistoryQuery};
use crate::service::parents::{self, BATCH, ChildrenQuery};
use crate::service::tasks::{self, Act, TaskQuery};

/// What a person says about it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteBody {
    pub(super) note: Option<String>,
}

/// Columns of tasks as CSV.
const COLUMNS: [&str; 18] = [
    "id",
    "hub",
    "kind",
    "status",
    "user",
    "person.user_name",
    "person.email",
    "role",
    "cause",
    "attempts",
    "created",
    "finished",
    "finished_by",
    "error.class",
    "note",
    "request_id",
    "parent",
    "due",
];

/// `GET /api/v1/tasks?status=&hub=&kind=&user=&parent=&overdue=&format=`; as CSV all of them. With
/// `kind=batch` the parents, with how far each is.
///
/// # Errors
/// 400 for a bad filter, 404 for an unknown hub.
pub async fn list(
    caller: ApiReader,
    query: ApiQuery<TaskQuery>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let query = query.0;
    if query.kind.as_deref() == Some(BATCH) {
        let page = parents::list(&app.context, &caller, query).await?;
        return respond::json(StatusCode::OK, &page);
    }
    if csv::wanted(&request, query.format) {
        let query = TaskQuery { limit: query.limit.or(Some(usize::MAX)), ..query };
        let first = tasks::list(&app.context, &caller, query.clone()).await?;
        return Ok(csv::reply("tasks", &COLUMNS, first, move |cursor| {
            let (app, caller, query) = (app.clone(), caller.clone(), query.clone());
            async move { tasks::list(&app.context, &caller, TaskQuery { cursor: Some(cursor), ..query }).await }
        }));
    }
    let page = tasks::list(&app.context, &caller, query).await?;
    respond::json(StatusCode::OK, &page)
}

/// `GET /api/v1/tasks/history?reach=day|hour`: by when they were planned and where they stand.
///
/// # Errors
/// 400 for another reach.
pub async fn history(
    caller: ApiReader,
    query: ApiQuery<HistoryQuery>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let history = history::history(&app.context, &caller, query.0.reach.unwrap_or_default()).await?;
    respond::json(StatusCode::OK, &history)
}

/// `GET /api/v1/tasks/{id}`: with its attempts; of a parent, with its children, `?status=&limit=&cursor=`.
///
/// # Errors
/// 404, 400 for a bad filter of children.
pub async fn show(
    caller: ApiReader,
    id: web::Path<String>,
    query: ApiQuery<ChildrenQuery>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    match tasks::show(&app.context, &caller, &id).await {
        Err(ServiceError::NotFound(_)) => {
            let parent = parents::show(&app.context, &caller, &id, query.0).await?;
            respond::json(StatusCode::OK, &parent)
        }
        task => respond::json(StatusCode::OK, &task?),
    }
}

/// On one task, or on what it fits of a parent.
async fn act(app: &App, caller: &Caller, id: &str, act: Act, note: Option<String>) -> Result<HttpResponse, ApiFailure> {
    match tasks::act(&app.context, caller, id, act, note.clone()).await {
        Err(ServiceError::NotFound(_)) => {
            let parent = parents::act(&app.context, caller, id, act, note).await?;
            respond::json(StatusCode::OK, &parent)
        }
        task => respond::json(StatusCode::OK, &task?),
    }
}

/// `POST /api/v1/tasks/{id}/retry`; of a parent, all that failed of it.
///
/// # Errors
/// 404, 409 when its status does not allow it.
pub async fn retry(caller: ApiAdmin, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    act(&app, &caller, &id, Act::Retry, None).await
}

/// `POST /api/v1/tasks/{id}/done` with a note: a person did it in the app.
///
/// # Errors
/// 404, 400 without a note, 409 when it is no manual item.
pub async fn done(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<NoteBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    act(&app, &caller, &id, Act::Done, body.note).await
}

/// `POST /api/v1/tasks/{id}/cancel`, a note where wanted, and needed where somebody who left stays in the app
/// by it; of a parent, all that is open and not being done.
///
/// # Errors
/// 404, 400 that names `note`, 409 while an attempt runs or when it is closed.
pub async fn cancel(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<NoteBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    act(&app, &caller, &id, Act::Cancel, body.note).await
}

/// `GET /api/v1/held`: who and why, leavers first.
///
/// # Errors
/// As the use case.
pub async fn held(caller: ApiReader, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let held = held::list(&app.context, &caller).await?;
    respond::json(StatusCode::OK, &held)
}

/// `GET /api/v1/held/{id}`: one batch, open or decided.
///
/// # Errors
/// 404.
pub async fn hold(caller: ApiReader, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let hold = held::show(&app.context, &caller, &id).await?;
    respond::json(StatusCode::OK, &hold)
}

/// `DELETE /api/v1/held/{id}/pass`: what was released until a time is held again from now on.
///
/// # Errors
/// 404 when there is no such pass.
pub async fn end_pass(
    caller: ApiAdmin,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    held::end_pass(&app.context, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/held/{id}/release`: all, or `{"tasks": […]}`; with `{"until": TIME}` whatever else
/// meets the same limit goes out as well before then.
///
/// # Errors
/// 404, 409 when it was decided, 400 for a task that is not in it.
pub async fn release(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(choice): ApiJson<Choice>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let hold = held::decide(&app.context, &caller, &id, Verdict::Release, choice).await?;
    respond::json(StatusCode::OK, &hold)
}

/// `POST /api/v1/held/{id}/reject`: all, or `{"tasks": […]}`, with a note where somebody who left stays in the
/// app by it.
///
/// # Errors
/// As [`release`]; 400 that names `note`.
pub async fn reject(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(choice): ApiJson<Choice>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let hold = held::decide(&app.context, &caller, &id, Verdict::Reject, choice).await?;
    respond::json(StatusCode::OK, &hold)
}
