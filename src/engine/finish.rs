//! Recording how an attempt ended: one write transaction guarded by the lease's epoch. Task,
//! attempt, member, access interval, lane, problem, activity and the waiting wish move together.

use serde_json::json;
use uuid::Uuid;

use super::circuit;
use super::connector::FailureClass;
use super::outcome::{Follow, LaneNote, Verdict};
use crate::base::clock::Micros;
use crate::base::limits::ATTEMPTS;
use crate::base::random::Ids;
use crate::domain::decision::DecisionKind;
use crate::domain::hub::Hub;
use crate::domain::member::Presence;
use crate::domain::problem::Cause;
use crate::domain::task::{Task, TaskKind};
use crate::domain::task_states::TaskEvent;
use crate::store::activity::{self, Entry};
use crate::store::attempts;
use crate::store::landed::{self, Landing, Recorded};
use crate::store::lanes::{self, Locked};
use crate::store::leases::{self, Change, Lease};
use crate::store::{StoreError, Tx, decisions, health, holds, hub_secrets, hubs, marks, problems, set_aside};

/// Everything a record is made of.
pub(super) struct Record<'a> {
    pub lease: Lease,
    pub task: &'a Task,
    /// `None` when the hub is gone.
    pub hub: Option<&'a Hub>,
    /// When a secret of the hub was last set, as the attempt began.
    pub secrets_set: Option<i64>,
    pub verdict: &'a Verdict,
    /// What a person would have to do, should it come to that.
    pub instructions: &'a str,
    /// Never claimed again before this, whatever the pause says.
    pub earliest: Option<Micros>,
    /// Who found out: `worker` or `sweep`.
    pub actor: &'static str,
    pub ids: &'a Ids,
    pub now: Micros,
}

/// Write it down.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the result no longer counts; or a failed statement.
pub(super) fn write(tx: &mut Tx<'_>, record: &Record<'_>) -> Result<(), StoreError> {
    let (task, now) = (record.task, record.now);
    let mut ended = record.verdict.ended.clone();
    let mut follow = record.verdict.follow.clone();
    if matches!(follow, Follow::Again { .. } | Follow::Person) && !hubs::exists(tx, task.workspace, task.hub)? {
        // Nobody would ever take it again, nor see it.
        follow = Follow::Refused;
    }
    // First the row that carries the epoch: a result that no longer counts stops here.
    leases::end(tx, &record.lease, &change(record, &follow))?;
    if let Follow::Landed(landing) | Follow::Exists(landing) = &follow
        && task.effect.kind != TaskKind::Sync
        && let Some(owner) = land(tx, record, landing)?
    {
        ended.outcome = "failed";
        ended.error_class = Some("conflict");
        ended.detail = Some(format!("the account in the app belongs to user {owner} here"));
        follow = Follow::Person;
        leases::correct(tx, &record.lease, &Change { error_class: Some("conflict"), ..change(record, &follow) })?;
    }
    match &follow {
        Follow::Gone => landed::gone(tx, task, now)?,
        Follow::Refused
            if record.verdict.follow == Follow::Refused
                && record.hub.is_some()
                && task.effect.kind != TaskKind::Sync =>
        {
            let note = ended.detail.as_deref();
            decisions::record(tx, task, DecisionKind::Failed, record.actor, note, now)?;
        }
        Follow::Landed(_) | Follow::Exists(_) | Follow::Again { .. } | Follow::Person | Follow::Refused => {}
    }
    match &follow {
        Follow::Person | Follow::Refused if task.effect.kind != TaskKind::Sync => landed::failed(tx, task, now)?,
        Follow::Person
        | Follow::Refused
        | Follow::Landed(_)
        | Follow::Exists(_)
        | Follow::Gone
        | Follow::Again { .. } => {}
    }
    attempts::end(tx, task.workspace, task.id, record.lease.epoch, &ended, now)?;
    let (lane, problem) = match mended_since(tx, record)? {
        // What the old credential was told must not stop the new one.
        true => (&LaneNote::Nothing, None),
        false => (&record.verdict.lane, record.verdict.problem),
    };
    let learned = circuit::learn(tx, task.workspace, task.hub, lane, now)?;
    match (&follow, ended.error_class) {
        (Follow::Landed(_), _) => health::hub_succeeded(tx, task.workspace, task.hub, now)?,
        // A full app and one that nobody automates are as they should be.
        (_, None | Some("rate_limited" | "not_supported" | "needs_human" | "sync_halted")) => {}
        (_, Some(_)) => health::hub_failed(tx, task.workspace, task.hub)?,
    }
    if let Some(cause) = problem {
        let message = ended.detail.as_deref().unwrap_or(cause.as_str());
        problems::report(tx, task.workspace, task.hub, cause, message, now)?;
    }
    if ended.error_class == Some(FailureClass::Unreachable.as_str()) && learned.failures >= ATTEMPTS {
        let message = ended.detail.as_deref().unwrap_or_default();
        problems::report(tx, task.workspace, task.hub, Cause::Unavailable, message, now)?;
    }
    if learned.back {
        set_aside::mended(tx, task.workspace, task.hub, Cause::Unavailable, now)?;
    }
    // It worked where it was set aside or refused before: what was mended is mended for all.
    if let (Follow::Landed(_), Some(cause)) = (&follow, task.error_class.as_deref().and_then(Cause::of_class)) {
        set_aside::mended(tx, task.workspace, task.hub, cause, now)?;
    }
    if let (Follow::Landed(landing), Some(hub)) = (&follow, record.hub)
        && task.effect.kind == TaskKind::Remove
        && landing.presence == Presence::Absent
        && hub.policy.max_seats.is_some()
    {
        holds::seat_freed(tx, task.workspace, task.hub, now)?;
    }
    if let Some(user) = task.user {
        match &follow {
            Follow::Landed(_) if added_as_another(task) => marks::touch(tx, task.workspace, task.hub, user, now)?,
            Follow::Exists(_) | Follow::Gone => marks::touch(tx, task.workspace, task.hub, user, now)?,
            Follow::Landed(_) | Follow::Again { .. } | Follow::Person | Follow::Refused => {
                marks::wake(tx, task.workspace, task.hub, user, now)?;
            }
        }
    }
    tell(tx, record, &follow, &ended, problem)
}

/// Whether an account was made with a role that no mapping gives: the app adds everybody so, and the
/// wanted role follows as an update. Permissions that add up are no single mapping's either: looking
/// at such a person once more finds them as wanted.
pub(super) fn added_as_another(task: &Task) -> bool {
    let Some(role) = task.effect.role.as_deref().filter(|_| task.effect.kind == TaskKind::Add) else { return false };
    !task.reasons.is_empty() && task.reasons.iter().all(|reason| reason.app_role != role)
}

/// Whether a person changed the hub's connection while an attempt ran that would stop its lane.
fn mended_since(tx: &mut Tx<'_>, record: &Record<'_>) -> Result<bool, StoreError> {
    let (LaneNote::Blocked(_), Some(hub)) = (&record.verdict.lane, record.hub) else { return Ok(false) };
    let workspace = record.task.workspace;
    // Whoever mends unblocks the lane in the transaction that changes the rest.
    lanes::lock(tx, workspace, hub.id, Locked::Wait)?;
    if hub_secrets::last_set(tx, workspace, hub.id)? != record.secrets_set {
        return Ok(true);
    }
    match hubs::load(tx, workspace, hub.id) {
        Ok(now) => Ok(now.connection != hub.connection),
        Err(StoreError::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

fn change(record: &Record<'_>, follow: &Follow) -> Change {
    let verdict = record.verdict;
    let event = match follow {
        Follow::Landed(_) => TaskEvent::Landed,
        Follow::Exists(_) | Follow::Gone => TaskEvent::Replan,
        Follow::Again { spends: false, crashed: false, .. } => TaskEvent::GivenBack,
        Follow::Again { crashed: true, .. } if record.actor == "sweep" => TaskEvent::Reclaimed,
        Follow::Again { .. } => TaskEvent::TryAgain,
        Follow::Person => TaskEvent::NeedsPerson,
        Follow::Refused => TaskEvent::Refused,
    };
    let mut change = Change::new(event, record.now);
    change.verify_first = verdict.verify_first;
    change.spent = match follow {
        Follow::Again { spends, .. } => i32::from(*spends),
        Follow::Landed(_) | Follow::Exists(_) | Follow::Gone | Follow::Person | Follow::Refused => 1,
    };
    change.crashed = i32::from(verdict.ended.error_class == Some("crashed"));
    change.error_class = verdict.ended.error_class;
    match follow {
        Follow::Again { after, effect, .. } => {
            let at = record.now.plus(*after);
            change.not_before = Some(record.earliest.map_or(at, |earliest| earliest.max(at)));
            change.effect = effect.clone();
        }
        Follow::Person => change.instructions = Some(record.instructions.to_owned()),
        Follow::Landed(_) | Follow::Exists(_) | Follow::Gone | Follow::Refused => {}
    }
    match follow {
        // Done is done: what went wrong before stands in the attempts.
        Follow::Landed(_) => change.error_class = None,
        Follow::Exists(_) | Follow::Gone | Follow::Again { .. } | Follow::Person | Follow::Refused => {
            change.error_detail = verdict.ended.detail.clone();
        }
    }
    change
}

/// Answers whose account it is when it is somebody else's.
fn land(
    tx: &mut Tx<'_>,
    record: &Record<'_>,
    landing: &Landing,
) -> Result<Option<crate::base::ids::UserId>, StoreError> {
    let Some(hub) = record.hub else { return Ok(None) };
    match landed::record(tx, record.task, hub, landing, record.ids, record.now)? {
        Recorded::In(_) => Ok(None),
        Recorded::BelongsTo(owner) => Ok(Some(owner)),
    }
}

fn tell(
    tx: &mut Tx<'_>,
    record: &Record<'_>,
    follow: &Follow,
    ended: &attempts::Ended,
    problem: Option<Cause>,
) -> Result<(), StoreError> {
    let kind = match follow {
        Follow::Landed(_) => "task.completed",
        Follow::Exists(_) | Follow::Gone => "task.replanned",
        Follow::Person => "task.needs_person",
        Follow::Refused => "task.not_completed",
        // Attempts have rows of their own; only what stops a hub or kills a process is news.
        Follow::Again { crashed: true, .. } => "task.crashed",
        Follow::Again { .. } => match problem {
            Some(_) => "hub.blocked",
            None => return Ok(()),
        },
    };
    let target = format!("task:{}", record.task.id);
    let entry = news(record, kind, &target, follow, ended, (record.ids.next(), record.now));
    activity::record(tx, record.task.workspace, &entry)
}

/// What the activity record says of an end.
pub(super) fn news<'a>(
    record: &Record<'a>,
    kind: &'a str,
    target: &'a str,
    follow: &Follow,
    ended: &attempts::Ended,
    (id, at): (Uuid, Micros),
) -> Entry<'a> {
    let task = record.task;
    Entry {
        id,
        at,
        kind,
        actor: record.actor,
        target,
        hub: Some(task.hub),
        user: task.user,
        task: Some(task.id),
        request_id: task.request_id.as_deref(),
        detail: json!({
            "task_kind": task.effect.kind.as_str(),
            "cause": task.cause,
            "role": task.effect.role,
            "outcome": ended.outcome,
            "class": ended.error_class,
            "attempt": record.lease.epoch,
            "landed": match follow {
                // A sync tells account by account.
                Follow::Landed(_) if task.effect.kind == TaskKind::Sync => None,
                Follow::Landed(landing) => Some(landing.told(task)),
                Follow::Exists(_) | Follow::Gone | Follow::Again { .. } | Follow::Person | Follow::Refused => None,
            },
        }),
        personal: Some(json!({ "person": task.effect.principal.email })),
    }
}
