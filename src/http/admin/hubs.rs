//! `/api/v1/hubs`: hubs, their secrets (write-only), members, and why somebody has access.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::secret::SecretString;
use crate::http::App;
use crate::http::error::ApiFailure;
use crate::http::extract::{ApiAdmin, ApiJson, ApiQuery, ApiReader, Expect};
use crate::http::respond;
use crate::service::checking::{self, AskedBy, FirstCheck, TypedBody};
use crate::service::given_fields::{self, FieldsBody};
use crate::service::hub_whatif::{self, HubWish};
use crate::service::hubs::{self, HubPatch, NewHub, RemovalBody};
use crate::service::members::{self, MemberQuery};
use crate::service::sync::{self, SyncBody};
use crate::service::waiting::{self, OverrideBody};
use crate::service::whatif::Digest;
use crate::service::{Caller, Context};
use crate::service::{apps, explain, hub_view, regain, secrets};

/// A secret to set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretBody {
    value: String,
}

/// `GET /api/v1/apps`: the catalog.
///
/// # Errors
/// None of its own.
pub async fn catalog(_caller: ApiReader, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    respond::json(StatusCode::OK, &json!({ "items": apps::list(&app.context) }))
}

/// `GET /api/v1/hubs`
///
/// # Errors
/// As the use case.
pub async fn list(caller: ApiReader, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let items = hub_view::list(&app.context, &caller).await?;
    respond::json(StatusCode::OK, &json!({ "items": items }))
}

/// `POST /api/v1/hubs`: it observes unless the body says `active`.
///
/// # Errors
/// 400 with everything that is wrong, 409 when the id is taken.
pub async fn create(
    caller: ApiAdmin,
    ApiJson(wanted): ApiJson<NewHub>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let hub = hubs::create(&app.context, &caller, wanted).await?;
    check_soon(&app.context, &caller, hub.id.clone());
    respond::json(StatusCode::CREATED, &hub)
}

/// Have a hub that was just connected, by whatever way, looked at. Not waited for: an app may take its time,
/// and the first sync finds out as well.
pub fn check_soon(context: &Context, caller: &Caller, id: String) {
    if context.first_check != FirstCheck::AfterConnecting {
        return;
    }
    let (context, caller) = (context.clone(), caller.clone());
    actix_web::rt::spawn(async move {
        if let Err(error) = checking::after_connecting(&context, &caller, &id).await {
            tracing::warn!(%error, hub = id, "the new hub could not be checked");
        }
    });
}

/// `GET /api/v1/hubs/{id}`
///
/// # Errors
/// 404.
pub async fn show(caller: ApiReader, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let hub = hub_view::show(&app.context, &caller, &id).await?;
    respond::json(StatusCode::OK, &hub)
}

/// `GET /api/v1/hubs/{id}/plan`: what the hub would do now. One that observes shows what its
/// activation would do, with the digest that `PATCH …?expect=` activates exactly that by.
///
/// # Errors
/// 404.
pub async fn plan(caller: ApiReader, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let plan = hub_whatif::preview(&app.context, &caller, &id, HubWish::Now).await?;
    respond::json(StatusCode::OK, &plan)
}

/// `POST /api/v1/hubs/{id}/preview`: what a change would mean, for whom, and its digest. The body is
/// that of `PATCH /hubs/{id}`, or `{"remove": true}`.
///
/// # Errors
/// As the change.
pub async fn preview(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<Value>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let plan = hub_whatif::preview(&app.context, &caller, &id, HubWish::read(body)?).await?;
    respond::json(StatusCode::OK, &plan)
}

/// `PATCH /api/v1/hubs/{id}?expect=DIGEST`: only what the body names changes.
///
/// # Errors
/// 404, 400 with everything that is wrong, 409 when it means something else than was previewed.
pub async fn patch(
    caller: ApiAdmin,
    id: web::Path<String>,
    Expect(expect): Expect,
    ApiJson(patch): ApiJson<HubPatch>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let hub = hubs::patch(&app.context, &caller, &id, patch, expect).await?;
    respond::json(StatusCode::OK, &hub)
}

/// Why a hub goes, and the digest it is tied to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalQuery {
    reason: Option<String>,
    note: Option<String>,
    expect: Option<String>,
}

/// `DELETE /api/v1/hubs/{id}?reason=WHY&note=&expect=DIGEST`: nothing changes in the app. In the query,
/// because a DELETE has no body.
///
/// # Errors
/// 404; 400 that lists the reasons where none of them is given; 409 when it means something else than
/// was previewed.
pub async fn remove(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiQuery(query): ApiQuery<RemovalQuery>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let expect = query.expect.map(|text| text.parse::<Digest>()).transpose()?;
    hubs::remove(&app.context, &caller, &id, RemovalBody::new(query.reason, query.note), expect).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/hubs/{id}/check`: whether the connection works, asked of the app now. That it does not
/// is an answer as well: `ok` is false and `error` says why.
///
/// # Errors
/// 404.
pub async fn check(caller: ApiAdmin, id: web::Path<String>, app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    let found = checking::of_hub(&app.context, &caller, &id, AskedBy::Server).await?;
    respond::json(StatusCode::OK, &found)
}

/// `POST /api/v1/apps/{id}/check`: the same for a connection that is only typed. Nothing is stored, and
/// no stored secret is used (threat T-21).
///
/// # Errors
/// 400 with everything that is wrong, a secret that is not typed among it.
pub async fn check_typed(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<TypedBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let found = checking::of_typed(&app.context, &caller, &id, body).await?;
    respond::json(StatusCode::OK, &found)
}

/// `POST /api/v1/hubs/{id}/waiting/override`: its app need not be waited for, on a person's word.
///
/// # Errors
/// 404; 409 where nothing waits.
pub async fn override_waiting(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<OverrideBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let ended = waiting::end(&app.context, &caller, &id, body).await?;
    respond::json(StatusCode::OK, &ended)
}

/// `PUT /api/v1/hubs/{id}/secrets/{name}`: write-only.
///
/// # Errors
/// 404, 400 when the connection names no such secret.
pub async fn set_secret(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    ApiJson(body): ApiJson<SecretBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, name) = path.into_inner();
    secrets::set(&app.context, &caller, &hub, &name, SecretString::from(body.value)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/hubs/{id}/sync`: read the app's members now; `{"accept_removals": true}` where the
/// safeguard halted the last one. The answer is the task; a sync that is open already is answered.
///
/// # Errors
/// 404, 409 where the app cannot be read by machine.
pub async fn sync(
    caller: ApiAdmin,
    id: web::Path<String>,
    ApiJson(body): ApiJson<SyncBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let task = sync::request(&app.context, &caller, &id, body).await?;
    respond::json(StatusCode::ACCEPTED, &task)
}

/// `GET /api/v1/hubs/{id}/members?bucket=`
///
/// # Errors
/// 404, 400 for an unknown bucket.
pub async fn members(
    caller: ApiReader,
    id: web::Path<String>,
    query: ApiQuery<MemberQuery>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let page = members::list(&app.context, &caller, &id, query.0).await?;
    respond::json(StatusCode::OK, &page)
}

/// Which moment is asked about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// RFC 3339, or a day (UTC), which stands for all of it; now where it is left out.
    pub at: Option<String>,
}

/// `GET /api/v1/hubs/{id}/users/{user}/explain?at=`
///
/// # Errors
/// 404 for a hub or person the workspace never had; 400 for an `at` that is no moment or is still to come.
pub async fn explain(
    caller: ApiReader,
    path: web::Path<(String, String)>,
    query: ApiQuery<Moment>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, user) = path.into_inner();
    let explanation = explain::explain(&app.context, &caller, &hub, &user, query.0.at.as_deref()).await?;
    respond::json(StatusCode::OK, &explanation)
}

/// `POST /api/v1/hubs/{id}/users/{user}/release`: what waits since a reactivation is given back.
///
/// # Errors
/// 404; 409 when nothing waits.
pub async fn release(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, user) = path.into_inner();
    regain::release(&app.context, &caller, &hub, &user).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /api/v1/hubs/{id}/users/{user}/fields`: what the app must know to add this person, and from where.
///
/// # Errors
/// 404.
pub async fn fields(
    caller: ApiReader,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, user) = path.into_inner();
    let found = given_fields::show(&app.context, &caller, &hub, &user).await?;
    respond::json(StatusCode::OK, &found)
}

/// `PUT /api/v1/hubs/{id}/users/{user}/fields` with `{"fields": {"birth_date": "1990-01-31"}}`: given by
/// hand, before any attribute; null takes a value away. An addition that waited for it goes on.
///
/// # Errors
/// 404; 400 with everything that is wrong.
pub async fn give_fields(
    caller: ApiAdmin,
    path: web::Path<(String, String)>,
    ApiJson(body): ApiJson<FieldsBody>,
    app: web::Data<App>,
) -> Result<HttpResponse, ApiFailure> {
    let (hub, user) = path.into_inner();
    let found = given_fields::give(&app.context, &caller, &hub, &user, body).await?;
    respond::json(StatusCode::OK, &found)
}

/// Kept out of every log: the body of a secret has no `Debug` that shows it.
impl std::fmt::Debug for SecretBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretBody(***)")
    }
}
