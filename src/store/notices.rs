//! Who of a workspace is told of what, what they were told, and the facts that conditions are
//! computed from.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{decisions, hubs, notifications, tasks, told};
use super::{StoreError, failures, health, holds, mail_refusals, problems, reading, sources, status, webhooks};
use crate::base::clock::Micros;
use crate::base::ids::{WebhookId, WorkspaceId};
use crate::domain::decision::DecisionKind;
use crate::domain::notice::{Condition, Facts, FailedFact, HoldFact, ProblemFact, SourceFact, Told};

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
    /// Whether Owners of hubs are told what their hubs need.
    pub hub_owners: bool,
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

type Row = (String, Option<Vec<u8>>, String, i64, i64, Option<i64>, Option<i64>, Option<String>, bool);

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
            notifications::hub_owners,
        ))
        .first(conn)
        .optional()?;
    let Some((mail, webhook, conditions, remind, silent, sent_at, failed_at, error, hub_owners)) = row else {
        return Ok(None);
    };
    let recipients = Recipients {
        mail: words(&mail).map(str::to_owned).collect(),
        webhook: webhook.as_deref().map(webhooks::id_of).transpose()?,
        conditions: words(&conditions).filter_map(|word| word.parse().ok()).collect(),
        remind: span(remind),
        silent: span(silent),
        hub_owners,
    };
    let standing = Standing { sent_at: sent_at.map(Micros), failed_at: failed_at.map(Micros), error };
    Ok(Some((recipients, standing)))
}

/// Keep who is told from now on. How it went before is forgotten: all of it is tried again at once.
///
/// # Errors
/// A failed statement.
pub fn put(conn: &mut DbConn, workspace: WorkspaceId, recipients: &Recipients) -> Result<(), StoreError> {
    let conditions = recipients.conditions.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" ");
    diesel::sql_query(
        "INSERT INTO notifications (workspace, mail, webhook_id, conditions, remind_seconds, silent_seconds, \
         hub_owners) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (workspace) DO UPDATE SET mail = excluded.mail, \
         webhook_id = excluded.webhook_id, conditions = excluded.conditions, \
         remind_seconds = excluded.remind_seconds, silent_seconds = excluded.silent_seconds, \
         hub_owners = excluded.hub_owners, failed_at = NULL, error = NULL",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Text, _>(recipients.mail.join(" "))
    .bind::<Nullable<Binary>, _>(recipients.webhook.map(WebhookId::bytes))
    .bind::<Text, _>(conditions)
    .bind::<BigInt, _>(seconds(recipients.remind))
    .bind::<BigInt, _>(seconds(recipients.silent))
    .bind::<Bool, _>(recipients.hub_owners)
    .execute(conn)?;
    mail_refusals::forget_all(conn, workspace)
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

/// What was told and is not over, by the way it was told (`webhook`, `Addressee::way`).
///
/// # Errors
/// A failed statement.
pub fn told(conn: &mut DbConn, workspace: WorkspaceId) -> Result<BTreeMap<String, Vec<Told>>, StoreError> {
    let rows: Vec<(String, String, i64)> = told::table
        .filter(told::workspace.eq(workspace.0))
        .order(told::key)
        .select((told::key, told::line, told::last_told))
        .load(conn)?;
    let mut found: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for (key, line, at) in rows {
        let Some((way, key)) = key.split_once(' ') else { continue };
        let one = Told { key: key.to_owned(), line, last_told: Micros(at) };
        found.entry(way.to_owned()).or_default().push(one);
    }
    Ok(found)
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
    let mut facts = Facts::default();
    for problem in problems::open(conn, workspace, PROBLEMS)? {
        let mut hub = name(problem.hub.bytes());
        if hub.is_empty() {
            hub = reading::removed_hub(conn, workspace, problem.hub)?.unwrap_or_default();
        }
        let secrets_missing = problems::secrets_missing(conn, workspace, problem.hub, problem.cause)?;
        let (cause, message, since) = (problem.cause, problem.message, problem.opened_at);
        facts.problems.push(ProblemFact { hub, cause, message, since, secrets_missing });
    }
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
    let failed: Vec<(Vec<u8>, i64, Option<i64>)> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::status.eq("manual"))
        // NULL is in no list: an item that never was tried has not failed either.
        .filter(tasks::error_class.ne_all(failures::NO_FAILURE))
        .group_by(tasks::hub_id)
        .order(tasks::hub_id)
        .select((tasks::hub_id, diesel::dsl::count_star(), diesel::dsl::min(tasks::modified_at)))
        .load(conn)?;
    let refused: Vec<(Vec<u8>, i64, Option<i64>)> = decisions::table
        .filter(decisions::workspace.eq(workspace.0))
        .filter(decisions::kind.eq(DecisionKind::Failed.as_str()))
        .group_by(decisions::hub_id)
        .order(decisions::hub_id)
        .select((decisions::hub_id, diesel::dsl::count_star(), diesel::dsl::min(decisions::created_at)))
        .load(conn)?;
    let mut by_hub: BTreeMap<String, FailedFact> = BTreeMap::new();
    for (hub, tasks, since) in failed.into_iter().chain(refused) {
        let (hub, since) = (name(hub), Micros(since.unwrap_or_default()));
        let fact = by_hub.entry(hub.clone()).or_insert(FailedFact { hub, tasks: 0, since });
        fact.tasks += tasks;
        fact.since = Micros(fact.since.0.min(since.0));
    }
    facts.failed = by_hub.into_values().collect();
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
