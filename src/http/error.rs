//! The one place that knows status codes and `scimType`. Internal causes are logged here, once,
//! inside the request's span, and never sent.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::{Map, Value, json};

use super::respond::{PROBLEM_JSON, SCIM_JSON};
use crate::auth::AuthError;
use crate::scim::error::{ScimError, ScimType};
use crate::service::ServiceError;
use crate::service::error::FieldError;
use crate::service::rights::Missing;
use crate::service::whatif::Plan;

/// A request that was not carried out, before it takes a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub status: StatusCode,
    /// SCIM's keyword, where it has one.
    pub scim_type: Option<ScimType>,
    /// One sentence for the person who reads it.
    pub detail: Cow<'static, str>,
    /// `Allow` of a 405.
    pub allow: Option<String>,
    /// Further members of a problem (RFC 9457 section 3.2).
    pub members: Option<Box<Map<String, Value>>>,
}

impl Refusal {
    /// A status and its sentence.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, scim_type: None, detail: detail.into(), allow: None, members: None }
    }

    /// 400 with SCIM's keyword.
    pub fn bad(scim_type: ScimType, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { scim_type: Some(scim_type), ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    /// 401: no credential, or none that is valid. Says no more than that.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "a valid bearer token is needed")
    }

    /// 404 for a path that leads nowhere.
    pub fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this address")
    }

    /// In SCIM's shape (RFC 7644 section 3.12).
    pub fn scim(&self) -> HttpResponse {
        let error = ScimError {
            status: self.status.as_u16(),
            scim_type: self.scim_type,
            detail: self.detail.clone().into_owned(),
        };
        self.builder().insert_header((header::CONTENT_TYPE, SCIM_JSON)).body(error.to_json().to_string())
    }

    /// As a problem (RFC 9457).
    pub fn problem(&self) -> HttpResponse {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let (Some(body), Some(members)) = (body.as_object_mut(), &self.members) {
            body.extend(members.as_ref().clone());
        }
        self.builder().insert_header((header::CONTENT_TYPE, PROBLEM_JSON)).body(body.to_string())
    }

    fn builder(&self) -> HttpResponseBuilder {
        let mut builder = HttpResponse::build(self.status);
        if self.status == StatusCode::UNAUTHORIZED {
            builder.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"scimhub\"")));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            builder.insert_header((header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        if let Some(allow) = &self.allow {
            builder.insert_header((header::ALLOW, allow.as_str()));
        }
        builder
    }
}

impl From<ScimError> for Refusal {
    fn from(error: ScimError) -> Self {
        Self {
            status: StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST),
            scim_type: error.scim_type,
            detail: error.detail.into(),
            allow: None,
            members: None,
        }
    }
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        let detail = error.to_string();
        match error {
            ServiceError::Scim(error) => error.into(),
            ServiceError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, detail),
            ServiceError::Conflict(_) => {
                Self { scim_type: Some(ScimType::Uniqueness), ..Self::new(StatusCode::CONFLICT, detail) }
            }
            ServiceError::Invalid(_) => Self::bad(ScimType::InvalidValue, detail),
            ServiceError::InvalidFields(errors) => {
                Self { members: Some(Box::new(by_field(&errors))), ..Self::bad(ScimType::InvalidValue, detail) }
            }
            ServiceError::TakenFields(errors) => Self {
                scim_type: Some(ScimType::Uniqueness),
                members: Some(Box::new(by_field(&errors))),
                ..Self::new(StatusCode::CONFLICT, detail)
            },
            ServiceError::VersionMismatch => Self::new(StatusCode::PRECONDITION_FAILED, detail),
            ServiceError::Moved(plan) => {
                Self { members: Some(Box::new(moved(&plan))), ..Self::new(StatusCode::CONFLICT, detail) }
            }
            ServiceError::Missing(missing) => {
                Self { members: Some(Box::new(lacking(&missing))), ..Self::new(StatusCode::FORBIDDEN, detail) }
            }
            ServiceError::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, detail),
            ServiceError::Unavailable => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail),
            ServiceError::Store(cause) => {
                let status = if cause.is_transient() {
                    tracing::warn!(cause = %Causes(&cause), "storage is not available");
                    StatusCode::SERVICE_UNAVAILABLE
                } else {
                    tracing::error!(cause = %Causes(&cause), "storage failed");
                    StatusCode::INTERNAL_SERVER_ERROR
                };
                Self::new(status, format!("{detail}; the X-Request-Id of this reply names it in the log"))
            }
        }
    }
}

/// One entry for each field that is wrong.
fn by_field(errors: &[FieldError]) -> Map<String, Value> {
    Map::from_iter([(String::from("errors"), json!(errors))])
}

/// What would be enough, for programs.
fn lacking(missing: &Missing) -> Map<String, Value> {
    let needs = json!({"action": missing.action.as_str(), "roles": missing.roles, "hub_rights": missing.hub_rights});
    Map::from_iter([(String::from("needs"), needs)])
}

/// What a change would mean now: the digest, and the counts of every hub without the names.
fn moved(plan: &Plan) -> Map<String, Value> {
    let mut effects = serde_json::to_value(&plan.effects).unwrap_or_default();
    for effect in effects.as_array_mut().into_iter().flatten() {
        if let Some(effect) = effect.as_object_mut() {
            effect.remove("people");
        }
    }
    Map::from_iter([(String::from("digest"), json!(plan.digest)), (String::from("effects"), effects)])
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Missing
            | AuthError::Malformed
            | AuthError::Unknown
            | AuthError::Expired
            | AuthError::Revoked
            | AuthError::PersonGone
            | AuthError::SignedOut => {
                tracing::debug!(reason = %error, "refused a credential");
                Self::unauthorized()
            }
            AuthError::Unavailable(cause) => ServiceError::Store(cause).into(),
        }
    }
}

/// An error and its sources in one line, for the log.
struct Causes<'a>(&'a dyn std::error::Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

macro_rules! failure {
    ($(#[$doc:meta])* $name:ident, $shape:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub Refusal);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.detail)
            }
        }

        impl ResponseError for $name {
            fn status_code(&self) -> StatusCode {
                self.0.status
            }

            fn error_response(&self) -> HttpResponse {
                self.0.$shape()
            }
        }

        impl From<Refusal> for $name {
            fn from(refusal: Refusal) -> Self {
                Self(refusal)
            }
        }

        impl From<ServiceError> for $name {
            fn from(error: ServiceError) -> Self {
                Self(error.into())
            }
        }

        impl From<ScimError> for $name {
            fn from(error: ScimError) -> Self {
                Self(error.into())
            }
        }
    };
}

failure!(
    /// What a handler below `/scim/v2` fails with: always a SCIM error.
    ScimFailure,
    scim
);
failure!(
    /// What a handler below `/api/v1` fails with: always `application/problem+json`.
    ApiFailure,
    problem
);
