//! How the page answers: the headers that every piece of it carries, errors as pages, and going on
//! elsewhere after a form.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use maud::{Markup, html};

use super::{layout, words};
use crate::http::error::Refusal;
use crate::service::ServiceError;

/// The media type of pages.
pub const HTML: &str = "text/html; charset=utf-8";

/// Only our own files, no inline script or style, nobody's frame, forms to ourselves only.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'";

/// First segments of the paths that belong to the page.
const SEGMENTS: [&str; 12] = [
    "", "sign-in", "sign-out", "static", "tasks", "held", "people", "hubs", "history", "manual", "failures", "activity",
];

/// Whether a decoded path belongs to the page.
pub fn is_page(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| SEGMENTS.contains(&rest.split('/').next().unwrap_or_default()))
}

/// A reply with the headers that everything of the page carries.
pub fn builder(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        // Not `no-referrer`: under it browsers send `Origin: null` with our own forms, and the
        // check of the origin would have nothing to compare.
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((HeaderName::from_static("cross-origin-opener-policy"), "same-origin"));
    builder
}

/// A page. Never kept by a cache: it shows people's data. Here, once and for all of it, characters
/// that cannot be seen are made visible: no view can forget to.
pub fn page(status: StatusCode, markup: Markup) -> HttpResponse {
    builder(status)
        .insert_header((header::CONTENT_TYPE, HTML))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(words::visible(&markup.into_string()).into_owned())
}

/// After a form: go on there with GET, so that reloading repeats nothing.
pub fn see_other(location: &str) -> HttpResponseBuilder {
    let mut builder = builder(StatusCode::SEE_OTHER);
    builder
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::LOCATION, HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"))));
    builder
}

/// A refusal as a page.
pub fn refuse(refusal: &Refusal) -> HttpResponse {
    let title = refusal.status.canonical_reason().unwrap_or("Error");
    let body = html! {
        section.card.narrow {
            h1 { (title) }
            p { (refusal.detail) }
            p { a.button href="/" { "To the overview" } }
        }
    };
    let mut response = page(refusal.status, layout::error(title, &body));
    if refusal.status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer realm=\"scimhub\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    if let Some(allow) = refusal.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// What a handler of the page fails with: always a page.
#[derive(Debug)]
pub struct PageFailure(pub Refusal);

impl fmt::Display for PageFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl ResponseError for PageFailure {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        refuse(&self.0)
    }
}

impl From<Refusal> for PageFailure {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<ServiceError> for PageFailure {
    fn from(error: ServiceError) -> Self {
        Self(error.into())
    }
}
