//! Which tasks of a batch stand below a parent: those that one request caused in this hub (R5.13). A
//! batch of the planner may be a part of it, so a parent that is there already is joined.

use std::collections::BTreeMap;

use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, WorkspaceId};
use crate::base::limits::PARENT_OPEN;
use crate::base::random::Ids;
use crate::domain::parent::is_batch;
use crate::domain::task::Task;
use crate::store::marks::Mark;
use crate::store::parents::{self, Parent};
use crate::store::{StoreError, Tx};

/// Cause and request.
type Key = (String, String);

/// Why the pairs of a batch were looked at.
#[derive(Default)]
pub(super) struct Causes(BTreeMap<Key, Seen>);

/// What is known of one cause beside its tasks.
#[derive(Default)]
struct Seen {
    /// Pairs looked at.
    pairs: usize,
    /// Those that are looked at again later.
    coming: usize,
}

impl Causes {
    /// One pair was looked at; `later` when its mark stays.
    pub(super) fn note(&mut self, mark: &Mark, later: bool) {
        let Some(request) = &mark.request_id else { return };
        let seen = self.0.entry((mark.cause.clone(), request.clone())).or_default();
        seen.pairs += 1;
        seen.coming += usize::from(later);
    }
}

/// The hub whose batch it is, and whether the batch was as large as batches are.
pub(super) struct Nest<'a> {
    pub(super) workspace: WorkspaceId,
    pub(super) hub: HubId,
    pub(super) whole: bool,
    pub(super) ids: &'a Ids,
    pub(super) now: Micros,
}

/// Give new tasks their parents; answers those that were there before.
pub(super) fn nest(
    tx: &mut Tx<'_>,
    nest: &Nest<'_>,
    causes: &Causes,
    tasks: &mut [Task],
) -> Result<Vec<TaskId>, StoreError> {
    let mut made: BTreeMap<Key, usize> = BTreeMap::new();
    for task in tasks.iter() {
        *made.entry(key(task)).or_default() += 1;
    }
    made.retain(|(_, request), _| !request.is_empty());
    if made.is_empty() {
        return Ok(Vec::new());
    }
    let requests: Vec<&str> = made.keys().map(|(_, request)| request.as_str()).collect();
    let since = nest.now.minus(PARENT_OPEN);
    let found = parents::of_requests(tx, nest.workspace, nest.hub, &requests, since)?;
    // The newest of several wins: they come oldest first.
    let mut known: BTreeMap<Key, TaskId> =
        found.into_iter().map(|parent| ((parent.cause, parent.request_id), parent.id)).collect();
    let joined: Vec<TaskId> = known.iter().filter(|(key, _)| made.contains_key(*key)).map(|(_, id)| *id).collect();
    for (key, count) in made {
        let seen = causes.0.get(&key);
        let (pairs, coming) = seen.map_or((0, 0), |seen| (seen.pairs, seen.coming));
        if known.contains_key(&key) || !is_batch(count, coming, pairs, nest.whole) {
            continue;
        }
        let id = TaskId::from_uuid(nest.ids.next());
        let (cause, request_id) = key.clone();
        let parent = Parent { id, hub: nest.hub, cause, request_id, created_at: nest.now };
        parents::insert(tx, nest.workspace, &parent)?;
        known.insert(key, id);
    }
    for task in tasks {
        task.parent = known.get(&key(task)).copied();
    }
    Ok(joined)
}

fn key(task: &Task) -> Key {
    (task.cause.clone(), task.request_id.clone().unwrap_or_default())
}
