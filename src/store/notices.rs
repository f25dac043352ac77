//! Who of a workspace is told of what, what they were told, and the facts that conditions are
//! computed from.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{hubs, notifications, told};
use super::{StoreError, health, holds, problems, sources, status, webhooks};
use crate::base::clock::Micros;
use crate::base::ids::{WebhookId, WorkspaceId};
use crate::domain::notice::{Condition, Facts, HoldFact, ProblemFact, SourceFact, Told};

/// Problems looked at; one per cause and hub is a short list.
const PROBLEMS: i64 = 1_000;

/// Who is told of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients {
    /// Mail addresses.
    pub mail: Vec<String>,
    /// An endpoint that gets the same digest as an event.
    pub webhook: Option<WebhookId>,
    /// What they want to hear; empty for everything.
    pub conditions: Vec<Condition>,
    /// After how long they are reminded.
    pub remind: Duration,
    /// After how long without a request a source counts as silent; zero for never.
    pub silent: Duration,
}

/// How telling them went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When a mail last went out.
    pub sent_at: Option<Micros>,
    /// When one last did not.
    pub failed_at: Option<Micros>,
    /// Why, while it does not.
    pub error: Option<String>,
}

type Row = (String, Option<Vec<u8>>, String, i64, i64, Option<i64>, Option<i64>, Option<String>);

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

fn span(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// Who is told in a workspace, and how it went; `None` where nobody is.
///
/// # Errors
/// A failed statement.
pub fn load(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Option<(Recipients, Standing)>, StoreError> {
    let row: Option<Row> = notifications::table
        .find(workspace.0)
        .select((
            notifications::mail,
            notifications::webhook_id,
            notifications::conditions,
            notifications::remind_seconds,
            notifications::silent_seconds,
            notifications::sent_at,
            notifications::failed_at,
            notifications::error,
        ))
        .first(conn)
        .optional()?;
    let Some((mail, webhook, conditions, remind, silent, sent_at, failed_at, error)) = row else { return Ok(None) };
    let recipients = Recipients {
        mail: words(&mail).map(str::to_owned).collect(),
        webhook: webhook.as_deref().map(webhooks::id_of).transpose()?,
        conditions: words(&conditions).filter_map(|word| word.parse().ok()).collect(),
        remind: span(remind),
        silent: span(silent),
    };
    let standing = Standing { sent_at: sent_at.map(Micros), failed_at: failed_at.map(Micros), error };
    Ok(Some((recipients, standing)))
}

/// Keep who is told from now on. How it went before is forgotten: it is tried again at once.
///
/// # Errors
/// A failed statement.
pub fn put(conn: &mut DbConn, workspace: WorkspaceId, recipients: &Recipients) -> Result<(), StoreError> {
    let conditions = recipients.conditions.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" ");
    diesel::sql_query(
        "INSERT INTO notifications (workspace, mail, webhook_id, conditions, remind_seconds, silent_seconds) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (workspace) DO UPDATE SET mail = excluded.mail, \
         webhook_id = excluded.webhook_id, conditions = excluded.conditions, \
         remind_seconds = excluded.remind_seconds, silent_seconds = excluded.silent_seconds, \
         failed_at = NULL, error = NULL",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Text, _>(recipients.mail.join(" "))
    .bind::<Nullable<Binary>, _>(recipients.webhook.map(WebhookId::bytes))
    .bind::<Text, _>(conditions)
    .bind::<BigInt, _>(seconds(recipients.remind))
    .bind::<BigInt, _>(seconds(recipients.silent))
    .execute(conn)?;
    Ok(())
}

/// Workspaces in which somebody is told.
///
/// # Errors
/// A failed statement.
pub fn told_across_workspaces(conn: &mut DbConn) -> Result<Vec<WorkspaceId>, StoreError> {
    let rows: Vec<i64> =
        notifications::table.order(notifications::workspace).select(notifications::workspace).load(conn)?;
    Ok(rows.into_iter().map(WorkspaceId).collect())
}

/// Mail went out, or did not and why. The first failure of a row of them keeps its time only by
/// what is told in the log.
///
/// # Errors
/// A failed statement.
pub fn mailed(conn: &mut DbConn, workspace: WorkspaceId, error: Option<&str>, now: Micros) -> Result<(), StoreError> {
    let row = notifications::table.find(workspace.0);
    match error {
        None => diesel::update(row)
            .set((
                notifications::sent_at.eq(Some(now.0)),
                notifications::failed_at.eq(None::<i64>),
                notifications::error.eq(None::<String>),
            ))
            .execute(conn)?,
        Some(error) => diesel::update(row)
            .set((notifications::failed_at.eq(Some(now.0)), notifications::error.eq(Some(error))))
            .execute(conn)?,
    };
    Ok(())
}

/// What was told by one way (`mail`, `webhook`) and is not over.
///
/// # Errors
/// A failed statement.
pub fn told_by(conn: &mut DbConn, workspace: WorkspaceId, way: &str) -> Result<Vec<Told>, StoreError> {
    let rows: Vec<(String, String, i64)> = told::table
        .filter(told::workspace.eq(workspace.0))
        .order(told::key)
        .select((told::key, told::line, told::last_told))
        .load(conn)?;
    let of_way = rows.into_iter().filter_map(|(key, line, at)| {
        let key = key.strip_prefix(way)?.strip_prefix(' ')?.to_owned();
        Some(Told { key, line, last_told: Micros(at) })
    });
    Ok(of_way.collect())
}

/// These conditions were told by one way.
///
/// # Errors
/// A failed statement.
pub fn told_now<'a>(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    way: &str,
    lines: impl Iterator<Item = (&'a str, &'a str)>,
    now: Micros,
) -> Result<(), StoreError> {
    // As many as there are conditions that began: few, whatever the size of a hub.
    for (key, line) in lines {
        diesel::sql_query(
            "INSERT INTO told (workspace, key, line, first_told, last_told) VALUES ($1, $2, $3, $4, $4) \
             ON CONFLICT (workspace, key) DO UPDATE SET line = excluded.line, last_told = excluded.last_told",
        )
        .bind::<BigInt, _>(workspace.0)
        .bind::<Text, _>(format!("{way} {key}"))
        .bind::<Text, _>(line)
        .bind::<BigInt, _>(now.0)
        .kept()
        .execute(conn)?;
    }
    Ok(())
}

/// These conditions are over, and whoever had to hear of it did.
///
/// # Errors
/// A failed statement.
pub fn over<'a>(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    way: &str,
    keys: impl Iterator<Item = &'a str>,
) -> Result<(), StoreError> {
    for key in keys {
        diesel::delete(told::table.find((workspace.0, format!("{way} {key}")))).execute(conn)?;
    }
    Ok(())
}

/// What is so now.
///
/// # Errors
/// A failed statement.
pub fn facts(conn: &mut DbConn, workspace: WorkspaceId, now: Micros) -> Result<Facts, StoreError> {
    let names: std::collections::HashMap<Vec<u8>, String> = hubs::table
        .filter(hubs::workspace.eq(workspace.0))
        .select((hubs::id, hubs::slug))
        .load::<(Vec<u8>, String)>(conn)?
        .into_iter()
        .collect();
    let name = |id: Vec<u8>| names.get(&id).cloned().unwrap_or_default();
    let open = problems::open(conn, workspace, PROBLEMS)?;
    let found = open.into_iter().map(|problem| ProblemFact {
        hub: name(problem.hub.bytes()),
        cause: problem.cause,
        message: problem.message,
        since: problem.opened_at,
    });
    let mut facts = Facts { problems: found.collect(), ..Facts::default() };
    for hold in holds::all_open(conn, workspace)? {
        let (tasks, _) = holds::counts(conn, workspace, hold.id)?;
        if tasks > 0 {
            facts.holds.push(HoldFact {
                id: hold.id.to_string(),
                hub: name(hold.hub.bytes()),
                reason: hold.reason,
                tasks,
                since: hold.created_at,
            });
        }
    }
    let healths = health::of_sources(conn, workspace)?;
    let living = status::living_tokens(conn, workspace, now)?;
    for source in sources::list(conn, workspace)? {
        let tokens: Vec<_> = living.iter().filter(|token| token.source == source.id).collect();
        facts.sources.push(SourceFact {
            last_request: healths.get(&source.id).and_then(|health| health.last_success),
            token_ends: status::end_of_use(&tokens),
            name: source.name,
        });
    }
    Ok(facts)
}
