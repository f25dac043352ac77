//! What a start of the server may have mended: its settings say which addresses may be called, and they
//! may be others than when a hub was stopped because of them.

use serde_json::json;

use super::EngineError;
use super::worker::Worker;
use crate::domain::problem::Cause;
use crate::store::activity::{self, Entry};
use crate::store::{StoreError, hubs, lanes, problems};

impl Worker {
    /// Let hubs go on whose address was refused. Where it still is, the first task says so again.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn call_refused_again(&self) -> Result<usize, EngineError> {
        let (ids, now, cause) = (self.ids.clone(), self.clock.now(), Cause::AddressRefused);
        let mended = self
            .store
            .write(move |tx| {
                let found = problems::hubs_with_across_workspaces(tx, cause)?;
                for (workspace, id) in &found {
                    let hub = match hubs::load(tx, *workspace, *id) {
                        Err(StoreError::NotFound) => continue,
                        hub => hub?,
                    };
                    problems::close(tx, *workspace, hub.id, Some(cause), now)?;
                    let lane = lanes::load(tx, *workspace, hub.id)?;
                    if lane.is_none_or(|lane| lane.blocked_reason.as_deref() != Some(cause.as_str())) {
                        continue;
                    }
                    lanes::unblock(tx, *workspace, hub.id)?;
                    activity::record(
                        tx,
                        *workspace,
                        &Entry {
                            id: ids.next(),
                            at: now,
                            kind: "hub.unblocked",
                            actor: "server",
                            target: &format!("hub:{}", hub.slug),
                            hub: Some(hub.id),
                            user: None,
                            task: None,
                            request_id: None,
                            detail: json!({ "app": hub.app, "was": cause.as_str() }),
                            personal: None,
                        },
                    )?;
                }
                Ok::<_, StoreError>(found.len())
            })
            .await?;
        Ok(mended)
    }
}
