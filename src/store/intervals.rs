//! Access intervals: who held which role in which hub from when to when, and what made it so.
//! What auditors ask for; a row is only ever closed, never changed or deleted, but for the address of
//! somebody who was erased.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};

use super::StoreError;
use super::conn::DbConn;
use super::dialect::{self, Cell};
use super::kept::Keep as _;
use super::keyed;
use super::schema::access_intervals;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, IntervalId, MemberId, TaskId, UserId, WorkspaceId};

/// What somebody holds from now on.
#[derive(Clone, Copy, Debug)]
pub struct Holding<'a> {
    /// The id for a new row.
    pub id: IntervalId,
    /// The person, when known.
    pub user: Option<UserId>,
    /// How people know the person: the e-mail.
    pub person: &'a str,
    /// Where.
    pub hub: HubId,
    /// Where, for people.
    pub hub_slug: &'a str,
    /// The account.
    pub member: MemberId,
    /// The role, when the app has roles.
    pub app_role: Option<&'a str>,
    /// Assets as JSON.
    pub assets: &'a str,
}

/// What made it so.
#[derive(Clone, Copy, Debug)]
pub struct Because<'a> {
    /// `group_membership`, `deactivated` …
    pub cause: &'a str,
    /// The task, when it was ours.
    pub task: Option<TaskId>,
    /// How we know: `applied`, `already_in_state`, `seen`, `by_hand` …
    pub evidence: &'a str,
    /// When.
    pub now: Micros,
}

/// From now on the account holds exactly this: nothing happens when it does already; else the
/// open interval ends and a new one begins.
///
/// # Errors
/// A failed statement.
pub fn hold(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    holding: &Holding<'_>,
    because: &Because<'_>,
) -> Result<(), StoreError> {
    // The usual case first: nothing was open, and one round trip is enough.
    if open(conn, workspace, holding, because)? {
        return Ok(());
    }
    let before: Option<(Option<String>, String)> = access_intervals::table
        .filter(access_intervals::workspace.eq(workspace.0))
        .filter(access_intervals::member_id.eq(holding.member.bytes()))
        .filter(access_intervals::to_at.is_null())
        .select((access_intervals::app_role, access_intervals::assets))
        .kept()
        .get_result(conn)
        .optional()?;
    if before.is_some_and(|(role, assets)| role.as_deref() == holding.app_role && assets == holding.assets) {
        return Ok(());
    }
    end(conn, workspace, holding.member, because)?;
    open(conn, workspace, holding, because).map(|_| ())
}

/// Open an interval; `false` where the member has an open one, which stays as it is.
fn open(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    holding: &Holding<'_>,
    because: &Because<'_>,
) -> Result<bool, StoreError> {
    let insert = diesel::insert_into(access_intervals::table)
        .values((
            access_intervals::workspace.eq(workspace.0),
            access_intervals::id.eq(holding.id.bytes()),
            access_intervals::user_id.eq(holding.user.map(UserId::bytes)),
            access_intervals::person.eq(holding.person),
            access_intervals::hub_id.eq(holding.hub.bytes()),
            access_intervals::hub_slug.eq(holding.hub_slug),
            access_intervals::member_id.eq(holding.member.bytes()),
            access_intervals::app_role.eq(holding.app_role),
            access_intervals::assets.eq(holding.assets),
            access_intervals::from_at.eq(because.now.0),
            access_intervals::from_cause.eq(because.cause),
            access_intervals::from_task.eq(because.task.map(TaskId::bytes)),
            access_intervals::evidence.eq(because.evidence),
        ))
        .on_conflict_do_nothing();
    let made = match conn {
        DbConn::Sqlite(conn) => insert.execute(conn)?,
        DbConn::Postgres(conn) => insert.execute(conn)?,
    };
    Ok(made > 0)
}

const COLUMNS: [&str; 13] = [
    "workspace",
    "id",
    "user_id",
    "person",
    "hub_id",
    "hub_slug",
    "member_id",
    "app_role",
    "assets",
    "from_at",
    "from_cause",
    "from_task",
    "evidence",
];

fn row(workspace: WorkspaceId, holding: &Holding<'_>, because: &Because<'_>) -> Vec<Cell> {
    vec![
        workspace.0.into(),
        holding.id.uuid().into(),
        holding.user.map(UserId::uuid).into(),
        holding.person.into(),
        holding.hub.uuid().into(),
        holding.hub_slug.into(),
        holding.member.uuid().into(),
        holding.app_role.into(),
        holding.assets.into(),
        because.now.0.into(),
        because.cause.into(),
        because.task.map(TaskId::uuid).into(),
        because.evidence.into(),
    ]
}

/// [`hold`] for many accounts: on PostgreSQL in two statements.
///
/// # Errors
/// A failed statement.
pub fn hold_all(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    held: &[(Holding<'_>, Because<'_>)],
) -> Result<(), StoreError> {
    let DbConn::Postgres(pg) = conn else {
        return held.iter().try_for_each(|(holding, because)| hold(conn, workspace, holding, because));
    };
    let Some((_, Because { now, .. })) = held.first() else { return Ok(()) };
    let other = "AND (i.app_role IS DISTINCT FROM k.role OR i.assets <> k.assets)";
    let ends: Vec<_> =
        held.iter().map(|(holding, because)| (holding.member, holding.app_role, holding.assets, because)).collect();
    end_many(pg, workspace, &ends, *now, other)?;
    let rows: Vec<Vec<Cell>> = held.iter().map(|(holding, because)| row(workspace, holding, because)).collect();
    // What is still open is what is held.
    dialect::insert_rows(conn, "access_intervals", &COLUMNS, &rows, "ON CONFLICT DO NOTHING")?;
    Ok(())
}

/// [`end`] for many accounts: on PostgreSQL in one statement.
///
/// # Errors
/// A failed statement.
pub fn end_all(conn: &mut DbConn, workspace: WorkspaceId, ended: &[(MemberId, Because<'_>)]) -> Result<(), StoreError> {
    let DbConn::Postgres(pg) = conn else {
        return ended.iter().try_for_each(|(member, because)| end(conn, workspace, *member, because));
    };
    let Some((_, Because { now, .. })) = ended.first() else { return Ok(()) };
    let ends: Vec<_> = ended.iter().map(|(member, because)| (*member, None, "", because)).collect();
    end_many(pg, workspace, &ends, *now, "")
}

/// An account, what it will hold, and why.
type Ending<'a> = (MemberId, Option<&'a str>, &'a str, &'a Because<'a>);

// Nothing is inserted: each is there, and is locked. That an account has one at most that is open, PostgreSQL does
// not conclude from an index over those that are open: as a join this reads the whole of a workspace that its
// statistics do not know. So one is looked up for each, and changed by the key that conflicts (as claims are).
fn end_many(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    ends: &[Ending<'_>],
    now: Micros,
    which: &str,
) -> Result<(), StoreError> {
    diesel::sql_query(format!(
        "INSERT INTO access_intervals (workspace, id, user_id, person, hub_id, hub_slug, member_id, app_role, assets, \
           from_at, from_cause, from_task, evidence, to_at, to_cause, to_task) \
         SELECT i.workspace, i.id, i.user_id, i.person, i.hub_id, i.hub_slug, i.member_id, i.app_role, i.assets, \
           i.from_at, i.from_cause, i.from_task, i.evidence, $7, k.cause, k.task \
         FROM {} CROSS JOIN LATERAL (SELECT * FROM access_intervals i WHERE i.workspace = k.workspace \
           AND i.member_id = k.member AND i.to_at IS NULL {which} OFFSET 0 FOR UPDATE) i \
         ON CONFLICT (workspace, id) DO UPDATE \
           SET to_at = excluded.to_at, to_cause = excluded.to_cause, to_task = excluded.to_task",
        keyed::keys(&[("member", 2), ("role", 3), ("assets", 4), ("cause", 5), ("task", 6)])
    ))
    .bind::<BigInt, _>(workspace.0)
    .bind::<Array<Binary>, _>(ends.iter().map(|(member, ..)| member.bytes()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(ends.iter().map(|(_, role, ..)| *role).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(ends.iter().map(|(_, _, assets, _)| *assets).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(ends.iter().map(|(.., because)| because.cause).collect::<Vec<_>>())
    .bind::<Array<Nullable<Binary>>, _>(
        ends.iter().map(|(.., because)| because.task.map(TaskId::bytes)).collect::<Vec<_>>(),
    )
    .bind::<BigInt, _>(now.0)
    .execute(conn)?;
    Ok(())
}

/// Begin intervals of accounts that had none, in few statements.
///
/// # Errors
/// A failed statement.
pub fn begin_all(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    holdings: &[Holding<'_>],
    because: &Because<'_>,
) -> Result<(), StoreError> {
    let rows: Vec<Vec<Cell>> = holdings.iter().map(|holding| row(workspace, holding, because)).collect();
    dialect::insert_rows(conn, "access_intervals", &COLUMNS, &rows, "")?;
    Ok(())
}

/// The account holds nothing from now on.
///
/// # Errors
/// A failed statement.
pub fn end(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    member: MemberId,
    because: &Because<'_>,
) -> Result<(), StoreError> {
    diesel::update(access_intervals::table)
        .filter(access_intervals::workspace.eq(workspace.0))
        .filter(access_intervals::member_id.eq(member.bytes()))
        .filter(access_intervals::to_at.is_null())
        .set((
            access_intervals::to_at.eq(Some(because.now.0)),
            access_intervals::to_cause.eq(Some(because.cause)),
            access_intervals::to_task.eq(because.task.map(TaskId::bytes)),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// The account's rows were joined: what `from` held belongs to `to`.
///
/// # Errors
/// A failed statement.
pub fn move_member(conn: &mut DbConn, workspace: WorkspaceId, from: MemberId, to: MemberId) -> Result<(), StoreError> {
    diesel::update(access_intervals::table)
        .filter(access_intervals::workspace.eq(workspace.0))
        .filter(access_intervals::member_id.eq(from.bytes()))
        .filter(access_intervals::to_at.is_not_null())
        .set(access_intervals::member_id.eq(to.bytes()))
        .kept()
        .execute(conn)?;
    Ok(())
}
