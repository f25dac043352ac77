//! Groups: document and typed columns. Members are rows of their own (`store::memberships`), so
//! that no statement here costs the size of a group.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::reach::Reach;
use super::schema::user_groups;
use super::tx::Tx;
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, SourceId, WorkspaceId};
use crate::scim::group::GroupKeys;

/// A stored group, without its members.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// Its id, made by the server.
    pub id: GroupId,
    /// The source that owns it.
    pub source: SourceId,
    /// `displayName` as the client wrote it; not unique (mappings bind to the id).
    pub display_name: String,
    /// What `externalId` says, if it has one.
    pub external_id: Option<String>,
    /// The version behind the ETag, from 1; membership changes bump it too.
    pub version: i64,
    /// `meta.created`.
    pub created: Micros,
    /// `meta.lastModified`.
    pub modified: Micros,
    /// The SCIM document as JSON text, without `id`, `meta` and `members`.
    pub document: String,
}

#[derive(Queryable)]
pub(super) struct Raw {
    id: Vec<u8>,
    source: i64,
    display_name: String,
    external_id: Option<String>,
    version: i64,
    created_at: i64,
    modified_at: i64,
    document: String,
}

impl TryFrom<Raw> for GroupRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            id: group_id(&raw.id)?,
            source: SourceId(raw.source),
            display_name: raw.display_name,
            external_id: raw.external_id,
            version: raw.version,
            created: Micros(raw.created_at),
            modified: Micros(raw.modified_at),
            document: raw.document,
        })
    }
}

/// The columns of [`GroupRow`], in its order.
pub(super) type Columns = (
    user_groups::id,
    user_groups::source,
    user_groups::display_name,
    user_groups::external_id,
    user_groups::version,
    user_groups::created_at,
    user_groups::modified_at,
    user_groups::document,
);
pub(super) const COLUMNS: Columns = (
    user_groups::id,
    user_groups::source,
    user_groups::display_name,
    user_groups::external_id,
    user_groups::version,
    user_groups::created_at,
    user_groups::modified_at,
    user_groups::document,
);

#[diesel::dsl::auto_type]
fn by_id(workspace: i64, id: Vec<u8>) -> _ {
    let columns: Columns = COLUMNS;
    user_groups::table.filter(user_groups::workspace.eq(workspace)).filter(user_groups::id.eq(id)).select(columns)
}

pub(super) fn group_id(bytes: &[u8]) -> Result<GroupId, StoreError> {
    GroupId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a group id is not 16 bytes long".into()))
}

fn within(raw: Raw, reach: Reach) -> Result<GroupRow, StoreError> {
    let row = GroupRow::try_from(raw)?;
    if reach.covers(row.source) { Ok(row) } else { Err(StoreError::NotFound) }
}

/// The group `id`, if it exists within `reach`.
///
/// # Errors
/// [`StoreError::NotFound`] for an unknown id and for one of another source alike (T-06).
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, reach: Reach, id: GroupId) -> Result<GroupRow, StoreError> {
    within(by_id(workspace.0, id.bytes()).kept().get_result::<Raw>(conn)?, reach)
}

/// As [`load`], with the row locked on PostgreSQL: every change of a group's members holds this
/// lock, so that parallel PATCHes of one group queue up instead of losing members (T-18).
///
/// # Errors
/// As [`load`].
pub fn load_for_update(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    reach: Reach,
    id: GroupId,
) -> Result<GroupRow, StoreError> {
    let query = by_id(workspace.0, id.bytes());
    let raw = match &mut **tx {
        DbConn::Sqlite(c) => query.get_result::<Raw>(c)?,
        DbConn::Postgres(c) => query.for_update().get_result::<Raw>(c)?,
    };
    within(raw, reach)
}

/// Several groups, in the order of their ids; unknown ids are left out.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn load_many(conn: &mut DbConn, workspace: WorkspaceId, ids: &[GroupId]) -> Result<Vec<GroupRow>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for part in ids.chunks(500) {
        let wanted: Vec<Vec<u8>> = part.iter().map(|id| id.bytes()).collect();
        let raws: Vec<Raw> = user_groups::table
            .filter(user_groups::workspace.eq(workspace.0))
            .filter(user_groups::id.eq_any(wanted))
            .select(COLUMNS)
            .kept_if(part.len() == 1)
            .load(conn)?;
        for raw in raws {
            found.push(GroupRow::try_from(raw)?);
        }
    }
    found.sort_by_key(|row| row.id);
    Ok(found)
}

/// Add a group at version 1. Two groups of one name may exist: the RFC does not make
/// `displayName` unique.
///
/// # Errors
/// [`StoreError::Database`] when the insert fails.
pub fn insert(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    id: GroupId,
    keys: &GroupKeys,
    document: &str,
    now: Micros,
) -> Result<GroupRow, StoreError> {
    diesel::insert_into(user_groups::table)
        .values((
            user_groups::workspace.eq(workspace.0),
            user_groups::id.eq(id.bytes()),
            user_groups::source.eq(source.0),
            user_groups::display_name.eq(&keys.display_name),
            user_groups::display_name_key.eq(&keys.display_name_key),
            user_groups::external_id.eq(keys.external_id.as_deref()),
            user_groups::version.eq(1_i64),
            user_groups::created_at.eq(now.0),
            user_groups::modified_at.eq(now.0),
            user_groups::document.eq(document),
        ))
        .kept()
        .execute(tx)?;
    Ok(GroupRow {
        id,
        source,
        display_name: keys.display_name.clone(),
        external_id: keys.external_id.clone(),
        version: 1,
        created: now,
        modified: now,
        document: document.to_owned(),
    })
}

/// Replace document and keys of a group that was loaded for update, and bump its version.
///
/// # Errors
/// [`StoreError::Database`] when the update fails.
pub fn replace(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    before: &GroupRow,
    keys: &GroupKeys,
    document: &str,
    now: Micros,
) -> Result<GroupRow, StoreError> {
    let mut after = before.clone();
    after.display_name.clone_from(&keys.display_name);
    after.external_id.clone_from(&keys.external_id);
    after.version = before.version.saturating_add(1);
    after.modified = now.max(before.modified);
    document.clone_into(&mut after.document);
    diesel::update(user_groups::table)
        .filter(user_groups::workspace.eq(workspace.0))
        .filter(user_groups::id.eq(before.id.bytes()))
        .set((
            user_groups::display_name.eq(&keys.display_name),
            user_groups::display_name_key.eq(&keys.display_name_key),
            user_groups::external_id.eq(keys.external_id.as_deref()),
            user_groups::version.eq(after.version),
            user_groups::modified_at.eq(after.modified.0),
            user_groups::document.eq(document),
        ))
        .kept()
        .execute(tx)?;
    Ok(after)
}

/// Bump the version of a group whose members changed and whose document did not: one row, two
/// columns, whatever the group's size.
///
/// # Errors
/// [`StoreError::Database`] when the update fails.
pub fn touch(tx: &mut Tx<'_>, workspace: WorkspaceId, before: &GroupRow, now: Micros) -> Result<GroupRow, StoreError> {
    let mut after = before.clone();
    after.version = before.version.saturating_add(1);
    after.modified = now.max(before.modified);
    diesel::update(user_groups::table)
        .filter(user_groups::workspace.eq(workspace.0))
        .filter(user_groups::id.eq(before.id.bytes()))
        .set((user_groups::version.eq(after.version), user_groups::modified_at.eq(after.modified.0)))
        .kept()
        .execute(tx)?;
    Ok(after)
}

/// Delete the group's row. Memberships and pending members go before.
///
/// # Errors
/// [`StoreError::Database`] when the delete fails.
pub fn delete(tx: &mut Tx<'_>, workspace: WorkspaceId, id: GroupId) -> Result<(), StoreError> {
    diesel::delete(user_groups::table)
        .filter(user_groups::workspace.eq(workspace.0))
        .filter(user_groups::id.eq(id.bytes()))
        .kept()
        .execute(tx)?;
    Ok(())
}
