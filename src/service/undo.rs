//! Undo: what tasks took is granted again, to people who are still here, through a plan that was
//! looked at. The planner goes by the rules as they are, so a task alone would be taken back at the
//! next look; what is granted again is an individual share (decision 011).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::scribe::{About, Scribe};
use super::whatif::look::{self, Make};
use super::whatif::steps::{Diff, Step, carry_out, mapping_diff};
use super::whatif::{Digest, Fate, Plan, Touched};
use super::{Caller, Context, ServiceError, rights};
use crate::base::ids::{HoldId, HubId, MappingId, TaskId, UserId, WorkspaceId};
use crate::base::limits::MAPPING_CHANGES;
use crate::domain::app::App;
use crate::domain::assets;
use crate::domain::catalog::Catalog;
use crate::domain::hub::Hub;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use crate::domain::permissions::Permissions;
use crate::domain::plan::takes_away;
use crate::domain::principal;
use crate::domain::task::{Before, Task, TaskKind, TaskStatus};
use crate::store::task_list::{self, Common};
use crate::store::users::{self, UserRow};
use crate::store::{DbConn, StoreError, holds, hubs as hub_rows, mappings as rows, parents, tasks};

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
    look::show(context, &scribe, readable).await
}

/// Grant it again, where that still means what was looked at.
///
/// # Errors
/// As [`look`]; [`ServiceError::Invalid`] without a digest, [`ServiceError::Moved`] when it is
/// another one by now, [`ServiceError::Conflict`] when nobody can be granted anything again.
pub async fn undo(
    context: &Context,
    caller: &Caller,
    taken: Taken,
    expect: Option<Digest>,
) -> Result<Plan, ServiceError> {
    let Some(expect) = expect else {
        return Err(ServiceError::Invalid(String::from(
            "an undo needs ?expect=DIGEST: look at it first with GET, which shows its digest",
        )));
    };
    let (scribe, catalog, keyring) = (Scribe::new(context, caller), context.catalog.clone(), context.keyring.clone());
    let make = maker(context, &scribe, taken.clone());
    let first = make.clone();
    let hubs = context
        .store
        .read(move |conn| {
            Ok::<_, ServiceError>(first(conn)?.touched.iter().map(|one| one.hub.slug.to_string()).collect())
        })
        .await?;
    let writer = scribe.clone();
    let (mut plan, effects) = look::change(context, &scribe, hubs, Some(expect), make, move |tx, diff, effects| {
        let mut plan = diff.plan;
        if diff.steps.is_empty() {
            return Err(ServiceError::Conflict(format!("nobody is granted anything again: {}", plan.notes.join("; "))));
        }
        for step in &diff.steps {
            carry_out(tx, &writer, &catalog, &keyring, step, &mut plan)?;
        }
        let about = About {
            target: &taken.target(),
            hub: diff.touched.first().map(|one| one.hub.id),
            task: match &taken {
                Taken::ByTask(id) => Some(*id),
                Taken::ByHold(_) | Taken::ByRequest(_) => None,
            },
            detail: json!({ "granted_again": diff.steps.len(), "left_out": plan.notes.len() }),
            ..About::default()
        };
        writer.record(tx, "access.granted_again", about)?;
        Ok((plan, effects))
    })
    .await?;
    plan.effects = Arc::unwrap_or_clone(effects);
    plan.digest = expect.to_string();
    plan.request = Some(scribe.request_id().to_owned());
    context.nudge.planner();
    Ok(plan)
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
        let mut after = present.clone();
        let mut done = BTreeSet::new();
        // The oldest first: what was held before all of them is what is granted again.
        for task in &tasks {
            if task.user.is_some() && !done.insert(task.user) {
                continue;
            }
            match share(scribe, app, &hub, &present, task, task.user.and_then(|user| here.get(&user))) {
                Ok(step) => add(&mut diff, &mut after, &hub, step),
                Err(why) => diff.plan.notes.push(format!("{} is not granted again: {why}", name(task))),
            }
        }
        if after != present {
            diff.touched.push(Touched {
                was: Some(hub.clone()),
                hub,
                before: present,
                after,
                fate: Fate::Stays,
                only: None,
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
    let most = i64::try_from(MAPPING_CHANGES).unwrap_or(i64::MAX);
    let mut found = task_list::taken(conn, workspace, common, most.saturating_add(1))?;
    if found.len() > MAPPING_CHANGES {
        return Err(ServiceError::Conflict(format!(
            "this {word} took something from more than {MAPPING_CHANGES} people: put its group or mapping back \
             instead of granting so many individual shares"
        )));
    }
    found.retain(takes_away);
    if found.is_empty() {
        return Err(ServiceError::Conflict(format!("no completed removal or demotion came of this {word}")));
    }
    Ok(found)
}

/// The share that gives back what the task took, or why there is none.
fn share(
    scribe: &Scribe,
    app: &App,
    hub: &Hub,
    present: &[Mapping],
    task: &Task,
    user: Option<&UserRow>,
) -> Result<Step, String> {
    let user = user.ok_or("the person is not here any more")?;
    if !user.active {
        return Err(String::from("the person left (deactivated at the identity provider)"));
    }
    let before = match (&task.effect.before, task.effect.kind) {
        (Some(before), _) => before.as_ref().clone(),
        // Planned by an earlier version: a removal names the role held.
        (None, TaskKind::Remove) => Before {
            role: task.effect.role.clone(),
            assets: task.effect.assets.clone(),
            hub_role: task.effect.hub_role,
        },
        (None, TaskKind::UpdateRole | TaskKind::Add | TaskKind::Sync) => {
            return Err(String::from("what was held before was not recorded"));
        }
    };
    let app_role = before.role.unwrap_or_default();
    if !app.roles.is_empty() || !app_role.is_empty() {
        rules::role(app, &app_role)?;
    }
    let subject = SubjectName::User(user.user_name.clone());
    let key = rows::subject_key(&subject, None);
    let same = |one: &&Mapping| rows::subject_key(&one.subject, one.source) == key && one.scope.is_none();
    let found = present.iter().find(same);
    if let Some(owner) = found.and_then(|found| found.owner.as_deref()) {
        return Err(format!("the individual share belongs to '{owner}'; change it there"));
    }
    let mut wanted = Mapping {
        id: found.map_or_else(|| MappingId::from_uuid(scribe.id()), |found| found.id),
        hub: hub.id,
        subject,
        source: None,
        binding: Binding::User(user.id),
        scope: None,
        hub_role: before.hub_role.unwrap_or(HubRole::Collaborator),
        app_role,
        seat: true,
        assets: before.assets,
        owner: None,
        file_ref: Some(format!("granted again by {}, undo of task {}", scribe.actor, task.id)),
        confirmed_at: scribe.now,
    };
    if let Some(found) = found.filter(|found| found.seat) {
        never_lower(app, found, &mut wanted);
    }
    Ok(match found {
        Some(found) if gives_alike(found, &wanted) => {
            return Err(String::from("an individual share gives it already, or more"));
        }
        Some(found) => {
            Step::ChangeMapping { hub: hub.clone(), before: Box::new(found.clone()), after: Box::new(wanted) }
        }
        None => Step::AddMapping(hub.clone(), wanted),
    })
}

/// Somebody may have been given more since: an undo takes nothing of that.
fn never_lower(app: &App, found: &Mapping, wanted: &mut Mapping) {
    wanted.hub_role = wanted.hub_role.max(found.hub_role);
    wanted.assets = assets::united(wanted.assets.iter().chain(&found.assets));
    if app.ranked && app.rank(&found.app_role) > app.rank(&wanted.app_role) {
        wanted.app_role.clone_from(&found.app_role);
    } else if !app.ranked {
        let (before, since) = (Permissions::read(&wanted.app_role), Permissions::read(&found.app_role));
        let all: Permissions = before.ids().chain(since.ids()).map(str::to_owned).collect();
        wanted.app_role = all.settle(app, &since).0.to_string();
    }
}

/// Whether two mappings give the same to whom they name.
fn gives_alike(one: &Mapping, other: &Mapping) -> bool {
    let but_assets = |mapping: &Mapping| (mapping.hub_role, mapping.app_role.clone(), mapping.seat);
    but_assets(one) == but_assets(other) && assets::diff(&one.assets, &other.assets).is_empty()
}

fn add(diff: &mut Diff, after: &mut Vec<Mapping>, hub: &Hub, step: Step) {
    let (before, wanted) = match &step {
        Step::AddMapping(_, wanted) => (None, wanted),
        Step::ChangeMapping { before, after, .. } => (Some(before.as_ref()), after.as_ref()),
        Step::AddHub(_)
        | Step::ChangeHub { .. }
        | Step::RemoveHub(_)
        | Step::RemoveMapping(..)
        | Step::BindMapping { .. }
        | Step::Seal(..) => return,
    };
    diff.plan.mappings.extend(mapping_diff(hub, before, Some(wanted)));
    after.retain(|one| one.id != wanted.id);
    after.push(wanted.clone());
    diff.steps.push(step);
}
