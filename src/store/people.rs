//! Finding a person by what people call them. Each look is an equality or a short range in an index.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::schema::{hub_members, hubs, memberships, role_mappings, user_emails, users, workspace_roles};
use crate::base::ids::{SELF_MANAGED, UserId, WorkspaceId};

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

/// What a list of people is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Narrowed {
    /// SCIM `active`.
    pub active: Option<bool>,
    /// A beginning of the folded userName, or exactly this folded e-mail.
    pub text: Option<(String, String)>,
    /// Where their role can come from.
    pub from: From,
}

/// Who can have a role that is looked for. Whether they have it is still to be decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// Everybody.
    #[default]
    Anywhere,
    /// Who was given one by name, or is in a group that gives one.
    Given,
    /// Guests, and whom somebody or a group made one.
    GivenOrGuest,
}

/// Some people in id order, after this one.
///
/// # Errors
/// A failed statement.
pub fn page(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    narrowed: &Narrowed,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<UserId>, StoreError> {
    let mut query = users::table
        .filter(users::workspace.eq(workspace.0))
        .select(users::id)
        .order(users::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(users::id.gt(after.bytes()));
    }
    if let Some(active) = narrowed.active {
        query = query.filter(users::active.eq(active));
    }
    if let Some((name, email)) = &narrowed.text {
        let end = format!("{name}\u{10ffff}");
        let by_email = user_emails::table
            .filter(user_emails::workspace.eq(workspace.0))
            .filter(user_emails::email_key.eq(email))
            .select(user_emails::user_id);
        let by_name = users::user_name_key.ge(name).and(users::user_name_key.le(end));
        query = query.filter(by_name.or(users::id.eq_any(by_email)));
    }
    let by_name =
        || workspace_roles::table.filter(workspace_roles::workspace.eq(workspace.0)).select(workspace_roles::user_id);
    let by_group = || {
        let groups =
            role_mappings::table.filter(role_mappings::workspace.eq(workspace.0)).select(role_mappings::group_id);
        memberships::table
            .filter(memberships::workspace.eq(workspace.0))
            .filter(memberships::group_id.eq_any(groups))
            .filter(memberships::member_kind.eq(0))
            .select(memberships::member_id)
    };
    query = match narrowed.from {
        From::Anywhere => query,
        From::Given => query.filter(users::id.eq_any(by_name()).or(users::id.eq_any(by_group()))),
        From::GivenOrGuest => query
            .filter(users::id.eq_any(by_name()).or(users::id.eq_any(by_group())).or(users::source.eq(SELF_MANAGED.0))),
    };
    ids(&query.load::<Vec<u8>>(conn)?)
}
