//! Groups that give a workspace role, as files of hubs need them: whose file manages each, which group a
//! name means, and who is in some groups.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{memberships, role_mappings, user_groups};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, SELF_MANAGED, SourceId, UserId, WorkspaceId};
use crate::domain::mapping::SubjectName;
use crate::domain::rights::Role;
use crate::scim::fold;

/// A group that gives a role, with whose file says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRow {
    /// The group.
    pub group: GroupId,
    /// Its name and source; `None` where it was deleted.
    pub called: Option<(String, SourceId)>,
    /// The role its members have.
    pub role: Role,
    /// Whose file manages it.
    pub owner: Option<String>,
    /// The commit it came with.
    pub file_ref: Option<String>,
}

/// All of the workspace, by id: as many as somebody wrote down.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn all(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Vec<RoleRow>, StoreError> {
    type Row = (Vec<u8>, String, Option<String>, Option<String>, Option<String>, Option<i64>);
    let rows: Vec<Row> =
        role_mappings::table
            .left_join(user_groups::table.on(
                user_groups::workspace.eq(role_mappings::workspace).and(user_groups::id.eq(role_mappings::group_id)),
            ))
            .filter(role_mappings::workspace.eq(workspace.0))
            .order(role_mappings::group_id)
            .select((
                role_mappings::group_id,
                role_mappings::role,
                role_mappings::owner,
                role_mappings::file_ref,
                user_groups::display_name.nullable(),
                user_groups::source.nullable(),
            ))
            .kept()
            .load(conn)?;
    rows.into_iter()
        .map(|(group, role, owner, file_ref, name, source)| {
            Ok(RoleRow {
                group: group_id(&group)?,
                called: name.zip(source.map(SourceId)),
                role: role.parse().map_err(|_| StoreError::Corrupt(format!("a workspace role '{role}'")))?,
                owner,
                file_ref,
            })
        })
        .collect()
}

/// Whose file manages the role that a group gives, if any.
///
/// # Errors
/// A failed statement.
pub fn owner(conn: &mut DbConn, workspace: WorkspaceId, group: GroupId) -> Result<Option<String>, StoreError> {
    let found: Option<Option<String>> = role_mappings::table
        .find((workspace.0, group.bytes()))
        .select(role_mappings::owner)
        .kept()
        .get_result(conn)
        .optional()?;
    Ok(found.flatten())
}

fn group_id(bytes: &[u8]) -> Result<GroupId, StoreError> {
    GroupId::from_bytes(bytes).map_err(|_| StoreError::Corrupt("a group id".into()))
}

/// Up to two groups of identity providers that a file may mean, with their names; teams managed here give no
/// role and are never meant.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn meant(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    subject: &SubjectName,
    source: Option<SourceId>,
) -> Result<Vec<(GroupId, String)>, StoreError> {
    let mut query = user_groups::table
        .filter(user_groups::workspace.eq(workspace.0))
        .filter(user_groups::source.ne(SELF_MANAGED.0))
        .select((user_groups::id, user_groups::display_name))
        .order(user_groups::id)
        .into_boxed();
    query = match subject {
        SubjectName::Group(name) => query.filter(user_groups::display_name_key.eq(fold::user_name(name))),
        SubjectName::GroupId(id) => query.filter(user_groups::id.eq(id.bytes())),
        SubjectName::GroupExternalId(id) => query.filter(user_groups::external_id.eq(id.clone())),
        SubjectName::User(_) => return Ok(Vec::new()),
    };
    if let Some(source) = source {
        query = query.filter(user_groups::source.eq(source.0));
    }
    let rows: Vec<(Vec<u8>, String)> = query.limit(2).load(conn)?;
    rows.into_iter().map(|(id, name)| Ok((group_id(&id)?, name))).collect()
}

/// Who is in these groups, by person; at most `limit` memberships.
///
/// # Errors
/// A failed statement, [`StoreError::Corrupt`].
pub fn members(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    groups: &[GroupId],
    limit: i64,
) -> Result<BTreeMap<UserId, Vec<(GroupId, Micros)>>, StoreError> {
    let mut found: BTreeMap<UserId, Vec<(GroupId, Micros)>> = BTreeMap::new();
    let rows: Vec<(Vec<u8>, Vec<u8>, i64)> = memberships::table
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::group_id.eq_any(groups.iter().map(|group| group.bytes()).collect::<Vec<_>>()))
        .filter(memberships::member_kind.eq(0))
        .order((memberships::group_id, memberships::member_id))
        .limit(limit)
        .select((memberships::member_id, memberships::group_id, memberships::confirmed_at))
        .load(conn)?;
    for (user, group, at) in rows {
        let user = UserId::from_bytes(&user).map_err(|_| StoreError::Corrupt("a user id".into()))?;
        found.entry(user).or_default().push((group_id(&group)?, Micros(at)));
    }
    Ok(found)
}
