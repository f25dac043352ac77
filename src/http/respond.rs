//! Media types, content negotiation and the few ways a reply is put together.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::error::{ApiFailure, Refusal};
use super::page;

/// SCIM's media type (RFC 7644 section 3.8).
pub const SCIM_JSON: &str = "application/scim+json";
/// Plain JSON.
pub const JSON: &str = "application/json";
/// Problems (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Which shape an error takes, decided by the routed path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Below `/scim`.
    Scim,
    /// The page for people.
    Page,
    /// Everywhere else.
    Api,
}

impl Zone {
    /// The zone of a decoded path.
    pub fn of(path: &str) -> Self {
        match path.strip_prefix("/scim") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::Scim,
            _ if page::is_page(path) => Self::Page,
            _ => Self::Api,
        }
    }

    /// The zone of a request: an address that belongs to no part of the server is the page's for
    /// whoever asks for HTML, as browsers do and programs don't.
    pub fn of_request(request: &HttpRequest) -> Self {
        let path = request.match_info().as_str();
        let zone = Self::of(path);
        let accept = || request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
        if zone == Self::Api && !is_for_programs(path) && accept().any(wants_html) { Self::Page } else { zone }
    }

    /// A refusal in this zone's shape.
    pub fn refuse(self, refusal: &Refusal) -> HttpResponse {
        match self {
            Self::Scim => refusal.scim(),
            Self::Page => page::refuse(refusal),
            Self::Api => refusal.problem(),
        }
    }
}

/// Whether a path lies where only programs have business, in whatever case it is written.
fn is_for_programs(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    ["api", "scim", "metrics", "healthz", "readyz"].iter().any(|part| first.eq_ignore_ascii_case(part))
}

/// Whether an `Accept` names HTML; `*/*` does not name it.
fn wants_html(accept: &str) -> bool {
    accept.split(',').any(|part| {
        let mut pieces = part.split(';').map(str::trim);
        let is_html = pieces.next().is_some_and(|range| range.eq_ignore_ascii_case("text/html"));
        let quality = pieces.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
        is_html && quality.and_then(|q| q.parse::<f32>().ok()).is_none_or(|q| q > 0.0)
    })
}

/// A SCIM reply under construction: status and media type are set.
pub fn scim(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder.insert_header((header::CONTENT_TYPE, SCIM_JSON));
    builder
}

/// A JSON reply of the API.
///
/// # Errors
/// 500 when the value cannot be written as JSON, which no value of ours does.
pub fn json(status: StatusCode, value: &impl Serialize) -> Result<HttpResponse, ApiFailure> {
    let body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "could not write a reply");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the server could not write its reply")
    })?;
    Ok(HttpResponse::build(status).insert_header((header::CONTENT_TYPE, JSON)).body(body))
}

/// What a SCIM client wants to read: `scim+json` unless it asks for plain JSON or ranks that
/// higher; `None` when it wants neither (R-HTTP-02, R-HTTP-03, R-HTTP-05).
pub fn negotiate(accept: &str) -> Option<&'static str> {
    let (mut scim, mut json, mut any) = (0.0f32, 0.0f32, 0.0f32);
    for part in accept.split(',') {
        let mut pieces = part.split(';').map(str::trim);
        let range = pieces.next().unwrap_or_default();
        let quality = pieces
            .filter_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")))
            .find_map(|q| q.parse::<f32>().ok())
            .unwrap_or(1.0);
        if range.eq_ignore_ascii_case(SCIM_JSON) {
            scim = scim.max(quality);
        } else if range.eq_ignore_ascii_case(JSON) {
            json = json.max(quality);
        } else if range == "*/*" || range.eq_ignore_ascii_case("application/*") {
            any = any.max(quality);
        }
    }
    if scim > 0.0 && scim >= json {
        Some(SCIM_JSON)
    } else if json > 0.0 {
        Some(JSON)
    } else if any > 0.0 || accept.trim().is_empty() {
        Some(SCIM_JSON)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn scim_is_the_default_and_json_is_given_when_asked() {
        let cases = [
            ("", Some(SCIM_JSON)),
            ("*/*", Some(SCIM_JSON)),
            ("application/*;q=0.1", Some(SCIM_JSON)),
            ("application/scim+json", Some(SCIM_JSON)),
            ("application/scim+json; charset=utf-8", Some(SCIM_JSON)),
            ("application/json", Some(JSON)),
            ("application/json, text/plain, */*", Some(JSON)),
            ("application/json, application/scim+json", Some(SCIM_JSON)),
            ("application/json, application/scim+json;q=0.5", Some(JSON)),
            ("text/html", None),
            ("text/html, */*;q=0.1", Some(SCIM_JSON)),
            ("application/json;q=0", None),
        ];
        for (accept, expected) in cases {
            assert_eq!(negotiate(accept), expected, "{accept}");
        }
    }

    #[test]
    fn an_unknown_address_is_the_pages_for_a_browser_only() {
        for (path, accept, zone) in [
            ("/nothing", "text/html,application/xhtml+xml,*/*;q=0.8", Zone::Page),
            ("/HELD", "Text/HTML", Zone::Page),
            ("/nothing", "*/*", Zone::Api),
            ("/nothing", "text/html;q=0, */*", Zone::Api),
            ("/api/v1/nothing", "text/html", Zone::Api),
            ("/API", "text/html", Zone::Api),
            ("/metrics", "text/html", Zone::Api),
            ("/healthz/x", "text/html", Zone::Api),
            ("/scim/v2/nothing", "text/html", Zone::Scim),
            ("/SCIM/v2", "text/html", Zone::Api),
        ] {
            let request = TestRequest::with_uri(path).insert_header((header::ACCEPT, accept)).to_http_request();
            assert_eq!(Zone::of_request(&request), zone, "{path} {accept}");
        }
    }

    #[test]
    fn the_zone_is_the_first_segment() {
        for path in ["/scim", "/scim/", "/scim/v2/Users", "/scim/v9"] {
            assert_eq!(Zone::of(path), Zone::Scim, "{path}");
        }
        for path in ["/", "/tasks", "/held/x", "/hubs/a/users/b", "/static/page.css", "/sign-in"] {
            assert_eq!(Zone::of(path), Zone::Page, "{path}");
        }
        for path in ["/scimx", "/SCIM/v2", "/api/v1/scim", "/tasksx", "/metrics", "/healthz", ""] {
            assert_eq!(Zone::of(path), Zone::Api, "{path}");
        }
    }
}
