//! What the guard counts, from rows: the tasks of the window, the members, the seats, and the
//! people of the whole workspace.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::conn::DbConn;
use super::head_count::{self, Going, HeadCount, count};
use super::id_list;
use super::kept::Keep as _;
use super::schema::tasks;
use super::tasks::words;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, WorkspaceId};
use crate::base::limits::{GUARD_PEOPLE_PERCENT, GUARD_WINDOW};
use crate::domain::guard::{Around, People};
use crate::domain::occasion::BY_HAND;
use crate::domain::plan::PRIORITY_REDUCE;
use crate::domain::task::{TaskKind, TaskStatus};

/// Count what the guard needs to judge a batch of this hub that takes something from at most
/// `taking` people, where the window has counted `counted` people of the workspace before.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn of_batch(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    admin_roles: &[String],
    counted: usize,
    taking: usize,
    now: Micros,
) -> Result<Around, StoreError> {
    let mut around = of_hub(conn, workspace, hub, admin_roles, now)?;
    if taking > 0 {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        around.people.taken_in_window = number(counted);
        around.people.managed = managed_people(conn, workspace, number(counted.saturating_add(taking)), now)?;
    }
    Ok(around)
}

#[derive(QueryableByName)]
struct HubCount {
    #[diesel(embed)]
    heads: HeadCount,
    #[diesel(sql_type = BigInt)]
    taken: i64,
    #[diesel(sql_type = BigInt)]
    gone: i64,
}

/// One statement: a removal that is done is in the window and no longer among the accounts.
fn of_hub(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    admin_roles: &[String],
    now: Micros,
) -> Result<Around, StoreError> {
    let sql = format!(
        "SELECT {}, w.taken, w.gone FROM (SELECT COUNT(*) AS taken, \
           COUNT(CASE WHEN kind = 'remove' AND status = 'completed' THEN 1 END) AS gone \
           FROM tasks WHERE workspace = $1 AND created_at > $4 AND hub_id = $2 AND {TAKEN}) AS w",
        head_count::columns(conn, Going::Open, admin_roles.len())
    );
    let found: HubCount = diesel::sql_query(id_list::numbered(conn, &sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(hub.bytes())
        .bind::<Text, _>(id_list::json_texts(admin_roles.iter().map(String::as_str)))
        .bind::<BigInt, _>(now.minus(GUARD_WINDOW).0)
        .kept()
        .get_result(conn)?;
    Ok(Around {
        managed: count(found.heads.managed),
        gone_in_window: count(found.gone),
        taken_in_window: count(found.taken),
        given_in_window: count(given(conn, workspace, hub, now)?),
        admins: found.heads.admins_left(),
        owners: found.heads.owners_left(),
        seats: found.heads.seats(),
        people: People::default(),
    })
}

/// The condition of the index `tasks_taken`, letter by letter, so that it answers: removals and
/// downgrades that take effect, neither held or released, nor replaced or withdrawn, nor made by a
/// person.
const TAKEN: &str = "hold_id IS NULL AND (kind = 'remove' OR priority = 20) AND cause <> 'by_hand' \
     AND status NOT IN ('held', 'superseded', 'cancelled')";
const _: () = assert!(PRIORITY_REDUCE == 20, "the index tasks_taken names this number");

/// Additions of the window that go out by themselves.
fn given(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, now: Micros) -> Result<i64, StoreError> {
    Ok(tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::hub_id.eq(hub.bytes()))
        .filter(tasks::id.ge(earliest_id(now.minus(GUARD_WINDOW))))
        .filter(tasks::created_at.gt(now.minus(GUARD_WINDOW).0))
        .filter(tasks::kind.eq(TaskKind::Add.as_str()))
        .filter(tasks::hold_id.is_null())
        .filter(tasks::cause.ne(BY_HAND))
        .filter(tasks::status.ne_all(words(&[TaskStatus::Superseded, TaskStatus::Cancelled, TaskStatus::Held])))
        .count()
        .get_result(conn)?)
}

#[derive(QueryableByName)]
struct Subject {
    #[diesel(sql_type = Text)]
    subject: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Whose access the window has already seen shrink, in any hub of the workspace: subjects of tasks.
///
/// On PostgreSQL two hubs of a workspace may be planned at the same time, and each would let its
/// own fifty people go; so the second waits here until the first has committed.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn taken_from(conn: &mut DbConn, workspace: WorkspaceId, now: Micros) -> Result<HashSet<String>, StoreError> {
    super::rules_lock::counting_people(conn, workspace)?;
    seen_taken_from(conn, workspace, now)
}

/// The same for somebody who only looks: waits for nobody, and may miss what is just being planned.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn seen_taken_from(conn: &mut DbConn, workspace: WorkspaceId, now: Micros) -> Result<HashSet<String>, StoreError> {
    let sql = format!("SELECT DISTINCT subject FROM tasks WHERE workspace = $1 AND created_at > $2 AND {TAKEN}");
    let rows: Vec<Subject> = diesel::sql_query(sql)
        .bind::<BigInt, _>(workspace.0)
        .bind::<BigInt, _>(now.minus(GUARD_WINDOW).0)
        .kept()
        .load(conn)?;
    Ok(rows.into_iter().map(|row| row.subject).collect())
}

/// How many people of the workspace have a managed account somewhere, or lost the last one in the
/// window; counted no further than decides about taking from `most` of them.
fn managed_people(conn: &mut DbConn, workspace: WorkspaceId, most: u32, now: Micros) -> Result<u32, StoreError> {
    let enough = i64::from(most).saturating_mul(100) / i64::from(GUARD_PEOPLE_PERCENT) + 1;
    let here: Count = diesel::sql_query(
        "SELECT COUNT(*) AS count FROM (SELECT DISTINCT user_id FROM hub_members WHERE workspace = $1 \
         AND user_id IS NOT NULL AND managed AND known_state <> 'absent' LIMIT $2) AS people",
    )
    .bind::<BigInt, _>(workspace.0)
    .bind::<BigInt, _>(enough)
    .kept()
    .get_result(conn)?;
    if here.count >= enough {
        return Ok(count(here.count));
    }
    let sql = format!(
        "SELECT COUNT(DISTINCT subject) AS count FROM tasks WHERE workspace = $1 AND created_at > $2 AND {TAKEN} \
         AND kind = 'remove' AND status = 'completed' AND user_id IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM hub_members m WHERE m.workspace = tasks.workspace \
             AND m.user_id = tasks.user_id AND m.managed AND m.known_state <> 'absent')"
    );
    let gone: Count = diesel::sql_query(sql)
        .bind::<BigInt, _>(workspace.0)
        .bind::<BigInt, _>(now.minus(GUARD_WINDOW).0)
        .kept()
        .get_result(conn)?;
    Ok(count(here.count.saturating_add(gone.count)))
}

/// The smallest UUIDv7 of a moment: ids sort by time, so the window is a range of the hub's index.
fn earliest_id(at: Micros) -> Vec<u8> {
    let millis = u64::try_from(at.0 / 1000).unwrap_or(0);
    let mut bytes = millis.to_be_bytes().get(2..).unwrap_or_default().to_vec();
    bytes.resize(16, 0);
    bytes
}
