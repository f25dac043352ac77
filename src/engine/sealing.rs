//! The sealer: committed records of the activity get their place and hash within a second, once a
//! day the end of each chain is signed, and what is too old goes behind such a checkpoint. No
//! writer waits for it (DESIGN.md section 3).

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::base::clock::SharedClock;
use crate::base::ids::WorkspaceId;
use crate::base::limits::{ACTIVITY_KEPT, SEAL_BATCH};
use crate::domain::seal::Sealer;
use crate::store::origins::Found;
use crate::store::{Store, StoreError, duties, seals, workspaces};

/// How often new records are looked for.
const EVERY: Duration = Duration::from_millis(400);
/// How often the ends are signed and old records deleted.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Once for each batch that holds such records: each record is sealed once.
fn tell_foreign(workspace: WorkspaceId, first: &Found, count: usize) {
    tracing::error!(
        workspace = workspace.0,
        count,
        record.seq = first.seq,
        record.id = %first.id,
        record.kind = first.kind,
        record.at = first.at.to_rfc3339(),
        "the activity record has {count} record(s) that this installation did not write: somebody put them into the \
         database, the first at place {}; see `scimhub audit verify`",
        first.seq
    );
}

/// Seals the records of all workspaces.
#[derive(Clone)]
pub struct Sealing {
    /// The database.
    pub store: Store,
    /// Time.
    pub clock: SharedClock,
    /// The key.
    pub sealer: Sealer,
}

impl Sealing {
    /// Seal everything that is committed. Answers how many records that were.
    ///
    /// # Errors
    /// [`StoreError`]; a chain whose end was not signed here is left alone.
    pub async fn step(&self) -> Result<usize, StoreError> {
        let mut count = 0;
        for workspace in self.store.read(seals::waiting_across_workspaces).await? {
            loop {
                let (sealer, now) = (self.sealer.clone(), self.clock.now());
                let batch =
                    self.store.write(move |tx| seals::seal_batch(tx, workspace, &sealer, now, SEAL_BATCH)).await?;
                count += batch.sealed;
                if let Some(first) = batch.foreign.first() {
                    tell_foreign(workspace, first, batch.foreign.len());
                }
                if batch.sealed == 0 {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// Where it is time: sign the ends, and delete what is older than the record is kept. Answers
    /// whether it was time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn daily(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        if !self.store.write(move |tx| duties::take_across_workspaces(tx, "checkpoints", DAY, now)).await? {
            return Ok(false);
        }
        for workspace in self.store.read(workspaces::list_across_workspaces).await? {
            self.checkpoint(workspace.id).await?;
            loop {
                let (sealer, before) = (self.sealer.clone(), now.minus(ACTIVITY_KEPT));
                let deleted =
                    self.store.write(move |tx| seals::cut(tx, workspace.id, &sealer, before, SEAL_BATCH)).await?;
                if deleted == 0 {
                    break;
                }
            }
        }
        Ok(true)
    }

    async fn checkpoint(&self, workspace: WorkspaceId) -> Result<(), StoreError> {
        let (sealer, now) = (self.sealer.clone(), self.clock.now());
        if let Some(made) = self.store.write(move |tx| seals::checkpoint(tx, workspace, &sealer, now)).await? {
            // The log usually leaves the machine: there it stays true whatever happens to the database.
            tracing::info!(
                workspace = made.workspace,
                seq = made.seq,
                hash = made.hash,
                at = made.at,
                signature = made.signature,
                "checkpoint of the activity record"
            );
        }
        Ok(())
    }

    /// Seal until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut broken = false;
        loop {
            let done = match self.step().await {
                Ok(_) => self.daily().await.map(|_| ()),
                Err(error) => Err(error),
            };
            match done {
                Ok(()) => broken = false,
                // Once, not every 400 ms.
                Err(error) if !broken => {
                    broken = true;
                    tracing::error!(%error, "the activity record cannot be sealed");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        // What the last requests wrote.
        if let Err(error) = self.step().await {
            tracing::debug!(%error, "the last records are sealed by the next start");
        }
    }
}
