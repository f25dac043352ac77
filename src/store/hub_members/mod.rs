//! One row per account in a hub: what we know of it, what a sync saw, and whose it is. Rows of
//! people survive their SCIM DELETE, so that a removal still knows whom it is about.

mod counts;
mod ends;
mod exempting;
mod invitations;
mod lists;
mod observed;

pub use counts::{admin_texts, managed_now};
pub use ends::{learn_all, of_ends, under_way_again};
pub use exempting::{exempt_reason, exempt_reasons, set_exempt_reason};
pub use invitations::{accepted_in_group, expire_invitations_across_workspaces, invited};
pub(in crate::store) use lists::near;
pub use lists::{of_ids, of_remotes, of_users, present_by_email};
pub use observed::{Observed, observed, seen_gone, stamp};

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::StoreError;
use super::conn::DbConn;
use super::dialect::{self, Cell};
use super::kept::Keep as _;
use super::mappings::{hub_role, hub_role_word};
use super::protections;
use super::schema::hub_members;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, MemberId, UserId, WorkspaceId};
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};

/// The columns that make a [`Member`], and no others.
#[derive(Clone, Debug, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = hub_members)]
struct Row {
    id: Vec<u8>,
    hub_id: Vec<u8>,
    user_id: Option<Vec<u8>>,
    remote_id: Option<String>,
    email_key: Option<String>,
    display: String,
    bucket: String,
    managed: bool,
    protected: bool,
    status: String,
    hub_role: Option<String>,
    known_state: String,
    known_role: Option<String>,
    known_assets: String,
    known_at: i64,
    reasons: String,
}

impl Row {
    fn read(self) -> Result<Member, StoreError> {
        let bad = |what: &str| StoreError::Corrupt(format!("a member's {what}"));
        Ok(Member {
            id: MemberId::from_bytes(&self.id).map_err(|_| bad("id"))?,
            hub: HubId::from_bytes(&self.hub_id).map_err(|_| bad("hub"))?,
            user: self.user_id.map(|id| UserId::from_bytes(&id)).transpose().map_err(|_| bad("user"))?,
            remote_id: self.remote_id,
            email_key: self.email_key,
            display: self.display,
            bucket: Bucket::from_word(&self.bucket).ok_or_else(|| bad("bucket"))?,
            managed: self.managed,
            protected: self.protected,
            status: MemberStatus::from_word(&self.status).ok_or_else(|| bad("status"))?,
            hub_role: self.hub_role.map(|word| hub_role(&word).ok_or_else(|| bad("hub role"))).transpose()?,
            known: Presence::from_word(&self.known_state).ok_or_else(|| bad("state"))?,
            known_role: self.known_role,
            known_assets: serde_json::from_str(&self.known_assets).map_err(|_| bad("assets"))?,
            known_at: Micros(self.known_at),
            reasons: serde_json::from_str(&self.reasons).map_err(|_| bad("reasons"))?,
        })
    }
}

/// The columns of [`Row`]; `as_select` would tie the query to one database's type.
fn columns() -> <Row as Selectable<Pg>>::SelectExpression {
    <Row as Selectable<Pg>>::construct_selection()
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Corrupt("a member that is not JSON".into()))
}

/// One member.
///
/// # Errors
/// [`StoreError::NotFound`], or that of the statement.
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, id: MemberId) -> Result<Member, StoreError> {
    hub_members::table.find((workspace.0, id.bytes())).select(columns()).kept().get_result::<Row>(conn)?.read()
}

/// The member row of a person in a hub.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn by_user(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    user: UserId,
) -> Result<Option<Member>, StoreError> {
    hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::user_id.eq(user.bytes()))
        .select(columns())
        .kept()
        .get_result(conn)
        .optional()?
        .map(|row: Row| row.read())
        .transpose()
}

/// The member row of an account by the app's stable id.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn by_remote(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    remote_id: &str,
) -> Result<Option<Member>, StoreError> {
    if let DbConn::Postgres(_) = conn {
        return Ok(of_remotes(conn, workspace, hub, &[remote_id])?.pop());
    }
    hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::remote_id.eq(remote_id))
        .select(columns())
        .kept()
        .get_result(conn)
        .optional()?
        .map(|row: Row| row.read())
        .transpose()
}

/// A page of a hub's members in id order, optionally of one bucket.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn page(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    of: Option<Bucket>,
    after: Option<MemberId>,
    limit: i64,
) -> Result<Vec<Member>, StoreError> {
    let mut query = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .order(hub_members::id)
        .limit(limit)
        .select(columns())
        .into_boxed();
    if let Some(of) = of {
        query = query.filter(hub_members::bucket.eq(of.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(hub_members::id.gt(after.bytes()));
    }
    query.load::<Row>(conn)?.into_iter().map(Row::read).collect()
}

/// Store members that a sync found or a batch was planned for, in few statements.
///
/// # Errors
/// [`StoreError::Conflict`] when a person or a remote id has a row in this hub already.
pub fn insert_all(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    members: &[Member],
    known_from: &str,
    now: Micros,
) -> Result<(), StoreError> {
    // The statement for one stays prepared.
    if let [member] = members {
        return insert(tx, workspace, member, known_from, now);
    }
    const COLUMNS: [&str; 20] = [
        "workspace",
        "id",
        "hub_id",
        "user_id",
        "remote_id",
        "email_key",
        "display",
        "bucket",
        "managed",
        "protected",
        "status",
        "hub_role",
        "known_state",
        "known_role",
        "known_assets",
        "known_at",
        "known_from",
        "reasons",
        "created_at",
        "modified_at",
    ];
    let text = |value: Option<&str>| value.map_or(Cell::Null, |text| Cell::Text(text.to_owned()));
    let rows = members
        .iter()
        .map(|member| {
            Ok(vec![
                Cell::Int(workspace.0),
                Cell::Bytes(member.id.bytes()),
                Cell::Bytes(member.hub.bytes()),
                member.user.map_or(Cell::Null, |user| Cell::Bytes(user.bytes())),
                text(member.remote_id.as_deref()),
                text(member.email_key.as_deref()),
                text(Some(&member.display)),
                text(Some(member.bucket.as_str())),
                Cell::Bool(member.managed),
                Cell::Bool(member.protected),
                text(Some(member.status.as_str())),
                text(member.hub_role.map(hub_role_word)),
                text(Some(member.known.as_str())),
                text(member.known_role.as_deref()),
                text(Some(&json(&member.known_assets)?)),
                Cell::Int(member.known_at.0),
                text(Some(known_from)),
                text(Some(&json(&member.reasons)?)),
                Cell::Int(now.0),
                Cell::Int(now.0),
            ])
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    dialect::insert_rows(tx, "hub_members", &COLUMNS, &rows, "")?;
    Ok(())
}

/// Store a new member. `known_from` says where the knowledge comes from: `planner`, `task:<id>`,
/// `sync`.
///
/// # Errors
/// [`StoreError::Conflict`] when the person or the remote id has a row in this hub already.
pub fn insert(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    member: &Member,
    known_from: &str,
    now: Micros,
) -> Result<(), StoreError> {
    diesel::insert_into(hub_members::table)
        .values((
            hub_members::workspace.eq(workspace.0),
            hub_members::id.eq(member.id.bytes()),
            hub_members::hub_id.eq(member.hub.bytes()),
            hub_members::user_id.eq(member.user.map(UserId::bytes)),
            hub_members::remote_id.eq(member.remote_id.as_deref()),
            hub_members::email_key.eq(member.email_key.as_deref()),
            hub_members::display.eq(member.display.as_str()),
            hub_members::bucket.eq(member.bucket.as_str()),
            hub_members::managed.eq(member.managed),
            hub_members::protected.eq(member.protected),
            hub_members::status.eq(member.status.as_str()),
            hub_members::hub_role.eq(member.hub_role.map(hub_role_word)),
            hub_members::known_state.eq(member.known.as_str()),
            hub_members::known_role.eq(member.known_role.as_deref()),
            hub_members::known_assets.eq(json(&member.known_assets)?),
            hub_members::known_at.eq(member.known_at.0),
            hub_members::known_from.eq(known_from),
            hub_members::reasons.eq(json(&member.reasons)?),
            hub_members::created_at.eq(now.0),
            hub_members::modified_at.eq(now.0),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Write every field of a member back, by its id.
///
/// # Errors
/// [`StoreError::NotFound`] when there is no such member.
pub fn update(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    member: &Member,
    known_from: &str,
    now: Micros,
) -> Result<(), StoreError> {
    let changed = diesel::update(hub_members::table.find((workspace.0, member.id.bytes())))
        .set((
            hub_members::user_id.eq(member.user.map(UserId::bytes)),
            hub_members::remote_id.eq(member.remote_id.as_deref()),
            hub_members::email_key.eq(member.email_key.as_deref()),
            hub_members::display.eq(member.display.as_str()),
            hub_members::bucket.eq(member.bucket.as_str()),
            hub_members::managed.eq(member.managed),
            // Read before somebody protected it, perhaps; only `store::protections` takes that away.
            hub_members::protected.eq(hub_members::protected.or(member.protected.into_sql::<Bool>())),
            hub_members::status.eq(member.status.as_str()),
            hub_members::hub_role.eq(member.hub_role.map(hub_role_word)),
            hub_members::known_state.eq(member.known.as_str()),
            hub_members::known_role.eq(member.known_role.as_deref()),
            hub_members::known_assets.eq(json(&member.known_assets)?),
            hub_members::known_at.eq(member.known_at.0),
            hub_members::known_from.eq(known_from),
            hub_members::reasons.eq(json(&member.reasons)?),
            hub_members::modified_at.eq(now.0),
        ))
        .kept()
        .execute(tx)?;
    if changed == 0 {
        return Err(StoreError::NotFound);
    }
    Ok(())
}

/// Change what people read about a member and why it has access; leaves what is known alone, so
/// that the planner never overwrites what a worker just learned.
///
/// # Errors
/// [`StoreError::NotFound`] when there is no such member.
pub fn set_plan(tx: &mut DbConn, workspace: WorkspaceId, member: &Member, now: Micros) -> Result<(), StoreError> {
    let changed = diesel::update(hub_members::table.find((workspace.0, member.id.bytes())))
        .set((
            hub_members::status.eq(member.status.as_str()),
            hub_members::managed.eq(member.managed),
            hub_members::bucket.eq(member.bucket.as_str()),
            hub_members::user_id.eq(member.user.map(UserId::bytes)),
            hub_members::hub_role.eq(member.hub_role.map(hub_role_word)),
            hub_members::email_key.eq(member.email_key.as_deref()),
            hub_members::display.eq(member.display.as_str()),
            hub_members::reasons.eq(json(&member.reasons)?),
            hub_members::modified_at.eq(now.0),
        ))
        .kept()
        .execute(tx)?;
    if changed == 0 {
        return Err(StoreError::NotFound);
    }
    Ok(())
}

/// Forget a row that was joined `into` another; its person must be moved first or afterwards. What
/// protects it goes along.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn forget(tx: &mut DbConn, workspace: WorkspaceId, id: MemberId, into: MemberId) -> Result<(), StoreError> {
    protections::join(tx, workspace, id, into)?;
    diesel::delete(hub_members::table.find((workspace.0, id.bytes()))).kept().execute(tx)?;
    Ok(())
}
