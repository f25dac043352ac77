//! An undo of many people, in batches: each is a short transaction that decides anew for its few people,
//! so that what moved since the look is not overwritten, and marks just them. The planner makes the
//! tasks, below one parent in each hub, because they all come of one request.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Taken, share};
use crate::base::ids::{HubId, TaskId, UserId};
use crate::base::limits::UNDO_BATCH;
use crate::domain::catalog::Catalog;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{HubRole, Mapping};
use crate::service::scribe::Scribe;
use crate::service::whatif::steps::Step;
use crate::service::{Context, ServiceError, hub_changes, rights};
use crate::store::marks::{self, Settle};
use crate::store::rules_lock::rules_change;
use crate::store::{DbConn, StoreError, Tx, hubs as hub_rows, mappings as rows, task_list, users};

/// What of an undo is still to be written.
pub struct Rest {
    pub(super) context: Context,
    pub(super) scribe: Scribe,
    pub(super) taken: Taken,
    pub(super) work: Vec<(HubId, Vec<TaskId>)>,
    pub(super) left_out: usize,
}

impl Rest {
    /// Write it, a batch at a time, and record at the end how many were granted again. Broken off (the
    /// process ends), what is written stays: a look shows the others, who can be granted again then.
    ///
    /// # Errors
    /// [`ServiceError::Store`], [`ServiceError::Missing`] where the right went meanwhile.
    pub async fn finish(self) -> Result<usize, ServiceError> {
        let Self { context, scribe, taken, work, left_out } = self;
        let first = work.first().map(|(hub, _)| *hub);
        let (mut again, mut late) = (0, 0);
        for (hub, tasks) in work {
            for batch in tasks.chunks(UNDO_BATCH) {
                let (scribe, catalog, ids) = (scribe.clone(), context.catalog.clone(), batch.to_vec());
                let done = context.store.write(move |tx| grant(tx, &scribe, &catalog, hub, &ids)).await?;
                again += done;
                late += batch.len().saturating_sub(done);
                context.nudge.planner();
            }
        }
        let counts = (again, left_out.saturating_add(late));
        context.store.write(move |tx| super::record(tx, &scribe, &taken, first, counts)).await?;
        Ok(again)
    }
}

/// The tasks whose taking is undone, by hub, in the order of the steps.
pub(super) fn work(steps: &[Step]) -> Vec<(HubId, Vec<TaskId>)> {
    let mut all: BTreeMap<HubId, Vec<TaskId>> = BTreeMap::new();
    for step in steps {
        if let (Some(task), Some((wanted, _))) = (share::undone(step), wish(step)) {
            all.entry(wanted.hub).or_default().push(task);
        }
    }
    all.into_iter().collect()
}

/// What a step of an undo wants, and what is there.
pub(super) fn wish(step: &Step) -> Option<(&Mapping, Option<&Mapping>)> {
    match step {
        Step::AddMapping(_, wanted) => Some((wanted, None)),
        Step::ChangeMapping { before, after, .. } => Some((after, Some(before))),
        Step::AddHub(_)
        | Step::ChangeHub { .. }
        | Step::RemoveHub(_)
        | Step::RemoveMapping(..)
        | Step::BindMapping { .. }
        | Step::Seal(..)
        | Step::Role(_) => None,
    }
}

/// Hold the steps against the rights of whoever makes them: in each hub once for people who use it and
/// once for those who run it. What an undo grants is never less than what is there.
pub(super) fn check_rights(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    steps: &[Step],
) -> Result<(), ServiceError> {
    let mut asked = BTreeSet::new();
    for step in steps {
        let Some((wanted, before)) = wish(step) else { continue };
        let runs = |mapping: &Mapping| mapping.hub_role > HubRole::Collaborator;
        if asked.insert((wanted.hub, runs(wanted) || before.is_some_and(runs))) {
            rights::check_step(conn, scribe, catalog, step)?;
        }
    }
    Ok(())
}

/// One batch. Answers how many were granted again.
fn grant(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    catalog: &Catalog,
    hub: HubId,
    ids: &[TaskId],
) -> Result<usize, ServiceError> {
    rules_change(tx, scribe.workspace)?;
    let hub = match hub_rows::load(tx, scribe.workspace, hub) {
        // Removed meanwhile: nobody holds anything there any more.
        Err(StoreError::NotFound) => return Ok(0),
        other => other?,
    };
    hub_rows::lock(tx, scribe.workspace, hub.slug.as_str())?;
    let app = rules::app(catalog, &hub.app).map_err(ServiceError::Invalid)?;
    let tasks = task_list::these(tx, scribe.workspace, ids)?;
    let people: Vec<UserId> = tasks.iter().filter_map(|task| task.user).collect();
    let here: BTreeMap<UserId, users::UserRow> =
        users::load_many(tx, scribe.workspace, &people)?.into_iter().map(|user| (user.id, user)).collect();
    let keys: Vec<String> = here.values().map(|user| share::key(&user.user_name)).collect();
    let present = rows::with_subjects(tx, scribe.workspace, hub.id, &keys)?;
    let shares: HashMap<String, &Mapping> = present.iter().filter_map(share::keyed).collect();
    let steps: Vec<Step> = tasks
        .iter()
        .filter_map(|task| share::of(scribe, app, &hub, &shares, task, task.user.and_then(|user| here.get(&user))).ok())
        .collect();
    check_rights(tx, scribe, catalog, &steps)?;
    for step in &steps {
        let Some((wanted, before)) = wish(step) else { continue };
        hub_changes::share_again(tx, scribe, &hub, wanted, before)?;
    }
    let reached: Vec<UserId> = steps
        .iter()
        .filter_map(|step| match wish(step)?.0.binding {
            crate::domain::mapping::Binding::User(user) => Some(user),
            crate::domain::mapping::Binding::Group(_)
            | crate::domain::mapping::Binding::Waiting
            | crate::domain::mapping::Binding::Gone => None,
        })
        .collect();
    marks::put(
        tx,
        scribe.workspace,
        &[hub.id],
        &reached,
        scribe.now,
        Settle::OfHub,
        &scribe.change("mapping_changed"),
    )?;
    Ok(steps.len())
}
