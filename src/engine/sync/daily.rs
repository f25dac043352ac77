//! The syncs that nobody asks for (R7.1): the first one of a hub that was just connected, one a day
//! at a time of the hub's own, and at once for what fell due while no server ran. A hub's row says
//! when; whoever moves that time queues the sync.

use sha2::{Digest as _, Sha256};

use crate::base::clock::Micros;
use crate::base::ids::HubId;
use crate::base::limits::SYNC_EVERY;
use crate::engine::EngineError;
use crate::engine::worker::Worker;
use crate::store::sync_runs::{self, Wish};
use crate::store::{StoreError, hubs};

/// Hubs queued in one round; the next round is seconds away.
const ROUND: i64 = 200;
/// Stretches of finished lists that are thrown away in one round.
const CLEARED: usize = 200;

impl Worker {
    /// Queue what is due. Answers how many syncs that were.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn queue_syncs(&self) -> Result<usize, EngineError> {
        let now = self.clock.now();
        let due = self.store.read(move |conn| sync_runs::due_across_workspaces(conn, now, ROUND)).await?;
        let mut queued = 0;
        for (workspace, hub) in due {
            let (worker, id) = (self.clone(), self.ids.next());
            let next = after(hub, now);
            let new = self
                .store
                .write(move |tx| {
                    if !sync_runs::take_due(tx, workspace, hub, now, next)? {
                        return Ok::<_, StoreError>(false);
                    }
                    if !worker.connectors.lists(&hubs::load(tx, workspace, hub)?) {
                        return Ok(false);
                    }
                    let wish = Wish { cause: "daily_sync", request_id: None, accept_removals: false, id, now };
                    Ok(sync_runs::queue(tx, workspace, hub, &wish)?.1)
                })
                .await?;
            queued += usize::from(new);
        }
        Ok(queued)
    }

    /// Throw away what finished syncs listed, a little at a time.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn clear_syncs(&self) -> Result<(), EngineError> {
        for _ in 0..CLEARED {
            if !self.store.write(sync_runs::clear_across_workspaces).await? {
                break;
            }
        }
        Ok(())
    }
}

/// The hub's own time of day, the next time it comes after now: spread over the day by its id, so
/// that a thousand hubs do not call their apps in one minute.
fn after(hub: HubId, now: Micros) -> Micros {
    let day = i64::try_from(SYNC_EVERY.as_micros()).unwrap_or(i64::MAX);
    let digest = Sha256::digest(hub.bytes());
    let mut hash: i64 = 0;
    for byte in digest.iter().take(6) {
        hash = (hash << 8) | i64::from(*byte);
    }
    let slot = hash.rem_euclid(day);
    let today = now.0 - now.0.rem_euclid(day) + slot;
    Micros(if today > now.0 { today } else { today + day })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubs_have_times_of_their_own_within_a_day_and_keep_them() {
        let day = 86_400_000_000;
        let now = Micros(1_700_000_000_000_000);
        let mut slots = std::collections::BTreeSet::new();
        for number in 0..200u128 {
            let hub = HubId::from_uuid(uuid::Uuid::from_u128(number));
            let next = after(hub, now);
            assert!(next.0 > now.0 && next.0 <= now.0 + day);
            assert_eq!(after(hub, next).0, next.0 + day, "the same time tomorrow");
            slots.insert(next.0.rem_euclid(day) / (day / 24));
        }
        assert_eq!(slots.len(), 24, "every hour has some");
    }
}
