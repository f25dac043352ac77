//! JSON bodies, bounded in size and time also when they come in chunks without a length
//! (threat T-30), then read by the strict decoder of `scim::json`.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::limits;
use crate::http::error::{ApiFailure, Refusal, ScimFailure};
use crate::http::respond::{JSON, SCIM_JSON};
use crate::scim::error::ScimType;
use crate::scim::json;
use crate::service::error::{FieldError, ServiceError};

/// The body of a SCIM request that is not about a group: at most 1 MiB.
#[derive(Debug)]
pub struct ScimJson(pub Value);

/// The body of a group's or bulk request: at most 8 MiB.
#[derive(Debug)]
pub struct LargeScimJson(pub Value);

/// The body of an API request, at most 1 MiB, as `T`.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

/// The body of an API request that carries files: at most 8 MiB, as `T`.
#[derive(Debug)]
pub struct LargeApiJson<T>(pub T);

type Reading<T, E> = Pin<Box<dyn Future<Output = Result<T, E>>>>;

impl FromRequest for ScimJson {
    type Error = ScimFailure;
    type Future = Reading<Self, ScimFailure>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let head = check_head(request, limits::BODY_BYTES, &[SCIM_JSON, JSON]);
        let payload = payload.take();
        Box::pin(async move { Ok(Self(read(head, payload, limits::BODY_BYTES).await?)) })
    }
}

impl FromRequest for LargeScimJson {
    type Error = ScimFailure;
    type Future = Reading<Self, ScimFailure>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let head = check_head(request, limits::LARGE_BODY_BYTES, &[SCIM_JSON, JSON]);
        let payload = payload.take();
        Box::pin(async move { Ok(Self(read(head, payload, limits::LARGE_BODY_BYTES).await?)) })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for ApiJson<T> {
    type Error = ApiFailure;
    type Future = Reading<Self, ApiFailure>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let reading = typed(request, payload, limits::BODY_BYTES);
        Box::pin(async move { Ok(Self(reading.await?)) })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for LargeApiJson<T> {
    type Error = ApiFailure;
    type Future = Reading<Self, ApiFailure>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let reading = typed(request, payload, limits::LARGE_BODY_BYTES);
        Box::pin(async move { Ok(Self(reading.await?)) })
    }
}

fn typed<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> impl Future<Output = Result<T, Refusal>> + use<T> {
    let head = check_head(request, limit, &[JSON]);
    let payload = payload.take();
    async move {
        let value = read(head, payload, limit).await?;
        serde_json::from_value(value).map_err(|error| refusal(&error))
    }
}

/// The refusal of a body that is not as its type says; with the member, where one is missing or unknown.
fn refusal(error: &serde_json::Error) -> Refusal {
    let text = without_value(error);
    let detail = format!("the body is not what this address takes: {text}");
    let named = |kind: &str| text.strip_prefix(kind)?.split('`').next();
    match named("missing field `").or_else(|| named("unknown field `")) {
        Some(member) => ServiceError::InvalidFields(vec![FieldError::new(member, detail)]).into(),
        None => Refusal::new(StatusCode::BAD_REQUEST, detail),
    }
}

/// What is wrong, without what was sent: a secret in the wrong place must not come back (threat T-25).
fn without_value(error: &serde_json::Error) -> String {
    let text = error.to_string();
    for kind in ["invalid type: ", "invalid value: "] {
        // From the right: the value may say "expected" too.
        if let Some((found, expected)) = text.strip_prefix(kind).and_then(|rest| rest.rsplit_once(", expected ")) {
            let what = found.split(['"', '`']).next().unwrap_or_default().trim_end();
            return format!("{kind}{what}, expected {expected}");
        }
    }
    text
}

/// What can be told from the head alone: 415 and a declared length that is too large.
///
/// # Errors
/// 415, 413.
pub fn check_head(request: &HttpRequest, limit: usize, accepted: &[&str]) -> Result<(), Refusal> {
    let headers = request.headers();
    // Some clients send no type at all; a body that then is JSON harms nobody.
    if let Some(given) = headers.get(header::CONTENT_TYPE) {
        let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !accepted.iter().any(|media| essence.eq_ignore_ascii_case(media)) {
            let detail = format!("the Content-Type must be {}", accepted.join(" or "));
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    }
    let plain = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get(header::CONTENT_ENCODING).is_some_and(|value| !plain(value)) {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "compressed bodies are not read"));
    }
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    if declared.is_some_and(|length: u64| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
        return Err(too_large(limit));
    }
    Ok(())
}

async fn read(head: Result<(), Refusal>, payload: Payload, limit: usize) -> Result<Value, Refusal> {
    head?;
    Ok(json::decode(&collect_in_time(payload, limit).await?)?)
}

/// The whole body, of at most `limit` bytes.
///
/// # Errors
/// 413, 408, 400 when it does not arrive whole.
pub async fn collect_in_time(payload: Payload, limit: usize) -> Result<BytesMut, Refusal> {
    tokio::time::timeout(limits::BODY_TIMEOUT, collect(payload, limit))
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))?
}

async fn collect(mut payload: Payload, limit: usize) -> Result<BytesMut, Refusal> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk
            .map_err(|_| Refusal::bad(ScimType::InvalidSyntax, "the body did not arrive whole or is misframed"))?;
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body may have at most {limit} bytes"))
}
