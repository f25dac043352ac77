//! `/api/v1/people`, `/api/v1/guests` and `/api/v1/role-mappings`: who is in the workspace and as what.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader};
use crate::http::respond;
use crate::service::guests::{self, GuestBody};
use crate::service::page::PageRequest;
use crate::service::role_mappings;
use crate::service::roles::{self, HandOver, RoleBody};
use crate::service::roster::{self, PeopleQuery};

/// `GET /api/v1/people?role=&status=&q=`
///
/// # Errors
/// 400 naming the filter that is wrong.
pub async fn list(
    caller: ApiReader,
    query: ApiQuery<PeopleQuery>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = roster::list(&app.context, &caller, &query.0).await?;
    respond::json(StatusCode::OK, &page)
}

/// `GET /api/v1/people/{user}`: with what gives them their role, and the hubs they run.
///
/// # Errors
/// 404.
pub async fn show(caller: ApiReader, user: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let person = roster::show(&app.context, &caller, &user).await?;
    respond::json(StatusCode::OK, &person)
}

/// `PUT /api/v1/people/{user}/role` with a `role`.
///
/// # Errors
/// 404; 400 for no role of ours; 403 for more than the caller may give; 409 for the Owner's role, a
/// guest, somebody deactivated, or hubs that nobody could take over.
pub async fn give_role(
    caller: ApiAdmin,
    user: web::Path<String>,
    ApiJson(body): ApiJson<RoleBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let person = roles::give(&app.context, &caller, &user, &body).await?;
    app.authenticator.forget_people();
    respond::json(StatusCode::OK, &person)
}

/// `DELETE /api/v1/people/{user}/role`: back to what their groups make them, or to `user`.
///
/// # Errors
/// As [`give_role`]; 404 also where they were given nothing.
pub async fn take_role(
    caller: ApiAdmin,
    user: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    roles::take(&app.context, &caller, &user).await?;
    app.authenticator.forget_people();
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/people/{user}/transfer-ownership`: they are the one Owner of the workspace from now
/// on; `former` is what the Owner before becomes, `super_admin` unless told.
///
/// # Errors
/// 404; 400 for `former`; 409 for a guest or somebody deactivated.
pub async fn transfer(
    caller: ApiAdmin,
    user: web::Path<String>,
    ApiJson(body): ApiJson<HandOver>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let person = roles::hand_over(&app.context, &caller, &user, &body).await?;
    app.authenticator.forget_people();
    respond::json(StatusCode::OK, &person)
}

/// `POST /api/v1/guests` with an `email`, and names.
///
/// # Errors
/// 400 naming the field; 403 where a hub waits for them whose members the caller does not manage; 409 for whoever
/// is here already.
pub async fn invite(
    caller: ApiAdmin,
    ApiJson(body): ApiJson<GuestBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let guest = guests::invite(&app.context, &caller, &body).await?;
    respond::json(StatusCode::CREATED, &guest)
}

/// `DELETE /api/v1/guests/{guest}`: with everything they were given.
///
/// # Errors
/// 404, also for whoever an identity provider keeps.
pub async fn remove_guest(
    caller: ApiAdmin,
    guest: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    guests::remove(&app.context, &caller, &guest).await?;
    app.authenticator.forget_people();
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /api/v1/role-mappings`
///
/// # Errors
/// 400 for a bad cursor.
pub async fn mappings(
    caller: ApiReader,
    query: ApiQuery<PageRequest>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = role_mappings::list(&app.context, &caller, &query.0).await?;
    respond::json(StatusCode::OK, &page)
}

/// `PUT /api/v1/role-mappings/{group}` with a `role`: everybody in the group has it.
///
/// # Errors
/// 404 for the group; 400; 403 for more than the caller may give; 409 for the Owner's role, and for a
/// team that is managed here.
pub async fn put_mapping(
    caller: ApiAdmin,
    group: web::Path<String>,
    ApiJson(body): ApiJson<RoleBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let mapping = role_mappings::put(&app.context, &caller, &group, &body).await?;
    app.authenticator.forget_people();
    respond::json(StatusCode::OK, &mapping)
}

/// `DELETE /api/v1/role-mappings/{group}`
///
/// # Errors
/// 404 where the group gives no role; 403.
pub async fn remove_mapping(
    caller: ApiAdmin,
    group: web::Path<String>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    role_mappings::remove(&app.context, &caller, &group).await?;
    app.authenticator.forget_people();
    Ok(HttpResponse::NoContent().finish())
}
