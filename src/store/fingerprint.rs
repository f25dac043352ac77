//! Whether the rows that a decision about a hub rests on have moved: a few aggregates instead of
//! the decision itself, so that a long look is taken outside the write transaction and only
//! compared inside it. Every row counted here changes its version or time with every change.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::conn::DbConn;
use super::{StoreError, id_list};
use crate::base::ids::{GroupId, HubId, UserId, WorkspaceId};

/// Keeps sums of times inside 64 bits for billions of rows.
const MODULUS: i64 = 1_000_000_007;

/// What was counted; equal where nothing moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(Vec<(i64, i64, i64)>);

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    rows_seen: i64,
    #[diesel(sql_type = BigInt)]
    newest: i64,
    #[diesel(sql_type = BigInt)]
    total: i64,
}

/// Count what decides about the people of this hub: the hub, its mappings, the groups they are or
/// would be bound to with their names and memberships, everybody reached by those groups, by an
/// account or as one of `users`, their accounts, open tasks and decisions, and who else bears the
/// e-mail of an account that belongs to nobody yet.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn of_hub(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    groups: &[GroupId],
    users: &[UserId],
) -> Result<Fingerprint, StoreError> {
    let group_list = id_list::one_of(conn, 3, usize::MAX);
    let user_list = id_list::table(conn, 4);
    let open = "'queued', 'started', 'running', 'retrying', 'held', 'waiting', 'manual'";
    let mut number = 0;
    let mut counted = |from: String, time: &str, total: &str| {
        number += 1;
        format!(
            "SELECT {number} AS number, COUNT(*) AS rows_seen, COALESCE(MAX({time}), 0) AS newest, \
             CAST(COALESCE(SUM({total}), 0) AS BIGINT) AS total FROM {from}"
        )
    };
    let hashed = |time: &str| format!("{time} % {MODULUS}");
    let (modified, confirmed, created) = (hashed("modified_at"), hashed("confirmed_at"), hashed("created_at"));
    let of_hub = "workspace = $1 AND hub_id = $2";
    let parts = [
        counted(String::from("hubs WHERE workspace = $1 AND id = $2"), "modified_at", "revision"),
        counted(format!("mappings WHERE {of_hub}"), "modified_at", &modified),
        counted(format!("user_groups WHERE workspace = $1 AND id {group_list}"), "modified_at", "version"),
        counted(format!("memberships WHERE workspace = $1 AND group_id {group_list}"), "confirmed_at", &confirmed),
        counted(
            format!(
                "users WHERE workspace = $1 AND id IN (SELECT member_id FROM memberships \
                 WHERE workspace = $1 AND group_id {group_list} \
                 UNION SELECT user_id FROM hub_members WHERE {of_hub} AND user_id IS NOT NULL \
                 UNION SELECT id FROM {user_list} AS named)"
            ),
            "modified_at",
            "version",
        ),
        counted(format!("hub_members WHERE {of_hub}"), "modified_at", &modified),
        counted(format!("tasks WHERE {of_hub} AND status IN ({open})"), "modified_at", &modified),
        counted(format!("decisions WHERE {of_hub}"), "created_at", &created),
        // Bears no time: two people who swap an e-mail in one moment are not seen here, and the
        // planner decides about them anyway.
        counted(
            format!(
                "user_emails WHERE workspace = $1 AND email_key IN (SELECT email_key FROM hub_members \
                 WHERE {of_hub} AND user_id IS NULL AND email_key IS NOT NULL)"
            ),
            "0",
            "0",
        ),
    ];
    let text = id_list::numbered(conn, &format!("{} ORDER BY number", parts.join(" UNION ALL ")));
    let rows: Vec<Counted> = diesel::sql_query(text)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(hub.bytes())
        .bind::<Text, _>(id_list::json(groups.iter().map(|group| group.uuid())))
        .bind::<Text, _>(id_list::json(users.iter().map(|user| user.uuid())))
        .load(conn)?;
    Ok(Fingerprint(rows.into_iter().map(|row| (row.rows_seen, row.newest, row.total)).collect()))
}
