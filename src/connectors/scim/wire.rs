//! One call to the app: media types, credential, the attempt's deadline, JSON in and out.

use std::fmt;

use serde_json::Value;

use super::Settings;
use crate::base::clock::Micros;
use crate::connectors::classify::{self, Call};
use crate::engine::connector::{AttemptContext, Failure, FailureClass};
use crate::net::{Answer, Client, Method, Request, Target};

const MEDIA: &str = "application/scim+json";

/// The line to the app for one attempt.
pub(super) struct Wire<'a> {
    client: &'a Client,
    settings: &'a Settings,
    context: &'a AttemptContext,
}

/// An answer that is not 2xx.
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: u16,
    /// Whether the body is a SCIM error; an HTML 404 comes from a router, not from the app.
    pub(super) scim: bool,
    /// `scimType` is `uniqueness`, whatever the status.
    uniqueness: bool,
    /// What the worker would be told.
    pub(super) failure: Failure,
}

impl Refusal {
    /// An account stands in the way: 409, with or without a reason, or the reason alone.
    pub(super) fn in_the_way(&self) -> bool {
        self.uniqueness || (self.status == 409 && self.failure.class == FailureClass::Conflict)
    }
}

/// A call that brought no 2xx answer.
pub(super) enum Trouble {
    /// The app answered, and not with 2xx.
    Refused(Refusal),
    /// There was no usable answer.
    Failed(Failure),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(refusal) => refusal.failure,
            Trouble::Failed(failure) => failure,
        }
    }
}

impl fmt::Debug for Wire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({})", self.settings.base)
    }
}

impl<'a> Wire<'a> {
    pub(super) fn new(client: &'a Client, settings: &'a Settings, context: &'a AttemptContext) -> Self {
        Self { client, settings, context }
    }

    /// Time on the attempt's monotonic clock, for what is remembered only a while.
    pub(super) fn now(&self) -> std::time::Duration {
        self.context.clock.monotonic()
    }

    /// The time of day, which the app's moments are held against.
    pub(super) fn today(&self) -> Micros {
        self.context.clock.now()
    }

    fn target(&self, path: &[&str]) -> Target {
        self.settings.base.join(path)
    }

    fn request(&self, method: Method, target: Target) -> Request {
        Request::new(method, target)
            .header("accept", MEDIA)
            .header("x-request-id", self.context.traced_as().to_owned())
            .header("x-attempt-id", self.context.op_id.clone())
            .bearer(self.settings.token.as_ref())
            .within(self.context.left())
    }

    /// Read; a 2xx answer must be a JSON object.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Trouble> {
        if self.context.left().is_zero() {
            let late = Failure::new(FailureClass::Transient, "the attempt's deadline passed while reading");
            return Err(Trouble::Failed(late));
        }
        let request = self.request(Method::Get, self.target(path).with_query(query));
        let answer = self
            .client
            .send(request)
            .await
            .map_err(|error| Trouble::Failed(classify::transport(&error, Call::Read)))?;
        self.accepted(&answer, Call::Read)?;
        match serde_json::from_slice(&answer.body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            // A 200 with a login page must never be read as "nobody is there".
            _ => Err(Trouble::Failed(Failure::new(
                FailureClass::Transient,
                "the app answered with something that is not SCIM",
            ))),
        }
    }

    /// Change the app. The body of a 2xx answer may be missing or partial (`None`).
    pub(super) async fn change(
        &self,
        method: Method,
        path: &[&str],
        if_match: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Option<Value>, Trouble> {
        let mut request = self.request(method, self.target(path));
        if let Some(etag) = if_match {
            request = request.header("if-match", etag);
        }
        if let Some(body) = body {
            request = request.body(MEDIA, body.to_string().into_bytes());
        }
        self.context.before_send().map_err(Trouble::Failed)?;
        let sent = self.client.send(request).await;
        self.context.after_reply();
        let answer = sent.map_err(|error| Trouble::Failed(classify::transport(&error, Call::Change)))?;
        self.accepted(&answer, Call::Change)?;
        Ok(serde_json::from_slice(&answer.body).ok().filter(Value::is_object))
    }

    fn accepted(&self, answer: &Answer, call: Call) -> Result<(), Trouble> {
        if answer.is_success() {
            return Ok(());
        }
        let now = self.context.clock.now();
        Err(Trouble::Refused(Refusal {
            status: answer.status,
            scim: is_scim_error(&answer.body),
            uniqueness: says_uniqueness(&answer.body),
            failure: classify::refusal(answer, call, now, self.settings.token.as_ref()),
        }))
    }
}

/// RFC 7644 section 3.12, read leniently: an object that says `status`, `detail` or `schemas`.
fn is_scim_error(body: &[u8]) -> bool {
    matches!(serde_json::from_slice(body), Ok(Value::Object(map))
        if ["schemas", "status", "detail", "scimType"].iter().any(|name| map.contains_key(*name)))
}

fn says_uniqueness(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| {
        body.get("scimType").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("uniqueness"))
    })
}
