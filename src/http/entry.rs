//! What every request passes: its id, span, metrics and the last look at the reply's shape; and,
//! below `/scim` and `/api`, the check of its credential before anything else of it is read.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ResponseHead, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use futures_util::FutureExt;
use prometheus::{HistogramVec, IntCounterVec};
use tracing::Instrument;

use super::App;
use super::error::Refusal;
use super::extract::RequestId;
use super::extract::request_id;
use super::page;
use super::respond::{self, JSON, PROBLEM_JSON, SCIM_JSON, Zone};
use super::transport;
use crate::auth::{Caller, Scope, bearer};
use crate::base::{limits, steps};
use crate::service::heard::Ended;
use crate::telemetry::metrics;

static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter("scimhub_http_requests_total", "Requests answered.", &["method", "route", "status"])
});
static SECONDS: LazyLock<HistogramVec> =
    LazyLock::new(|| metrics::seconds("scimhub_http_request_seconds", "Time to the answer.", &["method", "route"]));

static HSTS: LazyLock<HeaderValue> = LazyLock::new(|| {
    let value = format!("max-age={}", limits::HSTS.as_secs());
    HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_static("max-age=0"))
});

/// Around everything: gives the request its id and the reply its last shape.
///
/// # Errors
/// Only with a reply inside that is already in the right shape.
pub async fn entry(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(app) = request.app_data::<web::Data<App>>().cloned() else {
        return Err(actix_web::error::ErrorInternalServerError("no application state"));
    };
    let zone = Zone::of_request(request.request());
    let id = given_id(&request).unwrap_or_else(|| RequestId(app.ids.next().to_string().into()));
    let media = wanted_media(zone, request.request());
    let method = request.method().clone();
    let mut route = request.match_pattern().unwrap_or_else(|| String::from("unmatched"));
    if route.len() > 1 && route.ends_with('/') {
        route.pop();
    }
    let started = app.clock.monotonic();
    let span = tracing::info_span!(
        "request",
        request.id = %id.0,
        method = %method,
        route = %route,
        client = transport::of(&app, request.request()).client.map(tracing::field::display),
        token.id = tracing::field::Empty
    );

    let outcome = if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > limits::URL_BYTES) {
        Ok(request.into_response(zone.refuse(&Refusal::new(StatusCode::URI_TOO_LONG, "the address is too long"))))
    } else {
        request.extensions_mut().insert(id.clone());
        let answering = AssertUnwindSafe(next.call(request)).catch_unwind().instrument(span.clone());
        match answering.await {
            Ok(Ok(response)) => Ok(response.map_into_boxed_body()),
            Ok(Err(error)) => Err(error.as_response_error().error_response()),
            Err(_panic) => {
                span.in_scope(|| tracing::error!("a handler panicked"));
                let detail = "the server failed; the X-Request-Id of this reply names it in the log";
                Err(zone.refuse(&Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, detail)))
            }
        }
    };

    let status = outcome.as_ref().map_or_else(HttpResponse::status, ServiceResponse::status);
    let seconds = app.clock.monotonic().saturating_sub(started).as_secs_f64();
    let method = known_method(method.as_str());
    REQUESTS.with_label_values(&[method, &route, status.as_str()]).inc();
    SECONDS.with_label_values(&[method, &route]).observe(seconds);
    span.in_scope(|| tracing::debug!(status = status.as_u16(), seconds, "answered"));

    match outcome {
        Ok(mut response) => {
            if !is_shaped(zone, response.status(), response.headers()) {
                let (request, _) = response.into_parts();
                response = ServiceResponse::new(request, zone.refuse(&unshaped(status)));
            }
            dress(response.response_mut().head_mut(), &app, &id, media);
            Ok(response)
        }
        Err(mut response) => {
            if !is_shaped(zone, response.status(), response.headers()) {
                response = zone.refuse(&unshaped(status));
            }
            dress(response.head_mut(), &app, &id, media);
            Err(InternalError::from_response("request failed", response).into())
        }
    }
}

/// Around everything that needs a credential: no body, query or route below is looked at before
/// the caller is known (threats T-03, T-14).
///
/// # Errors
/// None of its own; a refusal is a reply.
pub async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let zone = Zone::of(request.match_info().as_str());
    let mut idp = None;
    match caller(request.request()).await {
        Ok(caller) => {
            if zone == Zone::Scim && caller.scope == Scope::Scim {
                idp = Some((caller.workspace, caller.source));
            }
            if let Some(token) = caller.token {
                tracing::Span::current().record("token.id", tracing::field::display(token));
            }
            request.extensions_mut().insert(caller);
        }
        Err(refusal) => return Ok(request.into_response(zone.refuse(&refusal))),
    }
    if zone == Zone::Scim && accept(request.request()).is_some_and(|a| respond::negotiate(&a).is_none()) {
        let detail = "replies are application/scim+json or application/json";
        return Ok(request.into_response(zone.refuse(&Refusal::new(StatusCode::NOT_ACCEPTABLE, detail))));
    }
    let app = request.app_data::<web::Data<App>>().cloned();
    let response = if request.method().is_safe() {
        next.call(request).await?.map_into_boxed_body()
    } else {
        let response = steps::request(next.call(request)).await?.map_into_boxed_body();
        steps::reached("before_reply");
        response
    };
    if let (Some(app), Some((workspace, source))) = (app, idp)
        && let Some(ended) = how_it_ended(response.status())
    {
        app.heard.note(&app.store, workspace, source, ended, app.clock.now());
    }
    Ok(response)
}

/// What a reply tells about the identity provider behind the request. One that looks for what is
/// not there, or has an old version in hand, works as it should.
fn how_it_ended(status: StatusCode) -> Option<Ended> {
    match status {
        StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED => None,
        status if status.is_client_error() || status.is_server_error() => Some(Ended::Badly),
        _ => Some(Ended::Well),
    }
}

/// The caller that a request's `Authorization` header stands for.
///
/// # Errors
/// 403 for a credential that could be read on the way, 401 for anything but one living token, 503
/// when it cannot be checked.
pub async fn caller(request: &HttpRequest) -> Result<Caller, Refusal> {
    let app = request.app_data::<web::Data<App>>().ok_or_else(Refusal::unauthorized)?;
    let id = request.extensions().get::<RequestId>().map_or_else(|| Arc::from("unknown"), |id| Arc::clone(&id.0));
    let given = || request.headers().get_all(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    // Whatever kind of credential it is: it was sent in the clear (R-AUTH-04).
    if given().any(|value| !value.trim_ascii().is_empty()) {
        transport::admit_credential(app, request)?;
    }
    let token = bearer::token(given())?;
    Ok(app.authenticator.authenticate(token, id).await?)
}

fn given_id(request: &ServiceRequest) -> Option<RequestId> {
    let mut given = request.headers().get_all(request_id::HEADER);
    let first = given.next()?;
    if given.next().is_some() { None } else { RequestId::given(first.as_bytes()) }
}

/// All `Accept` headers as one list; `None` without any.
fn accept(request: &HttpRequest) -> Option<String> {
    let all: Vec<_> = request.headers().get_all(header::ACCEPT).filter_map(|v| v.to_str().ok()).collect();
    if all.is_empty() { None } else { Some(all.join(",")) }
}

fn wanted_media(zone: Zone, request: &HttpRequest) -> Option<&'static str> {
    match zone {
        Zone::Scim => accept(request).and_then(|a| respond::negotiate(&a)).filter(|media| *media != SCIM_JSON),
        Zone::Page | Zone::Api => None,
    }
}

/// Whether an error reply is one of ours; what a framework made by itself is not.
fn is_shaped(zone: Zone, status: StatusCode, headers: &header::HeaderMap) -> bool {
    if !status.is_client_error() && !status.is_server_error() {
        return true;
    }
    let given = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let ours: &[&str] = match zone {
        Zone::Page => &[page::HTML],
        Zone::Scim | Zone::Api => &[SCIM_JSON, PROBLEM_JSON, JSON],
    };
    ours.iter().any(|media| given.starts_with(media.as_bytes()))
}

fn unshaped(status: StatusCode) -> Refusal {
    Refusal::new(status, status.canonical_reason().unwrap_or("the request was refused"))
}

fn dress(head: &mut ResponseHead, app: &App, id: &RequestId, media: Option<&'static str>) {
    if app.readiness.is_draining() {
        // The client's next request belongs to another server.
        head.set_connection_type(ConnectionType::Close);
    }
    let headers = head.headers_mut();
    if app.exposure.tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS.clone());
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(HeaderName::from_static(request_id::HEADER), value);
    }
    let is_scim = headers.get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes() == SCIM_JSON.as_bytes());
    if let Some(media) = media.filter(|_| is_scim) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
}

/// Labels are a closed set: a client cannot grow the metrics with methods of its own.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}
