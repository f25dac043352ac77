//! The provider's connection: base URL, token, media type, and the ids the server gave.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use crate::base::secret::SecretString;
use crate::net::{Answer, Client, Method, NetError, Request, Target};

/// A push that the server did not take.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// No answer.
    #[error("the SCIM server could not be reached")]
    Net(#[from] NetError),
    /// An answer a provider would show to its admin.
    #[error("{what}: the SCIM server answered {status}: {detail}")]
    Refused {
        /// Method and endpoint.
        what: String,
        /// The status.
        status: u16,
        /// The server's sentence.
        detail: String,
    },
    /// A 2xx answer a provider could not go on with.
    #[error("{what}: the answer has no {missing}")]
    Odd {
        /// Method and endpoint.
        what: String,
        /// What is missing.
        missing: &'static str,
    },
}

/// A provider's line to one server.
#[derive(Debug)]
pub struct Line {
    client: Client,
    base: Target,
    token: SecretString,
    user_agent: &'static str,
    media: &'static str,
    users: HashMap<String, String>,
    groups: HashMap<String, String>,
}

impl Line {
    /// A line to the SCIM base URL `base`, with the token an admin typed in.
    ///
    /// # Errors
    /// [`SimulateError::Net`] when the URL is not one.
    pub fn new(client: Client, base: &str, token: SecretString) -> Result<Self, SimulateError> {
        let base = Target::parse(base)?;
        let media = "application/scim+json";
        Ok(Self { client, base, token, user_agent: "", media, users: HashMap::new(), groups: HashMap::new() })
    }

    pub(super) fn speak_as(mut self, user_agent: &'static str, media: &'static str) -> Self {
        (self.user_agent, self.media) = (user_agent, media);
        self
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, SimulateError> {
        let mut request = Request::new(method, self.base.join(path).with_query(query))
            .header("accept", "application/scim+json")
            .header("user-agent", self.user_agent)
            .bearer(Some(&self.token))
            .within(Duration::from_secs(30));
        if let Some(body) = body {
            request = request.body(self.media, body.to_string().into_bytes());
        }
        let answer = self.client.send(request).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let detail = said.as_ref().and_then(|body| body.get("detail")).and_then(Value::as_str);
        Err(SimulateError::Refused {
            what: format!("{} /{}", method.as_str(), path.join("/")),
            status: answer.status,
            detail: detail.unwrap_or("no reason given").to_owned(),
        })
    }

    /// A search; the first hit's id.
    pub(super) async fn find(&self, endpoint: &str, query: &[(&str, &str)]) -> Result<Option<String>, SimulateError> {
        let answer = self.send(Method::Get, &[endpoint], query, None).await?;
        let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(rows) = list.get("Resources").and_then(Value::as_array) else {
            return Err(SimulateError::Odd { what: format!("GET /{endpoint}"), missing: "Resources" });
        };
        Ok(rows.first().and_then(|row| row.get("id")).and_then(Value::as_str).map(String::from))
    }

    /// A create; the new id.
    pub(super) async fn create(&self, endpoint: &str, body: &Value) -> Result<String, SimulateError> {
        let answer = self.send(Method::Post, &[endpoint], &[], Some(body)).await?;
        let made: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        made.get("id")
            .and_then(Value::as_str)
            .map(String::from)
            .ok_or_else(|| SimulateError::Odd { what: format!("POST /{endpoint}"), missing: "id" })
    }

    /// A read by id.
    pub(super) async fn read(&self, endpoint: &str, id: &str, query: &[(&str, &str)]) -> Result<Value, SimulateError> {
        let answer = self.send(Method::Get, &[endpoint, id], query, None).await?;
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// A change.
    pub(super) async fn patch(&self, endpoint: &str, id: &str, operations: Value) -> Result<(), SimulateError> {
        let body = serde_json::json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        self.send(Method::Patch, &[endpoint, id], &[], Some(&body)).await.map(|_| ())
    }

    /// The id the server gave a person.
    pub fn user(&self, user_name: &str) -> Option<&str> {
        self.users.get(user_name).map(String::as_str)
    }

    /// The id the server gave a group.
    pub fn group(&self, name: &str) -> Option<&str> {
        self.groups.get(name).map(String::as_str)
    }

    pub(super) fn known_user(&self, user_name: &str) -> Result<&str, SimulateError> {
        self.user(user_name).ok_or_else(|| SimulateError::Odd { what: user_name.to_owned(), missing: "id yet" })
    }

    pub(super) fn known_group(&self, name: &str) -> Result<&str, SimulateError> {
        self.group(name).ok_or_else(|| SimulateError::Odd { what: name.to_owned(), missing: "id yet" })
    }

    pub(super) fn keep_user(&mut self, user_name: &str, id: String) {
        self.users.insert(user_name.to_owned(), id);
    }

    pub(super) fn keep_group(&mut self, name: &str, id: String) {
        self.groups.insert(name.to_owned(), id);
    }
}
