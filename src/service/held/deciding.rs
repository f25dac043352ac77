//! A person decides about a held batch: releases all, some or one, once or until a time, or rejects.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::kept_back::{self, KeptBack};
use super::{HoldView, digest, load, parse, show};
use crate::base::clock::Micros;
use crate::base::ids::{HoldId, TaskId};
use crate::base::limits::GUARD_PASS;
use crate::domain::catalog::Catalog;
use crate::domain::decision::DecisionKind;
use crate::domain::guard::HoldReason;
use crate::domain::rights::Action;
use crate::service::scribe::{About, Scribe};
use crate::service::tasks as task_views;
use crate::service::{Caller, Context, ServiceError, leavers, rights};
use crate::store::passes::{self, Pass};
use crate::store::task_moves::ByHand;
use crate::store::{StoreError, Tx, holds, released, waits};

/// Tasks decided in one transaction: a batch of thousands must not keep other writers waiting.
const AT_ONCE: usize = 250;

/// Which tasks of a batch are meant, and for how long.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Task ids; all where absent.
    pub tasks: Option<Vec<String>>,
    /// Why, in a person's words; needed by a rejection that lets somebody who left stay in the app.
    pub note: Option<String>,
    /// With a release of the whole batch: whatever else meets the same limit of the hub goes out
    /// as well before this time (RFC 3339, at most seven days ahead). Once, where absent.
    pub until: Option<String>,
    /// The batch's `digest` as it was shown: what has come since is not decided unseen.
    pub expect: Option<String>,
}

/// What a person decides about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it go.
    Release,
    /// It shall not happen.
    Reject,
}

/// Release or reject a batch, or some of its tasks: a few hundred in one transaction, people who
/// left first. What was not reached when the server is stopped on the way stays held.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] when it was decided already;
/// [`ServiceError::Invalid`] when a task named is not held in it, or `until` does not fit;
/// [`ServiceError::InvalidFields`] when a rejection without a note lets somebody who left stay in the app.
pub async fn decide(
    context: &Context,
    caller: &Caller,
    id: &str,
    verdict: Verdict,
    choice: Choice,
) -> Result<HoldView, ServiceError> {
    let id = parse(id)?;
    let note: Option<Arc<str>> = task_views::note(choice.note)?.map(Into::into);
    let until = until(choice.until.as_deref(), verdict, choice.tasks.is_some(), context.clock.now())?;
    let only = choice
        .tasks
        .map(|ids| ids.iter().map(|id| id.parse::<TaskId>()).collect::<Result<Vec<_>, _>>())
        .transpose()
        .map_err(|_| ServiceError::Invalid(String::from("tasks must be ids of tasks in this batch")))?;
    if only.as_ref().is_some_and(Vec::is_empty) {
        return Err(ServiceError::Invalid(String::from("tasks names nobody; leave it out to mean all")));
    }
    let (workspace, expect, asker, said) = (caller.workspace, choice.expect, caller.clone(), note.clone());
    let chosen = context
        .store
        .read(move |conn| {
            let hold = load(conn, workspace, id)?;
            if hold.status != "open" {
                return Err(decided_already(&hold.status));
            }
            if let Some(reason) = HoldReason::from_word(&hold.reason).filter(|_| verdict == Verdict::Release) {
                may_release(&asker, reason, only.is_some(), until.is_some())?;
            }
            let all = holds::task_ids(conn, workspace, id)?;
            if expect.is_some_and(|shown| shown != digest(&all)) {
                return Err(ServiceError::Conflict(format!(
                    "this batch changed since it was shown: it holds {} tasks now; look at it again",
                    all.len()
                )));
            }
            let ids = chosen(all, only)?;
            if verdict == Verdict::Reject && said.is_none() {
                // Before the first of several transactions; each asks again.
                for part in ids.chunks(AT_ONCE) {
                    let tasks = holds::these(conn, workspace, id, part)?;
                    leavers::demand_note(conn, workspace, &tasks, None)?;
                }
            }
            Ok(ids)
        })
        .await?;
    let scribe = Scribe::new(context, caller);
    if let Some(until) = until {
        let (scribe, note) = (scribe.clone(), note.clone());
        context.store.write(move |tx| give_pass(tx, &scribe, id, until, note.as_deref())).await?;
    }
    let mut parts: Vec<Vec<TaskId>> = chosen.chunks(AT_ONCE).map(<[TaskId]>::to_vec).collect();
    if parts.is_empty() {
        // All of nothing: the batch is only closed.
        parts.push(Vec::new());
    }
    let mut kept_back = Vec::new();
    for part in parts {
        let (scribe, note, apps) = (scribe.clone(), note.clone(), Arc::clone(&context.catalog));
        let decision = move |tx: &mut Tx<'_>| decide_some(tx, &scribe, &apps, id, verdict, &part, note.as_deref());
        kept_back.extend(context.store.write(decision).await?);
        context.nudge.workers();
    }
    context.nudge.planner();
    let view = show(context, caller, &id.to_string()).await?;
    Ok(HoldView { kept_back, ..view })
}

/// Whether this person may release what is held for this reason, in this way.
fn may_release(asker: &Caller, reason: HoldReason, named: bool, until: bool) -> Result<(), ServiceError> {
    let word = reason.as_str();
    if reason.is_protection() {
        rights::demand(asker, Action::ProtectMembers)?;
    }
    if until && !reason.may_pass() {
        let why = format!("until: what is held as {word} is decided for those who are held, never until a time");
        return Err(ServiceError::Invalid(why));
    }
    if reason.is_by_name() && !named {
        let why =
            format!("tasks: what is held as {word} is released change by change: name those that shall go out once");
        return Err(ServiceError::Invalid(why));
    }
    Ok(())
}

fn decided_already(status: &str) -> ServiceError {
    ServiceError::Conflict(format!("this batch was {status} already"))
}

/// The end of a pass, held against what it may be.
fn until(given: Option<&str>, verdict: Verdict, some: bool, now: Micros) -> Result<Option<Micros>, ServiceError> {
    let Some(text) = given else { return Ok(None) };
    let wrong = |why: &str| Err(ServiceError::Invalid(format!("until: {why}")));
    match verdict {
        Verdict::Reject => return wrong("only a release can go on until a time"),
        Verdict::Release if some => return wrong("it goes with the whole batch, not with some of its tasks"),
        Verdict::Release => {}
    }
    match Micros::parse_rfc3339(text) {
        None => wrong("a time such as 2026-11-26T18:00:00Z"),
        Some(at) if at <= now => wrong("that time has passed"),
        Some(at) if at > now.plus(GUARD_PASS) => wrong("at most seven days ahead"),
        Some(at) => Ok(Some(at)),
    }
}

/// The ids of the held tasks meant, people who left first; each id named must be one of them.
fn chosen(all: Vec<TaskId>, only: Option<Vec<TaskId>>) -> Result<Vec<TaskId>, ServiceError> {
    let Some(mut only) = only else { return Ok(all) };
    only.sort_unstable();
    only.dedup();
    let found: Vec<TaskId> = all.into_iter().filter(|id| only.binary_search(id).is_ok()).collect();
    if found.len() == only.len() {
        return Ok(found);
    }
    Err(ServiceError::Invalid(String::from("some of these tasks are not held in this batch")))
}

fn give_pass(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    id: HoldId,
    until: Micros,
    note: Option<&str>,
) -> Result<(), ServiceError> {
    let hold = load(tx, scribe.workspace, id)?;
    let Some(reason) = HoldReason::from_word(&hold.reason) else { return Ok(()) };
    let pass =
        Pass { hub: hold.hub, reason, hold: id, until, given_by: scribe.actor.clone(), note: note.map(str::to_owned) };
    passes::give(tx, scribe.workspace, &pass, scribe.now)?;
    let target = format!("hold:{id}");
    let detail = json!({ "reason": hold.reason, "until": until.to_rfc3339() });
    let personal = note.map(|note| json!({ "note": note }));
    let about = About { target: &target, hub: Some(hold.hub), detail, personal, ..About::default() };
    Ok(scribe.record(tx, "hold.pass_given", about)?)
}

/// Decide these tasks, as far as they are still held; close the batch where nothing is left. Answers
/// what stays held though it was to be released.
fn decide_some(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    apps: &Catalog,
    id: HoldId,
    verdict: Verdict,
    part: &[TaskId],
    note: Option<&str>,
) -> Result<Vec<KeptBack>, ServiceError> {
    let workspace = scribe.workspace;
    let (part, kept_back) = match verdict {
        Verdict::Release => {
            let hold = load(tx, workspace, id)?;
            kept_back::part(tx, scribe, apps, &hold, part)?
        }
        Verdict::Reject => (part.to_vec(), Vec::new()),
    };
    let part = part.as_slice();
    let hold = match holds::lock(tx, workspace, id) {
        Err(StoreError::NotFound) => return Err(ServiceError::NotFound("held batch")),
        other => other?,
    };
    if hold.status != "open" {
        return Err(decided_already(&hold.status));
    }
    let (word, kind, decided) = match verdict {
        Verdict::Release => ("released", "hold.released", released::release(tx, workspace, id, part, scribe.now)?),
        Verdict::Reject => {
            let by = ByHand { actor: &scribe.actor, note, now: scribe.now };
            let tasks = holds::these(tx, workspace, id, part)?;
            for task in &tasks {
                task_views::cancel(tx, scribe, task, &by, DecisionKind::Rejected)?;
            }
            ("rejected", "hold.rejected", tasks.len())
        }
    };
    // What a person lets out of the guard still waits where its app refuses changes.
    if verdict == Verdict::Release
        && let Some(wait) = waits::current(tx, workspace, hold.hub, scribe.now)?
    {
        waits::hold_back(tx, workspace, hold.hub, &wait, Some(id), scribe.now)?;
    }
    if released::left(tx, workspace, id)? == 0 {
        holds::close(tx, workspace, id, word, &scribe.actor, note, scribe.now)?;
    }
    let target = format!("hold:{id}");
    let ids: Vec<String> = part.iter().map(ToString::to_string).collect();
    let detail = match kept_back.as_slice() {
        [] => json!({ "reason": hold.reason, "tasks": decided, "ids": ids }),
        kept => json!({ "reason": hold.reason, "tasks": decided, "ids": ids, "kept_back": kept }),
    };
    let personal = note.map(|note| json!({ "note": note }));
    let about = About { target: &target, hub: Some(hold.hub), detail, personal, ..About::default() };
    scribe.record(tx, kind, about)?;
    Ok(kept_back)
}

/// End a pass before its time.
///
/// # Errors
/// [`ServiceError::NotFound`] when none was given with this batch, or it ended already.
pub async fn end_pass(context: &Context, caller: &Caller, id: &str) -> Result<(), ServiceError> {
    let id = parse(id)?;
    let scribe = Scribe::new(context, caller);
    context
        .store
        .write(move |tx| {
            let hold = load(tx, scribe.workspace, id)?;
            if !passes::end(tx, scribe.workspace, id, scribe.now)? {
                return Err(ServiceError::NotFound("pass of this held batch"));
            }
            let target = format!("hold:{id}");
            let detail = json!({ "reason": hold.reason });
            let about = About { target: &target, hub: Some(hold.hub), detail, ..About::default() };
            Ok(scribe.record(tx, "hold.pass_ended", about)?)
        })
        .await
}
