//! Members that the app no longer lists, judged in stretches; then what a complete sync leaves: its
//! closed manual items, its time, its record.

use serde_json::json;

use super::{Stop, SyncAttempt, add, close, record};
use crate::base::clock::Micros;
use crate::base::ids::UserId;
use crate::base::random::Ids;
use crate::domain::hub::{Drift, Hub};
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};
use crate::domain::problem::Cause;
use crate::domain::sync::{self, Counts, Missing};
use crate::domain::task::Task;
use crate::store::activity::{self, Entry};
use crate::store::intervals::{self, Because};
use crate::store::marks::{self, Change, Settle};
use crate::store::sync_runs::{self, Phase, Run};
use crate::store::{StoreError, Tx, hub_members, problems, sync_seen, tasks};

impl SyncAttempt {
    /// Judge the next stretch; after the last one, complete.
    pub(super) async fn leave(&self, run: Run) -> Result<Run, Stop> {
        let (hub, task, ids, now) =
            (self.hub.clone(), self.task.clone(), self.worker.ids.clone(), self.worker.clock.now());
        let run = self
            .write_stretch(move |tx, size| {
                let mut run = run.clone();
                let after = run.after_id.as_deref();
                let found = match run.conclusive {
                    true => sync_seen::not_listed(tx, task.workspace, hub.id, task.id, after, size)?,
                    false => Vec::new(),
                };
                let Some((last, _, _)) = found.last() else {
                    complete(tx, &mut run, &hub, &task, &ids, now)?;
                    return Ok(run);
                };
                run.after_id = Some(last.bytes());
                let began = run.started_at.unwrap_or(task.created_at);
                let mut people = Vec::new();
                for (id, listed_before, expires_at) in found {
                    let member = hub_members::load(tx, task.workspace, id)?;
                    let judged = sync::missing(&member, listed_before, expires_at, began, now);
                    if apply(tx, &member, judged, &hub, &task, &ids, now, &mut people)? {
                        add(&mut run.counts, Counts { removed: 1, ..Counts::default() });
                    }
                }
                run.counts.closed += close::of_people(tx, &hub, &task, &people, &ids, now)?;
                let look: Vec<UserId> = match hub.policy.drift {
                    Drift::Repair => people,
                    Drift::Report => tasks::with_open(tx, task.workspace, hub.id, &people)?,
                };
                let change = Change { cause: "sync", request_id: task.request_id.as_deref(), now };
                marks::put(tx, task.workspace, &[hub.id], &look, now, Settle::OfHub, &change)?;
                sync_runs::save(tx, task.workspace, &run)?;
                Ok(run)
            })
            .await?;
        self.worker.nudge.planner();
        Ok(run)
    }
}

#[expect(clippy::too_many_arguments, reason = "one row with all that its change is told with")]
fn apply(
    tx: &mut Tx<'_>,
    member: &Member,
    judged: Missing,
    hub: &Hub,
    task: &Task,
    ids: &Ids,
    now: Micros,
    people: &mut Vec<UserId>,
) -> Result<bool, StoreError> {
    let mut after = member.clone();
    match judged {
        Missing::Stays => return Ok(false),
        Missing::Gone => after.status = MemberStatus::Removed,
        Missing::Expired => after.status = MemberStatus::InviteExpired,
    }
    if member.bucket == Bucket::Exempted || member.status.is_under_way() {
        after.status = member.status;
    }
    after.known = Presence::Absent;
    after.known_role = None;
    after.known_assets = Vec::new();
    after.known_at = now;
    // A person's row is free for another account; one that is nobody's is still that account.
    if after.user.is_some() {
        after.remote_id = None;
    }
    people.extend(after.user);
    hub_members::update(tx, task.workspace, &after, "sync", now)?;
    hub_members::seen_gone(tx, task.workspace, after.id, now)?;
    let because = Because { cause: "gone_in_app", task: Some(task.id), evidence: "sync", now };
    intervals::end(tx, task.workspace, after.id, &because)?;
    activity::record(
        tx,
        task.workspace,
        &Entry {
            id: ids.next(),
            at: now,
            kind: "member.gone_in_app",
            actor: "sync",
            target: &format!("member:{}", after.id),
            hub: Some(hub.id),
            user: after.user,
            task: Some(task.id),
            request_id: task.request_id.as_deref(),
            detail: json!({
                "bucket": member.bucket, "role": member.known_role, "assets": member.known_assets,
                "expired": judged == Missing::Expired,
            }),
            // Some apps call an account by its address.
            personal: Some(json!({
                "person": member.email_key, "display": member.display, "remote_id": member.remote_id,
            })),
        },
    )?;
    Ok(true)
}

fn complete(tx: &mut Tx<'_>, run: &mut Run, hub: &Hub, task: &Task, ids: &Ids, now: Micros) -> Result<(), StoreError> {
    run.counts.closed += close::seen_done(tx, hub, task, ids, now)?;
    run.phase = Phase::Done;
    sync_runs::save(tx, task.workspace, run)?;
    sync_runs::completed(tx, task.workspace, hub.id, now)?;
    // The whole list was read: the connection works, whatever the first look at it said.
    for cause in [Cause::SyncHalted, Cause::AuthBroken, Cause::AddressRefused, Cause::ConnectionIncomplete] {
        problems::close(tx, task.workspace, hub.id, Some(cause), now)?;
    }
    let detail = json!({
        "seen": run.seen, "total": run.total, "lists": run.pass, "conclusive": run.conclusive,
        "accept_removals": run.accept_removals, "counts": run.counts,
    });
    record(tx, task.workspace, hub, task, (ids.next(), now), "hub.synced", detail)
}
