//! A command against a running server: `--server URL` with a token in `SCIMHUB_TOKEN`, so that it
//! runs where neither the database nor any key is.

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::Value;

use crate::base::limits;
use crate::base::secret::SecretString;
use crate::net::addresses::{AddressPolicy, Network};
use crate::net::client::{Client, Method, Request, Timeouts, system_lookup};
use crate::net::url::Target;

/// Which server to talk to, if any.
#[derive(Clone, Debug, Args)]
pub struct Server {
    /// A running server to work through, with a token in SCIMHUB_TOKEN, instead of the database
    #[arg(long, env = "SCIMHUB_SERVER", value_name = "URL")]
    pub server: Option<String>,
}

impl Server {
    /// The server that was named; `None` for the database.
    ///
    /// # Errors
    /// When the URL is not one, no token is set, or it would travel over plain HTTP to another
    /// machine.
    pub fn connect(&self) -> anyhow::Result<Option<Remote>> {
        let Some(url) = &self.server else { return Ok(None) };
        let token = std::env::var("SCIMHUB_TOKEN").ok().filter(|token| !token.trim().is_empty());
        let token = token.ok_or_else(|| {
            anyhow!("--server needs a token in SCIMHUB_TOKEN: scope read to look, admin to change something")
        })?;
        let base = Target::parse(url).context("--server")?;
        // The person names the server: private networks are theirs to name, but only over TLS.
        let mut policy = AddressPolicy::with_loopback();
        if !base.is_plain() {
            policy.networks.extend(["0.0.0.0/0", "::/0"].iter().filter_map(|n| n.parse::<Network>().ok()));
        }
        let timeouts = Timeouts { call: limits::COMMAND_TIMEOUT, ..Timeouts::default() };
        let client = Client::with(policy, timeouts, &system_lookup()).context("no HTTP client")?;
        Ok(Some(Remote { client, base, token: SecretString::new(token) }))
    }
}

/// A running server's API.
pub struct Remote {
    client: Client,
    base: Target,
    token: SecretString,
}

impl Remote {
    /// Call `path` (segments below `/api/v1`, escaped here) and read the JSON reply; null where the
    /// reply is empty.
    ///
    /// # Errors
    /// When the server does not answer or refuses; its own words are given.
    pub async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        self.answer(method, path, query, body).await?.map_err(refused)
    }

    /// As [`Remote::call`]; `None` where the server has no such thing.
    ///
    /// # Errors
    /// As [`Remote::call`], for any other refusal.
    pub async fn find(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Option<Value>> {
        match self.answer(method, path, query, body).await? {
            Ok(reply) => Ok(Some(reply)),
            Err((404, _)) => Ok(None),
            Err(other) => Err(refused(other)),
        }
    }

    /// The reply, or the status and words of a refusal.
    async fn answer(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Result<Value, (u16, Option<String>)>> {
        let target = self.base.join(&["api", "v1"]).join(path).with_query(query);
        let mut request = Request::new(method, target).bearer(Some(&self.token)).header("accept", "application/json");
        request = request.to_ourselves();
        if let Some(body) = body {
            request = request.body("application/json", body.to_string().into_bytes());
        }
        let answer = self.client.send(request).await.context("the server does not answer; see --server")?;
        let reply = if answer.body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&answer.body) };
        if answer.is_success() {
            return Ok(Ok(reply.context("the server's reply is not JSON; is it a scimhub?")?));
        }
        let detail = reply.ok().and_then(|v| v.get("detail").and_then(Value::as_str).map(str::to_owned));
        Ok(Err((answer.status, detail)))
    }

    /// All items of a list that pages by cursor.
    ///
    /// # Errors
    /// As [`Remote::call`].
    pub async fn all(&self, path: &[&str]) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = Vec::new();
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor.as_str()));
            }
            let mut page = self.call(Method::Get, path, &query, None).await?;
            if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
                items.extend(found);
            }
            cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }
}

fn refused(refusal: (u16, Option<String>)) -> anyhow::Error {
    match refusal {
        (401, _) => anyhow!("the server does not take the token in SCIMHUB_TOKEN"),
        (status, Some(detail)) => anyhow!("the server refused ({status}): {detail}"),
        (status, None) => anyhow!("the server refused with status {status}; is it a scimhub?"),
    }
}

/// A text field of an item, for a table; `-` where it has none.
pub fn text(item: &Value, name: &str) -> String {
    item.get(name).and_then(Value::as_str).unwrap_or("-").to_owned()
}
