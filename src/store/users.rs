//! Users: the SCIM document as text, beside the typed columns and e-mail rows that filters and
//! matching use. The document holds neither `id`, `meta` nor `groups`; those are spliced in at read.

use std::collections::HashSet;

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::leavers;
use super::reach::Reach;
use super::schema::{sources, user_emails, users};
use super::tx::Tx;
use crate::base::clock::Micros;
use crate::base::ids::{SourceId, UserId, WorkspaceId};
use crate::scim::fold;
use crate::scim::user::UserKeys;

/// A stored user.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// Its id, made by the server.
    pub id: UserId,
    /// The source that owns it.
    pub source: SourceId,
    /// `userName` as the client wrote it.
    pub user_name: String,
    /// What `externalId` says, if it has one.
    pub external_id: Option<String>,
    /// `active`; an inactive user keeps its memberships and stays findable.
    pub active: bool,
    /// The last time `active` became false; kept after a reactivation.
    pub deactivated_at: Option<Micros>,
    /// The version behind the ETag, from 1.
    pub version: i64,
    /// `meta.created`.
    pub created: Micros,
    /// `meta.lastModified`.
    pub modified: Micros,
    /// The SCIM document as JSON text, without `id`, `meta` and `groups`.
    pub document: String,
}

#[derive(Queryable, QueryableByName)]
#[diesel(table_name = users)]
pub(super) struct Raw {
    id: Vec<u8>,
    source: i64,
    user_name: String,
    external_id: Option<String>,
    active: bool,
    deactivated_at: Option<i64>,
    version: i64,
    created_at: i64,
    modified_at: i64,
    document: String,
}

impl TryFrom<Raw> for UserRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            id: user_id(&raw.id)?,
            source: SourceId(raw.source),
            user_name: raw.user_name,
            external_id: raw.external_id,
            active: raw.active,
            deactivated_at: raw.deactivated_at.map(Micros),
            version: raw.version,
            created: Micros(raw.created_at),
            modified: Micros(raw.modified_at),
            document: raw.document,
        })
    }
}

/// The columns of [`UserRow`], in its order.
pub(super) type Columns = (
    users::id,
    users::source,
    users::user_name,
    users::external_id,
    users::active,
    users::deactivated_at,
    users::version,
    users::created_at,
    users::modified_at,
    users::document,
);
pub(super) const COLUMNS: Columns = (
    users::id,
    users::source,
    users::user_name,
    users::external_id,
    users::active,
    users::deactivated_at,
    users::version,
    users::created_at,
    users::modified_at,
    users::document,
);

#[diesel::dsl::auto_type]
fn by_id(workspace: i64, id: Vec<u8>) -> _ {
    let columns: Columns = COLUMNS;
    users::table.filter(users::workspace.eq(workspace)).filter(users::id.eq(id)).select(columns)
}

pub(super) fn user_id(bytes: &[u8]) -> Result<UserId, StoreError> {
    UserId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a user id is not 16 bytes long".into()))
}

/// The user `id`, if it exists within `reach`.
///
/// # Errors
/// [`StoreError::NotFound`] for an unknown id and for one of another source alike (T-06).
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, reach: Reach, id: UserId) -> Result<UserRow, StoreError> {
    within(by_id(workspace.0, id.bytes()).kept().get_result::<Raw>(conn)?, reach)
}

/// As [`load`], and on PostgreSQL the row stays locked until the transaction ends, so that the
/// version that is checked is the version that is replaced (T-18). SQLite has one writer.
///
/// # Errors
/// As [`load`].
pub fn load_for_update(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    reach: Reach,
    id: UserId,
) -> Result<UserRow, StoreError> {
    let query = by_id(workspace.0, id.bytes());
    let raw = match &mut **tx {
        DbConn::Sqlite(c) => query.get_result::<Raw>(c)?,
        // NO KEY: a membership that is being added holds a key-share lock on the same row.
        DbConn::Postgres(c) => query.for_no_key_update().get_result::<Raw>(c)?,
    };
    within(raw, reach)
}

/// As [`load_for_update`], with the stronger lock that also waits for memberships being added.
///
/// # Errors
/// As [`load`].
pub fn load_for_delete(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    reach: Reach,
    id: UserId,
) -> Result<UserRow, StoreError> {
    let query = by_id(workspace.0, id.bytes());
    let raw = match &mut **tx {
        DbConn::Sqlite(c) => query.get_result::<Raw>(c)?,
        DbConn::Postgres(c) => query.for_update().get_result::<Raw>(c)?,
    };
    within(raw, reach)
}

pub(super) fn within(raw: Raw, reach: Reach) -> Result<UserRow, StoreError> {
    let row = UserRow::try_from(raw)?;
    if reach.covers(row.source) { Ok(row) } else { Err(StoreError::NotFound) }
}

/// Whether somebody is here and active; `false` for a user who was deleted.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn is_active(conn: &mut DbConn, workspace: WorkspaceId, id: UserId) -> Result<bool, StoreError> {
    let active: Option<bool> = users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.eq(id.bytes()))
        .select(users::active)
        .first(conn)
        .optional()?;
    Ok(active.unwrap_or(false))
}

/// Those of these people who are here and active: the others were deactivated or deleted.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn active_among(conn: &mut DbConn, workspace: WorkspaceId, ids: &[UserId]) -> Result<HashSet<UserId>, StoreError> {
    let rows: Vec<Vec<u8>> = users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.eq_any(ids.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .filter(users::active.eq(true))
        .select(users::id)
        .kept_if(ids.len() == 1)
        .load(conn)?;
    rows.iter().map(|id| UserId::from_bytes(id).map_err(|_| StoreError::Corrupt("a user's id".into()))).collect()
}

/// Several users, in the order of their ids; unknown ids are left out.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn load_many(conn: &mut DbConn, workspace: WorkspaceId, ids: &[UserId]) -> Result<Vec<UserRow>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    // SQLite takes 32,766 parameters; pages are far smaller.
    for part in ids.chunks(500) {
        let wanted: Vec<Vec<u8>> = part.iter().map(|id| id.bytes()).collect();
        let raws: Vec<Raw> = users::table
            .filter(users::workspace.eq(workspace.0))
            .filter(users::id.eq_any(wanted))
            .select(COLUMNS)
            .kept_if(part.len() == 1)
            .load(conn)?;
        for raw in raws {
            found.push(UserRow::try_from(raw)?);
        }
    }
    found.sort_by_key(|row| row.id);
    Ok(found)
}

/// Add a user with its e-mail rows, at version 1.
///
/// # Errors
/// [`StoreError::Conflict`] from `users_user_name` when the userName is taken in the workspace:
/// the constraint decides, not a read before it (T-17). The transaction must end then.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    id: UserId,
    keys: &UserKeys,
    document: &str,
    now: Micros,
) -> Result<(), StoreError> {
    diesel::insert_into(users::table)
        .values((
            users::workspace.eq(workspace.0),
            users::id.eq(id.bytes()),
            users::source.eq(source.0),
            users::user_name.eq(&keys.user_name),
            users::user_name_key.eq(&keys.user_name_key),
            users::display_name_key.eq(keys.display_name_key.as_deref()),
            users::external_id.eq(keys.external_id.as_deref()),
            users::active.eq(keys.active),
            users::version.eq(1_i64),
            users::created_at.eq(now.0),
            users::modified_at.eq(now.0),
            users::document.eq(document),
        ))
        .kept()
        .execute(tx)?;
    if !keys.active {
        leavers::left(tx, workspace, id, now)?;
    }
    insert_emails(tx, workspace, id, &keys.emails)
}

/// Replace document, keys and e-mail rows of a user that was loaded for update, and bump its
/// version. `deactivated_at` is set when `active` falls, and never cleared: somebody who came inactive and is
/// activated later was never taken anything that they might regain.
///
/// # Errors
/// As [`insert`].
pub fn replace(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    before: &UserRow,
    keys: &UserKeys,
    document: &str,
    now: Micros,
) -> Result<UserRow, StoreError> {
    let mut after = before.clone();
    after.user_name.clone_from(&keys.user_name);
    after.external_id.clone_from(&keys.external_id);
    after.active = keys.active;
    if before.active && !keys.active {
        after.deactivated_at = Some(now);
    }
    after.version = before.version.saturating_add(1);
    after.modified = now.max(before.modified);
    document.clone_into(&mut after.document);
    diesel::update(users::table)
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.eq(before.id.bytes()))
        .set((
            users::user_name.eq(&keys.user_name),
            users::user_name_key.eq(&keys.user_name_key),
            users::display_name_key.eq(keys.display_name_key.as_deref()),
            users::external_id.eq(keys.external_id.as_deref()),
            users::active.eq(keys.active),
            users::deactivated_at.eq(after.deactivated_at.map(|at| at.0)),
            users::version.eq(after.version),
            users::modified_at.eq(after.modified.0),
            users::document.eq(document),
        ))
        .kept()
        .execute(tx)?;
    match (before.active, keys.active) {
        (true, false) => leavers::left(tx, workspace, before.id, now)?,
        (false, true) => leavers::returned(tx, workspace, before.id)?,
        (true, true) | (false, false) => {}
    }
    let took_one = replace_emails(tx, workspace, before.id, &keys.emails)?;
    if took_one || fold::user_name(&before.user_name) != keys.user_name_key {
        diesel::update(users::table)
            .filter(users::workspace.eq(workspace.0))
            .filter(users::id.eq(before.id.bytes()))
            .set(users::address_taken_at.eq(now.0))
            .kept()
            .execute(tx)?;
    }
    Ok(after)
}

/// Answers whether one came in place of, or beside, others: the first ones of somebody are no change.
fn replace_emails(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: UserId,
    emails: &[(String, String)],
) -> Result<bool, StoreError> {
    let mut stored: Vec<(String, String)> = user_emails::table
        .filter(user_emails::workspace.eq(workspace.0))
        .filter(user_emails::user_id.eq(id.bytes()))
        .select((user_emails::email_key, user_emails::type_key))
        .kept()
        .load(tx)?;
    let mut wanted = emails.to_vec();
    stored.sort();
    wanted.sort();
    wanted.dedup();
    if stored == wanted {
        return Ok(false);
    }
    delete_emails(tx, workspace, id)?;
    insert_emails(tx, workspace, id, &wanted)?;
    let had = |address: &str| stored.iter().any(|(one, _)| one == address);
    Ok(!stored.is_empty() && wanted.iter().any(|(address, _)| !had(address)))
}

fn insert_emails(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    id: UserId,
    emails: &[(String, String)],
) -> Result<(), StoreError> {
    let mut wanted = emails.to_vec();
    wanted.sort();
    wanted.dedup();
    for (email, kind) in &wanted {
        diesel::insert_into(user_emails::table)
            .values((
                user_emails::workspace.eq(workspace.0),
                user_emails::email_key.eq(email),
                user_emails::user_id.eq(id.bytes()),
                user_emails::type_key.eq(kind),
            ))
            .kept()
            .execute(tx)?;
    }
    Ok(())
}

fn delete_emails(tx: &mut Tx<'_>, workspace: WorkspaceId, id: UserId) -> Result<(), StoreError> {
    diesel::delete(user_emails::table)
        .filter(user_emails::workspace.eq(workspace.0))
        .filter(user_emails::user_id.eq(id.bytes()))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Delete the user and its e-mail rows. Memberships go before, through `store::memberships`;
/// members of hubs and access intervals stay, auditors ask for them.
///
/// # Errors
/// [`StoreError::Database`] when a statement fails.
pub fn delete(tx: &mut Tx<'_>, workspace: WorkspaceId, id: UserId, now: Micros) -> Result<(), StoreError> {
    leavers::left(tx, workspace, id, now)?;
    delete_emails(tx, workspace, id)?;
    diesel::delete(users::table)
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.eq(id.bytes()))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Who holds a userName: the source's id and name. For the text of a 409 only.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn holder_of_user_name(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    user_name_key: &str,
) -> Result<Option<(SourceId, String)>, StoreError> {
    let found: Option<i64> = users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::user_name_key.eq(user_name_key))
        .select(users::source)
        .kept()
        .get_result(conn)
        .optional()?;
    let Some(source) = found else { return Ok(None) };
    let name: Option<String> = sources::table
        .filter(sources::workspace.eq(workspace.0))
        .filter(sources::id.eq(source))
        .select(sources::name)
        .kept()
        .get_result(conn)
        .optional()?;
    Ok(Some((SourceId(source), name.unwrap_or_else(|| source.to_string()))))
}
