//! A hub's accounts, and what is on its way to and from them, counted at one moment. The end of an attempt
//! moves a seat from the one to the other: on PostgreSQL a statement for each would find it in neither, and
//! the guard would let one seat too many be taken, or the last admin go.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::conn::DbConn;
use super::id_list;
use super::kept::Keep as _;
use super::tasks::OPEN;
use crate::base::ids::{HubId, WorkspaceId};
use crate::domain::plan::PRIORITY_REDUCE;

/// Which tasks count as on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// All that are open.
    Open,
    /// Not what is held.
    Out,
}

/// What [`columns`] found.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub(super) struct HeadCount {
    /// Managed accounts that are in the app.
    #[diesel(sql_type = BigInt)]
    pub(super) managed: i64,
    /// All accounts that are in the app: each has a seat.
    #[diesel(sql_type = BigInt)]
    pub(super) present: i64,
    /// Additions on their way out, held ones never.
    #[diesel(sql_type = BigInt)]
    pub(super) adding: i64,
    /// Who works with an admin role of the app. Who is only invited does not hold it yet, and who is
    /// suspended cannot use it.
    #[diesel(sql_type = BigInt)]
    pub(super) admins: i64,
    /// Those of them from whom a task takes it.
    #[diesel(sql_type = BigInt)]
    pub(super) admins_going: i64,
    /// Who is in the app and owns the hub.
    #[diesel(sql_type = BigInt)]
    pub(super) owners: i64,
    /// Those of them whom a task removes.
    #[diesel(sql_type = BigInt)]
    pub(super) owners_going: i64,
}

impl HeadCount {
    /// Seats taken, and about to be.
    pub(super) fn seats(&self) -> u32 {
        count(self.present.saturating_add(self.adding))
    }

    /// Admins that stay.
    pub(super) fn admins_left(&self) -> u32 {
        count(self.admins.saturating_sub(self.admins_going))
    }

    /// Owners that stay.
    pub(super) fn owners_left(&self) -> u32 {
        count(self.owners.saturating_sub(self.owners_going))
    }
}

const _: () = assert!(PRIORITY_REDUCE == 20, "the columns name this number");

/// The columns of a [`HeadCount`], for a `SELECT` whose parameters are the workspace, the hub and the list of
/// the `roles` admin roles ([`id_list::json_texts`]).
pub(super) fn columns(conn: &DbConn, going: Going, roles: usize) -> String {
    let here = "FROM hub_members m WHERE m.workspace = $1 AND m.hub_id = $2";
    let moving = "FROM tasks t JOIN hub_members m ON m.workspace = t.workspace AND m.id = t.member_id \
                  WHERE t.workspace = $1 AND t.hub_id = $2";
    let admin = format!("m.known_state = 'active' AND m.known_role {}", id_list::one_of_texts(conn, 3, roles));
    let owner = "m.known_state <> 'absent' AND m.hub_role = 'owner'";
    let out = format!("t.{OPEN} AND t.status <> 'held'");
    let going = match going {
        Going::Open => format!("t.{OPEN}"),
        Going::Out => out.clone(),
    };
    format!(
        "(SELECT COUNT(*) {here} AND m.managed = TRUE AND m.known_state <> 'absent') AS managed, \
         (SELECT COUNT(*) {here} AND m.known_state <> 'absent') AS present, \
         (SELECT COUNT(*) FROM tasks t WHERE t.workspace = $1 AND t.hub_id = $2 AND t.kind = 'add' AND {out}) \
           AS adding, \
         (SELECT COUNT(*) {here} AND {admin}) AS admins, \
         (SELECT COUNT(*) {moving} AND {going} AND {admin} \
           AND (t.kind = 'remove' OR (t.kind = 'update_role' AND t.priority = 20))) AS admins_going, \
         (SELECT COUNT(*) {here} AND {owner}) AS owners, \
         (SELECT COUNT(*) {moving} AND {going} AND {owner} AND t.kind = 'remove') AS owners_going"
    )
}

/// Count them alone.
pub(super) fn of_hub(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    admin_roles: &[String],
    going: Going,
) -> Result<HeadCount, StoreError> {
    let sql = format!("SELECT {}", columns(conn, going, admin_roles.len()));
    Ok(diesel::sql_query(id_list::numbered(conn, &sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(hub.bytes())
        .bind::<Text, _>(id_list::json_texts(admin_roles.iter().map(String::as_str)))
        .kept()
        .get_result(conn)?)
}

/// A number of rows as the guard takes it.
pub(super) fn count(rows: i64) -> u32 {
    u32::try_from(rows).unwrap_or(if rows < 0 { 0 } else { u32::MAX })
}
