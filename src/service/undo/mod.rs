//! Undo: what tasks took is granted again, to people who are still here, through a plan that was
//! looked at. The planner goes by the rules as they are, so a task alone would be taken back at the
//! next look; what is granted again is an individual share (decision 011).

mod many;
mod share;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::json;

pub use self::many::Rest;
use super::scribe::{About, Scribe};
use super::whatif::look::{self, Make};
use super::whatif::steps::{Diff, Step, carry_out, mapping_diff};
use super::whatif::{Digest, Fate, Plan, Touched};
use super::{Caller, Context, ServiceError, rights};
use crate::base::ids::{HoldId, HubId, MappingId, TaskId, UserId, WorkspaceId};
use crate::base::limits::{MAPPING_CHANGES, UNDO_TASKS};
use crate::domain::catalog::Catalog;
use crate::domain::hub::Hub;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::Mapping;
use crate::domain::plan::takes_away;
use crate::domain::principal;
use crate::domain::task::{Task, TaskStatus};
use crate::store::task_list::{self, Common};
use crate::store::users::{self, UserRow};
use crate::store::{DbConn, StoreError, Tx, holds, hubs as hub_rows, mappings as rows, parents, tasks};

/// What is to be granted again.
#[derive(Clone, Debug)]
pub enum Taken {
    /// What this task took; of a parent, what its children took.
    ByTask(TaskId),
    /// What everything took that was let out of this held batch.
    ByHold(HoldId),
    /// What everything took that this request led to.
    ByRequest(String),
}

impl Taken {
    /// By the id in a path.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for what is no id.
    pub fn by_task(id: &str) -> Result<Self, ServiceError> {
        id.parse().map(Self::ByTask).map_err(|_| ServiceError::NotFound("task"))
    }

    /// By the id of a held batch in a path.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] for what is no id.
    pub fn by_hold(id: &str) -> Result<Self, ServiceError> {
        id.parse().map(Self::ByHold).map_err(|_| ServiceError::NotFound("held batch"))
    }

    fn target(&self) -> String {
        match self {
            Self::ByTask(id) => format!("task:{id}"),
            Self::ByHold(id) => format!("hold:{id}"),
            Self::ByRequest(id) => format!("request:{id}"),
        }
    }
}

/// What undoing would mean, with its digest. Who is left out, and why, stands in the notes.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::Conflict`] when nothing was taken.
pub async fn look(context: &Context, caller: &Caller, taken: Taken) -> Result<Plan, ServiceError> {
    let scribe = Scribe::new(context, caller);
    // Looking is not doing: who may read the hubs may see it (an auditor, for one).
    let (make, reader, catalog) = (maker(context, &scribe, taken), scribe.clone(), context.catalog.clone());
    let readable = move |conn: &mut DbConn| {
        let diff = make(conn)?;
        rights::check_look(conn, &reader, &catalog, &diff)?;
        Ok(diff)
    };
    Ok(bounded(look::show(context, &scribe, readable).await?))
}

/// The same plan with the first names of many; counts and digest are those of all.
fn bounded(mut plan: Plan) -> Plan {
    for effect in &mut plan.effects {
        effect.more += effect.people.len().saturating_sub(MAPPING_CHANGES);
        effect.people.truncate(MAPPING_CHANGES);
    }
    let more = plan.mappings.len().saturating_sub(MAPPING_CHANGES);
    plan.mappings.truncate(MAPPING_CHANGES);
    let left_out = plan.notes.len().saturating_sub(MAPPING_CHANGES);
    plan.notes.truncate(MAPPING_CHANGES);
    if more > 0 {
        plan.notes.push(format!("{more} more individual shares are not listed here; the digest covers them all"));
    }
    if left_out > 0 {
        plan.notes.push(format!("{left_out} more people are not granted again, for reasons like these"));
    }
    plan
}

/// An undo that was begun.
pub struct Begun {
    /// What it means, as it was shown; names and shares of the first of many.
    pub plan: Plan,
    /// What is still to be written; `None` where all is.
    pub rest: Option<Rest>,
}

/// Grant it again, where that still means what was looked at. Up to two hundred shares are written at
/// once; of more the caller finishes the [`Rest`], batch by batch, so that nobody waits for a transaction
/// of thousands of rows.
///
/// # Errors
/// As [`look`]; [`ServiceError::Invalid`] without a digest, [`ServiceError::Moved`] when it is
/// another one by now, [`ServiceError::Conflict`] when nobody can be granted anything again.
pub async fn undo(
    context: &Context,
    caller: &Caller,
    taken: Taken,
    expect: Option<Digest>,
) -> Result<Begun, ServiceError> {
    let Some(expect) = expect else {
        return Err(ServiceError::Invalid(String::from(
            "an undo needs ?expect=DIGEST: look at it first with GET, which shows its digest",
        )));
    };
    let (scribe, catalog, keyring) = (Scribe::new(context, caller), context.catalog.clone(), context.keyring.clone());
    let make = maker(context, &scribe, taken.clone());
    let (first, reader, now, apps) = (make.clone(), scribe.clone(), scribe.now, context.catalog.clone());
    let size = context
        .store
        .read(move |conn| {
            let diff = first(conn)?;
            if diff.steps.len() <= MAPPING_CHANGES {
                return Ok(Size::Few(diff.touched.iter().map(|one| one.hub.slug.to_string()).collect()));
            }
            many::check_rights(conn, &reader, &apps, &diff.steps)?;
            let effects = look::agreed(conn, reader.workspace, &apps, &diff, expect, now)?;
            Ok::<_, ServiceError>(Size::Many(many::work(&diff.steps), Box::new(Plan { effects, ..diff.plan })))
        })
        .await;
    let hubs = match size {
        Ok(Size::Few(hubs)) => hubs,
        Ok(Size::Many(work, plan)) => {
            let mut plan = Plan { digest: expect.to_string(), ..bounded(*plan) };
            plan.request = Some(scribe.request_id().to_owned());
            let rest = Rest { context: context.clone(), scribe, taken, work, left_out: plan.notes.len() };
            return Ok(Begun { plan, rest: Some(rest) });
        }
        Err(ServiceError::Moved(plan)) => return Err(ServiceError::Moved(Box::new(bounded(*plan)))),
        Err(other) => return Err(other),
    };
    let writer = scribe.clone();
    let (mut plan, effects) = look::change(context, &scribe, hubs, Some(expect), make, move |tx, diff, effects| {
        let plan = diff.plan;
        if diff.steps.is_empty() {
            return Err(ServiceError::Conflict(format!("nobody is granted anything again: {}", plan.notes.join("; "))));
        }
        for step in &diff.steps {
            carry_out(tx, &writer, &catalog, &keyring, step)?;
        }
        let hub = diff.touched.first().map(|one| one.hub.id);
        record(tx, &writer, &taken, hub, (diff.steps.len(), plan.notes.len()))?;
        Ok((plan, effects))
    })
    .await?;
    plan.effects = Arc::unwrap_or_clone(effects);
    plan.digest = expect.to_string();
    plan.request = Some(scribe.request_id().to_owned());
    context.nudge.planner();
    Ok(Begun { plan, rest: None })
}

/// Where an undo is written.
enum Size {
    /// In one transaction, over these hubs.
    Few(Vec<String>),
    /// In batches.
    Many(Vec<(HubId, Vec<TaskId>)>, Box<Plan>),
}

/// The one record of an undo: how many were granted again, how many not.
fn record(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    taken: &Taken,
    hub: Option<HubId>,
    (again, left_out): (usize, usize),
) -> Result<(), StoreError> {
    let about = About {
        target: &taken.target(),
        hub,
        task: match taken {
            Taken::ByTask(id) => Some(*id),
            Taken::ByHold(_) | Taken::ByRequest(_) => None,
        },
        detail: json!({ "granted_again": again, "left_out": left_out }),
        ..About::default()
    };
    scribe.record(tx, "access.granted_again", about)
}

fn maker(context: &Context, scribe: &Scribe, taken: Taken) -> impl Make + use<> {
    let (scribe, catalog) = (scribe.clone(), context.catalog.clone());
    move |conn| diff(conn, &scribe, &catalog, &taken)
}

fn diff(conn: &mut DbConn, scribe: &Scribe, catalog: &Catalog, taken: &Taken) -> Result<Diff, ServiceError> {
    let found = tasks_of(conn, scribe, taken)?;
    let people: BTreeSet<UserId> = found.iter().filter_map(|task| task.user).collect();
    let people: Vec<UserId> = people.into_iter().collect();
    let here: BTreeMap<UserId, UserRow> =
        users::load_many(conn, scribe.workspace, &people)?.into_iter().map(|user| (user.id, user)).collect();
    let mut by_hub: BTreeMap<HubId, Vec<Task>> = BTreeMap::new();
    for task in found {
        by_hub.entry(task.hub).or_default().push(task);
    }
    let mut diff = Diff::default();
    for (id, tasks) in by_hub {
        let hub = match hub_rows::load(conn, scribe.workspace, id) {
            Ok(hub) => hub,
            Err(StoreError::NotFound) => {
                diff.plan.notes.push(format!("{} not granted again: the hub was removed", people_of(&tasks)));
                continue;
            }
            Err(other) => return Err(other.into()),
        };
        let app = rules::app(catalog, &hub.app).map_err(ServiceError::Invalid)?;
        let present = rows::of_hub(conn, scribe.workspace, id)?;
        let shares: HashMap<String, &Mapping> = present.iter().filter_map(share::keyed).collect();
        let mut after: BTreeMap<MappingId, Mapping> = present.iter().map(|one| (one.id, one.clone())).collect();
        let mut again = BTreeSet::new();
        let mut done = BTreeSet::new();
        // The oldest first: what was held before all of them is what is granted again.
        for task in &tasks {
            if task.user.is_some() && !done.insert(task.user) {
                continue;
            }
            match share::of(scribe, app, &hub, &shares, task, task.user.and_then(|user| here.get(&user))) {
                Ok(step) => {
                    again.extend(task.user);
                    add(&mut diff, &mut after, &hub, step);
                }
                Err(why) => diff.plan.notes.push(format!("{} is not granted again: {why}", name(task))),
            }
        }
        // A share is one person's: nobody else is reached by it.
        if !again.is_empty() {
            diff.touched.push(Touched {
                was: Some(hub.clone()),
                hub,
                before: present,
                after: after.into_values().collect(),
                fate: Fate::Stays,
                only: Some(again),
            });
        }
    }
    Ok(diff)
}

fn name(task: &Task) -> String {
    principal::display(&task.effect.principal)
}

fn people_of(tasks: &[Task]) -> String {
    tasks.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn tasks_of(conn: &mut DbConn, scribe: &Scribe, taken: &Taken) -> Result<Vec<Task>, ServiceError> {
    let workspace = scribe.workspace;
    match taken {
        Taken::ByTask(id) => match tasks::load(conn, workspace, *id) {
            Err(StoreError::NotFound) => match parents::load(conn, workspace, *id) {
                Err(StoreError::NotFound) => Err(ServiceError::NotFound("task")),
                Err(other) => Err(other.into()),
                Ok(_) => together(conn, workspace, Common::Parent(*id), "batch"),
            },
            Err(other) => Err(other.into()),
            Ok(task) => Ok(vec![took(task)?]),
        },
        Taken::ByHold(id) => match holds::load(conn, workspace, *id) {
            Err(StoreError::NotFound) => Err(ServiceError::NotFound("held batch")),
            Err(other) => Err(other.into()),
            Ok(_) => together(conn, workspace, Common::Hold(*id), "held batch"),
        },
        Taken::ByRequest(id) => together(conn, workspace, Common::Request(id), "request"),
    }
}

/// The task itself, where it took something.
fn took(task: Task) -> Result<Task, ServiceError> {
    if task.status != TaskStatus::Completed {
        let status = task.status.as_str();
        return Err(ServiceError::Conflict(format!("this task is {status}: nothing was taken that could be undone")));
    }
    if !takes_away(&task) {
        return Err(ServiceError::Conflict(String::from(
            "this task gave something; to take it again, change the mapping that gives it",
        )));
    }
    Ok(task)
}

/// What these took together.
fn together(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    common: Common<'_>,
    word: &str,
) -> Result<Vec<Task>, ServiceError> {
    let most = i64::try_from(UNDO_TASKS).unwrap_or(i64::MAX);
    let mut found = task_list::taken(conn, workspace, common, most.saturating_add(1))?;
    if found.len() > UNDO_TASKS {
        return Err(ServiceError::Conflict(format!(
            "this {word} took something in more than {UNDO_TASKS} tasks: put its group or mapping back, or undo the \
             parts of it (its parent tasks in each hub, its held batches)"
        )));
    }
    found.retain(takes_away);
    if found.is_empty() {
        return Err(ServiceError::Conflict(format!("no completed removal or demotion came of this {word}")));
    }
    Ok(found)
}

fn add(diff: &mut Diff, after: &mut BTreeMap<MappingId, Mapping>, hub: &Hub, step: Step) {
    let Some((wanted, before)) = many::wish(&step) else { return };
    diff.plan.mappings.extend(mapping_diff(hub, before, Some(wanted)));
    after.insert(wanted.id, wanted.clone());
    diff.steps.push(step);
}
