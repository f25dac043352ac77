//! What the record says of one person's way to one hub, for explaining a moment that is past: who was
//! put into or out of a mapped group, what became of the user, which rules the hub had. Reads only,
//! each from an index, and nothing here decides anything.

use std::collections::BTreeMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use uuid::Uuid;

use super::StoreError;
use super::conn::DbConn;
use super::reading::corrupt;
use super::schema::{activity, tokens, users};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, UserId, WorkspaceId};
use crate::base::limits::BACK_THEN_RECORDS;
use crate::domain::why::then::{Told, made_at};

/// The conditions of the partial indexes, letter by letter: only so do both databases see that the
/// index answers.
const OF_GROUPS: &str = "activity.kind IN ('group.created', 'group.updated', 'group.deleted', \
     'team.created', 'team.deleted', 'team.member_added', 'team.member_removed')";
const OF_RULES: &str = "activity.kind IN ('mapping.added', 'mapping.changed', 'mapping.removed', 'mapping.bound', \
     'hub.connected', 'hub.activated', 'hub.observes', 'hub.paused', 'hub.resumed')";
const OF_PERSON: [&str; 9] = [
    "user.created",
    "user.updated",
    "user.deactivated",
    "user.reactivated",
    "user.deleted",
    "guest.invited",
    "guest.removed",
    "member.exempted",
    "member.unexempted",
];

type Columns = (Vec<u8>, i64, String, String, String, Option<Vec<u8>>, Option<Vec<u8>>, Option<String>, String);

const COLUMNS: (
    activity::id,
    activity::at,
    activity::kind,
    activity::actor,
    activity::target,
    activity::hub_id,
    activity::user_id,
    activity::request_id,
    activity::detail,
) = (
    activity::id,
    activity::at,
    activity::kind,
    activity::actor,
    activity::target,
    activity::hub_id,
    activity::user_id,
    activity::request_id,
    activity::detail,
);

/// A record with its place in time.
type Placed = (Uuid, Told);

/// The rules of a hub, its pauses and its mode, of all time, oldest first: also later records of a
/// mapping may name the group that it was bound to. Of very many, the newest.
///
/// # Errors
/// A failed statement.
pub fn rules(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Vec<Placed>, StoreError> {
    let rows = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .filter(activity::hub_id.eq(hub.bytes()))
        .filter(sql::<Bool>(OF_RULES))
        .filter(activity::foreign_at.is_null())
        .order(activity::id.desc())
        .limit(BACK_THEN_RECORDS)
        .select(COLUMNS)
        .load(conn)?;
    read(rows, hub)
}

/// What became of a user, in the hub too, until a moment, oldest first.
///
/// # Errors
/// A failed statement.
pub fn person(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
    until: Micros,
) -> Result<Vec<Placed>, StoreError> {
    let rows = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .filter(activity::user_id.eq(user.bytes()))
        .filter(activity::kind.eq_any(OF_PERSON))
        .filter(activity::foreign_at.is_null())
        .filter(activity::at.le(until.0))
        .order(activity::id.desc())
        .limit(BACK_THEN_RECORDS)
        .select(COLUMNS)
        .load(conn)?;
    read(rows, hub)
}

/// What these groups' records say of a user until a moment, oldest first; and their ends.
///
/// # Errors
/// A failed statement.
pub fn groups(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
    groups: &[GroupId],
    until: Micros,
) -> Result<Vec<Placed>, StoreError> {
    let targets: Vec<String> = groups.iter().map(|group| format!("group:{group}")).collect();
    let rows = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .filter(activity::target.eq_any(targets))
        .filter(sql::<Bool>(OF_GROUPS))
        .filter(activity::foreign_at.is_null())
        .filter(activity::at.le(until.0))
        .filter(
            // A record names its members by id and holds no other text of theirs.
            activity::detail
                .like(format!("%{user}%"))
                .or(activity::kind.eq_any(["group.deleted", "team.deleted"]))
                .or(activity::user_id.eq(user.bytes()).assume_not_null()),
        )
        .order(activity::id.desc())
        .limit(BACK_THEN_RECORDS)
        .select(COLUMNS)
        .load(conn)?;
    read(rows, hub)
}

fn read(rows: Vec<Columns>, here: HubId) -> Result<Vec<Placed>, StoreError> {
    rows.into_iter()
        .rev()
        .map(|(id, at, kind, actor, target, hub, user, request, detail)| {
            let told = Told {
                at: Micros(at),
                kind,
                by: actor,
                target,
                request,
                user: user.map(|id| UserId::from_bytes(&id)).transpose().map_err(corrupt("a user id"))?,
                here: hub.is_none_or(|hub| hub == here.bytes()),
                detail: serde_json::from_str(&detail).unwrap_or_default(),
            };
            Ok((Uuid::from_slice(&id).map_err(corrupt("an activity id"))?, told))
        })
        .collect()
}

/// Where the record begins, where retention has cut it; `None` while it is whole.
///
/// # Errors
/// A failed statement.
pub fn cut(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Option<Micros>, StoreError> {
    let is_whole = super::seals::head(conn, workspace)?.is_none_or(|head| head.cut_seq == 0);
    if is_whole {
        return Ok(None);
    }
    let first: Option<Vec<u8>> = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .order(activity::id)
        .select(activity::id)
        .first(conn)
        .optional()?;
    first.map(|id| Uuid::from_slice(&id).map(made_at).map_err(corrupt("an activity id"))).transpose()
}

/// How people know these actors: `token okta`, a userName; the others stay as they are.
///
/// # Errors
/// A failed statement.
pub fn names(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    actors: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, String>, StoreError> {
    let (mut of_tokens, mut of_users) = (Vec::new(), Vec::new());
    for actor in actors {
        match actor.split_once(':') {
            Some(("token", id)) => of_tokens.extend(Uuid::try_parse(id).ok()),
            Some(("user", id)) => of_users.extend(Uuid::try_parse(id).ok()),
            Some(_) | None => {}
        }
    }
    let bytes = |ids: Vec<Uuid>| ids.into_iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>();
    let mut named = BTreeMap::new();
    let rows: Vec<(Vec<u8>, String)> = tokens::table
        .filter(tokens::workspace.eq(workspace.0))
        .filter(tokens::id.eq_any(bytes(of_tokens)))
        .select((tokens::id, tokens::name))
        .load(conn)?;
    for (id, name) in rows {
        let id = Uuid::from_slice(&id).map_err(corrupt("a token's id"))?;
        named.insert(format!("token:{id}"), format!("token {name}"));
    }
    let rows: Vec<(Vec<u8>, String)> = users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::id.eq_any(bytes(of_users)))
        .select((users::id, users::user_name))
        .load(conn)?;
    for (id, name) in rows {
        let id = Uuid::from_slice(&id).map_err(corrupt("a user's id"))?;
        named.insert(format!("user:{id}"), name);
    }
    Ok(named)
}
