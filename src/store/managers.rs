//! Owners and Managers of hubs by name, as rows; and which hubs may concern a person at all.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::mappings::{hub_role, hub_role_word};
use super::schema::hub_managers;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, UserId, WorkspaceId};
use crate::domain::mapping::HubRole;

/// Somebody who was made Owner or Manager by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: HubRole,
    /// Whether they were given the hub's service account.
    pub service_account: bool,
    /// By whom.
    pub given_by: String,
    /// When.
    pub given_at: Micros,
}

type Row = (Vec<u8>, String, bool, String, i64);

const COLUMNS: (
    hub_managers::user_id,
    hub_managers::role,
    hub_managers::service_account,
    hub_managers::given_by,
    hub_managers::given_at,
) = (
    hub_managers::user_id,
    hub_managers::role,
    hub_managers::service_account,
    hub_managers::given_by,
    hub_managers::given_at,
);

fn read(row: Row) -> Result<Manager, StoreError> {
    let (user, role, service_account, given_by, given_at) = row;
    Ok(Manager {
        user: UserId::from_bytes(&user).map_err(|_| StoreError::Corrupt("a user id".into()))?,
        role: hub_role(&role).ok_or_else(|| StoreError::Corrupt(format!("a hub role '{role}'")))?,
        service_account,
        given_by,
        given_at: Micros(given_at),
    })
}

/// All of a hub, by id.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn of_hub(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Vec<Manager>, StoreError> {
    let rows: Vec<Row> = hub_managers::table
        .filter(hub_managers::workspace.eq(workspace.0))
        .filter(hub_managers::hub_id.eq(hub.bytes()))
        .order(hub_managers::user_id)
        .select(COLUMNS)
        .kept()
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// One person's, if they were made any.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn find(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
) -> Result<Option<Manager>, StoreError> {
    let row: Option<Row> = hub_managers::table
        .find((workspace.0, hub.bytes(), user.bytes()))
        .select(COLUMNS)
        .kept()
        .get_result(conn)
        .optional()?;
    row.map(read).transpose()
}

/// Make somebody Owner or Manager, in place of what they were by name before.
///
/// # Errors
/// A failed statement.
pub fn put(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, manager: &Manager) -> Result<(), StoreError> {
    remove(conn, workspace, hub, manager.user)?;
    diesel::insert_into(hub_managers::table)
        .values((
            hub_managers::workspace.eq(workspace.0),
            hub_managers::hub_id.eq(hub.bytes()),
            hub_managers::user_id.eq(manager.user.bytes()),
            hub_managers::role.eq(hub_role_word(manager.role)),
            hub_managers::service_account.eq(manager.service_account),
            hub_managers::given_by.eq(&manager.given_by),
            hub_managers::given_at.eq(manager.given_at.0),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// Unmake somebody; whether they were any.
///
/// # Errors
/// A failed statement.
pub fn remove(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, user: UserId) -> Result<bool, StoreError> {
    let key = (workspace.0, hub.bytes(), user.bytes());
    Ok(diesel::delete(hub_managers::table.find(key)).kept().execute(conn)? > 0)
}

/// Take all of a person's: they became a guest or login-only. The hubs they ran.
///
/// # Errors
/// A failed statement.
pub fn strip(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<Vec<HubId>, StoreError> {
    let hubs: Vec<Vec<u8>> = hub_managers::table
        .filter(hub_managers::workspace.eq(workspace.0))
        .filter(hub_managers::user_id.eq(user.bytes()))
        .select(hub_managers::hub_id)
        .kept()
        .load(conn)?;
    diesel::delete(hub_managers::table)
        .filter(hub_managers::workspace.eq(workspace.0))
        .filter(hub_managers::user_id.eq(user.bytes()))
        .kept()
        .execute(conn)?;
    hubs.iter().map(|id| HubId::from_bytes(id).map_err(|_| StoreError::Corrupt("a hub id".into()))).collect()
}

/// Forget all of a hub: it is forgotten itself.
///
/// # Errors
/// A failed statement.
pub fn forget_hub(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<(), StoreError> {
    diesel::delete(hub_managers::table)
        .filter(hub_managers::workspace.eq(workspace.0))
        .filter(hub_managers::hub_id.eq(hub.bytes()))
        .kept()
        .execute(conn)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Reached {
    #[diesel(sql_type = Binary)]
    hub_id: Vec<u8>,
}

/// Hubs that a mapping of this person or of one of their groups is in, or that they were made Owner
/// or Manager of. Whether a mapping gives them anything is still to be decided.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn hubs_near(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<Vec<HubId>, StoreError> {
    let rows: Vec<Reached> = diesel::sql_query(
        "SELECT m.hub_id AS hub_id FROM mappings m WHERE m.workspace = $1 AND m.bound_id = $2 \
         UNION SELECT m.hub_id FROM memberships g JOIN mappings m ON m.workspace = g.workspace \
         AND m.bound_id = g.group_id WHERE g.workspace = $1 AND g.member_id = $2 AND g.member_kind = 0 \
         UNION SELECT h.hub_id FROM hub_managers h WHERE h.workspace = $1 AND h.user_id = $2",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(user.bytes())
    .kept()
    .load(conn)?;
    rows.iter().map(|row| HubId::from_bytes(&row.hub_id).map_err(|_| StoreError::Corrupt("a hub id".into()))).collect()
}
