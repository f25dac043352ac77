//! What a sync listed, and the facts that its accounts are judged by: read in batches, in the order
//! of the app's ids. Nothing here decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};
use uuid::Uuid;

use super::dialect::{self, Cell};
use super::kept::Keep as _;
use super::keyed;
use super::schema::{sync_seen, user_emails, users};
use super::status::first_id;
use super::sync_assets::{assets, assets_json};
use super::{DbConn, StoreError, Tx};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, MemberId, TaskId, UserId, WorkspaceId};
use crate::domain::entitlement::is_guest;
use crate::domain::member::Presence;
use crate::domain::sync::{self, Observed};
use crate::scim::fold;
use crate::scim::resource::Object;

const COLUMNS: [&str; 11] = [
    "workspace",
    "task_id",
    "remote_id",
    "member_id",
    "address",
    "display",
    "role",
    "state",
    "expires_at",
    "seen_at",
    "assets",
];

fn text(value: Option<&String>) -> Cell {
    value.map_or(Cell::Null, |text| Cell::Text(text.clone()))
}

/// Keep a page; an account that is listed twice stays as it was listed last.
///
/// # Errors
/// A failed statement.
pub fn put(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    task: TaskId,
    page: &BTreeMap<String, (Uuid, Observed)>,
) -> Result<(), StoreError> {
    let rows: Vec<Vec<Cell>> = page
        .values()
        .map(|(id, seen)| {
            let assets = seen.assets.as_deref().map(assets_json).transpose()?;
            Ok(vec![
                Cell::Int(workspace.0),
                Cell::Bytes(task.bytes()),
                Cell::Text(seen.remote_id.clone()),
                Cell::Bytes(id.as_bytes().to_vec()),
                text(seen.address.as_ref()),
                Cell::Text(seen.display.clone()),
                text(seen.role.as_ref()),
                Cell::Text(seen.presence.as_str().to_owned()),
                seen.expires_at.map_or(Cell::Null, |at| Cell::Int(at.0)),
                Cell::Int(seen.seen_at.0),
                text(assets.as_ref()),
            ])
        })
        .collect::<Result<_, StoreError>>()?;
    let tail = "ON CONFLICT (workspace, task_id, remote_id) DO UPDATE SET address = excluded.address, \
         display = excluded.display, role = excluded.role, state = excluded.state, \
         expires_at = excluded.expires_at, seen_at = excluded.seen_at, assets = excluded.assets";
    dialect::insert_rows(tx, "sync_seen", &COLUMNS, &rows, tail)?;
    Ok(())
}

/// How many different accounts were listed.
///
/// # Errors
/// A failed statement.
pub fn count(conn: &mut DbConn, workspace: WorkspaceId, task: TaskId) -> Result<i64, StoreError> {
    Ok(sync_seen::table
        .filter(sync_seen::workspace.eq(workspace.0))
        .filter(sync_seen::task_id.eq(task.bytes()))
        .count()
        .kept()
        .get_result(conn)?)
}

/// A listed account, with the id its row gets where nobody knows it.
pub type Listed = (MemberId, Observed);

type Row = (Vec<u8>, String, Option<String>, String, Option<String>, String, Option<i64>, i64, Option<String>);

/// The next accounts in the order of the app's ids.
///
/// # Errors
/// A failed statement.
pub fn after(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    task: TaskId,
    key: Option<&str>,
    limit: i64,
) -> Result<Vec<Listed>, StoreError> {
    let rows: Vec<Row> = sync_seen::table
        .filter(sync_seen::workspace.eq(workspace.0))
        .filter(sync_seen::task_id.eq(task.bytes()))
        .filter(sync_seen::remote_id.gt(key.unwrap_or_default()))
        .order(sync_seen::remote_id)
        .limit(limit)
        .select((
            sync_seen::member_id,
            sync_seen::remote_id,
            sync_seen::address,
            sync_seen::display,
            sync_seen::role,
            sync_seen::state,
            sync_seen::expires_at,
            sync_seen::seen_at,
            sync_seen::assets,
        ))
        .kept()
        .load(conn)?;
    rows.into_iter()
        .map(|(id, remote_id, address, display, role, state, expires_at, seen_at, shown)| {
            let bad = |what: &str| StoreError::Corrupt(format!("a listed account's {what}"));
            let observed = Observed {
                remote_id,
                address,
                display,
                role,
                assets: shown.as_deref().map(assets).transpose()?,
                presence: Presence::from_word(&state).ok_or_else(|| bad("state"))?,
                expires_at: expires_at.map(Micros),
                seen_at: Micros(seen_at),
            };
            Ok((MemberId::from_bytes(&id).map_err(|_| bad("id"))?, observed))
        })
        .collect()
}

/// How many accounts in use show each of these addresses, in the list.
///
/// # Errors
/// A failed statement.
pub fn bearers(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    task: TaskId,
    addresses: &BTreeSet<String>,
) -> Result<HashMap<String, usize>, StoreError> {
    #[derive(QueryableByName)]
    struct Shown {
        #[diesel(sql_type = Text)]
        address: String,
        #[diesel(sql_type = BigInt)]
        accounts: i64,
    }
    if let DbConn::Postgres(pg) = conn {
        let wanted = keyed::within("address", "k.address", ("task_id", "$3"));
        let text = format!(
            "SELECT m.address, COUNT(*) AS accounts FROM ({}) m WHERE m.state <> 'suspended' GROUP BY m.address",
            keyed::rows_of("sync_seen", &[("address", 2)], &wanted)
        );
        let rows: Vec<Shown> = diesel::sql_query(text)
            .bind::<BigInt, _>(workspace.0)
            .bind::<Array<Text>, _>(addresses.iter().collect::<Vec<_>>())
            .bind::<Binary, _>(task.bytes())
            .load(pg)?;
        return Ok(rows
            .into_iter()
            .filter_map(|row| Some((row.address, usize::try_from(row.accounts).ok()?)))
            .collect());
    }
    let rows: Vec<(Option<String>, i64)> = sync_seen::table
        .filter(sync_seen::workspace.eq(workspace.0))
        .filter(sync_seen::task_id.eq(task.bytes()))
        .filter(sync_seen::address.eq_any(addresses))
        .filter(sync_seen::state.ne("suspended"))
        .group_by(sync_seen::address)
        .select((sync_seen::address, diesel::dsl::count_star()))
        .load(conn)?;
    Ok(rows.into_iter().filter_map(|(address, n)| Some((address?, usize::try_from(n).ok()?))).collect())
}

/// Somebody who bears an address, or one that folds to the same.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// Who.
    pub user: UserId,
    /// Every address of theirs, as [`sync::address`] prepares it.
    pub addresses: BTreeSet<String>,
    /// Whether the directory says they are from outside.
    pub guest: bool,
    /// When they last took another address than they had.
    pub address_taken_at: Option<Micros>,
}

impl Bearer {
    /// Whether this account was known when they took an address: then no address says that it is theirs,
    /// a person does (T-02). The id of an account tells when it became known.
    pub fn came_after(&self, account: MemberId) -> bool {
        self.address_taken_at.is_some_and(|at| account.uuid() < first_id(at).uuid())
    }
}

/// The people who bear these addresses, by folded address.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn people(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    addresses: &BTreeSet<String>,
) -> Result<HashMap<String, Vec<Bearer>>, StoreError> {
    let keys: BTreeSet<String> = addresses.iter().map(|address| fold::email(address)).collect();
    let mut owners: BTreeSet<(String, Vec<u8>)> = user_emails::table
        .filter(user_emails::workspace.eq(workspace.0))
        .filter(user_emails::email_key.eq_any(&keys))
        .select((user_emails::email_key, user_emails::user_id))
        .load::<(String, Vec<u8>)>(conn)?
        .into_iter()
        .collect();
    let names: Vec<(String, Vec<u8>)> = users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::user_name_key.eq_any(&keys))
        .select((users::user_name_key, users::id))
        .load(conn)?;
    owners.extend(names);
    let ids: BTreeSet<&Vec<u8>> = owners.iter().map(|(_, id)| id).collect();
    let documents: Vec<(Vec<u8>, String, String, Option<i64>)> = users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.eq_any(ids))
        .select((users::id, users::user_name, users::document, users::address_taken_at))
        .load(conn)?;
    let mut bearers: HashMap<Vec<u8>, Bearer> = HashMap::new();
    for (id, user_name, document, taken_at) in documents {
        let user = UserId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a user's id".into()))?;
        let document: Object =
            serde_json::from_str(&document).map_err(|_| StoreError::Corrupt("a user's document".into()))?;
        bearers.insert(id, bearer(user, &user_name, &document, taken_at));
    }
    let mut found: HashMap<String, Vec<Bearer>> = HashMap::new();
    for (key, id) in owners {
        if let Some(bearer) = bearers.get(&id) {
            found.entry(key).or_default().push(bearer.clone());
        }
    }
    Ok(found)
}

fn bearer(user: UserId, user_name: &str, document: &Object, taken_at: Option<i64>) -> Bearer {
    let emails = document.get("emails").and_then(serde_json::Value::as_array).into_iter().flatten();
    let shown = emails.filter_map(|email| email.get("value").and_then(serde_json::Value::as_str));
    Bearer {
        user,
        addresses: shown.chain([user_name]).filter_map(sync::address).collect(),
        guest: is_guest(document),
        address_taken_at: taken_at.map(Micros),
    }
}

/// How many known accounts of the hub the list does not have although it could, and how many are
/// known in all.
///
/// # Errors
/// A failed statement.
pub fn missing(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    task: TaskId,
    began: Micros,
) -> Result<(i64, i64), StoreError> {
    #[derive(QueryableByName)]
    struct Share {
        #[diesel(sql_type = BigInt)]
        gone: i64,
        #[diesel(sql_type = BigInt)]
        known: i64,
    }
    let share: Share = diesel::sql_query(
        // SQLite numbers the places by where they first stand.
        "SELECT COUNT(CASE WHEN m.remote_id IS NOT NULL AND m.known_at < $1 \
             AND (m.known_state <> 'pending' OR m.observed_at IS NOT NULL) \
             AND NOT EXISTS (SELECT 1 FROM sync_seen s WHERE s.workspace = $2 AND s.task_id = $3 \
                 AND s.remote_id = m.remote_id) THEN 1 END) AS gone, COUNT(*) AS known \
         FROM hub_members m WHERE m.workspace = $2 AND m.hub_id = $4 AND m.known_state <> 'absent'",
    )
    .bind::<BigInt, _>(began.0)
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(task.bytes())
    .bind::<Binary, _>(hub.bytes())
    .kept()
    .get_result(conn)?;
    Ok((share.gone, share.known))
}

/// Members that the list does not have, in id order: id, whether a sync saw it before, when its
/// invitation runs out.
///
/// # Errors
/// A failed statement.
pub fn not_listed(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    task: TaskId,
    after: Option<&[u8]>,
    limit: i64,
) -> Result<Vec<(MemberId, bool, Option<Micros>)>, StoreError> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Binary)]
        id: Vec<u8>,
        #[diesel(sql_type = Nullable<BigInt>)]
        observed_at: Option<i64>,
        #[diesel(sql_type = Nullable<BigInt>)]
        expires_at: Option<i64>,
    }
    let rows: Vec<Found> = diesel::sql_query(
        // Not NOT EXISTS: PostgreSQL would join, and while it has not counted a list this new, go through
        // all of it for each member.
        "SELECT m.id, m.observed_at, m.expires_at FROM hub_members m WHERE m.workspace = $1 AND m.id > $2 \
         AND m.hub_id = $3 AND m.known_state <> 'absent' AND m.remote_id IS NOT NULL \
         AND (SELECT s.remote_id FROM sync_seen s WHERE s.workspace = $1 AND s.task_id = $4 \
             AND s.remote_id = m.remote_id) IS NULL ORDER BY m.id LIMIT $5",
    )
    .bind::<BigInt, _>(workspace.0)
    // Not empty: SQLite is bound a null for an empty blob.
    .bind::<Binary, _>(after.unwrap_or(&[0]))
    .bind::<Binary, _>(hub.bytes())
    .bind::<Binary, _>(task.bytes())
    .bind::<BigInt, _>(limit)
    .kept()
    .load(conn)?;
    rows.into_iter()
        .map(|row| {
            let id = MemberId::from_bytes(&row.id).map_err(|_| StoreError::Corrupt("a member's id".into()))?;
            Ok((id, row.observed_at.is_some(), row.expires_at.map(Micros)))
        })
        .collect()
}

/// Forget up to `limit` accounts of a list; answers how many.
///
/// # Errors
/// A failed statement.
pub fn throw_away(tx: &mut Tx<'_>, workspace: WorkspaceId, task: TaskId, limit: i64) -> Result<usize, StoreError> {
    let gone = diesel::sql_query(
        // A bound, not a list of ids: PostgreSQL, while it has not counted a list this new, goes through
        // all of them for each row.
        "DELETE FROM sync_seen WHERE workspace = $1 AND task_id = $2 AND remote_id <= (SELECT MAX(f.remote_id) FROM ( \
         SELECT remote_id FROM sync_seen WHERE workspace = $1 AND task_id = $2 ORDER BY remote_id LIMIT $3) f)",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(task.bytes())
    .bind::<BigInt, _>(limit)
    .kept()
    .execute(tx)?;
    Ok(gone)
}
