//! Who is in which group: one row per (group, member). Every statement is set-based over the
//! members *named*, never over the group, so one member in or out costs the same in any group.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, SmallInt, Text};
use uuid::Uuid;

use super::conn::DbConn;
use super::groups::group_id;
use super::kept::Keep as _;
use super::schema::{memberships, user_groups};
use super::tx::Tx;
use super::users::user_id;
use super::{StoreError, id_list};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, SELF_MANAGED, UserId, WorkspaceId};

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberKind {
    /// A user.
    User,
    /// A nested group: stored and shown, never expanded into access.
    Group,
}

impl MemberKind {
    fn stored(self) -> i16 {
        match self {
            Self::User => 0,
            Self::Group => 1,
        }
    }

    fn read(stored: i16) -> Result<Self, StoreError> {
        match stored {
            0 => Ok(Self::User),
            1 => Ok(Self::Group),
            other => Err(StoreError::Corrupt(format!("member kind {other}"))),
        }
    }
}

/// A member, by our own id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The user's or nested group's id.
    pub id: Uuid,
    /// Which of the two.
    pub kind: MemberKind,
}

/// The users among `members`.
pub fn users_of(members: &[Member]) -> Vec<UserId> {
    members.iter().filter(|m| m.kind == MemberKind::User).map(|m| UserId::from_uuid(m.id)).collect()
}

/// A member as a group shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownMember {
    /// Who.
    pub member: Member,
    /// `userName` of a user, `displayName` of a group.
    pub display: String,
}

/// What naming members in an add, replace or PUT really changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// New rows.
    pub added: Vec<Member>,
    /// Users that were members already, were deactivated since they were last named, and are now
    /// confirmed: what waited for that may be given back (DESIGN.md section 8, reactivated user).
    pub confirmed: Vec<UserId>,
}

#[derive(QueryableByName)]
struct MemberRaw {
    #[diesel(sql_type = Binary)]
    member_id: Vec<u8>,
    #[diesel(sql_type = SmallInt)]
    member_kind: i16,
}

#[derive(QueryableByName)]
struct ShownRaw {
    #[diesel(sql_type = Binary)]
    member_id: Vec<u8>,
    #[diesel(sql_type = SmallInt)]
    member_kind: i16,
    #[diesel(sql_type = Nullable<Text>)]
    display: Option<String>,
}

#[derive(QueryableByName)]
struct GroupRaw {
    #[diesel(sql_type = Binary)]
    group_id: Vec<u8>,
}

fn uuid(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|_| StoreError::Corrupt("a member id is not 16 bytes long".into()))
}

fn members(raws: Vec<MemberRaw>) -> Result<Vec<Member>, StoreError> {
    let read = |raw: MemberRaw| Ok(Member { id: uuid(&raw.member_id)?, kind: MemberKind::read(raw.member_kind)? });
    raws.into_iter().map(read).collect()
}

/// Make `named` members of the group: new ones are added, all are confirmed at `now`.
///
/// The group's row must be locked (`groups::load_for_update`), and `named` must come from
/// `member_lookup`, which checked that they belong to the same source.
///
/// # Errors
/// [`StoreError::Database`] when a statement fails.
pub fn add(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    group: GroupId,
    named: &[Member],
    now: Micros,
) -> Result<Added, StoreError> {
    let mut result = Added::default();
    for kind in [MemberKind::User, MemberKind::Group] {
        let mut ids: Vec<Uuid> = named.iter().filter(|m| m.kind == kind).map(|m| m.id).collect();
        // Key order, so that two transactions never wait for each other crosswise.
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            continue;
        }
        let added = insert(tx, workspace, group, kind, &id_list::json(ids.iter().copied()), now)?;
        if added.len() < ids.len() {
            for part in id_list::parts(&ids) {
                if kind == MemberKind::User {
                    result.confirmed.extend(overdue(tx, workspace, group, part)?);
                }
                confirm(tx, workspace, group, part, now)?;
            }
        }
        result.added.extend(added);
    }
    Ok(result)
}

fn insert(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    group: GroupId,
    kind: MemberKind,
    list: &str,
    now: Micros,
) -> Result<Vec<Member>, StoreError> {
    // "WHERE TRUE": SQLite would read ON as part of a join otherwise.
    let sql = format!(
        "INSERT INTO memberships (workspace, group_id, member_id, member_kind, confirmed_at) \
         SELECT $1, $2, named.id, $3, $4 FROM {} AS named WHERE TRUE \
         ON CONFLICT (workspace, group_id, member_id) DO NOTHING RETURNING member_id, member_kind",
        id_list::table(tx, 5)
    );
    let raws = diesel::sql_query(id_list::numbered(tx, &sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(group.bytes())
        .bind::<SmallInt, _>(kind.stored())
        .bind::<BigInt, _>(now.0)
        .bind::<Text, _>(list)
        .kept()
        .load::<MemberRaw>(tx)?;
    members(raws)
}

/// Users of the list that were deactivated after they were last named.
fn overdue(tx: &mut Tx<'_>, workspace: WorkspaceId, group: GroupId, ids: &[Uuid]) -> Result<Vec<UserId>, StoreError> {
    let sql = format!(
        "SELECT m.member_id, m.member_kind FROM memberships m \
         JOIN users u ON u.workspace = m.workspace AND u.id = m.member_id \
         WHERE m.workspace = $1 AND m.group_id = $2 AND m.member_id {} \
         AND u.deactivated_at IS NOT NULL AND m.confirmed_at <= u.deactivated_at",
        id_list::one_of(tx, 3, ids.len())
    );
    let raws = diesel::sql_query(id_list::numbered(tx, &sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(group.bytes())
        .bind::<Text, _>(id_list::json(ids.iter().copied()))
        .kept()
        .load::<MemberRaw>(tx)?;
    Ok(users_of(&members(raws)?))
}

fn confirm(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    group: GroupId,
    ids: &[Uuid],
    now: Micros,
) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE memberships SET confirmed_at = $1 WHERE workspace = $2 AND group_id = $3 \
         AND confirmed_at < $1 AND member_id {}",
        id_list::one_of(tx, 4, ids.len())
    );
    diesel::sql_query(id_list::numbered(tx, &sql))
        .bind::<BigInt, _>(now.0)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(group.bytes())
        .bind::<Text, _>(id_list::json(ids.iter().copied()))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Confirm, as the IdP would by naming them again, the memberships of a reactivated user through
/// which a hub's mappings wait (DESIGN.md section 8, reactivated user). Returns how many waited.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn confirm_for_hub(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
    now: Micros,
) -> Result<usize, StoreError> {
    let sql = "UPDATE memberships SET confirmed_at = $1 WHERE workspace = $2 AND member_id = $3 \
         AND group_id IN (SELECT m.bound_id FROM mappings m WHERE m.workspace = $2 AND m.hub_id = $4 \
             AND m.binding = 'bound' AND m.subject_kind = 'group') \
         AND EXISTS (SELECT 1 FROM users u WHERE u.workspace = $2 AND u.id = $3 AND u.active = TRUE \
             AND u.deactivated_at IS NOT NULL AND memberships.confirmed_at <= u.deactivated_at)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(now.0)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(user.bytes())
        .bind::<Binary, _>(hub.bytes())
        .kept()
        .execute(tx)?)
}

/// Which rows of a group go.
#[derive(Clone, Copy, Debug)]
pub enum Leaving<'a> {
    /// Exactly these, by identity (T-11, T-12); those that are no members are passed over.
    These(&'a [Uuid]),
    /// Everybody but these: the other half of a replace.
    AllBut(&'a [Uuid]),
    /// Everybody.
    All,
}

/// Take members out of the group; answers the rows that were really there.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn remove(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    group: GroupId,
    leaving: Leaving<'_>,
) -> Result<Vec<Member>, StoreError> {
    match leaving {
        Leaving::These(ids) => {
            let mut gone = Vec::new();
            for part in id_list::parts(ids) {
                let condition = format!(" AND member_id {}", id_list::one_of(tx, 3, part.len()));
                gone.extend(delete(tx, workspace, group, &condition, Some(part))?);
            }
            Ok(gone)
        }
        Leaving::AllBut(ids) => {
            let condition = format!(" AND member_id NOT IN {}", id_list::table(tx, 3));
            delete(tx, workspace, group, &condition, Some(ids))
        }
        Leaving::All => delete(tx, workspace, group, "", None),
    }
}

fn delete(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    group: GroupId,
    condition: &str,
    ids: Option<&[Uuid]>,
) -> Result<Vec<Member>, StoreError> {
    let sql = format!(
        "DELETE FROM memberships WHERE workspace = $1 AND group_id = $2{condition} RETURNING member_id, member_kind"
    );
    let query =
        diesel::sql_query(id_list::numbered(tx, &sql)).bind::<BigInt, _>(workspace.0).bind::<Binary, _>(group.bytes());
    let raws = match ids {
        Some(ids) => query.bind::<Text, _>(id_list::json(ids.iter().copied())).kept().load::<MemberRaw>(tx)?,
        None => query.kept().load::<MemberRaw>(tx)?,
    };
    members(raws)
}

/// Take every row of a group that is about to go; answers how many there were.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn clear(tx: &mut Tx<'_>, workspace: WorkspaceId, group: GroupId) -> Result<usize, StoreError> {
    Ok(diesel::delete(memberships::table)
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::group_id.eq(group.bytes()))
        .kept()
        .execute(tx)?)
}

/// Members of a group in the order of their ids, at most `limit`.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn of_group(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    group: GroupId,
    limit: i64,
) -> Result<Vec<ShownMember>, StoreError> {
    let sql = "SELECT m.member_id, m.member_kind, COALESCE(u.user_name, g.display_name) AS display \
               FROM memberships m \
               LEFT JOIN users u ON u.workspace = m.workspace AND u.id = m.member_id AND m.member_kind = 0 \
               LEFT JOIN user_groups g ON g.workspace = m.workspace AND g.id = m.member_id AND m.member_kind = 1 \
               WHERE m.workspace = $1 AND m.group_id = $2 ORDER BY m.member_id LIMIT $3";
    let raws = diesel::sql_query(id_list::numbered(conn, sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(group.bytes())
        .bind::<BigInt, _>(limit)
        .kept()
        .load::<ShownRaw>(conn)?;
    let read = |raw: ShownRaw| {
        Ok(ShownMember {
            member: Member { id: uuid(&raw.member_id)?, kind: MemberKind::read(raw.member_kind)? },
            display: raw.display.unwrap_or_default(),
        })
    };
    raws.into_iter().map(read).collect()
}

/// A user's groups (`User.groups`), in the order of their ids. Teams that are managed here are none
/// of an identity provider's business.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn groups_of(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    user: UserId,
) -> Result<Vec<(GroupId, String)>, StoreError> {
    let rows: Vec<(Vec<u8>, String)> = memberships::table
        .inner_join(
            user_groups::table
                .on(user_groups::workspace.eq(memberships::workspace).and(user_groups::id.eq(memberships::group_id))),
        )
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::member_id.eq(user.bytes()))
        .filter(user_groups::source.ne(SELF_MANAGED.0))
        .select((user_groups::id, user_groups::display_name))
        .order(memberships::group_id)
        .kept()
        .load(conn)?;
    rows.into_iter().map(|(id, name)| Ok((group_id(&id)?, name))).collect()
}

/// The groups of several users at once, for a page of them.
///
/// # Errors
/// [`StoreError::Database`] when a statement fails.
pub fn groups_of_many(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    users: &[UserId],
) -> Result<HashMap<UserId, Vec<(GroupId, String)>>, StoreError> {
    let mut found: HashMap<UserId, Vec<(GroupId, String)>> = HashMap::new();
    for part in users.chunks(500) {
        let wanted: Vec<Vec<u8>> = part.iter().map(|id| id.bytes()).collect();
        let rows: Vec<(Vec<u8>, Vec<u8>, String)> =
            memberships::table
                .inner_join(user_groups::table.on(
                    user_groups::workspace.eq(memberships::workspace).and(user_groups::id.eq(memberships::group_id)),
                ))
                .filter(memberships::workspace.eq(workspace.0))
                .filter(memberships::member_id.eq_any(wanted))
                .filter(user_groups::source.ne(SELF_MANAGED.0))
                .select((memberships::member_id, user_groups::id, user_groups::display_name))
                .order((memberships::member_id, memberships::group_id))
                .kept_if(part.len() == 1)
                .load(conn)?;
        for (user, group, name) in rows {
            found.entry(user_id(&user)?).or_default().push((group_id(&group)?, name));
        }
    }
    Ok(found)
}

/// The groups a user or nested group stands in, in key order.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn group_ids_of(conn: &mut DbConn, workspace: WorkspaceId, member: Uuid) -> Result<Vec<GroupId>, StoreError> {
    let ids: Vec<Vec<u8>> = memberships::table
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::member_id.eq(member.as_bytes().to_vec()))
        .select(memberships::group_id)
        .order(memberships::group_id)
        .kept()
        .load(conn)?;
    ids.iter().map(|id| group_id(id)).collect()
}

/// Take a user or nested group that is about to go out of every group, and bump the versions of
/// those groups. Answers them.
///
/// # Errors
/// [`StoreError::Database`] when a statement fails.
pub fn remove_everywhere(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    member: Uuid,
    now: Micros,
) -> Result<Vec<GroupId>, StoreError> {
    let sql = "DELETE FROM memberships WHERE workspace = $1 AND member_id = $2 RETURNING group_id";
    let raws = diesel::sql_query(id_list::numbered(tx, sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(member.as_bytes().to_vec())
        .kept()
        .load::<GroupRaw>(tx)?;
    let groups = raws.iter().map(|raw| group_id(&raw.group_id)).collect::<Result<Vec<_>, _>>()?;
    touch_groups(tx, workspace, &groups, now)?;
    Ok(groups)
}

/// Lock the rows of these groups in key order (PostgreSQL; SQLite has one writer).
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn lock_groups(tx: &mut Tx<'_>, workspace: WorkspaceId, groups: &[GroupId]) -> Result<(), StoreError> {
    if groups.is_empty() || matches!(&**tx, DbConn::Sqlite(_)) {
        return Ok(());
    }
    for part in id_list::parts(groups) {
        let sql = format!(
            "SELECT id AS group_id FROM user_groups WHERE workspace = $1 AND id {} ORDER BY id FOR UPDATE",
            id_list::one_of(tx, 2, part.len())
        );
        diesel::sql_query(sql)
            .bind::<BigInt, _>(workspace.0)
            .bind::<Text, _>(id_list::json(part.iter().map(|id| id.uuid())))
            .kept()
            .load::<GroupRaw>(tx)?;
    }
    Ok(())
}

/// Bump the versions of several groups at once.
///
/// # Errors
/// [`StoreError::Database`] when the statement fails.
pub fn touch_groups(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    groups: &[GroupId],
    now: Micros,
) -> Result<(), StoreError> {
    for part in id_list::parts(groups) {
        let sql = format!(
            "UPDATE user_groups SET version = version + 1, \
         modified_at = CASE WHEN modified_at > $1 THEN modified_at ELSE $1 END \
         WHERE workspace = $2 AND id {}",
            id_list::one_of(tx, 3, part.len())
        );
        diesel::sql_query(id_list::numbered(tx, &sql))
            .bind::<BigInt, _>(now.0)
            .bind::<BigInt, _>(workspace.0)
            .bind::<Text, _>(id_list::json(part.iter().map(|id| id.uuid())))
            .kept()
            .execute(tx)?;
    }
    Ok(())
}
