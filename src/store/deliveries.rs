//! Deliveries: taken for a while, sent, and recorded under an epoch, so that a process that was
//! slow or died changes nothing that somebody else has taken over. At least once, never lost.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Text};

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{webhook_deliveries, webhooks};
use super::{StoreError, Tx, webhooks as endpoints};
use crate::base::clock::Micros;
use crate::base::ids::{EventId, WebhookId, WorkspaceId};
use crate::base::limits::WEBHOOK_LEASE;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// To be sent, now or later.
    Pending,
    /// It arrived.
    Delivered,
    /// Given up until a person replays it.
    Dead,
}

impl State {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// By its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

fn event_of(bytes: &[u8]) -> Result<EventId, StoreError> {
    EventId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a delivery's id".into()))
}

#[derive(QueryableByName)]
struct Endpoint {
    #[diesel(sql_type = BigInt)]
    workspace: i64,
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

/// Endpoints that are switched on and have something due, whoever waited longest first.
///
/// # Errors
/// A failed statement.
pub fn due_across_workspaces(
    conn: &mut DbConn,
    now: Micros,
    limit: i64,
) -> Result<Vec<(WorkspaceId, WebhookId)>, StoreError> {
    let rows: Vec<Endpoint> = diesel::sql_query(
        "SELECT due.workspace, due.id FROM (SELECT w.workspace, w.id, (SELECT MIN(d.due_at) FROM webhook_deliveries d \
         WHERE d.workspace = w.workspace AND d.webhook_id = w.id AND d.state = 'pending') AS first \
         FROM webhooks w WHERE w.enabled = TRUE) AS due WHERE due.first <= $1 ORDER BY due.first LIMIT $2",
    )
    .bind::<BigInt, _>(now.0)
    .bind::<BigInt, _>(limit)
    .kept()
    .load(conn)?;
    rows.into_iter().map(|row| Ok((WorkspaceId(row.workspace), endpoints::id_of(&row.id)?))).collect()
}

/// One delivery to make.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The endpoint's tenant.
    pub workspace: WorkspaceId,
    /// The endpoint.
    pub webhook: WebhookId,
    /// The event; the same over all attempts.
    pub event: EventId,
    /// What is sent.
    pub body: String,
    /// Attempts, this one included.
    pub attempts: i32,
    /// Since when it has been in line.
    pub queued_at: Micros,
    epoch: i64,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Binary)]
    event_id: Vec<u8>,
    #[diesel(sql_type = Text)]
    body: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = BigInt)]
    queued_at: i64,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = Binary)]
    event_id: Vec<u8>,
}

/// Take what is due for one endpoint, at most `limit`: nobody else does for the length of a lease.
/// The attempt counts from here, so that an event that ends processes does not go on for ever.
///
/// # Errors
/// A failed statement.
pub fn take(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    webhook: WebhookId,
    limit: i64,
    now: Micros,
) -> Result<Vec<Taken>, StoreError> {
    let lock = match &**tx {
        DbConn::Sqlite(_) => "",
        DbConn::Postgres(_) => "FOR UPDATE SKIP LOCKED",
    };
    let due: Vec<Key> = diesel::sql_query(format!(
        "SELECT event_id FROM webhook_deliveries WHERE workspace = $1 AND webhook_id = $2 AND state = 'pending' \
         AND due_at <= $3 ORDER BY due_at, event_id LIMIT $4 {lock}"
    ))
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(webhook.bytes())
    .bind::<BigInt, _>(now.0)
    .bind::<BigInt, _>(limit)
    .kept()
    .load(tx)?;
    let mut taken = Vec::new();
    for key in due {
        let row: Row = diesel::sql_query(
            "UPDATE webhook_deliveries SET due_at = $1, attempts = attempts + 1, epoch = epoch + 1 \
             WHERE workspace = $2 AND webhook_id = $3 AND event_id = $4 \
             RETURNING event_id, body, attempts, queued_at, epoch",
        )
        // In the order in which the text names them: SQLite counts so.
        .bind::<BigInt, _>(now.plus(WEBHOOK_LEASE).0)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(webhook.bytes())
        .bind::<Binary, _>(key.event_id)
        .kept()
        .get_result(tx)?;
        taken.push(Taken {
            workspace,
            webhook,
            event: event_of(&row.event_id)?,
            body: row.body,
            attempts: row.attempts,
            queued_at: Micros(row.queued_at),
            epoch: row.epoch,
        });
    }
    Ok(taken)
}

/// How an attempt is written down.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where the delivery stands now.
    pub state: State,
    /// When it is tried again, where it is pending.
    pub due_at: Micros,
    /// The status of the answer, where there was one.
    pub status: Option<u16>,
    /// What went wrong, for people; no path, no header, no body.
    pub error: Option<String>,
}

/// Write it down; `false` when somebody else has taken the delivery meanwhile, or it is gone.
///
/// # Errors
/// A failed statement.
pub fn record(conn: &mut DbConn, taken: &Taken, outcome: &Outcome, now: Micros) -> Result<bool, StoreError> {
    let finished = (outcome.state != State::Pending).then_some(now.0);
    let row = webhook_deliveries::table.find((taken.workspace.0, taken.webhook.bytes(), taken.event.bytes()));
    let changed = diesel::update(row)
        .filter(webhook_deliveries::epoch.eq(taken.epoch))
        .set((
            webhook_deliveries::state.eq(outcome.state.as_str()),
            webhook_deliveries::due_at.eq(outcome.due_at.0),
            webhook_deliveries::finished_at.eq(finished),
            webhook_deliveries::status.eq(outcome.status.map(i32::from)),
            webhook_deliveries::error.eq(outcome.error.as_deref()),
        ))
        .kept()
        .execute(conn)?;
    Ok(changed > 0)
}

/// A delivery as people look at it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The event.
    pub event: EventId,
    /// Its type.
    pub event_type: String,
    /// Where it stands.
    pub state: State,
    /// Attempts so far.
    pub attempts: i32,
    /// When it is tried next, where it is pending.
    pub due_at: Micros,
    /// When it happened.
    pub created_at: Micros,
    /// When it arrived or was given up.
    pub finished_at: Option<Micros>,
    /// The last answer's status.
    pub status: Option<i32>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// A page of an endpoint's deliveries, newest first.
///
/// # Errors
/// A failed statement.
pub fn page(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    webhook: WebhookId,
    state: Option<State>,
    before: Option<EventId>,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    type Found = (Vec<u8>, String, String, i32, i64, i64, Option<i64>, Option<i32>, Option<String>);
    let mut query = webhook_deliveries::table
        .filter(webhook_deliveries::workspace.eq(workspace.0))
        .filter(webhook_deliveries::webhook_id.eq(webhook.bytes()))
        .into_boxed();
    if let Some(state) = state {
        // The word as text, so that the partial index of the dead answers.
        query = query.filter(diesel::dsl::sql::<Bool>(match state {
            State::Pending => "webhook_deliveries.state = 'pending'",
            State::Delivered => "webhook_deliveries.state = 'delivered'",
            State::Dead => "webhook_deliveries.state = 'dead'",
        }));
    }
    if let Some(before) = before {
        query = query.filter(webhook_deliveries::event_id.lt(before.bytes()));
    }
    let rows: Vec<Found> = query
        .order(webhook_deliveries::event_id.desc())
        .limit(limit)
        .select((
            webhook_deliveries::event_id,
            webhook_deliveries::event_type,
            webhook_deliveries::state,
            webhook_deliveries::attempts,
            webhook_deliveries::due_at,
            webhook_deliveries::created_at,
            webhook_deliveries::finished_at,
            webhook_deliveries::status,
            webhook_deliveries::error,
        ))
        .load(conn)?;
    rows.into_iter()
        .map(|(event, event_type, state, attempts, due_at, created_at, finished_at, status, error)| {
            Ok(Delivery {
                event: event_of(&event)?,
                event_type,
                state: State::from_word(&state).ok_or_else(|| StoreError::Corrupt("a delivery's state".into()))?,
                attempts,
                due_at: Micros(due_at),
                created_at: Micros(created_at),
                finished_at: finished_at.map(Micros),
                status,
                error,
            })
        })
        .collect()
}

/// Send again what was given up or arrived: one event, or all dead ones. Answers how many.
///
/// # Errors
/// A failed statement.
pub fn replay(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    webhook: WebhookId,
    event: Option<EventId>,
    now: Micros,
) -> Result<usize, StoreError> {
    let again = (
        webhook_deliveries::state.eq(State::Pending.as_str()),
        webhook_deliveries::attempts.eq(0),
        webhook_deliveries::epoch.eq(webhook_deliveries::epoch + 1),
        webhook_deliveries::due_at.eq(now.0),
        webhook_deliveries::queued_at.eq(now.0),
        webhook_deliveries::finished_at.eq(None::<i64>),
    );
    Ok(match event {
        Some(event) => diesel::update(webhook_deliveries::table.find((workspace.0, webhook.bytes(), event.bytes())))
            .filter(webhook_deliveries::state.ne(State::Pending.as_str()))
            .set(again)
            .execute(conn)?,
        None => diesel::update(webhook_deliveries::table)
            .filter(webhook_deliveries::workspace.eq(workspace.0))
            .filter(webhook_deliveries::webhook_id.eq(webhook.bytes()))
            .filter(diesel::dsl::sql::<Bool>("webhook_deliveries.state = 'dead'"))
            .set(again)
            .execute(conn)?,
    })
}

/// Whether the endpoint has such a delivery.
///
/// # Errors
/// A failed statement.
pub fn exists(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    webhook: WebhookId,
    event: EventId,
) -> Result<bool, StoreError> {
    let row = webhook_deliveries::table.find((workspace.0, webhook.bytes(), event.bytes()));
    Ok(diesel::select(diesel::dsl::exists(row)).get_result(conn)?)
}

/// What does not reach the world: dead deliveries, and endpoints that were switched off by their
/// own answer.
///
/// # Errors
/// A failed statement.
pub fn not_heard(conn: &mut DbConn, workspace: WorkspaceId) -> Result<(i64, i64), StoreError> {
    let dead = webhook_deliveries::table
        .filter(webhook_deliveries::workspace.eq(workspace.0))
        .filter(diesel::dsl::sql::<Bool>("webhook_deliveries.state = 'dead'"))
        .count()
        .get_result(conn)?;
    let off = webhooks::table
        .filter(webhooks::workspace.eq(workspace.0))
        .filter(webhooks::enabled.eq(false))
        .filter(webhooks::disabled_why.is_not_null())
        .count()
        .get_result(conn)?;
    Ok((dead, off))
}

/// Forget what arrived before `delivered` or was given up before `dead`, at most `limit` rows in one
/// go. Answers how many.
///
/// # Errors
/// A failed statement.
pub fn prune_across_workspaces(
    conn: &mut DbConn,
    delivered: Micros,
    dead: Micros,
    limit: i64,
) -> Result<usize, StoreError> {
    Ok(diesel::sql_query(
        "DELETE FROM webhook_deliveries WHERE (workspace, webhook_id, event_id) IN (\
         SELECT workspace, webhook_id, event_id FROM webhook_deliveries WHERE finished_at IS NOT NULL \
         AND ((state = 'delivered' AND finished_at < $1) OR (state = 'dead' AND finished_at < $2)) \
         AND finished_at < $1 ORDER BY finished_at LIMIT $3)",
    )
    .bind::<BigInt, _>(delivered.0)
    .bind::<BigInt, _>(dead.0)
    .bind::<BigInt, _>(limit)
    .kept()
    .execute(conn)?)
}
