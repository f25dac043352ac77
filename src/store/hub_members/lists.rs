//! Members of a hub by lists of people, of accounts, of addresses. A list is a batch; the hub may be large.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Text};

use super::super::StoreError;
use super::super::conn::DbConn;
use super::super::kept::Keep as _;
use super::super::keyed;
use super::super::schema::hub_members;
use super::{Row, columns};
use crate::base::ids::{HubId, UserId, WorkspaceId};
use crate::domain::member::Member;

/// The members of a hub that belong to these people.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_users(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    users: &[UserId],
) -> Result<Vec<Member>, StoreError> {
    if let (DbConn::Postgres(pg), 2..) = (&mut *conn, users.len()) {
        let mut users = users.to_vec();
        users.sort_unstable();
        users.dedup();
        let wanted = keyed::in_hub("user_id", "k.id", "$3");
        let rows: Vec<Row> = diesel::sql_query(keyed::rows_of("hub_members", &[("id", 2)], &wanted))
            .bind::<BigInt, _>(workspace.0)
            .bind::<Array<Binary>, _>(users.iter().map(|user| user.bytes()).collect::<Vec<_>>())
            .bind::<Binary, _>(hub.bytes())
            .load(pg)?;
        return rows.into_iter().map(Row::read).collect();
    }
    let rows: Vec<Row> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::user_id.eq_any(users.iter().map(|u| u.bytes()).collect::<Vec<_>>()))
        .select(columns())
        .kept_if(users.len() == 1)
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// Members of a hub by their ids, in id order; ids of other hubs are as unknown as none.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_ids(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    ids: &[Vec<u8>],
) -> Result<Vec<Member>, StoreError> {
    let rows: Vec<Row> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::id.eq_any(ids))
        .order(hub_members::id)
        .select(columns())
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// The members that are these accounts of the app.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_remotes(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    remote_ids: &[&str],
) -> Result<Vec<Member>, StoreError> {
    let rows: Vec<Row> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::remote_id.eq_any(remote_ids))
        .select(columns())
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// Accounts of the hub that belong to nobody here and show one of these e-mails (R4.6). Exempted
/// ones are among them: whoever is about to add the person must see that their account is kept (R4.5).
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn unmatched_by_email(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    email_keys: &[String],
) -> Result<Vec<Member>, StoreError> {
    if email_keys.is_empty() {
        return Ok(Vec::new());
    }
    if let DbConn::Postgres(pg) = conn {
        let mut email_keys = email_keys.to_vec();
        email_keys.sort_unstable();
        email_keys.dedup();
        let wanted = format!(
            "{} AND m.user_id IS NULL AND m.bucket IN ('unmatched', 'exempted') AND m.known_state <> 'absent'",
            keyed::in_hub("email_key", "k.email_key", "$3")
        );
        let text = format!("{} ORDER BY m.id", keyed::rows_of("hub_members", &[("email_key", 2)], &wanted));
        let rows: Vec<Row> = diesel::sql_query(text)
            .bind::<BigInt, _>(workspace.0)
            .bind::<Array<Text>, _>(email_keys)
            .bind::<Binary, _>(hub.bytes())
            .load(pg)?;
        return rows.into_iter().map(Row::read).collect();
    }
    let rows: Vec<Row> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::user_id.is_null())
        .filter(hub_members::bucket.eq_any(["unmatched", "exempted"]))
        .filter(hub_members::known_state.ne("absent"))
        .filter(hub_members::email_key.eq_any(email_keys))
        .order(hub_members::id)
        .select(columns())
        .kept_if(email_keys.len() == 1)
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}
