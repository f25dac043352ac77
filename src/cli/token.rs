//! `scimhub token create | list | revoke`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::local::{self, Local, say};
use super::place::Place;
use super::table;
use crate::service::page::PageRequest;
use crate::service::tokens::{self, NewToken, Ttl};
use crate::service::{Scope, sources};

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
        place: Place,
        /// The workspace it belongs to
        #[arg(long, default_value = "default")]
        workspace: String,
        /// What it may do: scim (all of SCIM), admin (the API), read (GET on both)
        #[arg(long)]
        scope: Scope,
        /// What you call it
        #[arg(long)]
        name: String,
        /// The source it pushes to
        #[arg(long, default_value = "default")]
        source: String,
        /// How long it lives, e.g. 90d or 12h; never only by saying so
        #[arg(long, default_value = "365d")]
        ttl: Ttl,
    },
    /// List the tokens of a workspace
    List {
        #[command(flatten)]
        place: Place,
        /// The workspace
        #[arg(long, default_value = "default")]
        workspace: String,
    },
    /// End a token; it stops working within a second
    Revoke {
        #[command(flatten)]
        place: Place,
        /// The workspace
        #[arg(long, default_value = "default")]
        workspace: String,
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
        Action::Create { place, workspace, scope, name, source, ttl } => {
            let local = Local::open(&place).await?;
            let caller = local.caller(&workspace).await?;
            let wanted = NewToken { name, scope, source: Some(source), ttl };
            let created = tokens::create(&local.context, &caller, wanted).await?;
            say(created.text.expose());
        }
        Action::List { place, workspace } => {
            let local = Local::open(&place).await?;
            let caller = local.caller(&workspace).await?;
            let many = sources::list(&local.context, &caller).await?.len() > 1;
            let mut rows = Vec::new();
            let mut page = PageRequest { limit: Some(200), cursor: None };
            loop {
                let found = tokens::list(&local.context, &caller, &page).await?;
                for token in found.items {
                    let source = if many { format!(" ({})", token.source) } else { String::new() };
                    rows.push(vec![
                        token.id.to_string(),
                        token.name,
                        format!("{}{source}", token.scope),
                        token.state.to_owned(),
                        token.expires.unwrap_or_else(|| String::from("never")),
                        token.last_used.unwrap_or_else(|| String::from("-")),
                    ]);
                }
                page.cursor = found.next;
                if page.cursor.is_none() {
                    break;
                }
            }
            table::print(&["id", "name", "scope", "state", "expires", "last used"], rows);
        }
        Action::Revoke { place, workspace, id } => {
            let local = Local::open(&place).await?;
            let caller = local.caller(&workspace).await?;
            tokens::revoke(&local.context, &caller, &id).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
