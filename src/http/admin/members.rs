//! `/api/v1/hubs/{id}/members/{member}/…`: what a person does with one account.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson};
use crate::http::respond;
use crate::service::member_actions::{
    self, ClaimBody, Deed, ExemptBody, MatchBody, ProtectBody, RemoveBody, RoleBody, UnprotectBody,
};

type Path = web::Path<(String, String)>;

async fn act(caller: &ApiAdmin, path: Path, app: &App, deed: Deed) -> Result<HttpResponse, ApiFailure> {
    let (hub, member) = path.into_inner();
    let done = member_actions::act(&app.context, caller, &hub, &member, deed).await?;
    respond::json(StatusCode::OK, &done)
}

/// `POST …/match` with `user` (id or userName) and `hub_role`: whose account it is.
///
/// # Errors
/// 404 for hub, account or user; 400 naming the field; 409 where either is matched already.
pub async fn bind(
    caller: ApiAdmin,
    path: Path,
    ApiJson(body): ApiJson<MatchBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    act(&caller, path, &app, Deed::Match(body)).await
}

/// `POST …/claim`: the owner's own account, whose e-mail differs (R4.9).
///
/// # Errors
/// As [`bind`].
pub async fn claim(
    caller: ApiAdmin,
    path: Path,
    ApiJson(body): ApiJson<ClaimBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    act(&caller, path, &app, Deed::Claim(body)).await
}

/// `POST …/exempt` with a `reason`: no task ever touches it.
///
/// # Errors
/// 404; 400 without a reason; 409 when it is exempted already or a task about it runs.
pub async fn exempt(
    caller: ApiAdmin,
    path: Path,
    ApiJson(body): ApiJson<ExemptBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    act(&caller, path, &app, Deed::Exempt(body)).await
}

/// `POST …/unexempt`: back among the others.
///
/// # Errors
/// 404; 409 when it is not exempted.
pub async fn unexempt(caller: ApiAdmin, path: Path, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    act(&caller, path, &app, Deed::Unexempt).await
}

/// `POST …/adopt`: a found account is managed from now on.
///
/// # Errors
/// 404; 409 when nobody is matched to it or it is managed already.
pub async fn adopt(caller: ApiAdmin, path: Path, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    act(&caller, path, &app, Deed::Adopt).await
}

/// `POST …/remove`, `mode` `hub_and_app` (default) or `hub_only`.
///
/// # Errors
/// 404; 409 where the access comes through a group, or the mode is not possible.
pub async fn remove(
    caller: ApiAdmin,
    path: Path,
    ApiJson(body): ApiJson<RemoveBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    act(&caller, path, &app, Deed::Remove(body)).await
}

/// `POST …/role` with `app_role`: another role for an individual share.
///
/// # Errors
/// 404; 400 for an unknown role; 409 where the access comes through a group.
pub async fn role(
    caller: ApiAdmin,
    path: Path,
    ApiJson(body): ApiJson<RoleBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    act(&caller, path, &app, Deed::Role(body)).await
}

/// `POST …/resend`: the invitation again.
///
/// # Errors
/// 404; 409 when no invitation is open or failed.
pub async fn resend(caller: ApiAdmin, path: Path, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    act(&caller, path, &app, Deed::Resend).await
}

/// `POST …/protect` with a `reason`, and `until` where it ends by itself: automation changes the account
/// only with a person.
///
/// # Errors
/// 404; 400 without a reason or for a time that has passed; 409 where it is exempted, not there, the
/// hub's own, or a task about it may be at the app already.
pub async fn protect(
    caller: ApiAdmin,
    path: Path,
    ApiJson(body): ApiJson<ProtectBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    act(&caller, path, &app, Deed::Protect(body)).await
}

/// `POST …/unprotect`, perhaps with a `note`: one of the others again.
///
/// # Errors
/// 404; 409 when it is not protected.
pub async fn unprotect(
    caller: ApiAdmin,
    path: Path,
    ApiJson(body): ApiJson<UnprotectBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    act(&caller, path, &app, Deed::Unprotect(body)).await
}
