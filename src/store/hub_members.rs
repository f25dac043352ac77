//! One row per account in a hub: what we know of it, what a sync saw, and whose it is. Rows of
//! people survive their SCIM DELETE, so that a removal still knows whom it is about.

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::StoreError;
use super::conn::DbConn;
use super::dialect::{self, Cell};
use super::kept::Keep as _;
use super::mappings::{hub_role, hub_role_word};
use super::protections;
use super::schema::{hub_members, memberships, tasks, users};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, MemberId, UserId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};
use crate::domain::task::TaskKind;

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

/// The stored word of a bucket.
pub const fn bucket_word(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Onboarded => "onboarded",
        Bucket::Unmatched => "unmatched",
        Bucket::Guest => "guest",
        Bucket::Exempted => "exempted",
    }
}

/// A bucket by its stored word.
pub fn bucket(word: &str) -> Option<Bucket> {
    match word {
        "onboarded" => Some(Bucket::Onboarded),
        "unmatched" => Some(Bucket::Unmatched),
        "guest" => Some(Bucket::Guest),
        "exempted" => Some(Bucket::Exempted),
        _ => None,
    }
}

/// The stored word of a presence.
pub const fn presence_word(presence: Presence) -> &'static str {
    match presence {
        Presence::Absent => "absent",
        Presence::Pending => "pending",
        Presence::Active => "active",
        Presence::Suspended => "suspended",
    }
}

/// A presence by its stored word.
pub fn presence(word: &str) -> Option<Presence> {
    match word {
        "absent" => Some(Presence::Absent),
        "pending" => Some(Presence::Pending),
        "active" => Some(Presence::Active),
        "suspended" => Some(Presence::Suspended),
        _ => None,
    }
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
            bucket: bucket(&self.bucket).ok_or_else(|| bad("bucket"))?,
            managed: self.managed,
            protected: self.protected,
            status: MemberStatus::from_word(&self.status).ok_or_else(|| bad("status"))?,
            hub_role: self.hub_role.map(|word| hub_role(&word).ok_or_else(|| bad("hub role"))).transpose()?,
            known: presence(&self.known_state).ok_or_else(|| bad("state"))?,
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
        query = query.filter(hub_members::bucket.eq(bucket_word(of)));
    }
    if let Some(after) = after {
        query = query.filter(hub_members::id.gt(after.bytes()));
    }
    query.load::<Row>(conn)?.into_iter().map(Row::read).collect()
}

/// What the last sync saw of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What it was in the app.
    pub state: Presence,
    /// Its role there.
    pub role: Option<String>,
    /// When.
    pub at: Micros,
}

/// What the last sync saw of these members; nothing of those it never saw.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn observed(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    ids: &[MemberId],
) -> Result<Vec<(MemberId, Observed)>, StoreError> {
    type Seen = (Vec<u8>, Option<String>, Option<String>, Option<i64>);
    let rows: Vec<Seen> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::id.eq_any(ids.iter().map(|id| id.bytes()).collect::<Vec<_>>()))
        .filter(hub_members::observed_at.is_not_null())
        .select((hub_members::id, hub_members::observed_state, hub_members::observed_role, hub_members::observed_at))
        .load(conn)?;
    rows.into_iter()
        .filter_map(|(id, state, role, at)| {
            let at = Micros(at?);
            let state = presence(&state?)?;
            let id = MemberId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a member's id".into()));
            Some(id.map(|id| (id, Observed { state, role, at })))
        })
        .collect()
}

/// A sync saw that the account is not there any more.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn seen_gone(tx: &mut DbConn, workspace: WorkspaceId, id: MemberId, now: Micros) -> Result<(), StoreError> {
    diesel::update(hub_members::table.find((workspace.0, id.bytes())))
        .set((
            hub_members::observed_state.eq(Some(presence_word(Presence::Absent))),
            hub_members::observed_role.eq(None::<String>),
            hub_members::observed_at.eq(Some(now.0)),
        ))
        .kept()
        .execute(tx)?;
    Ok(())
}

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
                text(Some(bucket_word(member.bucket))),
                Cell::Bool(member.managed),
                Cell::Bool(member.protected),
                text(Some(member.status.as_str())),
                text(member.hub_role.map(hub_role_word)),
                text(Some(presence_word(member.known))),
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

/// The texts in `known_role` that make somebody an admin: of a ranked app its admin roles, else those
/// of the sets of permissions held in this hub that hold one.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn admin_texts(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    app: &App,
) -> Result<Vec<String>, StoreError> {
    let single = app.admin_roles();
    if app.ranked || single.is_empty() {
        return Ok(single);
    }
    let held: Vec<Option<String>> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::known_role.is_not_null())
        .select(hub_members::known_role)
        .distinct()
        .kept()
        .load(conn)?;
    Ok(held.into_iter().flatten().filter(|text| app.is_admin(text)).collect())
}

/// Managed accounts that are in the app now, and how many accounts hold one of the admin roles; who is only
/// invited does not hold it yet.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn managed_now(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    admin_roles: &[String],
) -> Result<(i64, i64), StoreError> {
    let managed = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::managed.eq(true))
        .filter(hub_members::known_state.ne("absent"));
    let all: i64 = managed.count().kept().get_result(conn)?;
    let admins: i64 = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::known_state.eq_any(["active", "suspended"]))
        .filter(hub_members::known_role.eq_any(admin_roles))
        .count()
        .kept()
        .get_result(conn)?;
    Ok((all, admins))
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
            hub_members::bucket.eq(bucket_word(member.bucket)),
            hub_members::managed.eq(member.managed),
            hub_members::protected.eq(member.protected),
            hub_members::status.eq(member.status.as_str()),
            hub_members::hub_role.eq(member.hub_role.map(hub_role_word)),
            hub_members::known_state.eq(presence_word(member.known)),
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
            hub_members::bucket.eq(bucket_word(member.bucket)),
            hub_members::managed.eq(member.managed),
            // Read before somebody protected it, perhaps; only `store::protections` takes that away.
            hub_members::protected.eq(hub_members::protected.or(member.protected.into_sql::<Bool>())),
            hub_members::status.eq(member.status.as_str()),
            hub_members::hub_role.eq(member.hub_role.map(hub_role_word)),
            hub_members::known_state.eq(presence_word(member.known)),
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

/// These members of a hub, and those that are these accounts of the app: with whom many endings could
/// meet. In one statement, planned anew, since its lists differ in length.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_ends(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    ids: &[MemberId],
    remote_ids: &[&str],
) -> Result<Vec<Member>, StoreError> {
    let DbConn::Postgres(pg) = conn else {
        let mut found = of_remotes(conn, workspace, hub, remote_ids)?;
        for id in ids {
            match load(conn, workspace, *id) {
                Ok(member) if found.iter().all(|other| other.id != member.id) => found.push(member),
                Ok(_) | Err(StoreError::NotFound) => {}
                Err(other) => return Err(other),
            }
        }
        return Ok(found);
    };
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT * FROM hub_members WHERE workspace = $1 AND id = ANY ($3) UNION \
         SELECT * FROM hub_members WHERE workspace = $1 AND hub_id = $2 AND remote_id = ANY ($4)",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<Binary, _>(hub.bytes())
    .bind::<Array<Binary>, _>(ids.iter().map(|id| id.bytes()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(remote_ids)
    .load(pg)?;
    rows.into_iter().map(Row::read).collect()
}

/// Write what many endings taught of members that are there: what is known, who manages them and why,
/// each with where it is known from. On PostgreSQL in one statement.
///
/// # Errors
/// [`StoreError::NotFound`] when one is gone, or that of the statement.
pub fn learn_all(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    learned: &[(Member, String)],
    now: Micros,
) -> Result<(), StoreError> {
    let DbConn::Postgres(pg) = conn else {
        return learned.iter().try_for_each(|(member, from)| update(conn, workspace, member, from, now));
    };
    let each = || learned.iter().map(|(member, _)| member);
    let assets: Vec<String> = each().map(|member| json(&member.known_assets)).collect::<Result<_, _>>()?;
    let reasons: Vec<String> = each().map(|member| json(&member.reasons)).collect::<Result<_, _>>()?;
    let changed = diesel::sql_query(
        "UPDATE hub_members m SET remote_id = l.remote, managed = l.managed, status = l.status, \
         hub_role = l.hub_role, known_state = l.state, known_role = l.role, known_assets = l.assets, \
         known_at = l.at, known_from = l.known_from, reasons = l.reasons, modified_at = $1 \
         FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         AS l (id, remote, managed, status, hub_role, state, role, assets, at, known_from, reasons) \
         WHERE m.workspace = $13 AND m.id = l.id",
    )
    .bind::<BigInt, _>(now.0)
    .bind::<Array<Binary>, _>(each().map(|member| member.id.bytes()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(each().map(|member| member.remote_id.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(each().map(|member| member.managed).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(each().map(|member| member.status.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(each().map(|member| member.hub_role.map(hub_role_word)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(each().map(|member| presence_word(member.known)).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(each().map(|member| member.known_role.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(assets)
    .bind::<Array<BigInt>, _>(each().map(|member| member.known_at.0).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(learned.iter().map(|(_, from)| from.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(reasons)
    .bind::<BigInt, _>(workspace.0)
    .execute(pg)?;
    if changed < learned.len() {
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
            hub_members::bucket.eq(bucket_word(member.bucket)),
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

/// Note an invitation: when it went out and when it runs out.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn invited(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    id: MemberId,
    now: Micros,
    expires_at: Option<Micros>,
) -> Result<(), StoreError> {
    diesel::update(hub_members::table.find((workspace.0, id.bytes())))
        .set((hub_members::invited_at.eq(Some(now.0)), hub_members::expires_at.eq(expires_at.map(|at| at.0))))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Members of a group who have an accepted, managed account in the hub, with their userNames, in id
/// order; at most one more than `limit`.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn accepted_in_group(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    group: GroupId,
    limit: usize,
) -> Result<Vec<(UserId, String)>, StoreError> {
    let members = memberships::table
        .filter(memberships::workspace.eq(workspace.0))
        .filter(memberships::group_id.eq(group.bytes()))
        .filter(memberships::member_kind.eq(0))
        .select(memberships::member_id);
    let rows: Vec<(Vec<u8>, String)> = hub_members::table
        .inner_join(
            users::table
                .on(users::workspace.eq(hub_members::workspace).and(users::id.nullable().eq(hub_members::user_id))),
        )
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::hub_id.eq(hub.bytes()))
        .filter(hub_members::managed.eq(true))
        .filter(hub_members::bucket.ne("exempted"))
        .filter(hub_members::known_state.eq("active"))
        .filter(users::id.eq_any(members))
        .order(users::id)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
        .select((users::id, users::user_name))
        .load(conn)?;
    rows.into_iter()
        .map(|(id, name)| {
            let id = UserId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a user's id".into()))?;
            Ok((id, name))
        })
        .collect()
}

/// Why an account is exempted; `None` takes the reason away.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn set_exempt_reason(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    id: MemberId,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    diesel::update(hub_members::table.find((workspace.0, id.bytes())))
        .set(hub_members::exempt_reason.eq(reason))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// The reason an account was exempted with.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn exempt_reason(conn: &mut DbConn, workspace: WorkspaceId, id: MemberId) -> Result<Option<String>, StoreError> {
    Ok(hub_members::table
        .find((workspace.0, id.bytes()))
        .select(hub_members::exempt_reason)
        .kept()
        .get_result::<Option<String>>(conn)
        .optional()?
        .flatten())
}

/// The reasons of those of these accounts that are exempted, in one statement.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn exempt_reasons(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    members: &[Member],
) -> Result<HashMap<MemberId, String>, StoreError> {
    let ids: Vec<Vec<u8>> =
        members.iter().filter(|member| member.bucket == Bucket::Exempted).map(|member| member.id.bytes()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Vec<u8>, Option<String>)> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::id.eq_any(ids))
        .select((hub_members::id, hub_members::exempt_reason))
        .load(conn)?;
    rows.into_iter()
        .filter_map(|(id, reason)| Some((id, reason?)))
        .map(|(id, reason)| {
            let id = MemberId::from_bytes(&id).map_err(|_| StoreError::Corrupt("a member's id".into()))?;
            Ok((id, reason))
        })
        .collect()
}

/// Tasks that had failed are tried again: what their members' rows say of it is under way again. One
/// statement for each kind of failure, whatever the number of tasks.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn under_way_again(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    task_ids: &[Vec<u8>],
    now: Micros,
) -> Result<(), StoreError> {
    let members: Vec<Option<Vec<u8>>> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::id.eq_any(task_ids))
        .select(tasks::member_id)
        .kept_if(task_ids.len() == 1)
        .load(tx)?;
    let members: Vec<Vec<u8>> = members.into_iter().flatten().collect();
    if members.is_empty() {
        return Ok(());
    }
    for kind in [TaskKind::Add, TaskKind::UpdateRole, TaskKind::Remove] {
        diesel::update(hub_members::table)
            .filter(hub_members::workspace.eq(workspace.0))
            .filter(hub_members::id.eq_any(&members))
            .filter(hub_members::status.eq(MemberStatus::failed(kind).as_str()))
            .set((hub_members::status.eq(MemberStatus::under_way(kind).as_str()), hub_members::modified_at.eq(now.0)))
            .kept_if(members.len() == 1)
            .execute(tx)?;
    }
    Ok(())
}

/// Invitations that ran out become `invite_expired`, over all workspaces; answers how many.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn expire_invitations_across_workspaces(tx: &mut DbConn, now: Micros) -> Result<usize, StoreError> {
    Ok(diesel::update(hub_members::table)
        .filter(hub_members::known_state.eq("pending"))
        .filter(hub_members::status.eq(MemberStatus::PendingInviteClaim.as_str()))
        .filter(hub_members::expires_at.le(Some(now.0)))
        .set((hub_members::status.eq(MemberStatus::InviteExpired.as_str()), hub_members::modified_at.eq(now.0)))
        .execute(tx)?)
}
