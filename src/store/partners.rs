//! Local partners and who is what in them, as rows.

use std::collections::HashMap;

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{partner_people, partners};
use crate::base::clock::Micros;
use crate::base::ids::{PartnerId, UserId, WorkspaceId};
use crate::domain::rights::PartnerRole;

/// A partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Its id.
    pub id: PartnerId,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Micros,
}

/// Somebody in a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: PartnerRole,
    /// Since when.
    pub given_at: Micros,
}

type Row = (Vec<u8>, String, String, i64);
type BelongingRow = (Vec<u8>, String, i64);

fn partner(row: Row) -> Result<Partner, StoreError> {
    let (id, name, created_by, created_at) = row;
    Ok(Partner { id: partner_id(&id)?, name, created_by, created_at: Micros(created_at) })
}

fn partner_id(bytes: &[u8]) -> Result<PartnerId, StoreError> {
    PartnerId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a partner's id".into()))
}

fn belonging(row: BelongingRow) -> Result<Belonging, StoreError> {
    let (user, role, given_at) = row;
    Ok(Belonging {
        user: UserId::from_bytes(&user).map_err(|_| StoreError::Corrupt("a user id".into()))?,
        role: role.parse().map_err(|_| StoreError::Corrupt(format!("a role in a partner '{role}'")))?,
        given_at: Micros(given_at),
    })
}

/// Write a new partner.
///
/// # Errors
/// [`StoreError::Conflict`] when the folded name `key` is taken.
pub fn insert(conn: &mut DbConn, workspace: WorkspaceId, partner: &Partner, key: &str) -> Result<(), StoreError> {
    diesel::insert_into(partners::table)
        .values((
            partners::workspace.eq(workspace.0),
            partners::id.eq(partner.id.bytes()),
            partners::name.eq(&partner.name),
            partners::name_key.eq(key),
            partners::created_by.eq(&partner.created_by),
            partners::created_at.eq(partner.created_at.0),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// One partner.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, id: PartnerId) -> Result<Partner, StoreError> {
    let row: Row = partners::table
        .find((workspace.0, id.bytes()))
        .select((partners::id, partners::name, partners::created_by, partners::created_at))
        .kept()
        .get_result(conn)?;
    partner(row)
}

/// A page of partners in id order; where `run_by` is somebody, only those that they are an admin of.
///
/// # Errors
/// A failed statement.
pub fn page(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    run_by: Option<UserId>,
    after: Option<PartnerId>,
    limit: i64,
) -> Result<Vec<Partner>, StoreError> {
    let mut query = partners::table
        .filter(partners::workspace.eq(workspace.0))
        .order(partners::id)
        .limit(limit)
        .select((partners::id, partners::name, partners::created_by, partners::created_at))
        .into_boxed();
    if let Some(user) = run_by {
        let theirs = partner_people::table
            .filter(partner_people::workspace.eq(workspace.0))
            .filter(partner_people::user_id.eq(user.bytes()))
            .filter(partner_people::role.ne(PartnerRole::Guest.as_str()))
            .select(partner_people::partner_id);
        query = query.filter(partners::id.eq_any(theirs));
    }
    if let Some(after) = after {
        query = query.filter(partners::id.gt(after.bytes()));
    }
    query.load::<Row>(conn)?.into_iter().map(partner).collect()
}

/// How many people each of these has.
///
/// # Errors
/// A failed statement.
pub fn sizes(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    ids: &[PartnerId],
) -> Result<HashMap<PartnerId, i64>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = partner_people::table
        .filter(partner_people::workspace.eq(workspace.0))
        .filter(partner_people::partner_id.eq_any(ids.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .group_by(partner_people::partner_id)
        .select((partner_people::partner_id, diesel::dsl::count_star()))
        .load(conn)?;
    rows.iter().map(|(id, count)| Ok((partner_id(id)?, *count))).collect()
}

/// Everybody in a partner, by user id.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn people(conn: &mut DbConn, workspace: WorkspaceId, id: PartnerId) -> Result<Vec<Belonging>, StoreError> {
    let rows: Vec<BelongingRow> = partner_people::table
        .filter(partner_people::workspace.eq(workspace.0))
        .filter(partner_people::partner_id.eq(id.bytes()))
        .order(partner_people::user_id)
        .select((partner_people::user_id, partner_people::role, partner_people::given_at))
        .kept()
        .load(conn)?;
    rows.into_iter().map(belonging).collect()
}

/// What somebody is in a partner.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn of(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    id: PartnerId,
    user: UserId,
) -> Result<Option<Belonging>, StoreError> {
    let row: Option<BelongingRow> = partner_people::table
        .find((workspace.0, id.bytes(), user.bytes()))
        .select((partner_people::user_id, partner_people::role, partner_people::given_at))
        .kept()
        .get_result(conn)
        .optional()?;
    row.map(belonging).transpose()
}

/// The partner whose guest somebody is.
///
/// # Errors
/// A failed statement.
pub fn of_guest(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<Option<PartnerId>, StoreError> {
    let id: Option<Vec<u8>> = partner_people::table
        .filter(partner_people::workspace.eq(workspace.0))
        .filter(partner_people::user_id.eq(user.bytes()))
        .filter(partner_people::role.ne(PartnerRole::HostAdmin.as_str()))
        .select(partner_people::partner_id)
        .kept()
        .get_result(conn)
        .optional()?;
    id.map(|id| partner_id(&id)).transpose()
}

/// Make somebody something in a partner, in place of what they were there.
///
/// # Errors
/// [`StoreError::Conflict`] for a guest of another partner.
pub fn put(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    id: PartnerId,
    belonging: Belonging,
    by: &str,
) -> Result<(), StoreError> {
    remove(conn, workspace, id, belonging.user)?;
    diesel::insert_into(partner_people::table)
        .values((
            partner_people::workspace.eq(workspace.0),
            partner_people::partner_id.eq(id.bytes()),
            partner_people::user_id.eq(belonging.user.bytes()),
            partner_people::role.eq(belonging.role.as_str()),
            partner_people::given_by.eq(by),
            partner_people::given_at.eq(belonging.given_at.0),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// Take somebody out of a partner; whether they were in it.
///
/// # Errors
/// A failed statement.
pub fn remove(conn: &mut DbConn, workspace: WorkspaceId, id: PartnerId, user: UserId) -> Result<bool, StoreError> {
    let gone = diesel::delete(partner_people::table.find((workspace.0, id.bytes(), user.bytes())));
    Ok(gone.kept().execute(conn)? > 0)
}

/// Take somebody out of every partner.
///
/// # Errors
/// A failed statement.
pub fn forget(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<(), StoreError> {
    diesel::delete(partner_people::table)
        .filter(partner_people::workspace.eq(workspace.0))
        .filter(partner_people::user_id.eq(user.bytes()))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// Delete a partner, and what everybody was in it.
///
/// # Errors
/// A failed statement.
pub fn delete(conn: &mut DbConn, workspace: WorkspaceId, id: PartnerId) -> Result<(), StoreError> {
    diesel::delete(partner_people::table)
        .filter(partner_people::workspace.eq(workspace.0))
        .filter(partner_people::partner_id.eq(id.bytes()))
        .kept()
        .execute(conn)?;
    diesel::delete(partners::table.find((workspace.0, id.bytes()))).kept().execute(conn)?;
    Ok(())
}
