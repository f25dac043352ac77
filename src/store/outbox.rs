//! The outbox: an event becomes one row for each endpoint that wants it, in the transaction of the
//! change it tells of. A workspace without endpoints pays one look into a key. Bodies hold ids and
//! names, never a secret.

use diesel::prelude::*;
use hmac::digest::Digest as _;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::StoreError;
use super::activity::Entry;
use super::conn::DbConn;
use super::dialect::{self, Cell};
use super::schema::{hubs, tasks, users, workspaces};
use super::{problems, reading, webhooks};
use crate::base::clock::Micros;
use crate::base::ids::{EventId, HoldId, HubId, TaskId, UserId, WebhookId, WorkspaceId};
use crate::domain::event::EventType;
use crate::domain::problem::Cause;

const COLUMNS: [&str; 11] = [
    "workspace",
    "webhook_id",
    "event_id",
    "event_type",
    "body",
    "state",
    "attempts",
    "epoch",
    "due_at",
    "queued_at",
    "created_at",
];

/// Tell of an activity record, where it is an event.
pub(super) fn of_activity(conn: &mut DbConn, workspace: WorkspaceId, entry: &Entry<'_>) -> Result<(), StoreError> {
    let Some(event) = EventType::of_activity(entry.kind, &entry.detail) else { return Ok(()) };
    let to = webhooks::listening(conn, workspace, event)?;
    if to.is_empty() {
        return Ok(());
    }
    let mut data = Map::new();
    data.insert("actor".into(), json!(entry.actor));
    data.insert("request_id".into(), json!(entry.request_id));
    let hub = hub_of(conn, workspace, entry.hub)?;
    let slug = hub.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    data.insert("hub".into(), hub);
    if let Some(user) = entry.user {
        data.insert("user".into(), person(conn, workspace, user, entry.personal.as_ref())?);
    }
    if let Some(task) = entry.task {
        data.insert("task".into(), told_task(conn, workspace, task, &slug)?);
    }
    if event == EventType::SyncHalted {
        data.insert("detail".into(), entry.detail.clone());
    }
    write(conn, workspace, &to, EventId::from_uuid(entry.id), event, data, entry.at)
}

/// Tell that the guard began to hold for a reason.
pub(super) fn hold_opened(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    hold: HoldId,
    reason: &str,
    now: Micros,
) -> Result<(), StoreError> {
    let to = webhooks::listening(conn, workspace, EventType::HoldOpened)?;
    if to.is_empty() {
        return Ok(());
    }
    let mut data = Map::new();
    data.insert("hub".into(), hub_of(conn, workspace, Some(hub))?);
    data.insert("hold".into(), json!({ "id": hold, "reason": reason }));
    write(conn, workspace, &to, EventId::from_uuid(hold.uuid()), EventType::HoldOpened, data, now)
}

/// A problem that opened or closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProblemEvent<'a> {
    pub hub: HubId,
    pub cause: Cause,
    /// What a person reads; of a closed one nothing.
    pub message: Option<&'a str>,
}

/// Tell of it.
pub(super) fn problem(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    problem: ProblemEvent<'_>,
    now: Micros,
) -> Result<(), StoreError> {
    let event = if problem.message.is_some() { EventType::ProblemOpened } else { EventType::ProblemClosed };
    let to = webhooks::listening(conn, workspace, event)?;
    if to.is_empty() {
        return Ok(());
    }
    let mut hub = hub_of(conn, workspace, Some(problem.hub))?;
    if hub.is_null() {
        hub = json!({ "id": reading::removed_hub(conn, workspace, problem.hub)? });
    }
    let missing = problems::secrets_missing(conn, workspace, problem.hub, problem.cause)?;
    let remedy = problem.cause.remedy_for(hub.get("id").and_then(Value::as_str).unwrap_or_default(), &missing);
    let mut told = json!({ "cause": problem.cause.as_str() });
    if let (Some(message), Some(told)) = (problem.message, told.as_object_mut()) {
        told.insert("message".into(), json!(message));
        told.insert("remedy".into(), json!(remedy));
    }
    let mut data = Map::new();
    data.insert("hub".into(), hub);
    data.insert("problem".into(), told);
    let id =
        event_id(workspace, &[&problem.hub.bytes(), problem.cause.as_str().as_bytes(), event.as_str().as_bytes()], now);
    write(conn, workspace, &to, id, event, data, now)
}

/// One event for one endpoint, whatever it chose: a trial, a digest.
///
/// # Errors
/// A failed statement.
pub fn to_one(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    webhook: WebhookId,
    (id, event): (EventId, EventType),
    data: Map<String, Value>,
    now: Micros,
) -> Result<(), StoreError> {
    write(conn, workspace, &[webhook], id, event, data, now)
}

/// An id for what has none of its own. The same change, run again by its transaction, gives the
/// same; it sorts by time like the others.
fn event_id(workspace: WorkspaceId, parts: &[&[u8]], now: Micros) -> EventId {
    let mut hash = Sha256::new();
    hash.update(workspace.0.to_be_bytes());
    hash.update(now.0.to_be_bytes());
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut random = [0u8; 10];
    for (to, from) in random.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    let millis = u64::try_from(now.0).unwrap_or(0) / 1000;
    EventId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

fn write(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    to: &[WebhookId],
    id: EventId,
    event: EventType,
    mut data: Map<String, Value>,
    now: Micros,
) -> Result<(), StoreError> {
    let name: String = workspaces::table.filter(workspaces::id.eq(workspace.0)).select(workspaces::name).first(conn)?;
    data.insert("workspace".into(), json!(name));
    let body = json!({ "type": event.as_str(), "timestamp": now.to_rfc3339(), "data": data }).to_string();
    let row = |webhook: &WebhookId| {
        vec![
            Cell::Int(workspace.0),
            webhook.uuid().into(),
            id.uuid().into(),
            event.as_str().into(),
            body.as_str().into(),
            "pending".into(),
            Cell::Int(0),
            Cell::Int(0),
            Cell::Int(now.0),
            Cell::Int(now.0),
            Cell::Int(now.0),
        ]
    };
    let rows: Vec<Vec<Cell>> = to.iter().map(row).collect();
    dialect::insert_rows(conn, "webhook_deliveries", &COLUMNS, &rows, "ON CONFLICT DO NOTHING")?;
    Ok(())
}

fn hub_of(conn: &mut DbConn, workspace: WorkspaceId, hub: Option<HubId>) -> Result<Value, StoreError> {
    let Some(id) = hub else { return Ok(Value::Null) };
    let found: Option<(String, String, String)> = hubs::table
        .filter(hubs::workspace.eq(workspace.0))
        .filter(hubs::id.eq(id.bytes()))
        .select((hubs::slug, hubs::label, hubs::app))
        .first(conn)
        .optional()?;
    Ok(found.map_or(Value::Null, |(slug, label, app)| json!({ "id": slug, "label": label, "app": app })))
}

/// Their id and the name people know; of a deleted user the account's.
fn person(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    user: UserId,
    personal: Option<&Value>,
) -> Result<Value, StoreError> {
    let found: Option<String> = users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.eq(user.bytes()))
        .select(users::user_name)
        .first(conn)
        .optional()?;
    let account = || personal.and_then(|all| all.get("person")).and_then(Value::as_str).map(str::to_owned);
    Ok(json!({ "id": user, "name": found.or_else(account) }))
}

/// What a task did or why it did not, with what to do about it.
fn told_task(conn: &mut DbConn, workspace: WorkspaceId, id: TaskId, hub: &str) -> Result<Value, StoreError> {
    type Row = (String, String, String, Option<String>, Option<String>, Option<String>);
    let found: Option<Row> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq(id.bytes()))
        .select((
            tasks::kind,
            tasks::status,
            tasks::cause,
            tasks::error_class,
            tasks::error_detail,
            tasks::instructions,
        ))
        .first(conn)
        .optional()?;
    let Some((kind, status, cause, code, detail, instructions)) = found else { return Ok(json!({ "id": id })) };
    let mut told = json!({ "id": id, "kind": kind, "status": status, "cause": cause });
    if let (Some(code), Some(told)) = (code, told.as_object_mut()) {
        // What is in the way of many tasks has one remedy; what concerns this one alone is in its steps.
        let remedy = Cause::of_class(&code).map(|cause| cause.remedy(hub)).or(instructions);
        told.insert("code".into(), json!(code));
        told.insert("message".into(), json!(detail));
        told.insert("remedy".into(), json!(remedy));
    }
    Ok(told)
}
