//! `scimhub token create | list | revoke`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::at::{At, Reach};
use super::local::{self, say};
use super::remote::text;
use super::table;
use crate::net::client::Method;
use crate::service::page::PageRequest;
use crate::service::tokens::{self, NewActing, NewToken, Role, Ttl};
use crate::service::{Caller, Context, Scope};

/// Arguments of `token`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it, alone, on standard output; it is never shown again
    Create {
        #[command(flatten)]
        at: At,
        /// What it may do: scim (all of SCIM), admin (the API), read (GET on both)
        #[arg(long)]
        scope: Scope,
        /// What you call it
        #[arg(long)]
        name: String,
        /// The source it pushes to
        #[arg(long, default_value = "default")]
        source: String,
        /// The person it acts as, by userName or SCIM id: it may do what they may, while they are active
        #[arg(long = "as", value_name = "USER", conflicts_with = "role")]
        acts_as: Option<String>,
        /// The role of a service: guest, login_only, user, auditor, admin, super_admin or owner. Without
        /// --as and --role a token of scope admin may do everything, one of scope read looks at everything
        #[arg(long)]
        role: Option<Role>,
        /// How long it lives, e.g. 90d or 12h; never only by saying so
        #[arg(long, default_value = "365d")]
        ttl: Ttl,
    },
    /// List the tokens of a workspace
    List {
        #[command(flatten)]
        at: At,
    },
    /// End a token; it stops working within a second
    Revoke {
        #[command(flatten)]
        at: At,
        /// The token's id, as `token list` shows it
        id: String,
    },
}

/// Do it.
///
/// # Errors
/// When the workspace, source or token is unknown, or the database cannot be used.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    local::block_on(act(arguments.action))
}

async fn act(action: Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::Create { at, scope, name, source, acts_as, role, ttl } => match at.open().await? {
            Reach::Remote(remote) => {
                let wanted = json!({"name": name, "scope": scope.as_str(), "source": source,
                    "as": acts_as, "role": role, "ttl": ttl.to_string()});
                let made = remote.call(Method::Post, &["tokens"], &[], Some(&wanted)).await?;
                say(&text(&made, "token"));
            }
            Reach::Local(context, caller) => {
                let acting = NewActing::read(acts_as, role.map(Role::as_str))?;
                let wanted = NewToken { name, scope, source: Some(source), ttl, acting };
                let created = tokens::create(&context, &caller, wanted).await?;
                say(created.text.expose());
            }
        },
        Action::List { at } => {
            let items = match at.open().await? {
                Reach::Remote(remote) => remote.all(&["tokens"]).await?,
                Reach::Local(context, caller) => listed(&context, &caller).await?,
            };
            let rows = items.iter().map(|token| {
                let expires = token.get("expires").and_then(Value::as_str).unwrap_or("never").to_owned();
                let [id, name, scope, source, state, used] =
                    ["id", "name", "scope", "source", "state", "last_used"].map(|field| text(token, field));
                vec![id, name, scope, acting(token), source, state, expires, used]
            });
            let heads = ["id", "name", "scope", "acts as", "source", "state", "expires", "last used"];
            table::print(&heads, rows.collect());
        }
        Action::Revoke { at, id } => match at.open().await? {
            Reach::Remote(remote) => {
                remote.call(Method::Delete, &["tokens", &id], &[], None).await?;
            }
            Reach::Local(context, caller) => {
                tokens::revoke(&context, &caller, &id).await?;
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// As whom a token acts, for the table.
fn acting(token: &Value) -> String {
    match (token.get("acts_as").and_then(Value::as_str), token.get("role").and_then(Value::as_str)) {
        (Some(person), _) => format!("user {person}"),
        (None, Some(role)) => format!("service ({role})"),
        (None, None) => String::from("-"),
    }
}

/// All tokens of a workspace, in the form that the API gives them.
async fn listed(context: &Context, caller: &Caller) -> anyhow::Result<Vec<Value>> {
    let mut items = Vec::new();
    let mut page = PageRequest { limit: Some(200), cursor: None };
    loop {
        let found = tokens::list(context, caller, &page).await?;
        for token in &found.items {
            items.push(serde_json::to_value(token)?);
        }
        page.cursor = found.next;
        if page.cursor.is_none() {
            return Ok(items);
        }
    }
}
