//! Finding a person by what people call them. Each look is an equality or a short range in an index.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::schema::{hub_members, hubs, user_emails, users};
use crate::base::ids::{UserId, WorkspaceId};

fn ids(rows: &[Vec<u8>]) -> Result<Vec<UserId>, StoreError> {
    rows.iter().map(|id| UserId::from_bytes(id).map_err(|_| StoreError::Corrupt("a user id".into()))).collect()
}

/// Users whose folded userName begins with `text`, in that order, at most `limit`.
///
/// # Errors
/// A failed statement.
pub fn by_user_name(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    text: &str,
    limit: i64,
) -> Result<Vec<UserId>, StoreError> {
    // The highest character: no text that begins with `text` lies behind it.
    let end = format!("{text}\u{10ffff}");
    let rows: Vec<Vec<u8>> = users::table
        .filter(users::workspace.eq(workspace.0))
        .filter(users::user_name_key.ge(text))
        .filter(users::user_name_key.le(end))
        .order(users::user_name_key)
        .limit(limit)
        .select(users::id)
        .load(conn)?;
    ids(&rows)
}

/// Users with exactly this folded e-mail, of any type, at most `limit`.
///
/// # Errors
/// A failed statement.
pub fn by_email(conn: &mut DbConn, workspace: WorkspaceId, email: &str, limit: i64) -> Result<Vec<UserId>, StoreError> {
    let rows: Vec<Vec<u8>> = user_emails::table
        .filter(user_emails::workspace.eq(workspace.0))
        .filter(user_emails::email_key.eq(email))
        .select(user_emails::user_id)
        .distinct()
        .order(user_emails::user_id)
        .limit(limit)
        .load(conn)?;
    ids(&rows)
}

/// People whose account in any hub shows exactly this folded e-mail, also when the identity
/// provider deleted them since; at most `limit`.
///
/// # Errors
/// A failed statement.
pub fn by_account_email(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    email: &str,
    limit: i64,
) -> Result<Vec<UserId>, StoreError> {
    let all: Vec<Vec<u8>> = hubs::table.filter(hubs::workspace.eq(workspace.0)).select(hubs::id).load(conn)?;
    let rows: Vec<Option<Vec<u8>>> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq_any(all))
        .filter(hub_members::email_key.eq(email))
        .filter(hub_members::user_id.is_not_null())
        .select(hub_members::user_id)
        .distinct()
        .limit(limit)
        .load(conn)?;
    ids(&rows.into_iter().flatten().collect::<Vec<_>>())
}
