//! Workspace roles as rows: given to people by name, or to groups of the identity provider. What a
//! person's role comes to is `domain::rights`' to say.

use std::collections::HashMap;

use diesel::prelude::*;

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{memberships, role_mappings, sources, user_groups, users, workspace_roles};
use super::{StoreError, reading};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, SELF_MANAGED, SourceId, UserId, WorkspaceId};
use crate::domain::entitlement::Regain;
use crate::domain::rights::{Claims, Given, Role};

fn role(word: &str) -> Result<Role, StoreError> {
    word.parse().map_err(|_| StoreError::Corrupt(format!("a workspace role '{word}'")))
}

fn user_id(bytes: &[u8]) -> Result<UserId, StoreError> {
    UserId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a user id".into()))
}

fn group_id(bytes: &[u8]) -> Result<GroupId, StoreError> {
    GroupId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a group id".into()))
}

/// What is known of these people's roles; who does not exist is missing.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn claims(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    people: &[UserId],
) -> Result<HashMap<UserId, Claims>, StoreError> {
    type Row = (Vec<u8>, i64, bool, Option<i64>, Option<String>);
    let ids: Vec<Vec<u8>> = people.iter().map(|user| user.bytes()).collect();
    let one = ids.len() == 1;
    // A guest belongs to no source.
    let rows: Vec<Row> = users::table
        .left_join(sources::table.on(sources::workspace.eq(users::workspace).and(sources::id.eq(users::source))))
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.eq_any(&ids))
        .select((users::id, users::source, users::active, users::deactivated_at, sources::preset.nullable()))
        .kept_if(one)
        .load(conn)?;
    let mut found = HashMap::with_capacity(rows.len());
    for (id, source, active, deactivated_at, preset) in rows {
        let regain = Regain::of_preset(preset.as_deref().unwrap_or_default());
        let guest = source == SELF_MANAGED.0;
        let claims = Claims { active, deactivated_at: deactivated_at.map(Micros), regain, guest, given: Vec::new() };
        found.insert(user_id(&id)?, claims);
    }
    let direct: Vec<(Vec<u8>, String, i64)> = workspace_roles::table
        .filter(workspace_roles::workspace.eq(workspace.0))
        .filter(workspace_roles::user_id.eq_any(&ids))
        .select((workspace_roles::user_id, workspace_roles::role, workspace_roles::given_at))
        .kept_if(one)
        .load(conn)?;
    let through: Vec<(Vec<u8>, Vec<u8>, String, i64)> = memberships::table
        .inner_join(role_mappings::table.on(
            role_mappings::workspace.eq(memberships::workspace).and(role_mappings::group_id.eq(memberships::group_id)),
        ))
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::member_id.eq_any(&ids))
        .filter(memberships::member_kind.eq(0))
        .select((memberships::member_id, memberships::group_id, role_mappings::role, memberships::confirmed_at))
        .kept_if(one)
        .load(conn)?;
    for (user, word, at) in direct {
        if let Some(claims) = found.get_mut(&user_id(&user)?) {
            claims.given.push(Given { role: role(&word)?, at: Micros(at), group: None });
        }
    }
    for (user, group, word, at) in through {
        if let Some(claims) = found.get_mut(&user_id(&user)?) {
            claims.given.push(Given { role: role(&word)?, at: Micros(at), group: Some(group_id(&group)?) });
        }
    }
    Ok(found)
}

/// The same for one person; `None` for nobody.
///
/// # Errors
/// As [`claims`].
pub fn claims_of(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<Option<Claims>, StoreError> {
    Ok(claims(conn, workspace, &[user])?.remove(&user))
}

/// Who was made Owner of the workspace, whether they are still there or not.
///
/// # Errors
/// A failed statement.
pub fn owner(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Option<UserId>, StoreError> {
    let found: Option<Vec<u8>> = workspace_roles::table
        .filter(workspace_roles::workspace.eq(workspace.0))
        .filter(workspace_roles::role.eq(Role::Owner.as_str()))
        .select(workspace_roles::user_id)
        .kept()
        .get_result(conn)
        .optional()?;
    found.map(|id| user_id(&id)).transpose()
}

/// What somebody was given by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The role.
    pub role: Role,
    /// Who gave it.
    pub given_by: String,
    /// When.
    pub given_at: Micros,
}

/// What these people were given by name; who was given nothing is missing.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn named(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    people: &[UserId],
) -> Result<HashMap<UserId, Named>, StoreError> {
    let ids: Vec<Vec<u8>> = people.iter().map(|user| user.bytes()).collect();
    let rows: Vec<(Vec<u8>, String, String, i64)> = workspace_roles::table
        .filter(workspace_roles::workspace.eq(workspace.0))
        .filter(workspace_roles::user_id.eq_any(&ids))
        .select((workspace_roles::user_id, workspace_roles::role, workspace_roles::given_by, workspace_roles::given_at))
        .kept_if(ids.len() == 1)
        .load(conn)?;
    rows.into_iter()
        .map(|(id, word, given_by, at)| {
            Ok((user_id(&id)?, Named { role: role(&word)?, given_by, given_at: Micros(at) }))
        })
        .collect()
}

/// Give a person a role by name, in place of the one they were given before.
///
/// # Errors
/// [`StoreError::Conflict`] where it would make a second Owner.
pub fn give(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    user: UserId,
    role: Role,
    by: &str,
    now: Micros,
) -> Result<(), StoreError> {
    take(conn, workspace, user)?;
    diesel::insert_into(workspace_roles::table)
        .values((
            workspace_roles::workspace.eq(workspace.0),
            workspace_roles::user_id.eq(user.bytes()),
            workspace_roles::role.eq(role.as_str()),
            workspace_roles::given_by.eq(by),
            workspace_roles::given_at.eq(now.0),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// Take away what a person was given by name; whether there was anything.
///
/// # Errors
/// A failed statement.
pub fn take(conn: &mut DbConn, workspace: WorkspaceId, user: UserId) -> Result<bool, StoreError> {
    let gone = diesel::delete(workspace_roles::table.find((workspace.0, user.bytes()))).kept().execute(conn)?;
    Ok(gone > 0)
}

/// A group that gives a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleMapping {
    /// The group.
    pub group: GroupId,
    /// Its name now; `None` where it was deleted.
    pub name: Option<String>,
    /// The role its members get.
    pub role: Role,
    /// Who said so.
    pub given_by: String,
    /// When.
    pub given_at: Micros,
    /// Whose file manages it.
    pub owner: Option<String>,
    /// The commit it came with.
    pub file_ref: Option<String>,
}

/// A page of the groups that give a role, by id.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn mappings(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    after: Option<GroupId>,
    limit: i64,
) -> Result<Vec<RoleMapping>, StoreError> {
    type Row = (Vec<u8>, String, String, i64, Option<String>, Option<String>);
    let rows: Vec<Row> = role_mappings::table
        .filter(role_mappings::workspace.eq(workspace.0))
        .filter(role_mappings::group_id.gt(after.map(GroupId::bytes).unwrap_or_default()))
        .order(role_mappings::group_id)
        .limit(limit)
        .select((
            role_mappings::group_id,
            role_mappings::role,
            role_mappings::given_by,
            role_mappings::given_at,
            role_mappings::owner,
            role_mappings::file_ref,
        ))
        .kept()
        .load(conn)?;
    let groups = rows.iter().map(|row| group_id(&row.0)).collect::<Result<Vec<_>, _>>()?;
    let mut names: HashMap<GroupId, String> = reading::group_names(conn, workspace, &groups)?.into_iter().collect();
    rows.into_iter()
        .zip(groups)
        .map(|((_, word, given_by, at, owner, file_ref), group)| {
            let (name, role) = (names.remove(&group), role(&word)?);
            Ok(RoleMapping { group, name, role, given_by, given_at: Micros(at), owner, file_ref })
        })
        .collect()
}

/// The role a group gives, if any.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn mapped(conn: &mut DbConn, workspace: WorkspaceId, group: GroupId) -> Result<Option<Role>, StoreError> {
    let found: Option<String> = role_mappings::table
        .find((workspace.0, group.bytes()))
        .select(role_mappings::role)
        .kept()
        .get_result(conn)
        .optional()?;
    found.map(|word| role(&word)).transpose()
}

/// The roles that groups of this source give: whoever pushes as it decides who gets them.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn mapped_in(conn: &mut DbConn, workspace: WorkspaceId, source: SourceId) -> Result<Vec<Role>, StoreError> {
    let words: Vec<String> =
        role_mappings::table
            .inner_join(user_groups::table.on(
                user_groups::workspace.eq(role_mappings::workspace).and(user_groups::id.eq(role_mappings::group_id)),
            ))
            .filter(role_mappings::workspace.eq(workspace.0))
            .filter(user_groups::source.eq(source.0))
            .select(role_mappings::role)
            .distinct()
            .kept()
            .load(conn)?;
    words.iter().map(|word| role(word)).collect()
}

/// Let a group give its members a role, in place of the one it gave before; with whose file says so, and the
/// commit.
///
/// # Errors
/// A failed statement.
pub fn map(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    group: GroupId,
    role: Role,
    by: &str,
    (owner, file_ref): (Option<&str>, Option<&str>),
    now: Micros,
) -> Result<(), StoreError> {
    unmap(conn, workspace, group)?;
    diesel::insert_into(role_mappings::table)
        .values((
            role_mappings::workspace.eq(workspace.0),
            role_mappings::group_id.eq(group.bytes()),
            role_mappings::role.eq(role.as_str()),
            role_mappings::given_by.eq(by),
            role_mappings::given_at.eq(now.0),
            role_mappings::owner.eq(owner),
            role_mappings::file_ref.eq(file_ref),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// The role a group gives now, if any; it gives none afterwards.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn unmap(conn: &mut DbConn, workspace: WorkspaceId, group: GroupId) -> Result<Option<Role>, StoreError> {
    let found: Option<String> = role_mappings::table
        .find((workspace.0, group.bytes()))
        .select(role_mappings::role)
        .kept()
        .get_result(conn)
        .optional()?;
    diesel::delete(role_mappings::table.find((workspace.0, group.bytes()))).kept().execute(conn)?;
    found.map(|word| role(&word)).transpose()
}
