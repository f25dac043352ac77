//! Owners and Managers of hubs by name, as rows; and which hubs may concern a person at all.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::mappings::{hub_role, hub_role_word, user_key};
use super::schema::{hub_managers, hub_members, mappings};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, SELF_MANAGED, UserId, WorkspaceId};
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

/// Hubs that a mapping of this person or of one of their groups is in, that they were made Owner or
/// Manager of, or in whose app they have an account. Whether a mapping gives them anything is still to be decided.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn hubs_near(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<Vec<HubId>, StoreError> {
    let rows: Vec<Reached> = diesel::sql_query(
        "SELECT m.hub_id AS hub_id FROM mappings m WHERE m.workspace = $1 AND m.bound_id = $2 \
         UNION SELECT m.hub_id FROM memberships g JOIN mappings m ON m.workspace = g.workspace \
         AND m.bound_id = g.group_id WHERE g.workspace = $1 AND g.member_id = $2 AND g.member_kind = 0 \
         UNION SELECT h.hub_id FROM hub_managers h WHERE h.workspace = $1 AND h.user_id = $2 \
         UNION SELECT b.hub_id FROM hubs o JOIN hub_members b ON b.workspace = o.workspace AND b.hub_id = o.id \
         AND b.user_id = $2 WHERE o.workspace = $1 AND b.known_state <> 'absent'",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(user.bytes())
    .kept()
    .load(conn)?;
    rows.iter().map(|row| HubId::from_bytes(&row.hub_id).map_err(|_| StoreError::Corrupt("a hub id".into()))).collect()
}

#[derive(QueryableByName)]
struct Candidate {
    #[diesel(sql_type = Binary)]
    user_id: Vec<u8>,
}

/// People whom something makes Owner or Manager of a hub, in id order after this one: by name, by a
/// share of their own, or through a group. Whether it counts is still to be decided.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn candidates(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<UserId>, StoreError> {
    let rows: Vec<Candidate> = diesel::sql_query(
        "SELECT c.user_id AS user_id FROM ( \
         SELECT h.user_id AS user_id FROM hub_managers h WHERE h.workspace = $1 AND h.hub_id = $2 \
         UNION SELECT m.bound_id FROM mappings m WHERE m.workspace = $1 AND m.hub_id = $2 \
         AND m.subject_kind = 'user' AND m.binding = 'bound' AND m.hub_role <> 'collaborator' \
         UNION SELECT g.member_id FROM mappings m JOIN memberships g ON g.workspace = m.workspace \
         AND g.group_id = m.bound_id WHERE m.workspace = $1 AND m.hub_id = $2 AND m.subject_kind = 'group' \
         AND m.binding = 'bound' AND m.hub_role <> 'collaborator' AND g.member_kind = 0 \
         ) c WHERE c.user_id > $3 ORDER BY c.user_id LIMIT $4",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    // Not empty: SQLite is bound a null for an empty blob.
    .bind::<Binary, _>(after.map_or_else(|| vec![0], UserId::bytes))
    .bind::<BigInt, _>(limit)
    .kept()
    .load(conn)?;
    let id = |row: &Candidate| UserId::from_bytes(&row.user_id).map_err(|_| StoreError::Corrupt("a user id".into()));
    rows.iter().map(id).collect()
}

/// Hubs that a group runs: it is shared with them as Owner or Manager.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn hubs_run_by(conn: &mut DbConn, workspace: WorkspaceId, group: GroupId) -> Result<Vec<HubId>, StoreError> {
    let rows: Vec<Vec<u8>> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::bound_id.eq(group.bytes()))
        .filter(mappings::hub_role.ne(hub_role_word(HubRole::Collaborator)))
        .select(mappings::hub_id)
        .distinct()
        .order(mappings::hub_id)
        .kept()
        .load(conn)?;
    rows.iter().map(|id| HubId::from_bytes(id).map_err(|_| StoreError::Corrupt("a hub id".into()))).collect()
}

/// Whom a share may wait for: somebody who is made here, by the folded name they will have.
#[derive(Clone, Copy, Debug)]
pub enum Awaited<'a> {
    /// A group of this displayName.
    Group(&'a str),
    /// A person of this userName.
    Person(&'a str),
}

/// Hubs in which a share waits for this group or person and would be theirs, and as what. One that names
/// the identity provider it waits for is not: who is made here comes from none.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn hubs_waiting_for(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    awaited: Awaited<'_>,
) -> Result<Vec<(HubId, HubRole)>, StoreError> {
    let key = match awaited {
        Awaited::Group(name_key) => format!("group:{name_key}"),
        Awaited::Person(name_key) => user_key(name_key),
    };
    let rows: Vec<(Vec<u8>, String)> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::subject_key.eq(key))
        .filter(mappings::binding.eq("waiting"))
        .filter(mappings::subject_source.is_null().or(mappings::subject_source.eq(SELF_MANAGED.0)))
        .select((mappings::hub_id, mappings::hub_role))
        .distinct()
        .order(mappings::hub_id)
        .kept()
        .load(conn)?;
    rows.iter()
        .map(|(id, role)| {
            let id = HubId::from_bytes(id).map_err(|_| StoreError::Corrupt("a hub id".into()))?;
            let role = hub_role(role).ok_or_else(|| StoreError::Corrupt(format!("a hub role '{role}'")))?;
            Ok((id, role))
        })
        .collect()
}

/// Hubs that people were made Owner of of whom none is here and active any more. Somebody may still
/// own one through a group.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn hubs_left_alone(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Vec<HubId>, StoreError> {
    let rows: Vec<Reached> = diesel::sql_query(
        "SELECT DISTINCT h.hub_id AS hub_id FROM hub_managers h WHERE h.workspace = $1 AND h.role = 'owner' \
         AND NOT EXISTS (SELECT 1 FROM hub_managers o JOIN users u ON u.workspace = o.workspace AND u.id = o.user_id \
         WHERE o.workspace = h.workspace AND o.hub_id = h.hub_id AND o.role = 'owner' AND u.active = TRUE \
         AND (u.deactivated_at IS NULL OR u.deactivated_at < o.given_at)) ORDER BY h.hub_id",
    )
    .bind::<BigInt, _>(workspace.0)
    .kept()
    .load(conn)?;
    rows.iter().map(|row| HubId::from_bytes(&row.hub_id).map_err(|_| StoreError::Corrupt("a hub id".into()))).collect()
}

/// Whether somebody is Owner of a hub by name. Most hubs have none.
///
/// # Errors
/// A failed statement.
pub fn any_owner(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<bool, StoreError> {
    let owners = hub_managers::table
        .filter(hub_managers::workspace.eq(workspace.0))
        .filter(hub_managers::hub_id.eq(hub.bytes()))
        .filter(hub_managers::role.eq(hub_role_word(HubRole::Owner)))
        .count()
        .kept()
        .get_result::<i64>(conn)?;
    Ok(owners > 0)
}

/// Let the accounts of a hub's Owners by name say so, whatever their seat comes from: the guard counts
/// them (R4.9).
///
/// # Errors
/// A failed statement.
pub fn show_owners(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<(), StoreError> {
    diesel::sql_query(
        "UPDATE hub_members SET hub_role = 'owner' WHERE workspace = $1 AND hub_id = $2 \
         AND user_id IN (SELECT o.user_id FROM hub_managers o WHERE o.workspace = $1 AND o.hub_id = $2 \
         AND o.role = 'owner') AND (hub_role IS NULL OR hub_role <> 'owner')",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    .kept()
    .execute(conn)?;
    Ok(())
}

/// Let a person's account in a hub say what its mappings give them, because they were unmade Owner or
/// Manager: the next plan says it again where a mapping gives more.
///
/// # Errors
/// A failed statement.
pub fn reset_row(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, user: UserId) -> Result<(), StoreError> {
    diesel::update(hub_members::table)
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::user_id.eq(user.bytes()))
        .filter(hub_members::hub_role.is_not_null())
        .set(hub_members::hub_role.eq(hub_role_word(HubRole::Collaborator)))
        .kept()
        .execute(conn)?;
    Ok(())
}
