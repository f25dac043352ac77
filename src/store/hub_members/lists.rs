//! Members of a hub by lists of people, of accounts, of addresses. A list is a batch; the hub may be large.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Text};

use super::super::StoreError;
use super::super::conn::DbConn;
use super::super::kept::Keep as _;
use super::super::keyed;
use super::super::schema::hub_members;
use super::{Row, columns};
use crate::base::ids::{HubId, UserId, WorkspaceId};
use crate::domain::member::{Bucket, Member, Presence};

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

/// Members that decisions about some people rest on.
#[derive(Debug, Default)]
pub(in crate::store) struct Near {
    /// Their own, in no order.
    pub members: Vec<Member>,
    /// Accounts of nobody here that show an address of those of them without an account,
    /// in id order; on PostgreSQL perhaps of others too.
    pub accounts: Vec<Member>,
    /// Accounts of other people here that show such an address; on SQLite theirs are among them.
    pub others: Vec<Member>,
}

impl Near {
    fn new(members: Vec<Member>, by_email: Vec<Member>) -> Self {
        let (others, mut accounts): (Vec<_>, Vec<_>) = by_email.into_iter().partition(|one| one.user.is_some());
        accounts.retain(|account| match account.bucket {
            Bucket::Unmatched | Bucket::Exempted => true,
            Bucket::Onboarded | Bucket::Guest => false,
        });
        accounts.sort_unstable_by_key(|account| account.id);
        Self { members, accounts, others }
    }
}

/// The members of a hub that belong to these people, and accounts that show one of the addresses that each of
/// them has: on PostgreSQL in one statement.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(in crate::store) fn near(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    people: &[UserId],
    addresses: &BTreeMap<UserId, BTreeSet<String>>,
) -> Result<Near, StoreError> {
    let DbConn::Postgres(pg) = conn else {
        let members = of_users(conn, workspace, hub, people)?;
        let present: BTreeSet<UserId> =
            members.iter().filter(|one| one.known != Presence::Absent).filter_map(|one| one.user).collect();
        let lacking = addresses.iter().filter(|(user, _)| !present.contains(user));
        let wanted: BTreeSet<&String> = lacking.flat_map(|(_, addresses)| addresses).collect();
        let wanted: Vec<String> = wanted.into_iter().cloned().collect();
        return Ok(Near::new(members, present_by_email(conn, workspace, hub, &wanted)?));
    };
    let users: BTreeSet<UserId> = people.iter().copied().collect();
    let addresses: BTreeSet<&String> = addresses.values().flatten().collect();
    let text = format!(
        "{} UNION ALL {}",
        keyed::rows_of("hub_members", &[("id", 2)], &keyed::in_hub("user_id", "k.id", "$3")),
        keyed::rows_of("hub_members", &[("email_key", 4)], &shows_email()),
    );
    let query = diesel::sql_query(text)
        .bind::<BigInt, _>(workspace.0)
        .bind::<Array<Binary>, _>(users.iter().map(|user| user.bytes()).collect::<Vec<_>>())
        .bind::<Binary, _>(hub.bytes())
        .bind::<Array<Text>, _>(addresses.into_iter().collect::<Vec<_>>());
    let rows: Vec<Row> = RunQueryDsl::load(query.kept_if(users.len() == 1), pg)?;
    let read = rows.into_iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
    // Whose account shows an address of theirs comes twice, which is no matter.
    let own = |member: &Member| member.user.is_some_and(|user| users.contains(&user));
    let (members, by_email) = read.into_iter().partition(own);
    Ok(Near::new(members, by_email))
}

/// That a row is an account of the hub `$3` that is in the app, under the address `k.email_key`.
fn shows_email() -> String {
    format!("{} AND m.known_state <> 'absent'", keyed::in_hub("email_key", "k.email_key", "$3"))
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
    if let DbConn::Postgres(pg) = conn {
        let remote_ids: BTreeSet<&str> = remote_ids.iter().copied().collect();
        let wanted = keyed::in_hub("remote_id", "k.remote_id", "$3");
        let rows: Vec<Row> = diesel::sql_query(keyed::rows_of("hub_members", &[("remote_id", 2)], &wanted))
            .bind::<BigInt, _>(workspace.0)
            .bind::<Array<Text>, _>(remote_ids.into_iter().collect::<Vec<_>>())
            .bind::<Binary, _>(hub.bytes())
            .load(pg)?;
        return rows.into_iter().map(Row::read).collect();
    }
    let rows: Vec<Row> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::remote_id.eq_any(remote_ids))
        .select(columns())
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// Accounts of the hub that are in the app and show one of these e-mails, in id order: of nobody here (R4.6),
/// exempted ones among them, because whoever is about to add the person must see that their account is
/// kept (R4.5); and other people's, where one may be about to go.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn present_by_email(
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
        let text = format!("{} ORDER BY m.id", keyed::rows_of("hub_members", &[("email_key", 2)], &shows_email()));
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
        .filter(hub_members::known_state.ne("absent"))
        .filter(hub_members::email_key.eq_any(email_keys))
        .order(hub_members::id)
        .select(columns())
        .kept_if(email_keys.len() == 1)
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}
