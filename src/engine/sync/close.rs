//! R6.4: a manual item is closed by the sync that sees what it wanted, whoever did it.

use serde_json::json;

use crate::base::clock::Micros;
use crate::base::ids::UserId;
use crate::base::random::Ids;
use crate::domain::assets;
use crate::domain::hub::Hub;
use crate::domain::member::{Member, Presence};
use crate::domain::task::{Task, TaskKind, TaskStatus};
use crate::store::activity::{self, Entry};
use crate::store::landed::{self, Landing};
use crate::store::task_list::{self, TaskFilter};
use crate::store::task_moves::{self, ByHand};
use crate::store::tasks;
use crate::store::{StoreError, Tx, decisions, facts, hub_members, marks};

/// Items looked at by one sync; a hub with more of them has other worries, and the next sync goes on.
const ITEMS: i64 = 500;

/// Close the open manual items whose wanted state is known now. Answers how many.
pub(super) fn seen_done(tx: &mut Tx<'_>, hub: &Hub, sync: &Task, ids: &Ids, now: Micros) -> Result<i64, StoreError> {
    let filter = TaskFilter { hub: Some(hub.id), statuses: vec![TaskStatus::Manual], ..TaskFilter::default() };
    let items = task_list::page(tx, sync.workspace, &filter, None, ITEMS)?;
    close(tx, hub, sync, items, ids, now)
}

/// The same for these people only, before the planner sees what changed about them.
pub(super) fn of_people(
    tx: &mut Tx<'_>,
    hub: &Hub,
    sync: &Task,
    people: &[UserId],
    ids: &Ids,
    now: Micros,
) -> Result<i64, StoreError> {
    let mut items = Vec::new();
    for user in tasks::with_open(tx, sync.workspace, hub.id, people)? {
        let open = tasks::open_for(tx, sync.workspace, hub.id, &facts::subject(user))?;
        items.extend(open.filter(|task| task.status == TaskStatus::Manual));
    }
    close(tx, hub, sync, items, ids, now)
}

fn close(tx: &mut Tx<'_>, hub: &Hub, sync: &Task, items: Vec<Task>, ids: &Ids, now: Micros) -> Result<i64, StoreError> {
    let mut closed = 0;
    for item in items {
        let member = match (item.user, item.member) {
            (Some(user), _) => hub_members::by_user(tx, sync.workspace, hub.id, user)?,
            (None, Some(id)) => match hub_members::load(tx, sync.workspace, id) {
                Ok(member) => Some(member),
                Err(StoreError::NotFound) => None,
                Err(other) => return Err(other),
            },
            (None, None) => None,
        };
        let Some(member) = member.filter(|member| holds(&item, member)) else { continue };
        let by = ByHand { actor: "sync", note: None, now };
        if !task_moves::done(tx, sync.workspace, item.id, &by)? {
            continue;
        }
        closed += 1;
        let landing = Landing {
            presence: member.known,
            remote_id: member.remote_id.clone(),
            role: member.known_role.clone(),
            assets: None,
            expires_at: None,
            evidence: "sync",
        };
        landed::record(tx, &item, hub, &landing, ids, now)?;
        decisions::end(tx, sync.workspace, hub.id, &item.subject)?;
        if let Some(user) = item.user {
            marks::touch(tx, sync.workspace, hub.id, user, now)?;
        }
        activity::record(
            tx,
            sync.workspace,
            &Entry {
                id: ids.next(),
                at: now,
                kind: "task.completed",
                actor: "sync",
                target: &format!("task:{}", item.id),
                hub: Some(hub.id),
                user: item.user,
                task: Some(item.id),
                request_id: item.request_id.as_deref(),
                detail: json!({
                    "task_kind": item.effect.kind.as_str(), "cause": item.cause, "role": item.effect.role,
                    "outcome": "seen_by_sync", "sync": sync.id, "landed": landing.told(&item),
                }),
                personal: Some(json!({ "person": item.effect.principal.email })),
            },
        )?;
    }
    Ok(closed)
}

/// Whether the app holds what the item wanted.
fn holds(item: &Task, member: &Member) -> bool {
    // Where a sync cannot read assets, an item about them is closed by whoever did it.
    let has_assets = assets::diff(&member.known_assets, &item.effect.assets).is_empty();
    let has_role = has_assets && (item.effect.role.is_none() || member.known_role == item.effect.role);
    match (item.effect.kind, member.known) {
        (TaskKind::Add, Presence::Active | Presence::Pending) => has_role && member.remote_id.is_some(),
        (TaskKind::UpdateRole, Presence::Active | Presence::Pending) => has_role,
        (TaskKind::Remove, Presence::Absent) => true,
        (TaskKind::Remove, Presence::Suspended) => item.effect.suspend,
        (TaskKind::Add | TaskKind::UpdateRole, Presence::Absent | Presence::Suspended)
        | (TaskKind::Remove, Presence::Active | Presence::Pending)
        | (TaskKind::Sync, _) => false,
    }
}
