//! Choosing work: one short transaction takes ready tasks of the hub that waited longest, and
//! what a worker needs for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::EngineError;
use super::worker::Worker;
use crate::base::secret::SecretString;
use crate::domain::hub::Hub;
use crate::domain::slots::Slots;
use crate::domain::task::Task;
use crate::store::claims::{self, Wish};
use crate::store::lanes::Company;
use crate::store::leases::{Holder, Lease};
use crate::store::{StoreError, Tx};

/// A task with the right to run it once.
#[derive(Debug)]
pub struct Claimed {
    /// The task, as claimed.
    pub task: Task,
    /// Under which it runs.
    pub lease: Lease,
    /// On the monotonic clock: nothing is sent after this.
    pub deadline: Duration,
    /// The hub as the first attempt of this claim found it, shared by the others.
    pub(super) ground: Arc<OnceCell<Ground>>,
}

/// What attempts of one hub stand on.
#[derive(Debug)]
pub(super) struct Ground {
    pub hub: Hub,
    /// When a secret of the hub was last set.
    pub secrets_set: Option<i64>,
    /// Its secrets, or why they cannot be opened.
    pub secrets: Result<BTreeMap<String, SecretString>, StoreError>,
}

/// What one claim gave.
#[derive(Debug, Default)]
pub struct Taken {
    /// All of one hub.
    pub tasks: Vec<Claimed>,
    /// Another process was just claiming; ask again soon.
    pub contended: bool,
    /// Nothing was free; how long until a hub with a limit of calls a second may call again.
    pub next_turn: Option<Duration>,
}

impl Worker {
    /// Who this process is to the lease table, now.
    pub(super) fn holder(&self, tx: &mut Tx<'_>) -> Result<Holder, StoreError> {
        Ok(Holder { boot: self.boot, now: self.clock.now(), lease_now: self.store.lease_now(tx)? })
    }

    /// Take at most `most` tasks of whoever is next.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn claim(&self, most: usize, company: Company) -> Result<Taken, EngineError> {
        self.claim_for(Slots::all(most), company).await
    }

    /// Take as many tasks as there are places for their workspace.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn claim_for(&self, slots: Slots, company: Company) -> Result<Taken, EngineError> {
        let began = self.clock.monotonic();
        let worker = self.clone();
        let claim = self
            .store
            .write(move |tx| {
                let wish = Wish {
                    boot: worker.boot,
                    now: worker.clock.now(),
                    lease_now: worker.store.own_lease_now(),
                    lease: worker.pace.lease(),
                    slots: slots.clone(),
                    company,
                };
                claims::claim_across_workspaces(tx, &wish)
            })
            .await?;
        for task in &claim.unreadable {
            tracing::error!(%task, "a task cannot be read by this version and was set aside");
        }
        // Counted from before the claim, so that it passes before the lease does.
        let deadline = began.saturating_add(self.pace.attempt);
        let ground = Arc::new(OnceCell::new());
        let tasks = claim
            .tasks
            .into_iter()
            .map(|task| Claimed {
                lease: Lease { workspace: task.workspace, task: task.id, epoch: task.lease_epoch },
                deadline,
                ground: Arc::clone(&ground),
                task,
            })
            .collect();
        let next_turn = claim.next_turn.map(|at| at.since(self.clock.now()));
        Ok(Taken { tasks, contended: claim.contended, next_turn })
    }
}
