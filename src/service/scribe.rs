//! Who does what and when, carried into a transaction: one change writes its activity record and
//! its marks with the same actor, moment and request.

use std::sync::Arc;

use serde_json::Value;

use super::{Caller, Context};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, TaskId, UserId, WorkspaceId};
use crate::base::random::Ids;
use crate::store::activity::{self, Entry};
use crate::store::marks::Change;
use crate::store::{StoreError, Tx};

/// The author of one change. Cheap to clone into a closure that may run again.
#[derive(Clone, Debug)]
pub(super) struct Scribe {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// `token:<id>` or `cli`.
    pub actor: String,
    /// Whoever it is, with their rights.
    pub caller: Caller,
    /// The moment of the change.
    pub now: Micros,
    request_id: Arc<str>,
    ids: Ids,
}

/// What an activity record is about, beyond who and when.
#[derive(Clone, Debug, Default)]
pub(super) struct About<'a> {
    /// `hub:<slug>`, `task:<id>` …
    pub target: &'a str,
    /// The hub.
    pub hub: Option<HubId>,
    /// The person.
    pub user: Option<UserId>,
    /// The task.
    pub task: Option<TaskId>,
    /// The facts; no secrets, no personal data.
    pub detail: Value,
    /// Personal data.
    pub personal: Option<Value>,
}

impl Scribe {
    /// The caller, now.
    pub fn new(context: &Context, caller: &Caller) -> Self {
        Self {
            workspace: caller.workspace,
            actor: caller.actor(),
            caller: caller.clone(),
            now: context.clock.now(),
            request_id: Arc::clone(&caller.request_id),
            ids: context.ids.clone(),
        }
    }

    /// The request behind the change.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// A fresh identifier.
    pub fn id(&self) -> uuid::Uuid {
        self.ids.next()
    }

    /// The change for marks.
    pub fn change<'a>(&'a self, cause: &'a str) -> Change<'a> {
        Change { cause, request_id: Some(&self.request_id), now: self.now }
    }

    /// Write an activity record.
    pub fn record(&self, tx: &mut Tx<'_>, kind: &str, about: About<'_>) -> Result<(), StoreError> {
        let entry = Entry {
            id: self.id(),
            at: self.now,
            kind,
            actor: &self.actor,
            target: about.target,
            hub: about.hub,
            user: about.user,
            task: about.task,
            request_id: Some(&self.request_id),
            detail: about.detail,
            personal: about.personal,
        };
        activity::record(tx, self.workspace, &entry)
    }
}
