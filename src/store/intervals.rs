//! Access intervals: who held which role in which hub from when to when, and what made it so.
//! What auditors ask for; a row is only ever closed, never changed or deleted, but for the address of
//! somebody who was erased.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::dialect::{self, Cell};
use super::kept::Keep as _;
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
    let text = |value: &str| Cell::Text(value.to_owned());
    let rows: Vec<Vec<Cell>> = holdings
        .iter()
        .map(|holding| {
            vec![
                Cell::Int(workspace.0),
                Cell::Bytes(holding.id.bytes()),
                holding.user.map_or(Cell::Null, |user| Cell::Bytes(user.bytes())),
                text(holding.person),
                Cell::Bytes(holding.hub.bytes()),
                text(holding.hub_slug),
                Cell::Bytes(holding.member.bytes()),
                holding.app_role.map_or(Cell::Null, text),
                text(holding.assets),
                Cell::Int(because.now.0),
                text(because.cause),
                because.task.map_or(Cell::Null, |task| Cell::Bytes(task.bytes())),
                text(because.evidence),
            ]
        })
        .collect();
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
