//! `If-Match` and `If-None-Match` as one value; a repeated header is one list (RFC 9110).

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest};

use crate::http::error::ScimFailure;
use crate::scim::etag::Precondition;
use crate::service::shown::Conditions;

/// The conditions of a request; none is no condition.
#[derive(Clone, Debug, Default)]
pub struct Conditional(pub Conditions);

impl FromRequest for Conditional {
    type Error = ScimFailure;
    type Future = Ready<Result<Self, ScimFailure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(Conditions {
            if_match: list(request, &IF_MATCH).map(|text| Precondition::if_match(&text)),
            if_none_match: list(request, &IF_NONE_MATCH).map(|text| Precondition::if_none_match(&text)),
        })))
    }
}

/// A header that cannot be read as text names no version of ours: it stays a condition that fails.
fn list(request: &HttpRequest, name: &HeaderName) -> Option<String> {
    let all: Vec<&str> = request.headers().get_all(name).map(|v| v.to_str().unwrap_or("?")).collect();
    (!all.is_empty()).then(|| all.join(","))
}
