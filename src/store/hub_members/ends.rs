//! What the ends of many attempts teach of their members, in few statements whatever their number.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::super::StoreError;
use super::super::conn::DbConn;
use super::super::kept::Keep as _;
use super::super::keyed;
use super::super::mappings::hub_role_word;
use super::super::schema::{hub_members, tasks};
use super::{Row, json, load, of_remotes, update};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, MemberId, WorkspaceId};
use crate::domain::member::{Member, MemberStatus};
use crate::domain::task::TaskKind;

/// These members of a hub; on SQLite also those that are these accounts of the app, with whom many
/// endings could meet. On PostgreSQL [`learn_all`] meets them: two rows with one account are a conflict.
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
    let rows: Vec<Row> = diesel::sql_query(keyed::rows_of("hub_members", &[("id", 2)], "m.id = k.id"))
        .bind::<BigInt, _>(workspace.0)
        .bind::<Array<Binary>, _>(ids.iter().map(|id| id.bytes()).collect::<Vec<_>>())
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
    let columns = [
        ("id", 2),
        ("remote", 3),
        ("managed", 4),
        ("status", 5),
        ("hub_role", 6),
        ("state", 7),
        ("role", 8),
        ("assets", 9),
        ("at", 10),
        ("known_from", 11),
        ("reasons", 12),
    ];
    let changed = diesel::sql_query(format!(
        "UPDATE hub_members m SET remote_id = k.remote, managed = k.managed, status = k.status, \
         hub_role = k.hub_role, known_state = k.state, known_role = k.role, known_assets = k.assets, \
         known_at = k.at, known_from = k.known_from, reasons = k.reasons, modified_at = $13 \
         FROM {} WHERE m.workspace = k.workspace AND m.id = k.id",
        keyed::keys(&columns)
    ))
    .bind::<BigInt, _>(workspace.0)
    .bind::<Array<Binary>, _>(each().map(|member| member.id.bytes()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(each().map(|member| member.remote_id.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(each().map(|member| member.managed).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(each().map(|member| member.status.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(each().map(|member| member.hub_role.map(hub_role_word)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(each().map(|member| member.known.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(each().map(|member| member.known_role.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(assets)
    .bind::<Array<BigInt>, _>(each().map(|member| member.known_at.0).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(learned.iter().map(|(_, from)| from.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(reasons)
    .bind::<BigInt, _>(now.0)
    .execute(pg)?;
    if changed < learned.len() {
        return Err(StoreError::NotFound);
    }
    Ok(())
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
